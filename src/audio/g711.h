/*
 * g711.h - the two telephone codecs: mu-law and A-law (ITU-T G.711).
 *
 * Decoding is the one standard table. Encoders of different programs differ by one step at decision
 * boundaries; this one is the classic reference (truncating, mu-law clipped at 32635), so encoding
 * a decoded code gives the code back, except mu-law's negative zero 0x7f, which becomes 0xff.
 *
 *   Units    samples: 16-bit linear, mono. One code byte a sample.
 *   Thread   any; pure functions over constant tables.
 */
#ifndef AUDIO_G711_H
#define AUDIO_G711_H

#include <stddef.h>
#include <stdint.h>

/* What digital silence is on the wire. 0x00 is the loudest sample there is, never padding. */
enum { G711_MULAW_SILENCE = 0xff, G711_ALAW_SILENCE = 0xd5 };

extern const int16_t g711_mulaw_table[256]; /* by code; range +-32124 */
extern const int16_t g711_alaw_table[256];  /* by code; range +-32256, never 0 */

static inline int16_t g711_mulaw_decode(uint8_t code)
{
    return g711_mulaw_table[code];
}

static inline int16_t g711_alaw_decode(uint8_t code)
{
    return g711_alaw_table[code];
}

uint8_t g711_mulaw_encode(int16_t sample);
uint8_t g711_alaw_encode(int16_t sample);

/* `count` codes into `count` samples, and back. `out` and `in` do not overlap. */
void g711_mulaw_decode_all(int16_t *out, const uint8_t *in, size_t count);
void g711_alaw_decode_all(int16_t *out, const uint8_t *in, size_t count);
void g711_mulaw_encode_all(uint8_t *out, const int16_t *in, size_t count);
void g711_alaw_encode_all(uint8_t *out, const int16_t *in, size_t count);

#endif
