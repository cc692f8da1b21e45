/* One Media Stream: Twilio's WebSocket as a struct channel. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "channel/twilio_private.h"
#include "net/ws.h"
#include "proto/twilio_msg.h"

enum state {
    STATE_CONNECTING, /* waits for `connected` */
    STATE_STARTING,   /* waits for `start` */
    STATE_RUNNING,
    STATE_ENDED, /* the WebSocket is being closed; nothing is delivered any more */
};

struct stream {
    struct channel base;
    struct twilio_channel *owner;
    struct ws *ws;
    struct loop_timer *start_timer;
    enum state state;
    const struct channel_events *events; /* NULL unless the host has the channel */
    void *events_ctx;
    const char *reason; /* for on_closed, when we know better than "closed" */
    char stream_sid[TWILIO_SID_BYTES_MAX];
    char call_sid[TWILIO_SID_BYTES_MAX];
    int64_t sequence; /* of the last message, or -1 */
    unsigned bad;
    uint64_t other, gaps, dropped;
};

static struct stream *stream_of(struct channel *ch)
{
    return (struct stream *)ch; /* `base` is the first member */
}

/* -- towards Twilio -- */

static enum err send_out(struct stream *s, const struct buf *out, enum ws_class cls)
{
    return buf_ok(out) ? ws_send_text(s->ws, buf_str(out), cls) : ERR_LIMIT;
}

static enum err stream_send_audio(struct channel *ch, struct str payload)
{
    struct stream *s = stream_of(ch);
    if (s->state != STATE_RUNNING)
        return ERR_CLOSED;
    struct buf *out = loop_scratch(ws_loop(s->ws));
    twilio_write_media(out, str_of(s->stream_sid), payload);
    enum err err = send_out(s, out, WS_AUDIO);
    if (err == ERR_LIMIT) {
        twilio_count(&s->owner->count.audio_dropped, 1);
        if (s->dropped++ == 0)
            LOG_WARN(NULL, "twilio.audio_dropped", "call_sid=%s waiting=%zu", s->call_sid,
                     ws_queued(s->ws));
    }
    return err;
}

static enum err stream_send_mark(struct channel *ch, uint32_t number)
{
    struct stream *s = stream_of(ch);
    if (s->state != STATE_RUNNING)
        return ERR_CLOSED;
    char name[16];
    int len = snprintf(name, sizeof(name), "m%" PRIu32, number);
    struct buf *out = loop_scratch(ws_loop(s->ws));
    twilio_write_mark(out, str_of(s->stream_sid), str_n(name, (size_t)len));
    return send_out(s, out, WS_CONTROL);
}

static enum err stream_clear(struct channel *ch)
{
    struct stream *s = stream_of(ch);
    if (s->state != STATE_RUNNING)
        return ERR_CLOSED;
    struct buf *out = loop_scratch(ws_loop(s->ws));
    twilio_write_clear(out, str_of(s->stream_sid));
    return send_out(s, out, WS_CONTROL);
}

/* Starts the end; on_ws_closed does the rest. `reason` NULL = the other side's doing or ours. */
static void end(struct stream *s, unsigned code, const char *reason)
{
    if (s->state == STATE_ENDED)
        return;
    s->state = STATE_ENDED;
    s->reason = reason;
    loop_timer_cancel(s->start_timer);
    ws_close(s->ws, code, str_of(reason));
}

static void stream_close(struct channel *ch)
{
    end(stream_of(ch), WS_CODE_NORMAL, NULL);
}

/* -- from Twilio -- */

/* Tells the host that it is over; it must not touch the channel after that. */
static void tell_closed(struct stream *s, const char *reason)
{
    const struct channel_events *events = s->events;
    s->events = NULL;
    if (events)
        events->on_closed(s->events_ctx, str_of(reason));
}

static void on_bad(struct stream *s, const char *why)
{
    twilio_count(&s->owner->count.bad_messages, 1);
    s->bad++;
    LOG_WARN(NULL, "twilio.bad_message", "call_sid=%s count=%u why=\"%s\"", s->call_sid, s->bad,
             why);
    if (s->bad >= TWILIO_BAD_MESSAGES_MAX)
        end(s, WS_CODE_INVALID_DATA, "protocol: too many bad messages");
}

static void on_start(struct stream *s, const struct twilio_msg *m)
{
    struct str token = twilio_msg_param(m, STR("token"));
    if (!str_copy(s->stream_sid, sizeof(s->stream_sid), m->stream_sid) ||
        !str_copy(s->call_sid, sizeof(s->call_sid), m->call_sid) || m->stream_sid.len == 0) {
        on_bad(s, "start names no stream, or with too long a name");
        return;
    }
    if ((m->encoding.p && !str_eq(m->encoding, STR("audio/x-mulaw"))) ||
        (m->sample_rate_hz != -1 && m->sample_rate_hz != 8000) ||
        (m->channels != -1 && m->channels != 1)) {
        LOG_WARN(NULL, "twilio.format_refused", "call_sid=%s", s->call_sid);
        end(s, WS_CODE_INVALID_DATA, "protocol: the stream is not mu-law at 8 kHz");
        return;
    }
    s->sequence = m->sequence;
    s->state = STATE_RUNNING; /* the host may send from inside on_stream */
    loop_timer_cancel(s->start_timer);

    enum err err = ERR_DENIED;
    if ((token.len || s->owner->insecure) && token.len <= TWILIO_TOKEN_BYTES_MAX) {
        const struct channel_events *events = NULL;
        void *events_ctx = NULL;
        err = s->owner->host->on_stream(
            s->owner->host_ctx, ws_loop(s->ws), token,
            &(struct channel_call){.channel = STR("twilio"), .carrier_id = str_of(s->call_sid)},
            &s->base, &events, &events_ctx);
        if (!err) {
            ASSERT(events && events->on_audio && events->on_mark && events->on_dtmf &&
                   events->on_closed);
            s->events = events;
            s->events_ctx = events_ctx;
            twilio_count(&s->owner->count.streams, 1);
            return;
        }
    }
    if (err == ERR_DENIED)
        twilio_count(&s->owner->count.refused, 1);
    LOG_WARN(NULL, "twilio.stream_refused", "call_sid=%s peer=%s token=%s err=%s", s->call_sid,
             ws_peer(s->ws), token.len ? "given" : "missing", err_name(err));
    end(s, err == ERR_DENIED ? WS_CODE_POLICY : WS_CODE_INTERNAL, "refused");
}

static void on_media(struct stream *s, const struct twilio_msg *m)
{
    if (m->track.p && !str_eq(m->track, STR("inbound")))
        return;
    size_t len = base64_decoded_len(m->payload);
    if (len == 0) {
        on_bad(s, "media without audio");
        return;
    }
    uint32_t at_ms =
        m->timestamp_ms > 0 && m->timestamp_ms <= UINT32_MAX ? (uint32_t)m->timestamp_ms : 0;
    s->events->on_audio(s->events_ctx, m->payload, (uint32_t)len, at_ms);
}

/* Only marks of our own making, "m<number>", mean something to the host. */
static void on_mark(struct stream *s, const struct twilio_msg *m)
{
    uint64_t number;
    if (str_starts(m->mark, STR("m")) && str_to_u64(str_slice(m->mark, 1, SIZE_MAX), &number) &&
        number <= UINT32_MAX)
        s->events->on_mark(s->events_ctx, (uint32_t)number);
}

/* Counts what never came. A message without a number (an event we do not know) leaves us without a
 * count until the next. */
static void follow_sequence(struct stream *s, int64_t sequence)
{
    if (s->sequence >= 0 && sequence > s->sequence + 1) {
        uint64_t missing = (uint64_t)(sequence - s->sequence - 1);
        s->gaps += missing;
        twilio_count(&s->owner->count.sequence_gaps, missing);
    }
    if (sequence < 0 || sequence > s->sequence)
        s->sequence = sequence;
}

static void on_running(struct stream *s, const struct twilio_msg *m)
{
    bool named = m->type != TWILIO_UNKNOWN && m->type != TWILIO_CONNECTED;
    if (named && !str_eq(m->stream_sid, str_of(s->stream_sid))) {
        s->other++;
        twilio_count(&s->owner->count.other_streams, 1);
        return;
    }
    follow_sequence(s, m->sequence);
    switch (m->type) {
    case TWILIO_MEDIA:
        on_media(s, m);
        break;
    case TWILIO_MARK:
        on_mark(s, m);
        break;
    case TWILIO_DTMF:
        if (m->digit.len == 1)
            s->events->on_dtmf(s->events_ctx, m->digit.p[0]);
        else
            on_bad(s, "dtmf without a digit");
        break;
    case TWILIO_STOP:
        tell_closed(s, "stop");
        end(s, WS_CODE_NORMAL, NULL);
        break;
    case TWILIO_UNKNOWN: /* Twilio may add events */
        break;
    case TWILIO_CONNECTED:
    case TWILIO_START:
    case TWILIO_CLEAR:
        on_bad(s, "the stream has started already");
        break;
    }
}

static void on_message(struct stream *s, const struct twilio_msg *m)
{
    if (s->state == STATE_RUNNING)
        on_running(s, m);
    else if (s->state == STATE_CONNECTING && m->type == TWILIO_CONNECTED)
        s->state = STATE_STARTING;
    else if (s->state == STATE_STARTING && m->type == TWILIO_START)
        on_start(s, m);
    else if (s->state != STATE_ENDED)
        on_bad(s, "before the stream has started");
}

static void on_ws_text(void *ctx, struct str text)
{
    struct stream *s = ctx;
    if (s->state == STATE_ENDED)
        return;
    struct twilio_msg m;
    struct err_detail detail;
    if (twilio_msg_parse(&m, text, &detail)) {
        on_bad(s, detail.text);
        return;
    }
    on_message(s, &m);
    twilio_msg_fini(&m);
}

static void on_ws_binary(void *ctx, struct str data)
{
    struct stream *s = ctx;
    (void)data;
    if (s->state != STATE_ENDED)
        on_bad(s, "a binary message; Media Streams has none");
}

static void on_ws_closed(void *ctx, unsigned code, struct str reason)
{
    struct stream *s = ctx;
    char text[64];
    LOG_INFO(NULL, "twilio.stream_closed",
             "call_sid=%s code=%u bad=%u other=%" PRIu64 " gaps=%" PRIu64 " dropped=%" PRIu64
             " reason=\"%.*s\"",
             s->call_sid, code, s->bad, s->other, s->gaps, s->dropped, STR_FMT(reason));
    const char *why = s->reason ? s->reason : "closed";
    bool faulty =
        code == WS_CODE_PROTOCOL || code == WS_CODE_INVALID_DATA || code == WS_CODE_TOO_BIG;
    if (s->state != STATE_ENDED && faulty) {
        snprintf(text, sizeof(text), "protocol: WebSocket %u", code);
        why = text;
    }
    s->state = STATE_ENDED;
    tell_closed(s, why);
    loop_timer_free(s->start_timer);
    mem_free(s);
}

static void on_start_late(void *ctx)
{
    struct stream *s = ctx;
    LOG_WARN(NULL, "twilio.start_late", "peer=%s ms=%u", ws_peer(s->ws),
             (unsigned)s->owner->start_timeout_ms);
    end(s, WS_CODE_POLICY, "no start");
}

void twilio_on_stream(void *ctx, struct http_exchange *ex)
{
    static const struct channel_ops ops = {.send_audio = stream_send_audio,
                                           .send_mark = stream_send_mark,
                                           .clear = stream_clear,
                                           .close = stream_close};
    static const struct ws_events events = {
        .on_text = on_ws_text, .on_binary = on_ws_binary, .on_closed = on_ws_closed};
    static const struct ws_opts opts = {.message_max = TWILIO_MESSAGE_BYTES_MAX,
                                        .audio_out_max = TWILIO_AUDIO_OUT_BYTES_MAX,
                                        .control_out_max = TWILIO_CONTROL_OUT_BYTES_MAX};
    struct twilio_channel *t = ctx;
    if (!twilio_admit(t, ex, buf_str(&t->ws_base), NULL, 0))
        return;
    struct loop *loop = http_loop(ex);
    struct stream *s = mem_zalloc(sizeof(*s));
    s->base.ops = &ops;
    s->owner = t;
    s->sequence = -1;
    if (http_upgrade(ex, &opts, NULL, &events, s, &s->ws)) {
        mem_free(s); /* answered by http_upgrade */
        return;
    }
    s->start_timer = loop_timer_new(loop, on_start_late, s);
    loop_timer_set(s->start_timer, t->start_timeout_ms);
}
