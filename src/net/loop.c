#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/loop_private.h"

struct call_later {
    loop_fn *fn;
    void *ctx;
    struct call_later *next;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_idle_t idle; /* active while something is deferred: then polling does not block */
    unsigned index;
    struct rng rng;
    pthread_t owner; /* valid while `running` */
    atomic_bool running;

    uv_prepare_t prepare;
    struct loop_flush *flush, **flush_tail;
    uint8_t *corks[LOOP_CORKS_MAX]; /* the ones not lent; the last given is lent first */
    size_t corks_count, corks_made;

    struct buf scratch;

    struct call_later *deferred, **deferred_tail;
    size_t jobs; /* accepted by a worker pool, `done` not yet run */

    pthread_mutex_t lock; /* guards what follows */
    struct {
        loop_fn *fn;
        void *ctx;
    } posts[LOOP_MAILBOX_MAX]; /* a ring */
    size_t posts_first, posts_count;
    struct worker_job *done, **done_tail;
    bool stop;

    uint8_t read_buf[LOOP_READ_BYTES];
};

struct loop_timer {
    uv_timer_t uv;
    loop_fn *fn;
    void *ctx;
};

/* Runs what was in the mailbox at the start; what is posted meanwhile wakes the loop again. */
static void run_posts(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    size_t count = l->posts_count;
    for (size_t i = 0; i < count; i++) {
        loop_fn *fn = l->posts[l->posts_first].fn;
        void *ctx = l->posts[l->posts_first].ctx;
        l->posts_first = (l->posts_first + 1) % LOOP_MAILBOX_MAX;
        l->posts_count--;
        pthread_mutex_unlock(&l->lock);
        fn(ctx);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
}

static void run_done(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct worker_job *job = l->done;
    l->done = NULL;
    l->done_tail = &l->done;
    pthread_mutex_unlock(&l->lock);
    while (job) {
        struct worker_job *next = job->next; /* `done` may free the job */
        ASSERT(l->jobs > 0);
        l->jobs--;
        job->done(job);
        job = next;
    }
}

/* -- flushing -- */

void loop_flush_soon(struct loop *l, struct loop_flush *f)
{
    if (f->at)
        return;
    f->next = NULL;
    f->at = l->flush_tail;
    *l->flush_tail = f;
    l->flush_tail = &f->next;
}

void loop_flush_cancel(struct loop *l, struct loop_flush *f)
{
    if (!f->at)
        return;
    *f->at = f->next;
    if (f->next)
        f->next->at = f->at;
    else
        l->flush_tail = f->at;
    f->at = NULL;
}

void loop_flush(struct loop *l)
{
    while (l->flush) {
        struct loop_flush *f = l->flush;
        loop_flush_cancel(l, f);
        f->fn(f);
    }
}

uint8_t *loop_cork_lend(struct loop *l)
{
    if (l->corks_count == 0 && l->corks_made == LOOP_CORKS_MAX)
        loop_flush(l);
    if (l->corks_count == 0) {
        ASSERT(l->corks_made < LOOP_CORKS_MAX);
        l->corks[l->corks_count++] = mem_alloc(LOOP_CORK_BYTES);
        l->corks_made++;
    }
    return l->corks[--l->corks_count];
}

void loop_cork_give(struct loop *l, uint8_t *cork)
{
    ASSERT(l->corks_count < l->corks_made);
    l->corks[l->corks_count++] = cork;
}

static void on_prepare(uv_prepare_t *handle)
{
    loop_flush(handle->data);
}

static void on_wake(uv_async_t *handle)
{
    struct loop *l = handle->data;
    pthread_mutex_lock(&l->lock);
    bool stop = l->stop;
    l->stop = false;
    pthread_mutex_unlock(&l->lock);
    run_posts(l);
    run_done(l);
    loop_flush(l);
    if (stop)
        uv_stop(&l->uv);
}

/* Runs what is deferred now, in order; what these defer in turn waits for the next iteration. */
static void run_deferred(struct loop *l)
{
    struct call_later *item = l->deferred;
    l->deferred = NULL;
    l->deferred_tail = &l->deferred;
    while (item) {
        struct call_later *next = item->next;
        item->fn(item->ctx);
        mem_free(item);
        item = next;
    }
}

static void on_idle(uv_idle_t *handle)
{
    struct loop *l = handle->data;
    run_deferred(l);
    if (!l->deferred)
        uv_idle_stop(handle);
}

enum err loop_open(struct loop **out, unsigned index)
{
    /* OpenSSL writes with write(2): a peer that is gone must be an error there, not a signal. */
    signal(SIGPIPE, SIG_IGN);
    struct loop *l = mem_zalloc(sizeof(*l));
    int rc = FAULT("loop.open") ? UV_EMFILE : uv_loop_init(&l->uv);
    if (rc != 0) {
        LOG_ERROR(NULL, "loop.open", "err=\"%s\"", uv_strerror(rc));
        mem_free(l);
        return ERR_IO;
    }
    rc = FAULT("loop.async") ? UV_EMFILE : uv_async_init(&l->uv, &l->wake, on_wake);
    if (rc != 0) {
        LOG_ERROR(NULL, "loop.open", "err=\"%s\"", uv_strerror(rc));
        uv_loop_close(&l->uv);
        mem_free(l);
        return ERR_IO;
    }
    uv_idle_init(&l->uv, &l->idle);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_prepare_start(&l->prepare, on_prepare);
    l->prepare.data = l;
    l->flush_tail = &l->flush;
    buf_init(&l->scratch, LOOP_SCRATCH_BYTES_MAX);
    l->wake.data = l;
    l->idle.data = l;
    l->index = index;
    l->deferred_tail = &l->deferred;
    l->done_tail = &l->done;
    rng_init_system(&l->rng);
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return OK;
}

void loop_run(struct loop *l)
{
    l->owner = pthread_self();
    atomic_store(&l->running, true);
    uv_run(&l->uv, UV_RUN_DEFAULT); /* the async handle keeps it alive until uv_stop */
    atomic_store(&l->running, false);
}

void loop_stop(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    uv_async_send(&l->wake); /* under the lock, so that a loop told to stop cannot be freed yet */
    pthread_mutex_unlock(&l->lock);
}

static void check_closing(uv_handle_t *handle, void *arg)
{
    (void)arg;
    ASSERT(uv_is_closing(handle)); /* an object outlived its loop */
}

void loop_close(struct loop *l)
{
    loop_assert_thread(l);
    /* Jobs still out come back first, then everything they and the closed objects left behind. */
    while (l->jobs > 0)
        uv_run(&l->uv, UV_RUN_ONCE);
    on_wake(&l->wake);
    while (l->deferred)
        run_deferred(l);
    loop_flush(l);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_walk(&l->uv, check_closing, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0) /* a late loop_stop makes it return early */
        continue;
    while (l->deferred) /* a close callback may defer */
        run_deferred(l);
    int rc = uv_loop_close(&l->uv);
    ASSERT(rc == 0);
    ASSERT(!l->flush && l->corks_count == l->corks_made);
    for (size_t i = 0; i < l->corks_count; i++)
        mem_free(l->corks[i]);
    buf_fini(&l->scratch);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

enum err loop_post(struct loop *l, loop_fn *fn, void *ctx)
{
    pthread_mutex_lock(&l->lock);
    if (l->posts_count == LOOP_MAILBOX_MAX || FAULT("loop.post")) {
        pthread_mutex_unlock(&l->lock);
        return ERR_LIMIT;
    }
    size_t at = (l->posts_first + l->posts_count) % LOOP_MAILBOX_MAX;
    l->posts[at].fn = fn;
    l->posts[at].ctx = ctx;
    l->posts_count++;
    uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->lock);
    return OK;
}

void loop_defer(struct loop *l, loop_fn *fn, void *ctx)
{
    loop_assert_thread(l);
    struct call_later *item = mem_alloc(sizeof(*item));
    *item = (struct call_later){.fn = fn, .ctx = ctx};
    *l->deferred_tail = item;
    l->deferred_tail = &item->next;
    if (!uv_is_closing((uv_handle_t *)&l->idle))
        uv_idle_start(&l->idle, on_idle);
}

int64_t loop_now_us(struct loop *l)
{
    (void)l;
    return clock_mono_us();
}

unsigned loop_index(const struct loop *l)
{
    return l->index;
}

struct rng *loop_rng(struct loop *l)
{
    return &l->rng;
}

struct buf *loop_scratch(struct loop *l)
{
    loop_assert_thread(l);
    if (l->scratch.cap > LOOP_SCRATCH_KEEP_BYTES)
        buf_release(&l->scratch);
    buf_reset(&l->scratch);
    return &l->scratch;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_assert_thread(const struct loop *l)
{
    ASSERT(!atomic_load(&l->running) || pthread_equal(l->owner, pthread_self()));
}

uint8_t *loop_read_buf(struct loop *l)
{
    return l->read_buf;
}

void loop_job_started(struct loop *l)
{
    loop_assert_thread(l);
    l->jobs++;
}

void loop_complete(struct loop *l, struct worker_job *job)
{
    pthread_mutex_lock(&l->lock);
    job->next = NULL;
    *l->done_tail = job;
    l->done_tail = &job->next;
    uv_async_send(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static void on_timer(uv_timer_t *handle)
{
    struct loop_timer *t = handle->data;
    t->fn(t->ctx);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *ctx)
{
    loop_assert_thread(l);
    struct loop_timer *t = mem_zalloc(sizeof(*t));
    t->fn = fn;
    t->ctx = ctx;
    t->uv.data = t;
    uv_timer_init(&l->uv, &t->uv);
    return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ms)
{
    ASSERT(!uv_is_closing((uv_handle_t *)&t->uv));
    uint64_t timeout_ms = 0;
    if (delay_ms > 0) {
        /* libuv counts from its cached, truncated milliseconds; counting from the clock and
         * rounding up keeps a timer from firing early. */
        uint64_t due_ms = ((uint64_t)clock_mono_us() + 999) / 1000 + delay_ms;
        uint64_t now_ms = uv_now(t->uv.loop);
        timeout_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    }
    uv_timer_start(&t->uv, on_timer, timeout_ms, 0);
}

void loop_timer_cancel(struct loop_timer *t)
{
    uv_timer_stop(&t->uv);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return uv_is_active((const uv_handle_t *)&t->uv);
}

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    uv_timer_stop(&t->uv);
    uv_close((uv_handle_t *)&t->uv, on_timer_closed);
}
