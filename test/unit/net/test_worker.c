/* The pool's promises: every accepted job comes back once, on its loop, whatever else happens. */
#include "harness/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "net/worker.h"
#include "unit/net/net_test.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void gate_set(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

struct job {
    struct worker_job job; /* first: a worker_job is a job */
    pthread_t worked, done;
    int worked_count, done_count, *left;
    int turn; /* which one to be worked on it was, with one thread */
};

static _Atomic int turns;

static void work(struct worker_job *w)
{
    struct job *j = (struct job *)w;
    j->worked = pthread_self();
    j->worked_count++;
    j->turn = ++turns;
}

static void work_behind_gate(struct worker_job *w)
{
    pthread_mutex_lock(&gate.lock);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    work(w);
}

static void done(struct worker_job *w)
{
    struct job *j = (struct job *)w;
    j->done = pthread_self();
    j->done_count++;
    if (--*j->left == 0)
        loop_stop(w->loop);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

enum { JOBS = 6000 }; /* more than a mailbox holds */

TEST(no_completion_is_lost_when_the_mailbox_is_full)
{
    struct loop *l;
    struct worker_pool *p;
    CHECK_INT(OK, loop_open(&l, 0));
    CHECK_INT(OK, worker_pool_open(&p, "a name longer than the kernel takes", 2, JOBS));
    static struct job jobs[JOBS];
    int left = JOBS;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.job = {.work = work, .done = done}, .left = &left};
        CHECK_INT(OK, worker_submit(p, l, &jobs[i].job));
    }
    while (loop_post(l, nothing, NULL) == OK)
        continue;
    CHECK(net_test_run(l));
    worker_pool_close(p);
    loop_close(l);
    for (int i = 0; i < JOBS; i++) {
        CHECK_INT(1, jobs[i].worked_count);
        CHECK_INT(1, jobs[i].done_count);
        CHECK(!pthread_equal(jobs[i].worked, pthread_self()));
        CHECK(pthread_equal(jobs[i].done, pthread_self()));
    }
}

TEST(a_full_queue_refuses_and_the_refused_job_is_never_called)
{
    struct loop *l;
    struct worker_pool *p;
    gate_set(false);
    CHECK_INT(OK, loop_open(&l, 0));
    CHECK_INT(OK, worker_pool_open(&p, "test", 1, 2));
    struct job jobs[8];
    int left = 0, accepted = 0, refused = 0;
    for (int i = 0; i < 8; i++) {
        jobs[i] = (struct job){.job = {.work = work_behind_gate, .done = done}, .left = &left};
        enum err err = worker_submit(p, l, &jobs[i].job);
        accepted += err == OK;
        refused += err == ERR_LIMIT;
    }
    CHECK(accepted == 2 || accepted == 3); /* the thread may have taken one off the queue */
    CHECK_INT(8, accepted + refused);
    CHECK(worker_pool_queued(p) <= 2);
    left = accepted;
    gate_set(true);
    CHECK(net_test_run(l));
    worker_pool_close(p);
    loop_close(l);
    int ran = 0;
    for (int i = 0; i < 8; i++)
        ran += jobs[i].done_count;
    CHECK_INT(accepted, ran);
}

TEST(urgent_jobs_go_first_and_each_kind_in_its_order)
{
    struct loop *l;
    struct worker_pool *p;
    int left = 6;
    struct job jobs[6];
    CHECK_INT(OK, loop_open(&l, 0));
    CHECK_INT(OK, worker_pool_open(&p, "test", 1, 8));
    gate_set(false);
    for (int i = 0; i < 6; i++) {
        jobs[i] = (struct job){
            .job = {.work = work_behind_gate, .done = done, .urgent = i == 2 || i == 3 || i == 5},
            .left = &left};
        CHECK_INT(OK, worker_submit(p, l, &jobs[i].job));
    }
    gate_set(true);
    CHECK(net_test_run(l));
    /* The first may have been taken before the others came. */
    CHECK(jobs[2].turn < jobs[3].turn && jobs[3].turn < jobs[5].turn);
    CHECK(jobs[5].turn < jobs[1].turn && jobs[1].turn < jobs[4].turn);
    CHECK(jobs[0].turn < jobs[1].turn);
    worker_pool_close(p);
    loop_close(l);
}

TEST(closing_runs_what_is_queued_and_the_loop_hands_it_back)
{
    struct loop *l;
    struct worker_pool *p;
    gate_set(false);
    CHECK_INT(OK, loop_open(&l, 0));
    CHECK_INT(OK, worker_pool_open(&p, "test", 1, 8));
    struct job jobs[4];
    int left = 4;
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct job){.job = {.work = work_behind_gate, .done = done}, .left = &left};
        CHECK_INT(OK, worker_submit(p, l, &jobs[i].job));
    }
    gate_set(true);
    worker_pool_close(p); /* the loop is not running */
    CHECK_INT(4, left);
    loop_close(l);
    CHECK_INT(0, left);
    worker_pool_close(NULL);
}
