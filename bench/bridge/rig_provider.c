/* The provider's end: as much of the Realtime API as one endless answer needs. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "bridge/rig_private.h"
#include "proto/rt_event.h"

struct session {
    struct rig *rig;
    struct ws *ws;
    struct line *line;
    unsigned number;
    bool answering; /* a response runs: every append gets a delta */
    uint64_t events;
};

static void send_text(struct session *s)
{
    struct buf *b = &s->rig->out;
    if (!buf_ok(b) || ws_send_text(s->ws, buf_str(b), WS_CONTROL) != OK)
        rig_failed(s->line, "the provider cannot send");
}

static void begin(struct session *s, const char *type)
{
    buf_reset(&s->rig->out);
    buf_printf(&s->rig->out, "{\"type\":\"%s\",\"event_id\":\"event_%u_%" PRIu64 "\",", type,
               s->number, ++s->events);
}

static void send_session(struct session *s, const char *type)
{
    begin(s, type);
    buf_printf(&s->rig->out,
               "\"session\":{\"type\":\"realtime\",\"object\":\"realtime.session\","
               "\"id\":\"sess_%u\",\"model\":\"bench\"}}",
               s->number);
    send_text(s);
}

static void send_delta(struct session *s)
{
    begin(s, "response.output_audio.delta");
    buf_printf(&s->rig->out,
               "\"response_id\":\"resp_%u\",\"item_id\":\"item_%u\",\"output_index\":0,"
               "\"content_index\":0,\"delta\":\"%s\"}",
               s->number, s->number, s->rig->agent);
    s->line->counts.delta_bytes = s->rig->out.len;
    send_text(s);
}

static void begin_answer(struct session *s)
{
    if (s->answering) {
        rig_failed(s->line, "the server asked for two answers at once");
        return;
    }
    s->answering = true;
    begin(s, "response.created");
    buf_printf(&s->rig->out,
               "\"response\":{\"object\":\"realtime.response\",\"id\":\"resp_%u\","
               "\"status\":\"in_progress\",\"output\":[]}}",
               s->number);
    send_text(s);
    begin(s, "response.output_item.added");
    buf_printf(&s->rig->out,
               "\"response_id\":\"resp_%u\",\"output_index\":0,\"item\":{\"id\":\"item_%u\","
               "\"type\":\"message\",\"role\":\"assistant\",\"status\":\"in_progress\","
               "\"content\":[]}}",
               s->number, s->number);
    send_text(s);
    send_delta(s); /* nobody waits for it: it tells the carrier's end that the call is up */
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
        s->line->counts.append_bytes = text.len;
        if (s->answering)
            send_delta(s);
    } else if (ev.type == RT_SESSION_UPDATE) {
        send_session(s, "session.updated");
    } else if (ev.type == RT_RESPONSE_CREATE) {
        begin_answer(s);
    } else if (ev.type == RT_RESPONSE_CANCEL || ev.type == RT_ITEM_TRUNCATE) {
        rig_failed(s->line, "the server interrupted the answer");
    }
    rt_event_fini(&ev);
}

static void on_relay_text(void *ctx, struct str text)
{
    struct session *s = ctx;
    s->line->counts.append_bytes = text.len;
    send_delta(s);
}

static void on_closed(void *ctx, unsigned code, struct str reason)
{
    struct session *s = ctx;
    struct rig *r = s->rig;
    char why[128];
    snprintf(why, sizeof(why), "a provider session was closed: %u %.*s", code,
             STR_FMT(str_slice(reason, 0, 80)));
    if (!s->line->hanging_up)
        rig_failed(s->line, why);
    r->sessions--;
    mem_free(s);
    rig_check_quiet(r);
}

static struct session *answer(struct rig *r, enum rig_line line, struct http_exchange *ex,
                              const struct ws_events *events)
{
    struct session *s = mem_zalloc(sizeof(*s));
    *s = (struct session){.rig = r, .line = &r->lines[line], .number = ++r->answered};
    if (http_upgrade(ex, NULL, NULL, events, s, &s->ws) != OK) {
        rig_failed(s->line, "the provider refused an upgrade");
        mem_free(s);
        return NULL;
    }
    r->sessions++;
    return s;
}

static void on_realtime(void *ctx, struct http_exchange *ex)
{
    static const struct ws_events events = {.on_text = on_realtime_text, .on_closed = on_closed};
    struct session *s = answer(ctx, RIG_BRIDGE, ex, &events);
    if (s)
        send_session(s, "session.created");
}

static void on_relay(void *ctx, struct http_exchange *ex)
{
    static const struct ws_events events = {.on_text = on_relay_text, .on_closed = on_closed};
    (void)answer(ctx, RIG_RELAY, ex, &events);
}

enum err rig_provider_open(struct rig *r, struct err_detail *detail)
{
    static const struct http_route_opts websocket = {.websocket = true};
    r->router = http_router_new();
    http_router_add(r->router, "GET", "/v1/realtime", &websocket, on_realtime, r);
    http_router_add(r->router, "GET", RIG_RELAY_PATH, &websocket, on_relay, r);
    struct http_server_opts opts = {.host = "127.0.0.1", .router = r->router};
    enum err err = http_server_open(&r->http, r->loop, &opts, detail);
    if (err)
        http_router_free(r->router);
    return err;
}
