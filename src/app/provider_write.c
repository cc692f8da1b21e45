/*
 * The JSON of the scripted provider, in the shapes of the OpenAI Realtime API reference (GA). All
 * events are written into one buffer of the provider's, because an event is sent before the next
 * one begins.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/provider_private.h"
#include "base/js.h"
#include "base/limits.h"

struct buf *provider_write_open(struct provider_session *s, const char *type)
{
    struct buf *b = &s->provider->out;
    buf_reset(b);
    buf_printf(b, "{\"type\":\"%s\",\"event_id\":\"event_%u_%" PRIu64 "\"", type, s->number,
               ++s->events);
    return b;
}

void provider_write_text(struct buf *b, const char *key, struct str text)
{
    buf_printf(b, ",\"%s\":", key);
    buf_put_json(b, text);
}

void provider_write_int(struct buf *b, const char *key, int64_t number)
{
    buf_printf(b, ",\"%s\":%" PRId64, key, number);
}

void provider_write_raw(struct buf *b, const char *key, const char *json)
{
    buf_printf(b, ",\"%s\":%s", key, json);
}

void provider_write_send(struct provider_session *s)
{
    struct buf *b = &s->provider->out;
    buf_put_byte(b, '}');
    if (s->ending || s->mute || !buf_ok(b))
        return;
    /* A client that does not read is closed by ws itself; on_closed tells us. */
    enum err err = ws_send_text(s->ws, buf_str(b), WS_CONTROL);
    (void)err;
}

void provider_write_error(struct provider_session *s, const char *type, const char *code,
                          struct str event_id, const char *message)
{
    struct buf *b = provider_write_open(s, "error");
    buf_printf(b, ",\"error\":{\"type\":\"%s\",\"code\":\"%s\",\"param\":null", type, code);
    provider_write_text(b, "message", str_of(message));
    if (event_id.p)
        provider_write_text(b, "event_id", event_id);
    else
        provider_write_raw(b, "event_id", "null");
    buf_put_byte(b, '}');
    provider_write_send(s);
}

void provider_write_refuse(struct provider_session *s, const char *code, struct str event_id,
                           const char *fmt, ...)
{
    struct provider *p = s->provider;
    char message[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    p->counts.violations++;
    if (p->violation_count < PROVIDER_RECORDS_MAX) {
        struct provider_violation *v = &p->violations[p->violation_count++];
        v->session = s->number;
        snprintf(v->code, sizeof(v->code), "%s", code);
        snprintf(v->detail, sizeof(v->detail), "%.159s", message);
    }
    provider_write_error(s, "invalid_request_error", code, event_id, message);
}

void provider_write_message(struct buf *b, const char *key, const char *id, const char *role,
                            const char *status, const char *text)
{
    bool user = strcmp(role, "user") == 0;
    buf_printf(b,
               "%s\"%s\":{\"id\":\"%s\",\"object\":\"realtime.item\",\"type\":\"message\","
               "\"status\":\"%s\",\"role\":\"%s\",\"content\":[",
               key[0] ? "," : "", key, id, status, role);
    if (user) {
        buf_printf(b, "{\"type\":\"input_audio\",\"transcript\":null}");
    } else if (text) {
        buf_printf(b, "{\"type\":\"output_audio\"");
        provider_write_text(b, "transcript", str_of(text));
        buf_put_byte(b, '}');
    }
    buf_printf(b, "]}");
}

void provider_write_call(struct buf *b, const char *key, const char *id, const char *call_id,
                         const char *name, const char *arguments, const char *status)
{
    buf_printf(b,
               ",\"%s\":{\"id\":\"%s\",\"object\":\"realtime.item\",\"type\":\"function_call\","
               "\"status\":\"%s\",\"call_id\":\"%s\"",
               key, id, status, call_id);
    provider_write_text(b, "name", str_of(name));
    provider_write_text(b, "arguments", str_of(arguments));
    buf_put_byte(b, '}');
}

/* User 1 token for 100 ms, assistant 1 for 50 ms, four characters a text token. */
static void put_usage(struct provider_session *s, struct buf *b)
{
    const struct provider_response *r = &s->response;
    int64_t audio_out = (int64_t)r->sent / 400;
    int64_t text_out = (int64_t)r->text_sent / 4 + (r->calls ? 12 : 0);
    int64_t in = s->tokens_text + s->tokens_audio;
    int64_t cached = s->tokens_seen < in ? s->tokens_seen : in;
    int64_t cached_audio = cached < s->tokens_audio ? cached : s->tokens_audio;
    buf_printf(b,
               ",\"usage\":{\"total_tokens\":%" PRId64 ",\"input_tokens\":%" PRId64
               ",\"output_tokens\":%" PRId64 ",\"input_token_details\":{\"text_tokens\":%" PRId64
               ",\"audio_tokens\":%" PRId64 ",\"image_tokens\":0,\"cached_tokens\":%" PRId64
               ",\"cached_tokens_details\":{\"text_tokens\":%" PRId64 ",\"audio_tokens\":%" PRId64
               ",\"image_tokens\":0}},\"output_token_details\":{\"text_tokens\":%" PRId64
               ",\"audio_tokens\":%" PRId64 "}}",
               in + audio_out + text_out, in, audio_out + text_out, s->tokens_text, s->tokens_audio,
               cached, cached - cached_audio, cached_audio, text_out, audio_out);
    s->tokens_seen = in;
    s->tokens_audio += audio_out;
    s->tokens_text += text_out;
}

static void put_details(struct buf *b, const char *status, const char *reason,
                        const char *error_code)
{
    if (strcmp(status, "in_progress") == 0 || strcmp(status, "completed") == 0) {
        provider_write_raw(b, "status_details", "null");
        return;
    }
    buf_printf(b, ",\"status_details\":{\"type\":\"%s\"", status);
    if (reason)
        provider_write_text(b, "reason", str_of(reason));
    if (error_code)
        buf_printf(b,
                   ",\"error\":{\"type\":\"%s\",\"code\":\"%s\","
                   "\"message\":\"The scripted provider failed as it was told to.\"}",
                   error_code, error_code);
    buf_put_byte(b, '}');
}

void provider_write_response(struct provider_session *s, const char *type, const char *status,
                             const char *reason, const char *error_code)
{
    const struct provider_response *r = &s->response;
    bool done = strcmp(type, "response.done") == 0;
    struct buf *b = provider_write_open(s, type);
    buf_printf(b, ",\"response\":{\"object\":\"realtime.response\",\"id\":\"%s\",\"status\":\"%s\"",
               r->id, status);
    put_details(b, status, reason, error_code);
    buf_printf(b, ",\"output\":[");
    if (done && r->item_id[0]) {
        char *heard = r->text ? mem_strndup(r->text, r->text_sent) : NULL;
        bool whole = strcmp(status, "completed") == 0;
        struct buf item;
        buf_init(&item, PROVIDER_SCRIPT_BYTES_MAX);
        provider_write_message(&item, "x", r->item_id, "assistant",
                               whole ? "completed" : "incomplete", heard ? heard : "");
        /* Without the ',"x":' that a member of an object has. */
        buf_put_str(b, str_slice(buf_str(&item), 5, item.len));
        buf_fini(&item);
        mem_free(heard);
    }
    if (done && r->call_item_id[0]) {
        struct buf item;
        buf_init(&item, PROVIDER_SCRIPT_BYTES_MAX);
        provider_write_call(&item, "x", r->call_item_id, r->call_id, r->step->call,
                            r->step->arguments, "completed");
        if (r->item_id[0])
            buf_put_byte(b, ',');
        buf_put_str(b, str_slice(buf_str(&item), 5, item.len));
        buf_fini(&item);
    }
    buf_printf(b, "],\"output_modalities\":[\"audio\"],\"max_output_tokens\":\"inf\"");
    if (!r->out_of_band)
        buf_printf(b, ",\"conversation_id\":\"conv_%u\"", s->number);
    if (done)
        put_usage(s, b);
    else
        provider_write_raw(b, "usage", "null");
    provider_write_raw(b, "metadata", r->metadata ? r->metadata : "null");
    buf_put_byte(b, '}');
    provider_write_send(s);
}
