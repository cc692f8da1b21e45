/*
 * lts.h - how an unknown word is pronounced: letter-to-sound rules for the recogniser.
 *
 * Names of places, products and people are what a business is asked about and what a dictionary
 * lacks. The synthesiser's rules (CMU lexicon) serve here too, in the phones of the recogniser.
 *
 *   Units    phones of the CMU dictionary without stress, separated by spaces: "P EY K OW S".
 *   Thread   any; the rules are constant tables.
 */
#ifndef SPEECH_LTS_H
#define SPEECH_LTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends the phones of one lower-case word; false (and nothing appended) when there is no way to
 * say it. A word without vowels is spelt out: "usps". */
bool lts_pronounce(struct buf *out, struct str word);

#endif
