/* The carrier's end of one call: Twilio Media Streams as far as a bridge can tell. */
#include <stdio.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bridge/rig_private.h"
#include "proto/twilio_msg.h"

static void send_text(struct call_end *c, const struct buf *b)
{
    if (!buf_ok(b) || ws_send_text(c->ws, buf_str(b), WS_CONTROL) != OK)
        rig_failed(c->line, "the carrier cannot send");
}

/* -- the caller's frames -- */

/* What is said in the next frame: something to be known again, or, between turns, nothing. */
static struct str next_payload(struct call_end *c, char frame[FRAME_CHARS])
{
    struct rig_line *line = c->line;
    if (line->opts.talk == RIG_TURNS) {
        bool speaks = line->talking && c->cycle >= 0 && c->cycle < RIG_SPEECH_FRAMES;
        if (line->talking)
            c->cycle = c->cycle + 1 < RIG_CYCLE_FRAMES ? c->cycle + 1 : 0;
        if (!speaks)
            return str_n(line->rig->quiet[c->sent % RIG_QUIET_FRAMES], FRAME_CHARS);
    }
    frame_write(frame, c->number, c->sent);
    return str_n(frame, FRAME_CHARS);
}

void rig_send_frame(struct call_end *c)
{
    struct rig_line *line = c->line;
    struct buf *b = &line->rig->out;
    char frame[FRAME_CHARS];
    struct twilio_msg m = {.sequence = ++c->sequence,
                           .chunk = ++c->chunk,
                           .timestamp_ms = c->chunk * FRAME_MS,
                           .stream_sid = str_of(c->stream_sid),
                           .payload = next_payload(c, frame)};
    buf_reset(b);
    twilio_write_inbound_media(b, &m);
    line->counts.media_bytes = b->len;
    line->counts.sent++;
    if (line->running) {
        c->flying = true;
        line->flying++;
    }
    c->sent_us[c->sent++ % RIG_SENT_RING] = (uint32_t)clock_mono_us();
    send_text(c, b);
}

/* -- mirror: frames that came back -- */

static void call_is_up(struct call_end *c)
{
    struct rig_line *line = c->line;
    if (c->ready)
        return;
    c->ready = true;
    if (++line->ready == line->count)
        rig_wake(line->rig);
}

static void closed_loop(struct call_end *c)
{
    struct rig_line *line = c->line;
    if (!c->flying)
        return;
    c->flying = false;
    line->flying--;
    if (line->running)
        rig_send_frame(c);
    else if (line->flying == 0)
        rig_wake(line->rig);
}

static void one_back(struct call_end *c, const uint8_t *bytes, int64_t now_us)
{
    struct rig_line *line = c->line;
    uint32_t call, number;
    bool good = frame_read(bytes, &call, &number);
    if (good && number == FRAME_HELLO) {
        call_is_up(c);
        return;
    }
    if (!good || call != c->number || number >= c->sent) {
        line->counts.changed++;
        return;
    }
    line->counts.frames++;
    if (number < c->back) { /* it was taken for lost */
        line->counts.reordered++;
        line->counts.lost -= line->counts.lost > 0;
        return;
    }
    line->counts.lost += number - c->back;
    c->back = number + 1;
    if (line->pacing)
        samples_put(&line->times, (uint32_t)now_us - c->sent_us[number % RIG_SENT_RING]);
    closed_loop(c);
}

static void mirrored(struct call_end *c, struct str payload, size_t message_bytes)
{
    uint8_t bytes[RIG_PIECE_BYTES_MAX];
    size_t len = 0;
    int64_t now_us = clock_mono_us();
    c->line->counts.answer_bytes = message_bytes;
    if (base64_decoded_len(payload) > sizeof(bytes) || base64_decode(bytes, &len, payload) != OK ||
        len % FRAME_BYTES != 0)
        c->line->counts.changed++;
    for (size_t at = 0; at + FRAME_BYTES <= len; at += FRAME_BYTES)
        one_back(c, bytes + at, now_us);
}

/* -- turns: audio that is played -- */

static void send_mark(struct call_end *c, struct str name)
{
    struct buf *b = &c->line->rig->out;
    struct twilio_msg m = {
        .sequence = ++c->sequence, .stream_sid = str_of(c->stream_sid), .mark = name};
    buf_reset(b);
    twilio_write_mark_echo(b, &m);
    c->line->counts.marks++;
    send_text(c, b);
}

static void played(struct call_end *c, struct str payload)
{
    int64_t now_us = clock_mono_us();
    size_t bytes = base64_decoded_len(payload);
    if (c->play_end_us < now_us)
        c->play_end_us = now_us;
    c->play_end_us += (int64_t)bytes * 125;
    if (c->ready)
        c->line->counts.heard_bytes += bytes;
}

static void put_mark(struct call_end *c, struct str name)
{
    if (c->line->opts.talk == RIG_MIRROR || c->mark_count == RIG_MARKS_MAX) {
        send_mark(c, name);
        return;
    }
    struct mark *m = &c->marks[(c->mark_first + c->mark_count++) % RIG_MARKS_MAX];
    m->due_us = c->play_end_us;
    if (!str_copy(m->name, sizeof(m->name), name))
        rig_failed(c->line, "the name of a mark is too long");
}

void rig_echo_due(struct call_end *c, int64_t now_us)
{
    while (c->mark_count > 0 && c->marks[c->mark_first].due_us <= now_us) {
        send_mark(c, str_of(c->marks[c->mark_first].name));
        c->mark_first = (c->mark_first + 1) % RIG_MARKS_MAX;
        c->mark_count--;
    }
}

/* -- messages -- */

static void take_audio(struct call_end *c, struct str payload, size_t message_bytes)
{
    bool ours = frame_is_ours(payload);
    if (c->line->opts.talk == RIG_MIRROR) {
        if (ours)
            mirrored(c, payload, message_bytes);
        return; /* else the announcement: heard, and nothing else */
    }
    if (ours)
        call_is_up(c);
    played(c, payload);
}

/* Behind a relay the provider's events arrive themselves; one delta has one mark. */
static void on_event(struct call_end *c, struct str text)
{
    struct str delta = rig_text_after(text, STR("\"delta\":\""));
    if (!delta.p || !frame_is_ours(delta))
        return;
    take_audio(c, delta, text.len);
    if (c->line->opts.talk == RIG_TURNS)
        put_mark(c, STR("relay-12345678"));
}

static void on_text(void *ctx, struct str text)
{
    struct call_end *c = ctx;
    struct twilio_msg m;
    if (c->line->opts.kind == RIG_RELAY) {
        on_event(c, text);
        return;
    }
    if (twilio_msg_parse_reply(&m, text, NULL) != OK) {
        rig_failed(c->line, "the server sent what Twilio would not take");
        return;
    }
    if (m.type == TWILIO_MARK)
        put_mark(c, m.mark);
    else if (m.type == TWILIO_CLEAR && !c->line->opts.lenient)
        rig_failed(c->line, "the server cleared its audio");
    else if (m.type == TWILIO_MEDIA)
        take_audio(c, m.payload, text.len);
    twilio_msg_fini(&m);
}

static void on_open(void *ctx)
{
    struct call_end *c = ctx;
    struct buf *b = &c->line->rig->out;
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

static void on_closed(void *ctx, unsigned code, struct str reason)
{
    struct call_end *c = ctx;
    struct rig_line *line = c->line;
    char why[128];
    snprintf(why, sizeof(why), "a stream was closed: %u %.*s", code,
             STR_FMT(str_slice(reason, 0, 80)));
    c->ws = NULL;
    line->open--;
    if (!line->hanging_up)
        rig_failed(line, why);
    rig_check_quiet(line);
}

/* -- calls -- */

void rig_call_free(struct call_end *c)
{
    mem_free(c->sent_us);
    mem_free(c->marks);
    mem_free(c);
}

enum err rig_dial(struct rig_line *line, uint16_t port, struct call_end **out,
                  struct err_detail *detail)
{
    static const struct ws_events events = {
        .on_open = on_open, .on_text = on_text, .on_closed = on_closed};
    struct rig *r = line->rig;
    char path[32] = "/api/twilio/stream", url[96];
    struct call_end *c = mem_zalloc(sizeof(*c));
    c->line = line;
    c->number = ++r->dialled;
    c->sent_us = mem_zalloc(RIG_SENT_RING * sizeof(c->sent_us[0]));
    c->marks = mem_zalloc(RIG_MARKS_MAX * sizeof(c->marks[0]));
    snprintf(c->call_sid, sizeof(c->call_sid), "CA%032x", r->dialled);
    snprintf(c->stream_sid, sizeof(c->stream_sid), "MZ%032x", r->dialled);
    if (line->opts.kind == RIG_RELAY)
        snprintf(path, sizeof(path), "/%u/relay", line->index);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u%s", port, path);
    struct ws_connect_opts opts = {.url = str_of(url), .timeout_ms = RIG_WAIT_MS};
    enum err err = ws_connect(r->loop, &opts, &events, c, &c->ws, detail);
    if (err) {
        rig_call_free(c);
        return err;
    }
    line->open++;
    *out = c;
    return OK;
}
