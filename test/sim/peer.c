/* The provider: strict about the protocol, unreliable by chance. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim.h"

enum { DELTA_BYTES = 1600, LIKES_TOOLS = 250, EMPTY_ANSWER = 20, FAILED_ANSWER = 15 };

static int64_t away(struct sim *s)
{
    return (int64_t)sim_between(s, 10, 80) * 1000;
}

static void send(struct sim *s, int64_t delay_us, enum rt_type rt, uint32_t a, uint32_t b)
{
    sim_at(s, delay_us,
           (struct sim_event){.what = SIM_TO_CORE,
                              .in = CALL_IN_ENGINE_EVENT,
                              .rt = rt,
                              .a = a,
                              .b = b,
                              .epoch = s->epoch});
}

static void die(struct sim *s)
{
    if (!s->open)
        return;
    sim_at(s, away(s),
           (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_ENGINE_CLOSED, .epoch = s->epoch});
    s->mute = true;
}

/* -- what the core sends -- */

static void open_session(struct sim *s)
{
    s->epoch++;
    s->open = true;
    s->ready = s->mute = false;
    s->response = (struct sim_response){0};
    s->audio_in = 0;
    s->calls_asked = s->calls_answered = 0;
    enum call_in_type how = CALL_IN_ENGINE_OPEN;
    if (sim_chance(s, s->fault * 2)) {
        if (sim_chance(s, 500))
            return; /* never answers the connection */
        how = CALL_IN_ENGINE_CLOSED;
    }
    sim_at(s, (int64_t)sim_between(s, 20, 1500) * 1000,
           (struct sim_event){.what = SIM_TO_CORE, .in = how, .epoch = s->epoch});
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

static void on_create(struct sim *s, const struct rt_event *ev)
{
    if (s->response.active) {
        sim_fail(s, "conversation_already_has_active_response");
        return;
    }
    s->response_number++;
    bool given = ev->response.instructions.len > 0;
    if (s->item_number + 1 >= SIM_ITEMS_MAX / 2)
        return;
    s->response = (struct sim_response){
        .active = true,
        .number = s->response_number,
        .item = s->item_number++,
        .left = sim_chance(s, EMPTY_ANSWER) && !given ? 0 : sim_between(s, 10, 1500) * 80,
        .tool = !given && sim_chance(s, LIKES_TOOLS),
    };
    if (s->response.tool && sim_chance(s, 600))
        s->response.left = 0; /* no words before the call */
    send(s, away(s), RT_RESPONSE_CREATED, s->response.number, 0);
    sim_at(s, (int64_t)sim_between(s, 100, 700) * 1000,
           (struct sim_event){.what = SIM_GENERATE, .a = s->response.number, .epoch = s->epoch});
}

static void on_client_event(struct sim *s, const struct rt_event *ev)
{
    if (ev->type == RT_SESSION_UPDATE && !sim_chance(s, s->fault)) {
        send(s, away(s), RT_SESSION_UPDATED, 0, 0);
    } else if (ev->type == RT_RESPONSE_CREATE) {
        on_create(s, ev);
    } else if (ev->type == RT_RESPONSE_CANCEL && s->response.active) {
        s->response.active = false;
        send(s, away(s), RT_RESPONSE_DONE, s->response.number, RT_STATUS_CANCELLED);
    } else if (ev->type == RT_ITEM_TRUNCATE) {
        on_truncate(s, ev);
    } else if (ev->type == RT_ITEM_CREATE && ev->item.type == RT_ITEM_FUNCTION_CALL_OUTPUT) {
        s->calls_answered++;
        if (s->calls_answered > s->calls_asked)
            sim_fail(s, "a tool call was answered twice");
    }
}

void peer_effect(struct sim *s, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_OPEN) {
        open_session(s);
    } else if (fx->type == CALL_FX_ENGINE_CLOSE) {
        s->open = false;
        s->epoch++;
    } else if (fx->type == CALL_FX_ENGINE_APPEND) {
        s->audio_in += fx->len;
    } else if (fx->type == CALL_FX_ENGINE_SEND) {
        struct rt_event ev;
        if (rt_event_parse(&ev, fx->text, NULL) != OK) {
            sim_fail(s, "sent an event that is none");
            return;
        }
        if (!s->mute)
            on_client_event(s, &ev);
        rt_event_fini(&ev);
    }
}

/* -- what the provider does -- */

static void finish(struct sim *s)
{
    struct sim_response *r = &s->response;
    enum rt_status status = sim_chance(s, FAILED_ANSWER) ? RT_STATUS_FAILED : RT_STATUS_COMPLETED;
    r->active = false;
    bool asks = r->tool && status == RT_STATUS_COMPLETED;
    if (asks) {
        s->calls_asked++;
        s->call_number++;
    }
    send(s, 1000, RT_RESPONSE_DONE, r->number, status | (asks ? s->call_number << 8 : 0));
}

static void generate(struct sim *s, const struct sim_event *ev)
{
    struct sim_response *r = &s->response;
    if (!r->active || r->number != ev->a || ev->epoch != s->epoch || s->mute)
        return;
    if (sim_chance(s, s->fault / 2)) {
        if (sim_chance(s, 500))
            s->mute = true; /* stalls for ever */
        else
            die(s);
        return;
    }
    if (r->left == 0) {
        finish(s);
        return;
    }
    uint32_t n = r->left < DELTA_BYTES ? r->left : DELTA_BYTES;
    r->left -= n;
    s->items[r->item].made += n;
    send(s, 1000, RT_AUDIO_DELTA, r->item, n | r->number << 16);
    sim_at(s, (int64_t)sim_between(s, 10, 60) * 1000, *ev); /* three to twenty times real time */
}

void peer_event(struct sim *s, const struct sim_event *ev)
{
    if (ev->what == SIM_GENERATE)
        generate(s, ev);
}

void peer_speech(struct sim *s, bool started)
{
    if (!s->open || !s->ready || s->mute)
        return;
    if (started) {
        s->caller_item++;
        send(s, away(s), RT_SPEECH_STARTED, s->caller_item, (uint32_t)(s->audio_in / 8));
        if (s->response.active) {
            s->response.active = false; /* interrupt_response */
            send(s, away(s) + 80000, RT_RESPONSE_DONE, s->response.number, RT_STATUS_CANCELLED);
        }
    } else {
        send(s, 20000, RT_SPEECH_STOPPED, s->caller_item, (uint32_t)(s->audio_in / 8));
        send(s, 21000, RT_INPUT_AUDIO_COMMITTED, s->caller_item, 0);
        send(s, 22000 + away(s), RT_TRANSCRIPTION_COMPLETED, s->caller_item, sim_chance(s, 5));
    }
}

static void name(char out[16], char kind, uint32_t number)
{
    snprintf(out, 16, "%c%u", kind, number);
}

static void deliver(struct sim *s, const struct sim_event *ev)
{
    char id[16], item[16], call[16];
    struct rt_event e = {.type = ev->rt, .type_text = STR("")};
    struct call_input in = {.type = CALL_IN_ENGINE_EVENT, .event = &e};
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
        e.response.usage = (struct rt_usage){
            .present = ev->rt == RT_RESPONSE_DONE, .output = 20, .output_audio = 20};
        if (ev->b >> 8) {
            name(call, 'c', ev->b >> 8);
            e.response.items[e.response.item_count++] = (struct rt_item){
                .type = RT_ITEM_FUNCTION_CALL,
                .status = RT_STATUS_COMPLETED,
                .name = sim_chance(s, 900)   ? STR("query_knowledge_base")
                        : sim_chance(s, 500) ? STR("end_call")
                                             : STR("transfer_to_human"),
                .call_id = str_of(call),
                .arguments = STR("{}"),
            };
        }
    } else if (ev->rt == RT_SESSION_UPDATED) {
        s->ready = true;
    } else {
        name(item, 'u', ev->a);
        e.item_id = str_of(item);
        e.audio_start_ms = e.audio_end_ms = ev->b;
        if (ev->rt == RT_TRANSCRIPTION_COMPLETED)
            e.text = ev->b ? STR("I had a heart attack") : STR("some words");
    }
    sim_feed(s, &in);
}

void peer_to_core(struct sim *s, const struct sim_event *ev)
{
    if (ev->epoch != s->epoch || !s->open)
        return;
    if (ev->in == CALL_IN_ENGINE_CLOSED) {
        s->open = false;
        s->epoch++;
        sim_feed(s, &(struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    } else if (ev->in == CALL_IN_ENGINE_OPEN) {
        sim_feed(s, &(struct call_input){.type = CALL_IN_ENGINE_OPEN});
    } else {
        deliver(s, ev);
    }
}
