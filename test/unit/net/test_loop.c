/* The loop's promises: order, never losing a completion, refusing when full, timers not early. */
#include "harness/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "unit/net/net_test.h"

struct record {
    struct loop *loop;
    int order[16];
    int count;
};

struct step {
    struct record *r;
    int id;
};

static void note(void *ctx)
{
    struct step *s = ctx;
    s->r->order[s->r->count++] = s->id;
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void defer_more(void *ctx)
{
    struct step *s = ctx; /* s[0] now, s[1] deferred: it must come after what is deferred already */
    note(&s[0]);
    loop_defer(s->r->loop, note, &s[1]);
}

TEST(deferred_calls_wait_for_the_current_one_and_keep_their_order)
{
    struct record r = {0};
    CHECK_INT(OK, loop_open(&r.loop, 0));
    struct step nested[] = {{&r, 1}, {&r, 3}}, second = {&r, 2};
    loop_defer(r.loop, defer_more, nested);
    loop_defer(r.loop, note, &second);
    loop_defer(r.loop, stop, r.loop);
    CHECK(net_test_run(r.loop));
    loop_close(r.loop);
    CHECK_INT(3, r.count);
    for (int i = 0; i < r.count; i++)
        CHECK_INT(i + 1, r.order[i]);
}

TEST(a_full_mailbox_refuses_and_serves_in_order_afterwards)
{
    struct loop *l;
    CHECK_INT(OK, loop_open(&l, 0));
    struct record r = {.loop = l};
    struct step steps[] = {{&r, 1}, {&r, 2}};
    CHECK_INT(OK, loop_post(l, note, &steps[0]));
    CHECK_INT(OK, loop_post(l, note, &steps[1]));
    for (int i = 2; i < LOOP_MAILBOX_MAX; i++)
        CHECK_INT(OK, loop_post(l, stop, l));
    CHECK_INT(ERR_LIMIT, loop_post(l, stop, l));
    CHECK(net_test_run(l));
    CHECK_INT(OK, loop_post(l, stop, l));
    CHECK(net_test_run(l));
    CHECK_INT(2, r.count);
    CHECK_INT(1, r.order[0]);
    CHECK_INT(2, r.order[1]);
    loop_close(l);
}

enum { POSTERS = 4, POSTS_EACH = 2000 };

struct poster {
    struct loop *loop;
    int next; /* touched on the loop's thread alone */
    atomic_int *left;
};

struct post {
    struct poster *poster;
    int id;
};

static int out_of_order;

static void on_post(void *ctx)
{
    struct post *p = ctx;
    struct poster *from = p->poster;
    out_of_order += p->id != from->next++;
    if (atomic_fetch_sub(from->left, 1) == 1)
        loop_stop(from->loop);
    mem_free(p);
}

static void *post_many(void *arg)
{
    struct poster *from = arg;
    for (int i = 0; i < POSTS_EACH; i++) {
        struct post *p = mem_alloc(sizeof(*p));
        *p = (struct post){from, i};
        while (loop_post(from->loop, on_post, p) != OK)
            sched_yield();
    }
    return NULL;
}

TEST(posts_of_many_threads_all_arrive_each_threads_in_order)
{
    struct loop *l;
    CHECK_INT(OK, loop_open(&l, 0));
    atomic_int left = POSTERS * POSTS_EACH;
    out_of_order = 0;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){l, 0, &left};
        CHECK_INT(0, pthread_create(&threads[i], NULL, post_many, &posters[i]));
    }
    bool ran = net_test_run(l);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    loop_close(l);
    CHECK(ran);
    CHECK_INT(0, atomic_load(&left));
    CHECK_INT(0, out_of_order);
}

struct timed {
    struct loop *loop;
    struct loop_timer *timer;
    int64_t due_us, fired_us;
    int fired;
};

static void on_timed(void *ctx)
{
    struct timed *t = ctx;
    t->fired_us = loop_now_us(t->loop);
    t->fired++;
    if (t->fired == 1) {
        loop_timer_set(t->timer, 0); /* again, from its own callback */
        return;
    }
    loop_timer_free(t->timer); /* and freed from it */
    loop_stop(t->loop);
}

static void on_never(void *ctx)
{
    *(int *)ctx = 1;
}

TEST(timers_fire_once_never_early_and_can_be_set_and_freed_from_their_callback)
{
    struct loop *l;
    CHECK_INT(OK, loop_open(&l, 0));
    int never = 0;
    struct loop_timer *cancelled = loop_timer_new(l, on_never, &never);
    loop_timer_set(cancelled, 1);
    CHECK(loop_timer_is_set(cancelled));
    loop_timer_cancel(cancelled);
    CHECK(!loop_timer_is_set(cancelled));
    for (int i = 0; i < 8; i++) { /* at different points within a millisecond */
        struct timed t = {.loop = l};
        t.timer = loop_timer_new(l, on_timed, &t);
        loop_timer_set(t.timer, 500000);
        loop_timer_set(t.timer, 5); /* replaces */
        t.due_us = loop_now_us(l) + 5000;
        CHECK(net_test_run(l));
        CHECK_INT(2, t.fired);
        CHECK(t.fired_us >= t.due_us - 50); /* the clock was read after the timer was set */
        CHECK(t.fired_us < t.due_us + 2000000);
    }
    loop_timer_free(cancelled);
    loop_timer_free(NULL);
    loop_close(l);
    CHECK_INT(0, never);
}

TEST(what_was_posted_to_a_stopped_loop_runs_when_it_closes)
{
    struct loop *l;
    CHECK_INT(OK, loop_open(&l, 0));
    struct record r = {.loop = l};
    struct step steps[] = {{&r, 2}, {&r, 1}};
    loop_defer(l, note, &steps[0]);
    CHECK_INT(OK, loop_post(l, note, &steps[1]));
    loop_close(l);
    CHECK_INT(2, r.count);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

TEST(several_loops_run_at_once_and_stop_from_another_thread)
{
    struct loop *loops[3];
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(OK, loop_open(&loops[i], i));
        CHECK_INT(0, pthread_create(&threads[i], NULL, run_loop, loops[i]));
    }
    for (unsigned i = 0; i < 3; i++)
        loop_stop(loops[i]);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        loop_close(loops[i]);
    }
}
