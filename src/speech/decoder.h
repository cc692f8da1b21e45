/*
 * decoder.h - one pocketsphinx decoder, and borrowing it (private to speech/).
 *
 *   Memory   decoders belong to their model's pool; a borrowed one must be given back.
 *   Thread   borrowing: any. A borrowed decoder belongs to one utterance.
 *   Bounds   see stt.h.
 */
#ifndef SPEECH_DECODER_H
#define SPEECH_DECODER_H

#include <pocketsphinx.h>
#include <stdbool.h>

#include "base/err.h"
#include "speech/front.h"
#include "speech/stt.h"

struct decoder {
    ps_decoder_t *ps;
    struct decoder *next; /* of the idle ones */
    bool extra;           /* beyond the bound: not kept */
};

/* Borrows an idle decoder or makes one. ERR_LIMIT when all are out and `extra` is false; with
 * `extra` one is made that lives for this loan alone. ERR_IO when pocketsphinx fails. */
enum err decoder_borrow(struct decoder **out, struct stt_model *m, bool extra) MUST_CHECK;
void decoder_return(struct stt_model *m, struct decoder *d);

/* One utterance, whole: the mean is taken over all of it before the search. */
void decoder_run(struct decoder *d, float (*cep)[FRONT_CEPSTRA], size_t frames);

/* Frames of a running utterance (after ps_start_utt). */
void decoder_feed(struct decoder *d, float (*cep)[FRONT_CEPSTRA], size_t frames);

/* The running mean that the next utterance starts from. */
void decoder_set_mean(struct decoder *d, const float mean[FRONT_CEPSTRA]);
void decoder_get_mean(struct decoder *d, float mean[FRONT_CEPSTRA]);

#endif
