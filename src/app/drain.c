#include "app/drain.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

struct drain {
    struct drain_opts opts;
    struct loop_timer *timer;
    int64_t began_us, busy_us; /* when a call was last seen */
    bool parting;              /* goodbyes are being said */
};

static void end(struct drain *d, const char *why)
{
    LOG_INFO(NULL, "server.drained", "ms=%lld why=\"%s\"",
             (long long)((loop_now_us(d->opts.loop) - d->began_us) / 1000), why);
    d->opts.on_done(d->opts.ctx);
}

static void look(void *ctx)
{
    struct drain *d = ctx;
    struct host_counters calls;
    struct http_hub_counters hub;
    host_counters(d->opts.host, &calls);
    http_hub_counters(d->opts.hub, &hub);
    int64_t now = loop_now_us(d->opts.loop);
    int64_t limit_us = d->opts.limit_ms * 1000;
    if (calls.calls_live || hub.relayed)
        d->busy_us = now;
    if (!d->busy_us || now - d->busy_us > (int64_t)DRAIN_QUIET_MS * 1000) {
        end(d, "no call is left");
        return;
    }
    if (d->parting && now - d->began_us > limit_us + (int64_t)DRAIN_GOODBYE_MS * 1000) {
        end(d, "the limit is reached");
        return;
    }
    if (!d->parting && now - d->began_us > limit_us) {
        d->parting = true;
        if (d->opts.on_limit(d->opts.ctx))
            return;
        LOG_WARN(NULL, "server.drain_limit", "calls=%zu next=\"told goodbye\"", calls.calls_live);
        host_goodbye(d->opts.host);
    }
    loop_timer_set(d->timer, DRAIN_LOOK_MS);
}

struct drain *drain_new(const struct drain_opts *opts)
{
    struct drain *d = mem_zalloc(sizeof(*d));
    *d = (struct drain){.opts = *opts, .began_us = loop_now_us(opts->loop)};
    d->timer = loop_timer_new(opts->loop, look, d);
    loop_timer_set(d->timer, 0);
    return d;
}

void drain_free(struct drain *d)
{
    if (!d)
        return;
    loop_timer_free(d->timer);
    mem_free(d);
}
