/*
 * bench_journal.c - what recording costs the loop: time of an append, of moving the stages to the
 * buffers, and of a sync, with CALLS calls of 50 frames a second each.
 *
 *   bench_journal [DIRECTORY]   (default: /tmp)
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "journal/journal.h"

enum {
    CALLS = 200,
    ROUNDS = 100,
    FRAMES = 5,
    FRAME_BYTES = 232,
    DIGEST_BYTES = 4,
    PATH_MAX_ = 512
};

struct bench {
    struct loop *loop;
    int64_t barrier_us;
    int left;
};

static void on_synced(void *ctx)
{
    struct bench *b = ctx;
    b->barrier_us = clock_mono_us() - b->barrier_us;
    loop_stop(b->loop);
}

static void on_ended(void *ctx)
{
    struct bench *b = ctx;
    if (--b->left == 0)
        loop_stop(b->loop);
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A tenth of a second of every call; returns the time it took. */
static int64_t append_round(struct journal_call **calls, const char *frame)
{
    int64_t start_us = clock_mono_us();
    for (int f = 0; f < FRAMES; f++) {
        for (int c = 0; c < CALLS; c++) {
            journal_append(calls[c], JOURNAL_INPUT + 2, start_us, str_n(frame, FRAME_BYTES),
                           STR_NONE);
            journal_append(calls[c], JOURNAL_EFFECTS, start_us, str_n(frame, DIGEST_BYTES),
                           STR_NONE);
        }
    }
    return clock_mono_us() - start_us;
}

static void remove_files(const char *dir)
{
    char path[PATH_MAX_ + 32];
    for (int c = 0; c < CALLS; c++) {
        snprintf(path, sizeof(path), "%s/bench-%d.jrn", dir, c);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/segments", dir);
    rmdir(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    char dir[PATH_MAX_], frame[FRAME_BYTES];
    snprintf(dir, sizeof(dir), "%s/bench-journal-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    struct bench b = {.left = CALLS};
    struct journal *j;
    struct err_detail detail = {"cannot make a directory"};
    if (!mkdtemp(dir) || loop_open(&b.loop, 0) != OK ||
        journal_open(&j, b.loop, dir, &detail) != OK) {
        fprintf(stderr, "%s: %s\n", dir, detail.text);
        return 1;
    }
    struct journal_call *calls[CALLS];
    for (int c = 0; c < CALLS; c++) {
        char id[32];
        snprintf(id, sizeof(id), "bench-%d", c);
        calls[c] = journal_call_begin(j, id, STR("{\"callId\":\"bench\"}"), clock_mono_us());
    }
    memset(frame, 'A', sizeof(frame));
    int64_t append_us = 0, move_us = 0, syncs_us[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        append_us += append_round(calls, frame);
        b.barrier_us = clock_mono_us();
        journal_barrier(calls[r % CALLS], on_synced, &b);
        move_us += clock_mono_us() - b.barrier_us;
        loop_run(b.loop);
        syncs_us[r] = b.barrier_us;
    }
    qsort(syncs_us, ROUNDS, sizeof(syncs_us[0]), by_value);
    double frames = (double)CALLS * ROUNDS * FRAMES;
    printf("journal: %d calls, %.0f frames\n", CALLS, frames);
    printf("  append, input and effects  %.3f us a frame\n", (double)append_us / frames);
    printf("  stages to buffers          %.3f us a frame, %.2f ms a tenth of a second\n",
           (double)move_us / frames, (double)move_us / ROUNDS / 1000);
    printf("  barrier to synced          median %.2f ms, worst %.2f ms\n",
           (double)syncs_us[ROUNDS / 2] / 1000, (double)syncs_us[ROUNDS - 1] / 1000);
    int64_t end_us = clock_mono_us();
    for (int c = 0; c < CALLS; c++)
        journal_call_end(calls[c], STR("{}"), end_us, on_ended, &b);
    loop_run(b.loop);
    printf("  ending all, own files      %.2f ms a call\n",
           (double)(clock_mono_us() - end_us) / CALLS / 1000);
    journal_close(j, stop, b.loop);
    loop_run(b.loop);
    loop_close(b.loop);
    remove_files(dir);
    return 0;
}
