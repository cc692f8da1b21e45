/* What is promised to the caller, watched from outside: by what the core was told and what it asked
 * for. */
#include <string.h>

#include "sim.h"

enum {
    SILENCE_MS = 3000,
    SLACK_MS = 300,      /* a round trip, synthesis, a tick */
    LOST_MARK_MS = 1600, /* CALL_MARK_GRACE_MS: until a lost mark is not waited for any longer */
    KEYS_MS = 1500       /* CALL_DTMF_GAP_MS: until keys are taken as pressed */
};

/* -- what was cut is gone -- */

static void on_cut(struct sim *s)
{
    for (uint32_t i = 0; i < s->item_number; i++)
        s->items[i].gone |= s->items[i].made > 0;
    for (uint32_t i = SIM_ITEMS_MAX / 2; i < SIM_ITEMS_MAX; i++)
        s->items[i].gone |= s->items[i].made > 0;
}

/* -- tools -- */

void watch_tool(struct sim *s, const struct call_fx *fx)
{
    uint32_t run = fx->number;
    if (run >= SIM_TOOLS_MAX)
        return;
    if (fx->type == CALL_FX_TOOL) {
        s->tools[run].started = true;
    } else if (fx->type == CALL_FX_TOOL_CANCEL) {
        s->tools[run].cancelled = true;
    } else {
        if (s->tools[run].recorded)
            sim_fail(s, "tool run %u was recorded twice", run);
        s->tools[run].recorded = true;
    }
}

void watch_effect(struct sim *s, const struct call_fx *fx)
{
    lost_effect(s, fx);
    if (fx->type == CALL_FX_CLEAR || fx->type == CALL_FX_DISCARD) {
        on_cut(s);
        s->sound_us = s->now > s->sound_us ? s->now : s->sound_us; /* for something more urgent */
    } else if (fx->type == CALL_FX_QUEUE) {
        s->queued_us = s->now;
    } else if (fx->type == CALL_FX_TOOL || fx->type == CALL_FX_TOOL_CANCEL ||
               fx->type == CALL_FX_TOOL_RECORD) {
        watch_tool(s, fx);
    } else if (fx->type == CALL_FX_TIMER && fx->number == CALL_TIMER_CLOSE && !s->leaving) {
        s->close_us = fx->at_us ? s->now : 0;
    } else if (fx->type == CALL_FX_HANGUP || fx->type == CALL_FX_TRANSFER) {
        s->leaving = true;
    } else if (fx->type == CALL_FX_NOTE) {
        s->farewell_cut |= str_eq(fx->name, STR("call.farewell_cut"));
        s->stats.waits += str_eq(fx->name, STR("call.please_wait"));
        if (str_eq(fx->name, STR("call.emergency")))
            s->owed = false; /* that is the answer */
        s->stats.rollovers += str_eq(fx->name, STR("engine.rolled"));
    }
}

/* -- the caller's audio -- */

static void session_gets(struct sim *s, uint64_t from)
{
    if (from > s->given)
        sim_fail(s, "%llu ms of the caller were lost between two sessions",
                 (unsigned long long)(from - s->given) / 8);
    s->given = s->mic;
}

static void trim(struct sim *s, uint64_t most)
{
    if (s->mic - s->hand_from > most)
        s->hand_from = s->mic - most;
}

void watch_audio(struct sim *s, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_APPEND) {
        session_gets(s, s->mic - fx->len);
        trim(s, s->keep);
    } else if (fx->type == CALL_FX_HOLD) {
        trim(s, SESSION_HELD_BYTES_MAX);
    } else if (fx->type == CALL_FX_KEEP) {
        s->keep = fx->len;
        trim(s, fx->offset);
    } else { /* CALL_FX_RELEASE */
        uint64_t most = s->mic - s->speech_from;
        most = most < CALL_KEEP_SPEECH_BYTES ? most : CALL_KEEP_SPEECH_BYTES;
        if (s->speech_told && !s->speech_known && s->mic - s->hand_from < most)
            sim_fail(s, "a question was not given to the next session");
        session_gets(s, s->hand_from);
        trim(s, s->keep);
    }
}

/* -- silence -- */

void watch_fed(struct sim *s, const struct call_input *in)
{
    if (in->type == CALL_IN_DTMF)
        s->sound_us = s->now + KEYS_MS * 1000;
    else if (in->type == CALL_IN_PROMPT && in->audio_len == 0)
        s->sound_us = s->now, s->farewell_cut = true; /* it could not be synthesised */
    else if (in->type == CALL_IN_STREAM && !call_answered(s->call))
        s->owed = s->config.greeting[0] != '\0';
    if (s->word_at && in->type == CALL_IN_PROMPT && in->audio_len == 0)
        s->word_at = s->now;
    if (s->word_at && in->type == CALL_IN_DTMF)
        s->word_at = s->now + KEYS_MS * 1000;
    if (in->type == CALL_IN_STREAM)
        s->sound_us = s->now;
}

void watch_silence(struct sim *s)
{
    lost_watch_word(s);
    if (!carrier_silent(s) || s->talking) {
        if (s->sound_us < s->now)
            s->sound_us = s->now;
        return;
    }
    if (s->main && s->main->mute && s->main->heard_begin) {
        s->sound_us = s->now; /* it died after it said that the caller speaks: who should know */
        return;
    }
    int64_t silence_ms = (s->now - s->sound_us) / 1000;
    if (!s->owed || s->leaving || s->hung_up || call_ended(s->call))
        return;
    int64_t bound = SILENCE_MS + SLACK_MS + (s->fault || s->refused.mark ? LOST_MARK_MS : 0);
    bound += s->refused.late_us / 1000;
    if (silence_ms > bound)
        sim_fail(s, "%lld ms of silence to a caller who is owed an answer", (long long)silence_ms);
    else if (silence_ms > s->stats.silence_ms_max && !s->fault)
        s->stats.silence_ms_max = silence_ms;
}

/* -- the end -- */

static bool says_goodbye(struct str reason)
{
    static const char *const reasons[] = {"max duration", "cost cap", "spend limit", "silence",
                                          "no engine"};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (str_eq(reason, str_of(reasons[i])))
            return true;
    return false;
}

void watch_end(struct sim *s)
{
    struct str reason = call_stats(s->call).end_reason;
    if (!call_ended(s->call))
        sim_fail(s, "the call never ended");
    if (s->leaving && !s->farewell_cut && says_goodbye(reason) && s->close_us &&
        s->queued_us < s->close_us)
        sim_fail(s, "no goodbye was said: %.*s", STR_FMT(reason));
    for (const struct call_item *i = call_items(s->call); i; i = i->next)
        if (!i->stored)
            sim_fail(s, "item %.*s was never stored", STR_FMT(i->id));
    for (uint32_t run = 0; run < SIM_TOOLS_MAX; run++)
        if (s->tools[run].started && !s->tools[run].recorded && !s->tools[run].cancelled)
            sim_fail(s, "tool run %u was forgotten", run);
    lost_watch_end(s);
    /* No session is made ready while nobody is there. */
    bool was_lost = s->lost || call_stats(s->call).resumes;
    bool refused = s->refused.open || s->refused.event || s->refused.unread || s->refused.late_us;
    if (s->fault == 0 && !s->stalled && s->expired && !was_lost && !refused)
        sim_fail(s, "a session reached its limit");
}
