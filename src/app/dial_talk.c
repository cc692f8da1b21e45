/*
 * The agent is "on" from its first audible frame until `settle` of silence with nothing left to
 * play; pauses between its sentences are shorter than that. A caller's turn is answered by the
 * first audible frame of an agent who was off, or who was silenced by the turn itself.
 */
#include "app/dial_talk.h"

#include <string.h>

#include "app/voice.h"
#include "audio/g711.h"
#include "base/assert.h"
#include "base/mem.h"

enum {
    SETTLE_MS = 700,
    FIRST_SETTLE_MS = 1500,
    PATIENCE_MS = 15000,
    DIGIT_MS = 200,
    OVERLAP_MS = 1000
};

static struct dial_turn *current(struct dial_talk *t)
{
    return &t->turns[t->turn_count - 1];
}

static void tell(struct dial_talk *t, enum dial_talk_event event, char digit)
{
    t->fn(t->ctx, event, current(t), digit);
}

static void enter(struct dial_talk *t, enum dial_talk_state state, int64_t now_ms)
{
    t->state = state;
    t->since_ms = now_ms;
}

void dial_talk_init(struct dial_talk *t, const struct dial_talk_opts *opts, dial_talk_fn *fn,
                    void *ctx)
{
    *t = (struct dial_talk){.opts = *opts, .fn = fn, .ctx = ctx};
    if (t->opts.settle_ms == 0)
        t->opts.settle_ms = SETTLE_MS;
    if (t->opts.first_settle_ms == 0)
        t->opts.first_settle_ms = FIRST_SETTLE_MS;
    if (t->opts.patience_ms == 0)
        t->opts.patience_ms = PATIENCE_MS;
    t->turns = mem_zalloc(sizeof(*t->turns) * (opts->step_count + 1));
    t->turns[0] = (struct dial_turn){.began_ms = 0,
                                     .ended_ms = 0,
                                     .answered_ms = -1,
                                     .answer_end_ms = -1,
                                     .silent_ms = -1,
                                     .heard_ms = -1};
    t->turn_count = 1;
    t->state = DIAL_TALK_WAIT;
}

void dial_talk_fini(struct dial_talk *t)
{
    mem_free(t->turns);
    t->turns = NULL;
}

bool dial_talk_over(const struct dial_talk *t)
{
    return t->state == DIAL_TALK_OVER;
}

static void begin_step(struct dial_talk *t, int64_t now_ms)
{
    const struct dial_step *step = &t->opts.steps[t->step++];
    struct dial_turn *turn = &t->turns[t->turn_count++];
    *turn = (struct dial_turn){.step = step,
                               .began_ms = -1,
                               .ended_ms = -1,
                               .answered_ms = -1,
                               .answer_end_ms = -1,
                               .interrupts = step->kind == DIAL_SAY && t->agent_on,
                               .silent_ms = -1,
                               .heard_ms = -1,
                               .played_ms = -1,
                               .voice_heard_ms = -1};
    t->said = 0;
    enter(t, step->kind == DIAL_PAUSE ? DIAL_TALK_PAUSE : DIAL_TALK_SPEAK, now_ms);
}

static void finish_step(struct dial_talk *t, int64_t now_ms)
{
    if (t->step < t->opts.step_count) {
        enter(t, DIAL_TALK_LISTEN, now_ms);
        return;
    }
    enter(t, DIAL_TALK_OVER, now_ms);
    tell(t, DIAL_DONE, 0);
}

static void agent_ends(struct dial_talk *t)
{
    t->agent_on = false;
    current(t)->answer_end_ms = t->agent_last_ms;
    tell(t, DIAL_AGENT_ENDS, 0);
}

static void hear(struct dial_talk *t, int64_t now_ms, const struct dial_heard *h)
{
    struct dial_turn *turn = current(t);
    if (h->idle && !t->agent_on)
        t->answer_from_ms = h->played_ms;
    if (h->audible) {
        int64_t from_ms = now_ms - VOICE_FRAME_MS; /* the frame began then */
        if (!t->agent_on) {
            t->agent_on = true;
            t->agent_began_ms = from_ms;
            if (turn->answered_ms < 0) {
                turn->answered_ms = from_ms;
                turn->unanswered = false; /* late is not never */
            }
            tell(t, DIAL_AGENT_BEGINS, 0);
        }
        t->heard_any = true;
        t->agent_last_ms = now_ms;
        t->voice_played_ms = h->played_ms;
        return;
    }
    if (!t->agent_on || !h->empty)
        return;
    /* Both may come in several parts. */
    bool opening = turn->step == NULL || t->state == DIAL_TALK_BACK;
    int64_t settle_ms = opening ? t->opts.first_settle_ms : t->opts.settle_ms;
    if (turn->interrupts && turn->cleared && turn->silent_ms < 0) {
        turn->silent_ms = now_ms;
        t->agent_on = false; /* what comes now is the answer to this turn */
        tell(t, DIAL_SILENCED, 0);
    } else if (now_ms - t->agent_last_ms >= settle_ms) {
        agent_ends(t);
    }
}

/* One frame of the running step; true when it was the last. */
static bool speak(struct dial_talk *t, int64_t now_ms, uint8_t *frame)
{
    struct dial_turn *turn = current(t);
    const struct dial_step *step = turn->step;
    if (step->kind == DIAL_DTMF) {
        /* A finger needs time: a digit every 200 ms. */
        size_t due = (size_t)((now_ms - t->since_ms) / DIGIT_MS);
        if (turn->began_ms < 0)
            turn->began_ms = now_ms;
        while (t->said < due && step->text[t->said]) {
            turn->ended_ms = now_ms;
            tell(t, DIAL_DIGIT, step->text[t->said++]);
        }
        return step->text[t->said] == '\0';
    }
    size_t left = step->audio_len - t->said;
    size_t n = left < VOICE_FRAME_BYTES ? left : VOICE_FRAME_BYTES;
    if (n > 0)
        memcpy(frame, step->audio + t->said, n);
    t->said += n;
    if (voice_level(frame) >= VOICE_AUDIBLE) {
        if (turn->began_ms < 0) {
            turn->began_ms = now_ms - VOICE_FRAME_MS;
            tell(t, DIAL_CALLER_BEGINS, 0);
        }
        turn->ended_ms = now_ms;
    }
    if (t->said < step->audio_len)
        return false;
    if (turn->began_ms < 0) /* a silent recording */
        turn->began_ms = turn->ended_ms = now_ms;
    tell(t, DIAL_CALLER_ENDS, 0);
    return true;
}

static void listen_for_turn(struct dial_talk *t, int64_t now_ms)
{
    const struct dial_step *next = &t->opts.steps[t->step];
    bool interrupts = next->kind == DIAL_SAY && next->interrupt_ms >= 0 && t->agent_on;
    if (interrupts ? now_ms - t->agent_began_ms >= next->interrupt_ms : !t->agent_on)
        begin_step(t, now_ms);
}

static void wait_for_answer(struct dial_talk *t, int64_t now_ms)
{
    struct dial_turn *turn = current(t);
    bool still_old = turn->interrupts && turn->silent_ms < 0 && t->agent_on;
    if (turn->answered_ms >= 0 && !still_old) {
        /* The opening may be interrupted from the first; everything else needs the answer. */
        bool next_interrupts = t->step < t->opts.step_count &&
                               t->opts.steps[t->step].interrupt_ms >= 0 &&
                               t->opts.steps[t->step].kind == DIAL_SAY;
        if (!t->agent_on || next_interrupts)
            finish_step(t, now_ms);
        return;
    }
    if (now_ms - t->since_ms >= t->opts.patience_ms && !t->agent_on) {
        turn->unanswered = true;
        tell(t, DIAL_NO_ANSWER, 0);
        finish_step(t, now_ms);
    }
}

static void begin_again(struct dial_talk *t, int64_t now_ms)
{
    struct dial_turn *turn = current(t);
    turn->began_ms = turn->ended_ms = turn->answered_ms = turn->answer_end_ms = -1;
    turn->interrupts = false;
    t->said = 0;
    enter(t, DIAL_TALK_SPEAK, now_ms);
}

static void listen_for_return(struct dial_talk *t, int64_t now_ms)
{
    if (t->agent_on)
        return;
    bool heard = t->agent_last_ms > t->since_ms;
    if (!heard && now_ms - t->since_ms < t->opts.patience_ms)
        return;
    if (t->broken == DIAL_TALK_SPEAK) {
        begin_again(t, now_ms);
    } else if (t->broken == DIAL_TALK_PAUSE) {
        enter(t, DIAL_TALK_PAUSE, now_ms);
    } else {
        if (current(t)->answered_ms < 0) {
            current(t)->unanswered = true;
            tell(t, DIAL_NO_ANSWER, 0);
        }
        finish_step(t, now_ms);
    }
}

void dial_talk_resumed(struct dial_talk *t, int64_t now_ms)
{
    if (t->state == DIAL_TALK_OVER)
        return;
    if (t->agent_on)
        agent_ends(t);
    if (t->state != DIAL_TALK_BACK)
        t->broken = t->state;
    enter(t, DIAL_TALK_BACK, now_ms);
}

void dial_talk_tick(struct dial_talk *t, int64_t now_ms, const struct dial_heard *heard,
                    uint8_t *frame)
{
    memset(frame, G711_MULAW_SILENCE, VOICE_FRAME_BYTES);
    hear(t, now_ms, heard);
    switch (t->state) {
    case DIAL_TALK_LISTEN:
        listen_for_turn(t, now_ms);
        if (t->state == DIAL_TALK_SPEAK && speak(t, now_ms, frame))
            enter(t, DIAL_TALK_WAIT, now_ms);
        break;
    case DIAL_TALK_SPEAK:
        if (speak(t, now_ms, frame))
            enter(t, DIAL_TALK_WAIT, now_ms);
        break;
    case DIAL_TALK_WAIT:
        wait_for_answer(t, now_ms);
        break;
    case DIAL_TALK_PAUSE:
        if (now_ms - t->since_ms >= current(t)->step->pause_ms)
            finish_step(t, now_ms);
        break;
    case DIAL_TALK_BACK:
        listen_for_return(t, now_ms);
        break;
    case DIAL_TALK_OVER:
        break;
    }
}

int64_t dial_talk_cleared(struct dial_talk *t, int64_t now_ms, int64_t played_ms)
{
    struct dial_turn *turn = current(t);
    int64_t heard_ms = played_ms - t->answer_from_ms;
    if (turn->interrupts && !turn->cleared) {
        turn->cleared = true;
        turn->heard_ms = heard_ms;
        turn->voice_heard_ms = t->agent_on ? t->voice_played_ms - t->answer_from_ms : 0;
        turn->played_ms = played_ms;
    } else if (!turn->interrupts && turn->step && turn->answered_ms >= 0 &&
               (t->state == DIAL_TALK_SPEAK || now_ms - turn->ended_ms < OVERLAP_MS)) {
        /* The agent answered into a pause of ours: what it said was not the answer to all of it. */
        turn->talked_over = true;
        turn->answered_ms = -1;
        t->agent_on = false;
    }
    return heard_ms;
}
