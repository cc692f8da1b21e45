#include "net/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop_private.h"

enum { THREAD_NAME_BYTES = 16 }; /* pthread_setname_np's bound, with the NUL */

struct worker_pool {
    char name[THREAD_NAME_BYTES];
    size_t queue_max;
    unsigned threads_count;
    pthread_t *threads;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t more;
    struct worker_job *first, **tail;
    struct worker_job **urgent_tail; /* where the next urgent one goes */
    size_t queued;
    bool closing;
};

static void *run(void *arg)
{
    struct worker_pool *p = arg;
    pthread_setname_np(pthread_self(), p->name);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->closing)
            pthread_cond_wait(&p->more, &p->lock);
        struct worker_job *job = p->first;
        if (!job)
            break; /* closing, and nothing is left */
        p->first = job->next;
        if (!p->first)
            p->tail = &p->first;
        if (p->urgent_tail == &job->next)
            p->urgent_tail = &p->first;
        p->queued--;
        pthread_mutex_unlock(&p->lock);
        job->work(job);
        loop_complete(job->loop, job);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum err worker_pool_open(struct worker_pool **out, const char *name, unsigned threads,
                          size_t queue_max)
{
    ASSERT(threads > 0 && queue_max > 0);
    struct worker_pool *p = mem_zalloc(sizeof(*p));
    if (!str_copy(p->name, sizeof(p->name), str_slice(str_of(name), 0, THREAD_NAME_BYTES - 1)))
        p->name[0] = '\0';
    p->queue_max = queue_max;
    p->threads = mem_zalloc(threads * sizeof(*p->threads));
    p->tail = p->urgent_tail = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);

    /* Signals are for the main thread: a worker inherits a mask that blocks them all. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    while (p->threads_count < threads && rc == 0) {
        rc = FAULT("worker.thread") ? EAGAIN
                                    : pthread_create(&p->threads[p->threads_count], NULL, run, p);
        p->threads_count += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        LOG_ERROR(NULL, "worker.open", "pool=%s errno=%d", p->name, rc);
        worker_pool_close(p);
        return ERR_IO;
    }
    *out = p;
    return OK;
}

void worker_pool_close(struct worker_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads_count; i++)
        pthread_join(p->threads[i], NULL);
    ASSERT(!p->first);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->threads);
    mem_free(p);
}

enum err worker_submit(struct worker_pool *p, struct loop *l, struct worker_job *job)
{
    ASSERT(job->work && job->done);
    job->loop = l;
    pthread_mutex_lock(&p->lock);
    /* A queue of one belongs to somebody who never has two jobs in it. */
    bool full = p->queued == p->queue_max || (p->queue_max > 1 && FAULT("worker.submit"));
    if (p->closing || full) {
        enum err err = p->closing ? ERR_CLOSED : ERR_LIMIT;
        pthread_mutex_unlock(&p->lock);
        return err;
    }
    loop_job_started(l); /* before a thread can complete it */
    struct worker_job **at = job->urgent ? p->urgent_tail : p->tail;
    job->next = *at;
    *at = job;
    if (at == p->tail)
        p->tail = &job->next;
    if (job->urgent)
        p->urgent_tail = &job->next;
    p->queued++;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
    return OK;
}

size_t worker_pool_queued(struct worker_pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t queued = p->queued;
    pthread_mutex_unlock(&p->lock);
    return queued;
}
