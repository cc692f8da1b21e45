/* callee serve: the server. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/detach.h"
#include "app/engines.h"
#include "app/wiring.h"
#include "base/log.h"

static const char USAGE[] =
    "usage: callee serve [--listen HOST:PORT] [--data DIR] [--loops N] [--demo] [settings]\n"
    "Answers the telephone. --demo adds the demo business. --show-calls prints every conversation\n"
    "as it happens. All settings: docs/config.md, or callee serve --dump-config.\n";

struct serve_flags {
    bool show_calls, detach;
    const char *demo_dir;
};

/* Lines of several calls may mix, so each names its own, shortly: the end of the id is random. */
static const char *short_id(const char *call_id)
{
    const char *dash = strrchr(call_id, '-');
    return dash ? dash + 1 : call_id;
}

static void show_begin(void *ctx, const char *call_id, const struct call_config *config)
{
    (void)ctx;
    printf("%s          rings at %s (call %s)\n", short_id(call_id), config->business_name,
           call_id);
    fflush(stdout);
}

static void show_turn(void *ctx, const char *call_id, const struct call_item *item)
{
    (void)ctx;
    static const char *const who[] = {"", "caller", "agent", "notice"};
    printf("%s %6.1f s %-6s  %.*s\n", short_id(call_id), (double)item->start_ms / 1000,
           who[item->role], STR_FMT(item->text));
    const struct call_latency *l = &item->latency;
    if (l->turn_end_ms >= 0)
        printf("%s                  heard %d ms after the caller stopped (turn end %d, engine %d, "
               "carrier %d)\n",
               short_id(call_id), l->heard_first_ms, l->turn_end_ms, l->engine_first_ms,
               l->carrier_first_ms);
    if (item->interrupted)
        printf("%s                  interrupted: %.1f of %.1f s were heard\n", short_id(call_id),
               (double)item->heard_ms / 1000, (double)item->spoken_ms / 1000);
    fflush(stdout);
}

static void show_end(void *ctx, const char *call_id, const struct call_stats *stats,
                     int64_t cost_nanousd)
{
    (void)ctx;
    printf("%s %6.1f s over: %.*s. %u turns, %u interruptions, engine %.*s, $%.4f\n",
           short_id(call_id), (double)stats->duration_ms / 1000, STR_FMT(stats->end_reason),
           stats->turns, stats->interruptions, STR_FMT(stats->engine), (double)cost_nanousd / 1e9);
    fflush(stdout);
}

static const struct host_observer observer = {
    .on_begin = show_begin, .on_turn = show_turn, .on_end = show_end};

/* demo/ of the source tree or of an installation, whichever there is. */
static const char *find_demo(const char *given)
{
    static const char *const places[] = {"demo", "/usr/local/share/callee/demo",
                                         "/usr/share/callee/demo"};
    if (given)
        return given;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/pecos.json", places[i]);
        if (access(path, R_OK) == 0)
            return places[i];
    }
    return places[0];
}

static void say_what_it_can(const struct app_config *c)
{
    if (!engines_want_provider(c))
        printf("The offline engine answers: it understands plain English questions about what the\n"
               "business has written down, and mishears. It is for trying callee and as the last\n"
               "fall-back; set OPENAI_API_KEY for a real phone line.\n");
}

static void on_ready(void *ctx)
{
    const int *fd = ctx;
    detach_done(*fd);
}

int cmd_serve(int argc, char **argv)
{
    struct serve_flags flags = {0};
    const struct flag_row rows[] = {
        {.name = "show-calls",
         .type = FLAG_SWITCH,
         .offset = offsetof(struct serve_flags, show_calls),
         .help = "print every conversation as it happens"},
        {.name = "detach",
         .type = FLAG_SWITCH,
         .offset = offsetof(struct serve_flags, detach),
         .help = "go on in the background once it listens"},
        {.name = "demo-dir",
         .type = FLAG_TEXT,
         .offset = offsetof(struct serve_flags, demo_dir),
         .arg = "DIR",
         .help = "where the demo business's files are"},
    };
    struct app_config config;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = USAGE,
                               .flags = rows,
                               .flag_count = sizeof(rows) / sizeof(rows[0]),
                               .opts = &flags};
    int code = config_start(&config, &args);
    if (code >= 0)
        return code;
    int waiting = -1;
    code = flags.detach ? detach_fork(&waiting) : -1;
    if (code >= 0) {
        config_fini(&config);
        return code;
    }
    enum log_level level;
    if (log_level_find(config.log_level, &level))
        log_set_level(level);
    umask(077); /* what callers said is nobody else's on this machine */
    struct server_opts opts = {.config = &config,
                               .observer = flags.show_calls ? &observer : NULL,
                               .on_ready = flags.detach ? on_ready : NULL,
                               .on_ready_ctx = &waiting,
                               .demo_dir = find_demo(flags.demo_dir)};
    struct err_detail why = {""};
    struct server *server;
    say_what_it_can(&config);
    enum err err = server_open(&server, &opts, &why);
    if (err == OK)
        err = server_run(server, &why);
    config_fini(&config);
    if (err != OK && !why.text[0])
        (void)err_explain(&why, err, "the server cannot start (%s); the log says more",
                          err_name(err));
    if (err == ERR_INVALID || err == ERR_NOTFOUND)
        return command_usage("%s", why.text);
    if (err != OK)
        return command_failed("%s", why.text);
    return 0;
}
