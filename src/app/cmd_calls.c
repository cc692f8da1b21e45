/* `callee calls`: the calls that are in the store, newest first. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/summary_out.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/store.h"

enum { PATH_BYTES = 4352, OUT_BYTES_MAX = 64 << 20 };

struct calls_flags {
    bool json;
    int64_t limit;
    const char *business;
    const char *call;
};

static const struct flag_row flag_rows[] = {
    {"json", FLAG_SWITCH, offsetof(struct calls_flags, json), 0, 0, NULL, NULL,
     "one JSON object a call"},
    {"limit", FLAG_INT, offsetof(struct calls_flags, limit), 1, STORE_LIST_MAX, NULL, "N",
     "so many (20)"},
    {"business", FLAG_TEXT, offsetof(struct calls_flags, business), 0, 0, NULL, "ID",
     "of this business alone"},
};

static const char usage[] = "usage: callee calls [CALL] [--limit N] [--json] [--data DIR]\n\n"
                            "Lists the latest calls, or shows one with its transcript.";

static void put_text(struct buf *b, const char *key, struct str text)
{
    buf_printf(b, ",\"%s\":", key);
    buf_put_json(b, text);
}

static void put_int(struct buf *b, const char *key, int64_t n)
{
    buf_printf(b, ",\"%s\":%" PRId64, key, n);
}

static void put_call(struct buf *b, const struct call_row *c)
{
    buf_put_str(b, STR("{\"id\":"));
    buf_put_json(b, c->id);
    put_text(b, "callSid", c->call_sid);
    put_text(b, "channel", c->channel);
    put_text(b, "businessId", c->business_id);
    put_text(b, "from", c->from);
    put_text(b, "to", c->to);
    put_text(b, "status", c->status);
    put_text(b, "endReason", c->end_reason);
    put_text(b, "engine", c->engine);
    if (c->summary.len) { /* JSON already */
        put_text(b, "outcome", c->outcome);
        buf_put_str(b, STR(",\"summary\":"));
        buf_put_str(b, c->summary);
    }
    put_text(b, "journal", c->journal);
    put_int(b, "startedAtMs", c->started_at_ms);
    put_int(b, "answeredAtMs", c->answered_at_ms);
    put_int(b, "endedAtMs", c->ended_at_ms);
    put_int(b, "durationMs", c->duration_ms);
    put_int(b, "costMicroUsd", c->cost_microusd);
    put_int(b, "tokensIn", c->tokens_in);
    put_int(b, "tokensOut", c->tokens_out);
    buf_printf(b, ",\"recorded\":%s", c->recorded ? "true" : "false");
}

static void put_turns(struct buf *b, const struct store_req *r)
{
    buf_put_str(b, STR(",\"turns\":["));
    for (size_t i = 0; i < r->turns_count; i++) {
        const struct turn_row *t = &r->turns[i];
        buf_put_str(b, i ? STR(",{\"itemId\":") : STR("{\"itemId\":"));
        buf_put_json(b, t->item_id);
        put_text(b, "role", t->role);
        put_text(b, "text", t->text);
        put_int(b, "startMs", t->start_ms);
        put_int(b, "endMs", t->end_ms);
        put_int(b, "heardMs", t->heard_ms);
        put_int(b, "turnEndMs", t->turn_end_ms);
        put_int(b, "engineFirstMs", t->engine_first_ms);
        put_int(b, "carrierFirstMs", t->carrier_first_ms);
        put_int(b, "heardFirstMs", t->heard_first_ms);
        put_int(b, "costMicroUsd", t->cost_microusd);
        buf_printf(b, ",\"interrupted\":%s}", t->interrupted ? "true" : "false");
    }
    buf_put_str(b, STR("],\"tools\":["));
    for (size_t i = 0; i < r->tools_count; i++) {
        const struct tool_row *t = &r->tools[i];
        buf_put_str(b, i ? STR(",{\"name\":") : STR("{\"name\":"));
        buf_put_json(b, t->name);
        put_text(b, "arguments", t->arguments);
        put_text(b, "output", t->output);
        put_int(b, "atMs", t->at_ms);
        put_int(b, "tookMs", t->took_ms);
        buf_printf(b, ",\"ok\":%s}", t->ok ? "true" : "false");
    }
    buf_put_byte(b, ']');
}

static void print_json(const struct store_req *r, const struct call_row *c, bool whole)
{
    struct buf b;
    buf_init(&b, OUT_BYTES_MAX);
    put_call(&b, c);
    if (whole)
        put_turns(&b, r);
    buf_put_byte(&b, '}');
    printf("%s\n", buf_cstr(&b));
    buf_fini(&b);
}

static void print_row(const struct call_row *c)
{
    char when[32];
    time_t at = (time_t)(c->started_at_ms / 1000);
    struct tm tm;
    localtime_r(&at, &tm);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    printf("%-14.*s %s  %-13.*s %-12.*s %6.1f s  %-8.*s $%.4f\n", STR_FMT(c->id), when,
           STR_FMT(c->from), STR_FMT(c->status), (double)c->duration_ms / 1000.0,
           STR_FMT(c->engine), (double)c->cost_microusd / 1e6);
}

static void print_transcript(const struct store_req *r)
{
    print_row(&r->call);
    for (size_t i = 0; i < r->turns_count; i++) {
        const struct turn_row *t = &r->turns[i];
        printf("%8.1f s  %-9.*s %.*s%s\n", (double)t->start_ms / 1000.0, STR_FMT(t->role),
               STR_FMT(t->text), t->interrupted ? "  [interrupted]" : "");
    }
    if (r->call.end_reason.len > 0)
        printf("%12s ended: %.*s\n", "", STR_FMT(r->call.end_reason));
    summary_out_text(r->call.summary, r->call.outcome);
}

static int list(struct store *store, const struct calls_flags *f)
{
    struct calls_page page = {.business_id = str_of(f->business ? f->business : ""),
                              .before_id = STR(""),
                              .limit = (size_t)f->limit};
    struct store_req *r =
        f->call ? store_req_call_get(str_of(f->call)) : store_req_calls_list(&page);
    enum err err = store_run(store, r);
    if (err == ERR_NOTFOUND) {
        store_req_free(r);
        return command_usage("there is no call \"%.60s\"", f->call ? f->call : "");
    }
    if (err != OK) {
        int code = command_failed("%s", r->detail.text);
        store_req_free(r);
        return code;
    }
    if (f->call && f->json)
        print_json(r, &r->call, true);
    else if (f->call)
        print_transcript(r);
    for (size_t i = 0; !f->call && i < r->calls_count; i++) {
        if (f->json)
            print_json(r, &r->calls[i], false);
        else
            print_row(&r->calls[i]);
    }
    if (!f->call && !f->json && r->calls_count == 0)
        printf("no calls yet\n");
    store_req_free(r);
    return 0;
}

int cmd_calls(int argc, char **argv)
{
    struct calls_flags f = {.limit = 20};
    struct app_config c;
    size_t loose = 0;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &f,
                               .positionals = &f.call,
                               .positional_max = 1,
                               .positional_count = &loose};
    int code = config_start(&c, &args);
    if (code >= 0)
        return code;
    char path[PATH_BYTES];
    struct err_detail why;
    struct store *store;
    snprintf(path, sizeof(path), "%s/callee.db", c.data);
    log_set_level(LOG_LEVEL_ERROR);
    if (access(path, R_OK) != 0) {
        code = command_usage("there is no database %s; is --data right?", path);
    } else if (store_open(&store, &(struct store_opts){.path = path}, &why) != OK) {
        code = command_failed("%s", why.text);
    } else {
        code = list(store, &f);
        store_close(store);
    }
    config_fini(&c);
    return code;
}
