#include "base/base64.h"

#if defined(__x86_64__)
#include <tmmintrin.h>
#endif

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0x80 }; /* the top bit, which no value has */

/* Index by character below 128. */
static const uint8_t ascii[128] = {
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
    BAD, BAD, BAD, BAD, BAD, 62,  BAD, BAD, BAD, 63,  52,  53,  54,  55,  56,  57,  58,  59,  60,
    61,  BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,
    11,  12,  13,  14,  15,  16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  BAD, BAD, BAD, BAD,
    BAD, BAD, 26,  27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,  41,  42,
    43,  44,  45,  46,  47,  48,  49,  50,  51,  BAD, BAD, BAD, BAD, BAD,
};

static inline uint32_t value_of(char c)
{
    uint8_t u = (uint8_t)c;
    return u < 128 ? ascii[u] : BAD;
}

size_t base64_encode(char *out, const void *p, size_t len)
{
    const uint8_t *in = p;
    char *o = out;
    for (; len >= 3; len -= 3, in += 3) {
        uint32_t x = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *o++ = alphabet[x >> 18];
        *o++ = alphabet[x >> 12 & 63];
        *o++ = alphabet[x >> 6 & 63];
        *o++ = alphabet[x & 63];
    }
    if (len) {
        uint32_t x = (uint32_t)in[0] << 16 | (len > 1 ? (uint32_t)in[1] << 8 : 0);
        *o++ = alphabet[x >> 18];
        *o++ = alphabet[x >> 12 & 63];
        *o++ = len > 1 ? alphabet[x >> 6 & 63] : '=';
        *o++ = '=';
    }
    return (size_t)(o - out);
}

size_t base64_decoded_len(struct str text)
{
    if (text.len == 0 || text.len % 4 != 0)
        return 0;
    size_t pad = text.p[text.len - 1] != '=' ? 0 : text.p[text.len - 2] != '=' ? 1 : 2;
    return text.len / 4 * 3 - pad;
}

/* Whole groups of four characters, none of them padding; returns BAD bits. */
static unsigned decode_groups(uint8_t *o, const char *in, size_t groups)
{
    unsigned bad = 0;
    for (; groups > 0; groups--, in += 4) {
        uint32_t a = value_of(in[0]), b = value_of(in[1]);
        uint32_t c = value_of(in[2]), d = value_of(in[3]);
        bad |= (a | b | c | d) & BAD;
        uint32_t x = a << 18 | b << 12 | c << 6 | d;
        *o++ = (uint8_t)(x >> 16);
        *o++ = (uint8_t)(x >> 8);
        *o++ = (uint8_t)x;
    }
    return bad;
}

#if defined(__x86_64__)
/* Sixteen characters at a time, after W. Mula and D. Lemire, "Faster Base64 Encoding and Decoding
 * using AVX2 Instructions" (2018): both halves of a character select bits from a table, and a bit
 * that both have tells one outside the alphabet; what to add to make it a value is told by the
 * upper half alone, but for '/'. Stops while a store of 16 bytes still fits into what is left of
 * `groups`; returns the groups done. */
__attribute__((target("ssse3"))) static size_t decode_ssse3(uint8_t *o, const char *in,
                                                            size_t groups, unsigned *bad)
{
    const __m128i low_bits = _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                           0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    const __m128i high_bits = _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10,
                                            0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m128i to_value =
        _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m128i slash = _mm_set1_epi8('/'); /* also the mask of the lower half */
    __m128i outside = _mm_setzero_si128();
    size_t done = 0;
    for (; groups - done >= 6; done += 4, in += 16, o += 12) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)in);
        __m128i high = _mm_and_si128(_mm_srli_epi32(x, 4), slash);
        __m128i low = _mm_and_si128(x, slash);
        outside = _mm_or_si128(outside, _mm_and_si128(_mm_shuffle_epi8(low_bits, low),
                                                      _mm_shuffle_epi8(high_bits, high)));
        __m128i add = _mm_shuffle_epi8(to_value, _mm_add_epi8(_mm_cmpeq_epi8(x, slash), high));
        __m128i pairs = _mm_maddubs_epi16(_mm_add_epi8(x, add), _mm_set1_epi32(0x01400140));
        __m128i whole = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
        _mm_storeu_si128((__m128i *)(void *)o, _mm_shuffle_epi8(whole, order));
    }
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(outside, _mm_setzero_si128())) != 0xffff)
        *bad |= BAD;
    return done;
}
#endif

static enum err decode(uint8_t *out, size_t *out_len, struct str text, bool fast)
{
    if (text.len % 4 != 0)
        return ERR_INVALID;
    size_t bytes = base64_decoded_len(text);
    size_t groups = bytes / 3, whole = groups * 3, done = 0;
    unsigned bad = 0;
#if defined(__x86_64__)
    if (fast && __builtin_cpu_supports("ssse3"))
        done = decode_ssse3(out, text.p, groups, &bad);
#else
    (void)fast;
#endif
    bad |= decode_groups(out + done * 3, text.p + done * 4, groups - done);
    if (bytes > whole) {
        const char *in = text.p + groups * 4;
        uint32_t a = value_of(in[0]), b = value_of(in[1]);
        uint32_t c = bytes - whole == 2 ? value_of(in[2]) : 0;
        bad |= (a | b | c) & BAD;
        uint32_t x = a << 18 | b << 12 | c << 6;
        bad |= (x & (bytes - whole == 2 ? 0xffu : 0xffffu)) != 0; /* RFC 4648 section 3.5 */
        out[whole] = (uint8_t)(x >> 16);
        if (bytes - whole == 2)
            out[whole + 1] = (uint8_t)(x >> 8);
    }
    if (bad)
        return ERR_INVALID;
    *out_len = bytes;
    return OK;
}

enum err base64_decode(uint8_t *out, size_t *out_len, struct str text)
{
    return decode(out, out_len, text, true);
}

enum err base64_decode_table(uint8_t *out, size_t *out_len, struct str text)
{
    return decode(out, out_len, text, false);
}
