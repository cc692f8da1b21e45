/* Replacing an engine session before it ends: a provider closes a session at its limit (OpenAI:
 * 60 minutes), and one may fall behind long before. A second session is opened and configured
 * beside the running one and takes over in a moment in which nobody speaks and nothing is owed, so
 * that the caller notices nothing; shortly before the limit it takes over whatever goes on. */
#include <string.h>

#include "call/call_impl.h"

/* -- how old a session may become -- */

/* When the session ends by what is known; NO_TIME = never. */
static int64_t limit_of(const struct call *c)
{
    int64_t limit = NO_TIME;
    if (c->config.engines[c->engine_index].endless)
        return NO_TIME;
    if (c->config.session_limit_ms)
        limit = c->session_opened_us + (int64_t)c->config.session_limit_ms * 1000;
    if (c->session_expires_us != NO_TIME && (limit == NO_TIME || c->session_expires_us < limit))
        limit = c->session_expires_us;
    return limit;
}

/* The time before the limit in which a quiet moment is looked for. */
static int64_t lead_of(const struct call *c, int64_t limit)
{
    int64_t life = limit - c->session_opened_us;
    int64_t lead = (int64_t)CALL_ROLL_LEAD_MS * 1000;
    return lead < life / 4 ? lead : life / 4;
}

static int64_t expiry(const struct call *c, const struct rt_event *ev)
{
    if (ev->session.expires_at <= 0 || c->config.wall_ms <= 0)
        return NO_TIME;
    int64_t at = c->config.anchor_us + (ev->session.expires_at * 1000 - c->config.wall_ms) * 1000;
    return at > c->now ? at : NO_TIME; /* in the past: its clock or ours is wrong */
}

void roll_armed(struct call *c)
{
    c->rolling = false;
    c->pace = (struct pace){0};
    int64_t limit = limit_of(c);
    timer_set(c, CALL_TIMER_ROLL, limit == NO_TIME ? NO_TIME : limit - lead_of(c, limit));
}

void roll_created(struct call *c, const struct rt_event *ev)
{
    int64_t at = expiry(c, ev);
    if (at != NO_TIME)
        c->session_expires_us = at;
}

/* -- the spare -- */

static void open_spare(struct call *c)
{
    if (c->spare.state != LINK_CLOSED || c->link != LINK_READY || c->phase != PHASE_TALKING)
        return;
    c->spare = (struct spare){.state = LINK_OPENING, .opened_us = c->now};
    fx_add(c, (struct call_fx){.type = CALL_FX_SPARE_OPEN, .number = c->engine_index});
    timer_set(c, CALL_TIMER_SPARE, c->now + (int64_t)c->config.connect_timeout_ms * 1000);
}

void roll_drop(struct call *c, bool ok)
{
    if (c->spare.state == LINK_CLOSED)
        return;
    if (c->in == NULL || c->in->type != CALL_IN_SPARE_CLOSED)
        fx_add(c, (struct call_fx){.type = CALL_FX_SPARE_CLOSE, .ok = ok});
    c->spare = (struct spare){0};
    timer_set(c, CALL_TIMER_SPARE, NO_TIME);
}

static void spare_failed(struct call *c, const char *why)
{
    fx_note(c, "engine.spare_failed", "why=%s", why);
    roll_drop(c, false);
    if (c->rolling)
        timer_set(c, CALL_TIMER_ROLL, c->now + (int64_t)CALL_ROLL_RETRY_MS * 1000);
}

static void begin(struct call *c, const char *why)
{
    if (c->rolling)
        return;
    c->rolling = true;
    fx_note(c, "engine.rolling", "why=%s age_s=%lld", why,
            (long long)((c->now - c->session_opened_us) / 1000000));
    open_spare(c);
}

void roll_spare_opened(struct call *c)
{
    if (c->spare.state != LINK_OPENING)
        return;
    c->spare.state = LINK_CONFIGURING;
    struct rt_event ev;
    link_describe(c, &ev);
    fx_spare(c, &ev);
}

void roll_spare_event(struct call *c)
{
    const struct rt_event *ev = c->in->event;
    if (c->spare.state == LINK_CLOSED)
        return;
    if (ev->type == RT_SESSION_CREATED || ev->type == RT_SESSION_UPDATED) {
        int64_t at = expiry(c, ev);
        if (at != NO_TIME)
            c->spare.expires_us = at;
    }
    if (ev->type == RT_SESSION_UPDATED && c->spare.state == LINK_CONFIGURING) {
        c->spare.state = LINK_READY;
        timer_set(c, CALL_TIMER_SPARE, NO_TIME);
        int64_t limit = limit_of(c); /* by force a little before the end */
        if (limit != NO_TIME)
            timer_set(c, CALL_TIMER_ROLL, limit - lead_of(c, limit) / 4);
    } else if (ev->type == RT_ERROR) {
        spare_failed(c, "it answered with an error");
    }
}

void roll_spare_closed(struct call *c)
{
    if (c->spare.state != LINK_CLOSED)
        spare_failed(c, "closed");
}

/* -- the moment -- */

/* Words that only the running session can still tell. */
static bool words_pending(const struct call *c)
{
    if (c->question)
        return true;
    int64_t since_ms = stream_ms(c, c->now) - CALL_WORDS_WAIT_MS;
    for (const struct call_item *item = c->items; item; item = item->next)
        if (item->role == CALL_ROLE_CALLER && !item->final && item->engine_epoch == c->epoch &&
            item->end_ms > since_ms)
            return true;
    return false;
}

static bool quiet(const struct call *c)
{
    return c->phase == PHASE_TALKING && c->closing == CLOSING_NO && c->heard_all && !c->speaking &&
           c->answer.state == ANSWER_NONE && c->want_count == 0 && c->prompts_pending == 0 &&
           c->key_count == 0 && !tools_busy(c) && !c->rehearing && !words_pending(c);
}

static void swap(struct call *c)
{
    fx_add(c, (struct call_fx){.type = CALL_FX_SPARE_SWAP});
    fx_note(c, "engine.rolled", "engine=%s", c->config.engines[c->engine_index].name);
    c->stats.rollovers++;
    c->session_opened_us = c->spare.opened_us;
    c->session_expires_us = c->spare.expires_us;
    c->spare = (struct spare){0};
    link_take_over(c);
}

void roll_try(struct call *c)
{
    if (c->link != LINK_READY || !quiet(c))
        return;
    c->epoch++;
    swap(c);
}

bool roll_rescue(struct call *c)
{
    if (c->spare.state != LINK_READY) {
        roll_drop(c, true);
        return false;
    }
    swap(c);
    return true;
}

void roll_timer(struct call *c, enum call_timer timer)
{
    if (c->phase == PHASE_LEAVING)
        return; /* it lives as long as the call */
    if (timer == CALL_TIMER_SPARE) {
        spare_failed(c, "not ready in time");
    } else if (c->spare.state == LINK_READY) {
        link_replace(c);
    } else if (c->rolling) {
        open_spare(c);
    } else {
        begin(c, "its limit is near");
    }
    bool again = timer == CALL_TIMER_ROLL && c->rolling && c->spare.state == LINK_CLOSED &&
                 c->link == LINK_READY && c->phase != PHASE_ENDED;
    if (again)
        timer_set(c, CALL_TIMER_ROLL, c->now + (int64_t)CALL_ROLL_RETRY_MS * 1000);
}

/* -- falling behind -- */

static uint32_t median(const uint32_t v[CALL_ROLL_SAMPLES])
{
    uint32_t low = v[0] < v[1] ? v[0] : v[1], high = v[0] < v[1] ? v[1] : v[0];
    return v[2] < low ? low : v[2] > high ? high : v[2];
}

void roll_pace(struct call *c, int64_t answered_ms)
{
    struct pace *p = &c->pace;
    uint32_t ms = answered_ms > 0 ? (uint32_t)answered_ms : 0;
    if (p->count < CALL_ROLL_SAMPLES)
        p->first[p->count] = ms;
    p->last[p->count % CALL_ROLL_SAMPLES] = ms;
    p->count++;
    if (c->config.slow_answer_ms == 0 || c->config.engines[c->engine_index].endless ||
        p->count < 2 * CALL_ROLL_SAMPLES)
        return;
    uint32_t now = median(p->last);
    if (now > c->config.slow_answer_ms && now / 2 > median(p->first))
        begin(c, "it falls behind");
}
