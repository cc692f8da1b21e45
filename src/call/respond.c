/* What the engine is asked for. One response is in flight at a time and all others wait here, so
 * the engine never answers conversation_already_has_active_response. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "call/call_impl.h"

enum {
    EMPTY_ANSWERS_MAX = 1,
    FAILED_ANSWERS_MAX = 1,
    QUOTE_BYTES = 32, /* what is said around a given text */
};

static const char *purpose_name(enum purpose purpose)
{
    switch (purpose) {
    case PURPOSE_GREETING:
        return "greeting";
    case PURPOSE_TURN:
        return "turn";
    case PURPOSE_TOOL:
        return "tool";
    case PURPOSE_SAY:
        return "say";
    case PURPOSE_FILLER:
        return "filler";
    case PURPOSE_FAREWELL:
        return "farewell";
    }
    return "turn";
}

void want_add(struct call *c, enum purpose purpose, struct str text)
{
    bool plain = purpose == PURPOSE_TURN || purpose == PURPOSE_TOOL;
    for (uint32_t i = 0; i < c->want_count && plain; i++)
        if (c->wants[i].purpose == PURPOSE_TURN || c->wants[i].purpose == PURPOSE_TOOL)
            return; /* one answer takes up all that was said and found until then */
    if (c->want_count == CALL_WANTS_MAX) {
        fx_note(c, "call.wants_full", "purpose=%s", purpose_name(purpose));
        return;
    }
    struct str kept = text.len ? keep_str(c, text) : STR("");
    c->wants[c->want_count++] = (struct want){.purpose = purpose, .text = kept};
    timer_set(c, CALL_TIMER_SILENCE, NO_TIME);
    answer_next(c);
}

void wants_clear(struct call *c)
{
    c->want_count = 0;
}

static void want_front(struct call *c, struct want want)
{
    if (c->want_count == CALL_WANTS_MAX)
        c->want_count--; /* the newest gives way to the one that was first in line */
    memmove(&c->wants[1], &c->wants[0], c->want_count * sizeof(c->wants[0]));
    c->wants[0] = want;
    c->want_count++;
}

void want_first(struct call *c, enum purpose purpose, struct str text)
{
    want_front(c, (struct want){.purpose = purpose, .text = keep_str(c, text)});
}

bool want_drop_turns(struct call *c)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->want_count; i++)
        if (c->wants[i].purpose != PURPOSE_TURN && c->wants[i].purpose != PURPOSE_TOOL)
            c->wants[kept++] = c->wants[i];
    bool dropped = kept < c->want_count;
    c->want_count = kept;
    return dropped;
}

void want_turn_again(struct call *c)
{
    want_owed_again(c);
    c->answer = (struct answer){0};
    timer_set(c, CALL_TIMER_RESPONSE, NO_TIME);
}

void want_owed_again(struct call *c)
{
    struct answer lost = c->answer;
    if (lost.state == ANSWER_NONE || lost.dead || lost.want.purpose == PURPOSE_FILLER)
        return;
    /* What was already spoken of a given text is not said twice; a turn is answered anew. */
    if (lost.want.text.len && lost.has_audio)
        return;
    if (lost.want.purpose == PURPOSE_TOOL)
        lost.want.purpose = PURPOSE_TURN; /* the new session knows nothing of the old one's tools */
    want_front(c, lost.want);
}

bool answer_is_current(const struct call *c, struct str response_id)
{
    return c->answer.state == ANSWER_ACTIVE && !c->answer.dead &&
           str_eq(response_id, str_of(c->answer.id));
}

static void arm_watchdog(struct call *c)
{
    c->answer.seen_us = c->now;
    if (c->timer_at[CALL_TIMER_RESPONSE] == NO_TIME)
        timer_set(c, CALL_TIMER_RESPONSE, c->now + (int64_t)c->config.response_timeout_ms * 1000);
}

static void request(struct call *c, struct want want)
{
    struct str quoted = STR_NONE;
    if (want.text.len) {
        struct buf b;
        buf_init(&b, want.text.len + QUOTE_BYTES);
        FAULTS_OFF(); /* without it the engine would say what it likes */
        buf_put_str(&b, STR("Say exactly: \""));
        buf_put_str(&b, want.text);
        buf_put_str(&b, STR("\""));
        FAULTS_ON();
        ASSERT(buf_ok(&b));
        quoted = scratch_str(c, buf_str(&b));
        buf_fini(&b);
    }
    char event_id[24];
    c->response_number++;
    snprintf(event_id, sizeof(event_id), "r%u", c->response_number);
    struct rt_event ev = {
        .type = RT_RESPONSE_CREATE, .event_id = str_of(event_id), .has_response = true};
    ev.response.metadata_purpose = str_of(purpose_name(want.purpose));
    if (want.text.len) {
        ev.response.instructions = quoted;
        ev.response.tool_choice = STR("none");
    }
    if (want.purpose == PURPOSE_FILLER) {
        ev.response.out_of_band = true;
        ev.response.empty_input = true;
    }
    c->answer =
        (struct answer){.state = ANSWER_REQUESTED, .want = want, .number = c->response_number};
    fx_engine(c, &ev);
    arm_watchdog(c);
}

void answer_next(struct call *c)
{
    bool ready = c->link == LINK_READY && c->phase == PHASE_TALKING && c->prompts_pending == 0;
    if (!ready || c->answer.state != ANSWER_NONE || c->want_count == 0)
        return;
    struct want want = c->wants[0];
    /* One does not talk over the caller, unless the call must end. */
    if (c->speaking && !(want.purpose == PURPOSE_FAREWELL && c->closing_protected))
        return;
    if (want.purpose == PURPOSE_TOOL && tools_busy(c))
        return;
    if (want.purpose == PURPOSE_TURN && c->rehearing)
        return; /* the new session has not heard the question yet */
    c->want_count--;
    memmove(&c->wants[0], &c->wants[1], c->want_count * sizeof(c->wants[0]));
    request(c, want);
}

void answer_created(struct call *c, const struct rt_event *ev)
{
    struct answer *a = &c->answer;
    if (a->state == ANSWER_ACTIVE || c->link != LINK_READY) {
        fx_note(c, "call.unexpected_response", "id=%.*s", STR_FMT(ev->response.id));
        return;
    }
    /* A provider may begin a response by itself; it counts as the answer to the turn. */
    if (a->state == ANSWER_NONE)
        *a = (struct answer){.want = {.purpose = PURPOSE_TURN, .text = STR("")}};
    a->state = ANSWER_ACTIVE;
    if (!str_copy(a->id, sizeof(a->id), ev->response.id))
        fx_note(c, "call.long_response_id", "bytes=%zu", ev->response.id.len);
    arm_watchdog(c);
    bool must_be_said = a->want.purpose == PURPOSE_FAREWELL && c->closing_protected;
    if (c->speaking && !must_be_said)
        a->dead = true; /* the caller began before the engine knew of our request */
    if (a->dead)
        answer_cancel(c);
}

void answer_cancel(struct call *c)
{
    if (c->answer.state != ANSWER_ACTIVE || c->link != LINK_READY)
        return; /* not created yet: answer_created cancels it */
    struct rt_event ev = {.type = RT_RESPONSE_CANCEL, .response_id = str_of(c->answer.id)};
    fx_engine(c, &ev);
}

/* The engine had nothing to say to a turn: ask once more, then ask the caller. */
static void on_empty(struct call *c)
{
    if (c->empty_answers++ < EMPTY_ANSWERS_MAX) {
        want_front(c, (struct want){.purpose = PURPOSE_TURN, .text = STR("")});
        return;
    }
    c->empty_answers = 0;
    want_add(c, PURPOSE_SAY, str_of(c->config.say_again));
}

static void on_failed(struct call *c, struct want want, const struct rt_error *error)
{
    fx_note(c, "engine.response_failed", "code=%.*s message=%.*s", STR_FMT(error->code),
            STR_FMT(str_slice(error->message, 0, 200)));
    if (c->failed_answers++ < FAILED_ANSWERS_MAX) {
        want_front(c, want);
        return;
    }
    c->failed_answers = 0;
    want_front(c, want);
    link_fail(c, "responses fail");
}

static void collect_calls(struct call *c, const struct rt_response *r)
{
    for (size_t i = 0; i < r->item_count; i++) {
        const struct rt_item *item = &r->items[i];
        if (item->type == RT_ITEM_FUNCTION_CALL && item->status != RT_STATUS_INCOMPLETE)
            tool_called(c, item->call_id, item->name, item->arguments);
    }
}

void answer_done(struct call *c, const struct rt_event *ev)
{
    const struct rt_response *r = &ev->response;
    struct answer a = c->answer;
    struct call_item *charged = c->charged;
    c->charged = NULL;
    if (a.state != ANSWER_ACTIVE || !str_eq(r->id, str_of(a.id))) {
        script_usage(c, charged, &r->usage);
        fx_note(c, "call.unexpected_response_done", "id=%.*s", STR_FMT(r->id));
        return;
    }
    if (!a.dead && r->status != RT_STATUS_FAILED && r->status != RT_STATUS_CANCELLED)
        collect_calls(c, r);
    a = c->answer;
    c->answer = (struct answer){0};
    timer_set(c, CALL_TIMER_RESPONSE, NO_TIME);
    for (struct call_item *item = c->items; item; item = item->next)
        if (item->role == CALL_ROLE_AGENT && !item->audio_done)
            voice_item_done(c, item);
    script_usage(c, charged, &r->usage); /* may begin the farewell */
    if (c->closing != CLOSING_NO && a.want.purpose != PURPOSE_FAREWELL)
        a.dead = true; /* whatever became of it, it is not asked for again */
    bool farewell = a.want.purpose == PURPOSE_FAREWELL && c->closing_protected && !a.dead;
    if (r->status == RT_STATUS_FAILED && !a.dead) {
        on_failed(c, a.want, &r->error);
    } else if (farewell && r->status == RT_STATUS_CANCELLED && !a.has_audio) {
        voice_prompt(c, a.want.text); /* the engine took the caller's word for an interruption */
    } else if (!a.dead && r->status != RT_STATUS_CANCELLED) {
        bool answered = a.want.purpose == PURPOSE_TURN || a.want.purpose == PURPOSE_TOOL;
        if (c->question && answered && a.has_audio && !a.has_tool && !c->speaking)
            link_understood(c);
        c->failed_answers = 0;
        c->engine_tries = 0; /* it works: later failures get their retry again */
        if (!a.has_audio && !a.has_tool && answered)
            on_empty(c);
        else
            c->empty_answers = 0;
    }
    tools_flush(c);
    answer_next(c);
    manners_idle(c);
}

void answer_error(struct call *c, const struct rt_event *ev)
{
    const struct rt_error *e = &ev->error;
    fx_note(c, "engine.error", "code=%.*s message=%.*s", STR_FMT(e->code),
            STR_FMT(str_slice(e->message, 0, 200)));
    if (str_eq(e->code, STR("session_expired"))) {
        link_expired(c);
        return;
    }
    char ours[24];
    snprintf(ours, sizeof(ours), "r%u", c->answer.number);
    if (c->answer.state != ANSWER_REQUESTED || !str_eq(e->event_id, str_of(ours)))
        return;
    struct want want = c->answer.want;
    if (str_eq(e->code, STR("conversation_already_has_active_response"))) {
        /* The engine began one of its own, which we take for the answer to the turn; whatever else
         * we wanted to say comes after it. */
        if (want.purpose != PURPOSE_TURN)
            want_front(c, want);
        c->answer.want = (struct want){.purpose = PURPOSE_TURN, .text = STR("")};
        return;
    }
    bool dead = c->answer.dead;
    c->answer = (struct answer){0};
    timer_set(c, CALL_TIMER_RESPONSE, NO_TIME);
    if (!dead)
        on_failed(c, want, e);
    answer_next(c);
}

void answer_died(struct call *c)
{
    if (c->answer.state == ANSWER_NONE || c->answer.dead)
        return;
    c->answer.dead = true;
    if (c->answer.state != ANSWER_ACTIVE)
        return;
    /* Its end is a formality; an engine that owes even that is dead itself. */
    c->answer.seen_us = c->now;
    int64_t at = c->now + (int64_t)CALL_CANCEL_WAIT_MS * 1000;
    if (c->timer_at[CALL_TIMER_RESPONSE] > at)
        timer_set(c, CALL_TIMER_RESPONSE, at);
}

void answer_timer(struct call *c)
{
    if (c->answer.state == ANSWER_NONE)
        return;
    uint32_t patience = c->config.response_timeout_ms;
    if (c->answer.dead && c->answer.state == ANSWER_ACTIVE && patience > CALL_CANCEL_WAIT_MS)
        patience = CALL_CANCEL_WAIT_MS;
    int64_t due = c->answer.seen_us + (int64_t)patience * 1000;
    if (c->now < due)
        timer_set(c, CALL_TIMER_RESPONSE, due);
    else
        link_fail(c, "stalled: no sign of an answer");
}

void say(struct call *c, enum purpose purpose, const char *text)
{
    if (text[0] == '\0')
        return;
    if (c->link == LINK_READY)
        want_add(c, purpose, str_of(text));
    else
        voice_prompt(c, str_of(text));
}
