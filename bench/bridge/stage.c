#include "bridge/stage.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/js.h"
#include "base/log.h"
#include "bridge/cert.h"

enum { ARGS_MAX = 48, WRAP_MAX = 16, ARG_BYTES = 640 };

/* A command line under construction; texts of our own live in `text`. */
struct command {
    char *argv[ARGS_MAX];
    char text[ARGS_MAX][ARG_BYTES];
    unsigned count;
};

static void arg(struct command *c, const char *prefix, const char *value)
{
    ASSERT(c->count + 1 < ARGS_MAX);
    snprintf(c->text[c->count], ARG_BYTES, "%s%s", prefix, value);
    c->argv[c->count] = c->text[c->count];
    c->argv[++c->count] = NULL;
}

static void arg_number(struct command *c, const char *prefix, unsigned value)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", value);
    arg(c, prefix, text);
}

/* -- flags -- */

enum err stage_read_flags(const struct flag_row *rows, size_t count, void *opts, int argc,
                          char **argv, struct err_detail *why)
{
    for (int i = 1; i < argc; i++) {
        struct str name = str_of(argv[i]);
        const struct flag_row *row = NULL;
        if (str_starts(name, STR("--")))
            row = flags_find(rows, count, str_slice(name, 2, name.len));
        if (!row)
            return err_explain(why, ERR_INVALID, "%s is no flag of this benchmark", argv[i]);
        const char *value = row->type == FLAG_SWITCH ? NULL : argv[++i];
        if (row->type != FLAG_SWITCH && i >= argc)
            return err_explain(why, ERR_INVALID, "--%s needs a value", row->name);
        enum err err = flags_set(row, opts, value, why);
        if (err)
            return err;
    }
    return OK;
}

bool stage_listed(const char *list, const char *word)
{
    struct str rest = str_of(list);
    while (rest.p)
        if (str_eq(str_take_until(&rest, ','), str_of(word)))
            return true;
    return false;
}

/* -- the folder -- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static bool write_file(const char *path, const struct buf *text)
{
    FILE *f = fopen(path, "wbe");
    bool written = f && buf_ok(text) && fwrite(text->p, 1, text->len, f) == text->len;
    return (!f || fclose(f) == 0) && written;
}

/* The demo business with its recording decided as we want it, and its passages as they are. */
static enum err make_demo(struct stage *s, bool recording, struct err_detail *why)
{
    char path[STAGE_PATH_BYTES + 64], target[4096 + 64];
    struct buf text;
    json_error_t error;
    snprintf(path, sizeof(path), "%s/pecos.json", s->opts.demo_dir);
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        return err_explain(why, ERR_INVALID, "%s: %s", path, error.text);
    buf_init(&text, 1 << 20);
    json_t *decided = json_pack("{s:b}", "enabled", recording);
    (void)json_object_set_new(json_object_get(root, "config"), "recording", decided);
    js_write(&text, root);
    json_decref(root);
    snprintf(path, sizeof(path), "%s/demo-%d", s->dir, recording);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/demo-%d/pecos.json", s->dir, recording);
    bool written = write_file(path, &text);
    buf_fini(&text);
    char *absolute = realpath(s->opts.demo_dir, NULL);
    snprintf(target, sizeof(target), "%s/pecos.jsonl", absolute ? absolute : ".");
    free(absolute);
    snprintf(path, sizeof(path), "%s/demo-%d/pecos.jsonl", s->dir, recording);
    if (!written || symlink(target, path) != 0)
        return err_explain(why, ERR_IO, "%s: %s", path, strerror(errno));
    return OK;
}

static enum err make_folder(struct stage *s, struct err_detail *why)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(s->dir, sizeof(s->dir), "%s/callee-bench-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(s->dir))
        return err_explain(why, ERR_IO, "%s: %s", s->dir, strerror(errno));
    snprintf(s->cert, sizeof(s->cert), "%s/cert.pem", s->dir);
    snprintf(s->key, sizeof(s->key), "%s/key.pem", s->dir);
    enum err err = cert_make(s->cert, s->key, why);
    err = err ? err : make_demo(s, true, why);
    return err ? err : make_demo(s, false, why);
}

enum err stage_open(struct stage *s, struct err_detail *why)
{
    struct rlimit files;
    if (!s->opts.callee || !s->opts.demo_dir)
        return err_explain(why, ERR_INVALID, "--callee and --demo-dir are needed");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max; /* four sockets a call here, two in each server */
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    /* Programs that are built beside us are found there. */
    ssize_t len = readlink("/proc/self/exe", s->bin, sizeof(s->bin) - 1);
    char *slash = len > 0 ? memrchr(s->bin, '/', (size_t)len) : NULL;
    if (!slash)
        return err_explain(why, ERR_IO, "cannot tell where this program is");
    *slash = '\0';
    enum err err = make_folder(s, why);
    return err ? err : loop_open(&s->loop, 0);
}

enum err stage_begin(struct stage *s, struct err_detail *why)
{
    ASSERT(!s->rig);
    return rig_open(&s->rig, s->loop, s->cert, s->key, why);
}

void stage_end(struct stage *s)
{
    rig_close(s->rig);
    s->rig = NULL;
}

int stage_close(struct stage *s, const char *program, enum err err, const struct err_detail *why)
{
    stage_end(s);
    if (s->loop)
        loop_close(s->loop);
    if (err)
        fprintf(stderr, "%s: %s%s%s\n", program, why->text, s->dir[0] ? "; see " : "", s->dir);
    else
        (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return err == OK ? 0 : err == ERR_INVALID ? 2 : 1;
}

/* -- servers -- */

static void callee_command(struct stage *s, struct command *c, const struct server_opts *o,
                           const char *url)
{
    static const char *const fixed[] = {"serve",
                                        "--listen=127.0.0.1:0",
                                        "--demo",
                                        "--insecure-streams",
                                        "--engine-retries=0",
                                        "--silence=0",
                                        "--max-duration=4h",
                                        "--connect-timeout=60s",
                                        "--response-timeout=60s",
                                        "--log-level=warn"};
    char data[STAGE_PATH_BYTES + 32];
    arg(c, "", s->opts.callee);
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        arg(c, "", fixed[i]);
    snprintf(data, sizeof(data), "%s/data-%u", s->dir, o->same_data ? 0 : s->servers);
    arg(c, "--data=", data);
    snprintf(data, sizeof(data), "%s/demo-%d", s->dir, o->keep == KEEP_RECORDING);
    arg(c, "--demo-dir=", data);
    if (o->offline) {
        arg(c, "", "--engine=local");
    } else {
        arg(c, "", "--engine=realtime");
        arg(c, "", "--max-local-calls=0");
        arg(c, "--provider-url=", url);
    }
    arg_number(c, "--max-calls=", o->calls + 8);
    if (o->at_once)
        arg(c, "", "--coalesce-silence=0");
    if (o->keep == KEEP_NOTHING)
        arg(c, "", "--journal=false");
    if (o->loops)
        arg_number(c, "--loops=", o->loops);
    if (o->tls)
        arg(c, "--ca-file=", s->cert);
}

static void relay_command(struct stage *s, struct command *c, const struct server_opts *o)
{
    arg(c, s->bin, "/bench_relay");
    arg_number(c, "", rig_provider_port(s->rig, o->tls));
    if (o->tls)
        arg(c, "", s->cert);
}

static void agents_command(struct stage *s, struct command *c, const char *url)
{
    arg(c, "", "/usr/bin/env");
    arg(c, "", "node");
    arg(c, s->opts.rivals, "/agents.mjs");
    arg(c, "", url);
}

/* Words of --wrap, such as "perf record -g -o /tmp/perf.data --". */
static void wrap_command(struct stage *s, struct command *c)
{
    struct str words = str_of(s->opts.wrap);
    char word[ARG_BYTES];
    for (int i = 0; i < WRAP_MAX && words.p; i++) {
        struct str w = str_take_until(&words, ' ');
        if (w.len > 0 && str_copy(word, sizeof(word), w))
            arg(c, "", word);
    }
}

void stage_callgrind_file(const struct stage *s, char *out, size_t size)
{
    snprintf(out, size, "%s/callgrind-%u", s->dir, s->servers);
}

static void count_command(struct stage *s, struct command *c)
{
    char file[STAGE_PATH_BYTES + 32];
    stage_callgrind_file(s, file, sizeof(file));
    arg(c, "", "/usr/bin/env");
    arg(c, "", "valgrind");
    arg(c, "", "--tool=callgrind");
    arg(c, "--callgrind-out-file=", file);
}

enum err stage_start(struct stage *s, struct child *child, const struct server_opts *opts,
                     const struct rig_line *line, struct err_detail *why)
{
    struct command c = {.count = 0};
    char url[128], log[STAGE_PATH_BYTES + 32], path[4096], ca[STAGE_PATH_BYTES + 64];
    char *env[] = {path, (char[]){"OPENAI_API_KEY=bench"}, ca, NULL};
    url[0] = '\0';
    if (line)
        rig_line_url(line, url, sizeof(url));
    s->servers++;
    snprintf(path, sizeof(path), "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    snprintf(ca, sizeof(ca), "NODE_EXTRA_CA_CERTS=%s", s->cert);
    snprintf(log, sizeof(log), "%s/%s-%u.log", s->dir, server_name(opts->kind), s->servers);
    if (opts->counted)
        count_command(s, &c);
    if (s->opts.wrap && opts->kind == SERVER_CALLEE)
        wrap_command(s, &c);
    if (opts->kind == SERVER_CALLEE)
        callee_command(s, &c, opts, url);
    else if (opts->kind == SERVER_RELAY)
        relay_command(s, &c, opts);
    else
        agents_command(s, &c, url);
    struct child_opts start = {.argv = c.argv, .env = env, .log_path = log, .cpu = opts->cpu};
    enum err err = child_start(child, &start, why);
    if (err) {
        struct err_detail cause = *why;
        return err_explain(why, err, "%s: %s", server_name(opts->kind), cause.text);
    }
    return OK;
}

const char *server_name(enum server_kind kind)
{
    static const char *const names[] = {"callee", "relay", "agents"};
    return names[kind];
}

const char *server_keep_name(enum server_keep keep)
{
    static const char *const names[KEEP_COUNT] = {"recording", "journal", "nothing"};
    return names[keep];
}

void stage_print_machine(void)
{
    struct utsname u;
    double load[3] = {0, 0, 0};
    (void)getloadavg(load, 3);
    printf("%ld CPUs, load %.1f, Linux %s, callee %s\n", sysconf(_SC_NPROCESSORS_ONLN), load[0],
           uname(&u) == 0 ? u.release : "?", CALLEE_VERSION);
}
