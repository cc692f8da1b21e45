/* The provider's part of a conversation in turns: hears the caller, answers with 3 s of speech. */
#include <inttypes.h>

#include "base/base64.h"
#include "base/clock.h"
#include "bridge/rig_private.h"

#define TRANSCRIPT "We are open from nine to five, and on Saturdays until noon. "

static struct buf *out(struct session *s)
{
    return &s->line->rig->out;
}

/* -- the caller -- */

static void speech_started(struct session *s)
{
    s->speaking = true;
    s->items++;
    rig_event(s, "input_audio_buffer.speech_started");
    buf_printf(out(s), "\"audio_start_ms\":%u,\"item_id\":\"user_%u_%u\"}", s->heard * FRAME_MS,
               s->number, s->items);
    rig_event_send(s);
}

static void speech_stopped(struct session *s)
{
    s->speaking = false;
    rig_event(s, "input_audio_buffer.speech_stopped");
    buf_printf(out(s), "\"audio_end_ms\":%u,\"item_id\":\"user_%u_%u\"}",
               (s->heard - RIG_TURN_END_FRAMES) * FRAME_MS, s->number, s->items);
    rig_event_send(s);
    rig_event(s, "input_audio_buffer.committed");
    buf_printf(out(s), "\"previous_item_id\":null,\"item_id\":\"user_%u_%u\"}", s->number,
               s->items);
    rig_event_send(s);
    rig_event(s, "conversation.item.added");
    buf_printf(out(s),
               "\"previous_item_id\":null,\"item\":{\"id\":\"user_%u_%u\",\"type\":\"message\","
               "\"status\":\"completed\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
               "\"transcript\":null}]}}",
               s->number, s->items);
    rig_event_send(s);
    rig_event(s, "conversation.item.input_audio_transcription.completed");
    buf_printf(out(s),
               "\"item_id\":\"user_%u_%u\",\"content_index\":0,\"transcript\":\"When are you "
               "open on Saturdays?\",\"usage\":{\"type\":\"tokens\",\"total_tokens\":22,"
               "\"input_tokens\":13,\"output_tokens\":9}}",
               s->number, s->items);
    rig_event_send(s);
    if (s->auto_reply && !s->answering) {
        s->answering = true;
        rig_turns_answer(s);
    }
}

void rig_turns_heard(struct session *s, struct str payload)
{
    uint8_t bytes[RIG_PIECE_BYTES_MAX];
    size_t len = 0;
    if (base64_decoded_len(payload) > sizeof(bytes) || base64_decode(bytes, &len, payload) != OK ||
        len % FRAME_BYTES != 0) {
        s->line->counts.changed++;
        return;
    }
    s->line->counts.frames += len / FRAME_BYTES;
    for (size_t at = 0; at < len; at += FRAME_BYTES, s->heard++) {
        if (frame_is_speech(bytes + at)) {
            s->quiet = 0;
            if (!s->speaking)
                speech_started(s);
        } else if (s->speaking && ++s->quiet == RIG_TURN_END_FRAMES) {
            speech_stopped(s);
        }
    }
}

/* -- the answer -- */

static void put_ids(struct session *s)
{
    buf_printf(out(s),
               "\"response_id\":\"resp_%u_%u\",\"item_id\":\"item_%u_%u\",\"output_index\":0,"
               "\"content_index\":0,",
               s->number, s->responses, s->number, s->responses);
}

static void put_item(struct session *s, const char *status, const char *content)
{
    buf_printf(out(s),
               "\"item\":{\"id\":\"item_%u_%u\",\"object\":\"realtime.item\",\"type\":\"message\","
               "\"status\":\"%s\",\"role\":\"assistant\",\"content\":[%s]}}",
               s->number, s->responses, status, content);
    rig_event_send(s);
}

void rig_turns_answer(struct session *s)
{
    struct rig *r = s->line->rig;
    s->responses++;
    rig_event(s, "response.created");
    buf_printf(out(s),
               "\"response\":{\"object\":\"realtime.response\",\"id\":\"resp_%u_%u\","
               "\"status\":\"in_progress\",\"output\":[],\"usage\":null}}",
               s->number, s->responses);
    rig_event_send(s);
    rig_event(s, "response.output_item.added");
    buf_printf(out(s), "\"response_id\":\"resp_%u_%u\",\"output_index\":0,", s->number,
               s->responses);
    put_item(s, "in_progress", "");
    rig_event(s, "conversation.item.added");
    buf_put_str(out(s), STR("\"previous_item_id\":null,"));
    put_item(s, "in_progress", "");
    rig_event(s, "response.content_part.added");
    put_ids(s);
    buf_put_str(out(s), STR("\"part\":{\"type\":\"audio\",\"transcript\":\"\"}}"));
    rig_event_send(s);
    s->deltas_left = RIG_REPLY_DELTAS;
    s->next_delta_us = clock_mono_us();
    s->next_replying = r->replying;
    r->replying = s;
}

static void send_delta(struct session *s)
{
    struct rig *r = s->line->rig;
    rig_event(s, "response.output_audio_transcript.delta");
    put_ids(s);
    buf_put_str(out(s), STR("\"delta\":\"open from \"}"));
    rig_event_send(s);
    rig_event(s, "response.output_audio.delta");
    put_ids(s);
    buf_put_str(out(s), STR("\"delta\":\""));
    buf_put_str(out(s), str_n(r->reply, FRAME_REPLY_CHARS));
    buf_put_str(out(s), STR("\"}"));
    s->line->counts.delta_bytes = out(s)->len;
    s->line->counts.said_bytes += FRAME_BYTES * FRAME_REPLY_FRAMES;
    rig_event_send(s);
    s->deltas_left--;
}

static void finish(struct session *s)
{
    static const char part[] = "{\"type\":\"output_audio\",\"transcript\":\"" TRANSCRIPT "\"}";
    s->answering = false;
    s->line->counts.turns++;
    rig_event(s, "response.output_audio.done");
    put_ids(s);
    buf_put_str(out(s), STR("\"content\":null}"));
    rig_event_send(s);
    rig_event(s, "response.output_audio_transcript.done");
    put_ids(s);
    buf_put_str(out(s), STR("\"transcript\":\"" TRANSCRIPT "\"}"));
    rig_event_send(s);
    rig_event(s, "response.content_part.done");
    put_ids(s);
    buf_printf(out(s), "\"part\":%s}", part);
    rig_event_send(s);
    rig_event(s, "response.output_item.done");
    buf_printf(out(s), "\"response_id\":\"resp_%u_%u\",\"output_index\":0,", s->number,
               s->responses);
    put_item(s, "completed", part);
    rig_event(s, "response.done");
    buf_printf(out(s),
               "\"response\":{\"object\":\"realtime.response\",\"id\":\"resp_%u_%u\","
               "\"status\":\"completed\",\"output\":[{\"id\":\"item_%u_%u\",\"type\":\"message\","
               "\"status\":\"completed\",\"role\":\"assistant\",\"content\":[%s]}],\"usage\":{"
               "\"total_tokens\":412,\"input_tokens\":330,\"output_tokens\":82,"
               "\"input_token_details\":{\"text_tokens\":280,\"audio_tokens\":50,"
               "\"cached_tokens\":256,\"cached_tokens_details\":{\"text_tokens\":256,"
               "\"audio_tokens\":0}},\"output_token_details\":{\"text_tokens\":22,"
               "\"audio_tokens\":60}}}}",
               s->number, s->responses, s->number, s->responses, part);
    rig_event_send(s);
}

void rig_turns_tick(struct rig *r, int64_t now_us)
{
    struct session **at = &r->replying;
    while (*at) {
        struct session *s = *at;
        if (s->next_delta_us <= now_us && !s->line->failed) {
            s->next_delta_us += RIG_REPLY_EVERY_US;
            send_delta(s);
            if (s->deltas_left == 0) {
                finish(s);
                *at = s->next_replying;
                continue;
            }
        }
        at = &s->next_replying;
    }
}

void rig_turns_forget(struct session *s)
{
    for (struct session **at = &s->line->rig->replying; *at; at = &(*at)->next_replying) {
        if (*at == s) {
            *at = s->next_replying;
            return;
        }
    }
}
