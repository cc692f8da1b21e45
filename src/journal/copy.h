/*
 * copy.h - writing a call's own file from the pieces of the segments.
 *
 * The file is written as <call>.jrn.tmp, synced, renamed, and the directory synced: a <call>.jrn is
 * always complete.
 *
 *   Thread   any; one owner.
 *   Bounds   a buffer of JOURNAL_COPY_BYTES.
 */
#ifndef JOURNAL_COPY_H
#define JOURNAL_COPY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

/* Fields are private to copy.c. */
struct copy {
    int dir_fd;
    int fd;
    struct buf bytes;
    char name[JOURNAL_ID_BYTES_MAX + 8];
    char tmp[JOURNAL_ID_BYTES_MAX + 12];
};

/* `id` is a clean one (record_clean_id); `dir_fd` stays the caller's. ERR_IO with a sentence. */
enum err copy_begin(struct copy *c, int dir_fd, const char *id,
                    struct err_detail *detail) MUST_CHECK;
/* Copies into a file the caller owns, without names, renaming or syncing. */
void copy_begin_fd(struct copy *c, int fd);
/* Appends `len` bytes of `fd` from `offset`. */
enum err copy_add(struct copy *c, int fd, uint64_t offset, uint64_t len,
                  struct err_detail *detail) MUST_CHECK;
/* Makes the file stand under its name. After this, or any error, copy_end. */
enum err copy_commit(struct copy *c, struct err_detail *detail) MUST_CHECK;
/* Frees what the copy holds; removes an uncommitted file. */
void copy_end(struct copy *c);

/* All of it at `offset`; 0 or an errno. */
int copy_write_all(int fd, const void *p, size_t len, uint64_t offset);

#endif
