/* The engine connection: opening it, telling it who it is, its events, and what to do when it dies.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "call/call_impl.h"

void link_open(struct call *c)
{
    if (c->link != LINK_CLOSED || c->phase == PHASE_ENDED)
        return;
    if (c->engine_index >= c->config.engine_count) {
        link_fail(c, "no engine is configured");
        return;
    }
    c->link = LINK_OPENING;
    c->engine_tries++;
    c->session_opened_us = c->now;
    c->session_expires_us = NO_TIME;
    fx_add(c, (struct call_fx){.type = CALL_FX_ENGINE_OPEN, .number = c->engine_index});
    timer_set(c, CALL_TIMER_CONNECT, c->now + (int64_t)c->config.connect_timeout_ms * 1000);
}

void link_describe(struct call *c, struct rt_event *ev)
{
    const struct call_config *k = &c->config;
    *ev = (struct rt_event){.type = RT_SESSION_UPDATE};
    ev->session = (struct rt_session){
        .type = STR("realtime"),
        .instructions = str_of(k->instructions),
        .output_modality = STR("audio"),
        .input_format = RT_FORMAT_PCMU,
        .output_format = RT_FORMAT_PCMU,
        .tools_json = str_of(k->tools_json),
        .tool_choice = STR("auto"),
        .max_output_tokens = k->max_output_tokens,
        /* We ask for every response ourselves (respond.c); the engine cuts its own on speech. */
        .turn_detection = {.type = RT_VAD_SERVER,
                           .threshold_permille = k->vad_threshold_permille,
                           .prefix_padding_ms = k->vad_prefix_ms,
                           .silence_duration_ms = k->vad_silence_ms,
                           .create_response = false,
                           .interrupt_response = true},
    };
    const char *voice = k->engines[c->engine_index].voice;
    if (voice[0] || k->voice[0])
        ev->session.voice = str_of(voice[0] ? voice : k->voice);
    if (k->transcription_model[0])
        ev->session.transcription_model = str_of(k->transcription_model);
    if (k->language[0])
        ev->session.transcription_language = str_of(k->language);
}

void link_opened(struct call *c)
{
    if (c->link != LINK_OPENING)
        return;
    c->link = LINK_CONFIGURING;
    struct rt_event ev;
    link_describe(c, &ev);
    fx_engine(c, &ev);
}

static void keep(struct call *c, uint32_t bytes)
{
    if (c->keep_bytes == bytes)
        return;
    c->keep_bytes = bytes;
    c->kept_bytes = c->kept_bytes < bytes ? c->kept_bytes : bytes;
    fx_add(c, (struct call_fx){.type = CALL_FX_KEEP, .len = bytes, .offset = c->kept_bytes});
}

void link_understood(struct call *c)
{
    /* What came behind it may be the beginning of the next one. */
    uint64_t behind = c->question_end && c->question_end < c->forwarded_bytes
                          ? c->forwarded_bytes - c->question_end
                          : 0;
    if (behind > CALL_KEEP_BYTES)
        behind = CALL_KEEP_BYTES;
    c->question = NULL;
    c->question_end = 0;
    c->keep_bytes = CALL_KEEP_BYTES;
    c->kept_bytes = behind < c->kept_bytes ? (uint32_t)behind : c->kept_bytes;
    fx_add(c,
           (struct call_fx){.type = CALL_FX_KEEP, .len = CALL_KEEP_BYTES, .offset = c->kept_bytes});
}

/* Gives a new session the caller's sound that is at hand: the beginnings of a word that nobody has
 * noticed yet, a question that was interrupted, what was said while there was no session. */
static void hear_again(struct call *c)
{
    if (c->phase == PHASE_LEAVING)
        return;
    uint64_t at_hand = c->kept_bytes + c->held_bytes;
    if (at_hand > SESSION_HELD_BYTES_MAX)
        at_hand = SESSION_HELD_BYTES_MAX; /* the shell dropped the oldest, and says so */
    c->forwarded_bytes = at_hand;
    c->question_end = 0;
    c->held_bytes = 0;
    /* What is heard of it is told a while later: until then all of it stays at hand. */
    c->keep_bytes = at_hand ? CALL_KEEP_SPEECH_BYTES : CALL_KEEP_BYTES;
    c->kept_bytes = at_hand < c->keep_bytes ? (uint32_t)at_hand : c->keep_bytes;
    fx_add(c, (struct call_fx){
                  .type = CALL_FX_KEEP, .len = c->keep_bytes, .offset = (uint32_t)at_hand});
    if (at_hand) {
        fx_add(c, (struct call_fx){.type = CALL_FX_RELEASE});
        timer_set(c, CALL_TIMER_REHEAR, c->now + (int64_t)CALL_REHEAR_MS * 1000);
    }
}

void link_rehear_timer(struct call *c)
{
    if (!c->question)
        keep(c, CALL_KEEP_BYTES); /* nobody spoke */
    if (!c->rehearing)
        return;
    c->rehearing = false;
    want_add(c, PURPOSE_TURN, STR("")); /* it heard no speech in it: ask by what is known */
    answer_next(c);
}

void link_take_over(struct call *c)
{
    c->link = LINK_READY;
    timer_set(c, CALL_TIMER_CONNECT, NO_TIME);
    fx_note(c, "engine.ready", "engine=%s", c->config.engines[c->engine_index].name);
    script_replay_context(c); /* to the first session, too, if keys were pressed before it */
    hear_again(c);
    roll_armed(c);
    answer_next(c);
    manners_idle(c);
}

/* No engine is left: say so with our own voice, and hand over or hang up. Never silence. */
static void give_up(struct call *c)
{
    fx_note(c, "call.no_engine_left", "tried=%u", c->config.engine_count);
    bool person = c->config.transfer_number[0] != '\0';
    wants_clear(c);
    c->closing = CLOSING_NO;
    manners_close(c, person ? CLOSING_TRANSFER : CLOSING_HANGUP, "no engine",
                  person ? c->config.failure_transfer : c->config.failure_apology, true);
}

/* A session goes with all that only it knew; what it owed is owed by the next. */
static void session_gone(struct call *c)
{
    bool tools = tools_busy(c) && c->closing == CLOSING_NO;
    c->epoch++;
    want_turn_again(c);
    tools_abandon(c);
    for (uint32_t i = 0; i < c->want_count; i++)
        if (c->wants[i].purpose == PURPOSE_TOOL)
            c->wants[i].purpose = PURPOSE_TURN; /* the next session knows of no tool */
    if (tools)
        want_add(c, PURPOSE_TURN, STR(""));
    /* Asked and not understood: the sound of it is at hand, and the next session answers it. */
    c->rehearing = c->question && c->kept_bytes;
    timer_set(c, CALL_TIMER_REHEAR, NO_TIME);
    c->speaking = false;
    for (struct call_item *item = c->items; item; item = item->next)
        if (item->role == CALL_ROLE_AGENT && !item->audio_done)
            voice_item_done(c, item);
}

void link_replace(struct call *c)
{
    c->link = LINK_CLOSED; /* nothing more is asked of it */
    session_gone(c);
    bool rescued = roll_rescue(c);
    ASSERT(rescued); /* the spare is ready, or nobody may ask */
}

static void next_engine(struct call *c)
{
    c->engine_index++;
    c->engine_tries = 0;
    c->engine_losses = 0;
    if (c->engine_index >= c->config.engine_count) {
        give_up(c);
        return;
    }
    /* Nobody needs to hear of what went wrong before they could notice. */
    bool noticed = c->stats.turns > 0 || stream_ms(c, c->now) > CALL_UNNOTICED_MS;
    if (c->phase == PHASE_TALKING && noticed && !c->apologised) {
        c->apologised = true;
        voice_prompt(c, str_of(c->config.engine_apology));
    }
    link_open(c);
}

static void fail(struct call *c, const char *why, bool fault)
{
    if (c->phase == PHASE_ENDED || c->phase == PHASE_LEAVING)
        return;
    if (c->link == LINK_CLOSED && c->engine_index >= c->config.engine_count && c->closing)
        return;
    fx_note(c, "engine.failed", "engine=%s try=%u why=%s",
            c->engine_index < c->config.engine_count ? c->config.engines[c->engine_index].name
                                                     : "none",
            c->engine_tries, why);
    c->stats.engine_failures++;
    bool was_closed = c->link == LINK_CLOSED;
    c->link = LINK_CLOSED;
    timer_set(c, CALL_TIMER_CONNECT, NO_TIME);
    timer_set(c, CALL_TIMER_ROLL, NO_TIME);
    if (!was_closed && c->in->type != CALL_IN_ENGINE_CLOSED)
        fx_add(c, (struct call_fx){.type = CALL_FX_ENGINE_CLOSE, .ok = !fault});
    session_gone(c);
    c->engine_losses++;
    if (c->engine_tries > c->config.engine_retries || c->engine_losses > CALL_ENGINE_LOSSES_MAX) {
        roll_drop(c, true);
        next_engine(c);
    } else if (roll_rescue(c)) {
        c->engine_tries++;
    } else {
        link_open(c);
    }
}

void link_fail(struct call *c, const char *why)
{
    fail(c, why, true);
}

void link_expired(struct call *c)
{
    c->engine_tries = 0; /* it lived as long as it may: nothing speaks against a new one */
    c->engine_losses = 0;
    fail(c, "session expired", false);
}

void link_closed(struct call *c)
{
    if (c->link == LINK_CLOSED)
        return;
    char why[200];
    struct str reason = str_slice(c->in->text, 0, 150);
    snprintf(why, sizeof(why), "closed: %.*s", STR_FMT(reason));
    link_fail(c, why);
}

void link_timer(struct call *c)
{
    if (c->link == LINK_OPENING || c->link == LINK_CONFIGURING)
        link_fail(c, "not ready in time");
}

/* -- the caller's audio -- */

void link_audio(struct call *c)
{
    if (c->phase != PHASE_TALKING)
        return;
    c->last_audio_us = c->now;
    if (c->link == LINK_READY) {
        c->forwarded_bytes += c->in->audio_len;
        c->kept_bytes += c->in->audio_len;
        if (c->kept_bytes > c->keep_bytes)
            c->kept_bytes = c->keep_bytes;
        fx_add(c, (struct call_fx){.type = CALL_FX_ENGINE_APPEND, .len = c->in->audio_len});
    } else {
        c->held_bytes += c->in->audio_len;
        fx_add(c, (struct call_fx){.type = CALL_FX_HOLD, .len = c->in->audio_len});
    }
}

/* When the caller made the sound at `audio_ms` of the engine session's input. */
static int64_t time_of_audio(const struct call *c, int64_t audio_ms)
{
    int64_t behind_us = (int64_t)c->forwarded_bytes * 125 - audio_ms * 1000;
    int64_t at = c->last_audio_us - (behind_us > 0 ? behind_us : 0);
    return at > c->stream_us ? at : c->stream_us;
}

/* -- its events -- */

/* The caller's item of that id. A question that an earlier session was lost over is heard again
 * under another id, and stays one turn. */
static struct call_item *caller_item(struct call *c, struct str id)
{
    struct call_item *item = script_find(c, id), *q = c->question;
    if (!item && q && !q->final && q->engine_epoch != c->epoch) {
        q->id = keep_str(c, id);
        q->engine_epoch = c->epoch;
        q->settled = false;
        return q;
    }
    return item ? item : script_add(c, id, CALL_ROLE_CALLER);
}

static void heard_again(struct call *c)
{
    c->rehearing = false;
    timer_set(c, CALL_TIMER_REHEAR, NO_TIME);
}

static void on_speech_started(struct call *c, const struct rt_event *ev)
{
    c->speaking = true;
    heard_again(c);
    manners_speech(c);
    struct call_item *item = caller_item(c, ev->item_id);
    if (item && item != c->question)
        item->start_ms = stream_ms(c, time_of_audio(c, ev->audio_start_ms));
    c->speaking_item = item;
    c->question = item;
    c->question_end = 0;
    keep(c, CALL_KEEP_SPEECH_BYTES);
    voice_barge_in(c);
}

static void on_speech_stopped(struct call *c, const struct rt_event *ev)
{
    c->speaking = false;
    /* The position includes the silence that made the engine sure (Realtime API, server_vad). */
    int64_t end_us = time_of_audio(c, ev->audio_end_ms - c->config.vad_silence_ms);
    if (end_us > c->silent_us)
        c->silent_us = end_us;
    c->turn = (struct turn_clock){.open = true, .speech_end_us = end_us, .turn_end_us = c->now};
    if (c->speaking_item)
        c->speaking_item->end_ms = stream_ms(c, end_us);
    c->question_end = (uint64_t)(ev->audio_end_ms > 0 ? ev->audio_end_ms : 0) * 8;
    c->stats.turns++;
    timer_set(c, CALL_TIMER_SILENCE, NO_TIME);
    manners_idle(c);
}

static void on_committed(struct call *c, const struct rt_event *ev)
{
    struct call_item *item = caller_item(c, ev->item_id);
    if (item)
        item->settled = true;
    c->speaking = false;
    heard_again(c);
    if (c->closing == CLOSING_NO)
        want_add(c, PURPOSE_TURN, STR(""));
    answer_next(c);
}

static void on_transcription(struct call *c, const struct rt_event *ev)
{
    struct call_item *item = script_find(c, ev->item_id);
    if (!item)
        return;
    if (ev->type == RT_TRANSCRIPTION_DELTA) {
        script_words(c, item, ev->text);
        return;
    }
    if (ev->type == RT_TRANSCRIPTION_COMPLETED) {
        script_set_words(c, item, ev->text);
        script_transcription_usage(c, item, &ev->usage);
    }
    item->final = true;
    item->settled = true;
    if (item == c->question && item->text.len)
        link_understood(c);
    voice_settle(c, false);
    manners_transcript(c, item);
}

static struct call_item *agent_item(struct call *c, const struct rt_event *ev)
{
    struct call_item *item = script_find(c, ev->item_id);
    if (!item && answer_is_current(c, ev->response_id))
        item = script_add(c, ev->item_id, CALL_ROLE_AGENT);
    return item && item->role == CALL_ROLE_AGENT ? item : NULL;
}

static void on_audio(struct call *c, const struct rt_event *ev)
{
    if (!answer_is_current(c, ev->response_id) || c->in->audio_len == 0)
        return; /* a late delta of a dead response */
    struct call_item *item = agent_item(c, ev);
    if (!item || item->audio_done)
        return;
    c->answer.seen_us = c->now;
    if (!c->answer.has_audio) {
        c->answer.has_audio = true;
        c->charged = item;
        if (c->turn.open) {
            c->turn.engine_first_us = c->now;
            if (c->answer.want.purpose == PURPOSE_TURN)
                roll_pace(c, (c->now - c->turn.speech_end_us) / 1000);
        }
    }
    voice_accept(c, item, c->in->audio_len,
                 c->answer.want.purpose == PURPOSE_FAREWELL && c->closing_protected);
}

static void on_response_part(struct call *c, const struct rt_event *ev)
{
    c->answer.seen_us = c->now;
    if (ev->type == RT_OUTPUT_ITEM_ADDED) {
        if (ev->item.type == RT_ITEM_MESSAGE && answer_is_current(c, ev->response_id) &&
            !script_find(c, ev->item.id))
            (void)script_add(c, ev->item.id, CALL_ROLE_AGENT);
        return;
    }
    if (ev->type == RT_OUTPUT_ITEM_DONE) {
        bool whole = ev->item.status != RT_STATUS_INCOMPLETE;
        if (ev->item.type == RT_ITEM_FUNCTION_CALL && whole &&
            answer_is_current(c, ev->response_id))
            tool_called(c, ev->item.call_id, ev->item.name, ev->item.arguments);
        return;
    }
    struct call_item *item = agent_item(c, ev);
    if (!item)
        return;
    if (ev->type == RT_AUDIO_TRANSCRIPT_DELTA && !item->interrupted)
        script_words(c, item, ev->text);
    else if (ev->type == RT_AUDIO_TRANSCRIPT_DONE)
        script_set_words(c, item, ev->text);
    else if (ev->type == RT_AUDIO_DONE)
        voice_item_done(c, item);
    voice_settle(c, false);
}

void link_event(struct call *c)
{
    const struct rt_event *ev = c->in->event;
    if (c->link == LINK_CLOSED || c->link == LINK_OPENING)
        return; /* of a session we have given up */
    /* Most events are of no interest to a call; what they say arrives again in those below. */
    if (ev->type == RT_AUDIO_DELTA)
        on_audio(c, ev);
    else if (ev->type == RT_SESSION_CREATED)
        roll_created(c, ev);
    else if (ev->type == RT_SESSION_UPDATED && c->link == LINK_CONFIGURING)
        link_take_over(c);
    else if (ev->type == RT_SPEECH_STARTED)
        on_speech_started(c, ev);
    else if (ev->type == RT_SPEECH_STOPPED)
        on_speech_stopped(c, ev);
    else if (ev->type == RT_INPUT_AUDIO_COMMITTED)
        on_committed(c, ev);
    else if (ev->type == RT_TRANSCRIPTION_DELTA || ev->type == RT_TRANSCRIPTION_COMPLETED ||
             ev->type == RT_TRANSCRIPTION_FAILED)
        on_transcription(c, ev);
    else if (ev->type == RT_RESPONSE_CREATED)
        answer_created(c, ev);
    else if (ev->type == RT_RESPONSE_DONE)
        answer_done(c, ev);
    else if (ev->type == RT_ERROR)
        answer_error(c, ev);
    else if (ev->type == RT_OUTPUT_ITEM_ADDED || ev->type == RT_OUTPUT_ITEM_DONE ||
             ev->type == RT_AUDIO_TRANSCRIPT_DELTA || ev->type == RT_AUDIO_TRANSCRIPT_DONE ||
             ev->type == RT_AUDIO_DONE)
        on_response_part(c, ev);
}
