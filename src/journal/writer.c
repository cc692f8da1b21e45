#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "journal/copy.h"
#include "journal/journal_private.h"

void journal_chunk_list_init(struct chunk_list *list)
{
    list->first = NULL;
    list->tail = &list->first;
}

static struct chunk *chunk_new(struct journal *j)
{
    struct chunk *c = j->spare;
    if (c) {
        j->spare = c->next;
        j->spare_count--;
    } else {
        c = mem_alloc(sizeof(*c));
    }
    c->next = NULL;
    c->segment = j->segment;
    c->offset = j->segment->len;
    c->len = 0;
    *j->chunks.tail = c;
    j->chunks.tail = &c->next;
    j->chunk = c;
    return c;
}

static void chunk_give_back(struct journal *j, struct chunk *c)
{
    if (j->spare_count >= JOURNAL_BUFFERS_KEEP) {
        mem_free(c);
        return;
    }
    c->next = j->spare;
    j->spare = c;
    j->spare_count++;
}

void journal_put(struct journal *j, const void *p, size_t len)
{
    const char *at = p;
    while (len > 0) {
        struct chunk *c = j->chunk;
        if (!c || c->segment != j->segment || c->len == sizeof(c->bytes))
            c = chunk_new(j);
        size_t n = sizeof(c->bytes) - c->len;
        if (n > len)
            n = len;
        memcpy(c->bytes + c->len, at, n);
        c->len += n;
        at += n;
        len -= n;
        j->segment->len += n;
        j->position += n;
    }
}

/* -- on the writer thread -- */

static int open_segment(struct batch *b, struct segment *s)
{
    const struct series *series = &b->journal->series; /* does not change while jobs run */
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, series->name, s->number);
    int fd = FAULT_CALL("journal.open", EMFILE,
                        openat(series->segments_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (fd < 0) {
        b->failed_at = "open";
        return errno;
    }
    if (FAULT_CALL("journal.sync_dir", EIO, fsync(series->segments_fd)) != 0) {
        int error = errno;
        close(fd);
        b->failed_at = "sync-dir";
        return error;
    }
    s->fd = fd;
    return 0;
}

static int sync_segment(struct batch *b, struct segment *s)
{
    if (FAULT_CALL("journal.sync", EIO, fdatasync(s->fd)) == 0)
        return 0;
    b->failed_at = "sync";
    return errno;
}

/* A failed batch is written again from its start: after a failed sync the kernel may have forgotten
 * the pages, so only bytes that were synced count. */
static void batch_work(struct worker_job *job)
{
    struct batch *b = (struct batch *)job;
    int64_t start_us = clock_mono_us();
    struct segment *unsynced = NULL;
    b->error = 0;
    for (struct chunk *c = b->chunks.first; c && b->error == 0; c = c->next) {
        if (unsynced && unsynced != c->segment) {
            b->error = sync_segment(b, unsynced);
            unsynced = NULL;
        }
        if (b->error == 0 && c->segment->fd < 0)
            b->error = open_segment(b, c->segment);
        if (b->error != 0)
            break;
        b->error = copy_write_all(c->segment->fd, c->bytes, c->len, c->offset);
        if (b->error != 0)
            b->failed_at = "write";
        unsynced = c->segment;
    }
    if (b->error == 0 && unsynced)
        b->error = sync_segment(b, unsynced);
    b->sync_us = clock_mono_us() - start_us;
}

/* -- on the loop -- */

static void batch_failed(struct journal *j, const struct batch *b)
{
    if (j->write_failures++ == 0)
        LOG_ERROR(NULL, "journal.failing", "at=%s err=\"%s\" next=\"kept in memory, tried again\"",
                  b->failed_at, strerrordesc_np(b->error));
    j->health.failing = true;
    if (!j->closing)
        loop_timer_set(j->flush_timer, JOURNAL_FLUSH_MS);
    else if (j->write_failures < JOURNAL_CLOSE_TRIES)
        journal_kick(j);
}

static void batch_done(struct worker_job *job)
{
    struct batch *b = (struct batch *)job;
    struct journal *j = b->journal;
    j->writing = false;
    if (b->error != 0) {
        batch_failed(j, b);
        journal_close_step(j);
        return;
    }
    if (j->write_failures > 0)
        LOG_WARN(NULL, "journal.recovered", "failures=%u", j->write_failures);
    j->write_failures = 0;
    j->health.failing = j->copy_failures > 0;
    j->health.syncs++;
    if (b->sync_us > j->health.sync_us_max)
        j->health.sync_us_max = b->sync_us;
    j->synced = b->end;
    while (b->chunks.first) {
        struct chunk *c = b->chunks.first;
        b->chunks.first = c->next;
        chunk_give_back(j, c);
    }
    journal_chunk_list_init(&b->chunks);
    if (j->want_flush)
        journal_kick(j);
    journal_run_barriers(j, false);
    journal_copy_kick(j);
    journal_close_step(j);
}

void journal_kick(struct journal *j)
{
    struct batch *b = &j->batch;
    if (j->writing) {
        j->want_flush = true;
        return;
    }
    j->want_flush = false;
    journal_push_all(j);
    if (j->chunks.first) { /* behind what a failed batch left */
        *b->chunks.tail = j->chunks.first;
        b->chunks.tail = j->chunks.tail;
        journal_chunk_list_init(&j->chunks);
        j->chunk = NULL;
    }
    if (!b->chunks.first)
        return;
    b->end = j->position;
    b->job.work = batch_work;
    b->job.done = batch_done;
    j->writing = true;
    enum err err = worker_submit(j->writer, j->loop, &b->job);
    ASSERT(err == OK); /* one job at a time in a queue of one */
}
