#include "session/probe.h"

#include "base/log.h"
#include "session/host_private.h"

static struct breaker *breaker_of(struct probe *p)
{
    return &p->part->host->breakers[p->index];
}

static const struct host_engine *engine_of(const struct probe *p)
{
    return &p->part->host->env.engines[p->index];
}

static void wait(struct probe *p)
{
    if (p->part->probes.closing || breaker_allows(breaker_of(p)))
        return;
    loop_timer_set(p->timer, breaker_wait_ms(breaker_of(p), loop_now_us(p->part->loop)));
}

static void done(struct probe *p)
{
    breaker_probed(breaker_of(p), p->reached, loop_now_us(p->part->loop));
    LOG_INFO(NULL, "engine.probed", "engine=%s reached=%d", engine_of(p)->call.name, p->reached);
    wait(p);
}

static void on_open(void *ctx)
{
    struct probe *p = ctx;
    p->reached = true;
    engine_close(p->engine);
}

static void on_event(void *ctx, struct str json)
{
    (void)ctx; /* session.created and the like; the connection is being closed */
    (void)json;
}

static void on_closed(void *ctx, enum err why, struct str reason)
{
    struct probe *p = ctx;
    (void)why;
    (void)reason;
    p->engine = NULL;
    done(p);
    host_part_idle(p->part);
}

static void on_due(void *ctx)
{
    static const struct engine_events events = {
        .on_open = on_open, .on_event = on_event, .on_closed = on_closed};
    struct probe *p = ctx;
    if (p->engine || !breaker_begin_probe(breaker_of(p)))
        return; /* another loop looks, or an answer has closed it */
    const struct engine_driver *driver = engine_of(p)->driver;
    struct engine_opts opts = {.loop = p->part->loop, .call_id = "probe"};
    struct err_detail why = {""};
    p->reached = false;
    if (driver->open(driver->driver, &opts, &events, p, &p->engine, &why) != OK) {
        p->engine = NULL;
        done(p);
    }
}

void probes_init(struct probes *probes, struct host_part *part)
{
    for (uint32_t i = 0; i < part->host->env.engine_count; i++) {
        probes->of[i] = (struct probe){.part = part, .index = i};
        probes->of[i].timer = loop_timer_new(part->loop, on_due, &probes->of[i]);
    }
}

void probes_close(struct probes *probes)
{
    probes->closing = true;
    for (uint32_t i = 0; i < CALL_ENGINES_MAX; i++) {
        struct probe *p = &probes->of[i];
        if (p->timer)
            loop_timer_free(p->timer);
        p->timer = NULL;
        if (p->engine)
            engine_close(p->engine);
    }
}

bool probes_idle(const struct probes *probes)
{
    for (uint32_t i = 0; i < CALL_ENGINES_MAX; i++)
        if (probes->of[i].engine)
            return false;
    return true;
}

void probes_arm(struct probes *probes, uint32_t index)
{
    wait(&probes->of[index]);
}
