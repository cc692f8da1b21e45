/*
 * scan.h - which calls are in the segments of a series, and where.
 *
 *   Memory   call entries live until scan_fini; a file is mapped only while it is looked at.
 *   Thread   any; one owner.
 *   Bounds   JOURNAL_SEGMENTS_MAX segments, JOURNAL_RECOVER_CALLS_MAX calls, JOURNAL_EXTENTS_MAX
 *            extents of a call.
 */
#ifndef JOURNAL_SCAN_H
#define JOURNAL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "journal/copy.h"
#include "journal/segment.h"

struct scan_extent {
    uint32_t segment; /* index into scan.numbers */
    uint32_t len;
    uint64_t offset;
};

struct scan_call {
    uint32_t number; /* of the call */
    char id[JOURNAL_ID_BYTES_MAX + 1];
    uint32_t first;    /* sequence number of its first record here: 0, or where it was resumed */
    uint32_t sequence; /* of the next record expected */
    bool gap;
    int64_t last_at_us;
    char *head, *end; /* JSON, NUL-terminated; NULL = not seen. Of one resumed here: no head */
    struct scan_extent *extents;
    size_t extents_count, extents_cap;
};

struct scan {
    const struct series *series;
    uint32_t *numbers; /* of the segments, ascending */
    size_t numbers_count, numbers_cap;
    struct scan_call *calls;
    size_t calls_count, calls_cap;
    uint32_t *slots; /* call number -> index + 1; a power of two of them */
    size_t slots_count;
};

void scan_init(struct scan *s, const struct series *series);
void scan_fini(struct scan *s);
/* A segment of the series. False past JOURNAL_SEGMENTS_MAX. */
bool scan_add_segment(struct scan *s, uint32_t number);
/* Reads all segments. ERR_IO with a sentence; ERR_LIMIT for too many calls. */
enum err scan_run(struct scan *s, struct err_detail *detail) MUST_CHECK;
/* Appends the call's records to the copy. */
enum err scan_copy(const struct scan *s, const struct scan_call *call, struct copy *out,
                   struct err_detail *detail) MUST_CHECK;

/* The same into memory. */
enum err scan_read(const struct scan *s, const struct scan_call *call, struct buf *out,
                   struct err_detail *detail) MUST_CHECK;

#endif
