/*
 * segment.h - the files that several calls share, and the directory they are in.
 *
 * A process's journal of one loop is a "series": <start ms>-<pid>-<loop>.lock, held by flock(2)
 * while the process lives, and <start ms>-<pid>-<loop>.<number>.seg. Who finds a series whose lock
 * is free may recover it.
 *
 *   Thread   any; one owner, or handed from thread to thread with a lock between.
 *   Bounds   JOURNAL_LOCK_TRIES.
 */
#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { SERIES_NAME_BYTES = 64, SEGMENT_NAME_BYTES = 80 };

struct series {
    int dir_fd;      /* DATA/journals */
    int segments_fd; /* DATA/journals/segments */
    int lock_fd;
    char name[SERIES_NAME_BYTES];
};

/* Opens both directories, creating them when `create`. ERR_NOTFOUND (only without `create`) or
 * ERR_IO with a sentence; nothing is owned then. */
enum err series_open_dirs(struct series *s, const char *dir, bool create,
                          struct err_detail *detail) MUST_CHECK;
/* Begins a series of this process and locks it. */
enum err series_begin(struct series *s, unsigned loop_index, struct err_detail *detail) MUST_CHECK;
/* Takes over the series of that name. ERR_AGAIN when its process lives. */
enum err series_take(struct series *s, struct str name, struct err_detail *detail) MUST_CHECK;
/* Gives the lock up; `remove` when no segment is left. */
void series_end(struct series *s, bool remove);
void series_close_dirs(struct series *s);

/* File name of a segment; the inverses say whether it is one (or a lock), and of which
 * series. */
void segment_name(char out[SEGMENT_NAME_BYTES], const char *series, uint32_t number);
bool series_parse_lock_name(struct str name, struct str *series);
bool segment_parse_name(struct str name, struct str *series, uint32_t *number);

#endif
