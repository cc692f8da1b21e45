/*
 * stt.h - the offline recogniser: vocabularies, and a bounded pool of decoders for each.
 *
 * Recognition over a telephone line works only for what a vocabulary leads it to expect (see lm.h).
 * A model is one vocabulary made ready: language model and cut-down dictionary. Decoders (about
 * 7 MB each) are made when first needed and kept for the next utterance; an utterance (utterance.h)
 * borrows one from its first frame to its text.
 *
 *   Memory   models are counted: stt_model_build hands out one reference, stt_model_unref gives it
 *            back. A model lives until its last reference and utterance are gone.
 *   Thread   any; takes a lock of its own for the moment of borrowing. Building a model and making
 *            a decoder take tens of milliseconds: workers only.
 *   Bounds   decoders_max decoders kept over all models; see stt_utterance_end for one more.
 */
#ifndef SPEECH_STT_H
#define SPEECH_STT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct stt;
struct stt_model;

/* Zero means the default. */
struct stt_opts {
    const char *model_dir; /* holds en-us/ and cmudict-en-us.dict; default STT_MODEL_DIR */
    unsigned decoders_max; /* default STT_DECODERS_MAX */
};

#define STT_MODEL_DIR "/usr/share/pocketsphinx/model/en-us"

/* Maps the dictionary; quick. ERR_NOTFOUND with a sentence in `detail` (may be NULL) when the
 * acoustic model is not installed. */
enum err stt_open(struct stt **out, const struct stt_opts *opts,
                  struct err_detail *detail) MUST_CHECK;
/* After every model is gone. NULL-safe. */
void stt_close(struct stt *s);

/*
 * Makes a model of texts (titles, questions, passages: written text, cut and normalised here) and
 * of how callers phrase things (callers.h). Worker only: about 30 ms for a few hundred sentences.
 * ERR_INVALID, with a sentence in `detail` (may be NULL), when no word is left.
 */
enum err stt_model_build(struct stt_model **out, struct stt *s, const struct str *texts,
                         size_t count, struct err_detail *detail) MUST_CHECK;
void stt_model_ref(struct stt_model *m);
/* NULL-safe. */
void stt_model_unref(struct stt_model *m);

/* Makes a first decoder if none is idle, so that the first utterance does not wait for it. Worker.
 */
void stt_model_warm(struct stt_model *m);

/* Words the model can recognise, and words of its texts that nobody could pronounce. */
size_t stt_model_words(const struct stt_model *m);
size_t stt_model_dropped(const struct stt_model *m);

#endif
