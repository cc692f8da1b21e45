/* `callee summary`: what a call was about, by a model or by rules, kept with the call. */
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/summary_out.h"
#include "base/limits.h"
#include "base/log.h"
#include "llm/chat.h"
#include "session/summary.h"

enum { PATH_BYTES = 4352 };

struct summary_flags {
    bool json, rules;
    const char *call;
};

static const struct flag_row flag_rows[] = {
    {"json", FLAG_SWITCH, offsetof(struct summary_flags, json), 0, 0, NULL, NULL,
     "as it is stored, one JSON object"},
    {"rules", FLAG_SWITCH, offsetof(struct summary_flags, rules), 0, 0, NULL, NULL,
     "ask no model, even where one is set"},
};

static const char usage[] =
    "usage: callee summary CALL [--json] [--rules] [--data DIR]\n\n"
    "Says what an ended call was about and keeps it with the call: by the model of llm_model, or "
    "without\none by rules.";

struct work {
    const struct app_config *config;
    const struct store_req *call;
    struct arena mem;
    struct loop *loop;
    struct summary summary;
    enum err err;
    struct err_detail why;
    int64_t cost_nanousd;
};

static void on_answer(void *ctx, const struct chat_result *r)
{
    struct work *w = ctx;
    w->cost_nanousd = r->usage.cost_nanousd;
    if (r->err != OK)
        w->err = err_explain(&w->why, r->err, "%s", r->detail);
    else if (!r->json)
        w->err = err_explain(&w->why, ERR_INVALID, "the model gave no whole answer");
    else
        w->err = summary_read(r->json, w->call, r->model, &w->mem, &w->summary, &w->why);
    loop_stop(w->loop);
}

/* OpenAI's key is for OpenAI alone. */
static const char *key_of(const struct app_config *c)
{
    bool openai = str_starts(str_of(c->llm_url), STR("https://api.openai.com/"));
    return !c->llm_key[0] && openai ? c->openai_api_key : c->llm_key;
}

static enum err ask(struct work *w, struct llm *service)
{
    struct chat_ask question;
    struct chat *chat;
    summary_ask(w->call, &w->mem, &question);
    question.deadline_ms = SUMMARY_DEADLINE_MS;
    enum err err = chat_start(service, &question, NULL, on_answer, w, &chat);
    if (err != OK)
        return err_explain(&w->why, err, "the call cannot be told to a model: %s", err_name(err));
    loop_run(w->loop);
    return w->err;
}

static enum err by_model(struct work *w)
{
    const struct app_config *c = w->config;
    struct http_client *http = NULL;
    struct llm *service = NULL;
    const struct llm_endpoint endpoint = {
        .url = c->llm_url,
        .key = key_of(c),
        .model = c->llm_model,
        .prices = {.input = c->llm_price_in,
                   .cached_input = c->llm_price_cached_in,
                   .output = c->llm_price_out},
    };
    const struct llm_opts opts = {.endpoints = &endpoint, .count = 1, .retries = LLM_RETRIES};
    enum err err = loop_open(&w->loop, 0);
    if (err != OK)
        return err_explain(&w->why, err, "no event loop");
    err = http_client_open(&http, w->loop, c->ca_file[0] ? c->ca_file : NULL);
    if (err != OK)
        err_explain(&w->why, err, "no HTTP client");
    if (err == OK)
        err = llm_open(&service, w->loop, http, &opts, &w->why);
    if (err == OK)
        err = ask(w, service);
    llm_close(service);
    http_client_close(http);
    loop_close(w->loop);
    return err;
}

static int keep_and_show(struct work *w, struct store *store, const struct summary_flags *f)
{
    struct call_row row = {
        .id = w->call->call.id, .summary = w->summary.json, .outcome = w->summary.outcome};
    struct store_req *r = store_req_call_update(&row, CALL_SET_SUMMARY);
    enum err err = store_run(store, r);
    int code = err == OK ? 0 : command_failed("%s", r->detail.text);
    store_req_free(r);
    if (code == 0 && f->json)
        summary_out_json(w->summary.json, w->summary.outcome, w->cost_nanousd);
    else if (code == 0)
        summary_out_text(w->summary.json, w->summary.outcome);
    return code;
}

static int run(const struct app_config *c, struct store *store, const struct summary_flags *f)
{
    struct work w = {.config = c};
    struct store_req *call = store_req_call_get(str_of(f->call));
    enum err err = store_run(store, call);
    int code = 0;
    if (err == ERR_NOTFOUND)
        code = command_usage("there is no call \"%.60s\"", f->call);
    else if (err != OK)
        code = command_failed("%s", call->detail.text);
    else if (call->call.ended_at_ms == 0)
        code = command_usage("the call has not ended yet");
    if (code == 0) {
        w.call = call;
        arena_init(&w.mem, 8 * SUMMARY_JSON_BYTES_MAX);
        const bool model = c->llm_model[0] && !f->rules;
        if (model && by_model(&w) != OK)
            fprintf(stderr, "callee: no summary by %s, so by rules: %s\n", c->llm_model,
                    w.why.text);
        if (!w.summary.json.p)
            summary_by_rules(call, &w.mem, &w.summary);
        code = keep_and_show(&w, store, f);
        arena_fini(&w.mem);
    }
    store_req_free(call);
    return code;
}

int cmd_summary(int argc, char **argv)
{
    struct summary_flags f = {0};
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
    if (!f.call) {
        code = command_usage("which call? `callee calls` lists them");
    } else if (access(path, R_OK) != 0) {
        code = command_usage("there is no database %s; is --data right?", path);
    } else if (store_open(&store, &(struct store_opts){.path = path}, &why) != OK) {
        code = command_failed("%s", why.text);
    } else {
        code = run(&c, store, &f);
        store_close(store);
    }
    config_fini(&c);
    return code;
}
