/* The threads around a driver: one that writes in groups, and connections lent to readers. */
#include "store/store.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/core.h"
#include "store/driver.h"

struct queue {
    struct store_req *head;
    struct store_req **tail;
};

struct store {
    const struct store_driver *driver;
    char *path;
    struct keep *keep;
    struct worker_pool *pool;
    struct store_conn *writer;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t work;     /* something waits for the writer */
    pthread_cond_t finished; /* a store_run may have its answer */
    pthread_cond_t lent;     /* a reading connection came back */
    struct queue waiting;
    size_t queued; /* waiting, running or not yet delivered */
    bool closing;
    bool failing;      /* the last transaction was not written */
    unsigned failures; /* of the disk, in a row; the writer's own */
    struct store_conn *idle[STORE_READ_CONNS_MAX];
    size_t idle_count;
    size_t conns_open;
};

static void queue_init(struct queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(struct queue *q, struct store_req *r)
{
    r->next = NULL;
    *q->tail = r;
    q->tail = &r->next;
}

static struct store_req *queue_pop(struct queue *q)
{
    struct store_req *r = q->head;
    if (r) {
        q->head = r->next;
        if (!q->head)
            q->tail = &q->head;
        r->next = NULL;
    }
    return r;
}

/* -- the writer -- */

/* Whether a write waits for the disk to be well again: nobody waits for its answer. */
static bool patient(const struct store_req *r, enum err why)
{
    return r->deliver && !r->done && (why == ERR_IO || why == ERR_TIMEOUT);
}

static void note_outcome(struct store *s, enum err err, const struct err_detail *detail)
{
    if (err != OK && s->failures++ == 0)
        LOG_ERROR(NULL, "store.failing",
                  "err=%s detail=\"%s\" next=\"kept in memory, tried again\"", err_name(err),
                  detail->text);
    if (err == OK && s->failures > 0) {
        LOG_WARN(NULL, "store.recovered", "failures=%u", s->failures);
        s->failures = 0;
    }
    pthread_mutex_lock(&s->lock);
    s->failing = err != OK;
    pthread_mutex_unlock(&s->lock);
}

/* Hands out a group; what is to be tried again goes back in front of all others, in its order. */
static void settle_group(struct store *s, struct queue *group, enum err err,
                         const struct err_detail *detail, struct queue *done)
{
    struct queue again;
    struct store_req *r;
    queue_init(&again);
    pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    pthread_mutex_unlock(&s->lock);
    while ((r = queue_pop(group))) {
        if (err != OK && r->err == OK) {
            r->err = err;
            r->detail = *detail;
        }
        queue_push(patient(r, r->err) && !closing ? &again : done, r);
    }
    if (!again.head)
        return;
    pthread_mutex_lock(&s->lock);
    *again.tail = s->waiting.head;
    if (!s->waiting.head)
        s->waiting.tail = again.tail;
    s->waiting.head = again.head;
    pthread_mutex_unlock(&s->lock);
}

/* Runs what is waiting in one transaction and moves it to `done`. False: the disk failed. */
static bool write_group(struct store *s, struct store_req *first, struct queue *done)
{
    struct err_detail detail = {{0}};
    struct queue group;
    queue_init(&group);
    enum err e = FAULT("store.begin") ? err_explain(&detail, ERR_IO, "made to fail")
                                      : s->driver->begin(s->writer, &detail);
    int64_t until_us = clock_mono_us() + STORE_GROUP_MS * 1000;
    size_t count = 0;
    struct store_req *r = first;
    bool stuck = false;
    while (r) {
        r->err = e == OK ? s->driver->exec(s->writer, r) : e;
        if (e != OK)
            r->detail = detail;
        queue_push(&group, r);
        /* What follows it must not overtake it: a turn needs its call. */
        stuck = e == OK && patient(r, r->err);
        if (stuck || ++count == STORE_GROUP_MAX || clock_mono_us() >= until_us)
            break;
        pthread_mutex_lock(&s->lock);
        r = queue_pop(&s->waiting);
        pthread_mutex_unlock(&s->lock);
    }
    if (stuck)
        detail = r->detail;
    struct err_detail why = detail;
    enum err committed = e == OK ? s->driver->commit(s->writer, &why) : e;
    note_outcome(s, committed != OK ? committed : stuck ? ERR_IO : OK, &why);
    settle_group(s, &group, committed, &why, done);
    return committed == OK && !stuck;
}

/* Hands results out in order. What a full mailbox refuses stays in `done`, with everything behind
 * it that is for the same loop. */
static void deliver(struct store *s, struct queue *done)
{
    struct queue kept;
    queue_init(&kept);
    const struct loop *blocked = NULL;
    struct store_req *r;
    while ((r = queue_pop(done))) {
        if (r->deliver && blocked && r->loop == blocked) {
            queue_push(&kept, r);
            continue;
        }
        const struct loop *loop = r->loop;
        bool waited_for = !r->deliver;
        if (!waited_for && r->deliver(r) == ERR_LIMIT) { /* otherwise the request is gone */
            blocked = loop;
            queue_push(&kept, r);
            continue;
        }
        pthread_mutex_lock(&s->lock);
        ASSERT(s->queued > 0);
        s->queued--;
        if (waited_for) {
            r->finished = true; /* a store_run waits for it and owns it */
            pthread_cond_broadcast(&s->finished);
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (kept.head) {
        done->head = kept.head;
        done->tail = kept.tail;
    }
}

/* Until there is something to do, or that time has passed. The lock is held. */
static void wait_ms(struct store *s, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until); /* as s->work: the wall clock may be set back */
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&s->work, &s->lock, &until);
}

static void wait_for_disk(struct store *s)
{
    int64_t until_us = clock_mono_us() + STORE_RETRY_MS * INT64_C(1000);
    for (int64_t now = clock_mono_us(); !s->closing && now < until_us; now = clock_mono_us())
        wait_ms(s, (until_us - now + 999) / 1000);
}

static void *writer_main(void *arg)
{
    struct store *s = arg;
    struct queue done;
    queue_init(&done);
    pthread_mutex_lock(&s->lock);
    while (!s->closing || s->waiting.head) {
        if (!s->waiting.head && done.head)
            wait_ms(s, STORE_DELIVER_RETRY_MS);
        else if (!s->waiting.head)
            pthread_cond_wait(&s->work, &s->lock);
        struct store_req *first = queue_pop(&s->waiting);
        pthread_mutex_unlock(&s->lock);
        bool well = !first || write_group(s, first, &done);
        deliver(s, &done);
        pthread_mutex_lock(&s->lock);
        if (!well)
            wait_for_disk(s);
    }
    pthread_mutex_unlock(&s->lock);
    deliver(s, &done);
    struct store_req *r;
    while ((r = queue_pop(&done))) /* their loop's mailbox is full and nobody reads it any more */
        store_req_free(r);
    return NULL;
}

enum err store_core_queue(struct store *s, struct store_req *r)
{
    pthread_mutex_lock(&s->lock);
    ASSERT(!s->closing);
    bool full = s->queued >= STORE_QUEUE_MAX || FAULT("store.queue");
    if (!full) {
        queue_push(&s->waiting, r);
        s->queued++;
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    return full ? err_explain(&r->detail, ERR_LIMIT, "%d writes are waiting", STORE_QUEUE_MAX) : OK;
}

/* -- readers -- */

static enum err borrow(struct store *s, struct store_conn **out, struct err_detail *detail)
{
    pthread_mutex_lock(&s->lock);
    while (s->idle_count == 0 && s->conns_open == STORE_READ_CONNS_MAX)
        pthread_cond_wait(&s->lent, &s->lock);
    bool fresh = s->idle_count == 0;
    if (fresh)
        s->conns_open++;
    else
        *out = s->idle[--s->idle_count];
    pthread_mutex_unlock(&s->lock);
    if (!fresh)
        return OK;
    enum err e = FAULT("store.open_read") ? err_explain(detail, ERR_IO, "made to fail")
                                          : s->driver->open(s->path, false, s->keep, out, detail);
    if (e != OK) {
        pthread_mutex_lock(&s->lock);
        s->conns_open--;
        pthread_cond_signal(&s->lent);
        pthread_mutex_unlock(&s->lock);
    }
    return e;
}

static void give_back(struct store *s, struct store_conn *c)
{
    pthread_mutex_lock(&s->lock);
    ASSERT(s->idle_count < STORE_READ_CONNS_MAX);
    s->idle[s->idle_count++] = c;
    pthread_cond_signal(&s->lent);
    pthread_mutex_unlock(&s->lock);
}

void store_core_read(struct store *s, struct store_req *r)
{
    struct store_conn *c = NULL;
    r->err = borrow(s, &c, &r->detail);
    if (r->err != OK)
        return;
    r->err = s->driver->exec(c, r);
    give_back(s, c);
    bool with_config = r->op == STORE_BUSINESS_BY_NUMBER || r->op == STORE_BUSINESS_BY_ID;
    if (r->err == OK && with_config) {
        const struct config_row *rows = r->config.rows;
        size_t count = r->config.rows_count;
        business_config_load(&r->config, &r->mem, &r->business, rows, count);
    }
}

/* -- public -- */

enum err store_open(struct store **out, const struct store_opts *opts, struct err_detail *detail)
{
    ASSERT(opts->path && opts->path[0]);
    const struct store_driver *driver = &store_driver_sqlite;
    struct store_conn *writer = NULL;
    enum err e = driver->open(opts->path, true, NULL, &writer, detail);
    if (e != OK)
        return e;
    struct store *s = mem_zalloc(sizeof(*s));
    s->driver = driver;
    s->path = mem_strdup(opts->path);
    s->keep = keep_new(STORE_KEEP_BYTES_MAX);
    s->pool = opts->pool;
    s->writer = writer;
    queue_init(&s->waiting);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&s->finished, NULL);
    pthread_cond_init(&s->lent, NULL);
    int failed = pthread_create(&s->thread, NULL, writer_main, s);
    ASSERT(failed == 0);
    *out = s;
    return OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    ASSERT(s->idle_count == s->conns_open); /* nobody reads any more */
    for (size_t i = 0; i < s->idle_count; i++)
        s->driver->close(s->idle[i]);
    s->driver->close(s->writer); /* last: it folds the write-ahead log into the file */
    pthread_cond_destroy(&s->lent);
    pthread_cond_destroy(&s->finished);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    keep_free(s->keep);
    mem_free(s->path);
    mem_free(s);
}

enum err store_run(struct store *s, struct store_req *r)
{
    ASSERT(!r->finished && !r->deliver);
    if (!store_core_writes(r)) {
        store_core_read(s, r);
        r->finished = true;
        return r->err;
    }
    enum err e = store_core_queue(s, r);
    if (e != OK) {
        r->err = e;
        return e;
    }
    pthread_mutex_lock(&s->lock);
    while (!r->finished)
        pthread_cond_wait(&s->finished, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return r->err;
}

void store_run_all(struct store *s, struct store_req *const *reqs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(store_core_writes(reqs[i]) && !reqs[i]->finished && !reqs[i]->deliver);
        enum err e = store_core_queue(s, reqs[i]);
        if (e == OK)
            continue;
        reqs[i]->err = e;
        reqs[i]->finished = true;
    }
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++)
        while (!reqs[i]->finished)
            pthread_cond_wait(&s->finished, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

size_t store_queued(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->queued;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool store_failing(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    bool failing = s->failing;
    pthread_mutex_unlock(&s->lock);
    return failing;
}

struct worker_pool *store_core_pool(const struct store *s)
{
    return s->pool;
}
