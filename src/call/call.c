#include "call/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "call/call_impl.h"

enum { SCRATCH_BYTES = 1 << 20, FX_FIRST = 16, NOTE_BYTES_MAX = 512 };

/* -- effects -- */

void fx_add(struct call *c, struct call_fx fx)
{
    struct call_scratch *x = c->scratch;
    if (x->fx_count == x->fx_cap) {
        x->fx_cap = x->fx_cap ? x->fx_cap * 2 : FX_FIRST;
        x->fx = mem_realloc(x->fx, x->fx_cap * sizeof(*x->fx));
    }
    x->fx[x->fx_count++] = fx;
}

void fx_note(struct call *c, const char *name, const char *fmt, ...)
{
    char text[NOTE_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    fx_add(c, (struct call_fx){.type = CALL_FX_NOTE,
                               .name = str_of(name),
                               .text = scratch_str(c, str_of(text))});
}

static void fx_event(struct call *c, enum call_fx_type type, const struct rt_event *ev)
{
    struct buf *text = &c->scratch->text;
    buf_reset(text);
    rt_event_write(text, ev);
    if (!buf_ok(text)) {
        fx_note(c, "call.event_too_large", "type=%s", rt_type_name(ev->type));
        return;
    }
    fx_add(c, (struct call_fx){.type = type, .text = scratch_str(c, buf_str(text))});
}

void fx_engine(struct call *c, const struct rt_event *ev)
{
    fx_event(c, CALL_FX_ENGINE_SEND, ev);
}

void fx_spare(struct call *c, const struct rt_event *ev)
{
    fx_event(c, CALL_FX_SPARE_SEND, ev);
}

void timer_set(struct call *c, enum call_timer timer, int64_t at_us)
{
    if (c->timer_at[timer] == at_us)
        return;
    c->timer_at[timer] = at_us;
    fx_add(c, (struct call_fx){.type = CALL_FX_TIMER, .number = timer, .at_us = at_us});
}

struct str keep_str(struct call *c, struct str s)
{
    return str_n(arena_strndup(&c->arena, s.p, s.len), s.len);
}

struct str scratch_str(struct call *c, struct str s)
{
    return str_n(arena_strndup(&c->scratch->arena, s.p, s.len), s.len);
}

int64_t stream_ms(const struct call *c, int64_t at_us)
{
    return c->stream_us == NO_TIME ? 0 : (at_us - c->stream_us) / 1000;
}

/* -- scratch -- */

static void scratch_init(struct call_scratch *x)
{
    arena_init(&x->arena, SCRATCH_BYTES);
    buf_init(&x->text, CALL_EVENT_BYTES_MAX);
}

static void scratch_fini(struct call_scratch *x)
{
    buf_fini(&x->text);
    mem_free(x->fx);
    x->fx = NULL; /* a call that comes to share one has used its own */
    arena_fini(&x->arena);
}

struct call_scratch *call_scratch_new(void)
{
    struct call_scratch *x = mem_zalloc(sizeof(*x));
    scratch_init(x);
    return x;
}

void call_scratch_free(struct call_scratch *x)
{
    if (!x)
        return;
    scratch_fini(x);
    mem_free(x);
}

void call_share_scratch(struct call *c, struct call_scratch *x)
{
    scratch_fini(&c->own);
    c->scratch = x;
}

/* -- life -- */

static void name_unused_engines(struct call_config *config)
{
    for (uint32_t i = config->engine_count; i < CALL_ENGINES_MAX; i++)
        config->engines[i] = (struct call_engine){.name = "", .model = "", .voice = ""};
}

/* The snapshot's strings belong to the caller; the call keeps its own, by way of the one place that
 * knows every field: the journal's form. */
static void copy_config(struct call *c, const struct call_config *config)
{
    struct buf b;
    buf_init(&b, CALL_EVENT_BYTES_MAX);
    FAULTS_OFF(); /* what was just written is read */
    call_config_write(&b, config);
    enum err err = call_config_read(&c->config, &c->arena, buf_str(&b), NULL);
    FAULTS_ON();
    ASSERT(err == OK);
    buf_fini(&b);
    name_unused_engines(&c->config);
}

static struct call *new_empty(void)
{
    struct call *c = mem_zalloc(sizeof(*c));
    arena_init(&c->arena, CALL_ARENA_BYTES_MAX);
    scratch_init(&c->own);
    c->scratch = &c->own;
    c->heard_all = true;
    return c;
}

struct call *call_new(const struct call_config *config)
{
    struct call *c = new_empty();
    copy_config(c, config);
    return c;
}

struct call *call_new_lent(const struct call_config *config)
{
    struct call *c = new_empty();
    c->config = *config;
    name_unused_engines(&c->config);
    return c;
}

void call_free(struct call *c)
{
    if (!c)
        return;
    for (struct call_item *item = c->items; item; item = item->next)
        buf_fini(&item->words);
    scratch_fini(&c->own);
    arena_fini(&c->arena);
    mem_free(c);
}

/* The one way out: everything open is closed, every turn is given out. */
void call_finish(struct call *c, struct str reason)
{
    if (c->phase == PHASE_ENDED)
        return;
    voice_settle(c, true);
    tools_abandon(c);
    for (int t = 1; t < CALL_TIMER_COUNT; t++)
        timer_set(c, (enum call_timer)t, NO_TIME);
    if (c->link != LINK_CLOSED)
        fx_add(c, (struct call_fx){.type = CALL_FX_ENGINE_CLOSE, .ok = true});
    roll_drop(c, true);
    c->link = LINK_CLOSED;
    c->ended_us = c->phase == PHASE_LOST ? c->lost_us : c->now; /* nobody was there since */
    c->phase = PHASE_ENDED;
    c->stats.end_reason = keep_str(c, reason);
    fx_add(c, (struct call_fx){.type = CALL_FX_ENDED, .text = c->stats.end_reason});
}

/* -- inputs -- */

static void on_stream(struct call *c)
{
    if (c->phase == PHASE_LOST) {
        lost_resume(c);
        return;
    }
    if (c->phase != PHASE_RINGING) {
        fx_note(c, "call.second_stream", "ignored");
        return;
    }
    c->phase = PHASE_TALKING;
    c->stream_us = c->now;
    manners_started(c);
}

static void on_hangup(struct call *c, struct str reason)
{
    /* What the carrier says of a leave we asked for is less telling than why we asked. */
    if (c->phase == PHASE_LEAVING)
        reason = c->close_reason;
    call_finish(c, reason.len ? reason : STR("hangup"));
}

static void on_timer(struct call *c, uint32_t number)
{
    if (number == 0 || number >= CALL_TIMER_COUNT)
        return;
    enum call_timer timer = (enum call_timer)number;
    if (c->timer_at[timer] == NO_TIME || c->now < c->timer_at[timer])
        return; /* it was set anew or cancelled while it fired */
    c->timer_at[timer] = NO_TIME;
    switch (timer) {
    case CALL_TIMER_CONNECT:
        link_timer(c);
        break;
    case CALL_TIMER_RESPONSE:
        answer_timer(c);
        break;
    case CALL_TIMER_ROLL:
    case CALL_TIMER_SPARE:
        roll_timer(c, timer);
        break;
    case CALL_TIMER_REHEAR:
        link_rehear_timer(c);
        break;
    case CALL_TIMER_PACE:
    case CALL_TIMER_HEARD:
    case CALL_TIMER_BARGE:
        voice_timer(c, timer);
        break;
    case CALL_TIMER_FILLER:
        tool_filler_timer(c);
        break;
    case CALL_TIMER_TOOL:
        tool_timer(c);
        break;
    case CALL_TIMER_SILENCE:
    case CALL_TIMER_WAIT:
    case CALL_TIMER_DURATION:
    case CALL_TIMER_DTMF:
    case CALL_TIMER_CLOSE:
        manners_timer(c, timer);
        break;
    case CALL_TIMER_LOST:
        lost_timer(c);
        break;
    case CALL_TIMER_COUNT:
        break;
    }
}

static void on_dropped(struct call *c)
{
    if (c->in->number == CALL_DROPPED_TO_CHANNEL)
        c->stats.dropped_to_channel_ms += c->in->audio_len / 8;
    else
        c->stats.dropped_to_engine_ms += c->in->audio_len / 8;
    fx_note(c, "call.audio_dropped", "to=%s ms=%u",
            c->in->number == CALL_DROPPED_TO_CHANNEL ? "channel" : "engine", c->in->audio_len / 8);
}

static void dispatch(struct call *c, const struct call_input *in)
{
    switch (in->type) {
    case CALL_IN_START:
        link_open(c);
        break;
    case CALL_IN_STREAM:
        on_stream(c);
        break;
    case CALL_IN_AUDIO:
        link_audio(c);
        break;
    case CALL_IN_MARK:
        voice_echo(c, in->number);
        break;
    case CALL_IN_DTMF:
        manners_dtmf(c, (char)in->number);
        break;
    case CALL_IN_HANGUP:
        on_hangup(c, in->text);
        break;
    case CALL_IN_ENGINE_OPEN:
        link_opened(c);
        break;
    case CALL_IN_ENGINE_EVENT:
        link_event(c);
        break;
    case CALL_IN_ENGINE_CLOSED:
        link_closed(c);
        break;
    case CALL_IN_SPARE_OPEN:
        roll_spare_opened(c);
        break;
    case CALL_IN_SPARE_EVENT:
        roll_spare_event(c);
        break;
    case CALL_IN_SPARE_CLOSED:
        roll_spare_closed(c);
        break;
    case CALL_IN_PROMPT:
        voice_prompt_ready(c);
        break;
    case CALL_IN_TOOL:
        tool_result(c);
        break;
    case CALL_IN_TIMER:
        on_timer(c, in->number);
        break;
    case CALL_IN_OPERATOR:
        manners_operator(c, in->text);
        break;
    case CALL_IN_DROPPED:
        on_dropped(c);
        break;
    case CALL_IN_LOST:
        lost_begin(c);
        break;
    }
}

struct call_effects call_step(struct call *c, const struct call_input *in)
{
    c->scratch->fx_count = 0;
    arena_reset(&c->scratch->arena);
    if (c->phase == PHASE_ENDED)
        return (struct call_effects){0};
    if (in->at_us > c->now)
        c->now = in->at_us;
    c->in = in;
    dispatch(c, in);
    if (c->spare.state == LINK_READY)
        roll_try(c);
    if (c->phase == PHASE_TALKING)
        manners_wait(c);
    if (c->phase != PHASE_ENDED && c->arena.over) {
        fx_note(c, "call.memory_limit", "bytes=%zu", c->arena.used);
        call_finish(c, STR("limit"));
    }
    c->in = NULL;
    return (struct call_effects){.fx = c->scratch->fx, .count = c->scratch->fx_count};
}

/* -- reading -- */

const struct call_item *call_items(const struct call *c)
{
    return c->items;
}

bool call_ended(const struct call *c)
{
    return c->phase == PHASE_ENDED;
}

bool call_lost(const struct call *c)
{
    return c->phase == PHASE_LOST;
}

bool call_answered(const struct call *c)
{
    return c->stream_us != NO_TIME;
}

bool call_transfers(const struct call *c)
{
    return c->closing == CLOSING_TRANSFER && (c->phase == PHASE_LEAVING || c->phase == PHASE_ENDED);
}

int64_t call_timer_at(const struct call *c, enum call_timer timer)
{
    return c->timer_at[timer];
}

int64_t call_cost_nanousd(const struct call *c)
{
    return c->cost_nanousd;
}

struct call_stats call_stats(const struct call *c)
{
    struct call_stats s = c->stats;
    int64_t end = c->phase == PHASE_ENDED ? c->ended_us : c->now;
    s.duration_ms = stream_ms(c, end);
    s.rtt_ms = c->playhead.rtt_us / 1000;
    s.engine = c->engine_index < c->config.engine_count
                   ? str_of(c->config.engines[c->engine_index].name)
                   : STR("none");
    return s;
}

const char *call_check(const struct call *c)
{
    uint64_t pending = 0;
    for (uint32_t i = 0; i < c->source_count; i++)
        pending += c->sources[i].pending;
    if (c->phase == PHASE_ENDED)
        return c->link == LINK_CLOSED && c->spare.state == LINK_CLOSED
                   ? NULL
                   : "ended with an open engine";
    if (c->spare.state != LINK_CLOSED && c->link != LINK_READY)
        return "a spare stands beside no session";
    if (c->kept_bytes > c->keep_bytes)
        return "more is kept than was asked for";
    if (c->answer.state != ANSWER_NONE && c->link != LINK_READY)
        return "a response is in flight on a link that is not ready";
    if (c->heard_all && pending)
        return "all heard, yet audio is queued";
    if (c->want_count > CALL_WANTS_MAX || c->source_count > CALL_SOURCES_MAX)
        return "a queue is past its bound";
    for (const struct call_item *item = c->items; item; item = item->next) {
        if (item->sent_bytes > item->audio_bytes)
            return "an item was sent beyond its audio";
        if (item->heard_ms * 8 > (int64_t)item->sent_bytes + 7)
            return "an item was heard beyond what was sent";
    }
    if (c->closing == CLOSING_NO && c->phase == PHASE_LEAVING)
        return "leaving without a reason";
    if ((c->phase == PHASE_LOST) != (c->timer_at[CALL_TIMER_LOST] != NO_TIME))
        return "a lost call waits for ever, or one that is not lost waits";
    if (c->phase == PHASE_LOST && (c->playhead.count || c->timer_at[CALL_TIMER_HEARD]))
        return "something is to be heard of a lost call";
    return NULL;
}
