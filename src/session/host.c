#include "session/host.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/host_private.h"
#include "session/session.h"

/* -- parts -- */

/* What today's calls cost before this process began. */
static enum err load_spent(struct host *h, struct err_detail *detail)
{
    int64_t now = clock_wall_ms();
    struct store_req *r = store_req_spent(now - now % 86400000);
    enum err err = store_run(h->env.store, r);
    if (err != OK)
        (void)err_explain(detail, err, "today's costs cannot be read: %s", r->detail.text);
    for (size_t i = 0; i < r->spent_count; i++)
        (void)admission_spend(h->admission, r->spent[i].business_id, r->spent[i].microusd * 1000, 0,
                              now);
    store_req_free(r);
    return err;
}

enum err host_open(struct host **out, const struct host_env *env, struct err_detail *detail)
{
    if (env->engine_count == 0 || env->engine_count > CALL_ENGINES_MAX)
        return err_explain(detail, ERR_INVALID, "no engine is configured");
    struct host *h = mem_zalloc(sizeof(*h));
    h->env = *env;
    ASSERT(strlen(env->instance) == OWNER_INSTANCE_CHARS);
    pthread_mutex_init(&h->health_lock, NULL);
    clock_boot_id(h->boot);
    h->admission = admission_new(env->day_nanousd);
    enum err err = load_spent(h, detail);
    if (err != OK) {
        host_close(h);
        return err;
    }
    *out = h;
    return OK;
}

void host_close(struct host *h)
{
    if (!h)
        return;
    admission_free(h->admission);
    pthread_mutex_destroy(&h->health_lock);
    mem_free(h);
}

static enum err load_default_business(struct host_part *part, struct err_detail *detail)
{
    const char *name = part->host->env.default_business;
    if (!name || name[0] == '\0')
        return OK;
    struct store_req *r = store_req_business_by_id(str_of(name));
    enum err err = store_run(part->host->env.store, r);
    if (err != OK) {
        (void)err_explain(detail, err, "the business \"%s\" cannot be read: %s", name,
                          r->detail.text);
        store_req_free(r);
        return err;
    }
    part->default_business = r;
    return OK;
}

static void tell_health(void *ctx)
{
    struct host_part *part = ctx;
    struct host *h = part->host;
    struct journal_health now = journal_health(part->journal);
    pthread_mutex_lock(&h->health_lock);
    h->health[loop_index(part->loop)] = now;
    pthread_mutex_unlock(&h->health_lock);
    loop_timer_set(part->tell_health, SESSION_HEALTH_MS);
}

enum err host_part_open(struct host *h, struct loop *l, struct err_detail *detail)
{
    unsigned index = loop_index(l);
    ASSERT(index < LOOP_COUNT_MAX && !h->loops[index]);
    struct host_part *part = mem_zalloc(sizeof(*part));
    *part = (struct host_part){.host = h, .loop = l};
    session_scratch_init(&part->scratch);
    enum err err = load_default_business(part, detail);
    if (err == OK)
        err = journal_open(&part->journal, l, h->env.journal_dir, detail);
    if (err != OK) {
        store_req_free(part->default_business);
        session_scratch_fini(&part->scratch);
        mem_free(part);
        return err;
    }
    part->prompts = prompts_open(l, h->env.live, h->env.prompt_voice);
    part->vocabs = vocabs_open(l, h->env.live, h->env.store);
    probes_init(&part->probes, part);
    owner_write(part->owner, h->env.instance, index);
    part->tell_health = loop_timer_new(l, tell_health, part);
    h->loops[index] = l;
    h->parts[index] = part;
    tell_health(part);
    return OK;
}

void host_part_use(struct host *h, struct loop *l, struct knowledge *knowledge)
{
    h->parts[loop_index(l)]->knowledge = knowledge;
}

static void part_gone(void *ctx)
{
    struct host_part *part = ctx;
    loop_fn *on_closed = part->on_closed;
    void *on_closed_ctx = part->on_closed_ctx;
    part->host->parts[loop_index(part->loop)] = NULL;
    prompts_close(part->prompts);
    vocabs_close(part->vocabs);
    while (part->aftermath) {
        struct host_aftermath *a = part->aftermath;
        part->aftermath = a->next;
        mem_free(a);
    }
    store_req_free(part->default_business);
    session_scratch_fini(&part->scratch);
    mem_free(part);
    on_closed(on_closed_ctx);
}

static void on_journal_closed(void *ctx)
{
    struct host_part *part = ctx;
    loop_defer(part->loop, part_gone, part); /* behind whatever the caches have deferred */
}

void host_part_idle(struct host_part *part)
{
    if (part->closing && part->entries == NULL && part->journal && probes_idle(&part->probes)) {
        struct journal *j = part->journal;
        tell_health(part);
        loop_timer_free(part->tell_health);
        part->tell_health = NULL;
        part->journal = NULL;
        journal_close(j, on_journal_closed, part);
    }
}

void host_part_close(struct host *h, struct loop *l, loop_fn *on_closed, void *ctx)
{
    struct host_part *part = h->parts[loop_index(l)];
    ASSERT(part && !part->closing);
    part->closing = true;
    part->on_closed = on_closed;
    part->on_closed_ctx = ctx;
    probes_close(&part->probes);
    struct host_entry *next;
    for (struct host_entry *e = part->entries; e; e = next) {
        next = e->next;
        session_carrier_ended(e->session, STR("shutdown"));
    }
    host_part_idle(part);
}

static struct host_part *part_of(struct host *h, struct loop *l)
{
    struct host_part *part = h->parts[loop_index(l)];
    ASSERT(part != NULL);
    return part;
}

/* -- entries -- */

struct host_entry *host_find_carrier(struct host_part *part, struct str carrier_id)
{
    for (struct host_entry *e = part->entries; e; e = e->next)
        if (carrier_id.len && str_eq(str_of(e->carrier_id), carrier_id))
            return e;
    return NULL;
}

static struct host_entry *find_session(struct host_part *part, const struct session *s)
{
    for (struct host_entry *e = part->entries; e; e = e->next)
        if (e->session == s)
            return e;
    return NULL;
}

static void on_no_stream(void *ctx)
{
    struct host_entry *e = ctx;
    LOG_WARN(session_id(e->session), "call.no_stream", "dropped after %d ms",
             SESSION_STREAM_WAIT_MS);
    session_operator(e->session, "hangup");
}

void host_remember_ended(struct host_part *part, struct str carrier_id,
                         enum channel_verdict verdict, struct str number)
{
    if (carrier_id.len == 0)
        return;
    int64_t now = loop_now_us(part->loop);
    struct host_aftermath **at = &part->aftermath;
    size_t n = 0;
    while (*at && (*at)->until_us > now && ++n < SESSION_AFTERMATH_MAX)
        at = &(*at)->next;
    while (*at) { /* the rest is older still */
        struct host_aftermath *old = *at;
        *at = old->next;
        mem_free(old);
    }
    struct host_aftermath *a = mem_zalloc(sizeof(*a));
    *a = (struct host_aftermath){.next = part->aftermath,
                                 .verdict = verdict,
                                 .until_us = now + (int64_t)SESSION_AFTERMATH_MS * 1000};
    (void)str_copy(a->carrier_id, sizeof(a->carrier_id), carrier_id);
    (void)str_copy(a->number, sizeof(a->number), number);
    part->aftermath = a;
}

bool host_answer_ended(struct host_part *part, struct str carrier_id, struct channel_answer *out)
{
    const struct host_aftermath *after = part->aftermath;
    while (after && !str_eq(str_of(after->carrier_id), carrier_id))
        after = after->next;
    if (after)
        *out = (struct channel_answer){.verdict = after->verdict, .number = str_of(after->number)};
    return after != NULL;
}

void host_session_ended(struct host_part *part, struct session *s, const struct call_stats *stats,
                        int64_t cost_nanousd)
{
    struct host *h = part->host;
    struct host_entry *e = find_session(part, s);
    host_count_live(part, -1);
    atomic_fetch_add(&h->turns, stats->turns);
    atomic_fetch_add(&h->interruptions, stats->interruptions);
    atomic_fetch_add(&h->engine_failures, stats->engine_failures);
    atomic_fetch_add(&h->rollovers, stats->rollovers);
    atomic_fetch_add(&h->dropped_ms,
                     (uint64_t)(stats->dropped_to_channel_ms + stats->dropped_to_engine_ms));
    if (str_eq(stats->end_reason, STR("no engine")))
        atomic_fetch_add(&h->calls_failed, 1);
    if (e && e->counted)
        admission_end(h->admission, str_of(e->business_id), str_of(e->from));
    if (e) {
        e->counted = false;
        /* Who asks for a call that was lost for too long is told that, not just hung up on. */
        bool lost = str_eq(stats->end_reason, STR("stream lost")) ||
                    str_eq(stats->end_reason, STR("server restarted"));
        if (!lost)
            host_remember_ended(part, str_of(e->carrier_id), session_verdict(s),
                                session_transfer_number(s));
        e->token[0] = '\0';
        if (e->stream_wait) /* a call that began with its stream never waited for one */
            loop_timer_cancel(e->stream_wait);
    }
    if (h->env.observer && h->env.observer->on_end)
        h->env.observer->on_end(h->env.observer_ctx, session_id(s), stats, cost_nanousd);
}

void host_session_gone(struct host_part *part, struct session *s)
{
    for (struct host_entry **at = &part->entries; *at; at = &(*at)->next) {
        struct host_entry *e = *at;
        if (e->session != s)
            continue;
        *at = e->next;
        loop_timer_free(e->stream_wait);
        mem_free(e);
        break;
    }
    host_part_idle(part);
}

/* -- engines -- */

void host_engine_failed(struct host_part *part, uint32_t index)
{
    const struct host_engine *engine = &part->host->env.engines[index];
    if (engine->max_calls) /* the local engine: there is nothing to be reached */
        return;
    if (!breaker_failed(&part->host->breakers[index], loop_now_us(part->loop)))
        return;
    LOG_WARN(NULL, "engine.passed_by", "engine=%s next=\"a probe looks for it\"",
             engine->call.name);
    probes_arm(&part->probes, index);
}

uint32_t host_engine_index(const struct host *h, const char *name)
{
    for (uint32_t i = 0; i < h->env.engine_count; i++)
        if (strcmp(h->env.engines[i].call.name, name) == 0)
            return i;
    return CALL_ENGINES_MAX;
}

/* -- new calls -- */

static void make_call_id(struct host_part *part, char id[CALL_ID_TEXT], int64_t wall_ms)
{
    char random[9];
    rng_hex(loop_rng(part->loop), random, 4);
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(id, CALL_ID_TEXT, "%04d%02d%02d-%02d%02d%02d-%s", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, random);
}

static void store_call(struct host_part *part, const struct call_config *c, struct str carrier_id)
{
    struct call_row row = {
        .id = str_of(c->call_id),
        .call_sid = carrier_id,
        .channel = str_of(c->channel),
        .business_id = str_of(c->business_id),
        .from = str_of(c->from),
        .to = str_of(c->to),
        .status = STR("ringing"),
        .engine = str_of(c->engines[0].name),
        .started_at_ms = c->wall_ms,
        .recorded = c->recording,
    };
    struct store_req *r = store_req_call_create(&row);
    if (store_submit(part->host->env.store, part->loop, r, NULL, NULL) != OK)
        LOG_ERROR(c->call_id, "store.refused", "the call goes on; its journal has everything");
}

void host_draw_token(struct host_entry *e)
{
    char secret[2 * TOKEN_BYTES + 1];
    rng_hex(loop_rng(e->part->loop), secret, TOKEN_BYTES);
    snprintf(e->token, sizeof(e->token), "%s-%s", e->part->owner, secret);
}

/* Starts a call of a business that was found. `asked`: by a webhook, so that the carrier will ask
 * again when its stream is lost. */
static struct host_entry *begin(struct host_part *part, const struct store_req *business,
                                const struct channel_call *info, const struct admission_caps *caps,
                                bool asked)
{
    struct host *h = part->host;
    struct arena a;
    arena_init(&a, CALL_ARENA_BYTES_MAX);
    struct call_config config;
    host_call_config(part, &a, business, info, &config);
    vocabs_note(part->vocabs, config.business_id, business->business.knowledge_version);
    char id[CALL_ID_TEXT];
    make_call_id(part, id, config.wall_ms);
    config.call_id = id;
    if (!asked)
        config.resume_window_ms = 0;

    struct host_entry *e = mem_zalloc(sizeof(*e));
    *e = (struct host_entry){.part = part, .next = part->entries};
    host_draw_token(e);
    (void)str_copy(e->carrier_id, sizeof(e->carrier_id), info->carrier_id);
    host_entry_count(e, business->business.id, info->from, caps);
    part->next_call++;
    host_count_live(part, 1);
    atomic_fetch_add(&h->calls_total, 1);
    store_call(part, &config, info->carrier_id);
    LOG_INFO(id, "call.begins", "channel=%s business=%s from=%s", config.channel,
             config.business_id, config.from[0] ? config.from : "withheld");
    if (h->env.observer && h->env.observer->on_begin)
        h->env.observer->on_begin(h->env.observer_ctx, id, &config);
    e->session = session_new(part, &config);
    part->entries = e;
    arena_fini(&a);
    return e;
}

static bool admitted(struct host_part *part)
{
    struct host *h = part->host;
    if (!part->closing && atomic_load(&h->live) < h->env.max_calls)
        return true;
    atomic_fetch_add(&h->calls_refused, 1);
    return false;
}

/* -- the channel's questions -- */

/* A webhook whose business is being looked up; its strings are copies. */
struct incoming {
    struct host_part *part;
    struct arena mem;
    struct channel_call info;
    channel_answer_fn *answer;
    void *answer_ctx;
};

static void say_and_hang_up(channel_answer_fn *answer, void *ctx, struct str text)
{
    struct channel_answer a = {.verdict = CHANNEL_HANGUP, .text = text};
    answer(ctx, &a);
}

static void answer_found(struct incoming *in, const struct store_req *r)
{
    struct host_part *part = in->part;
    if (r->err == ERR_NOTFOUND) {
        LOG_WARN(NULL, "call.unknown_number", "to=%.*s", STR_FMT(in->info.to));
        say_and_hang_up(in->answer, in->answer_ctx, STR("This number is not in service."));
        return;
    }
    if (r->err != OK) {
        LOG_ERROR(NULL, "call.lookup_failed", "err=%s detail=%s", err_name(r->err), r->detail.text);
        say_and_hang_up(in->answer, in->answer_ctx, STR("An error occurred."));
        return;
    }
    const struct business_config *c = &r->config;
    bool message_only = c->after_hours_mode == AFTER_HOURS_MESSAGE && c->after_hours_text.len &&
                        !business_is_open(c, clock_wall_ms(), NULL);
    if (message_only) {
        LOG_INFO(NULL, "call.after_hours", "business=%.*s", STR_FMT(r->business.slug));
        say_and_hang_up(in->answer, in->answer_ctx, c->after_hours_text);
        return;
    }
    if (!admitted(part)) { /* others came while the database was asked */
        say_and_hang_up(in->answer, in->answer_ctx, str_of(part->host->env.busy_words));
        return;
    }
    struct admission_caps caps;
    struct str refused = host_admit(part, r, in->info.from, &caps);
    if (refused.len) {
        say_and_hang_up(in->answer, in->answer_ctx, refused);
        return;
    }
    struct host_entry *e = begin(part, r, &in->info, &caps, true);
    e->stream_wait = loop_timer_new(part->loop, on_no_stream, e);
    loop_timer_set(e->stream_wait, SESSION_STREAM_WAIT_MS);
    struct channel_answer a = {
        .verdict = CHANNEL_STREAM, .token = str_of(e->token), .owner = str_of(part->owner)};
    in->answer(in->answer_ctx, &a);
}

static void on_business(void *ctx, struct store_req *r)
{
    struct incoming *in = ctx;
    answer_found(in, r);
    store_req_free(r);
    arena_fini(&in->mem);
    mem_free(in);
}

static struct str keep(struct arena *a, struct str s)
{
    return str_n(arena_strndup(a, s.p, s.len), s.len);
}

static void on_incoming(void *host, struct loop *l, const struct channel_call *call,
                        channel_answer_fn *answer, void *answer_ctx)
{
    struct host_part *part = part_of(host, l);
    struct host_entry *again = host_find_carrier(part, call->carrier_id);
    if (again && again->token[0]) { /* the carrier repeats a webhook it had no answer to */
        struct channel_answer a = {
            .verdict = CHANNEL_STREAM, .token = str_of(again->token), .owner = str_of(part->owner)};
        answer(answer_ctx, &a);
        return;
    }
    if (host_turned_away(part, answer, answer_ctx))
        return;
    if (!admitted(part)) {
        LOG_WARN(NULL, "call.refused", "why=max_calls");
        say_and_hang_up(answer, answer_ctx, str_of(part->host->env.busy_words));
        return;
    }
    struct incoming *in = mem_zalloc(sizeof(*in));
    *in = (struct incoming){.part = part, .answer = answer, .answer_ctx = answer_ctx};
    arena_init(&in->mem, 4096);
    in->info = (struct channel_call){
        .channel = keep(&in->mem, call->channel),
        .carrier_id = keep(&in->mem, call->carrier_id),
        .from = keep(&in->mem, call->from),
        .to = keep(&in->mem, call->to),
        .direction = keep(&in->mem, call->direction),
    };
    /* For a call we placed, the business is at the other end. */
    struct str number = str_eq(call->direction, STR("inbound")) ? in->info.to : in->info.from;
    struct store_req *r = store_req_business_by_number(number);
    if (store_submit(part->host->env.store, l, r, on_business, in) != OK) {
        LOG_ERROR(NULL, "call.lookup_refused", "the store is too busy");
        say_and_hang_up(answer, answer_ctx, STR("An error occurred."));
        arena_fini(&in->mem);
        mem_free(in);
    }
}

static enum err on_stream(void *host, struct loop *l, struct str token,
                          const struct channel_call *call, struct channel *ch,
                          const struct channel_events **events, void **events_ctx)
{
    struct host_part *part = part_of(host, l);
    struct host_entry *e = NULL;
    if (token.len == 0) {
        struct admission_caps caps;
        if (!part->default_business || !admitted(part) ||
            host_admit(part, part->default_business, call->from, &caps).len)
            return ERR_DENIED;
        e = begin(part, part->default_business, call, &caps, false);
    } else {
        for (e = part->entries; e; e = e->next)
            if (e->token[0] && crypto_equal(str_of(e->token), token))
                break;
        if (!e || !str_eq(str_of(e->carrier_id), call->carrier_id))
            return ERR_DENIED;
    }
    e->token[0] = '\0'; /* once */
    if (e->stream_wait)
        loop_timer_cancel(e->stream_wait);
    session_attach(e->session, ch, events, events_ctx);
    return OK;
}

static void on_stream_ended(void *host, struct loop *l, struct str carrier_id,
                            channel_answer_fn *answer, void *answer_ctx)
{
    host_asked(part_of(host, l), carrier_id, answer, answer_ctx);
}

const struct channel_host *host_channel_host(void)
{
    static const struct channel_host host = {
        .on_incoming = on_incoming,
        .on_stream = on_stream,
        .on_stream_ended = on_stream_ended,
        .on_status = host_on_status,
    };
    return &host;
}
