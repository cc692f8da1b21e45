/* The carrier: plays what arrives at 1x, echoes marks when they were played, and knows the truth.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { US_PER_BYTE = 125, HEARD_SLACK_MS = 60 };

static int64_t way(struct sim *s)
{
    int64_t us = s->one_way_us;
    return s->jitter_us ? us + rng_below(&s->rng, (uint32_t)s->jitter_us) : us;
}

static uint32_t item_index(struct str id)
{
    uint64_t n = 0;
    bool prompt = str_starts(id, STR("prompt_"));
    (void)str_to_u64(str_slice(id, prompt ? 7 : 1, id.len), &n);
    return prompt ? SIM_ITEMS_MAX - (uint32_t)n : (uint32_t)n;
}

struct sim_item *carrier_item(struct sim *s, struct str id)
{
    if (id.len == 0 || (id.p[0] != 'i' && id.p[0] != 'p'))
        return NULL;
    uint32_t i = item_index(id);
    return i < SIM_ITEMS_MAX ? &s->items[i] : NULL;
}

static void leave(struct sim *s, bool transfer)
{
    /* What led to a transfer must be on disk first. */
    int64_t late = transfer && refuse_step(s, "shell.barrier") ? refuse_late_us(s) : 0;
    s->refused.late_us += late;
    /* The carrier says that the stream is over; now and then it never does. */
    if (!sim_chance(s, s->fault))
        sim_at(s, late + 2 * way(s),
               (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_HANGUP, .a = 1});
}

void carrier_effect(struct sim *s, const struct call_fx *fx)
{
    if (s->lost && (fx->type == CALL_FX_PLAY || fx->type == CALL_FX_MARK))
        sim_fail(s, "sent on a line that is gone");
    if (s->lost && fx->type == CALL_FX_CLEAR)
        return; /* for the record */
    if (fx->type == CALL_FX_PLAY) {
        uint32_t i = item_index(fx->text);
        if (i >= SIM_ITEMS_MAX) {
            sim_fail(s, "played an unknown item");
            return;
        }
        if (s->items[i].cut || s->items[i].gone)
            sim_fail(s, "played item %u after it was cut", i);
        if ((fx->len + fx->pad) % 160)
            sim_fail(s, "sent %u bytes, no whole frames", fx->len + fx->pad);
        s->items[i].parted |= fx->offset > 0 && s->sent_item != i;
        s->sent_item = i;
        /* Messages travel one stream: order holds whatever the jitter. */
        sim_at(s, s->one_way_us,
               (struct sim_event){.what = SIM_CARRIER_PLAY, .a = i, .b = fx->len, .c = fx->pad});
    } else if (fx->type == CALL_FX_MARK) {
        sim_at(s, s->one_way_us, (struct sim_event){.what = SIM_CARRIER_MARK, .a = fx->number});
    } else if (fx->type == CALL_FX_CLEAR) {
        sim_at(s, s->one_way_us, (struct sim_event){.what = SIM_CARRIER_CLEAR});
    } else {
        leave(s, fx->type == CALL_FX_TRANSFER);
    }
}

/* Brings the truth up to now. */
static void play_on(struct sim *s)
{
    uint64_t room = s->arrived - s->played;
    uint64_t bytes = (uint64_t)(s->now - s->played_us) / US_PER_BYTE;
    if (bytes >= room) {
        bytes = room;
        s->played_us = s->now;
    } else {
        s->played_us += (int64_t)bytes * US_PER_BYTE;
    }
    s->played += bytes;
    while (bytes && s->segment_count) {
        uint32_t at = s->segment_first;
        uint32_t speech = s->segments[at].bytes;
        uint32_t n = bytes < speech ? (uint32_t)bytes : speech;
        s->items[s->segments[at].item].played += n;
        if (n)
            s->word_at = 0;
        s->segments[at].bytes -= n;
        bytes -= n;
        uint32_t pad = s->segments[at].pad;
        uint32_t p = bytes < pad ? (uint32_t)bytes : pad;
        s->segments[at].pad -= p;
        bytes -= p;
        if (s->segments[at].bytes == 0 && s->segments[at].pad == 0) {
            s->segment_first = (at + 1) % SIM_SEGMENTS_MAX;
            s->segment_count--;
        }
    }
}

static void echo(struct sim *s, uint32_t number)
{
    struct sim_event ev = {.what = SIM_TO_CORE, .in = CALL_IN_MARK, .a = number};
    if (sim_chance(s, s->fault / 4))
        return; /* lost */
    int64_t late = sim_chance(s, s->fault) ? (int64_t)sim_between(s, 1, 400) * 1000 : 0;
    sim_at(s, way(s) + late, ev); /* behind those that follow it */
    if (sim_chance(s, s->fault / 4))
        sim_at(s, way(s) + 1000, ev); /* twice */
}

static void echo_played(struct sim *s)
{
    uint32_t done = 0;
    while (done < s->mark_count && s->marks[done].position <= s->played)
        echo(s, s->marks[done++].number);
    if (done) {
        memmove(&s->marks[0], &s->marks[done], (s->mark_count - done) * sizeof(s->marks[0]));
        s->mark_count -= done;
    }
    if (s->mark_count)
        sim_at(s, (int64_t)(s->marks[0].position - s->played) * US_PER_BYTE + 1,
               (struct sim_event){.what = SIM_CARRIER_STEP});
}

void carrier_judge(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_ITEMS_MAX; i++) {
        struct sim_item *item = &s->items[i];
        if (item->truncated == UINT32_MAX || item->cut)
            continue;
        item->cut = true;
        int64_t error = (int64_t)item->truncated - (int64_t)item->played / 8;
        s->stats.truncations++;
        int64_t size = error < 0 ? -error : error;
        s->stats.error_ms_sum += size;
        s->stats.error_histogram[size < 199 ? size : 199]++;
        if (error > s->stats.error_ms_max)
            s->stats.error_ms_max = error;
        bool honest = s->fault == 0 && !s->stalled &&
                      !s->refused.clear; /* lost marks cost accuracy; they must not cost the call */
        if (honest && error > HEARD_SLACK_MS + item->hole / 8)
            sim_fail(s, "item %u: %u ms claimed, %u heard", i, item->truncated, item->played / 8);
    }
}

void carrier_event(struct sim *s, const struct sim_event *ev)
{
    play_on(s);
    if (ev->what == SIM_CARRIER_PLAY) {
        if (s->arrived == s->played)
            s->played_us = s->now;
        if (s->segment_count == SIM_SEGMENTS_MAX) {
            sim_fail(s, "the carrier was flooded");
            return;
        }
        uint32_t at = (s->segment_first + s->segment_count++) % SIM_SEGMENTS_MAX;
        s->segments[at].item = ev->a;
        s->segments[at].bytes = ev->b;
        s->segments[at].pad = ev->c;
        s->arrived += ev->b + ev->c;
        if (s->arrived - s->played > CALL_AHEAD_BYTES_MAX + 8000 && !s->refused.clear)
            sim_fail(s, "more than ten seconds ahead");
    } else if (ev->what == SIM_CARRIER_MARK) {
        if (s->mark_count == SIM_MARKS_MAX) {
            sim_fail(s, "too many marks");
            return;
        }
        s->marks[s->mark_count].number = ev->a;
        s->marks[s->mark_count++].position = s->arrived;
    } else if (ev->what == SIM_CARRIER_CLEAR) {
        carrier_judge(s);
        s->segment_count = 0;
        s->played = s->arrived;
        for (uint32_t i = 0; i < s->mark_count; i++)
            echo(s, s->marks[i].number);
        s->mark_count = 0;
    }
    echo_played(s);
}

bool carrier_silent(struct sim *s)
{
    play_on(s);
    return s->arrived == s->played;
}

void carrier_breaks(struct sim *s)
{
    play_on(s);
    s->segment_count = 0;
    s->mark_count = 0;
    s->played = s->arrived;
}
