/*
 * transcribe.h - speech becomes text: POST /audio/transcriptions.
 *
 *   Units     samples: mono; rate in Hz.
 *   Lifetime  every ask accepted ends in exactly one call of its done function, from the loop,
 *             never from inside transcribe_start; transcribe_cancel prevents it.
 *   Thread    the loop's.
 *   Bounds    TRANSCRIBE_AUDIO_BYTES_MAX as 16-bit samples: the API takes files up to 25 MB.
 */
#ifndef LLM_TRANSCRIBE_H
#define LLM_TRANSCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/llm.h"

struct transcribe;

struct transcribe_ask {
    const int16_t *samples; /* or, NULL: */
    const uint8_t *mulaw;
    size_t count;
    uint32_t rate_hz;
    struct str language; /* "en"; p == NULL: it finds out */
    struct str prompt;   /* words that are likely; p == NULL: none */
    uint32_t deadline_ms;
};

struct transcribe_result {
    enum err err;    /* as embed_result's; ERR_INVALID: the answer holds no text */
    struct str text; /* valid until return, as all here */
    const char *model;
    struct llm_usage usage;
    const char *detail; /* a sentence when err is not OK; never holds credentials */
};

typedef void transcribe_done_fn(void *ctx, const struct transcribe_result *result);

/* Everything in `ask` is copied. ERR_INVALID: no audio, or words that are not UTF-8; ERR_LIMIT: too
 * much audio, or too many requests on the loop. */
enum err transcribe_start(struct llm *s, const struct transcribe_ask *ask, transcribe_done_fn *done,
                          void *ctx, struct transcribe **out) MUST_CHECK;
/* Prevents the done function. Not from inside of it. */
void transcribe_cancel(struct transcribe *t);

#endif
