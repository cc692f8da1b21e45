/* One connection: from the upgrade to its end, and what the session is told about itself. */
#include "app/provider_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/js.h"
#include "base/limits.h"

enum { SESSION_SECONDS = 3600 };

void provider_id(struct provider_session *s, char out[PROVIDER_ID_BYTES], const char *prefix)
{
    snprintf(out, PROVIDER_ID_BYTES, "%s_%u_%" PRIu64, prefix, s->number, ++s->ids);
}

struct provider_item *provider_item_find(struct provider_session *s, struct str id)
{
    for (size_t i = s->item_count; i > 0; i--) {
        if (str_eq(id, str_of(s->items[i - 1].id)))
            return &s->items[i - 1];
    }
    return NULL;
}

struct provider_item *provider_item_add(struct provider_session *s, const char *id,
                                        enum provider_item_kind kind)
{
    if (s->item_count == PROVIDER_ITEMS_MAX) {
        provider_write_error(s, "invalid_request_error", "session_expired", STR_NONE,
                             "The session has too many items.");
        ws_close(s->ws, WS_CODE_GOING_AWAY, STR("too many items"));
        s->ending = true;
        return NULL;
    }
    if (s->item_count == s->item_cap) {
        s->item_cap = s->item_cap ? 2 * s->item_cap : 16;
        s->items = mem_realloc(s->items, s->item_cap * sizeof(*s->items));
    }
    struct provider_item *item = &s->items[s->item_count++];
    *item = (struct provider_item){.kind = kind, .cut_ms = -1};
    snprintf(item->id, sizeof(item->id), "%s", id);
    snprintf(s->last_item, sizeof(s->last_item), "%s", id);
    return item;
}

static void on_text(void *ctx, struct str text)
{
    struct provider_session *s = ctx;
    if (!s->ending && !s->mute)
        provider_events_take(s, text);
}

static void on_binary(void *ctx, struct str data)
{
    struct provider_session *s = ctx;
    (void)data;
    if (!s->ending && !s->mute)
        provider_write_refuse(s, "invalid_event", STR_NONE, "Binary messages are not supported.");
}

void provider_session_free(struct provider_session *s)
{
    provider_reply_fini(s);
    loop_timer_free(s->timer);
    json_decref(s->session);
    buf_fini(&s->turn_audio);
    mem_free(s->items);
    mem_free(s->tool_output);
    mem_free(s);
}

static void on_closed(void *ctx, unsigned code, struct str reason)
{
    (void)code;
    (void)reason;
    provider_session_gone(ctx);
}

static const struct ws_events session_events = {
    .on_text = on_text, .on_binary = on_binary, .on_closed = on_closed};

static json_t *session_object(const struct provider_session *s, struct str model)
{
    return json_pack(
        "{s:s, s:s, s:o, s:s%, s:[s], s:s, s:I, s:{s:{s:{s:s, s:i}, s:n, s:n, s:{s:s, s:f, s:i, "
        "s:i, s:b, s:b, s:n}}, s:{s:{s:s, s:i}, s:s, s:f}}, s:[], s:s, s:s, s:s, s:n, s:n}",
        "type", "realtime", "object", "realtime.session", "id", json_sprintf("sess_%u", s->number),
        "model", model.p, model.len, "output_modalities", "audio", "instructions",
        "Your knowledge cutoff is 2023-10.", "expires_at",
        (json_int_t)(clock_wall_ms() / 1000 + SESSION_SECONDS), "audio", "input", "format", "type",
        "audio/pcm", "rate", 24000, "transcription", "noise_reduction", "turn_detection", "type",
        "server_vad", "threshold", 0.5, "prefix_padding_ms", 300, "silence_duration_ms", 200,
        "create_response", 1, "interrupt_response", 1, "idle_timeout_ms", "output", "format",
        "type", "audio/pcm", "rate", 24000, "voice", "marin", "speed", 1.0, "tools", "tool_choice",
        "auto", "max_output_tokens", "inf", "truncation", "auto", "prompt", "tracing");
}

/* The value of a query parameter, not decoded; p == NULL when absent. */
static struct str query_get(struct str query, const char *key)
{
    while (query.p) {
        struct str value = str_take_until(&query, '&');
        struct str name = str_take_until(&value, '=');
        if (str_eq(name, str_of(key)))
            return value;
    }
    return STR_NONE;
}

/* Errors of the connection itself come as an event, then a close (OpenAI Realtime API). */
static void reject(struct provider_session *s, const char *code, const char *message)
{
    char reason[96];
    provider_write_error(s, "invalid_request_error", code, STR_NONE, message);
    snprintf(reason, sizeof(reason), "invalid_request_error.%s", code);
    ws_close(s->ws, 4000, str_of(reason));
    s->ending = true;
}

void provider_session_start(struct provider *p, struct http_exchange *ex)
{
    /* Everything is asked of the exchange before it is over. */
    char model_text[128];
    struct str model = query_get(http_query(ex), "model");
    bool has_model = model.p && model.len > 0 && str_copy(model_text, sizeof(model_text), model);
    bool beta = http_header(ex, "OpenAI-Beta").p != NULL;
    struct provider_session *s = mem_zalloc(sizeof(*s));
    struct ws_opts limits = {.message_max = PROVIDER_MESSAGE_BYTES_MAX,
                             .audio_out_max = 0,
                             .control_out_max = PROVIDER_EVENT_BYTES_MAX};
    s->provider = p;
    s->number = (unsigned)p->counts.sessions + 1;
    buf_init(&s->turn_audio, PROVIDER_TURN_BYTES_MAX);
    s->timer = loop_timer_new(p->loop, provider_reply_tick, s);
    if (http_upgrade(ex, &limits, NULL, &session_events, s, &s->ws) != OK) {
        provider_session_free(s);
        return;
    }
    p->counts.sessions++;
    p->active++;
    s->next = p->sessions;
    if (s->next)
        s->next->prev = s;
    p->sessions = s;
    s->vad_on = s->create_response = s->interrupt_response = true;
    vad_init(&s->vad, NULL);
    s->session = session_object(s, has_model ? str_of(model_text) : STR("none"));
    ASSERT(s->session);
    const struct provider_opts *o = &p->opts;
    s->mute = o->fault == PROVIDER_FAULT_MUTE && o->fault_after == 0 &&
              (o->fault_sessions == 0 || (int64_t)s->number <= o->fault_sessions);
    if (beta) {
        reject(s, "beta_api_shape_disabled",
               "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA "
               "API.");
        return;
    }
    if (!has_model) {
        reject(s, "missing_model", "You must provide a model parameter.");
        return;
    }
    struct buf *b = provider_write_open(s, "session.created");
    buf_put_str(b, STR(",\"session\":"));
    js_write(b, s->session);
    provider_write_send(s);
}
