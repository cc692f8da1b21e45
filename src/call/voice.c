/* What is spoken to the caller: accepted from the engine, paced to the carrier, heard, cut. */
#include <stdio.h>

#include "base/assert.h"
#include "call/call_impl.h"

enum { FRAME_BYTES = 160, US_PER_BYTE = 125, PACE_SLACK_BYTES = 800 };

static void fx_mark(struct call *c)
{
    c->since_mark = 0;
    c->mark_number++;
    playhead_mark(&c->playhead, c->mark_number);
    fx_add(c, (struct call_fx){.type = CALL_FX_MARK, .number = c->mark_number});
}

/* When everything sent should have been heard and its echo should be here. */
static int64_t heard_due(const struct call *c)
{
    int64_t at = playhead_end_time(&c->playhead);
    return c->playhead.count ? at + (int64_t)CALL_MARK_GRACE_MS * 1000 : at;
}

/* Set lazily: audio that follows moves the time out, and the timer finds that when it fires. */
static void arm_heard(struct call *c)
{
    if (c->timer_at[CALL_TIMER_HEARD] == NO_TIME)
        timer_set(c, CALL_TIMER_HEARD, heard_due(c));
}

static void rearm_heard(struct call *c)
{
    int64_t at = heard_due(c) + 1000, soonest = c->now + (int64_t)CALL_HEARD_AGAIN_MS * 1000;
    timer_set(c, CALL_TIMER_HEARD, at > soonest ? at : soonest);
}

/* The time from the caller's last sound to each step of the answer, noted on its first item. */
static void note_first_byte(struct call *c, struct call_item *item)
{
    if (item->role != CALL_ROLE_AGENT || !c->turn.open)
        return;
    int64_t from = c->turn.speech_end_us;
    int64_t heard = playhead_time_of(&c->playhead, item->timeline_start, c->now);
    heard += c->playhead.rtt_us / 2;
    item->latency = (struct call_latency){
        .turn_end_ms = (int32_t)((c->turn.turn_end_us - from) / 1000),
        .engine_first_ms = (int32_t)((c->turn.engine_first_us - from) / 1000),
        .carrier_first_ms = (int32_t)((c->now - from) / 1000),
        .heard_first_ms = (int32_t)((heard - from) / 1000),
    };
    c->turn.open = false;
}

static void drop_first_source(struct call *c)
{
    for (uint32_t i = 1; i < c->source_count; i++)
        c->sources[i - 1] = c->sources[i];
    c->source_count--;
}

static void send_piece(struct call *c, struct source *s, uint32_t len, uint32_t pad)
{
    struct call_item *item = s->item;
    if (item->sent_bytes == 0) {
        /* A new spurt begins where the last ended; sent is its position either way. */
        item->timeline_start = c->playhead.sent;
        item->start_ms = stream_ms(c, playhead_time_of(&c->playhead, c->playhead.sent, c->now));
    }
    /* Something was said between two parts of it (the engine had stalled): it counts as begun
     * so much later, which never claims that more of it was heard than was. */
    if (item->sent_bytes && c->playhead.sent > item->timeline_start + item->sent_bytes)
        item->timeline_start = c->playhead.sent - item->sent_bytes;
    fx_add(c, (struct call_fx){.type = CALL_FX_PLAY,
                               .text = item->id,
                               .offset = item->sent_bytes,
                               .len = len,
                               .pad = pad});
    playhead_sent(&c->playhead, len + pad, c->now);
    if (item->sent_bytes == 0)
        note_first_byte(c, item);
    item->sent_bytes += len;
    s->pending -= len;
    c->since_mark += len + pad;
    if (s->protected)
        c->protected_end = c->playhead.sent;
    if (c->since_mark >= CALL_MARK_BYTES)
        fx_mark(c);
}

void voice_pump(struct call *c)
{
    if (c->phase == PHASE_LOST)
        return; /* what comes now waits for the new stream */
    while (c->source_count && c->phase == PHASE_TALKING) {
        struct source *s = &c->sources[0];
        /* Only whole frames leave, but an item's last piece is filled up: nothing follows it. */
        bool last = s->item->audio_done || c->source_count > 1;
        uint32_t len = s->pending < CALL_PLAY_BYTES_MAX ? s->pending : CALL_PLAY_BYTES_MAX;
        uint32_t rest = len % FRAME_BYTES;
        if (rest && !last)
            len -= rest;
        if (len == 0) {
            if (s->pending || !last)
                break;
            drop_first_source(c);
            continue;
        }
        uint32_t pad = rest && last ? FRAME_BYTES - rest : 0;
        uint64_t ahead = c->playhead.sent - playhead_heard(&c->playhead, c->now);
        if (ahead + len + pad > CALL_AHEAD_BYTES_MAX) {
            uint64_t over = ahead + len + pad - CALL_AHEAD_BYTES_MAX;
            timer_set(c, CALL_TIMER_PACE,
                      c->now + (int64_t)(over + PACE_SLACK_BYTES) * US_PER_BYTE);
            break;
        }
        send_piece(c, s, len, pad);
    }
    bool idle = c->source_count == 0 || (c->source_count == 1 && c->sources[0].pending == 0);
    if (idle && c->since_mark && (c->source_count == 0 || c->sources[0].item->audio_done))
        fx_mark(c);
    if (c->playhead.count || c->source_count || c->playhead.sent > c->playhead.anchor)
        arm_heard(c);
}

void voice_accept(struct call *c, struct call_item *item, uint32_t bytes, bool protected)
{
    struct source *last = c->source_count ? &c->sources[c->source_count - 1] : NULL;
    if (!last || last->item != item) {
        if (c->source_count == CALL_SOURCES_MAX) {
            fx_note(c, "call.voice_queue_full", "item=%.*s", STR_FMT(item->id));
            return;
        }
        c->sources[c->source_count] = (struct source){.item = item, .protected = protected};
        last = &c->sources[c->source_count++];
    }
    last->pending += bytes;
    item->audio_bytes += bytes;
    item->spoken_ms = item->audio_bytes / 8;
    c->heard_all = false;
    timer_set(c, CALL_TIMER_SILENCE, NO_TIME);
    fx_add(c, (struct call_fx){.type = CALL_FX_QUEUE, .text = item->id, .len = bytes});
    voice_pump(c);
}

void voice_item_done(struct call *c, struct call_item *item)
{
    item->audio_done = true;
    voice_pump(c);
}

/* -- heard -- */

static void settle_item(struct call_item *item, uint64_t heard_position)
{
    uint64_t heard = heard_position > item->timeline_start && item->sent_bytes
                         ? heard_position - item->timeline_start
                         : 0;
    if (heard > item->sent_bytes)
        heard = item->sent_bytes;
    item->heard_ms = (int64_t)heard / 8;
    item->end_ms = item->start_ms + item->heard_ms;
    item->settled = true;
}

void voice_settle(struct call *c, bool all)
{
    uint64_t heard = playhead_heard(&c->playhead, c->now);
    while (c->unstored && c->unstored->stored)
        c->unstored = c->unstored->next;
    for (struct call_item *item = c->unstored; item; item = item->next) {
        if (item->stored)
            continue;
        if (item->role != CALL_ROLE_CALLER && !item->settled) {
            bool whole = item->audio_done && item->sent_bytes == item->audio_bytes &&
                         heard >= item->timeline_start + item->sent_bytes;
            if (!whole && !all)
                continue;
            settle_item(item, heard);
            if (all && !whole && item->audio_bytes)
                item->interrupted = true;
        }
        if (all || (item->settled && item->final)) {
            item->final = true;
            item->stored = true;
            script_store(c, item);
        }
    }
}

/* True once nothing is being synthesised, queued, sent and unheard, or waiting for its echo. */
static bool all_heard(struct call *c, bool give_up_on_marks)
{
    if (c->prompts_pending)
        return false;
    for (uint32_t i = 0; i < c->source_count; i++)
        if (c->sources[i].pending)
            return false;
    if (playhead_heard(&c->playhead, c->now) < c->playhead.sent)
        return false;
    if (c->playhead.count && !give_up_on_marks)
        return false;
    return true;
}

static void check_heard(struct call *c, bool give_up_on_marks)
{
    if (c->heard_all || !all_heard(c, give_up_on_marks))
        return;
    if (c->playhead.count) {
        c->stats.marks_missing += c->playhead.count;
        fx_note(c, "call.marks_missing", "count=%u", c->playhead.count);
        c->playhead.count = 0;
    }
    c->heard_all = true;
    c->silent_us = c->now;
    timer_set(c, CALL_TIMER_HEARD, NO_TIME);
    voice_settle(c, false);
    manners_heard(c);
}

void voice_echo(struct call *c, uint32_t number)
{
    if (!playhead_echo(&c->playhead, number, c->now))
        return; /* cleared before it was played */
    voice_pump(c);
    voice_settle(c, false);
    check_heard(c, false);
    bool stalls = c->playhead.count == 0 && c->source_count == 1 && c->sources[0].pending &&
                  c->sources[0].pending < FRAME_BYTES;
    if (stalls) /* no longer for marks: what is left of a frame */
        rearm_heard(c);
}

/* The engine stalls in the middle of a frame, and all before it was heard: what there is leaves, or
 * it would never be known that the line is silent. */
static void flush_rest(struct call *c)
{
    struct source *s = &c->sources[0];
    if (c->phase != PHASE_TALKING || c->source_count != 1 || s->pending == 0 ||
        s->pending >= FRAME_BYTES || playhead_heard(&c->playhead, c->now) < c->playhead.sent)
        return;
    send_piece(c, s, s->pending, FRAME_BYTES - s->pending);
    if (c->since_mark)
        fx_mark(c);
}

void voice_timer(struct call *c, enum call_timer timer)
{
    if (timer == CALL_TIMER_PACE) {
        voice_pump(c);
    } else if (timer == CALL_TIMER_BARGE) {
        if (c->barge_waiting && c->speaking)
            voice_barge_in(c);
        c->barge_waiting = false;
    } else {
        flush_rest(c);
        check_heard(c, c->now >= heard_due(c));
        if (!c->heard_all && c->prompts_pending == 0)
            rearm_heard(c);
    }
}

/* -- cutting -- */

static void truncate_item(struct call *c, struct call_item *item, uint64_t heard)
{
    settle_item(item, heard);
    item->interrupted = true;
    item->audio_done = true;
    if (item->role != CALL_ROLE_AGENT || item->engine_epoch != c->epoch || c->link != LINK_READY)
        return;
    struct rt_event ev = {
        .type = RT_ITEM_TRUNCATE, .item_id = item->id, .audio_end_ms = item->heard_ms};
    fx_engine(c, &ev);
}

void voice_cut(struct call *c)
{
    uint64_t heard = playhead_heard(&c->playhead, c->now);
    bool unheard = heard < c->playhead.sent;
    bool queued = false;
    for (uint32_t i = 0; i < c->source_count; i++)
        queued |= c->sources[i].pending > 0;
    answer_died(c);
    if (!unheard && !queued)
        return;
    c->stats.interruptions++;
    if (unheard)
        fx_add(c, (struct call_fx){.type = CALL_FX_CLEAR});
    if (queued || c->source_count)
        fx_add(c, (struct call_fx){.type = CALL_FX_DISCARD});
    c->source_count = 0;
    c->since_mark = 0;
    for (struct call_item *item = c->items; item; item = item->next) {
        bool cut = item->role != CALL_ROLE_CALLER && !item->settled && item->audio_bytes &&
                   (item->sent_bytes < item->audio_bytes ||
                    heard < item->timeline_start + item->sent_bytes);
        if (cut)
            truncate_item(c, item, heard);
    }
    playhead_clear(&c->playhead, c->now);
    fx_note(c, "call.cut", "rtt_ms=%lld", (long long)(c->playhead.rtt_us / 1000));
    voice_settle(c, false);
    check_heard(c, false);
}

/* It counts as heard from when no clear could stop it any more; a stream that breaks can. */
static void unsettle(struct call *c, struct call_item *item, uint64_t heard)
{
    if (item->interrupted || item->timeline_start + (uint64_t)item->heard_ms * 8 <= heard)
        return;
    truncate_item(c, item, heard);
    item->stored = false;
    c->unstored = c->items;
}

void voice_lost(struct call *c, bool process)
{
    uint64_t sent = c->playhead.sent;
    uint64_t heard =
        process ? playhead_stop(&c->playhead, c->now) : playhead_broke(&c->playhead, c->now);
    if (heard < sent) /* nobody is told, but whoever reads the record */
        fx_add(c, (struct call_fx){.type = CALL_FX_CLEAR});
    if (c->source_count)
        fx_add(c, (struct call_fx){.type = CALL_FX_DISCARD});
    c->source_count = 0;
    c->since_mark = 0;
    c->prompts_pending = 0; /* results that still come are of no use: their items are done */
    c->barge_waiting = false;
    if (c->protected_end > heard)
        c->protected_end = heard;
    for (struct call_item *item = c->items; item; item = item->next) {
        bool asked = item->audio_bytes || item->role == CALL_ROLE_PROMPT;
        if (item->role == CALL_ROLE_CALLER || !asked)
            continue;
        bool whole = item->audio_done && item->audio_bytes &&
                     item->sent_bytes == item->audio_bytes &&
                     heard >= item->timeline_start + item->sent_bytes;
        if (item->settled)
            unsettle(c, item, heard);
        else if (whole)
            settle_item(item, heard);
        else
            truncate_item(c, item, heard);
    }
    c->heard_all = true;
    voice_settle(c, false);
}

void voice_barge_in(struct call *c)
{
    uint64_t heard = playhead_heard(&c->playhead, c->now);
    bool queued_protected = false;
    for (uint32_t i = 0; i < c->source_count; i++)
        queued_protected |= c->sources[i].protected && c->sources[i].pending;
    bool farewell = c->answer.state != ANSWER_NONE && !c->answer.dead &&
                    c->answer.want.purpose == PURPOSE_FAREWELL && c->closing_protected;
    if (farewell && !queued_protected && heard >= c->protected_end)
        return; /* what had to be cut for it was cut when it was asked for */
    if (queued_protected || heard < c->protected_end) {
        /* What must be heard is being said; look again when it was. */
        c->barge_waiting = true;
        timer_set(c, CALL_TIMER_BARGE,
                  playhead_time_of(&c->playhead, c->protected_end, c->now) + 1000);
        return;
    }
    voice_cut(c);
}

/* -- our own voice -- */

void voice_prompt(struct call *c, struct str text)
{
    if (text.len == 0 || c->phase == PHASE_ENDED)
        return;
    char id[32];
    c->prompt_number++;
    snprintf(id, sizeof(id), "prompt_%u", c->prompt_number);
    struct call_item *item = script_add(c, str_of(id), CALL_ROLE_PROMPT);
    if (!item)
        return;
    script_set_words(c, item, text);
    c->heard_all = false;
    if (c->prompts_pending++ ==
        0) /* one at a time: they are heard in the order they were asked for */
        fx_add(c, (struct call_fx){
                      .type = CALL_FX_PROMPT, .number = c->prompt_number, .text = item->text});
}

static struct call_item *find_prompt(struct call *c, uint32_t number)
{
    char id[32];
    snprintf(id, sizeof(id), "prompt_%u", number);
    return script_find(c, str_of(id));
}

/* Who was cut off and is back must hear a word: then the engine says it. */
static void prompt_failed(struct call *c, const struct call_item *item)
{
    fx_note(c, "call.prompt_failed", "prompt=%u", c->in->number);
    if (c->closing == CLOSING_NO && c->config.resume_words[0] &&
        str_eq(item->text, str_of(c->config.resume_words)))
        want_first(c, PURPOSE_SAY, item->text);
}

void voice_prompt_ready(struct call *c)
{
    struct call_item *item = find_prompt(c, c->in->number);
    if (!item || item->audio_done || c->prompts_pending == 0)
        return;
    c->prompts_pending--;
    item->audio_done = true;
    if (c->in->audio_len)
        voice_accept(c, item, c->in->audio_len, true);
    else
        prompt_failed(c, item);
    const struct call_item *next = c->prompts_pending ? find_prompt(c, c->in->number + 1) : NULL;
    if (next)
        fx_add(c, (struct call_fx){
                      .type = CALL_FX_PROMPT, .number = c->in->number + 1, .text = next->text});
    check_heard(c, false);
    answer_next(c);
}
