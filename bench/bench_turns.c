/*
 * bench_turns - conversations in real time: CPU a call-second and memory a call, beside a relay.
 *
 *   bench_turns --callee PATH --demo-dir DIR [--calls 50,250] [--keep journal] [--tls off,on]
 *               [--windows N] [--rivals DIR] [--callee-only] [--wrap COMMAND]
 *
 * Each call has a turn every 6 s: the caller speaks 1.5 s, the provider answers with 3 s of speech
 * in deltas of 200 ms, and the caller's frames go on every 20 ms (bridge/rig.h). All servers carry
 * their calls at the same time, so what disturbs one disturbs the others. CPU: the median of windows
 * of 6 s with all calls. Memory: what the calls from the first number to the second add once all
 * have had turns, the highest of samples taken every 500 ms.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bridge/stage.h"

enum { RESULTS_MAX = 6, WINDOWS_MAX = 50, CALLS_MAX = 2000, SAMPLE_MS = 500, SERVERS = 3 };
/* A tenth of a core carries a few calls of the rival; more would only measure its overload. */
enum { RIVAL_FIRST = 5, RIVAL_CALLS = 25 };

struct opts {
    struct stage_opts stage;
    const char *calls, *keep, *tls;
    int64_t windows;
    bool callee_only;
};

/* One server under one configuration. */
struct figures {
    unsigned first, calls;
    double ms; /* CPU milliseconds a call-second, median of the windows */
    double low, high;
    struct child_memory base, full; /* with the first and with all calls, the highest */
    struct rig_counts counts;
};

struct result {
    struct server_opts with;
    struct figures of[SERVERS]; /* by enum server_kind; calls == 0: not measured */
    uint32_t late_us;           /* 99 % of the frames left no later than that */
};

struct server {
    struct child child;
    struct rig_line *line; /* NULL: not measured */
};

struct bench {
    struct opts opts;
    unsigned first, calls;
    struct stage stage;
    struct server servers[SERVERS];
};

/* -- measuring -- */

static void highest(struct child_memory *most, struct child_memory m)
{
    if (m.rss > most->rss)
        *most = m;
}

/* Lets everybody talk for `ms` and notes the memory. */
static enum err talk(struct bench *b, uint32_t ms, struct child_memory most[SERVERS],
                     struct err_detail *why)
{
    for (uint32_t done = 0; done < ms; done += SAMPLE_MS) {
        enum err err = rig_run(b->stage.rig, SAMPLE_MS, why);
        if (err)
            return err;
        for (int k = 0; k < SERVERS && most; k++)
            if (b->servers[k].line)
                highest(&most[k], child_memory(&b->servers[k].child));
    }
    return OK;
}

static enum err add_calls(struct bench *b, struct result *r, bool all, struct err_detail *why)
{
    for (int k = 0; k < SERVERS; k++) {
        struct server *s = &b->servers[k];
        if (!s->line)
            continue;
        rig_pace_stop(s->line);
        unsigned count = all ? r->of[k].calls - r->of[k].first : r->of[k].first;
        enum err err = rig_call(s->line, s->child.port, count, why);
        if (err)
            return err;
    }
    for (int k = 0; k < SERVERS; k++)
        if (b->servers[k].line)
            rig_pace(b->servers[k].line, true);
    return talk(b, RIG_WARM_MS, NULL, why);
}

static enum err run_windows(struct bench *b, struct result *r, struct child_memory full[SERVERS],
                            struct err_detail *why)
{
    double ms[SERVERS][WINDOWS_MAX];
    size_t count = (size_t)b->opts.windows;
    samples_reset(rig_lateness(b->servers[SERVER_CALLEE].line));
    for (size_t w = 0; w < count; w++) {
        int64_t start_us = clock_mono_us(), cpu_ns[SERVERS];
        for (int k = 0; k < SERVERS; k++)
            cpu_ns[k] = child_usage(&b->servers[k].child).cpu_ns;
        enum err err = talk(b, RIG_CYCLE_MS, full, why);
        if (err)
            return err;
        double seconds = (double)(clock_mono_us() - start_us) / 1e6;
        for (int k = 0; k < SERVERS; k++)
            ms[k][w] = (double)(child_usage(&b->servers[k].child).cpu_ns - cpu_ns[k]) / 1e6 /
                       seconds / (r->of[k].calls ? r->of[k].calls : 1);
    }
    r->late_us = samples_at(rig_lateness(b->servers[SERVER_CALLEE].line), 990);
    for (int k = 0; k < SERVERS; k++) {
        r->of[k].ms = median_of(ms[k], count); /* sorted now */
        r->of[k].low = ms[k][0];
        r->of[k].high = ms[k][count - 1];
    }
    return OK;
}

/* Everything the provider said must have come to the carrier. */
static enum err check_speech(struct bench *b, struct result *r, struct err_detail *why)
{
    enum { LAST_DELTAS_MS = 1500 };
    for (int k = 0; k < SERVERS; k++)
        if (b->servers[k].line)
            rig_pace_stop(b->servers[k].line);
    enum err err = rig_run(b->stage.rig, LAST_DELTAS_MS, why);
    for (int k = 0; k < SERVERS && !err; k++) {
        if (!b->servers[k].line)
            continue;
        struct rig_counts c = r->of[k].counts = rig_counts(b->servers[k].line);
        if (c.said_bytes != c.heard_bytes || c.changed)
            err = err_explain(why, ERR_UPSTREAM,
                              "%s: %" PRIu64 " bytes were said and %" PRIu64 " heard",
                              server_name((enum server_kind)k), c.said_bytes, c.heard_bytes);
    }
    return err;
}

/* -- the servers -- */

static enum err start(struct bench *b, struct result *r, enum server_kind kind,
                      struct err_detail *why)
{
    struct server *s = &b->servers[kind];
    struct server_opts opts = r->with;
    bool rival = kind == SERVER_AGENTS;
    struct rig_line_opts line = {.kind = kind == SERVER_RELAY ? RIG_RELAY : RIG_BRIDGE,
                                 .talk = RIG_TURNS,
                                 .tls = opts.tls,
                                 .lenient = rival};
    r->of[kind].first = rival && b->first > RIVAL_FIRST ? RIVAL_FIRST : b->first;
    r->of[kind].calls = rival && b->calls > RIVAL_CALLS ? RIVAL_CALLS : b->calls;
    opts.kind = kind;
    opts.calls = b->calls;
    s->line = rig_line_new(b->stage.rig, &line);
    return stage_start(&b->stage, &s->child, &opts, s->line, why);
}

static enum err run_one(struct bench *b, struct result *r, struct err_detail *why)
{
    struct child_memory base[SERVERS] = {{0}}, full[SERVERS] = {{0}};
    enum err err = stage_begin(&b->stage, why);
    if (err)
        return err;
    err = start(b, r, SERVER_CALLEE, why);
    if (!err && !b->opts.callee_only)
        err = start(b, r, SERVER_RELAY, why);
    if (!err && b->opts.stage.rivals)
        err = start(b, r, SERVER_AGENTS, why);
    err = err ? err : add_calls(b, r, false, why);
    err = err ? err : talk(b, RIG_CYCLE_MS, base, why);
    err = err ? err : add_calls(b, r, true, why);
    err = err ? err : run_windows(b, r, full, why);
    err = err ? err : check_speech(b, r, why);
    for (int k = 0; k < SERVERS; k++) {
        struct server *s = &b->servers[k];
        r->of[k].base = base[k];
        r->of[k].full = full[k];
        if (s->line)
            rig_hang_up(s->line);
        bool clean = child_stop(&s->child); /* the others know no end but being killed */
        if (k == SERVER_CALLEE && !clean && !err && !b->opts.stage.wrap)
            err = err_explain(why, ERR_UPSTREAM, "callee did not end by itself with status 0");
        *s = (struct server){.line = NULL};
    }
    stage_end(&b->stage);
    return err;
}

/* -- saying it -- */

static double per_call(const struct figures *f, int64_t base, int64_t full)
{
    return (double)(full - base) / (f->calls - f->first);
}

static void print_head(void)
{
    stage_print_machine();
    printf("a turn every 6 s with 3 s of answer; milliseconds of CPU a call-second, KB a call\n\n");
    printf("%9s %3s %7s %5s | %6s %13s %6s | %6s %6s %6s %6s %6s | %6s %6s\n", "keeps", "tls",
           "server", "calls", "ms", "(range)", "ratio", "KB", "pss", "heap", "mapped", "files",
           "turns", "late");
    fflush(stdout);
}

static void print_rows(const struct result *r)
{
    for (int k = 0; k < SERVERS; k++) {
        const struct figures *f = &r->of[k];
        char range[24];
        if (f->calls == 0)
            continue;
        snprintf(range, sizeof(range), "%.2f-%.2f", f->low, f->high);
        printf("%9s %3s %7s %5u | %6.2f %13s %6.2f | %6.1f %6.1f %6.1f %6.1f %6.1f | %6" PRIu64
               " %6u\n",
               server_keep_name(r->with.keep), r->with.tls ? "on" : "off",
               server_name((enum server_kind)k), f->calls, f->ms, range,
               r->of[SERVER_RELAY].calls ? f->ms / r->of[SERVER_RELAY].ms : 0,
               per_call(f, f->base.rss, f->full.rss), per_call(f, f->base.pss, f->full.pss),
               per_call(f, f->base.heap, f->full.heap), per_call(f, f->base.mapped, f->full.mapped),
               per_call(f, f->base.files, f->full.files), f->counts.turns, r->late_us);
    }
    fflush(stdout);
}

static void print_json(const struct result *results, size_t count)
{
    printf("\n{\"bench\":\"turns\",\"version\":\"%s\",\"cpus\":%ld,\"results\":[", CALLEE_VERSION,
           sysconf(_SC_NPROCESSORS_ONLN));
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        printf("%s{\"keep\":\"%s\",\"tls\":%s,\"lateP99Us\":%u", i ? "," : "",
               server_keep_name(r->with.keep), r->with.tls ? "true" : "false", r->late_us);
        for (int k = 0; k < SERVERS; k++) {
            const struct figures *f = &r->of[k];
            if (f->calls == 0)
                continue;
            printf(",\"%s\":{\"calls\":%u,\"cpuMs\":%.4f,\"low\":%.4f,\"high\":%.4f,"
                   "\"callKb\":%.2f,\"callPssKb\":%.2f,\"callHeapKb\":%.2f,\"callMappedKb\":%.2f,"
                   "\"firstKb\":%" PRId64 ",\"allKb\":%" PRId64 ",\"turns\":%" PRIu64
                   ",\"callerFrames\":[%" PRIu64 ",%" PRIu64 "]}",
                   server_name((enum server_kind)k), f->calls, f->ms, f->low, f->high,
                   per_call(f, f->base.rss, f->full.rss), per_call(f, f->base.pss, f->full.pss),
                   per_call(f, f->base.heap, f->full.heap),
                   per_call(f, f->base.mapped, f->full.mapped), f->base.rss, f->full.rss,
                   f->counts.turns, f->counts.sent, f->counts.frames);
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
    {.name = "windows", .type = FLAG_INT, AT(windows), .min = 1, .max = WINDOWS_MAX},
    {.name = "callee-only", .type = FLAG_SWITCH, AT(callee_only)},
};

static enum err read_calls(struct bench *b, struct err_detail *why)
{
    struct str rest = str_of(b->opts.calls);
    uint64_t first = 0, all = 0;
    if (!str_to_u64(str_take_until(&rest, ','), &first) || !str_to_u64(rest, &all) || first == 0 ||
        all <= first || all > CALLS_MAX)
        return err_explain(why, ERR_INVALID, "--calls is two numbers such as 50,250");
    b->first = (unsigned)first;
    b->calls = (unsigned)all;
    return OK;
}

static enum err run_all(struct bench *b, struct err_detail *why)
{
    static struct result results[RESULTS_MAX];
    size_t count = 0;
    print_head();
    for (int tls = 0; tls < 2; tls++) {
        for (int keep = 0; keep < KEEP_COUNT; keep++) {
            if (!stage_listed(b->opts.keep, server_keep_name((enum server_keep)keep)) ||
                !stage_listed(b->opts.tls, tls ? "on" : "off"))
                continue;
            struct result *r = &results[count++];
            *r = (struct result){.with = {.keep = (enum server_keep)keep, .tls = tls, .cpu = -1}};
            enum err err = run_one(b, r, why);
            if (err)
                return err;
            print_rows(r);
        }
    }
    print_json(results, count);
    return OK;
}

int main(int argc, char **argv)
{
    struct bench b = {
        .opts = {.calls = "50,250", .keep = "journal", .tls = "off,on", .windows = 3}};
    struct err_detail why = {""};
    enum err err =
        stage_read_flags(flags, sizeof(flags) / sizeof(flags[0]), &b.opts, argc, argv, &why);
    b.stage.opts = b.opts.stage;
    if (!err)
        err = read_calls(&b, &why);
    if (!err)
        err = stage_open(&b.stage, &why);
    if (!err)
        err = run_all(&b, &why);
    return stage_close(&b.stage, "bench_turns", err, &why);
}
