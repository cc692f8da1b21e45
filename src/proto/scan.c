#include "proto/scan.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { NUMBER_DIGITS_MAX = 18 }; /* always fits int64_t */

/* Eight bytes at a time; BYTES(x) repeats a byte, ZERO(x) has the top bit of every zero byte of x
 * set, and maybe of bytes above the lowest zero byte. */
#define BYTES(x) (UINT64_C(0x0101010101010101) * (x))
#define ZERO(x)  (((x)-BYTES(1)) & ~(x)&BYTES(0x80))

/* The first byte lowest, whatever the machine; compilers make it one load. */
static uint64_t load8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static bool plain_byte(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Nearly every byte of every frame is looked at here, on its way in and on its way out: in steps of
 * 16, then of 8. */
static inline size_t plain_len(struct str s)
{
    size_t i = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');
    for (; s.len - i >= 16; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s.p + i));
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash));
        special = _mm_or_si128(special, _mm_cmplt_epi8(x, space)); /* signed: 0x80 and above, too */
        int mask = _mm_movemask_epi8(special);
        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    for (; s.len - i >= 8; i += 8) {
        uint64_t w = load8(s.p + i);
        uint64_t quotes = w ^ BYTES('"'), slashes = w ^ BYTES('\\');
        uint64_t control = (w - BYTES(0x20)) & ~w & BYTES(0x80);
        uint64_t special = ZERO(quotes) | ZERO(slashes) | control | (w & BYTES(0x80));
        if (special) /* false alarms stand only above a true one: the lowest is true */
            return i + (size_t)__builtin_ctzll(special) / 8;
    }
    while (i < s.len && plain_byte((unsigned char)s.p[i]))
        i++;
    return i;
}

size_t scan_plain_len(struct str s)
{
    return plain_len(s);
}

void scan_put_json(struct buf *b, struct str s)
{
    if (plain_len(s) != s.len) {
        buf_put_json(b, s);
        return;
    }
    buf_put_byte(b, '"');
    buf_put_str(b, s);
    buf_put_byte(b, '"');
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

/* Frames have no space between their members. */
static inline bool take(struct scan *s, char c)
{
    if (s->p < s->end && (unsigned char)*s->p <= ' ')
        skip_space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static inline bool take_string(struct scan *s, struct str *out)
{
    if (!take(s, '"'))
        return false;
    size_t n = plain_len(str_n(s->p, (size_t)(s->end - s->p)));
    *out = str_n(s->p, n);
    s->p += n;
    if (s->p == s->end || *s->p != '"')
        return false;
    s->p++;
    return true;
}

/* RFC 8259 section 6, whole numbers only; what follows the digits is checked by scan_next. */
static bool take_number(struct scan *s, int64_t *out)
{
    const char *from = s->p;
    bool negative = *s->p == '-';
    if (negative)
        s->p++;
    const char *digits = s->p;
    int64_t x = 0;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - digits < NUMBER_DIGITS_MAX)
        x = x * 10 + (*s->p++ - '0');
    if (s->p == digits || (*digits == '0' && s->p - digits > 1))
        return false;
    *out = negative ? -x : x;
    return s->p > from;
}

bool scan_begin(struct scan *s, struct str text)
{
    *s = (struct scan){.p = text.p, .end = text.p + text.len, .first = true};
    return text.len > 0 && take(s, '{');
}

enum scan_kind scan_next(struct scan *s, struct scan_member *m)
{
    bool first = s->first;
    s->first = false;
    if (take(s, '}'))
        return SCAN_END;
    if (!first && !take(s, ','))
        return SCAN_UNUSUAL;
    if (!take_string(s, &m->key) || !take(s, ':'))
        return SCAN_UNUSUAL;
    if (s->p < s->end && (unsigned char)*s->p <= ' ')
        skip_space(s);
    if (s->p == s->end)
        return SCAN_UNUSUAL;
    if (*s->p == '"')
        return take_string(s, &m->text) ? SCAN_STRING : SCAN_UNUSUAL;
    if (*s->p == '{') {
        s->p++;
        s->first = true;
        return SCAN_OBJECT;
    }
    if (*s->p != '-' && (*s->p < '0' || *s->p > '9'))
        return SCAN_UNUSUAL;
    /* A fraction, an exponent or a 19th digit is seen by the next call, which finds no comma. */
    return take_number(s, &m->number) ? SCAN_INT : SCAN_UNUSUAL;
}

bool scan_done(struct scan *s)
{
    skip_space(s);
    return s->p == s->end;
}
