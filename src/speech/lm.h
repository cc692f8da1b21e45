/*
 * lm.h - a back-off trigram language model from sentences.
 *
 * The recogniser is only good at what it expects, so it expects the sentences of one business:
 * titles, questions and passages of its knowledge, and how callers phrase things. Absolute
 * discounting (Ney, Essen and Kneser 1994): every seen n-gram gives away LM_DISCOUNT of its count,
 * and the unseen ones share that by the shorter model's word probabilities.
 *
 *   Units    words as normalise_words() writes them; probabilities are log10 in the ARPA text.
 *   Memory   heap; lm_fini frees.
 *   Thread   the owner's; pure.
 *   Bounds   LM_WORDS_MAX different words and LM_TOKENS_MAX words in all; what comes later is
 *            ignored and `full` is set.
 */
#ifndef SPEECH_LM_H
#define SPEECH_LM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct lm_gram;

/* Fields are private to lm.c except `full` and `word_count`. */
struct lm {
    struct buf text;       /* the words, NUL-terminated, one after the other */
    uint32_t *word_offset; /* into text, by word id */
    uint32_t word_count;   /* <s> and </s> are words 0 and 1 */
    uint32_t word_cap;
    uint32_t *slots; /* open hash of word ids + 1 */
    uint32_t slot_count;
    struct lm_gram *grams; /* every position once: word and the two behind it */
    size_t gram_count;
    size_t gram_cap;
    bool full;
};

void lm_init(struct lm *m);
void lm_fini(struct lm *m);

/* Adds one sentence of normalised words, as if it had been seen `weight` (> 0) times. */
void lm_add(struct lm *m, struct str words, uint32_t weight);

/* The word with this id, NUL-terminated; ids below 2 are the sentence marks. */
const char *lm_word(const struct lm *m, uint32_t id);
/* The id of a word, or UINT32_MAX. */
uint32_t lm_find(const struct lm *m, struct str word);

/*
 * Appends the model in ARPA format, the words marked in `skip` (by id; may be NULL) left out as if
 * they had not been spoken. ERR_INVALID when nothing is left, ERR_LIMIT when `out` is full.
 */
enum err lm_write_arpa(const struct lm *m, const bool *skip, struct buf *out) MUST_CHECK;

#endif
