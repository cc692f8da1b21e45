/*
 * coalesce.h - the caller's silence, gathered before it goes to the engine.
 *
 * Most of a call the caller listens, and fifty messages a second of line noise are most of what an
 * engine is sent. While the frames are quiet they wait until there is `wait_ms` of them. A voiced
 * frame sends everything at once, and so does what follows it until `hang_ms` of quiet have passed:
 * long enough that the engine hears in time that the caller has finished. The engine gets the same
 * bytes in the same order either way, so its timeline does not change.
 *
 *   Units    bytes of mu-law at 8 kHz; microseconds of the monotonic clock.
 *   Memory   value type with a buffer of `wait_ms` of audio on the heap.
 *   Bounds   COALESCE_MS_MAX.
 *   Thread   the session's loop.
 */
#ifndef SESSION_COALESCE_H
#define SESSION_COALESCE_H

#include <stdint.h>

#include "audio/vad.h"
#include "base/buf.h"

/* Fields are private to coalesce.c, except for reading `waiting` and `due_us`. */
struct coalesce {
    struct vad vad;
    struct buf waiting;
    int64_t wait_ms, hang_ms;
    int64_t quiet_ms; /* since the last voiced frame */
    int64_t due_us;   /* when what waits must leave; 0 = nothing waits */
};

enum coalesce_do {
    COALESCE_PASS, /* send what waits, then this piece as it is */
    COALESCE_WAIT, /* it waits */
    COALESCE_SEND, /* it waits with the others, and now they must be sent */
};

/* `wait_ms` 0 = everything passes. */
void coalesce_init(struct coalesce *c, uint32_t wait_ms, uint32_t hang_ms);
void coalesce_fini(struct coalesce *c);
/* A piece of `len` bytes; `raw` NULL: it could not be read, and passes. Whoever sends what waits
 * calls coalesce_sent. */
enum coalesce_do coalesce_put(struct coalesce *c, const uint8_t *raw, uint32_t len, int64_t now_us);
void coalesce_sent(struct coalesce *c);

#endif
