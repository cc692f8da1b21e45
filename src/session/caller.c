/* The caller's audio on its way to the engine: at once, gathered while it is silence, held for want
 * of an engine, kept for a next one. */
#include "base/assert.h"
#include "base/base64.h"
#include "base/limits.h"
#include "session/session_private.h"

static void append_caller(struct session *s, struct str base64, uint32_t len)
{
    buf_reset(&s->part->scratch.message);
    rt_write_append(&s->part->scratch.message, base64);
    if (!s->link || !s->link->engine ||
        engine_send(s->link->engine, buf_str(&s->part->scratch.message), ENGINE_AUDIO) != OK)
        s->dropped[CALL_DROPPED_TO_ENGINE] += len;
}

void session_caller_flush(struct session *s)
{
    struct buf *waiting = &s->coalesce.waiting;
    char text[(COALESCE_MS_MAX * 8 + VAD_FRAME_SAMPLES + 2) / 3 * 4];
    if (waiting->len == 0)
        return;
    size_t chars = base64_encode(text, waiting->p, waiting->len);
    append_caller(s, str_n(text, chars), (uint32_t)waiting->len);
    coalesce_sent(&s->coalesce);
}

static void forward(struct session *s, const struct call_input *in)
{
    enum coalesce_do what = coalesce_put(&s->coalesce, in->audio, in->audio_len, in->at_us);
    if (what != COALESCE_WAIT)
        session_caller_flush(s);
    if (what == COALESCE_PASS)
        append_caller(s, in->audio, in->audio_len);
}

/* The audio of `in` behind what is at hand; false if it is not to be had. */
static bool put_held(struct session *s, const struct call_input *in)
{
    size_t n = 0;
    uint8_t *to = buf_reserve(&s->held, in->audio_len);
    if (!to || base64_decode(to, &n, in->audio) != OK)
        return false;
    buf_commit(&s->held, n);
    return true;
}

static void trim_held(struct session *s, size_t most)
{
    if (s->held.len > most)
        buf_consume(&s->held, s->held.len - most);
    if (s->held.len == 0)
        buf_release(&s->held);
    s->untrimmed = false;
}

static void hold(struct session *s, const struct call_input *in)
{
    uint32_t len = in->audio_len;
    if (s->untrimmed)
        trim_held(s, s->keep);
    if (s->held.len + len > SESSION_HELD_BYTES_MAX) { /* the newest words matter most */
        size_t over = s->held.len + len - SESSION_HELD_BYTES_MAX;
        over = over < s->held.len ? over : s->held.len;
        buf_consume(&s->held, over);
        s->dropped[CALL_DROPPED_TO_ENGINE] += (uint32_t)over;
    }
    if (!put_held(s, in))
        s->dropped[CALL_DROPPED_TO_ENGINE] += len;
}

/* What an engine was given stays at hand as long as a next one may need to hear it. Trimmed now
 * and then only: each time moves what stays. */
static void keep_forwarded(struct session *s, const struct call_input *in)
{
    if (s->keep == 0)
        return;
    (void)put_held(s, in); /* full or not base64: the next engine hears a little less */
    s->untrimmed = true;
    if (s->held.len > s->keep + SESSION_KEEP_SLACK_BYTES)
        trim_held(s, s->keep);
}

static void keep(struct session *s, const struct call_fx *fx)
{
    s->keep = fx->len;
    trim_held(s, fx->offset);
}

static void release_held(struct session *s)
{
    char text[(SESSION_HELD_PIECE_BYTES + 2) / 3 * 4];
    if (s->untrimmed)
        trim_held(s, s->keep);
    for (size_t at = 0; at < s->held.len; at += SESSION_HELD_PIECE_BYTES) {
        size_t n = s->held.len - at;
        n = n < SESSION_HELD_PIECE_BYTES ? n : SESSION_HELD_PIECE_BYTES;
        size_t chars = base64_encode(text, s->held.p + at, n);
        append_caller(s, str_n(text, chars), (uint32_t)n);
    }
    trim_held(s, s->keep);
}

void session_caller_perform(struct session *s, const struct call_input *in,
                            const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_APPEND) {
        forward(s, in);
        keep_forwarded(s, in);
        return;
    }
    if (fx->type == CALL_FX_KEEP) {
        keep(s, fx);
        return;
    }
    /* What was gathered and not sent is among what is kept: the next engine hears it from there. */
    coalesce_sent(&s->coalesce);
    if (fx->type == CALL_FX_HOLD) {
        hold(s, in);
    } else {
        ASSERT(fx->type == CALL_FX_RELEASE);
        release_held(s);
    }
}
