#include "base/utf8.h"

#include <string.h>

static bool lead(struct utf8_state *s, uint8_t c)
{
    s->low = 0x80;
    s->high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        s->need = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        s->need = 2;
        s->low = c == 0xe0 ? 0xa0 : 0x80;  /* overlong */
        s->high = c == 0xed ? 0x9f : 0xbf; /* surrogates */
    } else if (c >= 0xf0 && c <= 0xf4) {
        s->need = 3;
        s->low = c == 0xf0 ? 0x90 : 0x80;  /* overlong */
        s->high = c == 0xf4 ? 0x8f : 0xbf; /* above U+10FFFF */
    } else {
        return false;
    }
    return true;
}

static inline uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Nearly all text is ASCII: how much of it is surely so, in steps of 32 and 8 bytes. */
static inline size_t ascii_len(const char *p, size_t len)
{
    const uint64_t top = 0x8080808080808080u;
    size_t i = 0;
    for (; len - i >= 32; i += 32) {
        const char *at = p + i;
        if ((load8(at) | load8(at + 8) | load8(at + 16) | load8(at + 24)) & top)
            break;
    }
    while (len - i >= 8 && !(load8(p + i) & top))
        i += 8;
    return i;
}

bool utf8_feed(struct utf8_state *s, struct str piece)
{
    for (size_t i = 0; i < piece.len;) {
        if (s->need == 0) {
            i += ascii_len(piece.p + i, piece.len - i);
            if (i >= piece.len)
                break;
        }
        uint8_t c = (uint8_t)piece.p[i++];
        if (s->need) {
            if (c < s->low || c > s->high)
                return false;
            s->low = 0x80;
            s->high = 0xbf;
            s->need--;
        } else if (c >= 0x80 && !lead(s, c)) {
            return false;
        }
    }
    return true;
}

bool utf8_done(const struct utf8_state *s)
{
    return s->need == 0;
}

bool utf8_valid(struct str text)
{
    struct utf8_state s = {0};
    return utf8_feed(&s, text) && utf8_done(&s);
}
