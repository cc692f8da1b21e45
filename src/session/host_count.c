/* What a host counts: calls on each loop, by which the next is placed, and figures for people. */
#include <stdatomic.h>

#include "base/limits.h"
#include "session/host_private.h"

unsigned host_loop_count(const struct host *h)
{
    unsigned count = 0;
    while (count < LOOP_COUNT_MAX && h->loops[count])
        count++;
    return count;
}

void host_count_live(struct host_part *part, int more)
{
    atomic_fetch_add(&part->host->live, (uint32_t)more);
    atomic_fetch_add(&part->host->live_on[loop_index(part->loop)], (uint32_t)more);
}

unsigned host_next_loop(struct host *h)
{
    unsigned loops = host_loop_count(h), least = 0;
    if (loops == 0)
        return 0;
    /* By turns first: calls that have been given out and not begun yet are in no count. */
    unsigned next = atomic_fetch_add(&h->next_loop, 1) % loops;
    for (unsigned i = 1; i < loops; i++)
        if (atomic_load(&h->live_on[i]) < atomic_load(&h->live_on[least]))
            least = i;
    bool ahead = atomic_load(&h->live_on[next]) > atomic_load(&h->live_on[least]) + HOST_AHEAD_MAX;
    return ahead ? least : next;
}

void host_counters(struct host *h, struct host_counters *out)
{
    *out = (struct host_counters){
        .draining = atomic_load(&h->drain_number) != NULL,
        .calls_total = atomic_load(&h->calls_total),
        .calls_refused = atomic_load(&h->calls_refused),
        .calls_failed = atomic_load(&h->calls_failed),
        .calls_live = atomic_load(&h->live),
        .turns = atomic_load(&h->turns),
        .interruptions = atomic_load(&h->interruptions),
        .engine_failures = atomic_load(&h->engine_failures),
        .rollovers = atomic_load(&h->rollovers),
        .dropped_ms = atomic_load(&h->dropped_ms),
    };
    out->engine_count = h->env.engine_count;
    for (uint32_t i = 0; i < h->env.engine_count; i++) {
        out->engines[i].name = h->env.engines[i].call.name;
        out->engines[i].up = breaker_allows(&h->breakers[i]);
        out->engines[i].sessions = atomic_load(&h->engine_calls[i]);
    }
    pthread_mutex_lock(&h->health_lock);
    for (int i = 0; i < LOOP_COUNT_MAX; i++) {
        struct journal_health j = h->health[i];
        out->journal.records += j.records;
        out->journal.bytes += j.bytes;
        out->journal.syncs += j.syncs;
        out->journal.audio_dropped += j.audio_dropped;
        out->journal.records_lost += j.records_lost;
        out->journal.backlog_bytes += j.backlog_bytes;
        out->journal.failing |= j.failing;
        if (j.sync_us_max > out->journal.sync_us_max)
            out->journal.sync_us_max = j.sync_us_max;
    }
    pthread_mutex_unlock(&h->health_lock);
}
