/*
 * bench_paced - what a bridge adds to the way of a frame when calls run in real time.
 *
 *   bench_paced --callee PATH --demo-dir DIR [--calls 300] [--tls off,on] [--keep journal]
 *               [--rounds N] [--round-ms MS] [--cpu N] [--rivals DIR] [--hold MS] [--realtime]
 *               [--wrap COMMAND]
 *
 * Each call sends a frame every 20 ms; the provider returns it at once (bridge/rig.h). Measured is
 * the time from a frame's sending to its coming back, the same way for every server, in turns: callee
 * for a round, the relay for a round; what is printed is the median of the rounds. The servers share one CPU; this process, which is carrier and
 * provider, has the others. Every frame is compared with what was sent. `--hold` searches for
 * the number of calls up to which 99 % of the frames come back within so many milliseconds.
 * `--realtime` (root) schedules servers and driver before all other work of the machine, which
 * otherwise decides the percentiles.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bridge/stage.h"

enum { RESULTS_MAX = 8, CALLS_MAX = 2000, DRAIN_MS = 3000, SERVERS = 3, WARM_MS = 500 };
enum { HOLD_FIRST = 20 };

struct opts {
    struct stage_opts stage;
    const char *calls, *keep, *tls;
    int64_t rounds, round_ms, cpu, hold_ms;
    bool realtime;
};

/* One round of one server. Nothing but doubles: see median_each. */
struct round {
    double p50, p99, p999, max; /* microseconds there and back */
    double late_p99;            /* how late we sent */
    double core;                /* of one CPU, busy with it */
    double ratio;               /* of p99, to the relay's round beside it */
};
enum { ROUND_DOUBLES = sizeof(struct round) / sizeof(double), ROUNDS_MAX = 99 };

struct figures {
    struct round median; /* but for max: of all rounds */
    struct rig_counts counts;
};

struct result {
    struct server_opts with;
    unsigned held[SERVERS];     /* --hold: calls */
    struct figures of[SERVERS]; /* by enum server_kind; counts.sent == 0: not measured */
};

struct server {
    struct child child;
    struct rig_line *line; /* NULL: not measured */
};

struct bench {
    struct opts opts;
    struct stage stage;
    struct server servers[SERVERS];
};

/* -- rounds -- */

static enum err run_round(struct bench *b, struct server *s, uint32_t ms, struct round *out,
                          struct err_detail *why)
{
    struct samples *times = rig_times(s->line), *late = rig_lateness(s->line);
    samples_reset(times);
    samples_reset(late);
    int64_t start_us = clock_mono_us(), cpu_ns = child_usage(&s->child).cpu_ns;
    rig_pace(s->line, false);
    enum err err = rig_run(b->stage.rig, ms, why);
    double cpu_us = (double)(child_usage(&s->child).cpu_ns - cpu_ns) / 1e3;
    double us = (double)(clock_mono_us() - start_us);
    rig_pace_stop(s->line);
    rig_drain(s->line, DRAIN_MS);
    *out = (struct round){
        .p50 = samples_at(times, 500),
        .p99 = samples_at(times, 990),
        .p999 = samples_at(times, 999),
        .max = samples_at(times, 1000),
        .late_p99 = samples_at(late, 990),
        .core = cpu_us / us,
    };
    return err;
}

static enum err run_rounds(struct bench *b, struct result *r, struct err_detail *why)
{
    struct round rounds[SERVERS][ROUNDS_MAX];
    size_t count = (size_t)b->opts.rounds;
    for (size_t i = 0; i <= count; i++) { /* the first is for warming up, and overwritten */
        size_t at = i ? i - 1 : 0;
        for (int k = 0; k < SERVERS; k++) {
            struct server *s = &b->servers[k];
            enum err err = !s->line ? OK
                                    : run_round(b, s, i ? (uint32_t)b->opts.round_ms : WARM_MS,
                                                &rounds[k][at], why);
            if (err)
                return err;
        }
        for (int k = 0; k < SERVERS; k++)
            rounds[k][at].ratio = rounds[k][at].p99 / rounds[SERVER_RELAY][at].p99;
    }
    for (int k = 0; k < SERVERS; k++) {
        if (!b->servers[k].line)
            continue;
        struct figures *f = &r->of[k];
        median_each((double *)&f->median, (const double *)rounds[k], count, ROUND_DOUBLES);
        for (size_t i = 0; i < count; i++)
            f->median.max = rounds[k][i].max > f->median.max ? rounds[k][i].max : f->median.max;
        f->counts = rig_counts(b->servers[k].line);
    }
    return OK;
}

/* -- how many calls it holds -- */

static enum err holds(struct bench *b, struct server *s, bool *held, double *core,
                      struct err_detail *why)
{
    struct round warm, round;
    struct rig_counts before = rig_counts(s->line);
    enum err err = run_round(b, s, WARM_MS, &warm, why);
    err = err ? err : run_round(b, s, (uint32_t)b->opts.round_ms, &round, why);
    if (err)
        return err;
    struct rig_counts now = rig_counts(s->line);
    *core = round.core;
    *held = round.p99 <= (double)b->opts.hold_ms * 1000 && now.lost == before.lost &&
            now.changed == before.changed;
    fprintf(stderr, "  %s: %u calls, p99 %.1f ms, sent late by %.1f ms, %.2f of a core\n",
            server_name((enum server_kind)(s - b->servers)), rig_line_calls(s->line),
            round.p99 / 1e3, round.late_p99 / 1e3, round.core);
    return OK;
}

/* Doubles the calls while the server has more than half of its core left, then adds an eighth at a
 * time, until it no longer holds twice in a row. */
static enum err search(struct bench *b, struct server *s, unsigned *held, struct err_detail *why)
{
    unsigned misses = 0;
    double core = 0;
    *held = 0;
    while (misses < 2 && rig_line_calls(s->line) < CALLS_MAX) {
        unsigned now = rig_line_calls(s->line);
        unsigned more = now == 0 ? HOLD_FIRST : core < 0.45 ? now : now / 8;
        bool good = false;
        enum err err = OK;
        if (misses == 0)
            err = rig_call(s->line, s->child.port, more < CALLS_MAX - now ? more : CALLS_MAX - now,
                           why);
        err = err ? err : holds(b, s, &good, &core, why);
        if (err)
            return err;
        misses = good ? 0 : misses + 1;
        if (good)
            *held = rig_line_calls(s->line);
    }
    return OK;
}

/* -- the servers -- */

static enum err start(struct bench *b, const struct result *r, enum server_kind kind,
                      struct err_detail *why)
{
    struct server *s = &b->servers[kind];
    struct server_opts opts = r->with;
    struct rig_line_opts line = {.kind = kind == SERVER_RELAY ? RIG_RELAY : RIG_BRIDGE,
                                 .talk = RIG_MIRROR,
                                 .tls = opts.tls,
                                 .lenient = kind == SERVER_AGENTS};
    opts.kind = kind;
    opts.at_once = true; /* what is as loud all the time is taken for silence */
    opts.calls = b->opts.hold_ms ? CALLS_MAX : r->with.calls;
    s->line = rig_line_new(b->stage.rig, &line);
    enum err err = stage_start(&b->stage, &s->child, &opts, s->line, why);
    if (err || b->opts.hold_ms)
        return err;
    return rig_call(s->line, s->child.port, opts.calls, why);
}

static enum err stop(struct server *s, bool must_be_clean, struct err_detail *why)
{
    if (s->line)
        rig_hang_up(s->line);
    bool clean = child_stop(&s->child);
    *s = (struct server){.line = NULL};
    if (must_be_clean && !clean)
        return err_explain(why, ERR_UPSTREAM, "callee did not end by itself with status 0");
    return OK;
}

/* All servers at once, for rounds in turns; or, searching, one after the other. */
static enum err run_one(struct bench *b, struct result *r, struct err_detail *why)
{
    enum err err = stage_begin(&b->stage, why);
    for (int k = 0; k < SERVERS && !err; k++) {
        if (k == SERVER_AGENTS && !b->opts.stage.rivals)
            continue;
        err = start(b, r, (enum server_kind)k, why);
        if (!err && b->opts.hold_ms) {
            err = search(b, &b->servers[k], &r->held[k], why);
            enum err stopped = stop(&b->servers[k], !err && k == SERVER_CALLEE, why);
            err = err ? err : stopped;
        }
    }
    if (!err && !b->opts.hold_ms)
        err = run_rounds(b, r, why);
    for (int k = 0; k < SERVERS; k++) {
        bool must = !err && k == SERVER_CALLEE && b->servers[k].line;
        enum err stopped = stop(&b->servers[k], must, why);
        err = err ? err : stopped;
    }
    stage_end(&b->stage);
    return err;
}

/* -- saying it -- */

static void print_head(const struct bench *b)
{
    stage_print_machine();
    if (b->opts.hold_ms) {
        printf("calls on one CPU with 99 %% of the frames back within %" PRId64 " ms\n\n",
               b->opts.hold_ms);
        return;
    }
    printf("a frame there and back in real time, microseconds; servers on CPU %" PRId64 "\n\n",
           b->opts.cpu);
    printf("%5s %9s %3s %7s | %7s %7s %7s %8s | %5s %5s | %8s %4s %5s %7s | %7s\n", "calls",
           "keeps", "tls", "server", "p50", "p99", "p99.9", "max", "ratio", "core", "frames",
           "lost", "late", "changed", "sent");
    fflush(stdout);
}

static void print_rows(const struct result *r)
{
    for (int k = 0; k < SERVERS; k++) {
        const struct figures *f = &r->of[k];
        const char *name = server_name((enum server_kind)k);
        if (r->held[k])
            printf("%s: %u\n", name, r->held[k]);
        if (f->counts.sent == 0)
            continue;
        const struct round *m = &f->median;
        printf("%5u %9s %3s %7s | %7.0f %7.0f %7.0f %8.0f | %5.2f %5.2f | %8" PRIu64 " %4" PRIu64
               " %5" PRIu64 " %7" PRIu64 " | +%6.0f\n",
               r->with.calls, server_keep_name(r->with.keep), r->with.tls ? "on" : "off", name,
               m->p50, m->p99, m->p999, m->max, m->ratio, m->core, f->counts.frames, f->counts.lost,
               f->counts.reordered, f->counts.changed, m->late_p99);
    }
    fflush(stdout);
}

static void print_json(const struct bench *b, const struct result *results, size_t count)
{
    printf("\n{\"bench\":\"paced\",\"version\":\"%s\",\"cpus\":%ld,\"rounds\":%" PRId64
           ",\"roundMs\":%" PRId64 ",\"holdMs\":%" PRId64 ",\"results\":[",
           CALLEE_VERSION, sysconf(_SC_NPROCESSORS_ONLN), b->opts.rounds, b->opts.round_ms,
           b->opts.hold_ms);
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        printf("%s{\"calls\":%u,\"keep\":\"%s\",\"tls\":%s", i ? "," : "", r->with.calls,
               server_keep_name(r->with.keep), r->with.tls ? "true" : "false");
        for (int k = 0; k < SERVERS; k++) {
            const struct figures *f = &r->of[k];
            const char *name = server_name((enum server_kind)k);
            if (r->held[k])
                printf(",\"%sHolds\":%u", name, r->held[k]);
            const struct round *m = &f->median;
            if (f->counts.sent > 0)
                printf(",\"%s\":{\"p50Us\":%.0f,\"p99Us\":%.0f,\"p999Us\":%.0f,\"maxUs\":%.0f,"
                       "\"p99Ratio\":%.3f,\"core\":%.4f,\"lateP99Us\":%.0f,\"frames\":%" PRIu64
                       ",\"lost\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"changed\":%" PRIu64 "}",
                       name, m->p50, m->p99, m->p999, m->max, m->ratio, m->core, m->late_p99,
                       f->counts.frames, f->counts.lost, f->counts.reordered, f->counts.changed);
        }
        printf("}");
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
    {.name = "round-ms", .type = FLAG_MS, AT(round_ms), .min = 100, .max = 600000},
    {.name = "cpu", .type = FLAG_INT, AT(cpu), .min = -1, .max = 1023},
    {.name = "realtime", .type = FLAG_SWITCH, AT(realtime)},
    {.name = "hold", .type = FLAG_MS, AT(hold_ms), .min = 1, .max = 1000},
};

static enum err run_all(struct bench *b, struct err_detail *why)
{
    static struct result results[RESULTS_MAX];
    size_t count = 0;
    struct str sizes = str_of(b->opts.calls);
    print_head(b);
    while (sizes.p) {
        uint64_t calls = 0;
        if (!str_to_u64(str_take_until(&sizes, ','), &calls) || calls == 0 || calls > CALLS_MAX)
            return err_explain(why, ERR_INVALID, "--calls is a list such as 50,300");
        for (int tls = 0; tls < 2; tls++) {
            for (int keep = 0; keep < KEEP_COUNT; keep++) {
                if (!stage_listed(b->opts.keep, server_keep_name((enum server_keep)keep)) ||
                    !stage_listed(b->opts.tls, tls ? "on" : "off") || count == RESULTS_MAX)
                    continue;
                struct result *r = &results[count++];
                *r = (struct result){.with = {.keep = (enum server_keep)keep,
                                              .tls = tls,
                                              .calls = (unsigned)calls,
                                              .cpu = (int)b->opts.cpu}};
                enum err err = run_one(b, r, why);
                if (err)
                    return err;
                print_rows(r);
            }
        }
    }
    print_json(b, results, count);
    return OK;
}

int main(int argc, char **argv)
{
    struct bench b = {.opts = {.calls = "300",
                               .keep = "journal",
                               .tls = "off,on",
                               .rounds = 5,
                               .round_ms = 2000,
                               .cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 0 : -1}};
    struct err_detail why = {""};
    enum err err =
        stage_read_flags(flags, sizeof(flags) / sizeof(flags[0]), &b.opts, argc, argv, &why);
    b.stage.opts = b.opts.stage;
    if (!err)
        err = stage_open(&b.stage, &why);
    if (!err && b.opts.realtime && !child_go_first())
        err = err_explain(&why, ERR_DENIED, "--realtime is for root");
    if (!err && b.opts.cpu >= 0)
        child_leave_cpu((int)b.opts.cpu);
    if (!err)
        err = run_all(&b, &why);
    return stage_close(&b.stage, "bench_paced", err, &why);
}
