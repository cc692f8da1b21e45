/*
 * The media stream: a clock of 20 ms that speaks, listens and keeps the truth of what was heard.
 *
 * Between the clock and the socket lies a line for each direction, which can delay as a network
 * does. The clock counts frames: time within a stream is frames times 20 ms, as on a telephone.
 */
#include <inttypes.h>
#include <stdio.h>

#include "app/dial_private.h"
#include "app/voice.h"
#include "base/base64.h"
#include "net/url.h"
#include "proto/twilio_sig.h"

static void send_out(struct dial_call *c)
{
    if (buf_ok(&c->out))
        dial_line_send(c->up, buf_str(&c->out));
}

/* A message reaches the server. After a hang-up the last one is `stop`, and the close follows it.
 */
static void on_up(void *ctx, struct str text)
{
    struct dial_call *c = ctx;
    if (!c->ws)
        return;
    enum err err = ws_send_text(c->ws, text, WS_CONTROL);
    (void)err; /* a server that closes meanwhile is told by on_closed */
    if (c->stream_closed_by_us && dial_line_waiting(c->up) == 0)
        ws_close(c->ws, WS_CODE_NORMAL, STR_NONE);
}

/* What every message of the carrier carries. */
static struct twilio_msg message(struct dial_call *c)
{
    return (struct twilio_msg){.stream_sid = str_of(c->stream_sid),
                               .call_sid = str_of(c->call_sid),
                               .account_sid = str_of(c->opts->account_sid),
                               .sequence = ++c->sequence};
}

static void send_media(struct dial_call *c, const uint8_t *frame)
{
    char text[VOICE_FRAME_BYTES * 2];
    struct twilio_msg m = message(c);
    m.payload = str_n(text, base64_encode(text, frame, VOICE_FRAME_BYTES));
    m.chunk = ++c->chunk;
    m.timestamp_ms = (c->ticks - 1) * VOICE_FRAME_MS;
    buf_reset(&c->out);
    twilio_write_inbound_media(&c->out, &m);
    send_out(c);
}

static void echo_marks(struct dial_call *c)
{
    const char *name;
    while ((name = dial_playout_due(&c->playout)) != NULL) {
        struct twilio_msg m = message(c);
        m.mark = str_of(name);
        buf_reset(&c->out);
        twilio_write_mark_echo(&c->out, &m);
        send_out(c);
    }
}

static int64_t stream_ms(const struct dial_call *c)
{
    return c->ticks * VOICE_FRAME_MS;
}

static void on_talk(void *ctx, enum dial_talk_event event, const struct dial_turn *turn, char digit)
{
    struct dial_call *c = ctx;
    dial_on_talk(c, event, turn, digit);
    if (event == DIAL_DIGIT) {
        struct twilio_msg m = message(c);
        m.digit = str_n(&digit, 1);
        buf_reset(&c->out);
        twilio_write_dtmf(&c->out, &m);
        send_out(c);
    } else if (event == DIAL_DONE && c->opts->hangup_ms < 0) {
        dial_call_end(c, DIAL_END_CALLER, "everything was said");
    }
}

static void on_cleared(struct dial_call *c)
{
    int64_t played_ms = c->playout.heard / 8;
    size_t dropped = dial_playout_clear(&c->playout);
    if (dropped > 0) {
        int64_t heard_ms = dial_talk_cleared(&c->talk, stream_ms(c), played_ms);
        if (c->clear_count < DIAL_CLEARS_MAX)
            c->cleared[c->clear_count++] =
                (struct dial_clear){stream_ms(c), heard_ms, played_ms, (int64_t)dropped / 8};
    }
    echo_marks(c);
}

static void on_down(void *ctx, struct str text)
{
    struct dial_call *c = ctx;
    struct twilio_msg m;
    if (!c->streaming)
        return;
    if (twilio_msg_parse_reply(&m, text, NULL) != OK) {
        c->bad_messages++; /* Twilio: warning 31950 or 31951, and nothing happens */
        return;
    }
    enum err err = OK;
    if (!str_eq(m.stream_sid, str_of(c->stream_sid)))
        err = ERR_INVALID;
    else if (m.type == TWILIO_MEDIA)
        err = dial_playout_add(&c->playout, m.payload);
    else if (m.type == TWILIO_MARK)
        err = dial_playout_mark(&c->playout, m.mark);
    else
        on_cleared(c);
    if (err != OK)
        c->bad_messages++;
    else if (m.type == TWILIO_MARK)
        echo_marks(c); /* nothing waits: it is due at once */
    twilio_msg_fini(&m);
}

static void on_audible(struct dial_call *c)
{
    struct dial_break *last = c->break_count ? &c->breaks[c->break_count - 1] : NULL;
    c->last_audible_ms = dial_call_now_ms(c);
    if (last && last->stream_ms >= 0 && last->heard_ms < 0) {
        last->heard_ms = c->last_audible_ms;
        dial_say(c, "the agent is back (after %.1f s)",
                 (double)(last->heard_ms - last->at_ms) / 1000.0);
    }
}

/* One frame of 20 ms. */
static void step(struct dial_call *c)
{
    uint8_t heard[VOICE_FRAME_BYTES], said[VOICE_FRAME_BYTES];
    c->ticks++;
    size_t took = dial_playout_take(&c->playout, heard);
    struct dial_heard h = {.audible = took > 0 && voice_level(heard) >= VOICE_AUDIBLE,
                           .empty = dial_playout_empty(&c->playout),
                           .idle = took == 0,
                           .played_ms = c->playout.heard / 8};
    echo_marks(c);
    if (h.audible)
        on_audible(c);
    dial_talk_tick(&c->talk, stream_ms(c), &h, said);
    if (c->opts->keep_audio) {
        buf_put(&c->agent_audio, heard, sizeof(heard));
        buf_put(&c->caller_audio, said, sizeof(said));
    }
    if (!c->streaming)
        return;
    send_media(c, said);
    if (c->opts->hangup_ms >= 0 && stream_ms(c) >= c->opts->hangup_ms)
        dial_call_end(c, DIAL_END_CALLER, "--hangup-after");
}

static void on_tick(void *ctx)
{
    struct dial_call *c = ctx;
    int64_t now = loop_now_us(c->loop);
    int64_t late_ms = (now - c->next_us) / 1000;
    int ran = 0;
    if (late_ms > c->max_late_ms)
        c->max_late_ms = late_ms;
    while (c->streaming && c->next_us <= now && ran < DIAL_LATE_TICKS_MAX) {
        c->next_us += VOICE_FRAME_MS * 1000;
        step(c);
        ran++;
    }
    c->late_ticks += ran > 1 ? (uint64_t)ran - 1 : 0;
    if (c->next_us <= now) /* the machine stood still: the frames in between never existed */
        c->next_us = now + VOICE_FRAME_MS * 1000;
    if (c->streaming)
        loop_timer_set(c->tick, (uint64_t)(c->next_us - now + 999) / 1000);
}

static void on_open(void *ctx)
{
    struct dial_call *c = ctx;
    bool first = c->stream_open_ms < 0;
    if (first)
        c->stream_open_ms = dial_call_now_ms(c);
    dial_say(c, first ? "connected" : "connected again");
    buf_reset(&c->out);
    twilio_write_connected(&c->out);
    send_out(c);
    struct twilio_msg m = message(c);
    memcpy(m.params, c->params, sizeof(m.params));
    m.param_count = c->param_count;
    buf_reset(&c->out);
    twilio_write_start(&c->out, &m);
    send_out(c);
    c->streaming = true;
    if (c->broken) {
        c->breaks[c->break_count - 1].stream_ms = dial_call_now_ms(c);
        c->breaks[c->break_count - 1].resumed = true;
        c->broken = false;
        dial_talk_resumed(&c->talk, stream_ms(c));
    }
    c->stream_us = loop_now_us(c->loop);
    c->next_us = c->stream_us + VOICE_FRAME_MS * 1000;
    loop_timer_set(c->tick, VOICE_FRAME_MS);
}

static void on_text(void *ctx, struct str text)
{
    struct dial_call *c = ctx;
    dial_line_send(c->down, text);
}

static void on_binary(void *ctx, struct str data)
{
    struct dial_call *c = ctx;
    (void)data;
    c->bad_messages++;
}

/* The stream has ended, for the caller too. */
static void over(void *ctx)
{
    struct dial_call *c = ctx;
    bool by_server = !c->stream_closed_by_us;
    dial_stream_stop(c);
    if (c->closing)
        return;
    c->unheard_ms = (int64_t)dial_playout_waiting(&c->playout) / 8;
    if (by_server && c->ended_by == DIAL_END_NONE)
        dial_say(c, "the agent's side closed the stream (%u)%s", c->close_code,
                 c->unheard_ms > 0 ? " before everything was heard" : "");
    dial_playout_lost(&c->playout);
    dial_call_stream_over(c, by_server);
}

static void on_closed(void *ctx, unsigned code, struct str reason)
{
    struct dial_call *c = ctx;
    c->ws = NULL;
    c->close_code = code;
    bool refused = str_starts(reason, STR("HTTP ")) || !c->action;
    if (!c->streaming && !c->stream_closed_by_us && refused) {
        dial_call_fail(c, "the stream was refused: %.*s", STR_FMT(reason));
    } else if (c->stream_closed_by_us || c->opts->rtt_ms == 0) {
        over(c);
    } else {
        /* What was sent before the close is still under way. */
        loop_timer_set(c->last_word, (uint64_t)c->opts->rtt_ms / 2);
    }
}

static const struct ws_events stream_events = {
    .on_open = on_open, .on_text = on_text, .on_binary = on_binary, .on_closed = on_closed};

/* A stream that follows another one (after <Connect action>) begins afresh; the figures go on. */
static void prepare(struct dial_call *c)
{
    int64_t half_ms = c->opts->rtt_ms / 2;
    dial_line_free(c->up);
    dial_line_free(c->down);
    c->up = dial_line_new(c->loop, half_ms, c->opts->jitter_ms, on_up, c);
    c->down = dial_line_new(c->loop, half_ms, 0, on_down, c);
    if (!c->tick) {
        c->tick = loop_timer_new(c->loop, on_tick, c);
        c->last_word = loop_timer_new(c->loop, over, c);
    }
    if (!c->talk.turns)
        dial_talk_init(&c->talk, &c->opts->talk, on_talk, c);
    memcpy(c->stream_sid, "MZ", 2);
    rng_hex(loop_rng(c->loop), c->stream_sid + 2, 16);
    c->sequence = c->chunk = 0;
    c->stream_closed_by_us = false;
}

void dial_stream_open(struct dial_call *c, struct str url)
{
    struct err_detail why = {"the TwiML's stream has no url"};
    struct url parts;
    if (!url.p || url_parse(url, &parts, &why) != OK || !parts.websocket) {
        dial_call_fail(c, "cannot open the stream: %s", why.text);
        return;
    }
    if (memchr(url.p, '?', url.len)) {
        dial_call_fail(c, "Twilio opens no stream whose url has a query");
        return;
    }
    prepare(c);
    struct buf target, headers;
    buf_init(&target, HTTP_HEAD_BYTES_MAX);
    buf_init(&headers, HTTP_HEAD_BYTES_MAX);
    dial_call_route(c, url, true, &target);
    char signature[TWILIO_SIG_CHARS + 1];
    struct twilio_request r = {.url = url};
    buf_printf(&headers, "User-Agent: Twilio.TmeWs/1.0\r\n");
    if (c->opts->token && c->opts->token[0] &&
        twilio_sig_compute(signature, str_of(c->opts->token), &r) == OK)
        buf_printf(&headers, "X-Twilio-Signature: %s\r\n", signature);
    struct ws_connect_opts o = {
        .url = buf_str(&target), .headers = buf_str(&headers), .tls = c->tls};
    if (ws_connect(c->loop, &o, &stream_events, c, &c->ws, &why) != OK) {
        c->ws = NULL;
        dial_call_fail(c, "cannot open the stream: %s", why.text);
    }
    buf_fini(&target);
    buf_fini(&headers);
}

void dial_stream_stop(struct dial_call *c)
{
    c->streaming = false;
    if (c->tick) {
        loop_timer_cancel(c->tick);
        loop_timer_cancel(c->last_word);
    }
}

void dial_stream_hangup(struct dial_call *c)
{
    if (c->stream_closed_by_us)
        return;
    bool opened = c->streaming;
    c->stream_closed_by_us = true;
    dial_stream_stop(c);
    if (!opened) {
        ws_close(c->ws, WS_CODE_NORMAL, STR_NONE);
        return;
    }
    struct twilio_msg m = message(c);
    buf_reset(&c->out);
    twilio_write_stop(&c->out, &m);
    send_out(c);
}

void dial_stream_fini(struct dial_call *c)
{
    dial_line_free(c->up);
    dial_line_free(c->down);
    loop_timer_free(c->tick);
    loop_timer_free(c->last_word);
    if (c->talk.turns)
        dial_talk_fini(&c->talk);
}
