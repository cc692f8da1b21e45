/*
 * bench_bridge - the CPU of one bridged frame, beside a relay that only copies bytes.
 *
 *   bench_bridge --callee PATH --demo-dir DIR [--calls 1,50,200] [--rounds N] [--round-ms MS]
 *                [--recording on|off|both] [--callee-only]
 *
 * A frame: Twilio media in, input_audio_buffer.append out, response.output_audio.delta in, Twilio
 * media out. This process is both the carrier and the provider (bridge/rig.h); callee and the relay
 * run beside it, and their CPU time is read from outside. Rounds alternate between the two; what is
 * printed is the median of the rounds, the first one left out, as a table and as one line of JSON.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/flags.h"
#include "base/clock.h"
#include "base/js.h"
#include "base/log.h"
#include "base/mem.h"
#include "bridge/child.h"
#include "bridge/rig.h"

enum { SIZES_MAX = 8, ROUNDS_MAX = 99, CALLS_MAX = 4000, PATH_BYTES = 512 };

struct opts {
    const char *callee, *demo_dir, *calls, *recording;
    int64_t rounds, round_ms;
    bool callee_only;
};

/* What one round of one server cost, each a frame. */
struct cost {
    double us, main_us, user_us, system_us, frames_per_s, marks, disk_bytes;
};

/* One configuration, measured. */
struct result {
    unsigned calls;
    bool recording;
    struct cost callee, relay;
    double ratio;                /* median of the rounds' own ratios */
    double us_low, us_high;      /* callee's rounds */
    double call_kb, call_end_kb; /* a call's memory when it is up, and after the rounds */
    int64_t idle_kb;
    uint64_t frames;
    struct rig_counts bridge;
};

struct bench {
    struct opts opts;
    struct loop *loop;
    char dir[PATH_BYTES]; /* everything that is written */
    char relay[PATH_BYTES];
    struct rig *rig;
    struct child callee, relay_child;
};

/* -- figures -- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the member at `offset` of each of the costs. */
static double median(const struct cost *costs, size_t count, size_t offset)
{
    double v[ROUNDS_MAX];
    for (size_t i = 0; i < count; i++)
        memcpy(&v[i], (const char *)&costs[i] + offset, sizeof(v[i]));
    qsort(v, count, sizeof(v[0]), by_value);
    return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

static struct cost median_cost(const struct cost *costs, size_t count)
{
    struct cost m = {0};
    for (size_t at = 0; at < sizeof(m); at += sizeof(double)) {
        double value = median(costs, count, at);
        memcpy((char *)&m + at, &value, sizeof(value));
    }
    return m;
}

static enum err measure(struct bench *b, enum rig_line line, struct cost *out,
                        struct err_detail *why)
{
    const struct child *child = line == RIG_BRIDGE ? &b->callee : &b->relay_child;
    struct child_usage before = child_usage(child);
    struct rig_counts counted = rig_counts(b->rig, line);
    int64_t start_us = clock_mono_us();
    enum err err = rig_round(b->rig, line, (uint32_t)b->opts.round_ms, why);
    if (err)
        return err;
    double us = (double)(clock_mono_us() - start_us);
    if (line == RIG_BRIDGE)
        rig_settle(b->rig); /* the journal's last flush belongs to these frames */
    struct child_usage after = child_usage(child);
    struct rig_counts now = rig_counts(b->rig, line);
    double frames = (double)(now.frames - counted.frames);
    if (frames < 1)
        return err_explain(why, ERR_UPSTREAM, "no frame came back");
    *out = (struct cost){
        .us = (double)(after.cpu_ns - before.cpu_ns) / 1e3 / frames,
        .main_us = (double)(after.main_ns - before.main_ns) / 1e3 / frames,
        .user_us = (double)(after.user_ms - before.user_ms) * 1e3 / frames,
        .system_us = (double)(after.system_ms - before.system_ms) * 1e3 / frames,
        .frames_per_s = frames * 1e6 / us,
        .marks = (double)(now.marks - counted.marks) / frames,
        .disk_bytes = (double)(after.disk_written - before.disk_written) / frames,
    };
    return OK;
}

/* -- the servers -- */

static enum err start_relay(struct bench *b, struct err_detail *why)
{
    char port[8], log[PATH_BYTES + 16];
    char *argv[] = {b->relay, port, NULL}, *env[] = {NULL};
    snprintf(port, sizeof(port), "%u", rig_provider_port(b->rig));
    snprintf(log, sizeof(log), "%s/relay.log", b->dir);
    return child_start(&b->relay_child, argv, env, log, why);
}

static enum err start_callee(struct bench *b, const struct result *r, struct err_detail *why)
{
    char data[PATH_BYTES + 32], demo[PATH_BYTES + 32], log[PATH_BYTES + 32], provider[96];
    char max_calls[24], path[PATH_BYTES], command[PATH_BYTES];
    char serve[] = "serve", *env[] = {path, (char[]){"OPENAI_API_KEY=bench"}, NULL};
    snprintf(path, sizeof(path), "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    snprintf(command, sizeof(command), "%s", b->opts.callee);
    snprintf(data, sizeof(data), "--data=%s/data-%u-%d", b->dir, r->calls, r->recording);
    snprintf(demo, sizeof(demo), "--demo-dir=%s/demo-%s", b->dir, r->recording ? "on" : "off");
    snprintf(log, sizeof(log), "%s/callee.log", b->dir);
    snprintf(provider, sizeof(provider), "--provider-url=ws://127.0.0.1:%u/v1/realtime",
             rig_provider_port(b->rig));
    snprintf(max_calls, sizeof(max_calls), "--max-calls=%u", r->calls + 8);
    char *argv[] = {command,
                    serve,
                    (char[]){"--listen=127.0.0.1:0"},
                    (char[]){"--demo"},
                    (char[]){"--insecure-streams"},
                    (char[]){"--engine=realtime"},
                    (char[]){"--engine-retries=0"},
                    (char[]){"--max-local-calls=0"},
                    (char[]){"--silence=0"},
                    (char[]){"--connect-timeout=60s"},
                    (char[]){"--response-timeout=60s"},
                    (char[]){"--log-level=warn"},
                    data,
                    demo,
                    provider,
                    max_calls,
                    NULL};
    return child_start(&b->callee, argv, env, log, why);
}

static enum err run_rounds(struct bench *b, struct result *r, struct err_detail *why)
{
    struct cost callee[ROUNDS_MAX], relay[ROUNDS_MAX], ratio[ROUNDS_MAX];
    size_t count = (size_t)b->opts.rounds;
    memset(ratio, 0, sizeof(ratio));
    memset(relay, 0, sizeof(relay));
    for (size_t i = 0; i <= count; i++) { /* the first is for warming up, and overwritten */
        size_t at = i ? i - 1 : 0;
        enum err err = measure(b, RIG_BRIDGE, &callee[at], why);
        if (!err && !b->opts.callee_only)
            err = measure(b, RIG_RELAY, &relay[at], why);
        if (err)
            return err;
        ratio[at].us = relay[at].us > 0 ? callee[at].us / relay[at].us : 0;
    }
    r->callee = median_cost(callee, count);
    r->relay = median_cost(relay, count);
    r->ratio = median(ratio, count, offsetof(struct cost, us));
    r->us_low = r->us_high = callee[0].us;
    for (size_t i = 1; i < count; i++) {
        r->us_low = callee[i].us < r->us_low ? callee[i].us : r->us_low;
        r->us_high = callee[i].us > r->us_high ? callee[i].us : r->us_high;
    }
    return OK;
}

/* The first call brings what all calls share, so memory a call is that of the others. */
static enum err run_calls(struct bench *b, struct result *r, struct err_detail *why)
{
    r->idle_kb = child_memory_kb(&b->callee);
    enum err err = rig_call(b->rig, RIG_BRIDGE, b->callee.port, 1, why);
    int64_t one_kb = child_memory_kb(&b->callee), all_kb;
    if (!err && r->calls > 1)
        err = rig_call(b->rig, RIG_BRIDGE, b->callee.port, r->calls - 1, why);
    if (err)
        return err;
    rig_settle(b->rig);
    all_kb = child_memory_kb(&b->callee);
    if (!b->opts.callee_only)
        err = rig_call(b->rig, RIG_RELAY, b->relay_child.port, r->calls, why);
    if (!err)
        err = run_rounds(b, r, why);
    if (!err && r->calls > 1) {
        r->call_kb = (double)(all_kb - one_kb) / (r->calls - 1);
        r->call_end_kb = (double)(child_memory_kb(&b->callee) - one_kb) / (r->calls - 1);
    }
    r->bridge = rig_counts(b->rig, RIG_BRIDGE);
    return err;
}

static enum err run_one(struct bench *b, struct result *r, struct err_detail *why)
{
    enum err err = rig_open(&b->rig, b->loop, why);
    if (err)
        return err;
    err = start_callee(b, r, why);
    if (!err && !b->opts.callee_only)
        err = start_relay(b, why);
    if (!err)
        err = run_calls(b, r, why);
    rig_hang_up(b->rig, RIG_BRIDGE);
    rig_hang_up(b->rig, RIG_RELAY);
    bool clean = child_stop(&b->callee);
    (void)child_stop(&b->relay_child); /* it knows no other end than being killed */
    rig_close(b->rig);
    b->rig = NULL;
    if (!err && !clean)
        return err_explain(why, ERR_UPSTREAM, "callee did not end by itself with status 0");
    return err;
}

/* -- the folder -- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* The demo business with its recording decided as we want it, and its passages as they are. */
static enum err make_demo(struct bench *b, bool recording, struct err_detail *why)
{
    char path[PATH_BYTES + 32], target[4096 + 32];
    struct buf text;
    json_error_t error;
    snprintf(path, sizeof(path), "%s/pecos.json", b->opts.demo_dir);
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        return err_explain(why, ERR_INVALID, "%s: %s", path, error.text);
    buf_init(&text, 1 << 20);
    json_t *decided = json_pack("{s:b}", "enabled", recording);
    (void)json_object_set_new(json_object_get(root, "config"), "recording", decided);
    js_write(&text, root);
    json_decref(root);
    snprintf(path, sizeof(path), "%s/demo-%s", b->dir, recording ? "on" : "off");
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/demo-%s/pecos.json", b->dir, recording ? "on" : "off");
    FILE *f = fopen(path, "wbe");
    bool written = f && buf_ok(&text) && fwrite(text.p, 1, text.len, f) == text.len;
    written = f && fclose(f) == 0 && written;
    buf_fini(&text);
    char *absolute = realpath(b->opts.demo_dir, NULL);
    snprintf(target, sizeof(target), "%s/pecos.jsonl", absolute ? absolute : ".");
    free(absolute);
    snprintf(path, sizeof(path), "%s/demo-%s/pecos.jsonl", b->dir, recording ? "on" : "off");
    if (!written || symlink(target, path) != 0)
        return err_explain(why, ERR_IO, "%s: %s", path, strerror(errno));
    return OK;
}

static enum err make_folder(struct bench *b, struct err_detail *why)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(b->dir, sizeof(b->dir), "%s/callee-bench-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(b->dir))
        return err_explain(why, ERR_IO, "%s: %s", b->dir, strerror(errno));
    enum err err = make_demo(b, true, why);
    return err ? err : make_demo(b, false, why);
}

/* -- saying it -- */

static void print_head(void)
{
    struct utsname u;
    double load[3] = {0, 0, 0};
    (void)getloadavg(load, 3);
    printf("%ld CPUs, load %.1f, Linux %s, callee %s\n", sysconf(_SC_NPROCESSORS_ONLN), load[0],
           uname(&u) == 0 ? u.release : "?", CALLEE_VERSION);
    printf("CPU a bridged frame in microseconds (medians); one frame under way on each call\n\n");
    printf("%5s %3s | %6s %13s %6s %6s %6s | %6s %6s | %6s | %8s %8s | %6s %7s\n", "calls", "rec",
           "callee", "(range)", "loop", "user", "system", "relay", "system", "ratio", "frames/s",
           "relay/s", "KB", "disk B");
    fflush(stdout);
}

static void print_row(const struct result *r)
{
    char range[24];
    snprintf(range, sizeof(range), "%.1f-%.1f", r->us_low, r->us_high);
    printf("%5u %3s | %6.1f %13s %6.1f %6.1f %6.1f | %6.1f %6.1f | %6.2f | %8.0f %8.0f | %6.1f "
           "%7.0f\n",
           r->calls, r->recording ? "on" : "off", r->callee.us, range, r->callee.main_us,
           r->callee.user_us, r->callee.system_us, r->relay.us, r->relay.system_us, r->ratio,
           r->callee.frames_per_s, r->relay.frames_per_s, r->call_kb, r->callee.disk_bytes);
    fflush(stdout);
}

static void print_cost(const char *name, const struct cost *c)
{
    printf("\"%s\":{\"us\":%.3f,\"loopUs\":%.3f,\"userUs\":%.3f,\"systemUs\":%.3f,"
           "\"framesPerSecond\":%.0f,\"marks\":%.3f,\"diskBytes\":%.1f},",
           name, c->us, c->main_us, c->user_us, c->system_us, c->frames_per_s, c->marks,
           c->disk_bytes);
}

static void print_json(const struct bench *b, const struct result *results, size_t count)
{
    printf("\n{\"bench\":\"bridge\",\"version\":\"%s\",\"cpus\":%ld,\"rounds\":%" PRId64
           ",\"roundMs\":%" PRId64 ",\"results\":[",
           CALLEE_VERSION, sysconf(_SC_NPROCESSORS_ONLN), b->opts.rounds, b->opts.round_ms);
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        printf("%s{\"calls\":%u,\"recording\":%s,", i ? "," : "", r->calls,
               r->recording ? "true" : "false");
        print_cost("callee", &r->callee);
        print_cost("relay", &r->relay);
        printf("\"ratio\":%.3f,\"usLow\":%.3f,\"usHigh\":%.3f,\"idleKb\":%" PRId64
               ",\"callKb\":%.1f,\"callAfterKb\":%.1f,\"messageBytes\":[%zu,%zu,%zu,%zu]}",
               r->ratio, r->us_low, r->us_high, r->idle_kb, r->call_kb, r->call_end_kb,
               r->bridge.media_bytes, r->bridge.append_bytes, r->bridge.delta_bytes,
               r->bridge.answer_bytes);
    }
    printf("]}\n");
}

/* -- main -- */

static const struct flag_row flags[] = {
    {.name = "callee", .type = FLAG_TEXT, .offset = offsetof(struct opts, callee)},
    {.name = "demo-dir", .type = FLAG_TEXT, .offset = offsetof(struct opts, demo_dir)},
    {.name = "calls", .type = FLAG_TEXT, .offset = offsetof(struct opts, calls)},
    {.name = "recording", .type = FLAG_TEXT, .offset = offsetof(struct opts, recording)},
    {.name = "rounds",
     .type = FLAG_INT,
     .offset = offsetof(struct opts, rounds),
     .min = 1,
     .max = ROUNDS_MAX},
    {.name = "round-ms",
     .type = FLAG_MS,
     .offset = offsetof(struct opts, round_ms),
     .min = 10,
     .max = 600000},
    {.name = "callee-only", .type = FLAG_SWITCH, .offset = offsetof(struct opts, callee_only)},
};

static enum err read_flags(struct opts *o, int argc, char **argv, struct err_detail *why)
{
    for (int i = 1; i < argc; i++) {
        struct str name = str_of(argv[i]);
        const struct flag_row *row = NULL;
        if (str_starts(name, STR("--")))
            row = flags_find(flags, sizeof(flags) / sizeof(flags[0]), str_slice(name, 2, name.len));
        if (!row)
            return err_explain(why, ERR_INVALID, "%s is no flag of bench_bridge", argv[i]);
        const char *value = row->type == FLAG_SWITCH ? NULL : argv[++i];
        if (row->type != FLAG_SWITCH && i >= argc)
            return err_explain(why, ERR_INVALID, "--%s needs a value", row->name);
        enum err err = flags_set(row, o, value, why);
        if (err)
            return err;
    }
    if (!o->callee || !o->demo_dir)
        return err_explain(why, ERR_INVALID, "--callee and --demo-dir are needed");
    return OK;
}

/* The relay is built beside us. */
static enum err find_relay(struct bench *b, struct err_detail *why)
{
    static const char name[] = "bench_relay";
    ssize_t len = readlink("/proc/self/exe", b->relay, sizeof(b->relay) - sizeof(name));
    char *slash = len > 0 ? memrchr(b->relay, '/', (size_t)len) : NULL;
    if (!slash)
        return err_explain(why, ERR_IO, "cannot tell where this program is");
    memcpy(slash + 1, name, sizeof(name));
    if (access(b->relay, X_OK) != 0)
        return err_explain(why, ERR_NOTFOUND, "%s is missing", b->relay);
    return OK;
}

static enum err run_all(struct bench *b, struct err_detail *why)
{
    struct result results[2 * SIZES_MAX];
    size_t count = 0;
    struct str sizes = str_of(b->opts.calls);
    print_head();
    while (sizes.p && count + 2 <= sizeof(results) / sizeof(results[0])) {
        uint64_t calls = 0;
        if (!str_to_u64(str_take_until(&sizes, ','), &calls) || calls == 0 || calls > CALLS_MAX)
            return err_explain(why, ERR_INVALID, "--calls is a list such as 1,50,200");
        for (int recording = 1; recording >= 0; recording--) {
            if (strcmp(b->opts.recording, recording ? "off" : "on") == 0)
                continue;
            struct result *r = &results[count++];
            *r = (struct result){.calls = (unsigned)calls, .recording = recording};
            enum err err = run_one(b, r, why);
            if (err)
                return err;
            print_row(r);
        }
    }
    print_json(b, results, count);
    return OK;
}

int main(int argc, char **argv)
{
    struct bench b = {
        .opts = {.calls = "1,50,200", .recording = "both", .rounds = 11, .round_ms = 400}};
    struct err_detail why = {""};
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max; /* four sockets a call here, two in each server */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    enum err err = read_flags(&b.opts, argc, argv, &why);
    if (!err)
        err = find_relay(&b, &why);
    if (!err)
        err = make_folder(&b, &why);
    if (!err)
        err = loop_open(&b.loop, 0);
    if (!err)
        err = run_all(&b, &why);
    if (b.loop)
        loop_close(b.loop);
    if (err)
        fprintf(stderr, "bench_bridge: %s%s%s\n", why.text, b.dir[0] ? "; see " : "", b.dir);
    else
        (void)nftw(b.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return err == OK ? 0 : err == ERR_INVALID ? 2 : 1;
}
