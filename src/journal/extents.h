/*
 * extents.h - where the pieces of one call are, in the segments it shares with the others.
 *
 * A call has ten pieces a second for as long as it lasts, so they are kept small: for each piece
 * the distance from the end of the one before, and its length, as variable-length numbers (LEB128);
 * four or five bytes in all.
 *
 *   Units    bytes in a segment.
 *   Memory   heap; grows with the call. Segments are borrowed.
 *   Bounds   the owner's: `count` is there to be looked at.
 *   Thread   one at a time.
 */
#ifndef JOURNAL_EXTENTS_H
#define JOURNAL_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment;

struct extent {
    struct segment *segment;
    uint64_t offset, len;
};

/* The pieces in one segment. */
struct extents_run {
    struct segment *segment;
    size_t from; /* in `bytes` */
};

/* Fields are private to extents.c except `count`, `runs` and `runs_count` for reading.
 * Zero-initialise. */
struct extents {
    uint8_t *bytes;
    size_t len, cap;
    struct extents_run *runs;
    size_t runs_count, runs_cap;
    size_t count;
    uint64_t behind;       /* end of the last piece that is in `bytes`, in the last segment */
    uint64_t offset, last; /* the newest piece, which may grow; last = its length, 0 = none */
};

/* Where extents_next is. Zero-initialise. */
struct extents_at {
    size_t run, at;
    uint64_t behind;
    bool inside, done;
};

void extents_fini(struct extents *e);
/* Offsets within a segment rise, and a segment that was left is not come back to. True if the
 * piece is the first of its segment. */
bool extents_add(struct extents *e, struct segment *segment, uint64_t offset, uint64_t len);
/* In the order they were added; false at the end. */
bool extents_next(const struct extents *e, struct extents_at *at, struct extent *out);

#endif
