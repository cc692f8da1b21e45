#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"

enum { STILL_MAX = 5000, FRAME_US = 20000, CALL_MAX_US = 120 * 1000000 };

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
    bool sent =
        ev.what == SIM_CARRIER_PLAY || ev.what == SIM_CARRIER_MARK || ev.what == SIM_CARRIER_CLEAR;
    ev.line = sent ? s->core_line : s->line;
    ev.process = s->process;
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
    watch_effect(s, fx);
    if (fx->type == CALL_FX_PROMPT && fx->number < SIM_ITEMS_MAX / 2)
        /* a dead process may have said one of that number */
        s->items[SIM_ITEMS_MAX - fx->number] = (struct sim_item){.truncated = UINT32_MAX};
    if (refuse_effect(s, fx))
        return;
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
    case CALL_FX_RELEASE:
        peer_effect(s, fx); /* before what is at hand is trimmed */
        watch_audio(s, fx);
        break;
    case CALL_FX_ENGINE_APPEND:
    case CALL_FX_HOLD:
    case CALL_FX_KEEP:
        watch_audio(s, fx);
        break;
    case CALL_FX_ENGINE_OPEN:
    case CALL_FX_ENGINE_CLOSE:
    case CALL_FX_ENGINE_SEND:
    case CALL_FX_SPARE_OPEN:
    case CALL_FX_SPARE_SEND:
    case CALL_FX_SPARE_CLOSE:
    case CALL_FX_SPARE_SWAP:
        peer_effect(s, fx);
        break;
    case CALL_FX_QUEUE:
    case CALL_FX_DISCARD:
    case CALL_FX_TOOL_CANCEL:
    case CALL_FX_TURN:
    case CALL_FX_TOOL_RECORD:
    case CALL_FX_NOTE:
    case CALL_FX_ENDED:
        break;
    }
}

static void print_step(struct sim *s, const struct call_input *in, const struct call_effects *fx)
{
    if (in->type == CALL_IN_AUDIO && fx->count == 1)
        return; /* forwarded or held, as nearly always */
    printf("         [mic %llu, speech %llu to %llu%s%s%s]\n", (unsigned long long)s->mic / 8,
           (unsigned long long)s->speech_from / 8, (unsigned long long)s->speech_to / 8,
           s->talking ? " talking" : "", s->speech_told ? " told" : "",
           s->speech_known ? " known" : "");
    printf("%8.3f %s %s %u\n", (double)s->now / 1e6, call_in_name(in->type),
           in->event ? rt_type_name(in->event->type) : "", in->number);
    struct buf b;
    buf_init(&b, CALL_EVENT_BYTES_MAX);
    for (size_t i = 0; i < fx->count; i++) {
        buf_reset(&b);
        call_fx_write(&b, &fx->fx[i]);
        printf("             %.*s\n", (int)(b.len < 160 ? b.len - 1 : 160), (const char *)b.p);
    }
    buf_fini(&b);
}

void sim_feed(struct sim *s, struct call_input *in)
{
    bool told = in->at_us != 0; /* its time is the record's */
    if (!told)
        in->at_us = s->now;
    /* A timer fires by the same clock that it is set by. */
    if (in->type != CALL_IN_TIMER && !told &&
        sim_chance(s, s->fault / 8)) /* a clock that goes back is taken as standing still */
        in->at_us -= (int64_t)sim_between(s, 0, 2000) * 1000;
    s->stats.inputs++;
    watch_fed(s, in);
    s->in = in;
    FAULTS_ON();
    bool fired = fault_fired();
    struct call_effects fx = call_step(s->call, in);
    s->refused.core |= fault_fired() && !fired;
    FAULTS_OFF();
    lost_record(s, in, &fx);
    if (s->trace)
        print_step(s, in, &fx);
    for (size_t i = 0; i < fx.count; i++)
        on_effect(s, &fx.fx[i]);
    const char *why = call_check(s->call);
    if (why)
        sim_fail(s, "core: %s", why);
    refuse_tell(s);
}

/* -- the caller: speaks now and then, also over the agent -- */

static void speak(struct sim *s)
{
    /* While we stood still the clock went on, and fewer frames came than time passed. */
    bool pause = s->speech_to == 0 || s->mic > s->speech_to + SIM_TURN_SILENCE_BYTES;
    if (!s->talking && s->now >= s->talks_at && pause) {
        s->talking = true;
        s->talks_until = s->now + (int64_t)sim_between(s, 200, 4000) * 1000;
        s->stats.barge_ins += s->segment_count > 0;
        s->speech_from = s->mic;
        s->speech_told = s->speech_known = false;
        peer_speech(s, true);
    } else if (s->talking && s->now < s->talks_until) {
        peer_hears(s);
    } else if (s->talking) {
        s->talking = false;
        s->speech_to = s->mic;
        s->owed = true;
        s->turn_ends = s->now + 500000;
        s->talks_at = s->now + (int64_t)sim_between(s, 600, 9000) * 1000;
    } else if (s->turn_ends && s->now >= s->turn_ends) {
        s->turn_ends = 0;
        peer_speech(s, false);
    }
}

static void tick(struct sim *s)
{
    if (s->hung_up)
        return;
    speak(s);
    watch_silence(s);
    if (sim_chance(s, s->loss)) {
        /* lost on the way */
    } else if (s->jitter_us && s->late_frames < 5 && sim_chance(s, 50)) {
        s->late_frames++; /* comes with the next */
    } else {
        for (uint32_t n = s->late_frames + 1; n; n--) {
            s->mic += 160;
            struct call_input in = {.type = CALL_IN_AUDIO, .audio_len = 160};
            sim_feed(s, &in);
        }
        s->late_frames = 0;
    }
    if (sim_chance(s, 1))
        sim_feed(s,
                 &(struct call_input){.type = CALL_IN_DTMF, .number = '0' + sim_between(s, 0, 9)});
    sim_at(s, FRAME_US, (struct sim_event){.what = SIM_TICK});
}

void sim_begin_stream(struct sim *s)
{
    s->stream = s->line_up = true;
    sim_feed(s, &(struct call_input){.type = CALL_IN_STREAM});
    sim_at(s, FRAME_US, (struct sim_event){.what = SIM_TICK});
}

static void to_core(struct sim *s, const struct sim_event *ev)
{
    struct call_input in = {.type = ev->in, .number = ev->a};
    switch (ev->in) {
    case CALL_IN_STREAM:
        sim_begin_stream(s);
        return;
    case CALL_IN_HANGUP:
        if (s->hung_up)
            return;
        s->hung_up = true;
        in.text = STR("stop");
        break;
    case CALL_IN_PROMPT:
        in.audio_len = ev->b;
        if (ev->a < SIM_ITEMS_MAX / 2)
            s->items[SIM_ITEMS_MAX - ev->a].made = ev->b;
        break;
    case CALL_IN_OPERATOR:
        in.text = ev->a ? STR("spent") : STR("say The shop closes in five minutes.");
        break;
    case CALL_IN_TOOL:
        in.ok = ev->b == 0;
        in.text = in.ok ? STR("{\"success\":true}") : STR("{\"success\":false}");
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
    case CALL_IN_DROPPED:
    case CALL_IN_START:
    case CALL_IN_LOST:
        break;
    }
    sim_feed(s, &in);
}

/* What is for us waits until the process goes on; the world does not. */
static bool stalled(struct sim *s, const struct sim_event *ev)
{
    bool ours = ev->what == SIM_TICK || ev->what == SIM_TO_CORE || ev->what == SIM_TIMER ||
                ev->what == SIM_LINE_LOST || ev->what == SIM_RETURN;
    if (!ours || s->now >= s->stalled_until)
        return false;
    sim_at(s, s->stalled_until - s->now, *ev);
    return true;
}

static void stall(struct sim *s)
{
    int64_t us = (int64_t)sim_between(s, 50, 3000) * 1000;
    s->stalled_until = s->now + us;
    s->sound_us = s->stalled_until;
    if (s->word_at)
        s->word_at = s->stalled_until;
    s->stalled = true;
    s->stats.stalls++;
}

static void serve(struct sim *s, const struct sim_event *ev)
{
    if (lost_with_it(s, ev) || stalled(s, ev) || lost_event(s, ev))
        return;
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
    case SIM_EXPIRE:
        peer_expire(s, ev);
        break;
    case SIM_STALL:
        stall(s);
        break;
    case SIM_BREAK:
    case SIM_LINE_ENDS:
    case SIM_LINE_LOST:
    case SIM_REVIVE:
    case SIM_RETURN:
        break;
    case SIM_TIMER:
        if (s->timers[ev->a] && s->timers[ev->a] <= s->now) {
            s->timers[ev->a] = 0;
            sim_feed(s, &(struct call_input){.type = CALL_IN_TIMER, .number = ev->a});
        }
        break;
    }
}

void sim_init(struct sim *s)
{
    *s = (struct sim){0};
    buf_init(&s->record.bytes, SIM_RECORD_BYTES);
    buf_init(&s->record.text, CALL_EVENT_BYTES_MAX);
    buf_init(&s->record.lines, SIM_RECORD_BYTES);
}

void sim_fini(struct sim *s)
{
    buf_fini(&s->record.bytes);
    buf_fini(&s->record.text);
    buf_fini(&s->record.lines);
}

static void set_up(struct sim *s, uint64_t seed)
{
    struct sim_stats stats = s->stats;
    struct sim_record record = s->record;
    bool trace = s->trace;
    memset(s, 0, sizeof(*s));
    s->stats = stats;
    s->record = record;
    s->trace = trace;
    s->answer_item = UINT32_MAX;
    buf_reset(&s->record.bytes);
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
    k->max_duration_ms = sim_between(s, 9, 24) * 1000;
    k->max_cost_nanousd = sim_chance(s, 100) ? sim_between(s, 1000000, 30000000) : 0;
    k->session_limit_ms = sim_chance(s, 400) ? sim_between(s, 8, 20) * 1000 : 3600000;
    k->engine_count = 3;
    k->engines[0] = (struct call_engine){.name = "realtime", .model = "", .voice = ""};
    k->engines[0].prices.audio_out = 64000000;
    k->engines[1] = (struct call_engine){.name = "realtime2", .model = "", .voice = ""};
    k->engines[1].prices.audio_out = 32000000;
    k->engines[2] =
        (struct call_engine){.name = "local", .model = "", .voice = "", .endless = true};
    s->loss = sim_chance(s, 300) ? sim_between(s, 1, 50) : 0;
    s->slow = sim_chance(s, 300) ? sim_between(s, 50, 500) : 0;
    s->call = call_new(k);
}

bool sim_run(struct sim *s, uint64_t seed)
{
    FAULTS_OFF(); /* only what is taken for failing here fails */
    set_up(s, seed);
    lost_plan(s);
    sim_feed(s, &(struct call_input){.type = CALL_IN_START});
    sim_at(s, (int64_t)sim_between(s, 50, 600) * 1000,
           (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_STREAM});
    s->talks_at = s->now + (int64_t)sim_between(s, 500, 8000) * 1000;
    if (sim_chance(s, 300))
        sim_at(s, (int64_t)sim_between(s, 500, 20000) * 1000,
               (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_HANGUP});
    if (sim_chance(s, 150))
        sim_at(s, (int64_t)sim_between(s, 1000, 20000) * 1000,
               (struct sim_event){
                   .what = SIM_TO_CORE, .in = CALL_IN_OPERATOR, .a = sim_chance(s, 500)});
    if (sim_chance(s, 100))
        sim_at(s, (int64_t)sim_between(s, 500, 20000) * 1000,
               (struct sim_event){.what = SIM_STALL});
    int64_t until = s->now + CALL_MAX_US, last = 0;
    uint32_t still = 0;
    while (s->heap_count && !call_ended(s->call) && !s->why[0] && s->now < until) {
        struct sim_event ev = pop(s);
        if (ev.at_us > s->now)
            s->now = ev.at_us;
        still = ev.at_us > last ? 0 : still + 1;
        last = ev.at_us > last ? ev.at_us : last;
        if (still > STILL_MAX)
            sim_fail(s, "time stands still: something happens again and again");
        serve(s, &ev);
    }
    if (!s->why[0])
        watch_end(s);
    s->stats.calls++;
    s->stats.failures += call_stats(s->call).engine_failures;
    s->stats.call_ms += call_stats(s->call).duration_ms;
    call_free(s->call);
    s->call = NULL;
    FAULTS_ON();
    return s->why[0] == '\0';
}
