/*
 * http_chunk.h - the chunked transfer coding, decoded as it arrives (RFC 9112 section 7.1).
 *
 * Strict: CRLF and nothing else ends a line, sizes are plain hexadecimal, extensions and trailer
 * fields are skipped within a bound.
 *
 *   Memory   value type, embedded in its owner; zero-initialise.
 *   Bounds   the buffer's maximum; 16 digits of size; HTTP_CHUNK_LINE_BYTES_MAX bytes a line and
 *            HTTP_HEAD_BYTES_MAX of trailer.
 *   Thread   any; pure.
 */
#ifndef NET_HTTP_CHUNK_H
#define NET_HTTP_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Fields are private to http_chunk.c. */
struct http_chunk {
    int state;
    uint64_t left;  /* of the chunk */
    size_t line;    /* bytes of the current line */
    size_t trailer; /* bytes of trailer so far */
};

/* Appends what `in` brings to `body`; *used says how many bytes were looked at, which is less than
 * all only when *done. ERR_INVALID: bad coding. ERR_LIMIT: larger than `body` may become. */
enum err http_chunk_feed(struct http_chunk *d, struct str in, struct buf *body, size_t *used,
                         bool *done) MUST_CHECK;

#endif
