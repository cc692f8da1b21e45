/* Requests of a loop: writes go to the writer, reads to the worker pool, answers to the loop. */
#include "base/assert.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/worker.h"
#include "store/core.h"
#include "store/store.h"

struct read_job {
    struct worker_job job; /* first: a worker_job is cast back to its read_job */
    struct store_req *request;
};

static void finish(void *ctx)
{
    struct store_req *r = ctx;
    if (r->done) {
        r->done(r->ctx, r);
        return;
    }
    if (r->err != OK)
        LOG_WARN(NULL, "store.request_failed", "op=%d err=%s detail=\"%s\" next=dropped",
                 (int)r->op, err_name(r->err), r->detail.text);
    store_req_free(r);
}

static enum err deliver(struct store_req *r)
{
    if (!r->done) {
        finish(r);
        return OK;
    }
    enum err e = loop_post(r->loop, finish, r);
    if (e != OK && e != ERR_LIMIT)
        store_req_free(r); /* the loop has ended and nobody listens */
    return e;
}

static void read_work(struct worker_job *job)
{
    struct store_req *r = ((struct read_job *)job)->request;
    store_core_read(r->store, r);
}

static void read_done(struct worker_job *job)
{
    struct store_req *r = ((struct read_job *)job)->request;
    mem_free(job);
    finish(r);
}

static enum err submit_read(struct store *s, struct loop *loop, struct store_req *r)
{
    struct worker_pool *pool = store_core_pool(s);
    if (!pool)
        return ERR_CLOSED;
    struct read_job *job = mem_zalloc(sizeof(*job));
    job->job.work = read_work;
    job->job.done = read_done;
    job->request = r;
    enum err e = worker_submit(pool, loop, &job->job);
    if (e != OK)
        mem_free(job);
    return e;
}

enum err store_submit(struct store *s, struct loop *loop, struct store_req *r, store_done_fn *done,
                      void *ctx)
{
    ASSERT(loop || !done);
    r->store = s;
    r->loop = loop;
    r->done = done;
    r->ctx = ctx;
    r->deliver = deliver;
    enum err e = store_core_writes(r) ? store_core_queue(s, r) : submit_read(s, loop, r);
    if (e != OK)
        store_req_free(r);
    return e;
}
