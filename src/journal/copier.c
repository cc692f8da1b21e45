#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "journal/copy.h"
#include "journal/journal_private.h"
#include "journal/past.h"

/* -- on the copier thread -- */

static enum err copy_call(struct copying *job)
{
    struct journal_call *jc = job->call;
    struct copy c;
    enum err err = copy_begin(&c, job->journal->series.dir_fd, jc->id, &job->detail);
    if (err != OK)
        return err;
    if (jc->before)
        err = past_hold_copy(jc->before, &c, &job->detail);
    struct extents_at at = {0};
    struct extent e;
    while (err == OK && extents_next(&jc->extents, &at, &e))
        err = copy_add(&c, e.segment->fd, e.offset, e.len, &job->detail);
    if (err == OK)
        err = copy_commit(&c, &job->detail);
    copy_end(&c);
    if (err == OK) { /* here, because the files that go with it may be large */
        past_hold_release(jc->before, true);
        jc->before = NULL;
    }
    return err;
}

static void remove_segment(const struct series *series, const struct segment *s)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, series->name, s->number);
    if (s->fd < 0) /* nothing of it was ever written */
        return;
    close(s->fd);
    unlinkat(series->segments_fd, name, 0);
}

static void copying_work(struct worker_job *job)
{
    struct copying *c = (struct copying *)job;
    c->err = c->call ? copy_call(c) : OK;
    for (const struct segment *s = c->dead; s; s = s->next)
        remove_segment(&c->journal->series, s);
}

/* -- on the loop -- */

static void finish_call(struct journal *j, struct journal_call *jc)
{
    for (size_t i = 0; i < jc->extents.runs_count; i++)
        journal_segment_release(j, jc->extents.runs[i].segment);
    if (jc->done)
        jc->done(jc->done_ctx);
    journal_call_free(jc);
}

static void free_dead(struct segment **dead)
{
    while (*dead) {
        struct segment *s = *dead;
        *dead = s->next;
        mem_free(s);
    }
}

static void copy_failed(struct journal *j, struct copying *c)
{
    if (j->copy_failures++ == 0)
        LOG_ERROR(c->call->id, "journal.copy", "err=\"%s\" next=\"tried again\"", c->detail.text);
    j->health.failing = true;
    c->call->next = NULL; /* to the end: the fault may be this one call's */
    *j->ending_tail = c->call;
    j->ending_tail = &c->call->next;
    if (!j->closing)
        loop_timer_set(j->copy_timer, JOURNAL_COPY_RETRY_MS);
    else if (j->copy_failures < JOURNAL_CLOSE_TRIES)
        journal_copy_kick(j);
}

static void copying_done(struct worker_job *job)
{
    struct copying *c = (struct copying *)job;
    struct journal *j = c->journal;
    j->copying_now = false;
    free_dead(&c->dead);
    if (c->err != OK) {
        copy_failed(j, c);
    } else {
        if (c->call) {
            j->copy_failures = 0;
            j->health.failing = j->write_failures > 0;
            finish_call(j, c->call);
        }
        journal_copy_kick(j);
    }
    journal_close_step(j);
}

void journal_copy_kick(struct journal *j)
{
    struct copying *c = &j->copying;
    if (j->copying_now || loop_timer_is_set(j->copy_timer))
        return;
    struct journal_call *jc = j->ending;
    if (jc && jc->position > j->synced)
        jc = NULL;
    if (!jc && !j->dead)
        return;
    if (jc) {
        j->ending = jc->next;
        if (!j->ending)
            j->ending_tail = &j->ending;
    }
    c->call = jc;
    c->dead = j->dead;
    j->dead = NULL;
    c->job.work = copying_work;
    c->job.done = copying_done;
    j->copying_now = true;
    enum err err = worker_submit(j->copier, j->loop, &c->job);
    ASSERT(err == OK); /* one job at a time in a queue of one */
}

void journal_copy_abandon(struct journal *j)
{
    ASSERT(!j->copying_now);
    while (j->ending) {
        struct journal_call *jc = j->ending;
        j->ending = jc->next;
        finish_call(j, jc);
    }
    j->ending_tail = &j->ending;
    for (const struct segment *s = j->dead; s; s = s->next) /* the files stay */
        if (s->fd >= 0)
            close(s->fd);
    free_dead(&j->dead);
}
