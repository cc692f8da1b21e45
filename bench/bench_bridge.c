/*
 * bench_bridge - the CPU of one bridged frame, beside a relay that only copies bytes.
 *
 *   bench_bridge --callee PATH --demo-dir DIR [--calls 1,50,200] [--keep recording,journal,nothing]
 *                [--tls off,on] [--rounds N] [--round-ms MS] [--rivals DIR] [--callee-only]
 *                [--instructions] [--loops N] [--wrap COMMAND]
 *
 * A frame: Twilio media in, input_audio_buffer.append out, response.output_audio.delta in, Twilio
 * media out. This process is both the carrier and the provider (bridge/rig.h); the servers run
 * beside it, and their CPU time is read from outside. Rounds alternate between them; what is
 * printed is the median of the rounds, the first one left out, as a table and as one line of JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bridge/counters.h"
#include "bridge/stage.h"

enum { RESULTS_MAX = 48, ROUNDS_MAX = 99, CALLS_MAX = 4000, RIVAL_CALLS_MAX = 50 };
enum { COUNTED_CALLS_MAX = 50, COUNTED_MS = 4000 };

struct opts {
    struct stage_opts stage;
    const char *calls, *keep, *tls;
    int64_t rounds, round_ms, loops;
    bool callee_only, instructions;
};

/* What one round of one server cost, each a frame. Nothing but doubles: see median_each. */
struct cost {
    double us, busiest_us, user_us, system_us, frames_per_s, marks, disk_bytes;
};
enum { COST_DOUBLES = sizeof(struct cost) / sizeof(double) };

/* One configuration, measured. */
struct result {
    struct server_opts with;
    struct cost cost[3];                 /* by enum server_kind */
    double ratio;                        /* median of the rounds' own ratios */
    double us_low, us_high;              /* callee's rounds */
    double syscalls[3], instructions[3]; /* a frame; 0 = not counted */
    struct rig_counts counts;
};

struct server {
    struct child child;
    struct rig_line *line; /* NULL: not measured */
};

struct bench {
    struct opts opts;
    struct stage stage;
    struct server servers[3]; /* by enum server_kind */
};

/* -- one round -- */

/* Of the thread that did most: what bounds the calls a server can carry. */
static int64_t busiest_ns(const struct child_thread *before, size_t before_count,
                          const struct child_thread *after, size_t after_count)
{
    int64_t most = 0;
    for (size_t i = 0; i < after_count; i++) {
        int64_t ns = after[i].cpu_ns;
        for (size_t j = 0; j < before_count; j++)
            ns -= before[j].tid == after[i].tid ? before[j].cpu_ns : 0;
        most = ns > most ? ns : most;
    }
    return most;
}

static enum err measure(struct bench *b, struct server *s, struct cost *out, struct err_detail *why)
{
    struct child_thread was[CHILD_THREADS_MAX], is[CHILD_THREADS_MAX];
    size_t was_count = child_threads(&s->child, was);
    struct child_usage before = child_usage(&s->child);
    struct rig_counts counted = rig_counts(s->line);
    int64_t start_us = clock_mono_us();
    enum err err = rig_round(s->line, (uint32_t)b->opts.round_ms, why);
    if (err)
        return err;
    double us = (double)(clock_mono_us() - start_us);
    if (s == &b->servers[SERVER_CALLEE])
        rig_settle(b->stage.rig); /* the journal's last flush belongs to these frames */
    size_t is_count = child_threads(&s->child, is);
    struct child_usage after = child_usage(&s->child);
    struct rig_counts now = rig_counts(s->line);
    double frames = (double)(now.frames - counted.frames);
    if (frames < 1)
        return err_explain(why, ERR_UPSTREAM, "no frame came back");
    *out = (struct cost){
        .us = (double)(after.cpu_ns - before.cpu_ns) / 1e3 / frames,
        .busiest_us = (double)busiest_ns(was, was_count, is, is_count) / 1e3 / frames,
        .user_us = (double)(after.user_ms - before.user_ms) * 1e3 / frames,
        .system_us = (double)(after.system_ms - before.system_ms) * 1e3 / frames,
        .frames_per_s = frames * 1e6 / us,
        .marks = (double)(now.marks - counted.marks) / frames,
        .disk_bytes = (double)(after.disk_written - before.disk_written) / frames,
    };
    return OK;
}

/* Counting disturbs the clock, so it has a round of its own. */
static enum err count_syscalls(struct bench *b, struct server *s, double *out,
                               struct err_detail *why)
{
    struct counters counters = {.count = 0};
    if (syscalls_open(&counters, &s->child) != OK)
        return OK;
    uint64_t frames = rig_counts(s->line).frames;
    enum err err = rig_round(s->line, (uint32_t)b->opts.round_ms, why);
    rig_settle(b->stage.rig);
    frames = rig_counts(s->line).frames - frames;
    *out = (double)syscalls_read(&counters) / (double)(frames ? frames : 1);
    syscalls_close(&counters);
    return err;
}

static enum err run_rounds(struct bench *b, struct result *r, struct err_detail *why)
{
    struct cost costs[3][ROUNDS_MAX];
    double ratio[ROUNDS_MAX];
    size_t count = (size_t)b->opts.rounds;
    for (size_t i = 0; i <= count; i++) { /* the first is for warming up, and overwritten */
        size_t at = i ? i - 1 : 0;
        for (int k = 0; k < 3; k++) {
            if (!b->servers[k].line)
                continue;
            enum err err = measure(b, &b->servers[k], &costs[k][at], why);
            if (err)
                return err;
        }
        ratio[at] = b->opts.callee_only ? 0 : costs[0][at].us / costs[SERVER_RELAY][at].us;
    }
    r->us_low = r->us_high = costs[0][0].us;
    for (size_t i = 1; i < count; i++) {
        r->us_low = costs[0][i].us < r->us_low ? costs[0][i].us : r->us_low;
        r->us_high = costs[0][i].us > r->us_high ? costs[0][i].us : r->us_high;
    }
    for (int k = 0; k < 3; k++) {
        if (!b->servers[k].line)
            continue;
        median_each((double *)&r->cost[k], (const double *)costs[k], count, COST_DOUBLES);
        enum err err = count_syscalls(b, &b->servers[k], &r->syscalls[k], why);
        if (err)
            return err;
    }
    r->ratio = median_of(ratio, count);
    r->counts = rig_counts(b->servers[SERVER_CALLEE].line);
    return OK;
}

/* -- the servers -- */

static enum err start(struct bench *b, const struct server_opts *with, enum server_kind kind,
                      struct err_detail *why)
{
    struct server *s = &b->servers[kind];
    struct server_opts opts = *with;
    struct rig_line_opts line = {.kind = kind == SERVER_RELAY ? RIG_RELAY : RIG_BRIDGE,
                                 .talk = RIG_MIRROR,
                                 .tls = with->tls,
                                 .lenient = kind == SERVER_AGENTS};
    opts.kind = kind;
    opts.at_once = true; /* what is as loud all the time is taken for silence */
    if (kind == SERVER_AGENTS && opts.calls > RIVAL_CALLS_MAX)
        opts.calls = RIVAL_CALLS_MAX;
    s->line = rig_line_new(b->stage.rig, &line);
    enum err err = stage_start(&b->stage, &s->child, &opts, s->line, why);
    return err ? err : rig_call(s->line, s->child.port, opts.calls, why);
}

/* One server alone, under callgrind: it is too slow to be timed, and counts the same however few the
 * calls. */
static enum err count_instructions(struct bench *b, struct result *r, enum server_kind kind,
                                   struct err_detail *why)
{
    struct server *s = &b->servers[kind];
    struct server_opts with = r->with;
    char file[STAGE_PATH_BYTES + 32];
    uint64_t instructions = 0, frames = 0;
    with.counted = true;
    with.calls = with.calls > COUNTED_CALLS_MAX ? COUNTED_CALLS_MAX : with.calls;
    enum err err = stage_begin(&b->stage, why);
    err = err ? err : start(b, &with, kind, why);
    err = err ? err : rig_round(s->line, COUNTED_MS, why); /* to warm up */
    if (!err) {
        stage_callgrind_file(&b->stage, file, sizeof(file));
        frames = rig_counts(s->line).frames;
        err = instructions_zero(&s->child, why);
    }
    err = err ? err : rig_round(s->line, COUNTED_MS, why);
    if (!err) {
        frames = rig_counts(s->line).frames - frames;
        rig_settle(b->stage.rig);
        err = instructions_read(&s->child, file, &instructions, why);
        r->instructions[kind] = (double)instructions / (double)(frames ? frames : 1);
    }
    if (s->line)
        rig_hang_up(s->line);
    (void)child_stop(&s->child);
    *s = (struct server){.line = NULL};
    stage_end(&b->stage);
    return err;
}

static enum err run_one(struct bench *b, struct result *r, struct err_detail *why)
{
    enum err err = stage_begin(&b->stage, why);
    if (err)
        return err;
    err = start(b, &r->with, SERVER_CALLEE, why);
    if (!err && !b->opts.callee_only)
        err = start(b, &r->with, SERVER_RELAY, why);
    if (!err && b->opts.stage.rivals)
        err = start(b, &r->with, SERVER_AGENTS, why);
    if (!err)
        err = run_rounds(b, r, why);
    bool clean = true;
    for (int k = 0; k < 3; k++) {
        struct server *s = &b->servers[k];
        if (s->line)
            rig_hang_up(s->line);
        bool ended = child_stop(&s->child); /* the others know no end but being killed */
        clean = k == SERVER_CALLEE ? ended : clean;
        *s = (struct server){.line = NULL};
    }
    stage_end(&b->stage);
    if (!err && !clean && !b->opts.stage.wrap) /* perf passes the signal on as its own end */
        return err_explain(why, ERR_UPSTREAM, "callee did not end by itself with status 0");
    for (int k = 0; k < SERVER_AGENTS && !err && b->opts.instructions; k++)
        if (k == SERVER_CALLEE || !b->opts.callee_only)
            err = count_instructions(b, r, (enum server_kind)k, why);
    return err;
}

/* -- saying it -- */

static void print_head(const struct bench *b)
{
    stage_print_machine();
    printf("CPU a bridged frame in microseconds (medians); one frame under way on each call\n\n");
    printf("%5s %9s %3s | %6s %13s %6s %6s %6s | %6s %6s | %6s | %8s %8s | %6s | %8s %8s", "calls",
           "keeps", "tls", "callee", "(range)", "thread", "user", "system", "relay", "system",
           "ratio", "frames/s", "relay/s", "disk B", "syscalls", "relay");
    if (b->opts.instructions)
        printf(" | %6s %6s", "instr.", "relay");
    printf(b->opts.stage.rivals ? " | agents\n" : "\n");
    fflush(stdout);
}

static void print_row(const struct bench *b, const struct result *r)
{
    const struct cost *c = &r->cost[SERVER_CALLEE], *relay = &r->cost[SERVER_RELAY];
    char range[24];
    snprintf(range, sizeof(range), "%.1f-%.1f", r->us_low, r->us_high);
    printf("%5u %9s %3s | %6.1f %13s %6.1f %6.1f %6.1f | %6.1f %6.1f | %6.2f | %8.0f %8.0f | %6.0f",
           r->with.calls, server_keep_name(r->with.keep), r->with.tls ? "on" : "off", c->us, range,
           c->busiest_us, c->user_us, c->system_us, relay->us, relay->system_us, r->ratio,
           c->frames_per_s, relay->frames_per_s, c->disk_bytes);
    printf(" | %8.2f %8.2f", r->syscalls[SERVER_CALLEE], r->syscalls[SERVER_RELAY]);
    if (b->opts.instructions)
        printf(" | %6.0f %6.0f", r->instructions[SERVER_CALLEE], r->instructions[SERVER_RELAY]);
    if (b->opts.stage.rivals)
        printf(" | %6.1f", r->cost[SERVER_AGENTS].us);
    printf("\n");
    fflush(stdout);
}

static void print_cost(const struct result *r, enum server_kind kind)
{
    const struct cost *c = &r->cost[kind];
    printf("\"%s\":{\"us\":%.3f,\"busiestThreadUs\":%.3f,\"userUs\":%.3f,\"systemUs\":%.3f,"
           "\"framesPerSecond\":%.0f,\"marks\":%.3f,\"diskBytes\":%.1f,\"syscalls\":%.3f,"
           "\"instructions\":%.0f},",
           server_name(kind), c->us, c->busiest_us, c->user_us, c->system_us, c->frames_per_s,
           c->marks, c->disk_bytes, r->syscalls[kind], r->instructions[kind]);
}

static void print_json(const struct bench *b, const struct result *results, size_t count)
{
    printf("\n{\"bench\":\"bridge\",\"version\":\"%s\",\"cpus\":%ld,\"rounds\":%" PRId64
           ",\"roundMs\":%" PRId64 ",\"results\":[",
           CALLEE_VERSION, sysconf(_SC_NPROCESSORS_ONLN), b->opts.rounds, b->opts.round_ms);
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        printf("%s{\"calls\":%u,\"keep\":\"%s\",\"tls\":%s,\"loops\":%u,", i ? "," : "",
               r->with.calls, server_keep_name(r->with.keep), r->with.tls ? "true" : "false",
               r->with.loops ? r->with.loops : 1);
        for (int k = 0; k < 3; k++)
            if (r->cost[k].us > 0)
                print_cost(r, (enum server_kind)k);
        printf("\"ratio\":%.3f,\"usLow\":%.3f,\"usHigh\":%.3f,\"messageBytes\":[%zu,%zu,%zu,%zu]}",
               r->ratio, r->us_low, r->us_high, r->counts.media_bytes, r->counts.append_bytes,
               r->counts.delta_bytes, r->counts.answer_bytes);
    }
    printf("]}\n");
}

/* -- main -- */

#define AT(member) .offset = offsetof(struct opts, member)
static const struct flag_row flags[] = {
    STAGE_FLAGS(struct opts, stage),
    {.name = "calls", .type = FLAG_TEXT, AT(calls)},
    {.name = "keep", .type = FLAG_TEXT, AT(keep)},
    {.name = "tls", .type = FLAG_TEXT, AT(tls)},
    {.name = "rounds", .type = FLAG_INT, AT(rounds), .min = 1, .max = ROUNDS_MAX},
    {.name = "round-ms", .type = FLAG_MS, AT(round_ms), .min = 10, .max = 600000},
    {.name = "loops", .type = FLAG_INT, AT(loops), .min = 0, .max = 64},
    {.name = "instructions", .type = FLAG_SWITCH, AT(instructions)},
    {.name = "callee-only", .type = FLAG_SWITCH, AT(callee_only)},
};

static enum err run_size(struct bench *b, unsigned calls, struct result *results, size_t *count,
                         struct err_detail *why)
{
    for (int tls = 0; tls < 2; tls++) {
        for (int keep = 0; keep < KEEP_COUNT; keep++) {
            if (!stage_listed(b->opts.keep, server_keep_name((enum server_keep)keep)) ||
                !stage_listed(b->opts.tls, tls ? "on" : "off"))
                continue;
            if (*count == RESULTS_MAX)
                return err_explain(why, ERR_INVALID, "too many numbers of calls");
            struct result *r = &results[*count];
            *r = (struct result){.with = {.keep = (enum server_keep)keep,
                                          .tls = tls,
                                          .calls = calls,
                                          .loops = (unsigned)b->opts.loops,
                                          .cpu = -1}};
            enum err err = run_one(b, r, why);
            if (err)
                return err;
            print_row(b, r);
            ++*count;
        }
    }
    return OK;
}

static enum err run_all(struct bench *b, struct err_detail *why)
{
    static struct result results[RESULTS_MAX];
    size_t count = 0;
    struct str sizes = str_of(b->opts.calls);
    print_head(b);
    while (sizes.p) {
        uint64_t calls = 0;
        if (!str_to_u64(str_take_until(&sizes, ','), &calls) || calls == 0 || calls > CALLS_MAX)
            return err_explain(why, ERR_INVALID, "--calls is a list such as 1,50,200");
        enum err err = run_size(b, (unsigned)calls, results, &count, why);
        if (err)
            return err;
    }
    print_json(b, results, count);
    return OK;
}

int main(int argc, char **argv)
{
    struct bench b = {.opts = {.calls = "1,50,200",
                               .keep = "recording,journal,nothing",
                               .tls = "off,on",
                               .rounds = 7,
                               .round_ms = 300}};
    struct err_detail why = {""};
    enum err err =
        stage_read_flags(flags, sizeof(flags) / sizeof(flags[0]), &b.opts, argc, argv, &why);
    b.stage.opts = b.opts.stage;
    if (!err)
        err = stage_open(&b.stage, &why);
    if (!err)
        err = run_all(&b, &why);
    return stage_close(&b.stage, "bench_bridge", err, &why);
}
