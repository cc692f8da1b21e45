/* The line breaks, the process dies: what the world loses with it, and how the call comes back. */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim.h"

enum {
    LOST_CALLS = 350,       /* per mille of the calls */
    RECORD_HEAD = 16,       /* as written by put_record: type, digest, time */
    UNSYNCED_MS = 250,      /* of what was recorded last a crash may take with it */
    WINDOW_SLACK_MS = 2100, /* a process may be down when it is over */
    HEARD_SLACK_MS = 60,
    WORD_MS = 3300,      /* after the new stream; what synthesis and the way may take with it */
    LOST_MARK_MS = 1600, /* as in watch.c */
    TAIL_BYTES = (CALL_LOST_TAIL_MS + HEARD_SLACK_MS) * 8,
};

/* -- when -- */

/* What it breaks upon; 0 = at some time. */
static enum call_fx_type moment(struct sim *s)
{
    static const enum call_fx_type moments[] = {
        CALL_FX_TOOL,   CALL_FX_SPARE_OPEN, CALL_FX_SPARE_SWAP,  CALL_FX_CLEAR,
        CALL_FX_PROMPT, CALL_FX_HANGUP,     CALL_FX_ENGINE_OPEN, CALL_FX_TRANSFER,
    };
    if (sim_chance(s, 500))
        return 0;
    return moments[sim_between(s, 0, sizeof(moments) / sizeof(moments[0]) - 1)];
}

static void plan_break(struct sim *s, bool early)
{
    struct sim_event ev = {.what = SIM_BREAK, .a = sim_chance(s, 500)};
    s->recording |= ev.a;
    s->break_on = early ? 0 : moment(s);
    s->break_process = ev.a;
    if (s->break_on == 0)
        sim_at(s, (int64_t)(early ? sim_between(s, 1, 400) : sim_between(s, 260, 16000)) * 1000,
               ev);
}

void lost_plan(struct sim *s)
{
    if (!sim_chance(s, LOST_CALLS))
        return;
    plan_break(s, sim_chance(s, 50));
    if (sim_chance(s, 300))
        plan_break(s, false);
}

void lost_effect(struct sim *s, const struct call_fx *fx)
{
    bool farewell = fx->type == CALL_FX_TIMER && fx->number == CALL_TIMER_CLOSE && fx->at_us;
    bool now = s->break_on && (s->break_on == fx->type ||
                               (s->break_on == CALL_FX_TRANSFER && farewell && !s->leaving));
    if (!now)
        return;
    s->break_on = 0;
    sim_at(s, (int64_t)(sim_chance(s, 300) ? 0 : sim_between(s, 1, 900)) * 1000,
           (struct sim_event){.what = SIM_BREAK, .a = s->break_process});
}

/* -- the record -- */

static void put_record(struct buf *b, const struct call_input *in, uint32_t digest)
{
    uint32_t head[2] = {(uint32_t)in->type, digest};
    buf_put(b, head, sizeof(head));
    buf_put(b, &in->at_us, sizeof(in->at_us));
}

void lost_record(struct sim *s, const struct call_input *in, const struct call_effects *fx)
{
    if (!s->recording)
        return;
    struct sim_record *r = &s->record;
    struct call_input kept = *in;
    buf_reset(&r->text);
    if (in->event) {
        rt_event_write(&r->text, in->event);
        kept.raw = buf_str(&r->text);
    }
    uint32_t at = (uint32_t)r->bytes.len;
    put_record(&r->bytes, in, call_effects_digest(fx, &r->lines));
    buf_put(&r->bytes, &at, sizeof(at)); /* the length's place */
    size_t from = r->bytes.len;
    call_input_write(&r->bytes, &kept, true);
    uint32_t len = (uint32_t)(r->bytes.len - from);
    if (!buf_ok(&r->bytes))
        sim_fail(s, "the record is full");
    else
        memcpy(r->bytes.p + from - sizeof(len), &len, sizeof(len));
}

/* What the dead process had asked for, by what is known of it. */
static void know_again(struct sim *s, const struct call_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        const struct call_fx *f = &fx->fx[i];
        if (f->type == CALL_FX_TOOL || f->type == CALL_FX_TOOL_RECORD ||
            f->type == CALL_FX_TOOL_CANCEL)
            watch_tool(s, f);
        else if (f->type == CALL_FX_HANGUP || f->type == CALL_FX_TRANSFER)
            s->leaving = true;
    }
}

struct record {
    uint32_t type, digest, len;
    int64_t at_us;
    const char *input;
};

/* The record at `*at`, which moves behind it; false at the end. */
static bool take(const struct buf *b, size_t *at, struct record *r)
{
    if (*at + RECORD_HEAD + sizeof(r->len) > b->len)
        return false;
    const char *p = b->p + *at;
    memcpy(&r->type, p, 4);
    memcpy(&r->digest, p + 4, 4);
    memcpy(&r->at_us, p + 8, 8);
    memcpy(&r->len, p + RECORD_HEAD, 4);
    r->input = p + RECORD_HEAD + sizeof(r->len);
    *at += RECORD_HEAD + sizeof(r->len) + r->len;
    return true;
}

/* Drops what was recorded after `until`; the first input is always there. */
static void cut_record(struct sim *s, int64_t until)
{
    struct buf *b = &s->record.bytes;
    struct record r;
    size_t at = 0, end;
    for (end = 0; take(b, &at, &r) && (end == 0 || r.at_us <= until); end = at)
        continue;
    s->unsynced = end < b->len;
    b->len = end;
}

/* A call built anew from the record, each step the same as it was. */
static struct call *replay(struct sim *s, int64_t *last_at)
{
    struct call *c = call_new(&s->config);
    struct record r;
    size_t at = 0;
    while (take(&s->record.bytes, &at, &r)) {
        struct call_input in;
        struct rt_event event;
        enum err err =
            call_input_read(&in, &event, (enum call_in_type)r.type, r.at_us, str_n(r.input, r.len));
        if (err != OK) {
            sim_fail(s, "a recorded %s cannot be read", call_in_name((enum call_in_type)r.type));
            break;
        }
        struct call_effects fx = call_step(c, &in);
        if (call_effects_digest(&fx, &s->record.lines) != r.digest && !s->refused.core)
            sim_fail(s, "replayed, %s has other effects", call_in_name(in.type));
        know_again(s, &fx);
        rt_event_fini(&event);
        *last_at = r.at_us > *last_at ? r.at_us : *last_at;
    }
    return c;
}

static bool same_item(const struct call_item *a, const struct call_item *b)
{
    return str_eq(a->id, b->id) && a->role == b->role && str_eq(a->text, b->text) &&
           a->final == b->final && a->interrupted == b->interrupted && a->start_ms == b->start_ms &&
           a->end_ms == b->end_ms && a->spoken_ms == b->spoken_ms && a->heard_ms == b->heard_ms &&
           a->cost_nanousd == b->cost_nanousd;
}

static void compare(struct sim *s, const struct call *a, const struct call *b)
{
    const struct call_item *i = call_items(a), *j = call_items(b);
    for (; i && j; i = i->next, j = j->next)
        if (!same_item(i, j))
            sim_fail(s, "replayed, item %.*s is another", STR_FMT(i->id));
    if (i || j)
        sim_fail(s, "replayed, the transcript is another");
    struct call_stats x = call_stats(a), y = call_stats(b);
    if (call_cost_nanousd(a) != call_cost_nanousd(b) || x.turns != y.turns ||
        x.interruptions != y.interruptions || x.tool_runs != y.tool_runs ||
        x.duration_ms != y.duration_ms || x.rtt_ms != y.rtt_ms || x.resumes != y.resumes)
        sim_fail(s, "replayed, the figures are others");
    for (int t = 1; t < CALL_TIMER_COUNT; t++)
        if (call_timer_at(a, (enum call_timer)t) != call_timer_at(b, (enum call_timer)t))
            sim_fail(s, "replayed, timer %d is another", t);
    if (call_lost(a) != call_lost(b) || call_ended(a) != call_ended(b))
        sim_fail(s, "replayed, the phase is another");
}

/* -- the line -- */

static void line_breaks(struct sim *s)
{
    carrier_breaks(s);
    s->line++;
    s->line_up = false;
    s->turn_ends = 0;
    if (s->talking) {
        s->talking = false;
        s->speech_to = s->mic;
        s->owed = true;
    }
}

static void plan_return(struct sim *s, uint32_t soonest_ms)
{
    if (s->stream_at == 0)
        s->stream_at =
            sim_chance(s, 200)
                ? INT64_MAX /* nobody comes back */
                : s->now + (int64_t)sim_between(s, 100, sim_chance(s, 800) ? 3000 : 14000) * 1000;
    int64_t soonest = s->now + (int64_t)soonest_ms * 1000;
    if (s->stream_at < soonest)
        s->stream_at = soonest;
    if (s->stream_at != INT64_MAX)
        sim_at(s, s->stream_at - s->now, (struct sim_event){.what = SIM_RETURN});
}

/* What the core says was heard, of what was not cut before, against the truth. */
static void judge_heard(struct sim *s, const bool gone[SIM_ITEMS_MAX])
{
    for (const struct call_item *i = call_items(s->call); i; i = i->next) {
        struct sim_item *item = carrier_item(s, i->id);
        if (i->role == CALL_ROLE_CALLER || !item || gone[item - s->items])
            continue;
        int64_t error = i->heard_ms - (int64_t)item->played / 8;
        int64_t size = error < 0 ? -error : error;
        if (s->fault || s->stalled || s->blind || s->refused.piece || s->refused.clear ||
            call_stats(s->call).rtt_ms == 0)
            continue;
        /* What came behind the last record is not known to have been said. */
        if (error > HEARD_SLACK_MS || (size > HEARD_SLACK_MS && !s->unsynced && !item->parted))
            sim_fail(s, "lost, %.*s: %lld ms count as heard, %u were", STR_FMT(i->id),
                     (long long)i->heard_ms, item->played / 8);
        s->stats.lost_error_ms_max =
            size > s->stats.lost_error_ms_max && !s->unsynced ? size : s->stats.lost_error_ms_max;
    }
}

/* Of an answer that was given, more than a word's end was not heard: it is owed again. */
static void owe(struct sim *s, const bool gone[SIM_ITEMS_MAX])
{
    if (s->answer_item < SIM_ITEMS_MAX / 2 && !s->unsynced) {
        const struct sim_item *item = &s->items[s->answer_item];
        s->owed |= !gone[s->answer_item] && item->made > item->played + TAIL_BYTES;
    }
    s->answer_item = UINT32_MAX;
}

static void tell_lost(struct sim *s, enum call_lost how, int64_t at_us)
{
    s->farewell_cut |= s->close_us != 0;
    s->lost = true;
    s->core_line = s->line;
    if (s->lost_at == 0)
        s->lost_at = at_us ? at_us : s->now;
    /* A cut that never reached the carrier was told in good faith. */
    bool gone[SIM_ITEMS_MAX];
    for (uint32_t i = 0; i < SIM_ITEMS_MAX; i++) {
        s->items[i].cut |= s->items[i].truncated != UINT32_MAX;
        gone[i] = s->items[i].gone;
    }
    sim_feed(s, &(struct call_input){
                    .type = CALL_IN_LOST, .at_us = at_us, .number = how, .text = STR("closed")});
    judge_heard(s, gone);
    if (call_stats(s->call).rtt_ms)
        carrier_judge(s);
    owe(s, gone);
    for (uint32_t i = 0; i < SIM_ITEMS_MAX; i++) {
        s->items[i].gone |= s->items[i].made > 0;
        s->items[i].cut |= s->items[i].truncated != UINT32_MAX;
    }
}

static void line_is_back(struct sim *s)
{
    if (s->hung_up || !call_lost(s->call))
        return; /* the carrier is told to hang up */
    s->stats.resumed++;
    s->lost = false;
    s->lost_at = s->stream_at = 0;
    s->close_us = 0;
    if (call_answered(s->call))
        s->word_at = s->now;
    if (s->main && s->main->hearing)
        s->turn_ends = s->now + 500000;
    if (s->talks_at < s->now + 700000)
        s->talks_at = s->now + (int64_t)sim_between(s, 700, 6000) * 1000;
    sim_begin_stream(s);
}

/* -- the process -- */

static void die(struct sim *s)
{
    uint32_t down_ms = sim_between(s, 200, 2000);
    s->stats.deaths++;
    s->died_at = s->now;
    s->down = true;
    s->process++;
    s->stalled_until = 0;
    s->blind = s->stream && !s->line_up && !s->lost;
    if (s->line_up)
        sim_at(s, s->one_way_us, (struct sim_event){.what = SIM_LINE_ENDS});
    sim_at(s, (int64_t)down_ms * 1000, (struct sim_event){.what = SIM_REVIVE});
    plan_return(s, down_ms + 1);
}

/* All that lived in the process and beside it. */
static void forget_world(struct sim *s)
{
    memset(s->sessions, 0, sizeof(s->sessions));
    s->main = s->spare = NULL;
    s->talking = false;
    s->turn_ends = 0;
    s->late_frames = 0;
    s->hand_from = s->given = s->speech_from = s->speech_to = s->mic;
    s->keep = 0;
    s->speech_told = false;
    s->speech_known = true;
    memset(s->tools, 0, sizeof(s->tools));
    s->leaving = false;
    s->queued_us = 0;
    memset(s->timers, 0, sizeof(s->timers));
}

static void revive(struct sim *s)
{
    int64_t last_at = 0;
    int64_t tail_ms = sim_chance(s, 400) ? 0 : sim_between(s, 1, UNSYNCED_MS);
    cut_record(s, s->died_at - tail_ms * 1000);
    forget_world(s);
    s->down = false;
    struct call *before = s->call;
    s->call = replay(s, &last_at);
    if (!s->unsynced && !s->refused.core)
        compare(s, before, s->call);
    call_free(before);
    s->owed = s->asked_us && s->asked_us <= last_at;
    for (int t = 1; t < CALL_TIMER_COUNT; t++) {
        s->timers[t] = call_timer_at(s->call, (enum call_timer)t);
        if (s->timers[t])
            sim_at(s, s->timers[t] - s->now,
                   (struct sim_event){.what = SIM_TIMER, .a = (uint32_t)t});
    }
    tell_lost(s, CALL_LOST_PROCESS, last_at);
    for (uint32_t i = 0; i < SIM_TOOLS_MAX; i++)
        if (s->tools[i].started && !s->tools[i].recorded && !s->tools[i].cancelled)
            sim_fail(s, "tool run %u of the dead process is waited for", i);
    s->unsynced = s->blind = false;
}

/* -- events -- */

/* What goes on at that moment. */
static void count(struct sim *s)
{
    bool tool = false;
    for (uint32_t i = 0; i < SIM_TOOLS_MAX; i++)
        tool |= s->tools[i].started && !s->tools[i].recorded && !s->tools[i].cancelled;
    s->stats.lost_ringing += !s->stream;
    s->stats.lost_closing += s->close_us != 0 || s->leaving;
    s->stats.lost_tool += tool;
    s->stats.lost_rolling += s->spare != NULL;
    s->stats.lost_lost += s->lost;
    s->stats.lost_speaking += s->talking;
}

bool lost_event(struct sim *s, const struct sim_event *ev)
{
    switch ((int)ev->what) {
    case SIM_BREAK:
        if (s->down || call_ended(s->call))
            break;
        count(s);
        if (ev->a) {
            die(s);
        } else if (s->line_up) {
            line_breaks(s);
            s->stats.breaks++;
            sim_at(s, s->one_way_us, (struct sim_event){.what = SIM_LINE_LOST});
        }
        break;
    case SIM_LINE_ENDS:
        line_breaks(s);
        break;
    case SIM_LINE_LOST:
        tell_lost(s, CALL_LOST_STREAM, 0);
        plan_return(s, 1);
        break;
    case SIM_REVIVE:
        revive(s);
        break;
    case SIM_RETURN:
        line_is_back(s);
        break;
    default:
        return false;
    }
    return true;
}

/* Whether it went with the line or the process. */
bool lost_with_it(struct sim *s, const struct sim_event *ev)
{
    bool other_process = ev->process != s->process;
    switch (ev->what) {
    case SIM_TICK:
        return other_process || ev->line != s->line;
    case SIM_CARRIER_PLAY:
    case SIM_CARRIER_MARK:
    case SIM_CARRIER_CLEAR:
    case SIM_CARRIER_STEP:
        return ev->line != s->line;
    case SIM_TO_CORE:
        if (ev->in == CALL_IN_MARK)
            return other_process || ev->line != s->core_line;
        if (ev->in == CALL_IN_HANGUP && s->down && !ev->a)
            s->hung_up = true; /* and nobody hears of it */
        if (ev->in == CALL_IN_OPERATOR || (ev->in == CALL_IN_HANGUP && !ev->a))
            return s->down;
        return other_process;
    case SIM_TIMER:
    case SIM_STALL:
    case SIM_LINE_LOST:
    case SIM_RETURN:
        return other_process;
    case SIM_PROVIDER:
    case SIM_GENERATE:
    case SIM_EXPIRE:
    case SIM_BREAK:
    case SIM_LINE_ENDS:
    case SIM_REVIVE:
        break;
    }
    return false;
}

/* -- what is promised -- */

void lost_watch_word(struct sim *s)
{
    if (s->word_at == 0 || s->leaving || s->hung_up)
        return;
    if (s->talking)
        s->word_at = s->now;
    int64_t bound = WORD_MS + (s->fault ? LOST_MARK_MS : 0);
    int64_t ms = (s->now - s->word_at) / 1000;
    if (ms > bound)
        sim_fail(s, "back on the line for %lld ms without a word", (long long)ms);
}

void lost_watch_end(struct sim *s)
{
    if (!s->lost || s->hung_up)
        return;
    int64_t over = s->now - s->lost_at - (int64_t)s->config.resume_window_ms * 1000;
    if (over > WINDOW_SLACK_MS * 1000 + s->refused.late_us && !s->stalled)
        sim_fail(s, "a lost call was waited for %lld ms too long", (long long)over / 1000);
    s->stats.waited_for_nobody += over >= 0;
}
