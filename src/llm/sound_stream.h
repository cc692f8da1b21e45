/*
 * sound_stream.h - 16-bit mono samples from the bytes of a stream, bare or behind a WAV header.
 *
 *   Memory   a value, embedded in its owner; it keeps a header that is not whole and half a sample.
 *   Bounds   SPEAK_HEAD_BYTES_MAX bytes of header.
 *   Thread   any; pure.
 */
#ifndef LLM_SOUND_STREAM_H
#define LLM_SOUND_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

/* Fields are private to sound_stream.c, but rate_hz. */
struct sound_stream {
    uint32_t rate_hz; /* known with the first sample */
    bool begun;       /* past the header, if there is one */
    uint8_t head[SPEAK_HEAD_BYTES_MAX];
    size_t head_len, head_at;
    uint64_t left; /* bytes of samples; what follows is skipped */
    bool half;
    uint8_t low;
};

/* `bare_hz`: the rate when there is no header. */
void sound_stream_init(struct sound_stream *s, uint32_t bare_hz);
/* Takes bytes off the front of *in and writes up to `max` samples, *count of them. OK: call again
 * while *in is not empty or `max` were written. ERR_INVALID: WAV of another coding, of several
 * channels, or with too long a header. */
enum err sound_stream_next(struct sound_stream *s, struct str *in, int16_t *out, size_t max,
                           size_t *count) MUST_CHECK;

#endif
