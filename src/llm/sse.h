/*
 * sse.h - server-sent events, from bytes as they arrive (HTML standard, section 9.2.6).
 *
 * Only the data of events is told: the streams of hosted services say everything there. Comments
 * and the fields event, id and retry are skipped, as are events without data.
 *
 *   Memory   a value, embedded in its owner; it keeps the event that is not whole yet.
 *   Bounds   an event's data, and a line, have at most the bytes given to sse_init.
 *   Thread   any; pure.
 */
#ifndef LLM_SSE_H
#define LLM_SSE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Fields are private to sse.c. */
struct sse {
    struct buf line, data;
    bool has_data;
    bool told;  /* `data` was given out: it is emptied at the next call */
    bool begun; /* past the place of a byte order mark */
    bool after_cr;
};

void sse_init(struct sse *s, size_t bytes_max);
void sse_fini(struct sse *s);

/* Takes bytes off the front of *in. OK: an event is whole, its data stands in *data until the next
 * call, and *in may hold more. ERR_AGAIN: *in is used up. ERR_LIMIT: too large, and nothing can be
 * made of the rest. */
enum err sse_next(struct sse *s, struct str *in, struct str *data) MUST_CHECK;

#endif
