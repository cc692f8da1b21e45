/*
 * resample.h - mono sample rate conversion over speexdsp, quality 3.
 *
 * Quality 3 costs 8 to 16 microseconds for 20 ms and delays by 1 to 3 ms, which a conversation
 * does not notice. A stream keeps that delay and gives steady lengths (160 in, 320 out); a whole
 * clip goes through resample_clip, which removes it, so that lengths come out as one expects.
 *
 *   Units    mono int16 samples; rates in Hz.
 *   Memory   struct resample is a heap object.
 *   Thread   one stream belongs to one thread.
 *   Bounds   rates from RESAMPLE_HZ_MIN to RESAMPLE_HZ_MAX (base/limits.h): outside them the
 *            filter tables grow without use.
 */
#ifndef AUDIO_RESAMPLE_H
#define AUDIO_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resample;

/* Rates that come from a file or a peer are asked about first. */
bool resample_rate_ok(uint32_t rate_hz);

/* A stream from one rate to another; both must be rate_ok. Equal rates copy. */
struct resample *resample_new(uint32_t in_hz, uint32_t out_hz);
void resample_free(struct resample *r);

/* Samples that `count` input samples can become at most, in one call. */
size_t resample_out_max(const struct resample *r, size_t count);

/* Takes all `count` samples and returns how many it wrote to `out`, which holds
 * resample_out_max(r, count). */
size_t resample_run(struct resample *r, const int16_t *in, size_t count, int16_t *out);

/* Exactly how many samples resample_clip writes: count * out_hz / in_hz, rounded. */
size_t resample_clip_len(size_t count, uint32_t in_hz, uint32_t out_hz);

/* A whole clip, aligned with its input (no delay, nothing lost at the end). `out` holds
 * resample_clip_len samples. */
void resample_clip(const int16_t *in, size_t count, uint32_t in_hz, int16_t *out, uint32_t out_hz);

#endif
