/* Caller audio: turns by energy as server_vad finds them, commits, and the mirror of a bench. */
#include <stdio.h>

#include "app/provider_private.h"
#include "base/base64.h"
#include "base/limits.h"

enum { COMMIT_BYTES_MIN = 800 }; /* 100 ms, OpenAI Realtime API reference */

static void announce_item(struct provider_session *s, const char *type, const char *id,
                          const char *previous)
{
    struct buf *b = provider_write_open(s, type);
    if (previous[0])
        provider_write_text(b, "previous_item_id", str_of(previous));
    else
        provider_write_raw(b, "previous_item_id", "null");
    provider_write_message(b, "item", id, "user", "completed", NULL);
    provider_write_send(s);
}

static void transcribe(struct provider_session *s, const char *id, const struct provider_step *step)
{
    char numbered[48];
    snprintf(numbered, sizeof(numbered), "Caller turn %u.", (unsigned)s->turns);
    struct buf *b = provider_write_open(s, "conversation.item.input_audio_transcription.completed");
    provider_write_text(b, "item_id", str_of(id));
    provider_write_int(b, "content_index", 0);
    provider_write_text(b, "transcript", str_of(step && step->user ? step->user : numbered));
    provider_write_raw(b, "usage",
                       "{\"type\":\"tokens\",\"total_tokens\":25,\"input_tokens\":20,"
                       "\"output_tokens\":5,\"input_token_details\":{\"text_tokens\":0,"
                       "\"audio_tokens\":20}}");
    provider_write_send(s);
}

/* The buffered audio becomes a user item. */
static void commit(struct provider_session *s, const char *id)
{
    char previous[PROVIDER_ID_BYTES];
    snprintf(previous, sizeof(previous), "%s", s->last_item);
    struct buf *b = provider_write_open(s, "input_audio_buffer.committed");
    provider_write_text(b, "item_id", str_of(id));
    if (previous[0])
        provider_write_text(b, "previous_item_id", str_of(previous));
    else
        provider_write_raw(b, "previous_item_id", "null");
    provider_write_send(s);
    s->turns++;
    s->provider->counts.turns++;
    s->tokens_audio += s->uncommitted_bytes / 800;
    s->uncommitted_bytes = 0;
    if (!provider_item_add(s, id, PROVIDER_USER))
        return;
    announce_item(s, "conversation.item.added", id, previous);
    announce_item(s, "conversation.item.done", id, previous);
    const struct provider_script *script = &s->provider->script;
    if (s->transcribe)
        transcribe(s, id, &script->steps[s->step % script->count]);
}

static void turn_started(struct provider_session *s, int64_t at_ms)
{
    s->in_turn = true;
    provider_id(s, s->turn_item, "item");
    struct buf *b = provider_write_open(s, "input_audio_buffer.speech_started");
    provider_write_int(b, "audio_start_ms", at_ms);
    provider_write_text(b, "item_id", str_of(s->turn_item));
    provider_write_send(s);
    if (s->interrupt_response)
        provider_reply_cancel(s, "turn_detected");
}

static void turn_stopped(struct provider_session *s, int64_t at_ms)
{
    s->in_turn = false;
    struct buf *b = provider_write_open(s, "input_audio_buffer.speech_stopped");
    provider_write_int(b, "audio_end_ms", at_ms);
    provider_write_text(b, "item_id", str_of(s->turn_item));
    provider_write_send(s);
    commit(s, s->turn_item);
    if (s->create_response)
        provider_reply_begin(s, (struct provider_want){0});
}

static void take_frame(struct provider_session *s, const uint8_t *frame)
{
    if (!s->vad_on)
        return;
    struct vad_result r = vad_feed_mulaw(&s->vad, frame);
    if (s->provider->opts.mode == PROVIDER_ECHO) {
        /* The onset is heard before the turn is known: keep the prefix' worth of it. */
        size_t keep = s->in_turn ? PROVIDER_TURN_BYTES_MAX : 300 * 8;
        if (!s->in_turn && s->turn_audio.len > keep)
            buf_consume(&s->turn_audio, s->turn_audio.len - keep);
        buf_put(&s->turn_audio, frame, VAD_FRAME_SAMPLES);
    }
    if (r.event == VAD_START)
        turn_started(s, r.at_ms);
    else if (r.event == VAD_STOP)
        turn_stopped(s, r.at_ms);
}

void provider_input_append(struct provider_session *s, struct str base64)
{
    struct provider *p = s->provider;
    size_t len = base64_decoded_len(base64);
    p->counts.appends++;
    p->counts.append_bytes += len;
    if (p->opts.mode == PROVIDER_MIRROR) {
        provider_reply_mirror(s, base64, len);
        return;
    }
    uint8_t small[4096];
    uint8_t *bytes = len <= sizeof(small) ? small : mem_alloc(len);
    if (len == 0 || base64_decode(bytes, &len, base64) != OK) {
        provider_write_refuse(s, "invalid_value", STR_NONE, "audio is not base64");
        len = 0;
    }
    s->uncommitted_bytes += (int64_t)len;
    for (size_t at = 0; at < len && !s->ending;) {
        size_t room = VAD_FRAME_SAMPLES - s->partial_len;
        size_t n = len - at < room ? len - at : room;
        memcpy(s->partial + s->partial_len, bytes + at, n);
        s->partial_len += n;
        at += n;
        if (s->partial_len == VAD_FRAME_SAMPLES) {
            s->partial_len = 0;
            take_frame(s, s->partial);
        }
    }
    if (bytes != small)
        mem_free(bytes);
}

void provider_input_commit(struct provider_session *s)
{
    if (s->uncommitted_bytes < COMMIT_BYTES_MIN) {
        provider_write_refuse(s, "input_audio_buffer_commit_empty", STR_NONE,
                              "Error committing input audio buffer: buffer too small. Expected at "
                              "least 100ms of audio, but buffer only has %d.00ms of audio.",
                              (int)(s->uncommitted_bytes / 8));
        return;
    }
    char id[PROVIDER_ID_BYTES];
    provider_id(s, id, "item");
    commit(s, id);
}

void provider_input_clear(struct provider_session *s)
{
    s->uncommitted_bytes = 0;
    s->partial_len = 0;
    buf_reset(&s->turn_audio);
    provider_write_open(s, "input_audio_buffer.cleared");
    provider_write_send(s);
}
