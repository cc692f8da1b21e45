/*
 * breaker.h - whether an engine is worth trying: a circuit breaker, one for each engine.
 *
 * Sessions that fail one after another, on whatever loop, open it; then calls pass the engine by
 * and lose no time with it. After a while, longer each time, one probe looks whether the engine can
 * be reached again (probe.h); if so the breaker is half open: calls use it, and the first failure
 * opens it again. A completed answer closes it for good.
 *
 *   Units    times: microseconds on the monotonic clock.
 *   Thread   any; all state is atomic. Two threads that race decide one after the other or lose a
 *            failure in the count, no more.
 *   Bounds   BREAKER_FAILURES, BREAKER_WAIT_MS_MIN, BREAKER_WAIT_MS_MAX.
 */
#ifndef SESSION_BREAKER_H
#define SESSION_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct breaker {
    _Atomic bool open, probing;
    _Atomic uint32_t failures; /* in a row */
    _Atomic uint32_t opened;   /* times since an answer was last completed */
    _Atomic int64_t retry_us;  /* when a probe may look; while open */
};

/* False while the engine should be passed by. */
bool breaker_allows(const struct breaker *b);
/* A session failed. True if that has opened it: somebody must see to a probe at breaker_wait_ms. */
bool breaker_failed(struct breaker *b, int64_t now_us);
/* An answer was completed. */
void breaker_worked(struct breaker *b);

/* How long until the probe is due, at least 1. */
uint64_t breaker_wait_ms(const struct breaker *b, int64_t now_us);
/* Takes the right to probe: true for one caller until breaker_probed. */
bool breaker_begin_probe(struct breaker *b);
/* What the probe found; false: the next is due after breaker_wait_ms. */
void breaker_probed(struct breaker *b, bool reached, int64_t now_us);

#endif
