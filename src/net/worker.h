/*
 * worker.h - a small pool of threads for what takes longer than a millisecond.
 *
 * A job is a struct of the submitter's with a struct worker_job in it. `work` runs on a pool thread
 * and sees only its job; `done` runs afterwards on the loop that submitted it. The program has two
 * pools: one for what a listener waits for, one for the rest.
 *
 *   Thread   worker_submit: the loop's thread. work: a pool thread. done: the loop's thread.
 *   Lifetime a job is the pool's from worker_submit until `done`; it must not be freed before.
 *   Bounds   at most the queue_max given to worker_pool_open jobs wait; then ERR_LIMIT.
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "net/loop.h"

struct worker_pool;
struct worker_job;
typedef void worker_fn(struct worker_job *job);

struct worker_job {
    worker_fn *work;
    worker_fn *done; /* exactly one call for every job accepted; frees the job if it is heap */
    bool urgent;     /* goes before all that are not; in order among themselves */
    /* private */
    struct loop *loop;
    struct worker_job *next;
};

enum err worker_pool_open(struct worker_pool **out, const char *name, unsigned threads,
                          size_t queue_max) MUST_CHECK;
/* Lets running jobs end, runs the queued ones too, joins the threads. `done` of a job whose loop
 * has stopped meanwhile is run by that loop's loop_close, so that no job is lost or leaked. Close
 * the pool before the loops it served. NULL-safe. */
void worker_pool_close(struct worker_pool *p);

/* ERR_LIMIT when the queue is full, ERR_CLOSED when the pool is closing: neither callback is ever
 * called then and the job stays the caller's. */
enum err worker_submit(struct worker_pool *p, struct loop *l, struct worker_job *job) MUST_CHECK;
/* Jobs waiting now. Any thread. */
size_t worker_pool_queued(struct worker_pool *p);

#endif
