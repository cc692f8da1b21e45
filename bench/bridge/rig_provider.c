/* The provider's end: as much of the Realtime API as the conversations of the rig need. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "bridge/rig_private.h"
#include "proto/rt_event.h"

/* -- events -- */

void rig_event(struct session *s, const char *type)
{
    struct buf *b = &s->line->rig->out;
    buf_reset(b);
    buf_put_str(b, STR("{\"type\":\""));
    buf_put_str(b, str_of(type));
    buf_printf(b, "\",\"event_id\":\"event_%u_%" PRIu64 "\",", s->number, ++s->events);
}

void rig_event_send(struct session *s)
{
    struct buf *b = &s->line->rig->out;
    if (!buf_ok(b) || ws_send_text(s->ws, buf_str(b), WS_CONTROL) != OK)
        rig_failed(s->line, "the provider cannot send");
}

static void send_session(struct session *s, const char *type)
{
    rig_event(s, type);
    buf_printf(&s->line->rig->out,
               "\"session\":{\"type\":\"realtime\",\"object\":\"realtime.session\","
               "\"id\":\"sess_%u\",\"model\":\"bench\"}}",
               s->number);
    rig_event_send(s);
}

/* -- mirror -- */

static void send_delta(struct session *s, struct str audio)
{
    struct buf *b = &s->line->rig->out;
    rig_event(s, "response.output_audio.delta");
    buf_printf(b,
               "\"response_id\":\"resp_%u\",\"item_id\":\"item_%u\",\"output_index\":0,"
               "\"content_index\":0,\"delta\":\"",
               s->number, s->number);
    buf_put_str(b, audio);
    buf_put_str(b, STR("\"}"));
    s->line->counts.delta_bytes = b->len;
    rig_event_send(s);
}

/* Nobody waits for this frame: it tells the carrier's end that the call is up. */
static void send_hello(struct session *s)
{
    char frame[FRAME_CHARS];
    frame_write(frame, 0, FRAME_HELLO);
    send_delta(s, str_n(frame, sizeof(frame)));
}

static void begin_mirror(struct session *s)
{
    rig_event(s, "response.created");
    buf_printf(&s->line->rig->out,
               "\"response\":{\"object\":\"realtime.response\",\"id\":\"resp_%u\","
               "\"status\":\"in_progress\",\"output\":[]}}",
               s->number);
    rig_event_send(s);
    rig_event(s, "response.output_item.added");
    buf_printf(&s->line->rig->out,
               "\"response_id\":\"resp_%u\",\"output_index\":0,\"item\":{\"id\":\"item_%u\","
               "\"type\":\"message\",\"role\":\"assistant\",\"status\":\"in_progress\","
               "\"content\":[]}}",
               s->number, s->number);
    rig_event_send(s);
    send_hello(s);
}

/* -- what comes -- */

static void take_audio(struct session *s, struct str payload, size_t message_bytes)
{
    s->line->counts.append_bytes = message_bytes;
    if (s->line->opts.talk == RIG_TURNS)
        rig_turns_heard(s, payload);
    else if (s->answering && frame_is_ours(payload))
        send_delta(s, payload);
}

static void answer(struct session *s)
{
    if (s->answering) {
        rig_failed(s->line, "the server asked for two answers at once");
        return;
    }
    s->answering = true;
    if (s->line->opts.talk == RIG_TURNS)
        rig_turns_answer(s);
    else
        begin_mirror(s);
}

static void on_realtime_text(void *ctx, struct str text)
{
    struct session *s = ctx;
    struct rt_event ev;
    if (rt_event_parse(&ev, text, NULL) != OK) {
        rig_failed(s->line, "the server sent the provider what is no event");
        return;
    }
    if (ev.type == RT_INPUT_AUDIO_APPEND) {
        take_audio(s, ev.audio, text.len);
    } else if (ev.type == RT_SESSION_UPDATE) {
        s->auto_reply = str_find(text, STR("\"create_response\":false"), 0) == SIZE_MAX;
        send_session(s, "session.updated");
    } else if (ev.type == RT_RESPONSE_CREATE) {
        answer(s);
    } else if ((ev.type == RT_RESPONSE_CANCEL || ev.type == RT_ITEM_TRUNCATE) &&
               !s->line->opts.lenient) {
        rig_failed(s->line, "the server interrupted the answer");
    }
    rt_event_fini(&ev);
}

/* The carrier's own messages, by way of a relay. */
static void on_relay_text(void *ctx, struct str text)
{
    struct session *s = ctx;
    struct str payload = rig_text_after(text, STR("\"payload\":\""));
    if (payload.p)
        take_audio(s, payload, text.len);
}

static void on_closed(void *ctx, unsigned code, struct str reason)
{
    struct session *s = ctx;
    struct rig_line *line = s->line;
    char why[128];
    snprintf(why, sizeof(why), "a provider session was closed: %u %.*s", code,
             STR_FMT(str_slice(reason, 0, 80)));
    if (!line->hanging_up)
        rig_failed(line, why);
    rig_turns_forget(s);
    line->sessions--;
    mem_free(s);
    rig_check_quiet(line);
}

/* -- listening -- */

/* "/2/v1/realtime": the line, and which end its server has of it. */
static struct rig_line *line_of(struct rig *r, struct str path)
{
    unsigned index = path.len > 1 ? (unsigned)(path.p[1] - '0') : RIG_LINES_MAX;
    return index < r->line_count ? r->lines[index] : NULL;
}

static void on_request(void *ctx, struct http_exchange *ex)
{
    static const struct ws_events realtime = {.on_text = on_realtime_text, .on_closed = on_closed},
                                  relay = {.on_text = on_relay_text, .on_closed = on_closed};
    struct rig *r = ctx;
    struct rig_line *line = line_of(r, http_path(ex));
    if (!line) {
        http_reply_problem(ex, 404, NULL, NULL);
        return;
    }
    bool bytes = line->opts.kind == RIG_RELAY;
    struct session *s = mem_zalloc(sizeof(*s));
    *s = (struct session){.line = line, .number = ++r->answered, .auto_reply = bytes};
    if (http_upgrade(ex, NULL, NULL, bytes ? &relay : &realtime, s, &s->ws) != OK) {
        rig_failed(line, "the provider refused an upgrade");
        mem_free(s);
        return;
    }
    line->sessions++;
    if (!bytes)
        send_session(s, "session.created");
    else
        answer(s);
}

enum err rig_provider_open(struct rig *r, const char *cert, const char *key,
                           struct err_detail *detail)
{
    static const struct http_route_opts websocket = {.websocket = true, .prefix = true};
    static const char *const paths[RIG_LINES_MAX] = {"/0", "/1", "/2", "/3"};
    r->router = http_router_new();
    for (int i = 0; i < RIG_LINES_MAX; i++)
        http_router_add(r->router, "GET", paths[i], &websocket, on_request, r);
    struct http_server_opts opts = {.host = "127.0.0.1", .router = r->router};
    enum err err = tls_server_open(&r->tls, cert, key, detail);
    if (!err)
        err = http_server_open(&r->http[0], r->loop, &opts, detail);
    opts.tls = r->tls;
    if (!err)
        err = http_server_open(&r->http[1], r->loop, &opts, detail);
    return err;
}
