/*
 * sentence.h - cuts running text into sentences.
 *
 * Speech is synthesised a sentence at a time (the first one is heard while the rest is made), the
 * language model counts words within sentences, and short answers are made of whole ones.
 *
 *   Memory   sentences borrow from the text given.
 *   Thread   any; pure.
 */
#ifndef SPEECH_SENTENCE_H
#define SPEECH_SENTENCE_H

#include <stdbool.h>

#include "base/str.h"

/*
 * Takes the next sentence off the front of *rest, trimmed and with its closing punctuation; false
 * when only white space is left. A sentence ends at '.', '!' or '?' followed by white space and no
 * lower-case letter, at a line break, and never after a title such as "Mr." or a single initial.
 */
bool sentence_next(struct str *rest, struct str *out);

/* Words in a text: runs of anything but white space. */
size_t sentence_words(struct str text);

#endif
