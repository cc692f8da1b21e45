/*
 * A call whose line is gone: the stream broke without a hang-up, or the process died. It waits for
 * a new stream and then goes on where it was; if none comes in time, it ends.
 *
 * A process that died takes everything with it that is not state of the call: the engine session,
 * running tools, texts being synthesised. After a broken stream these live on.
 */
#include "call/call_impl.h"

static void timers_off(struct call *c, const enum call_timer *timers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        timer_set(c, timers[i], NO_TIME);
}

/* The engine session, its tools and the words on their way to it died with the process. */
static void forget_engine(struct call *c)
{
    bool owed = tools_busy(c);
    c->link = LINK_CLOSED;
    c->epoch++;
    c->engine_tries = 0;
    c->held_bytes = c->kept_bytes = c->keep_bytes = 0;
    c->rehearing = c->rolling = false;
    c->spare = (struct spare){0};
    static const enum call_timer off[] = {CALL_TIMER_CONNECT, CALL_TIMER_ROLL, CALL_TIMER_SPARE,
                                          CALL_TIMER_REHEAR};
    timers_off(c, off, sizeof(off) / sizeof(off[0]));
    want_turn_again(c);
    tools_abandon(c);
    c->speaking = false;
    c->question = NULL; /* its sound is gone: lost_resume asks for it again */
    c->question_end = 0;
    for (struct call_item *item = c->items; item; item = item->next)
        if (item->role == CALL_ROLE_AGENT)
            item->audio_done = true;
    for (uint32_t i = 0; i < c->want_count; i++)
        if (c->wants[i].purpose == PURPOSE_TOOL)
            c->wants[i].purpose = PURPOSE_TURN; /* the new session knows of no tool */
    if (owed)
        want_add(c, PURPOSE_TURN, STR(""));
}

/* The answer under way has nobody to hear it; what it owes is asked for again. */
static void drop_answer(struct call *c)
{
    if (c->answer.state == ANSWER_NONE)
        return;
    want_owed_again(c);
    c->answer.dead = true;
    answer_cancel(c);
}

/* What a caller should not miss: of a turn's answer, the greeting, or words that must be heard, so
 * much was unheard that it is said again. */
static void note_unheard(struct call *c)
{
    for (struct call_item *item = c->items; item; item = item->next) {
        if (item->settled || item->role == CALL_ROLE_CALLER)
            continue;
        item->again = true; /* lost_resume looks at what was heard of it by then */
    }
}

static void begin_waiting(struct call *c, uint32_t how)
{
    static const enum call_timer off[] = {CALL_TIMER_PACE, CALL_TIMER_HEARD, CALL_TIMER_BARGE,
                                          CALL_TIMER_FILLER, CALL_TIMER_WAIT};
    timers_off(c, off, sizeof(off) / sizeof(off[0]));
    if (!c->speaking) /* else it minds that an engine forgets to end the caller's turn */
        timer_set(c, CALL_TIMER_SILENCE, NO_TIME);
    c->turn.open = false;
    if (c->phase == PHASE_LOST)
        return; /* lost again while it waited: the caller's patience is the same */
    c->phase = PHASE_LOST;
    c->lost_us = c->now;
    c->lost_why = how == CALL_LOST_PROCESS ? "server restarted" : "stream lost";
    timer_set(c, CALL_TIMER_LOST, c->now + (int64_t)c->config.resume_window_ms * 1000);
}

void lost_begin(struct call *c)
{
    uint32_t how = c->in->number;
    bool process = how == CALL_LOST_PROCESS;
    fx_note(c, "call.lost", "why=%.*s", STR_FMT(str_slice(c->in->text, 0, 150)));
    if (c->phase == PHASE_LEAVING && !(process && c->closing == CLOSING_TRANSFER)) {
        call_finish(c, c->close_reason); /* as asked */
        return;
    }
    if (c->config.resume_window_ms == 0 || (c->phase == PHASE_RINGING && !process)) {
        call_finish(c, c->in->text.len ? c->in->text : STR("closed"));
        return;
    }
    note_unheard(c);
    if (process)
        forget_engine(c);
    else
        drop_answer(c);
    voice_lost(c, process);
    if (c->closing != CLOSING_NO && c->phase != PHASE_RINGING && c->phase != PHASE_LOST) {
        /* Saying goodbye: there is nothing to go on with but what was about to happen. */
        if (c->closing == CLOSING_HANGUP)
            call_finish(c, c->close_reason);
        else
            manners_leave(c);
        return;
    }
    begin_waiting(c, how);
}

void lost_timer(struct call *c)
{
    if (c->phase == PHASE_LOST)
        call_finish(c, str_of(c->lost_why));
}

/* -- and back -- */

static bool missed(const struct call_item *item)
{
    bool unsaid = item->role == CALL_ROLE_PROMPT && item->spoken_ms == 0;
    return item->again && (unsaid || item->spoken_ms - item->heard_ms > CALL_LOST_TAIL_MS);
}

static bool prompts_missed(const struct call *c)
{
    for (const struct call_item *item = c->items; item; item = item->next)
        if (item->role == CALL_ROLE_PROMPT && missed(item))
            return true;
    return false;
}

/* The new engine session cannot answer what it was never told, and cannot hear again. */
static bool turn_unheard(const struct call *c)
{
    if (c->rehearing || c->kept_bytes)
        return false;
    const struct call_item *last = NULL;
    for (const struct call_item *item = c->items; item; item = item->next)
        if (item->role == CALL_ROLE_CALLER)
            last = item;
    return last && last->text.len == 0 && last->engine_epoch != c->epoch;
}

static void owe_again(struct call *c)
{
    struct call_item *end = c->last_item; /* prompts said again are new items behind it */
    for (struct call_item *item = c->items; item; item = item->next) {
        bool again = missed(item);
        item->again = false;
        if (again && item->role == CALL_ROLE_PROMPT)
            voice_prompt(c, item->text);
        else if (again && item->purpose == PURPOSE_GREETING)
            want_add(c, PURPOSE_GREETING, str_of(c->config.greeting));
        else if (again && (item->purpose == PURPOSE_TURN || item->purpose == PURPOSE_TOOL))
            want_add(c, PURPOSE_TURN, STR(""));
        if (item == end)
            break;
    }
    if (turn_unheard(c) && want_drop_turns(c))
        want_add(c, PURPOSE_SAY, str_of(c->config.say_again));
}

void lost_resume(struct call *c)
{
    timer_set(c, CALL_TIMER_LOST, NO_TIME);
    fx_note(c, "call.resumed", "after_ms=%lld", (long long)((c->now - c->lost_us) / 1000));
    c->stats.resumes++;
    if (c->closing == CLOSING_NO)
        link_open(c);
    if (c->stream_us == NO_TIME) { /* it was ringing */
        c->phase = PHASE_TALKING;
        c->stream_us = c->now;
        manners_started(c);
        return;
    }
    if (c->closing != CLOSING_NO) { /* its time was up, or every engine failed, meanwhile */
        enum closing kind = c->closing;
        c->closing = CLOSING_NO;
        c->phase = PHASE_TALKING;
        manners_close(c, kind,
                      arena_strndup(&c->scratch->arena, c->close_reason.p, c->close_reason.len),
                      arena_strndup(&c->scratch->arena, c->farewell.p, c->farewell.len),
                      c->closing_protected);
        voice_pump(c); /* what the operator had said meanwhile */
        return;
    }
    bool engine_first = c->link == LINK_READY && c->answer.state == ANSWER_NONE && !c->speaking &&
                        !prompts_missed(c);
    if (!engine_first)
        voice_prompt(c, str_of(c->config.resume_words));
    else if (c->config.resume_words[0])
        want_first(c, PURPOSE_SAY, str_of(c->config.resume_words));
    owe_again(c);
    c->phase = PHASE_TALKING; /* only now: what is wanted is asked for in its order */
    voice_pump(c);
    answer_next(c);
    manners_idle(c);
}
