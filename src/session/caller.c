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

/* The bytes of the input's audio, until the next input; NULL if it is not base64 of that length. */
static const uint8_t *decode(struct session *s, const struct call_input *in)
{
    struct buf *to = &s->part->scratch.audio;
    size_t n = 0;
    buf_reset(to);
    if (base64_decoded_len(in->audio) != in->audio_len)
        return NULL;
    uint8_t *raw = buf_reserve(to, in->audio_len);
    return raw && base64_decode(raw, &n, in->audio) == OK ? raw : NULL;
}

static void hold(struct session *s, const struct call_input *in)
{
    const uint8_t *raw = in->audio_len <= SESSION_HELD_BYTES_MAX ? decode(s, in) : NULL;
    if (!raw) {
        s->dropped[CALL_DROPPED_TO_ENGINE] += in->audio_len;
        return;
    }
    uint32_t most = SESSION_HELD_BYTES_MAX - in->audio_len; /* the newest words matter most */
    if (s->held.len > most)
        s->dropped[CALL_DROPPED_TO_ENGINE] += s->held.len - most;
    kept_trim(&s->held, most);
    kept_put(&s->held, raw, in->audio_len);
}

/* What an engine was given stays at hand as long as a next one may need to hear it. */
static void keep_forwarded(struct session *s, const uint8_t *raw, uint32_t len)
{
    if (len < s->keep)
        kept_trim(&s->held, s->keep - len);
    kept_put(&s->held, raw, len);
    kept_trim(&s->held, s->keep);
}

static void forward(struct session *s, const struct call_input *in)
{
    uint32_t len = in->audio_len;
    const uint8_t *raw = s->keep || s->coalesce.wait_ms ? decode(s, in) : NULL;
    enum coalesce_do what = coalesce_put(&s->coalesce, raw, len, in->at_us);
    if (what != COALESCE_WAIT)
        session_caller_flush(s);
    if (what == COALESCE_PASS)
        append_caller(s, in->audio, len);
    if (s->keep && raw) /* else the next engine hears a little less */
        keep_forwarded(s, raw, len);
}

static void keep(struct session *s, const struct call_fx *fx)
{
    s->keep = fx->len;
    kept_trim(&s->held, fx->offset);
}

static void release_held(struct session *s)
{
    uint8_t raw[SESSION_HELD_PIECE_BYTES];
    char text[(SESSION_HELD_PIECE_BYTES + 2) / 3 * 4];
    for (uint32_t at = 0; at < s->held.len; at += SESSION_HELD_PIECE_BYTES) {
        uint32_t n = s->held.len - at;
        n = n < SESSION_HELD_PIECE_BYTES ? n : SESSION_HELD_PIECE_BYTES;
        kept_read(&s->held, at, raw, n);
        append_caller(s, str_n(text, base64_encode(text, raw, n)), n);
    }
    kept_trim(&s->held, s->keep);
}

void session_caller_perform(struct session *s, const struct call_input *in,
                            const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_APPEND) {
        forward(s, in);
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
