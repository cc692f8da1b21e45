/*
 * buf.h - an owned, growing byte buffer that knows how large it may become.
 *
 * Messages are written with buf_put* without a check at each step: the first append that does not
 * fit sets `failed`, later appends do nothing, and the writer asks buf_ok() once at the end.
 *
 *   Memory   heap, grown by doubling up to `max`; buf_fini frees.
 *   Bounds   never more than `max` bytes. Contents are not NUL-terminated, see buf_cstr.
 *   Thread   the owner's.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t len;
    size_t cap;
    size_t max;
    bool failed; /* an append did not fit; cleared by buf_reset */
};

/* Empty; allocates nothing. `max` is the bound, from base/limits.h. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *b);
/* Empties it and gives the memory back. */
void buf_release(struct buf *b);
/* False if any append since init or reset did not fit. */
bool buf_ok(const struct buf *b);

void buf_put(struct buf *b, const void *p, size_t len);
void buf_put_str(struct buf *b, struct str s);
void buf_put_byte(struct buf *b, unsigned char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The string as a JSON string with its quotes (RFC 8259 section 7). `s` must be valid UTF-8. */
void buf_put_json(struct buf *b, struct str s);

/* All or nothing, for callers that act on a full buffer: ERR_LIMIT changes nothing. */
enum err buf_append(struct buf *b, const void *p, size_t len) MUST_CHECK;
/* `len` writable bytes at the end, or NULL past the bound; buf_commit says how many were used. */
void *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);

struct str buf_str(const struct buf *b);
/* NUL-terminates behind the contents (which do not grow) and returns them; "" if that failed. */
const char *buf_cstr(struct buf *b);

#endif
