#include "bridge/rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "bridge/rig_private.h"
#include "net/http.h"
#include "proto/twilio_msg.h"

/* -- waiting -- */

void rig_wake(struct rig *r)
{
    r->woken = true;
    uv_stop(loop_uv(r->loop));
}

static void on_late(void *ctx)
{
    struct rig *r = ctx;
    r->late = true;
    rig_wake(r);
}

/* Runs the loop until somebody calls rig_wake; false after `ms`. */
static bool wait_for(struct rig *r, uint32_t ms)
{
    r->late = false;
    loop_timer_set(r->timer, ms);
    while (!r->woken)
        loop_run(r->loop);
    r->woken = false;
    loop_timer_cancel(r->timer);
    return !r->late;
}

void rig_failed(struct line *line, const char *why)
{
    if (!line->failed)
        snprintf(line->failure, sizeof(line->failure), "%s", why);
    line->failed = true;
    rig_wake(line->rig);
}

/* -- the carrier's end of one call -- */

static void send_text(struct call_end *c, const struct buf *b)
{
    if (!buf_ok(b) || ws_send_text(c->ws, buf_str(b), WS_CONTROL) != OK)
        rig_failed(c->line, "the carrier cannot send");
}

static void send_frame(struct call_end *c)
{
    struct line *line = c->line;
    struct buf *b = &line->rig->out;
    struct twilio_msg m = {.sequence = ++c->sequence,
                           .chunk = ++c->chunk,
                           .timestamp_ms = c->chunk * RIG_FRAME_MS,
                           .stream_sid = str_of(c->stream_sid),
                           .payload = str_of(line->rig->caller)};
    buf_reset(b);
    twilio_write_inbound_media(b, &m);
    line->counts.media_bytes = b->len;
    c->flying = true;
    line->flying++;
    send_text(c, b);
}

static void came_back(struct call_end *c, size_t bytes)
{
    struct line *line = c->line;
    line->counts.answer_bytes = bytes;
    if (!c->ready) {
        c->ready = true;
        if (++line->ready == line->count)
            rig_wake(line->rig);
        return;
    }
    if (!c->flying) {
        rig_failed(line, "a frame came back that was not sent");
        return;
    }
    c->flying = false;
    line->flying--;
    line->counts.frames++;
    if (line->running)
        send_frame(c);
    else if (line->flying == 0)
        rig_wake(line->rig);
}

static void echo(struct call_end *c, struct str name)
{
    struct buf *b = &c->line->rig->out;
    struct twilio_msg m = {
        .sequence = ++c->sequence, .stream_sid = str_of(c->stream_sid), .mark = name};
    buf_reset(b);
    twilio_write_mark_echo(b, &m);
    c->line->counts.marks++;
    send_text(c, b);
}

/* What is not the provider's audio is the announcement: heard, and nothing else. */
static void on_carrier_text(void *ctx, struct str text)
{
    struct call_end *c = ctx;
    struct twilio_msg m;
    if (c->line == &c->line->rig->lines[RIG_RELAY]) {
        came_back(c, text.len);
        return;
    }
    if (twilio_msg_parse_reply(&m, text, NULL) != OK) {
        rig_failed(c->line, "the server sent what Twilio would not take");
        return;
    }
    if (m.type == TWILIO_MARK)
        echo(c, m.mark);
    else if (m.type == TWILIO_CLEAR)
        rig_failed(c->line, "the server cleared its audio");
    else if (str_starts(m.payload, str_n(c->line->rig->agent, RIG_MARKER_CHARS)))
        came_back(c, text.len);
    twilio_msg_fini(&m);
}

static void on_carrier_open(void *ctx)
{
    struct call_end *c = ctx;
    struct buf *b = &c->line->rig->out;
    if (c->line == &c->line->rig->lines[RIG_RELAY]) {
        came_back(c, 0);
        return;
    }
    buf_reset(b);
    twilio_write_connected(b);
    send_text(c, b);
    struct twilio_msg m = {.sequence = ++c->sequence,
                           .account_sid = STR("AC00000000000000000000000000000000"),
                           .stream_sid = str_of(c->stream_sid),
                           .call_sid = str_of(c->call_sid)};
    buf_reset(b);
    twilio_write_start(b, &m);
    send_text(c, b);
}

static void on_carrier_closed(void *ctx, unsigned code, struct str reason)
{
    struct call_end *c = ctx;
    struct line *line = c->line;
    char why[128];
    snprintf(why, sizeof(why), "a stream was closed: %u %.*s", code,
             STR_FMT(str_slice(reason, 0, 80)));
    c->ws = NULL;
    line->open--;
    if (!line->hanging_up)
        rig_failed(line, why);
    rig_check_quiet(line->rig);
}

void rig_check_quiet(struct rig *r)
{
    unsigned open = r->sessions;
    for (int i = 0; i < RIG_LINE_COUNT; i++)
        open += r->lines[i].hanging_up ? r->lines[i].open : 0;
    bool hanging_up = r->lines[RIG_BRIDGE].hanging_up || r->lines[RIG_RELAY].hanging_up;
    if (hanging_up && open == r->sessions_kept)
        rig_wake(r);
}

static enum err dial(struct line *line, uint16_t port, struct call_end **out,
                     struct err_detail *detail)
{
    static const struct ws_events events = {
        .on_open = on_carrier_open, .on_text = on_carrier_text, .on_closed = on_carrier_closed};
    struct rig *r = line->rig;
    bool relay = line == &r->lines[RIG_RELAY];
    char url[96];
    struct call_end *c = mem_zalloc(sizeof(*c));
    c->line = line;
    r->dialled++;
    snprintf(c->call_sid, sizeof(c->call_sid), "CA%032x", r->dialled);
    snprintf(c->stream_sid, sizeof(c->stream_sid), "MZ%032x", r->dialled);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u%s", port,
             relay ? RIG_RELAY_PATH : "/api/twilio/stream");
    struct ws_connect_opts opts = {.url = str_of(url), .timeout_ms = RIG_WAIT_MS};
    enum err err = ws_connect(r->loop, &opts, &events, c, &c->ws, detail);
    if (err) {
        mem_free(c);
        return err;
    }
    line->open++;
    *out = c;
    return OK;
}

/* -- lines -- */

enum err rig_call(struct rig *r, enum rig_line which, uint16_t port, unsigned count,
                  struct err_detail *detail)
{
    struct line *line = &r->lines[which];
    line->calls = mem_realloc(line->calls, (line->count + count) * sizeof(struct call_end *));
    for (unsigned i = 0; i < count; i++) {
        enum err err = dial(line, port, &line->calls[line->count], detail);
        if (err)
            return err;
        line->count++;
    }
    if (!wait_for(r, RIG_WAIT_MS))
        return err_explain(detail, ERR_TIMEOUT, "only %u of %u calls were answered", line->ready,
                           line->count);
    return line->failed ? err_explain(detail, ERR_UPSTREAM, "%s", line->failure) : OK;
}

static enum err wait_or_fail(struct rig *r, struct line *line, struct err_detail *detail)
{
    bool in_time = wait_for(r, RIG_WAIT_MS);
    if (line->failed)
        return err_explain(detail, ERR_UPSTREAM, "%s", line->failure);
    if (!in_time)
        return err_explain(detail, ERR_TIMEOUT, "%u frames did not come back", line->flying);
    return OK;
}

enum err rig_round(struct rig *r, enum rig_line which, uint32_t ms, struct err_detail *detail)
{
    struct line *line = &r->lines[which];
    ASSERT(line->flying == 0);
    line->running = true;
    for (unsigned i = 0; i < line->count; i++)
        send_frame(line->calls[i]);
    (void)wait_for(r, ms); /* nothing but a failure ends it sooner */
    line->running = false;
    if (line->failed)
        return err_explain(detail, ERR_UPSTREAM, "%s", line->failure);
    return line->flying ? wait_or_fail(r, line, detail) : OK;
}

void rig_settle(struct rig *r)
{
    (void)wait_for(r, RIG_SETTLE_MS);
}

struct rig_counts rig_counts(const struct rig *r, enum rig_line which)
{
    return r->lines[which].counts;
}

void rig_hang_up(struct rig *r, enum rig_line which)
{
    struct line *line = &r->lines[which];
    if (line->count == 0)
        return;
    line->hanging_up = true;
    /* Each call has one session at the provider; the other line's stay. */
    r->sessions_kept = r->lines[!which].open;
    for (unsigned i = 0; i < line->count; i++)
        if (line->calls[i]->ws)
            ws_close(line->calls[i]->ws, WS_CODE_NORMAL, STR("bye"));
    if (line->open || r->sessions != r->sessions_kept)
        (void)wait_for(r, RIG_WAIT_MS);
    for (unsigned i = 0; i < line->count; i++)
        mem_free(line->calls[i]);
    mem_free(line->calls);
    *line = (struct line){.rig = r};
}

/* -- the rig -- */

/* Base64 of one frame: 160 bytes of mu-law that no silence detector takes for silence. */
static void make_frame(char *out, const char *head)
{
    uint8_t frame[RIG_FRAME_BYTES];
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = i < strlen(head) ? (uint8_t)head[i] : (uint8_t)(0x20 + i * 37 % 96);
    out[base64_encode(out, frame, sizeof(frame))] = '\0';
}

enum err rig_open(struct rig **out, struct loop *l, struct err_detail *detail)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    r->loop = l;
    r->timer = loop_timer_new(l, on_late, r);
    buf_init(&r->out, RIG_MESSAGE_BYTES_MAX);
    make_frame(r->caller, "caller-bench");
    make_frame(r->agent, "agent--bench"); /* 12 bytes: exactly RIG_MARKER_CHARS characters */
    for (int i = 0; i < RIG_LINE_COUNT; i++)
        r->lines[i].rig = r;
    enum err err = rig_provider_open(r, detail);
    if (err) {
        loop_timer_free(r->timer);
        mem_free(r);
        return err;
    }
    *out = r;
    return OK;
}

static void on_provider_closed(void *ctx)
{
    struct rig *r = ctx;
    r->http = NULL;
    rig_wake(r);
}

void rig_close(struct rig *r)
{
    if (!r)
        return;
    http_server_close(r->http, on_provider_closed, r);
    while (r->http)
        (void)wait_for(r, RIG_WAIT_MS);
    http_router_free(r->router);
    loop_timer_free(r->timer);
    buf_fini(&r->out);
    mem_free(r);
}

uint16_t rig_provider_port(const struct rig *r)
{
    return http_server_port(r->http);
}
