/*
 * speak.h - text becomes speech: POST /audio/speech.
 *
 * The sound is told as it arrives. It is asked for as bare samples (pcm), which OpenAI sends at
 * 24 kHz; a service that sends WAV instead is understood, and its rate is told.
 *
 *   Units     samples: mono, 16-bit.
 *   Lifetime  every ask accepted ends in exactly one call of its done function, from the loop,
 *             never from inside speak_start; speak_cancel prevents it, and may be called from
 *             on_audio. Nothing is tried again once sound has come.
 *   Thread    the loop's.
 *   Bounds    SPEAK_CHARACTERS_MAX of text; SPEAK_ANSWER_BYTES_MAX of sound. It comes as quickly as
 *             the service makes it: the asker keeps it until it is played.
 */
#ifndef LLM_SPEAK_H
#define LLM_SPEAK_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/llm.h"

struct speak;

struct speak_ask {
    struct str text, voice;
    struct str instructions; /* how to say it; p == NULL: none */
    unsigned speed_permille; /* 250 to 4000; 0 = not said */
    uint32_t deadline_ms;    /* for all tries together, to the last sample */
};

struct speak_result {
    enum err err;   /* as embed_result's; ERR_INVALID: what came is no such sound */
    size_t samples; /* told so far */
    uint32_t rate_hz;
    const char *model;
    struct llm_usage usage; /* characters alone: the API tells no tokens */
    const char *detail;     /* a sentence when err is not OK; never holds credentials */
};

/* `samples` is valid until return; `rate_hz` is the same each time. */
typedef void speak_audio_fn(void *ctx, uint32_t rate_hz, const int16_t *samples, size_t count);
typedef void speak_done_fn(void *ctx, const struct speak_result *result);

/* Everything in `ask` is copied. ERR_INVALID: no text or voice, or not UTF-8, or another speed;
 * ERR_LIMIT: too long, or too many requests on the loop. */
enum err speak_start(struct llm *s, const struct speak_ask *ask, speak_audio_fn *on_audio,
                     speak_done_fn *done, void *ctx, struct speak **out) MUST_CHECK;
/* Prevents the done function. Not from inside of it. */
void speak_cancel(struct speak *s);

#endif
