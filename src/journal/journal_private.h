/*
 * journal_private.h - the journal of a loop: records wait in their call's stage, then in buffers,
 * then one writer thread puts the buffers into the segments and syncs, and one copier thread makes
 * the calls' own files.
 *
 *   stage     records of one call since the last flush; moved as one piece, so that a call's place
 *             in a segment is a short list of extents however many calls there are. Small, and only
 *             lent to a call that has something in it: many calls share few cache lines. What does
 *             not fit goes straight to the chunk.
 *   chunk     a piece of one segment, in memory until it is synced.
 *   segment   counted by the calls that have extents in it; none left: the file is removed.
 *
 *   Thread   struct journal: the loop's. A batch belongs to the writer thread and a copy job to the
 *            copier thread from worker_submit until `done`. A segment's fd is set by the writer
 *            before any extent of it is copied.
 */
#ifndef JOURNAL_JOURNAL_PRIVATE_H
#define JOURNAL_JOURNAL_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "journal/extents.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "net/worker.h"

struct segment {
    uint32_t number;
    int fd;         /* -1 until its first chunk is written */
    uint64_t len;   /* bytes given out */
    uint32_t calls; /* not yet copied that have extents here */
    struct segment *next;
};

struct chunk {
    struct chunk *next;
    struct segment *segment;
    uint64_t offset;
    size_t len;
    char bytes[JOURNAL_BUFFER_BYTES];
};

struct chunk_list {
    struct chunk *first, **tail;
};

struct stage {
    struct stage *next; /* among the spare ones */
    size_t len;
    char bytes[JOURNAL_STAGE_BYTES];
};

struct barrier {
    uint64_t position; /* fires when so much is synced */
    loop_fn *fn;
    void *ctx;
    struct barrier *next;
};

struct journal_call {
    struct journal *journal;
    char id[JOURNAL_ID_BYTES_MAX + 1];
    uint32_t number, sequence;
    struct stage *stage;                           /* NULL = empty */
    struct journal_call *dirty_next, **dirty_prev; /* linked while the stage is not empty */
    struct past_hold *before; /* records of processes before this one; NULL = none */
    struct extents extents;
    bool lost; /* a record was lost; said once in the log */
    /* of an ended call */
    uint64_t position; /* may be copied when so much is synced */
    loop_fn *done;
    void *done_ctx;
    struct journal_call *next;
};

/* A batch of chunks on its way to the disk. */
struct batch {
    struct worker_job job;
    struct journal *journal;
    struct chunk_list chunks;
    uint64_t end; /* position behind its last byte */
    int64_t sync_us;
    int error; /* errno, 0 = written and synced */
    const char *failed_at;
};

/* One call to copy and segments to remove. */
struct copying {
    struct worker_job job;
    struct journal *journal;
    struct journal_call *call; /* may be NULL */
    struct segment *dead;
    enum err err;
    struct err_detail detail;
};

struct journal {
    struct loop *loop;
    struct series series;
    struct worker_pool *writer, *copier;
    struct loop_timer *flush_timer, *copy_timer;

    uint32_t call_number, segment_number;
    struct segment *segment;  /* the one being filled; NULL before the first record */
    struct chunk_list chunks; /* filled and not yet given to the writer */
    struct chunk *chunk;      /* last of them */
    struct chunk *spare;      /* for reuse */
    size_t spare_count;
    struct stage *spare_stages;
    size_t spare_stages_count;
    struct journal_call *dirty, **dirty_tail; /* oldest first */
    uint64_t staged;                          /* bytes in stages */
    uint64_t position, synced;                /* bytes given out to segments; of them on disk */
    bool writing, want_flush;
    struct batch batch;

    struct barrier *barriers, **barriers_tail;
    struct journal_call *ending, **ending_tail;
    struct segment *dead; /* to be removed */
    bool copying_now;
    struct copying copying;

    uint32_t live;                          /* calls not ended */
    unsigned write_failures, copy_failures; /* in a row */
    bool closing, closed;
    loop_fn *on_closed;
    void *closed_ctx;
    struct buf scratch;
    struct journal_health health;
};

/* -- writer.c -- */
void journal_chunk_list_init(struct chunk_list *list);
/* Appends bytes to the segment being filled, which is not to change between the parts of a piece.
 */
void journal_put(struct journal *j, const void *p, size_t len);
/* Gives the writer what there is, unless it is busy. */
void journal_kick(struct journal *j);

/* -- copier.c -- */
/* Copies the next ended call whose bytes are on disk; removes dead segments. */
void journal_copy_kick(struct journal *j);
/* Calls `done` of every ended call that was not copied and frees it. */
void journal_copy_abandon(struct journal *j);

/* -- journal.c -- */
/* Moves every stage to the buffers. */
void journal_push_all(struct journal *j);
/* Runs the barriers that what is synced covers; all of them when `all`. */
void journal_run_barriers(struct journal *j, bool all);
/* A segment lost a call. */
void journal_segment_release(struct journal *j, struct segment *s);
void journal_call_free(struct journal_call *jc);
/* Goes on with closing, if that is what is happening. */
void journal_close_step(struct journal *j);

#endif
