/*
 * wav.h - RIFF WAVE in memory: reading what people and tools produce, writing 16-bit PCM.
 *
 * Reading tolerates what is met in the wild: chunks in any order around fmt and data, odd chunks
 * with or without their pad byte at the end, WAVE_FORMAT_EXTENSIBLE, a data size of 0 or 0xffffffff
 * written by a program that streamed, and a data chunk cut short. It refuses what it cannot play.
 *
 *   Units    a frame is one sample of every channel. Samples leave as 16-bit linear.
 *   Memory   struct wav borrows from the bytes it was parsed from.
 *   Thread   any; pure.
 *   Bounds   never reads outside the bytes given; the writer is bounded by its buffer.
 */
#ifndef AUDIO_WAV_H
#define AUDIO_WAV_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum wav_format { WAV_PCM8, WAV_PCM16, WAV_MULAW, WAV_ALAW };

enum { WAV_HEADER_BYTES = 44 }; /* as wav_write_header writes it */

struct wav {
    enum wav_format format;
    unsigned channels; /* >= 1 */
    uint32_t rate_hz;  /* >= 1; whether it can be resampled is resample_rate_ok's to say */
    const uint8_t *data;
    size_t frames; /* whole ones */
};

/* ERR_INVALID with a sentence in `detail` (may be NULL): not WAVE, no fmt or data, or a coding
 * other than PCM of 8 or 16 bits, mu-law and A-law. */
enum err wav_parse(struct wav *out, struct str bytes, struct err_detail *detail) MUST_CHECK;

/* Samples of one channel, `count` frames from `first`; the caller keeps them inside `frames`. */
void wav_read_channel(const struct wav *w, unsigned channel, size_t first, int16_t *out,
                      size_t count);
/* The same with the mean of all channels. */
void wav_read_mono(const struct wav *w, size_t first, int16_t *out, size_t count);

/* The 44-byte header of a 16-bit PCM file of `frames` frames. A size past what RIFF can say is
 * written as 0xffffffff, which readers take for "to the end". */
void wav_write_header(struct buf *b, uint32_t rate_hz, unsigned channels, uint64_t frames);
/* `count` samples (interleaved when there are several channels), little-endian. */
void wav_write_samples(struct buf *b, const int16_t *samples, size_t count);

#endif
