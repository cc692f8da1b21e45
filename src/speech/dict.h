/*
 * dict.h - the pronouncing dictionary, cut down to the words of one language model.
 *
 * With all 134,000 entries a decoder takes seconds to start and 90 MB; with the few hundred words
 * of a business, 20 ms and 7 MB.
 *
 *   Memory   struct dict maps the file; entries are copied out.
 *   Thread   any, once open: it is never changed.
 *   Bounds   the output buffer's.
 */
#ifndef SPEECH_DICT_H
#define SPEECH_DICT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "speech/lm.h"

struct dict;

/* Maps a dictionary in the format of CMU Sphinx: a line "word PH ON ES", alternatives as
 * "word(2) ...". ERR_NOTFOUND or ERR_IO with a sentence in `detail` (may be NULL). */
enum err dict_open(struct dict **out, const char *path, struct err_detail *detail) MUST_CHECK;
/* NULL-safe. */
void dict_close(struct dict *d);

/*
 * Appends an entry for every word of the model: all alternatives of the dictionary, or else what
 * the letter-to-sound rules say. Words nobody can say are marked in `skip` (word_count entries,
 * all set by this call) and get none. Returns the number of words that got an entry.
 */
size_t dict_write(const struct dict *d, const struct lm *m, bool *skip, struct buf *out);

#endif
