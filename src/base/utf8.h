/*
 * utf8.h - strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 *
 *   Thread   any; pure. The state lets a text arrive in pieces (WebSocket fragments).
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Zero-initialise. Fields are private to utf8.c. */
struct utf8_state {
    uint8_t need; /* continuation bytes still expected */
    uint8_t low;  /* bounds of the next byte */
    uint8_t high;
};

/* Takes the next piece; false as soon as no continuation can make the text valid. */
bool utf8_feed(struct utf8_state *s, struct str piece);
/* The text may end here. */
bool utf8_done(const struct utf8_state *s);
/* A whole text at once. */
bool utf8_valid(struct str text);

#endif
