/*
 * loop.h - one event loop: a thread's sockets, timers and mailbox (over libuv).
 *
 * A process runs N loops, one thread each; nothing in the program may assume one. A call belongs to
 * one loop for life. The only thread-safe function here is loop_post.
 *
 *   Thread   all functions belong to the loop's thread, except loop_post and loop_stop.
 *   Bounds   LOOP_MAILBOX_MAX posts wait at most; a full mailbox refuses.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

struct loop;
struct loop_timer;
typedef void loop_fn(void *ctx);

/* The thread that will call loop_run may differ from the one that calls this, but only one of them
 * may touch the loop at a time. `index` is 0..N-1. */
enum err loop_open(struct loop **out, unsigned index) MUST_CHECK;
/* Runs until loop_stop. */
void loop_run(struct loop *l);
/* Makes loop_run return soon. Any thread. */
void loop_stop(struct loop *l);
/* After loop_run returned and every object on it was closed: runs what was posted, deferred and
 * completed meanwhile and the last close callbacks, then frees. ASSERTs that nothing is left open.
 */
void loop_close(struct loop *l);

/* Runs fn(ctx) on the loop's thread, in the order of posting. ERR_LIMIT when the mailbox is full.
 * Any thread. */
enum err loop_post(struct loop *l, loop_fn *fn, void *ctx) MUST_CHECK;
/* Runs fn(ctx) on this loop after the current callback has returned; never fails. Loop thread. */
void loop_defer(struct loop *l, loop_fn *fn, void *ctx);

/* Monotonic microseconds, read now (not cached). */
int64_t loop_now_us(struct loop *l);
unsigned loop_index(const struct loop *l);
/* The loop's CSPRNG (masks, keys, tokens). */
struct rng *loop_rng(struct loop *l);
/* A buffer to build one message in, which is sent before anything else is called. */
struct buf *loop_scratch(struct loop *l);
uv_loop_t *loop_uv(struct loop *l);
/* ASSERTs that the caller is the loop's thread (once loop_run has started). */
void loop_assert_thread(const struct loop *l);

/* A one-shot timer that can be set again. Firing clears it; fn may set or free it. */
struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *ctx);
/* Fires once, `delay_ms` from now or up to 2 ms later, never earlier (0 = next iteration); replaces
 * an earlier setting. */
void loop_timer_set(struct loop_timer *t, uint64_t delay_ms);
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);
/* NULL-safe; may be called from its own callback. */
void loop_timer_free(struct loop_timer *t);

#endif
