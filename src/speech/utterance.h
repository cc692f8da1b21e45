/*
 * utterance.h - one utterance of a caller on its way to text.
 *
 * Features are taken and searched while the caller speaks, so that the text is there milliseconds
 * after the end. If every decoder is busy the features wait and are searched at the end.
 *
 *   Units    mono int16 at 8 kHz. Confidence in permille.
 *   Memory   a heap object that holds a reference to its model.
 *   Thread   one thread at a time, workers only (a frame of 20 ms takes about 1 ms).
 *   Bounds   STT_UTTERANCE_MS_MAX of audio; what comes later is ignored.
 */
#ifndef SPEECH_UTTERANCE_H
#define SPEECH_UTTERANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "speech/front.h"
#include "speech/stt.h"

/* What is learned about a line and a voice and helps with the next utterance of the same call.
 * Zero-initialise; fields are private to utterance.c. */
struct stt_caller {
    float mean[FRONT_CEPSTRA];
    bool known;
};

struct stt_result {
    struct buf text;     /* lower-case words; empty when nothing was understood */
    unsigned confidence; /* 0..1000: how sure the recogniser is of its words */
    unsigned words;
};

struct stt_utterance;

/* `caller` may be NULL; it is copied. */
enum err stt_utterance_new(struct stt_utterance **out, struct stt_model *m,
                           const struct stt_caller *caller) MUST_CHECK;
/* At any time. NULL-safe. */
void stt_utterance_free(struct stt_utterance *u);

/* Also after stt_utterance_end: the caller had only paused, and the utterance goes on as if it had
 * not been ended. What was said so far is then searched a second time (40 ms a second of it). */
void stt_utterance_feed(struct stt_utterance *u, const int16_t *pcm, size_t count);

/* Replaces *out with the words so far; empty while nothing can be said. */
void stt_utterance_partial(struct stt_utterance *u, struct buf *out);

/*
 * Ends the utterance: the text, and what was learned about the caller (may be NULL). Without a
 * decoder so far it makes one beyond the bound, for the moment of the search: at most as many as
 * there are workers. ERR_IO when pocketsphinx fails; *out is then an empty text.
 */
enum err stt_utterance_end(struct stt_utterance *u, struct stt_result *out,
                           struct stt_caller *caller) MUST_CHECK;

void stt_result_init(struct stt_result *r);
void stt_result_fini(struct stt_result *r);

#endif
