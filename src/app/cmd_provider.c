/* `callee provider`: the scripted Realtime provider as a program of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/provider.h"
#include "app/provider_script.h"
#include "base/limits.h"

struct provider_flags {
    struct provider_opts opts;
    const char *script;
    const char *mode;
    int64_t delta_ms;
    bool json;
};

static enum err take_fault(void *opts, const struct flag_row *row, const char *value,
                           struct err_detail *why)
{
    (void)row;
    struct provider_flags *f = opts;
    struct str arg = str_of(value);
    struct str name = str_take_until(&arg, '=');
    if (!provider_fault_find(name, &f->opts.fault) ||
        (arg.p && !str_to_i64(arg, &f->opts.fault_arg)))
        return err_explain(why, ERR_INVALID, "there is no fault \"%.40s\"; see docs/provider.md",
                           value);
    return OK;
}

#define AT(m)  offsetof(struct provider_flags, m)
#define OPT(m) offsetof(struct provider_flags, opts.m)

static const struct flag_row flag_rows[] = {
    {"script", FLAG_TEXT, AT(script), 0, 0, NULL, "FILE", "answers, JSON lines (docs/provider.md)"},
    {"mode", FLAG_TEXT, AT(mode), 0, 0, NULL, "MODE",
     "script (default), echo: says turns back, mirror: returns each append"},
    {"fault", FLAG_FN, 0, 0, 0, take_fault, "NAME[=N]",
     "refuse, slow=MS, mute, stall, stall-audio, close=CODE, abort, error, fail, rate-limit, "
     "garbage, binary, huge, expire, late"},
    {"fault-after", FLAG_INT, OPT(fault_after), 0, 1000000, NULL, "N", "answers before the fault"},
    {"fault-sessions", FLAG_INT, OPT(fault_sessions), 0, 1000000, NULL, "N",
     "only the first N sessions have the fault; 0 = all"},
    {"delta-ms", FLAG_INT, AT(delta_ms), 20, 1000, NULL, "MS", "audio in a delta (200)"},
    {"speed", FLAG_INT, OPT(speed), 0, 1000, NULL, "N",
     "audio leaves N times faster than it is spoken (8); 0 = all at once"},
    {"latency", FLAG_MS, OPT(latency_ms), 0, 60000, NULL, "MS", "end of turn to the answer (0)"},
    {"key", FLAG_TEXT, OPT(key), 0, 0, NULL, "KEY", "the only key accepted (any)"},
    {"voice", FLAG_TEXT, OPT(voice), 0, 0, NULL, "VOICE", "kal16 (default), slt, rms, awb, tone"},
    {"json", FLAG_SWITCH, AT(json), 0, 0, NULL, NULL, "print the figures as JSON at the end"},
};

static const char usage[] =
    "usage: callee provider [--listen HOST:PORT] [--script FILE] [--fault NAME]\n\n"
    "A Realtime provider (OpenAI Realtime API, GA shape) that answers from a script, for tests\n"
    "and benches. It is strict: what OpenAI would refuse is refused and counted.";

struct running {
    struct loop *loop;
    struct provider *provider;
    uv_signal_t signals[2];
    unsigned open_signals;
    bool json;
};

static void signal_closed(uv_handle_t *h)
{
    struct running *r = h->data;
    if (--r->open_signals == 0)
        loop_stop(r->loop);
}

static void provider_closed(void *ctx)
{
    struct running *r = ctx;
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&r->signals[i], signal_closed);
}

static void print_figures(struct running *r)
{
    struct buf b;
    buf_init(&b, PROVIDER_EVENT_BYTES_MAX);
    provider_summary(r->provider, &b);
    if (r->json)
        printf("%s\n", buf_cstr(&b));
    else
        printf("violations: %llu\n", (unsigned long long)provider_violations(r->provider));
    fflush(stdout);
    buf_fini(&b);
}

static void on_signal(uv_signal_t *h, int number)
{
    (void)number;
    struct running *r = h->data;
    if (!r->provider)
        return;
    print_figures(r);
    struct provider *p = r->provider;
    r->provider = NULL;
    provider_close(p, provider_closed, r);
}

static enum err read_script(const char *path, struct buf *b, struct err_detail *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char piece[4096];
    ssize_t got = -1;
    while (fd >= 0 && (got = read(fd, piece, sizeof(piece))) > 0)
        buf_put(b, piece, (size_t)got);
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (fd < 0 || got < 0)
        return err_explain(why, ERR_INVALID, "cannot read %s: %s", path, strerror(reason));
    if (!buf_ok(b))
        return err_explain(why, ERR_INVALID, "%s is too large for a script", path);
    return OK;
}

static bool take_mode(struct provider_flags *f)
{
    static const char *const names[] = {"script", "echo", "mirror"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(f->mode, names[i]) == 0) {
            f->opts.mode = (enum provider_mode)i;
            return true;
        }
    }
    return false;
}

static int run(struct provider_flags *f, const struct app_config *c)
{
    struct running r = {.json = f->json};
    struct err_detail why;
    f->opts.host = c->listen_host;
    f->opts.port = (uint16_t)c->listen_port;
    f->opts.delta_ms = (uint32_t)f->delta_ms;
    if (loop_open(&r.loop, 0) != OK)
        return command_failed("cannot make an event loop");
    enum err err = provider_open(&r.provider, r.loop, &f->opts, &why);
    if (err != OK) {
        loop_close(r.loop);
        return err == ERR_INVALID ? command_usage("%s", why.text) : command_failed("%s", why.text);
    }
    static const int numbers[2] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(loop_uv(r.loop), &r.signals[i]);
        r.signals[i].data = &r;
        uv_signal_start(&r.signals[i], on_signal, numbers[i]);
    }
    r.open_signals = 2;
    printf("listening on ws://%s:%u/v1/realtime\n", c->listen_host, provider_port(r.provider));
    fflush(stdout);
    loop_run(r.loop);
    loop_close(r.loop);
    return 0;
}

int cmd_provider(int argc, char **argv)
{
    struct provider_flags f = {.opts = {.speed = -1}, .mode = "script", .delta_ms = 200};
    struct app_config c;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &f};
    int code = config_start(&c, &args);
    if (code >= 0)
        return code;
    struct buf script;
    struct err_detail why;
    buf_init(&script, PROVIDER_SCRIPT_BYTES_MAX);
    if (!take_mode(&f)) {
        code = command_usage("--mode is script, echo or mirror, not \"%.40s\"", f.mode);
    } else if (f.script && read_script(f.script, &script, &why) != OK) {
        code = command_usage("%s", why.text);
    } else {
        f.opts.script = buf_str(&script);
        code = run(&f, &c);
    }
    buf_fini(&script);
    config_fini(&c);
    return code;
}
