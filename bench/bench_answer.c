/*
 * bench_answer - how long the offline engine takes to answer, as a caller hears it.
 *
 *   bench_answer --callee PATH --demo-dir DIR [--calls 2] [--runs 2]
 *
 * `callee serve --engine local` and `callee dial` with three questions, `--calls` at once, `--runs`
 * times. Measured is from the end of a question's sound to the first audible frame of the answer, less
 * the 500 ms of silence by which the engine knows that the turn is over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/js.h"
#include "bridge/figures.h"
#include "bridge/stage.h"

enum { TURN_END_MS = 500, LINE_BYTES = 1 << 18, COMMAND_BYTES = 4096 };

struct opts {
    struct stage_opts stage;
    int64_t calls, runs;
};

struct bench {
    struct opts opts;
    struct stage stage;
    struct samples ms;
    unsigned unanswered, calls;
};

/* One call's report. Its first turn is the greeting, which answers nobody. */
static void take_report(struct bench *b, struct str line)
{
    json_t *report;
    if (!str_starts(line, STR("{")) || js_parse(line, &report, NULL) != OK)
        return;
    const json_t *turns = js_get(report, "turns");
    b->calls++;
    for (size_t i = 1; i < json_array_size(turns); i++) {
        const json_t *turn = json_array_get(turns, i);
        int64_t ms = js_get_int(turn, "latency_ms", -1);
        if (ms < 0)
            b->unanswered++;
        else
            samples_put(&b->ms, ms > TURN_END_MS ? (uint32_t)(ms - TURN_END_MS) : 0);
    }
    json_decref(report);
}

static enum err dial(struct bench *b, const struct child *child, struct err_detail *why)
{
    static char line[LINE_BYTES];
    char command[COMMAND_BYTES];
    snprintf(command, sizeof(command),
             "'%s' dial --url http://127.0.0.1:%u --calls %" PRId64
             " --json --say 'What are your opening hours?' --say 'Where are you?'"
             " --say 'Do you ship to Canada?' 2>>'%s/dial.log'",
             b->opts.stage.callee, child->port, b->opts.calls, b->stage.dir);
    FILE *f = popen(command, "re");
    if (!f)
        return err_explain(why, ERR_IO, "dial cannot be started");
    while (fgets(line, sizeof(line), f))
        take_report(b, str_trim(str_of(line)));
    (void)pclose(f);
    return OK;
}

static enum err run(struct bench *b, struct err_detail *why)
{
    struct child child = {.pid = 0};
    struct server_opts opts = {
        .kind = SERVER_CALLEE, .keep = KEEP_JOURNAL, .offline = true, .cpu = -1};
    enum err err = stage_start(&b->stage, &child, &opts, NULL, why);
    for (int64_t i = 0; i < b->opts.runs && !err; i++)
        err = dial(b, &child, why);
    bool clean = child_stop(&child);
    if (!err && b->ms.count == 0)
        return err_explain(why, ERR_UPSTREAM, "no question was answered");
    if (!err && !clean)
        return err_explain(why, ERR_UPSTREAM, "callee did not end by itself with status 0");
    return err;
}

static void print(struct bench *b)
{
    unsigned low = samples_at(&b->ms, 1), p50 = samples_at(&b->ms, 500),
             p90 = samples_at(&b->ms, 900), most = samples_at(&b->ms, 1000);
    printf("offline: from the end of a turn to the first sound, %zu answers in %u calls, %" PRId64
           " at once: median %u ms, 90 %% %u ms (%u-%u), %u not answered\n",
           b->ms.count, b->calls, b->opts.calls, p50, p90, low, most, b->unanswered);
    printf("\n{\"bench\":\"answer\",\"version\":\"%s\",\"cpus\":%ld,\"callsAtOnce\":%" PRId64
           ",\"answers\":%zu,\"medianMs\":%u,\"p90Ms\":%u,\"lowMs\":%u,\"highMs\":%u,"
           "\"unanswered\":%u}\n",
           CALLEE_VERSION, sysconf(_SC_NPROCESSORS_ONLN), b->opts.calls, b->ms.count, p50, p90, low,
           most, b->unanswered);
}

#define AT(member) .offset = offsetof(struct opts, member)
static const struct flag_row flags[] = {
    STAGE_FLAGS(struct opts, stage),
    {.name = "calls", .type = FLAG_INT, AT(calls), .min = 1, .max = 50},
    {.name = "runs", .type = FLAG_INT, AT(runs), .min = 1, .max = 50},
};

int main(int argc, char **argv)
{
    struct bench b = {.opts = {.calls = 2, .runs = 2}};
    struct err_detail why = {""};
    enum err err =
        stage_read_flags(flags, sizeof(flags) / sizeof(flags[0]), &b.opts, argc, argv, &why);
    b.stage.opts = b.opts.stage;
    if (!err)
        err = stage_open(&b.stage, &why);
    if (!err) {
        stage_print_machine();
        err = run(&b, &why);
    }
    if (!err)
        print(&b);
    samples_fini(&b.ms);
    return stage_close(&b.stage, "bench_answer", err, &why);
}
