/*
 * loop_private.h - what the other modules of net/ need from a loop.
 *
 *   Thread   the loop's, except loop_complete.
 */
#ifndef NET_LOOP_PRIVATE_H
#define NET_LOOP_PRIVATE_H

#include <stdint.h>

#include "net/loop.h"
#include "net/worker.h"

/* LOOP_READ_BYTES bytes that every read of this loop goes through; valid until the callback that
 * uses them returns. */
uint8_t *loop_read_buf(struct loop *l);

/* Work put off to the end of the event that is being dealt with: embedded in its owner. */
struct loop_flush {
    void (*fn)(struct loop_flush *f);
    struct loop_flush *next, **at; /* `at` NULL = not queued */
};

/* Runs f->fn once, from loop_flush or at the latest before the loop waits for events again. */
void loop_flush_soon(struct loop *l, struct loop_flush *f);
/* Takes it out again; a no-op when it is not queued. */
void loop_flush_cancel(struct loop *l, struct loop_flush *f);
/* Runs what is queued. To be called at the end of an event, not from inside one. */
void loop_flush(struct loop *l);

/* LOOP_CORK_BYTES bytes to gather output in. With LOOP_CORKS_MAX lent, what waits is flushed first,
 * whose owners must give theirs back. */
uint8_t *loop_cork_lend(struct loop *l);
void loop_cork_give(struct loop *l, uint8_t *cork);

/* A job of this loop was given to a pool: loop_close waits until it has come back. */
void loop_job_started(struct loop *l);
/* The job's work is done; its `done` will run on the loop. Never fails, whatever the mailbox holds:
 * the list runs through the jobs themselves. Any thread. */
void loop_complete(struct loop *l, struct worker_job *job);

#endif
