/*
 * worker.h - a small pool of threads for what takes longer than a millisecond.
 *
 * A job is a struct of the submitter's with a struct worker_job in it. `work` runs on a pool thread
 * and sees only its job; `done` runs afterwards on the loop that submitted it. The program has two
 * pools: one for what a listener waits for, one for the rest.
 *
 *   Thread   worker_submit: the loop's thread. work: a pool thread. done: the loop's thread.
 *   Bounds   at most the queue_max given to worker_pool_open jobs wait; then ERR_LIMIT.
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include <stddef.h>

#include "base/err.h"
#include "net/loop.h"

struct worker_pool;
struct worker_job;
typedef void worker_fn(struct worker_job *job);

struct worker_job {
    worker_fn *work;
    worker_fn *done; /* exactly one call for every job accepted; frees the job if it is heap */
    /* private */
    struct loop *loop;
    struct worker_job *next;
};

enum err worker_pool_open(struct worker_pool **out, const char *name, unsigned threads,
                          size_t queue_max) MUST_CHECK;
/* Lets running jobs end, runs the queued ones too, joins the threads. `done` of jobs whose loop has
 * stopped is not called. NULL-safe. */
void worker_pool_close(struct worker_pool *p);

/* On an error neither callback is ever called and the job stays the caller's. */
enum err worker_submit(struct worker_pool *p, struct loop *l, struct worker_job *job) MUST_CHECK;
/* Jobs waiting now. Any thread. */
size_t worker_pool_queued(struct worker_pool *p);

#endif
