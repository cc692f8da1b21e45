/* The server around the sessions: routes, keys, faults of the handshake, figures. */
#include "app/provider.h"

#include <inttypes.h>
#include <stdio.h>

#include "app/provider_private.h"
#include "app/voice.h"
#include "audio/g711.h"
#include "base/crypto.h"
#include "base/js.h"
#include "base/limits.h"

/* An upgrade held back. */
struct provider_pending {
    struct provider *provider;
    struct provider_pending *next;
    struct http_exchange *ex;
    struct loop_timer *timer;
};

static const struct {
    struct str name;
    enum provider_fault fault;
} faults[] = {
    {{"none", 4}, PROVIDER_FAULT_NONE},
    {{"refuse", 6}, PROVIDER_FAULT_REFUSE},
    {{"slow", 4}, PROVIDER_FAULT_SLOW},
    {{"mute", 4}, PROVIDER_FAULT_MUTE},
    {{"stall", 5}, PROVIDER_FAULT_STALL},
    {{"stall-audio", 11}, PROVIDER_FAULT_STALL_AUDIO},
    {{"close", 5}, PROVIDER_FAULT_CLOSE},
    {{"abort", 5}, PROVIDER_FAULT_ABORT},
    {{"error", 5}, PROVIDER_FAULT_ERROR},
    {{"fail", 4}, PROVIDER_FAULT_FAIL},
    {{"rate-limit", 10}, PROVIDER_FAULT_RATE_LIMIT},
    {{"garbage", 7}, PROVIDER_FAULT_GARBAGE},
    {{"binary", 6}, PROVIDER_FAULT_BINARY},
    {{"huge", 4}, PROVIDER_FAULT_HUGE},
    {{"expire", 6}, PROVIDER_FAULT_EXPIRE},
    {{"late", 4}, PROVIDER_FAULT_LATE},
};

bool provider_fault_find(struct str name, enum provider_fault *out)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (str_eq(name, faults[i].name)) {
            *out = faults[i].fault;
            return true;
        }
    }
    return false;
}

void provider_speak(struct provider *p, struct str text, struct buf *mulaw)
{
    struct err_detail why;
    if (voice_say(p->voice, text, mulaw, &why) == OK)
        return;
    buf_reset(mulaw);
    for (int i = 0; i < 1600; i++)
        buf_put_byte(mulaw, G711_MULAW_SILENCE);
}

const struct provider_clip *provider_clip(struct provider *p, struct str text)
{
    for (size_t i = 0; i < p->clip_count; i++) {
        if (str_eq(text, str_of(p->clips[i]->text)))
            return p->clips[i];
    }
    if (p->clip_count == PROVIDER_CLIPS_MAX)
        return NULL;
    struct provider_clip *clip = mem_zalloc(sizeof(*clip));
    clip->text = mem_strndup(text.p, text.len);
    buf_init(&clip->mulaw, VOICE_BYTES_MAX);
    provider_speak(p, text, &clip->mulaw);
    p->clips[p->clip_count++] = clip;
    return clip;
}

static bool key_ok(const struct provider *p, const struct http_exchange *ex)
{
    if (!p->key[0])
        return true;
    struct str header = http_header(ex, "Authorization"), bearer = STR("Bearer ");
    return header.p && str_starts(header, bearer) &&
           crypto_equal(str_slice(header, bearer.len, header.len), str_of(p->key));
}

static void refuse_key(struct http_exchange *ex)
{
    http_reply(ex, 401, "application/json",
               STR("{\"error\":{\"message\":\"Incorrect API key provided.\",\"type\":"
                   "\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}"));
}

static void pending_free(struct provider_pending *w)
{
    struct provider_pending **at = &w->provider->pending;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    loop_timer_free(w->timer);
    mem_free(w);
}

static void pending_gone(void *ctx)
{
    pending_free(ctx);
}

static void pending_due(void *ctx)
{
    struct provider_pending *w = ctx;
    struct provider *p = w->provider;
    struct http_exchange *ex = w->ex;
    pending_free(w); /* what is answered now is not told as gone any more */
    provider_session_start(p, ex);
}

static void handle_realtime(void *ctx, struct http_exchange *ex)
{
    struct provider *p = ctx;
    const struct provider_opts *o = &p->opts;
    bool chosen = o->fault_sessions == 0 || (int64_t)p->counts.sessions < o->fault_sessions;
    if (!key_ok(p, ex) || (o->fault == PROVIDER_FAULT_REFUSE && chosen)) {
        p->counts.sessions++; /* refused ones count, so that fault_sessions ends */
        refuse_key(ex);
        return;
    }
    if (p->active >= PROVIDER_SESSIONS_MAX) {
        http_reply_problem(ex, 503, "Too many sessions", "The scripted provider is full.");
        return;
    }
    if (o->fault == PROVIDER_FAULT_SLOW && chosen) {
        struct provider_pending *w = mem_zalloc(sizeof(*w));
        w->provider = p;
        w->ex = ex;
        w->next = p->pending;
        p->pending = w;
        w->timer = loop_timer_new(p->loop, pending_due, w);
        http_on_gone(ex, pending_gone, w);
        loop_timer_set(w->timer, (uint64_t)(o->fault_arg > 0 ? o->fault_arg : 3000));
        return;
    }
    provider_session_start(p, ex);
}

static void handle_model(void *ctx, struct http_exchange *ex)
{
    struct provider *p = ctx;
    if (!key_ok(p, ex)) {
        refuse_key(ex);
        return;
    }
    struct str path = http_path(ex), prefix = STR("/v1/models/");
    if (path.len <= prefix.len) {
        http_reply_problem(ex, 404, "Not found", "Which model?");
        return;
    }
    struct buf b;
    buf_init(&b, HTTP_HEAD_BYTES_MAX);
    buf_printf(&b, "{\"object\":\"model\",\"owned_by\":\"script\",\"created\":0");
    provider_write_text(&b, "id", str_slice(path, prefix.len, path.len));
    buf_put_byte(&b, '}');
    http_reply(ex, 200, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void free_all(struct provider *p)
{
    for (size_t i = 0; i < p->clip_count; i++) {
        buf_fini(&p->clips[i]->mulaw);
        mem_free(p->clips[i]->text);
        mem_free(p->clips[i]);
    }
    provider_script_fini(&p->script);
    http_router_free(p->router);
    buf_fini(&p->out);
    mem_free(p->truncations);
    mem_free(p->violations);
    mem_free(p->key);
    mem_free(p->voice);
    mem_free(p);
}

static void finish_close(struct provider *p)
{
    if (!p->closing || !p->server_gone || p->sessions)
        return;
    loop_fn *fn = p->on_closed;
    void *ctx = p->on_closed_ctx;
    free_all(p);
    if (fn)
        fn(ctx);
}

void provider_session_gone(struct provider_session *s)
{
    struct provider *p = s->provider;
    if (s->prev)
        s->prev->next = s->next;
    else
        p->sessions = s->next;
    if (s->next)
        s->next->prev = s->prev;
    p->active--;
    provider_session_free(s);
    finish_close(p);
}

/* Synthesises the whole script before anybody waits for it. */
static enum err prepare(struct provider *p, struct err_detail *why)
{
    const struct provider_opts *o = &p->opts;
    if (!voice_known(p->voice))
        return err_explain(why, ERR_INVALID, "there is no voice \"%.40s\"", p->voice);
    struct str text = o->script.len > 0 ? o->script : provider_script_builtin();
    enum err err = provider_script_read(&p->script, text, why);
    for (size_t i = 0; err == OK && i < p->script.count; i++) {
        const char *say = p->script.steps[i].say;
        if (say && !strstr(say, "$output"))
            (void)provider_clip(p, str_of(say));
    }
    return err;
}

enum err provider_open(struct provider **out, struct loop *l, const struct provider_opts *opts,
                       struct err_detail *why)
{
    struct provider *p = mem_zalloc(sizeof(*p));
    p->loop = l;
    p->opts = *opts;
    p->key = mem_strdup(opts->key ? opts->key : "");
    p->voice = mem_strdup(opts->voice ? opts->voice : "kal16");
    if (p->opts.delta_ms == 0)
        p->opts.delta_ms = 200;
    if (p->opts.speed < 0)
        p->opts.speed = 8;
    p->truncations = mem_alloc(sizeof(*p->truncations) * PROVIDER_RECORDS_MAX);
    p->violations = mem_alloc(sizeof(*p->violations) * PROVIDER_RECORDS_MAX);
    buf_init(&p->out, PROVIDER_EVENT_BYTES_MAX);
    p->router = http_router_new();
    struct http_route_opts upgrade = {.websocket = true}, below = {.prefix = true};
    http_router_add(p->router, "GET", "/v1/realtime", &upgrade, handle_realtime, p);
    http_router_add(p->router, "GET", "/v1/models", &below, handle_model, p);
    struct http_server_opts server = {
        .host = opts->host ? opts->host : "127.0.0.1", .port = opts->port, .router = p->router};
    enum err err = prepare(p, why);
    if (err == OK)
        err = http_server_open(&p->server, l, &server, why);
    if (err != OK) {
        free_all(p);
        return err;
    }
    p->opts.script = STR_NONE; /* borrowed until here */
    *out = p;
    return OK;
}

uint16_t provider_port(const struct provider *p)
{
    return http_server_port(p->server);
}

static void server_closed(void *ctx)
{
    struct provider *p = ctx;
    p->server_gone = true;
    finish_close(p);
}

void provider_close(struct provider *p, loop_fn *on_closed, void *ctx)
{
    ASSERT(!p->closing);
    p->closing = true;
    p->on_closed = on_closed;
    p->on_closed_ctx = ctx;
    while (p->pending) {
        struct http_exchange *ex = p->pending->ex;
        http_on_gone(ex, NULL, NULL);
        pending_free(p->pending);
        http_reply_problem(ex, 503, "Closing", "The scripted provider is closing.");
    }
    for (struct provider_session *s = p->sessions; s; s = s->next) {
        s->ending = true;
        ws_abort(s->ws);
    }
    http_server_close(p->server, server_closed, p);
}

uint64_t provider_violations(const struct provider *p)
{
    return p->counts.violations;
}

static void put_count(struct buf *b, const char *key, uint64_t n)
{
    provider_write_int(b, key, (int64_t)n);
}

void provider_summary(const struct provider *p, struct buf *out)
{
    const struct provider_counts *c = &p->counts;
    buf_printf(out, "{\"sessions\":%" PRIu64, c->sessions);
    put_count(out, "active", p->active);
    put_count(out, "responses", c->responses);
    put_count(out, "completed", c->completed);
    put_count(out, "cancelled", c->cancelled);
    put_count(out, "failed", c->failed);
    put_count(out, "turns", c->turns);
    put_count(out, "appends", c->appends);
    put_count(out, "appendMs", c->append_bytes / 8);
    put_count(out, "deltas", c->deltas);
    put_count(out, "toolCalls", c->tool_calls);
    put_count(out, "toolOutputs", c->tool_outputs);
    put_count(out, "truncationCount", c->truncations);
    put_count(out, "violationCount", c->violations);
    buf_put_str(out, STR(",\"truncations\":["));
    for (size_t i = 0; i < p->truncation_count; i++) {
        const struct provider_truncation *t = &p->truncations[i];
        buf_printf(out, "%s{\"session\":%u", i ? "," : "", t->session);
        provider_write_text(out, "item_id", str_of(t->item_id));
        provider_write_int(out, "audio_end_ms", t->audio_end_ms);
        provider_write_int(out, "sent_ms", t->sent_ms);
        buf_put_byte(out, '}');
    }
    buf_put_str(out, STR("],\"violations\":["));
    for (size_t i = 0; i < p->violation_count; i++) {
        const struct provider_violation *v = &p->violations[i];
        buf_printf(out, "%s{\"session\":%u", i ? "," : "", v->session);
        provider_write_text(out, "code", str_of(v->code));
        provider_write_text(out, "detail", str_of(v->detail));
        buf_put_byte(out, '}');
    }
    buf_put_str(out, STR("]}"));
}
