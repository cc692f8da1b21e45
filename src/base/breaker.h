/*
 * breaker.h - whether a peer is worth trying: a circuit breaker, one for each engine or service.
 *
 * Failures one after another, on whatever loop, open it; then the peer is passed by and no time is
 * lost with it. After a while, longer each time, one probe looks whether it can be reached again;
 * if so the breaker is half open: the peer is used, and the first failure opens it again. Work that
 * was completed closes it for good.
 *
 *   Units    times: microseconds on the monotonic clock.
 *   Thread   any; all state is atomic. Two threads that race decide one after the other or lose a
 *            failure in the count, no more.
 *   Bounds   BREAKER_FAILURES, BREAKER_WAIT_MS_MIN, BREAKER_WAIT_MS_MAX.
 */
#ifndef BASE_BREAKER_H
#define BASE_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct breaker {
    _Atomic bool open, probing;
    _Atomic uint32_t failures; /* in a row */
    _Atomic uint32_t opened;   /* times since work was last completed */
    _Atomic int64_t retry_us;  /* when a probe may look; while open */
};

/* False while the peer should be passed by. */
bool breaker_allows(const struct breaker *b);
/* A try failed. True if that has opened it: somebody must see to a probe at breaker_wait_ms. */
bool breaker_failed(struct breaker *b, int64_t now_us);
/* Work was completed. */
void breaker_worked(struct breaker *b);

/* How long until the probe is due, at least 1. */
uint64_t breaker_wait_ms(const struct breaker *b, int64_t now_us);
/* Takes the right to probe: true for one caller until breaker_probed. */
bool breaker_begin_probe(struct breaker *b);
/* What the probe found; false: the next is due after breaker_wait_ms. */
void breaker_probed(struct breaker *b, bool reached, int64_t now_us);
/* The probe was given up before it could find anything; another may begin at once. */
void breaker_drop_probe(struct breaker *b);

#endif
