#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FRAME_US = 20000, CALL_MAX_US = 120 * 1000000 };

/* -- chance and time -- */

bool sim_chance(struct sim *s, uint32_t per_mille)
{
    return rng_below(&s->rng, 1000) < per_mille;
}

uint32_t sim_between(struct sim *s, uint32_t low, uint32_t high)
{
    return low + rng_below(&s->rng, high - low + 1);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (s->why[0])
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, args);
    va_end(args);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void sim_at(struct sim *s, int64_t delay_us, struct sim_event ev)
{
    if (s->heap_count == SIM_EVENTS_MAX) {
        sim_fail(s, "the simulator's queue is full");
        return;
    }
    ev.at_us = s->now + (delay_us > 0 ? delay_us : 0);
    ev.order = s->order++;
    uint32_t i = s->heap_count++;
    while (i && before(&ev, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = ev;
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event top = s->heap[0], last = s->heap[--s->heap_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    if (s->heap_count)
        s->heap[i] = last;
    return top;
}

/* -- the core -- */

static void on_tool(struct sim *s, uint32_t run)
{
    s->stats.tools++;
    /* Some answer at once, some late, some past their deadline, some never. */
    if (sim_chance(s, 30))
        return;
    uint32_t ms = sim_chance(s, 100) ? sim_between(s, 3000, 9000) : sim_between(s, 1, 800);
    sim_at(s, (int64_t)ms * 1000,
           (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_TOOL, .a = run});
}

static void on_effect(struct sim *s, const struct call_fx *fx)
{
    s->stats.effects++;
    switch (fx->type) {
    case CALL_FX_TIMER:
        s->timers[fx->number] = fx->at_us;
        if (fx->at_us)
            sim_at(s, fx->at_us - s->now + sim_between(s, 0, 900),
                   (struct sim_event){.what = SIM_TIMER, .a = fx->number});
        break;
    case CALL_FX_PROMPT:
        sim_at(s, (int64_t)sim_between(s, 5, 60) * 1000,
               (struct sim_event){.what = SIM_TO_CORE,
                                  .in = CALL_IN_PROMPT,
                                  .a = fx->number,
                                  .b = sim_chance(s, 5) ? 0 : sim_between(s, 4000, 24000)});
        break;
    case CALL_FX_TOOL:
        on_tool(s, fx->number);
        break;
    case CALL_FX_PLAY:
    case CALL_FX_MARK:
    case CALL_FX_CLEAR:
    case CALL_FX_HANGUP:
    case CALL_FX_TRANSFER:
        carrier_effect(s, fx);
        break;
    case CALL_FX_ENGINE_OPEN:
    case CALL_FX_ENGINE_CLOSE:
    case CALL_FX_ENGINE_SEND:
    case CALL_FX_ENGINE_APPEND:
    case CALL_FX_RELEASE:
        peer_effect(s, fx);
        break;
    case CALL_FX_SPARE_OPEN:
    case CALL_FX_SPARE_SEND:
    case CALL_FX_SPARE_CLOSE:
    case CALL_FX_SPARE_SWAP:
    case CALL_FX_KEEP:
    case CALL_FX_QUEUE:
    case CALL_FX_DISCARD:
    case CALL_FX_HOLD:
    case CALL_FX_TOOL_CANCEL:
    case CALL_FX_TURN:
    case CALL_FX_TOOL_RECORD:
    case CALL_FX_NOTE:
    case CALL_FX_ENDED:
        break;
    }
}

void sim_feed(struct sim *s, struct call_input *in)
{
    in->at_us = s->now;
    s->stats.inputs++;
    struct call_effects fx = call_step(s->call, in);
    for (size_t i = 0; i < fx.count; i++)
        on_effect(s, &fx.fx[i]);
    const char *why = call_check(s->call);
    if (why)
        sim_fail(s, "core: %s", why);
}

/* -- the caller: speaks now and then, also over the agent -- */

static void tick(struct sim *s)
{
    if (s->hung_up)
        return;
    if (!s->talking && s->now >= s->talks_at) {
        s->talking = true;
        s->talks_until = s->now + (int64_t)sim_between(s, 200, 4000) * 1000;
        s->stats.barge_ins += s->segment_count > 0;
        peer_speech(s, true);
    } else if (s->talking && s->now >= s->talks_until + 500000) {
        s->talking = false;
        s->talks_at = s->now + (int64_t)sim_between(s, 100, 9000) * 1000;
        peer_speech(s, false);
    }
    struct call_input in = {.type = CALL_IN_AUDIO, .audio_len = 160};
    sim_feed(s, &in);
    if (sim_chance(s, 1))
        sim_feed(s,
                 &(struct call_input){.type = CALL_IN_DTMF, .number = '0' + sim_between(s, 0, 9)});
    sim_at(s, FRAME_US, (struct sim_event){.what = SIM_TICK});
}

static void to_core(struct sim *s, const struct sim_event *ev)
{
    struct call_input in = {.type = ev->in, .number = ev->a};
    switch (ev->in) {
    case CALL_IN_STREAM:
        s->stream = true;
        sim_feed(s, &in);
        sim_at(s, FRAME_US, (struct sim_event){.what = SIM_TICK});
        return;
    case CALL_IN_HANGUP:
        if (s->hung_up)
            return;
        s->hung_up = true;
        in.text = STR("stop");
        break;
    case CALL_IN_PROMPT:
        in.audio_len = ev->b;
        break;
    case CALL_IN_TOOL:
        in.ok = true;
        in.text = STR("{\"success\":true}");
        break;
    case CALL_IN_ENGINE_OPEN:
    case CALL_IN_ENGINE_EVENT:
    case CALL_IN_ENGINE_CLOSED:
    case CALL_IN_SPARE_OPEN:
    case CALL_IN_SPARE_EVENT:
    case CALL_IN_SPARE_CLOSED:
        peer_to_core(s, ev);
        return;
    case CALL_IN_AUDIO:
    case CALL_IN_MARK:
    case CALL_IN_DTMF:
    case CALL_IN_TIMER:
    case CALL_IN_OPERATOR:
    case CALL_IN_DROPPED:
    case CALL_IN_START:
    case CALL_IN_LOST:
        break;
    }
    sim_feed(s, &in);
}

static void serve(struct sim *s, const struct sim_event *ev)
{
    switch (ev->what) {
    case SIM_TICK:
        tick(s);
        break;
    case SIM_TO_CORE:
        to_core(s, ev);
        break;
    case SIM_CARRIER_PLAY:
    case SIM_CARRIER_MARK:
    case SIM_CARRIER_CLEAR:
    case SIM_CARRIER_STEP:
        carrier_event(s, ev);
        break;
    case SIM_PROVIDER:
    case SIM_GENERATE:
        peer_event(s, ev);
        break;
    case SIM_TIMER:
        if (s->timers[ev->a] && s->timers[ev->a] <= s->now) {
            s->timers[ev->a] = 0;
            sim_feed(s, &(struct call_input){.type = CALL_IN_TIMER, .number = ev->a});
        }
        break;
    }
}

static void set_up(struct sim *s, uint64_t seed)
{
    struct sim_stats stats = s->stats;
    memset(s, 0, sizeof(*s));
    s->stats = stats;
    s->seed = seed;
    rng_init_seeded(&s->rng, seed);
    s->now = 1000000;
    s->one_way_us = sim_between(s, 5, 120) * 1000;
    s->jitter_us = sim_chance(s, 500) ? 0 : sim_between(s, 1, 25) * 1000;
    s->fault = sim_chance(s, 400) ? sim_between(s, 1, 60) : 0;
    for (int i = 0; i < SIM_ITEMS_MAX; i++)
        s->items[i].truncated = UINT32_MAX;

    struct call_config *k = &s->config;
    call_config_defaults(k);
    k->call_id = "sim";
    k->greeting = sim_chance(s, 900) ? "Hello." : "";
    k->announcement = sim_chance(s, 500) ? "You speak with a machine." : "";
    k->transfer_number = sim_chance(s, 500) ? "+15055550199" : "";
    k->max_duration_ms = sim_between(s, 8, 25) * 1000;
    k->max_cost_nanousd = sim_chance(s, 100) ? 1000000 : 0;
    k->engine_count = 2;
    k->engines[0] = (struct call_engine){.name = "realtime", .model = ""};
    k->engines[0].prices.audio_out = 64000000;
    k->engines[1] = (struct call_engine){.name = "local", .model = ""};
    s->call = call_new(k);
}

static void check_end(struct sim *s)
{
    if (!call_ended(s->call))
        sim_fail(s, "the call never ended");
    for (const struct call_item *i = call_items(s->call); i; i = i->next)
        if (!i->stored)
            sim_fail(s, "item %.*s was never stored", STR_FMT(i->id));
}

bool sim_run(struct sim *s, uint64_t seed)
{
    set_up(s, seed);
    sim_feed(s, &(struct call_input){.type = CALL_IN_START});
    sim_at(s, (int64_t)sim_between(s, 50, 600) * 1000,
           (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_STREAM});
    s->talks_at = s->now + (int64_t)sim_between(s, 500, 8000) * 1000;
    if (sim_chance(s, 300))
        sim_at(s, (int64_t)sim_between(s, 500, 20000) * 1000,
               (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_HANGUP});
    int64_t until = s->now + CALL_MAX_US;
    while (s->heap_count && !call_ended(s->call) && !s->why[0] && s->now < until) {
        struct sim_event ev = pop(s);
        if (ev.at_us > s->now)
            s->now = ev.at_us;
        serve(s, &ev);
    }
    if (!s->why[0])
        check_end(s);
    s->stats.calls++;
    s->stats.failures += call_stats(s->call).engine_failures;
    call_free(s->call);
    s->call = NULL;
    return s->why[0] == '\0';
}
