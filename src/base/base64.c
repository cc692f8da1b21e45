#include "base/base64.h"

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

enum err base64_decode(uint8_t *out, size_t *out_len, struct str text)
{
    if (text.len % 4 != 0)
        return ERR_INVALID;
    size_t bytes = base64_decoded_len(text);
    size_t whole = bytes / 3 * 3;
    const char *in = text.p;
    uint8_t *o = out;
    unsigned bad = 0;
    for (size_t i = 0; i < whole; i += 3, in += 4) {
        uint32_t a = value_of(in[0]), b = value_of(in[1]);
        uint32_t c = value_of(in[2]), d = value_of(in[3]);
        bad |= (a | b | c | d) & BAD;
        uint32_t x = a << 18 | b << 12 | c << 6 | d;
        *o++ = (uint8_t)(x >> 16);
        *o++ = (uint8_t)(x >> 8);
        *o++ = (uint8_t)x;
    }
    if (bytes > whole) {
        uint32_t a = value_of(in[0]), b = value_of(in[1]);
        uint32_t c = bytes - whole == 2 ? value_of(in[2]) : 0;
        bad |= (a | b | c) & BAD;
        uint32_t x = a << 18 | b << 12 | c << 6;
        bad |= (x & (bytes - whole == 2 ? 0xffu : 0xffffu)) != 0; /* RFC 4648 section 3.5 */
        *o++ = (uint8_t)(x >> 16);
        if (bytes - whole == 2)
            *o++ = (uint8_t)(x >> 8);
    }
    if (bad)
        return ERR_INVALID;
    *out_len = bytes;
    return OK;
}
