/* The providers: strict about the protocol, unreliable by chance. A session that is made ready
 * beside another is one more here. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim.h"

enum {
    DELTA_BYTES = 1600,
    LIKES_TOOLS = 250,
    EMPTY_ANSWER = 20,
    FAILED_ANSWER = 15,
    UTTERANCE_BYTES = 800, /* of speech that is noticed */
};

static int64_t away(struct sim *s)
{
    return (int64_t)sim_between(s, 10, 80) * 1000;
}

static void send(struct sim *s, const struct sim_session *p, int64_t delay_us, enum rt_type rt,
                 uint32_t a, uint32_t b)
{
    sim_at(s, delay_us,
           (struct sim_event){.what = SIM_TO_CORE,
                              .in = CALL_IN_ENGINE_EVENT,
                              .rt = rt,
                              .a = a,
                              .b = b,
                              .epoch = p->epoch});
}

static struct sim_session *find(struct sim *s, uint32_t epoch)
{
    for (int i = 0; i < SIM_SESSIONS_MAX; i++)
        if (epoch && s->sessions[i].epoch == epoch)
            return &s->sessions[i];
    return NULL;
}

static void close_after(struct sim *s, struct sim_session *p, int64_t delay_us)
{
    sim_at(s, delay_us,
           (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_ENGINE_CLOSED, .epoch = p->epoch});
    p->mute = true;
}

/* -- what the core sends -- */

static struct sim_session *open_session(struct sim *s, const char *step)
{
    struct sim_session *p = s->sessions[0].epoch ? &s->sessions[1] : &s->sessions[0];
    if (p->epoch) {
        sim_fail(s, "three sessions at once");
        return p;
    }
    *p = (struct sim_session){.epoch = ++s->epoch};
    if (refuse_step(s, step)) {
        s->refused.open = true;
        close_after(s, p, 0);
        return p;
    }
    enum call_in_type how = CALL_IN_ENGINE_OPEN;
    if (sim_chance(s, s->fault * 2)) {
        if (sim_chance(s, 500))
            return p; /* never answers the connection */
        how = CALL_IN_ENGINE_CLOSED;
    }
    sim_at(s, (int64_t)sim_between(s, 20, 1500) * 1000,
           (struct sim_event){.what = SIM_TO_CORE, .in = how, .epoch = p->epoch});
    if (s->config.session_limit_ms && !s->config.engines[s->engine].endless)
        sim_at(s, (int64_t)s->config.session_limit_ms * 1000,
               (struct sim_event){.what = SIM_EXPIRE, .epoch = p->epoch});
    return p;
}

void peer_expire(struct sim *s, const struct sim_event *ev)
{
    struct sim_session *p = find(s, ev->epoch);
    if (!p || p->mute)
        return;
    s->stats.expired++;
    s->expired = true;
    if (sim_chance(s, 500))
        send(s, p, away(s), RT_ERROR, 0, 0); /* session_expired; others just close */
    close_after(s, p, 90000);
}

static uint32_t index_of(struct str id)
{
    uint64_t n = 0;
    (void)str_to_u64(str_slice(id, 1, id.len), &n);
    return n < SIM_ITEMS_MAX ? (uint32_t)n : SIM_ITEMS_MAX - 1;
}

static void on_truncate(struct sim *s, const struct rt_event *ev)
{
    struct sim_item *item = &s->items[index_of(ev->item_id)];
    if (ev->audio_end_ms * 8 > (int64_t)item->made)
        sim_fail(s, "truncated beyond the audio that exists");
    if (item->truncated != UINT32_MAX)
        sim_fail(s, "truncated twice");
    item->truncated = (uint32_t)ev->audio_end_ms;
}

static void on_create(struct sim *s, struct sim_session *p, const struct rt_event *ev)
{
    if (p->response.active && s->refused.event) { /* it was not told that the other is over */
        send(s, p, away(s), RT_ERROR, 2, 0);
        return;
    }
    if (p->response.active) {
        sim_fail(s, "conversation_already_has_active_response");
        return;
    }
    s->response_number++;
    bool given = ev->response.instructions.len > 0;
    int64_t cap = s->config.max_cost_nanousd;
    if (!given && cap && call_cost_nanousd(s->call) > cap)
        sim_fail(s, "an answer was asked for past the cost cap");
    if (s->item_number + 1 >= SIM_ITEMS_MAX / 2)
        return;
    p->response = (struct sim_response){
        .active = true,
        .number = s->response_number,
        .item = s->item_number++,
        .left = sim_chance(s, EMPTY_ANSWER) && !given ? 0 : sim_between(s, 10, 600) * 80,
        .tool = !given && sim_chance(s, LIKES_TOOLS),
        .text_given = given,
    };
    if (p->response.tool && sim_chance(s, 600))
        p->response.left = 0; /* no words before the call */
    send(s, p, away(s), RT_RESPONSE_CREATED, p->response.number, 0);
    sim_at(
        s,
        (int64_t)(sim_chance(s, s->slow) ? sim_between(s, 2000, 6000) : sim_between(s, 100, 700)) *
            1000,
        (struct sim_event){.what = SIM_GENERATE, .a = p->response.number, .epoch = p->epoch});
}

static void on_output(struct sim *s, struct sim_session *p, struct str call_id)
{
    uint32_t n = index_of(call_id);
    p->calls_answered++;
    if (p->calls_answered > p->calls_asked || (n < SIM_TOOLS_MAX && s->call_answered[n]))
        sim_fail(s, "a tool call was answered twice");
    if (n < SIM_TOOLS_MAX)
        s->call_answered[n] = true;
}

static void on_client_event(struct sim *s, struct sim_session *p, const struct rt_event *ev)
{
    if (ev->type == RT_SESSION_UPDATE) {
        if (!sim_chance(s, s->fault))
            send(s, p, away(s), sim_chance(s, s->fault) ? RT_ERROR : RT_SESSION_UPDATED, 1, 0);
    } else if (ev->type == RT_RESPONSE_CREATE) {
        on_create(s, p, ev);
    } else if (ev->type == RT_RESPONSE_CANCEL && p->response.active) {
        p->response.active = false;
        send(s, p, away(s), RT_RESPONSE_DONE, p->response.number, RT_STATUS_CANCELLED);
    } else if (ev->type == RT_ITEM_TRUNCATE) {
        on_truncate(s, ev);
    } else if (ev->type == RT_ITEM_CREATE && ev->item.type == RT_ITEM_FUNCTION_CALL_OUTPUT) {
        on_output(s, p, ev->item.call_id);
    }
}

static void tell(struct sim *s, struct sim_session *p, const struct call_fx *fx)
{
    struct rt_event ev;
    if (rt_event_parse(&ev, fx->text, NULL) != OK) {
        sim_fail(s, "sent an event that is none");
        return;
    }
    if (!p)
        sim_fail(s, "sent to a session that is not there");
    else if (!p->mute)
        on_client_event(s, p, &ev);
    rt_event_fini(&ev);
}

static void forget(struct sim *s, struct sim_session **p)
{
    /* A given text of which something was said is not said again. */
    if (*p && (*p)->response.active && (*p)->response.text_given && (*p)->response.made)
        s->owed = false;
    if (*p)
        (*p)->epoch = 0;
    *p = NULL;
}

static void swap(struct sim *s)
{
    if (!s->spare || !s->spare->ready)
        sim_fail(s, "swapped to a spare that is not ready");
    if (s->main && s->main->response.active && s->main->response.made && !s->main->mute)
        s->stats.forced++;
    bool forced =
        s->in && s->in->type != CALL_IN_ENGINE_EVENT && s->in->type != CALL_IN_SPARE_EVENT;
    if (s->main && s->main->words_due && !forced && !s->fault)
        sim_fail(s, "swapped before the words of a turn were known");
    forget(s, &s->main);
    s->main = s->spare;
    s->spare = NULL;
}

static void speaks(struct sim *s, struct sim_session *p);

/* A session is given sound at hand: whatever speech is in it it hears anew. */
static void released(struct sim *s)
{
    struct sim_session *p = s->main;
    if (!p)
        return;
    p->base = s->hand_from;
    uint64_t from = s->speech_from > s->hand_from ? s->speech_from : s->hand_from;
    uint64_t to = s->talking ? s->mic : s->speech_to;
    if (to < from + UTTERANCE_BYTES || p->mute)
        return;
    s->stats.reheard++;
    if (!s->speech_told)
        s->speech_from = from; /* nobody had told us of what came before */
    speaks(s, p);
    if (s->talking)
        return;
    peer_speech(s, false);
    if (s->talks_at < s->now + 300000) /* one question after the other */
        s->talks_at = s->now + 300000;
}

void peer_effect(struct sim *s, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_OPEN) {
        s->stats.failovers += fx->number != s->engine;
        s->engine = fx->number;
        s->main = open_session(s, "shell.engine_open");
    } else if (fx->type == CALL_FX_SPARE_OPEN) {
        s->spare = open_session(s, "shell.spare_open");
    } else if (fx->type == CALL_FX_ENGINE_CLOSE) {
        forget(s, &s->main);
    } else if (fx->type == CALL_FX_SPARE_CLOSE) {
        forget(s, &s->spare);
    } else if (fx->type == CALL_FX_SPARE_SWAP) {
        swap(s);
    } else if (fx->type == CALL_FX_SPARE_SEND) {
        tell(s, s->spare, fx);
    } else if (fx->type == CALL_FX_ENGINE_SEND) {
        tell(s, s->main, fx);
    } else if (fx->type == CALL_FX_RELEASE) {
        released(s);
    }
}

/* -- what the provider does -- */

static void finish(struct sim *s, struct sim_session *p)
{
    struct sim_response *r = &p->response;
    enum rt_status status = sim_chance(s, FAILED_ANSWER) ? RT_STATUS_FAILED : RT_STATUS_COMPLETED;
    r->active = false;
    bool asks = r->tool && status == RT_STATUS_COMPLETED;
    if (asks) {
        p->calls_asked++;
        s->call_number++;
    }
    send(s, p, 1000, RT_RESPONSE_DONE, r->number,
         status | (asks ? s->call_number << 8 : 0) | (r->made && !asks ? ANSWERS : 0));
}

static void generate(struct sim *s, const struct sim_event *ev)
{
    struct sim_session *p = find(s, ev->epoch);
    struct sim_response *r = p ? &p->response : NULL;
    if (!p || !r->active || r->number != ev->a || p->mute)
        return;
    if (sim_chance(s, s->fault / 2)) {
        if (sim_chance(s, 500))
            p->mute = true; /* stalls for ever */
        else
            close_after(s, p, away(s));
        return;
    }
    if (r->left == 0) {
        finish(s, p);
        return;
    }
    uint32_t n = r->left < DELTA_BYTES ? r->left : DELTA_BYTES;
    r->left -= n;
    r->made += n;
    s->items[r->item].made += n;
    send(s, p, 1000, RT_AUDIO_DELTA, r->item, n | r->number << 16);
    sim_at(s, (int64_t)sim_between(s, 10, 60) * 1000, *ev); /* three to twenty times real time */
}

void peer_event(struct sim *s, const struct sim_event *ev)
{
    if (ev->what == SIM_GENERATE)
        generate(s, ev);
}

static uint32_t heard_at(const struct sim_session *p, uint64_t position)
{
    return position > p->base ? (uint32_t)((position - p->base) / 8) : 0;
}

static void speaks(struct sim *s, struct sim_session *p)
{
    p->hearing = true;
    s->caller_item++;
    send(s, p, away(s), RT_SPEECH_STARTED, s->caller_item, heard_at(p, s->speech_from));
    if (p->response.active) {
        p->response.active = false; /* interrupt_response */
        send(s, p, away(s) + 80000, RT_RESPONSE_DONE, p->response.number, RT_STATUS_CANCELLED);
    }
}

/* The caller goes on: a session that came to it late notices now. */
void peer_hears(struct sim *s)
{
    struct sim_session *p = s->main;
    if (!p || !p->ready || p->mute || p->hearing)
        return;
    uint64_t from = s->speech_from > p->base ? s->speech_from : p->base;
    if (s->mic < from + UTTERANCE_BYTES)
        return;
    if (!s->speech_told)
        s->speech_from = from;
    speaks(s, p);
}

void peer_speech(struct sim *s, bool started)
{
    struct sim_session *p = s->main;
    if (!p || !p->ready || p->mute)
        return;
    if (started) {
        speaks(s, p);
    } else if (p->hearing) {
        p->hearing = false;
        send(s, p, 90000, RT_SPEECH_STOPPED, s->caller_item,
             heard_at(p, s->speech_to + SIM_TURN_SILENCE_BYTES));
        send(s, p, 91000, RT_INPUT_AUDIO_COMMITTED, s->caller_item, 0);
        if (sim_chance(s, s->fault))
            return;     /* the words never come */
        p->words_due++; /* or late */
        send(s, p, 92000 + away(s) * (sim_chance(s, 200) ? 20 : 1), RT_TRANSCRIPTION_COMPLETED,
             s->caller_item, sim_chance(s, 5));
    }
}

static void name(char out[16], char kind, uint32_t number)
{
    snprintf(out, 16, "%c%u", kind, number);
}

static void put_calls(struct sim *s, struct rt_event *e, const struct sim_event *ev, char call[16])
{
    uint32_t number = (ev->b & ~(uint32_t)ANSWERS) >> 8;
    if (!number)
        return;
    name(call, 'c', number);
    e->response.items[e->response.item_count++] = (struct rt_item){
        .type = RT_ITEM_FUNCTION_CALL,
        .status = RT_STATUS_COMPLETED,
        .name = sim_chance(s, 900)   ? STR("query_knowledge_base")
                : sim_chance(s, 500) ? STR("end_call")
                                     : STR("transfer_to_human"),
        .call_id = str_of(call),
        .arguments = STR("{}"),
    };
}

/* What the watcher must know of an event that the core is about to be told. */
static void note_event(struct sim *s, struct sim_session *p, const struct sim_event *ev)
{
    bool newest = ev->a == s->caller_item;
    if (ev->rt == RT_SPEECH_STARTED || ev->rt == RT_SPEECH_STOPPED)
        p->heard_begin = ev->rt == RT_SPEECH_STARTED;
    if (ev->rt == RT_SPEECH_STARTED)
        s->answer_item = UINT32_MAX, s->asked_us = 0; /* who interrupts an answer has another */
    else if (ev->rt == RT_AUDIO_DELTA && !p->response.text_given)
        s->answer_item = ev->a;
    if (ev->rt == RT_INPUT_AUDIO_COMMITTED)
        s->asked_us = s->now;
    if (ev->rt == RT_SPEECH_STARTED && newest) {
        s->speech_told = true;
        s->speech_known = false;
    } else if (ev->rt == RT_TRANSCRIPTION_COMPLETED) {
        p->words_due--;
        s->speech_known |= newest;
    } else if (ev->rt == RT_RESPONSE_DONE && (ev->b & ANSWERS) &&
               (ev->b & 0xff) == RT_STATUS_COMPLETED) {
        s->owed = false;
        s->asked_us = 0;
        s->speech_known = true;
    }
}

static void deliver(struct sim *s, struct sim_session *p, const struct sim_event *ev)
{
    if (refuse_step(s, "shell.event")) {
        s->refused.unread = true;
        p->words_due -= ev->rt == RT_TRANSCRIPTION_COMPLETED;
        if (ev->rt == RT_INPUT_AUDIO_COMMITTED)
            s->owed = false; /* nobody knows of the question */
        else if (ev->rt == RT_AUDIO_DELTA)
            s->farewell_cut |= p->response.text_given; /* it may have been all of it */
        return;
    }
    char id[16], item[16], call[16];
    struct rt_event e = {.type = ev->rt, .type_text = STR("")};
    bool spare = p == s->spare;
    struct call_input in = {.type = spare ? CALL_IN_SPARE_EVENT : CALL_IN_ENGINE_EVENT,
                            .event = &e};
    if (ev->rt == RT_AUDIO_DELTA) {
        name(id, 'r', ev->b >> 16);
        name(item, 'i', ev->a);
        e.response_id = str_of(id);
        e.item_id = str_of(item);
        in.audio_len = ev->b & 0xffff;
    } else if (ev->rt == RT_RESPONSE_CREATED || ev->rt == RT_RESPONSE_DONE) {
        name(id, 'r', ev->a);
        e.response.id = str_of(id);
        e.response.status = (enum rt_status)(ev->b & 0xff);
        uint32_t tokens = ev->rt == RT_RESPONSE_DONE ? sim_between(s, 10, 200) : 0;
        e.response.usage =
            (struct rt_usage){.present = tokens > 0, .output = tokens, .output_audio = tokens};
        put_calls(s, &e, ev, call);
    } else if (ev->rt == RT_SESSION_UPDATED) {
        p->ready = true;
    } else if (ev->rt == RT_ERROR) {
        e.error.code = ev->a == 2   ? STR("conversation_already_has_active_response")
                       : ev->a == 1 ? STR("invalid_value")
                                    : STR("session_expired");
        e.error.message = STR("no");
    } else {
        name(item, 'u', ev->a);
        e.item_id = str_of(item);
        e.audio_start_ms = e.audio_end_ms = ev->b;
        if (ev->rt == RT_TRANSCRIPTION_COMPLETED)
            e.text = ev->b ? STR("I had a heart attack") : STR("some words");
    }
    note_event(s, p, ev);
    sim_feed(s, &in);
}

void peer_to_core(struct sim *s, const struct sim_event *ev)
{
    struct sim_session *p = find(s, ev->epoch);
    if (!p)
        return;
    bool spare = p == s->spare;
    if (ev->in == CALL_IN_ENGINE_CLOSED) {
        forget(s, spare ? &s->spare : &s->main);
        sim_feed(s,
                 &(struct call_input){.type = spare ? CALL_IN_SPARE_CLOSED : CALL_IN_ENGINE_CLOSED,
                                      .text = STR("lost")});
    } else if (ev->in == CALL_IN_ENGINE_OPEN) {
        sim_feed(s, &(struct call_input){.type = spare ? CALL_IN_SPARE_OPEN : CALL_IN_ENGINE_OPEN});
    } else {
        deliver(s, p, ev);
    }
}
