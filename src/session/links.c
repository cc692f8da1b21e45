/* The engine sessions of a call: opening one, what it says, its end; the spare that stands ready
 * beside it. */
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/session_private.h"

static bool is_spare(const struct engine_link *link)
{
    return link == link->session->spare;
}

static void on_engine_open(void *ctx)
{
    struct engine_link *link = ctx;
    struct session *s = link->session;
    if (!s)
        return;
    struct call_input in = {.type = is_spare(link) ? CALL_IN_SPARE_OPEN : CALL_IN_ENGINE_OPEN};
    session_feed(s, &in);
}

static void fail_link(struct engine_link *link, struct str reason)
{
    struct session *s = link->session;
    if (!s)
        return;
    bool spare = is_spare(link);
    if (!link->refused)
        host_engine_failed(s->part, link->index);
    *(spare ? &s->spare : &s->link) = NULL;
    link->session = NULL;
    struct call_input in = {.type = spare ? CALL_IN_SPARE_CLOSED : CALL_IN_ENGINE_CLOSED,
                            .text = reason};
    session_feed(s, &in);
}

/* What an answer cost counts for the day, and a day may be over. */
static void charge(struct session *s)
{
    int64_t cost = call_cost_nanousd(s->call), more = cost - s->charged_nanousd;
    s->charged_nanousd = cost;
    if (more <= 0 || !host_spent(s->part, s, more))
        return;
    struct call_input in = {.type = CALL_IN_OPERATOR, .text = STR("spent")};
    session_feed(s, &in);
}

static void on_engine_event(void *ctx, struct str json)
{
    struct engine_link *link = ctx;
    struct session *s = link->session;
    if (!s)
        return;
    struct rt_event ev;
    struct err_detail why;
    if (rt_event_parse(&ev, json, &why) != OK) {
        LOG_WARN(s->id, "engine.bad_event", "ignored bytes=%zu why=%s", json.len, why.text);
        if (++link->bad_events == SESSION_BAD_EVENTS_MAX) {
            struct engine *engine = link->engine;
            fail_link(link, STR("it talks garbage"));
            engine_close(engine);
        }
        return;
    }
    struct call_input in = {.type = is_spare(link) ? CALL_IN_SPARE_EVENT : CALL_IN_ENGINE_EVENT,
                            .event = &ev,
                            .raw = json};
    if (ev.type == RT_AUDIO_DELTA) {
        in.audio = ev.audio;
        in.audio_len = (uint32_t)base64_decoded_len(ev.audio);
    }
    if (ev.type == RT_RESPONSE_DONE && ev.response.status == RT_STATUS_COMPLETED)
        breaker_worked(&s->part->host->breakers[link->index]);
    session_feed(s, &in);
    if (ev.type == RT_RESPONSE_DONE || ev.type == RT_TRANSCRIPTION_COMPLETED)
        charge(s);
    rt_event_fini(&ev);
}

static void link_free(struct engine_link *link)
{
    struct session *owner = link->owner;
    session_guess_drop(link);
    vocabs_release(owner->part->vocabs, link->vocabulary);
    if (link->counted)
        atomic_fetch_sub(&owner->part->host->engine_calls[link->index], 1);
    mem_free(link);
    session_release(owner);
}

static void on_engine_closed(void *ctx, enum err why, struct str reason)
{
    struct engine_link *link = ctx;
    link->engine = NULL;
    if (link->session)
        LOG_WARN(link->owner->id, "engine.closed", "err=%s reason=%.*s", err_name(why),
                 STR_FMT(str_slice(reason, 0, 200)));
    fail_link(link, reason);
    link_free(link);
}

static const struct engine_events engine_events = {
    .on_open = on_engine_open,
    .on_event = on_engine_event,
    .on_guess = session_guess,
    .on_closed = on_engine_closed,
};

/* An engine that could not even be tried: told from the loop, as any other failure. */
static void on_open_failed(void *ctx)
{
    struct engine_link *link = ctx;
    fail_link(link, str_of(link->failure));
    link_free(link);
}

static void open_failed(struct engine_link *link, const char *why)
{
    (void)str_copy(link->failure, sizeof(link->failure), str_slice(str_of(why), 0, 199));
    loop_defer(link->owner->part->loop, on_open_failed, link);
}

static void on_vocabulary(void *ctx, const struct engine_vocabulary *vocabulary)
{
    struct engine_link *link = ctx;
    struct session *s = link->session;
    link->wait = NULL;
    link->vocabulary = vocabulary;
    if (!s) { /* given up while its words were read */
        link_free(link);
        return;
    }
    const struct engine_driver *driver = s->part->host->env.engines[link->index].driver;
    struct engine_opts opts = {.loop = s->part->loop, .call_id = s->id, .vocabulary = vocabulary};
    struct err_detail why = {""};
    if (driver->open(driver->driver, &opts, &engine_events, link, &link->engine, &why) != OK)
        open_failed(link, why.text);
}

/* `engine`: of the call's list. */
static void engine_open(struct session *s, struct engine_link **place, uint32_t engine)
{
    struct host *h = s->part->host;
    ASSERT(engine < s->config.engine_count && !*place);
    uint32_t index = host_engine_index(h, s->config.engines[engine].name);
    struct engine_link *link = mem_zalloc(sizeof(*link));
    *link = (struct engine_link){.session = s, .owner = s, .index = index};
    *place = link;
    s->open++;
    link->refused = index == CALL_ENGINES_MAX;
    if (link->refused) { /* the call is older than this process, and its engine is gone */
        link->index = 0;
        open_failed(link, "this server has no such engine any more");
        return;
    }
    uint32_t max = h->env.engines[index].max_calls;
    link->counted = true;
    link->refused = !breaker_allows(&h->breakers[index]) && engine + 1 < s->config.engine_count;
    bool full = atomic_fetch_add(&h->engine_calls[index], 1) >= max && max;
    if (link->refused || full)
        open_failed(link, full ? "limit: too many calls use this engine"
                               : "it keeps failing and is passed by");
    else
        link->wait = vocabs_get(s->part->vocabs, s->config.business_id, on_vocabulary, link);
    link->refused |= full;
}

static void engine_detach(struct engine_link **place)
{
    struct engine_link *link = *place;
    if (!link)
        return;
    *place = NULL;
    link->session = NULL;
    if (link->engine)
        engine_close(link->engine); /* link_free follows in on_engine_closed */
}

static void tell(struct session *s, struct engine_link *link, const struct call_fx *fx)
{
    if (!link || !link->engine || engine_send(link->engine, fx->text, ENGINE_CONTROL) != OK)
        LOG_WARN(s->id, "engine.not_sent", "bytes=%zu", fx->text.len);
}

/* The core closes a session: it may have been at fault (mute, slow, failing). */
static void given_up(struct session *s, const struct engine_link *link, const struct call_fx *fx)
{
    if (link && !fx->ok && !link->refused)
        host_engine_failed(s->part, link->index);
}

void session_engine_perform(struct session *s, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_SEND) {
        tell(s, s->link, fx);
    } else if (fx->type == CALL_FX_ENGINE_OPEN) {
        engine_open(s, &s->link, fx->number);
    } else if (fx->type == CALL_FX_ENGINE_CLOSE) {
        given_up(s, s->link, fx);
        engine_detach(&s->link);
    } else if (fx->type == CALL_FX_SPARE_SEND) {
        tell(s, s->spare, fx);
    } else if (fx->type == CALL_FX_SPARE_OPEN) {
        engine_open(s, &s->spare, fx->number);
    } else if (fx->type == CALL_FX_SPARE_CLOSE) {
        given_up(s, s->spare, fx);
        engine_detach(&s->spare);
    } else { /* CALL_FX_SPARE_SWAP */
        engine_detach(&s->link);
        s->link = s->spare;
        s->spare = NULL;
    }
}

void session_engines_detach(struct session *s)
{
    engine_detach(&s->link);
    engine_detach(&s->spare);
}
