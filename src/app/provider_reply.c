/*
 * The answer being given: what it says, and when each piece of it leaves.
 *
 * Audio leaves in deltas of opts.delta_ms, opts.speed times faster than it is spoken, so that an
 * interruption finds an answer half sent, or wholly sent and hardly heard, as in life.
 */
#include <stdio.h>

#include "app/provider_private.h"
#include "base/base64.h"
#include "base/limits.h"

enum { LATE_DELTAS = 3, HUGE_BYTES = 17 << 20 };

static bool speaks(const struct provider_response *r)
{
    return r->item_id[0] != '\0';
}

static void put_ids(struct provider_session *s, struct buf *b)
{
    provider_write_text(b, "response_id", str_of(s->response.id));
    provider_write_text(b, "item_id", str_of(s->response.item_id));
    provider_write_int(b, "output_index", 0);
    provider_write_int(b, "content_index", 0);
}

static void want_fini(struct provider_want *w)
{
    mem_free(w->exact);
    mem_free(w->metadata);
    *w = (struct provider_want){0};
}

static void reply_clear(struct provider_response *r)
{
    mem_free(r->metadata);
    mem_free(r->text);
    buf_fini(&r->own);
    *r = (struct provider_response){0};
}

void provider_reply_fini(struct provider_session *s)
{
    reply_clear(&s->response);
    for (size_t i = 0; i < s->want_count; i++)
        want_fini(&s->wants[i]);
    s->want_count = 0;
}

/* "$output" stands for the tool's answer. */
static char *spoken_words(const struct provider_session *s, const char *say)
{
    struct str text = str_of(say), mark = STR("$output");
    size_t at = str_find(text, mark, 0);
    if (at == SIZE_MAX)
        return mem_strndup(text.p, text.len);
    struct buf b;
    buf_init(&b, PROVIDER_SCRIPT_BYTES_MAX);
    buf_put_str(&b, str_slice(text, 0, at));
    buf_put_str(&b, str_of(s->tool_output ? s->tool_output : "nothing"));
    buf_put_str(&b, str_slice(text, at + mark.len, text.len));
    char *words = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return words;
}

/* What this answer will be: exact words, an echo, or the next step of the script. */
static void choose(struct provider_session *s, const struct provider_want *w)
{
    struct provider *p = s->provider;
    struct provider_response *r = &s->response;
    if (w->exact) {
        r->text = mem_strdup(w->exact);
    } else if (p->opts.mode == PROVIDER_ECHO) {
        r->own = s->turn_audio;
        buf_init(&s->turn_audio, PROVIDER_TURN_BYTES_MAX);
        r->text = mem_strdup("You said this.");
        r->audio = (const uint8_t *)r->own.p;
        r->audio_len = r->own.len;
    } else {
        const struct provider_script *script = &p->script;
        for (size_t tries = 0; tries <= script->count; tries++) {
            r->step = &script->steps[s->step++ % script->count];
            if (!w->no_tools || r->step->say || !r->step->call)
                break;
        }
        r->text = r->step->say ? spoken_words(s, r->step->say) : NULL;
        r->calls = r->step->call && !w->no_tools;
        r->fault = r->step->fault;
        r->fault_arg = r->step->fault_arg;
    }
    const struct provider_opts *o = &p->opts;
    bool chosen = o->fault_sessions == 0 || (int64_t)s->number <= o->fault_sessions;
    if (o->fault != PROVIDER_FAULT_NONE && chosen && (int64_t)s->answers == o->fault_after) {
        r->fault = o->fault;
        r->fault_arg = o->fault_arg;
    }
    s->answers++;
    if (!r->text || r->audio)
        return;
    const struct provider_clip *clip = provider_clip(p, str_of(r->text));
    if (!clip) {
        buf_init(&r->own, VOICE_BYTES_MAX);
        provider_speak(p, str_of(r->text), &r->own);
    }
    const struct buf *mulaw = clip ? &clip->mulaw : &r->own;
    r->audio = (const uint8_t *)mulaw->p;
    r->audio_len = mulaw->len;
}

void provider_reply_begin(struct provider_session *s, struct provider_want want)
{
    struct provider_response *r = &s->response;
    if (r->active) {
        if (want.out_of_band && s->want_count < PROVIDER_WANTS_MAX) {
            s->wants[s->want_count++] = want;
            return;
        }
        /* A turn that ends while an answer runs gets none (interrupt_response false). */
        want_fini(&want);
        return;
    }
    reply_clear(r);
    r->active = true;
    r->out_of_band = want.out_of_band;
    r->metadata = want.metadata;
    want.metadata = NULL;
    provider_id(s, r->id, "resp");
    choose(s, &want);
    want_fini(&want);
    s->provider->counts.responses++;
    int64_t delay_ms = s->provider->opts.latency_ms + (r->step ? r->step->delay_ms : 0);
    r->next_us = loop_now_us(s->provider->loop) + delay_ms * 1000;
    if (delay_ms == 0)
        provider_reply_tick(s);
    else
        loop_timer_set(s->timer, (uint64_t)delay_ms);
}

static void item_event(struct provider_session *s, const char *type, bool of_response,
                       const char *status, const char *text)
{
    struct buf *b = provider_write_open(s, type);
    if (of_response) {
        provider_write_text(b, "response_id", str_of(s->response.id));
        provider_write_int(b, "output_index", 0);
    } else if (s->last_item[0] && strcmp(s->last_item, s->response.item_id) != 0) {
        provider_write_text(b, "previous_item_id", str_of(s->last_item));
    } else {
        provider_write_raw(b, "previous_item_id", "null");
    }
    provider_write_message(b, "item", s->response.item_id, "assistant", status, text);
    provider_write_send(s);
}

static void open_message(struct provider_session *s)
{
    struct provider_response *r = &s->response;
    provider_id(s, r->item_id, "item");
    item_event(s, "response.output_item.added", true, "in_progress", NULL);
    item_event(s, "conversation.item.added", false, "in_progress", NULL);
    if (!provider_item_add(s, r->item_id, PROVIDER_ASSISTANT))
        return;
    struct buf *b = provider_write_open(s, "response.content_part.added");
    put_ids(s, b);
    provider_write_raw(b, "part", "{\"type\":\"audio\",\"transcript\":\"\"}");
    provider_write_send(s);
}

/* Garbage a client must survive; each piece is harmless to one that reads carefully. */
static void send_garbage(struct provider_session *s)
{
    static const char *const junk[] = {
        "this is not JSON",
        "{\"type\":\"response.something.new\",\"event_id\":\"event_x\",\"deep\":{\"a\":[1,2]}}",
        "{\"type\":\"response.output_audio.delta\",\"delta\":42}",
        "{\"type\":7}",
        "[]",
        "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\",\"response_id\":\"resp_"
        "none\","
        "\"item_id\":\"item_none\",\"output_index\":0,\"content_index\":0,\"delta\":\"!!!!\"}",
    };
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        enum err err = ws_send_text(s->ws, str_of(junk[i]), WS_CONTROL);
        (void)err;
    }
}

static void send_huge(struct provider_session *s)
{
    char *p = mem_alloc(HUGE_BYTES);
    memset(p, ' ', HUGE_BYTES);
    enum err err = ws_send_text(s->ws, str_n(p, HUGE_BYTES), WS_CONTROL);
    (void)err;
    mem_free(p);
}

static void finish(struct provider_session *s, const char *status, const char *reason,
                   const char *error_code);

/* The faults that strike before the first audio. True: the answer goes no further. */
static bool fault_at_start(struct provider_session *s)
{
    struct provider_response *r = &s->response;
    static const char *const expired = "Your session hit the maximum duration of 60 minutes.";
    enum provider_fault fault = r->fault;
    if (fault == PROVIDER_FAULT_STALL) {
        r->stalled = true;
    } else if (fault == PROVIDER_FAULT_MUTE) {
        s->mute = true;
        r->stalled = true;
    } else if (fault == PROVIDER_FAULT_FAIL) {
        finish(s, "failed", NULL, "server_error");
    } else if (fault == PROVIDER_FAULT_RATE_LIMIT) {
        finish(s, "failed", NULL, "rate_limit_exceeded");
    } else if (fault == PROVIDER_FAULT_EXPIRE) {
        provider_write_error(s, "invalid_request_error", "session_expired", STR_NONE, expired);
        ws_close(s->ws, WS_CODE_GOING_AWAY, str_of(expired));
        s->ending = true;
    } else if (fault == PROVIDER_FAULT_ERROR) {
        provider_write_error(s, "server_error", "internal_error", STR_NONE,
                             "The server had an error while processing your request.");
        return false;
    } else if (fault == PROVIDER_FAULT_GARBAGE) {
        send_garbage(s);
        return false;
    } else if (fault == PROVIDER_FAULT_BINARY) {
        enum err err = ws_send_binary(s->ws, STR("\x01\x02\x03"));
        (void)err;
        return false;
    } else if (fault == PROVIDER_FAULT_HUGE) {
        send_huge(s);
        return false;
    } else {
        return false;
    }
    return true;
}

static void call_function(struct provider_session *s)
{
    struct provider_response *r = &s->response;
    const struct provider_step *step = r->step;
    int64_t index = speaks(r) ? 1 : 0;
    provider_id(s, r->call_item_id, "item");
    provider_id(s, r->call_id, "call");
    struct provider_item *item = provider_item_add(s, r->call_item_id, PROVIDER_CALL);
    if (!item)
        return;
    snprintf(item->call_id, sizeof(item->call_id), "%s", r->call_id);
    s->provider->counts.tool_calls++;
    static const char *const frames[] = {"response.output_item.added", "conversation.item.added",
                                         "conversation.item.done", "response.output_item.done"};
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        if (i == 2) {
            struct buf *d = provider_write_open(s, "response.function_call_arguments.done");
            provider_write_text(d, "response_id", str_of(r->id));
            provider_write_text(d, "item_id", str_of(r->call_item_id));
            provider_write_int(d, "output_index", index);
            provider_write_text(d, "call_id", str_of(r->call_id));
            provider_write_text(d, "name", str_of(step->call));
            provider_write_text(d, "arguments", str_of(step->arguments));
            provider_write_send(s);
        }
        struct buf *b = provider_write_open(s, frames[i]);
        if (i == 0 || i == 3) {
            provider_write_text(b, "response_id", str_of(r->id));
            provider_write_int(b, "output_index", index);
        }
        provider_write_call(b, "item", r->call_item_id, r->call_id, step->call,
                            i < 2 ? "" : step->arguments, i < 2 ? "in_progress" : "completed");
        provider_write_send(s);
    }
}

/* All the done events of the message, whole or cut. */
static void close_message(struct provider_session *s, const char *status)
{
    struct provider_response *r = &s->response;
    char *heard = r->text ? mem_strndup(r->text, r->text_sent) : mem_strdup("");
    struct buf *b = provider_write_open(s, "response.output_audio.done");
    put_ids(s, b);
    provider_write_send(s);
    b = provider_write_open(s, "response.output_audio_transcript.done");
    put_ids(s, b);
    provider_write_text(b, "transcript", str_of(heard));
    provider_write_send(s);
    b = provider_write_open(s, "response.content_part.done");
    put_ids(s, b);
    buf_printf(b, ",\"part\":{\"type\":\"audio\"");
    provider_write_text(b, "transcript", str_of(heard));
    buf_put_byte(b, '}');
    provider_write_send(s);
    item_event(s, "conversation.item.done", false, status, heard);
    item_event(s, "response.output_item.done", true, status, heard);
    mem_free(heard);
}

static void finish(struct provider_session *s, const char *status, const char *reason,
                   const char *error_code)
{
    struct provider_counts *counts = &s->provider->counts;
    bool completed = strcmp(status, "completed") == 0;
    if (speaks(&s->response))
        close_message(s, completed ? "completed" : "incomplete");
    if (completed && s->response.calls)
        call_function(s);
    provider_write_response(s, "response.done", status, reason, error_code);
    struct buf *b = provider_write_open(s, "rate_limits.updated");
    provider_write_raw(b, "rate_limits",
                       "[{\"name\":\"tokens\",\"limit\":1000000,\"remaining\":990000,"
                       "\"reset_seconds\":0.6}]");
    provider_write_send(s);
    counts->completed += completed;
    counts->failed += strcmp(status, "failed") == 0;
    counts->cancelled += strcmp(status, "cancelled") == 0;
    reply_clear(&s->response);
    loop_timer_cancel(s->timer);
    if (s->want_count > 0 && !s->ending) {
        struct provider_want next = s->wants[0];
        s->want_count--;
        memmove(s->wants, s->wants + 1, s->want_count * sizeof(s->wants[0]));
        provider_reply_begin(s, next);
    }
}

static void send_delta(struct provider_session *s, size_t bytes)
{
    struct provider_response *r = &s->response;
    if (r->text) {
        /* As much of the words as of the audio, at whole words. */
        size_t len = strlen(r->text);
        size_t to = (size_t)((double)len * (double)(r->sent + bytes) / (double)r->audio_len);
        while (to < len && r->text[to] != ' ')
            to++;
        if (to > r->text_sent) {
            struct buf *t = provider_write_open(s, "response.output_audio_transcript.delta");
            put_ids(s, t);
            provider_write_text(t, "delta", str_n(r->text + r->text_sent, to - r->text_sent));
            provider_write_send(s);
            r->text_sent = to;
        }
    }
    struct buf *b = provider_write_open(s, "response.output_audio.delta");
    put_ids(s, b);
    buf_put_str(b, STR(",\"delta\":\""));
    char *room = buf_reserve(b, base64_encoded_len(bytes));
    if (room)
        buf_commit(b, base64_encode(room, r->audio + r->sent, bytes));
    buf_put_byte(b, '"');
    provider_write_send(s);
    r->sent += bytes;
    s->provider->counts.deltas++;
    struct provider_item *item = provider_item_find(s, str_of(r->item_id));
    if (item)
        item->sent_bytes = (int64_t)r->sent;
}

/* The faults that strike in the middle of the audio. True: nothing more is sent. */
static bool fault_in_audio(struct provider_session *s)
{
    struct provider_response *r = &s->response;
    if (r->sent < PROVIDER_FAULT_AUDIO_MS * 8 && r->sent < r->audio_len)
        return false;
    if (r->fault == PROVIDER_FAULT_STALL_AUDIO) {
        r->stalled = true;
    } else if (r->fault == PROVIDER_FAULT_CLOSE) {
        unsigned code = r->fault_arg ? (unsigned)r->fault_arg : WS_CODE_INTERNAL;
        ws_close(s->ws, code, STR("the scripted provider closes as it was told to"));
        s->ending = true;
    } else if (r->fault == PROVIDER_FAULT_ABORT) {
        ws_abort(s->ws);
        s->ending = true;
    } else {
        return false;
    }
    return true;
}

static void begin(struct provider_session *s)
{
    struct provider_response *r = &s->response;
    r->begun = true;
    provider_write_response(s, "response.created", "in_progress", NULL, NULL);
    if (fault_at_start(s))
        return;
    if (r->text)
        open_message(s);
}

void provider_reply_tick(void *ctx)
{
    struct provider_session *s = ctx;
    struct provider_response *r = &s->response;
    const struct provider_opts *o = &s->provider->opts;
    if (!r->active || s->ending || r->stalled)
        return;
    if (!r->begun)
        begin(s);
    int64_t now = loop_now_us(s->provider->loop);
    size_t piece = (size_t)o->delta_ms * 8;
    while (r->active && !s->ending && !r->stalled) {
        if (r->sent >= r->audio_len) {
            finish(s, "completed", NULL, NULL);
            return;
        }
        if (o->speed > 0 && r->next_us > now)
            break;
        size_t left = r->audio_len - r->sent;
        send_delta(s, left < piece ? left : piece);
        if (fault_in_audio(s))
            return;
        if (o->speed > 0)
            r->next_us += (int64_t)piece * 125 / o->speed;
    }
    if (r->active && !s->ending && !r->stalled)
        loop_timer_set(s->timer, (uint64_t)((r->next_us - now + 999) / 1000));
}

/* After the response is dead: what a client must drop by its id. */
static void send_late(struct provider_session *s, const char *response_id, const char *item_id)
{
    for (int i = 0; i < LATE_DELTAS; i++) {
        struct buf *b = provider_write_open(s, "response.output_audio.delta");
        provider_write_text(b, "response_id", str_of(response_id));
        provider_write_text(b, "item_id", str_of(item_id));
        provider_write_int(b, "output_index", 0);
        provider_write_int(b, "content_index", 0);
        buf_put_str(b, STR(",\"delta\":\""));
        for (int k = 0; k < 1600; k += 3)
            buf_put_str(b, STR("gICA")); /* the loudest there is: nobody may hear it */
        buf_put_byte(b, '"');
        provider_write_send(s);
    }
}

void provider_reply_cancel(struct provider_session *s, const char *reason)
{
    struct provider_response *r = &s->response;
    if (!r->active || r->endless)
        return;
    char response_id[PROVIDER_ID_BYTES], item_id[PROVIDER_ID_BYTES];
    snprintf(response_id, sizeof(response_id), "%s", r->id);
    snprintf(item_id, sizeof(item_id), "%s", r->item_id);
    bool late = s->provider->opts.fault == PROVIDER_FAULT_LATE && r->item_id[0];
    if (!r->begun)
        provider_write_response(s, "response.created", "in_progress", NULL, NULL);
    r->begun = true;
    finish(s, "cancelled", reason, NULL);
    if (late)
        send_late(s, response_id, item_id);
}

void provider_reply_mirror(struct provider_session *s, struct str base64, size_t bytes)
{
    struct provider_response *r = &s->response;
    if (!r->active) {
        r->active = true;
        r->endless = true;
        s->provider->counts.responses++;
        provider_id(s, r->id, "resp");
        provider_write_response(s, "response.created", "in_progress", NULL, NULL);
        open_message(s);
    }
    struct buf *b = provider_write_open(s, "response.output_audio.delta");
    put_ids(s, b);
    provider_write_text(b, "delta", base64);
    provider_write_send(s);
    r->sent += bytes;
    s->provider->counts.deltas++;
}
