/*
 * text.h - cutting prose into sentences and words; private to knowledge/.
 *
 *   Memory   results are slices of the text given.
 *   Thread   any; pure.
 */
#ifndef KNOWLEDGE_TEXT_H
#define KNOWLEDGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The next sentence of *rest without surrounding space, which moves behind it; false at the end. A
 * sentence ends at . ! or ? before a space, or at a line break; the dot of an initial or of a short
 * abbreviation in lower case ("a.m.", "Dr.", "no.") does not end one. */
bool text_take_sentence(struct str *rest, struct str *sentence);
/* Words separated by white space. */
size_t text_count_words(struct str text);
/* The longest beginning of at most `words` words. */
struct str text_first_words(struct str text, size_t words);

#endif
