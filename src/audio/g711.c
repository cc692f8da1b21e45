#include "audio/g711.h"

/*
 * The tables are computed by the preprocessor from the two formulas, so that there is no list of
 * numbers to mistype. MU and A take the code as sent; EXP and MAN are its exponent and mantissa.
 */
#define EXP(x) (((x) >> 4) & 7)
#define MAN(x) ((x)&15)

#define MU_MAG(u) ((((MAN(u) << 3) + 0x84) << EXP(u)) - 0x84)
#define MU_OF(u)  (int16_t)(((u)&0x80) ? -MU_MAG(u) : MU_MAG(u))
#define MU(code)  MU_OF((code) ^ 0xff)

/* The shift of exponent 0 is never evaluated; the conditional keeps it in range. */
#define A_MAG(a) \
    (EXP(a) == 0 ? (MAN(a) << 4) + 8 : ((MAN(a) << 4) + 0x108) << (EXP(a) ? EXP(a) - 1 : 0))
#define A_OF(a) (int16_t)(((a)&0x80) ? A_MAG(a) : -A_MAG(a))
#define A(code) A_OF((code) ^ 0x55)

#define ROW4(f, c)  f(c), f((c) + 1), f((c) + 2), f((c) + 3)
#define ROW16(f, c) ROW4(f, c), ROW4(f, (c) + 4), ROW4(f, (c) + 8), ROW4(f, (c) + 12)
#define ROW64(f, c) ROW16(f, c), ROW16(f, (c) + 16), ROW16(f, (c) + 32), ROW16(f, (c) + 48)

const int16_t g711_mulaw_table[256] = {ROW64(MU, 0), ROW64(MU, 64), ROW64(MU, 128), ROW64(MU, 192)};
const int16_t g711_alaw_table[256] = {ROW64(A, 0), ROW64(A, 64), ROW64(A, 128), ROW64(A, 192)};

static unsigned top_bit(unsigned x)
{
    return 31u - (unsigned)__builtin_clz(x);
}

uint8_t g711_mulaw_encode(int16_t sample)
{
    int s = sample;
    unsigned sign = s < 0 ? 0x80 : 0;
    unsigned mag = (unsigned)(s < 0 ? -s : s);
    mag = (mag > 32635 ? 32635 : mag) + 0x84; /* the bias makes bit 7 the lowest top bit */
    unsigned exp = top_bit(mag) - 7;
    return (uint8_t) ~(sign | exp << 4 | (mag >> (exp + 3) & 15));
}

uint8_t g711_alaw_encode(int16_t sample)
{
    int s = sample;
    unsigned sign = s < 0 ? 0 : 0x80;
    unsigned p =
        (unsigned)(s < 0 ? -s - 1 : s) >> 3; /* one's complement: -8..-1 is the first step */
    unsigned code = p >> 1;
    if (p >= 32) {
        unsigned exp = top_bit(p) - 4;
        code = exp << 4 | (p >> exp & 15);
    }
    return (uint8_t)((sign | code) ^ 0x55);
}

void g711_mulaw_decode_all(int16_t *out, const uint8_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = g711_mulaw_table[in[i]];
}

void g711_alaw_decode_all(int16_t *out, const uint8_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = g711_alaw_table[in[i]];
}

void g711_mulaw_encode_all(uint8_t *out, const int16_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = g711_mulaw_encode(in[i]);
}

void g711_alaw_encode_all(uint8_t *out, const int16_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = g711_alaw_encode(in[i]);
}
