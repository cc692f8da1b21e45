/*
 * normalise.h - written text into the words a person says.
 *
 * "Open 9-5, $12.50!" is heard as "open nine to five twelve dollars and fifty cents". The language
 * model, the reference texts of the word error rate and the synthesiser must agree on that, so all
 * of them come through here. English only, as are the recogniser and the voices.
 *
 *   Units    UTF-8 in; lower-case ASCII words out.
 *   Thread   any; pure.
 *   Bounds   the output buffer's; a number of more than 15 digits is read digit by digit.
 */
#ifndef SPEECH_NORMALISE_H
#define SPEECH_NORMALISE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Appends the words of `text`, lower case, one space between them and none around: letters and the
 * apostrophe within a word. Money, times, ranges, ordinals, decimals and years become words; what
 * nobody pronounces is dropped. Accents are folded to plain letters.
 */
void normalise_words(struct buf *out, struct str text);

/*
 * As above for the synthesiser: case and the punctuation that shapes a voice (, . ; : ? !) are
 * kept, markup such as '*' and '#' is dropped.
 */
void normalise_speech(struct buf *out, struct str text);

/* A whole number in words, "twelve hundred" style never used: "one thousand two hundred". */
void normalise_number(struct buf *out, uint64_t value);

#endif
