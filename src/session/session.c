#include "session/session.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/session_private.h"

#ifndef CALLEE_VERSION
#define CALLEE_VERSION "0"
#endif

/* A prompt or a long event is seldom; what it needed is given back. */
enum { KEEP_BYTES = 64 << 10 };

static void buf_done(struct buf *b)
{
    if (b->cap > KEEP_BYTES)
        buf_release(b);
    else
        buf_reset(b);
}

void session_scratch_init(struct session_scratch *x)
{
    buf_init(&x->record, CALL_EVENT_BYTES_MAX * 16); /* one engine event as it arrived */
    buf_init(&x->lines, CALL_EVENT_BYTES_MAX * 4);
    buf_init(&x->message, CALL_EVENT_BYTES_MAX);
    buf_init(&x->audio, SESSION_HELD_BYTES_MAX);
    x->call = call_scratch_new();
}

void session_scratch_fini(struct session_scratch *x)
{
    buf_fini(&x->record);
    buf_fini(&x->lines);
    buf_fini(&x->message);
    buf_fini(&x->audio);
    call_scratch_free(x->call);
}

/* -- the timer -- */

/* Set lazily: a time that moved out, or is no more, is found out when the earlier one fires. */
static void arm_timer(struct session *s, int64_t next)
{
    if (next == 0 || (s->armed_us && s->armed_us <= next)) /* as after nearly every frame */
        return;
    s->armed_us = next;
    int64_t wait_us = next - loop_now_us(s->part->loop);
    loop_timer_set(s->timer, wait_us > 0 ? (uint64_t)(wait_us + 999) / 1000 : 0);
}

static int64_t sooner_of(int64_t a_us, int64_t b_us)
{
    return a_us == 0 || (b_us && b_us < a_us) ? b_us : a_us;
}

void session_set_timer(struct session *s, uint32_t timer, int64_t at_us)
{
    s->timer_at[timer] = at_us;
    s->set_us = sooner_of(s->set_us, at_us);
}

static void arm_nearest(struct session *s)
{
    int64_t next = s->coalesce.due_us;
    for (int t = 1; t < CALL_TIMER_COUNT; t++)
        next = sooner_of(next, s->timer_at[t]);
    s->set_us = 0;
    arm_timer(s, next);
}

/* `timer` stands for all that was set before: only what an input has set is looked at. */
static void arm_after_input(struct session *s)
{
    if (s->ended) {
        if (s->armed_us)
            loop_timer_cancel(s->timer);
        s->armed_us = 0;
        return;
    }
    int64_t next = sooner_of(s->coalesce.due_us, s->set_us);
    s->set_us = 0;
    arm_timer(s, next);
}

/* -- the heart: one input at a time -- */

static void append_input(struct session *s, const struct call_input *in)
{
    if (!s->journal)
        return;
    call_input_write(&s->part->scratch.record, in, s->config.recording);
    journal_append(s->journal, (uint16_t)(JOURNAL_INPUT + in->type), in->at_us,
                   buf_str(&s->part->scratch.record), STR_NONE);
    buf_done(&s->part->scratch.record);
}

static void append_effects(struct session *s, int64_t at_us, const struct call_effects *effects)
{
    if (effects->count == 0 || !s->journal)
        return;
    uint32_t digest = call_effects_digest(effects, &s->part->scratch.lines);
    char crc[4];
    for (int i = 0; i < 4; i++)
        crc[i] = (char)(digest >> (8 * i));
    /* Forwarded caller audio is no fact of its own: the input before it says it all. */
    bool forwarded = effects->count == 1 && effects->fx[0].type == CALL_FX_ENGINE_APPEND;
    journal_append(s->journal, JOURNAL_EFFECTS, at_us, str_n(crc, sizeof(crc)),
                   forwarded ? STR_NONE : buf_str(&s->part->scratch.lines));
    buf_done(&s->part->scratch.lines);
}

static void step(struct session *s, struct call_input *in)
{
    if (in->at_us == 0) /* not so what is fed after the fact: that the process had died */
        in->at_us = loop_now_us(s->part->loop);
    append_input(s, in);
    struct call_effects effects = call_step(s->call, in);
    append_effects(s, in->at_us, &effects);
    session_perform(s, in, &effects);
}

void session_feed(struct session *s, struct call_input *in)
{
    struct session_scratch *scratch = &s->part->scratch;
    ASSERT(!scratch->busy); /* nothing we call may call back from inside */
    if (s->ended)
        return;
    scratch->busy = true;
    step(s, in);
    for (uint32_t which = 1; which <= CALL_DROPPED_TO_ENGINE && !s->ended; which++) {
        if (s->dropped[which] == 0)
            continue;
        struct call_input lost = {
            .type = CALL_IN_DROPPED, .number = which, .audio_len = s->dropped[which]};
        s->dropped[which] = 0;
        step(s, &lost);
    }
    scratch->busy = false;
    arm_after_input(s);
}

/* -- timers -- */

static void on_timer(void *ctx)
{
    struct session *s = ctx;
    s->armed_us = 0;
    s->open++; /* a fed input may end the call; stay until we are through */
    if (s->coalesce.due_us && s->coalesce.due_us <= loop_now_us(s->part->loop))
        session_caller_flush(s);
    for (uint32_t t = 1; t < CALL_TIMER_COUNT && !s->ended; t++) {
        if (s->timer_at[t] == 0 || s->timer_at[t] > loop_now_us(s->part->loop))
            continue;
        s->timer_at[t] = 0;
        struct call_input in = {.type = CALL_IN_TIMER, .number = t};
        session_feed(s, &in);
    }
    if (s->ended)
        arm_after_input(s);
    else
        arm_nearest(s);
    session_release(s);
}

/* -- the channel's events -- */

/* What comes of a stream that was let go of is nothing to the call any more. */
static void feed_slot(struct channel_slot *slot, struct call_input *in)
{
    if (!slot->let_go)
        session_feed(slot->session, in);
}

static void on_audio(void *ctx, struct str payload, uint32_t len, uint32_t timestamp_ms)
{
    struct call_input in = {
        .type = CALL_IN_AUDIO, .number = timestamp_ms, .audio_len = len, .audio = payload};
    feed_slot(ctx, &in);
}

static void on_mark(void *ctx, uint32_t number)
{
    struct call_input in = {.type = CALL_IN_MARK, .number = number};
    feed_slot(ctx, &in);
}

static void on_dtmf(void *ctx, char digit)
{
    struct call_input in = {.type = CALL_IN_DTMF, .number = (uint32_t)(unsigned char)digit};
    feed_slot(ctx, &in);
}

static void on_channel_closed(void *ctx, struct str reason)
{
    struct channel_slot *slot = ctx;
    struct session *s = slot->session;
    bool let_go = slot->let_go;
    mem_free(slot);
    if (!let_go) {
        s->channel = NULL;
        s->slot = NULL;
        /* Only "stop" says that the caller or the carrier ended it. */
        bool hangup = str_eq(reason, STR("stop"));
        struct call_input in = {.type = hangup ? CALL_IN_HANGUP : CALL_IN_LOST,
                                .number = hangup ? 0 : CALL_LOST_STREAM,
                                .text = reason};
        session_feed(s, &in);
    }
    session_release(s);
}

static const struct channel_events channel_events = {
    .on_audio = on_audio,
    .on_mark = on_mark,
    .on_dtmf = on_dtmf,
    .on_closed = on_channel_closed,
};

void session_attach(struct session *s, struct channel *ch, const struct channel_events **events,
                    void **events_ctx)
{
    ASSERT(!s->channel && (!s->had_channel || call_lost(s->call)));
    s->channel = ch;
    s->slot = mem_zalloc(sizeof(*s->slot));
    s->slot->session = s;
    s->open++;
    *events = &channel_events;
    *events_ctx = s->slot;
    if (!s->had_channel)
        session_answered(s);
    s->had_channel = true;
    struct call_input in = {.type = CALL_IN_STREAM};
    session_feed(s, &in);
}

void session_stream_gone(struct session *s)
{
    if (!s->channel)
        return;
    s->open++;
    struct channel *ch = s->channel;
    s->slot->let_go = true;
    s->slot = NULL;
    s->channel = NULL;
    channel_close(ch);
    struct call_input in = {.type = CALL_IN_LOST,
                            .number = CALL_LOST_STREAM,
                            .text = STR("the carrier says that it has ended")};
    session_feed(s, &in);
    session_release(s);
}

bool session_waits(const struct session *s)
{
    return !s->ended && call_lost(s->call);
}

/* -- life -- */

static void write_head(struct session *s, struct buf *b)
{
    struct buf config;
    buf_init(&config, CALL_EVENT_BYTES_MAX);
    call_config_write(&config, &s->config);
    buf_printf(b,
               "{\"format\":1,\"build\":\"%s\",\"behaviour\":%d,\"callId\":\"%s\",\"number\":%llu,"
               "\"boot\":\"%s\",\"wallMs\":%lld,\"anchorUs\":%lld,\"config\":",
               CALLEE_VERSION, CALL_BEHAVIOUR_VERSION, s->id,
               (unsigned long long)s->part->next_call, s->part->host->boot,
               (long long)s->config.wall_ms, (long long)s->config.anchor_us);
    buf_put_str(b, buf_str(&config));
    buf_put_byte(b, '}');
    buf_fini(&config);
}

static void begin_journal(struct session *s)
{
    struct buf head;
    buf_init(&head, CALL_EVENT_BYTES_MAX);
    write_head(s, &head);
    s->journal = journal_call_begin(s->part->journal, s->id, buf_str(&head), s->config.anchor_us);
    buf_fini(&head);
}

static struct session *make(struct host_part *part, const struct call_config *config)
{
    struct session *s = mem_zalloc(sizeof(*s));
    *s = (struct session){.part = part, .open = 1, .verdict = CHANNEL_HANGUP};
    arena_init(&s->mem, CALL_ARENA_BYTES_MAX);

    /* The session's own copy of the snapshot, by way of its journal form. */
    struct buf text;
    buf_init(&text, CALL_EVENT_BYTES_MAX);
    FAULTS_OFF(); /* what was just written is read */
    call_config_write(&text, config);
    enum err err = call_config_read(&s->config, &s->mem, buf_str(&text), NULL);
    FAULTS_ON();
    ASSERT(err == OK);
    buf_fini(&text);
    (void)str_copy(s->id, sizeof(s->id), str_of(s->config.call_id));

    s->timer = loop_timer_new(part->loop, on_timer, s);
    coalesce_init(&s->coalesce, part->host->env.coalesce_ms,
                  s->config.vad_silence_ms + COALESCE_HANG_MS);
    return s;
}

struct session *session_new(struct host_part *part, const struct call_config *config)
{
    struct session *s = make(part, config);
    s->call = call_new_lent(&s->config);
    call_share_scratch(s->call, part->scratch.call);
    if (!part->host->env.no_journal)
        begin_journal(s);

    struct call_input in = {.type = CALL_IN_START};
    session_feed(s, &in);
    return s;
}

struct session *session_revive(struct host_part *part, const struct call_config *config,
                               struct call *call, struct past_hold *before, uint32_t sequence,
                               int64_t lost_us)
{
    struct session *s = make(part, config);
    s->call = call;
    s->charged_nanousd = call_cost_nanousd(call); /* counted by who revives it */
    call_share_scratch(call, part->scratch.call);
    s->had_channel = call_answered(call);
    s->journal = journal_call_resume(part->journal, s->id, before, sequence, lost_us);
    for (int t = 1; t < CALL_TIMER_COUNT; t++)
        session_set_timer(s, (uint32_t)t, call_timer_at(call, (enum call_timer)t));
    if (call_transfers(call)) {
        s->verdict = CHANNEL_TRANSFER;
        (void)str_copy(s->transfer_number, sizeof(s->transfer_number),
                       str_of(s->config.transfer_number));
    }
    session_store_again(s);
    return s;
}

void session_process_died(struct session *s, int64_t lost_us)
{
    s->open++;
    struct call_input in = {.type = CALL_IN_LOST,
                            .at_us = lost_us,
                            .number = CALL_LOST_PROCESS,
                            .text = STR("server restarted")};
    session_feed(s, &in);
    session_release(s);
}

void session_release(struct session *s)
{
    ASSERT(s->open > 0);
    if (--s->open > 0)
        return;
    ASSERT(s->ended && !s->channel && !s->link && !s->spare);
    host_session_gone(s->part, s);
    loop_timer_free(s->timer);
    call_free(s->call);
    voiceq_clear(&s->voice);
    coalesce_fini(&s->coalesce);
    kept_fini(&s->held);
    arena_fini(&s->mem);
    mem_free(s);
}

/* -- others -- */

void session_operator(struct session *s, const char *command)
{
    s->open++;
    struct call_input in = {.type = CALL_IN_OPERATOR, .text = str_of(command)};
    session_feed(s, &in);
    session_release(s);
}

void session_carrier_ended(struct session *s, struct str reason)
{
    s->open++;
    struct call_input in = {.type = CALL_IN_HANGUP, .text = reason};
    session_feed(s, &in);
    session_release(s);
}

const char *session_id(const struct session *s)
{
    return s->id;
}

enum channel_verdict session_verdict(const struct session *s)
{
    return s->verdict;
}

struct str session_transfer_number(const struct session *s)
{
    return str_of(s->transfer_number);
}
