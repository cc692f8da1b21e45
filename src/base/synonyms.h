/*
 * synonyms.h - everyday words that mean the same to somebody who calls a business.
 *
 * One table, of English words any shop or office hears: people say shut, kids and parcel where a
 * business writes closed, children and package. It widens searches and helps to tell whether a
 * text speaks of what was asked. Never used for what is said.
 *
 *   Units    lower-case words (ASCII).
 *   Memory   static.
 *   Thread   any; pure.
 *   Bounds   `room` words are given.
 */
#ifndef BASE_SYNONYMS_H
#define BASE_SYNONYMS_H

#include <stddef.h>

#include "base/str.h"

/* Enough for any word of the table. */
enum { SYNONYMS_MAX = 24 };

/* The words that may stand for `word` or one of its forms (shops, shipped), without doubles and
 * without itself. Returns their number, 0 for a word that is not in the table. */
size_t synonyms_of(struct str word, struct str *out, size_t room);

#endif
