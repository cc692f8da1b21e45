/*
 * lexicon.h - the stems a business's passages have, in memory: is a word known, in how many
 * passages is it, and which stems are spelt nearly like it. Private to store/.
 *
 * The index keeps the same in the database (fts5vocab), where a look-up costs a statement and the
 * nearest spelling a pass over all terms: 10 ms for a thousand passages. Here it is 0.1 ms.
 *
 *   Memory   see keep.h; about 40 bytes a stem.
 *   Thread   built by one; then immutable.
 *   Bounds   STORE_VOCABULARY_MAX stems; further ones count as unknown. Stems shorter than
 *            LEXICON_TERM_BYTES_MAX bytes.
 */
#ifndef STORE_LEXICON_H
#define STORE_LEXICON_H

#include "base/limits.h"
#include "base/str.h"
#include "store/keep.h"

enum { LEXICON_TERM_BYTES_MAX = STORE_SEARCH_WORD_BYTES_MAX, LEXICON_NEAR_MAX = 2 };

struct lexicon;

struct lexicon *lexicon_new(int64_t business, int64_t version, int64_t passages);
/* Each stem once. */
void lexicon_add(struct lexicon *l, struct str term, int64_t docs);
/* Behind the last stem; from here on it is a struct kept. */
struct kept *lexicon_finish(struct lexicon *l);

const struct lexicon *lexicon_of(const struct kept *k);
/* How many passages the business has. */
int64_t lexicon_passages(const struct lexicon *l);
/* In how many passages a stem is; 0 when in none. */
int64_t lexicon_docs(const struct lexicon *l, struct str stem);

/* A stem and how alike it is: the Dice coefficient of the two words' letter pairs, each word with a
 * mark before its first letter, which makes beginnings count for more. */
struct lexicon_near {
    struct str term; /* the lexicon's */
    double dice;
};
/* The nearest stems, best first, of those with at least `least`; returns their number. */
size_t lexicon_nearest(const struct lexicon *l, struct str stem, double least,
                       struct lexicon_near out[LEXICON_NEAR_MAX]);

#endif
