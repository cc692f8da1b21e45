/* From a business and a ringing telephone to the configuration of one call. */
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/host_private.h"
#include "session/instructions.h"
#include "tools/tools.h"

static const char *text_of(struct arena *a, struct str s)
{
    return arena_strndup(a, s.p, s.len);
}

static const char *kept(struct arena *a, struct buf *b)
{
    const char *text = arena_strndup(a, b->p, b->len);
    buf_fini(b);
    return text;
}

/* What is said before anything else: who is speaking, that it is recorded, that it is closed. */
static const char *announcement(struct arena *a, const struct business_config *c, bool recording,
                                int64_t wall_ms)
{
    struct buf b;
    buf_init(&b, SESSION_INSTRUCTIONS_BYTES_MAX);
    buf_put_str(&b, c->announcement);
    if (recording && c->announcement.len == 0)
        buf_put_str(&b, STR("You are speaking with an AI assistant. This call is recorded."));
    if (c->after_hours_text.len && !business_is_open(c, wall_ms, NULL)) {
        if (b.len)
            buf_put_byte(&b, ' ');
        buf_put_str(&b, c->after_hours_text);
    }
    return kept(a, &b);
}

static const char *emergency(struct arena *a, struct str number)
{
    struct buf b;
    buf_init(&b, 256);
    buf_put_str(&b, STR("If this is an emergency, please hang up and dial"));
    for (size_t i = 0; i < number.len && i < 16;
         i++) /* digit by digit: nobody says "nine hundred" */
        buf_printf(&b, " %c", number.p[i]);
    buf_put_str(&b, STR(" right now."));
    return kept(a, &b);
}

static const char *instructions(struct arena *a, const struct store_req *r, struct str from,
                                int64_t wall_ms)
{
    struct buf b;
    buf_init(&b, SESSION_INSTRUCTIONS_BYTES_MAX);
    instructions_write(&b, &r->business, &r->config, from, wall_ms);
    return kept(a, &b);
}

static const char *tools(struct arena *a, const struct business_config *c)
{
    struct buf b;
    buf_init(&b, SESSION_TOOLS_BYTES_MAX);
    tools_write_definitions(&b, c->transfer_number.len > 0);
    return kept(a, &b);
}

void host_call_config(struct host_part *part, struct arena *a, const struct store_req *r,
                      const struct channel_call *info, struct call_config *out)
{
    const struct host_env *env = &part->host->env;
    const struct business_config *c = &r->config;
    struct call_config k = env->defaults;
    k.wall_ms = clock_wall_ms();
    k.anchor_us = loop_now_us(part->loop);
    k.business_id = text_of(a, r->business.id);
    k.business_name = text_of(a, r->business.name);
    k.channel = text_of(a, info->channel);
    k.carrier_id = text_of(a, info->carrier_id);
    k.from = text_of(a, info->from);
    k.to = text_of(a, info->to);
    /* The server's setting is for a business that has said nothing; its own word is the last. */
    bool said = business_config_row(c, STR("recording")).p != NULL;
    k.recording = said ? c->recording : env->recording;
    k.greeting = text_of(a, c->greeting);
    k.announcement = announcement(a, c, k.recording, k.wall_ms);
    k.instructions = instructions(a, r, info->from, k.wall_ms);
    k.tools_json = tools(a, c);
    k.transfer_number = text_of(a, c->transfer_number);
    if (c->emergency_number.len)
        k.emergency = emergency(a, c->emergency_number);
    if (c->voice.len)
        k.voice = text_of(a, c->voice);
    if (c->max_duration_s > 0 && c->max_duration_s < 24 * 3600)
        k.max_duration_ms = (uint32_t)(c->max_duration_s * 1000);
    if (c->spent_goodbye.len)
        k.spent_goodbye = text_of(a, c->spent_goodbye);
    if (c->max_cost_microusd > 0)
        k.max_cost_nanousd = c->max_cost_microusd * 1000;
    /* An engine that keeps failing is passed by, so that nobody waits for it; not the last one. */
    k.engine_count = 0;
    for (uint32_t i = 0; i < env->engine_count; i++)
        if (i + 1 == env->engine_count || breaker_allows(&part->host->breakers[i]))
            k.engines[k.engine_count++] = env->engines[i].call;
    *out = k;
}

/* -- admission -- */

/* A business's own limit, -1 where it has none. */
static int64_t own_or(int64_t own, int64_t servers, int64_t factor)
{
    return own >= 0 ? own * factor : servers;
}

/* As much of a name as an entry keeps; the rest of a longer one does not tell anybody apart. */
static struct str counted_as(struct str business_id)
{
    return str_slice(business_id, 0, sizeof(((struct host_entry *)0)->business_id) - 1);
}

static struct str counted_from(struct str from)
{
    return str_slice(from, 0, sizeof(((struct host_entry *)0)->from) - 1);
}

int64_t host_day_nanousd(const struct host *h, const struct business_config *c)
{
    return own_or(c->max_spend_day_microusd, h->env.caps.business_day_nanousd, 1000);
}

struct str host_admit(struct host_part *part, const struct store_req *business, struct str from,
                      struct admission_caps *caps)
{
    struct host *h = part->host;
    const struct business_config *c = &business->config;
    *caps = (struct admission_caps){
        .business_calls = own_or(c->max_calls, h->env.caps.business_calls, 1),
        .caller_calls = own_or(c->max_calls_per_caller, h->env.caps.caller_calls, 1),
        .business_day_nanousd = host_day_nanousd(h, c),
    };
    static const char *const why[] = {"", "business_busy", "caller_busy", "spent"};
    enum admitted verdict = admission_begin(h->admission, counted_as(business->business.id),
                                            counted_from(from), caps, clock_wall_ms());
    if (verdict == ADMISSION_OK)
        return STR("");
    atomic_fetch_add(&h->calls_refused, 1);
    LOG_WARN(NULL, "call.refused", "why=%s business=%.*s", why[verdict],
             STR_FMT(business->business.slug));
    if (verdict == ADMISSION_SPENT)
        return c->spent_words.len ? c->spent_words : str_of(h->env.spent_words);
    return c->busy_words.len ? c->busy_words : str_of(h->env.busy_words);
}

void host_entry_count(struct host_entry *e, struct str business_id, struct str from,
                      const struct admission_caps *caps)
{
    (void)str_copy(e->business_id, sizeof(e->business_id), counted_as(business_id));
    (void)str_copy(e->from, sizeof(e->from), counted_from(from));
    e->counted = true;
    e->day_nanousd = caps->business_day_nanousd;
}

bool host_spent(struct host_part *part, const struct session *s, int64_t nanousd)
{
    for (const struct host_entry *e = part->entries; e; e = e->next)
        if (e->session == s)
            return admission_spend(part->host->admission, str_of(e->business_id), nanousd,
                                   e->day_nanousd, clock_wall_ms());
    return false;
}
