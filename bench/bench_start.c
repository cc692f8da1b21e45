/*
 * bench_start - from the start of the program to its listening, however much there is to recover.
 *
 *   bench_start --callee PATH --demo-dir DIR [--calls 200] [--talk 20s] [--kills N]
 *
 * Measured from fork until the line that says where it listens has come. First with a data folder that
 * was left in peace; then `--kills` times after `--calls` conversations, `--talk` long and recorded,
 * were cut off by SIGKILL. The carrier's and provider's ends are bridge/rig.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "bridge/stage.h"

enum { PEACEFUL = 5, KILLS_MAX = 20, CALLS_MAX = 2000 };

struct opts {
    struct stage_opts stage;
    int64_t calls, talk_ms, kills;
};

struct bench {
    struct opts opts;
    struct stage stage;
    double peace_ms[PEACEFUL], dirty_ms[KILLS_MAX];
};

static enum err start(struct bench *b, struct child *child, struct rig_line **line, double *ms,
                      struct err_detail *why)
{
    struct rig_line_opts line_opts = {.kind = RIG_BRIDGE, .talk = RIG_TURNS, .lenient = true};
    struct server_opts opts = {.kind = SERVER_CALLEE,
                               .keep = KEEP_RECORDING,
                               .calls = (unsigned)b->opts.calls,
                               .same_data = true,
                               .cpu = -1};
    enum err err = stage_begin(&b->stage, why);
    if (err)
        return err;
    *line = rig_line_new(b->stage.rig, &line_opts);
    int64_t start_us = clock_mono_us();
    err = stage_start(&b->stage, child, &opts, *line, why);
    *ms = (double)(clock_mono_us() - start_us) / 1e3;
    return err;
}

static enum err run_peace(struct bench *b, struct err_detail *why)
{
    for (int i = -1; i < PEACEFUL; i++) { /* the first makes the database */
        struct child child = {.pid = 0};
        struct rig_line *line;
        double ms;
        enum err err = start(b, &child, &line, &ms, why);
        bool clean = child_stop(&child);
        stage_end(&b->stage);
        if (err)
            return err;
        if (!clean)
            return err_explain(why, ERR_UPSTREAM, "callee did not end by itself with status 0");
        if (i >= 0)
            b->peace_ms[i] = ms;
    }
    return OK;
}

/* Each start finds what the one before left when it was killed. */
static enum err run_kills(struct bench *b, struct err_detail *why)
{
    for (int64_t i = -1; i < b->opts.kills; i++) {
        struct child child = {.pid = 0};
        struct rig_line *line;
        double ms;
        enum err err = start(b, &child, &line, &ms, why);
        if (i >= 0)
            b->dirty_ms[i] = ms;
        err = err ? err : rig_call(line, child.port, (unsigned)b->opts.calls, why);
        if (!err) {
            rig_pace(line, true);
            err = rig_run(b->stage.rig, (uint32_t)b->opts.talk_ms, why);
        }
        rig_expect_end(line);
        child_kill(&child);
        rig_hang_up(line);
        stage_end(&b->stage);
        if (err)
            return err;
    }
    return OK;
}

static void print(struct bench *b)
{
    double peace = median_of(b->peace_ms, PEACEFUL);
    double dirty = median_of(b->dirty_ms, (size_t)b->opts.kills);
    printf("start to listening: %.0f ms (%.0f-%.0f); after %" PRId64 " calls of %" PRId64
           " s were cut off: %.0f ms (%.0f-%.0f)\n",
           peace, b->peace_ms[0], b->peace_ms[PEACEFUL - 1], b->opts.calls, b->opts.talk_ms / 1000,
           dirty, b->dirty_ms[0], b->dirty_ms[b->opts.kills - 1]);
    printf(
        "\n{\"bench\":\"start\",\"version\":\"%s\",\"cpus\":%ld,\"peaceMs\":%.1f,\"calls\":%" PRId64
        ",\"talkMs\":%" PRId64 ",\"kills\":%" PRId64 ",\"cutOffMs\":%.1f}\n",
        CALLEE_VERSION, sysconf(_SC_NPROCESSORS_ONLN), peace, b->opts.calls, b->opts.talk_ms,
        b->opts.kills, dirty);
}

#define AT(member) .offset = offsetof(struct opts, member)
static const struct flag_row flags[] = {
    STAGE_FLAGS(struct opts, stage),
    {.name = "calls", .type = FLAG_INT, AT(calls), .min = 1, .max = CALLS_MAX},
    {.name = "talk", .type = FLAG_MS, AT(talk_ms), .min = 100, .max = 3600000},
    {.name = "kills", .type = FLAG_INT, AT(kills), .min = 1, .max = KILLS_MAX},
};

int main(int argc, char **argv)
{
    struct bench b = {.opts = {.calls = 200, .talk_ms = 10000, .kills = 3}};
    struct err_detail why = {""};
    enum err err =
        stage_read_flags(flags, sizeof(flags) / sizeof(flags[0]), &b.opts, argc, argv, &why);
    b.stage.opts = b.opts.stage;
    if (!err)
        err = stage_open(&b.stage, &why);
    if (!err) {
        stage_print_machine();
        err = run_peace(&b, &why);
    }
    if (!err)
        err = run_kills(&b, &why);
    if (!err)
        print(&b);
    return stage_close(&b.stage, "bench_start", err, &why);
}
