/* The store as loops use it: requests go out, answers come back on the loop, in order. */
#include "harness/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "net/loop.h"
#include "net/worker.h"
#include "store/store.h"

enum { CALLS = 300, SERVED_MAX = 2 * CALLS + 8 };

struct ask {
    struct store *s;
    struct loop *loop;
    char dir[64], path[96];
    struct worker_pool *pool;
    int created, found, missing, refused, answers;
    bool in_order;
};

static bool ask_open(struct ask *a)
{
    struct err_detail detail = {{0}};
    *a = (struct ask){.in_order = true};
    snprintf(a->dir, sizeof(a->dir), "%s", "/tmp/callee-submit-XXXXXX");
    if (!mkdtemp(a->dir))
        return false;
    snprintf(a->path, sizeof(a->path), "%s/callee.db", a->dir);
    if (loop_open(&a->loop, 0) != OK || worker_pool_open(&a->pool, "test", 2, SERVED_MAX) != OK)
        return false;
    return store_open(&a->s, &(struct store_opts){.path = a->path, .pool = a->pool}, &detail) == OK;
}

static void ask_close(struct ask *a)
{
    worker_pool_close(a->pool);
    store_close(a->s);
    loop_close(a->loop);
    unlink(a->path);
    rmdir(a->dir);
}

static void on_found(void *ctx, struct store_req *r)
{
    struct ask *a = ctx;
    loop_assert_thread(a->loop);
    a->found += r->err == OK && r->call.started_at_ms > 0;
    a->missing += r->err == ERR_NOTFOUND;
    store_req_free(r);
    if (++a->answers == CALLS + 1)
        loop_stop(a->loop);
}

static void on_created(void *ctx, struct store_req *r)
{
    struct ask *a = ctx;
    loop_assert_thread(a->loop);
    a->in_order = a->in_order && r->call.started_at_ms == a->created + 1;
    a->created += r->err == OK;
    /* What was committed can be read at once. */
    if (store_submit(a->s, a->loop, store_req_call_get(r->call.id), on_found, a) != OK)
        a->refused++;
    store_req_free(r);
}

static void start(void *ctx)
{
    struct ask *a = ctx;
    for (int i = 0; i < CALLS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%d", i);
        struct call_row c = {.id = str_of(id), .status = STR("queued"), .started_at_ms = i + 1};
        if (store_submit(a->s, a->loop, store_req_call_create(&c), on_created, a) != OK)
            a->refused++;
    }
    /* Nobody waits for these; the second fails, and is only logged. */
    struct call_row end = {.id = STR("c0"), .status = STR("completed")};
    struct call_row none = {.id = STR("nobody"), .status = STR("completed")};
    struct store_req *update = store_req_call_update(&end, CALL_SET_STATUS);
    struct store_req *lost = store_req_call_update(&none, CALL_SET_STATUS);
    if (store_submit(a->s, a->loop, update, NULL, NULL) != OK ||
        store_submit(a->s, NULL, lost, NULL, NULL) != OK ||
        store_submit(a->s, a->loop, store_req_call_get(STR("nobody")), on_found, a) != OK)
        a->refused++;
}

TEST(answers_come_back_on_the_loop_in_order)
{
    struct ask a;
    CHECK(ask_open(&a));
    loop_defer(a.loop, start, &a);
    loop_run(a.loop);
    CHECK_INT(0, a.refused);
    CHECK_INT(CALLS, a.created);
    CHECK(a.in_order);
    CHECK_INT(CALLS, a.found);
    CHECK_INT(1, a.missing);
    ask_close(&a);
}

#ifdef CALLEE_FAULTS
/* A disk that fails one step costs nothing: nobody waits for these writes, so they are tried again,
 * in their order, and a turn does not overtake its call. */
static bool written_although(const char *step)
{
    struct ask a;
    struct call_row c = {.id = STR("c"), .status = STR("queued"), .started_at_ms = 1};
    struct call_row end = {.id = STR("c"), .status = STR("completed")};
    if (!ask_open(&a))
        return false;
    fault_arm(step, 1);
    bool sent = store_submit(a.s, NULL, store_req_call_create(&c), NULL, NULL) == OK;
    struct store_req *update = store_req_call_update(&end, CALL_SET_STATUS);
    sent = store_submit(a.s, NULL, update, NULL, NULL) == OK && sent;
    int64_t until_us = clock_mono_us() + 10000000;
    bool there = false;
    while (sent && !there && clock_mono_us() < until_us) {
        struct store_req *r = store_req_call_get(STR("c"));
        there = store_run(a.s, r) == OK && str_eq(r->call.status, STR("completed")) &&
                !store_failing(a.s); /* which is said after the commit */
        store_req_free(r);
    }
    bool fired = fault_fired();
    fault_arm("", 0);
    ask_close(&a);
    return there && fired;
}

TEST(writes_nobody_waits_for_outlive_a_failing_disk)
{
    CHECK(written_although("store.begin"));
    CHECK(written_although("store.exec")); /* the begin itself, then a savepoint, then the end */
    CHECK(written_although("store.step"));
}
#endif

static void flood(void *ctx)
{
    struct ask *a = ctx;
    for (int i = 0; i < 3 * STORE_QUEUE_MAX; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%d", i);
        struct call_row c = {.id = str_of(id), .status = STR("queued"), .started_at_ms = 1};
        enum err e = store_submit(a->s, NULL, store_req_call_create(&c), NULL, NULL);
        a->refused += e == ERR_LIMIT;
        a->created += e == OK;
    }
    loop_stop(a->loop);
}

TEST(a_full_queue_refuses_and_closing_writes_what_was_accepted)
{
    struct ask a;
    CHECK(ask_open(&a));
    loop_defer(a.loop, flood, &a);
    loop_run(a.loop);
    CHECK(a.created >= STORE_QUEUE_MAX);
    CHECK_INT(3 * STORE_QUEUE_MAX, a.created + a.refused);
    worker_pool_close(a.pool);
    store_close(a.s);
    a.pool = NULL;
    CHECK_INT(OK, store_open(&a.s, &(struct store_opts){.path = a.path}, NULL));
    struct store_req *r = store_req_calls_open();
    CHECK_INT(OK, store_run(a.s, r));
    CHECK_INT(a.created < STORE_OPEN_CALLS_MAX ? a.created : STORE_OPEN_CALLS_MAX, r->calls_count);
    store_req_free(r);
    ask_close(&a);
}

static void on_late(void *ctx, struct store_req *r)
{
    ((struct ask *)ctx)->answers++;
    store_req_free(r);
}

static void leave(void *ctx)
{
    struct ask *a = ctx;
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%d", i);
        struct call_row c = {.id = str_of(id), .status = STR("queued"), .started_at_ms = 1};
        a->refused += store_submit(a->s, a->loop, store_req_call_create(&c), on_late, a) != OK;
    }
    loop_stop(a->loop);
}

TEST(answers_that_come_after_the_loop_stopped_are_given_when_it_closes)
{
    struct ask a;
    CHECK(ask_open(&a));
    loop_defer(a.loop, leave, &a);
    loop_run(a.loop);
    ask_close(&a);
    CHECK_INT(0, a.refused);
    CHECK_INT(10, a.answers);
}
