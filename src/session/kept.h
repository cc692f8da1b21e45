/*
 * kept.h - the newest of what the caller said, at hand for a next engine.
 *
 * A ring: most of a call it takes a frame and lets go of the oldest one, and nothing else moves.
 *
 *   Units    bytes of mu-law at 8 kHz.
 *   Memory   value type with a ring on the heap, given back when it is empty and mostly when it was
 *            much longer than it is now.
 *   Bounds   the caller of kept_put trims; it grows as told.
 *   Thread   the session's loop.
 */
#ifndef SESSION_KEPT_H
#define SESSION_KEPT_H

#include <stdint.h>

/* Fields are private to kept.c, except for reading `len`. Zero-initialise. */
struct kept {
    uint8_t *p;
    uint32_t cap, first, len;
};

void kept_fini(struct kept *k);
/* Appends. */
void kept_put(struct kept *k, const uint8_t *p, uint32_t len);
/* Lets go of the oldest, but for `most` bytes. */
void kept_trim(struct kept *k, uint32_t most);
/* Copies `len` bytes from `at`, counted from the oldest; they must be there. */
void kept_read(const struct kept *k, uint32_t at, uint8_t *out, uint32_t len);

#endif
