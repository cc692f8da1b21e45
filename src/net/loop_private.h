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

/* A job of this loop was given to a pool: loop_close waits until it has come back. */
void loop_job_started(struct loop *l);
/* The job's work is done; its `done` will run on the loop. Never fails, whatever the mailbox holds:
 * the list runs through the jobs themselves. Any thread. */
void loop_complete(struct loop *l, struct worker_job *job);

#endif
