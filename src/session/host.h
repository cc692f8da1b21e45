/*
 * host.h - the live calls of every loop, and the channels' counterpart.
 *
 * A host is the process's; each loop has a part of its own with its calls, its journal and its
 * caches. Channels are given host_channel_host() and find the part of the loop they call from.
 * Nothing is shared between the parts but the counters of admission; what one has to tell the
 * others goes through their loops' mailboxes.
 *
 *   Lifetime  host_open; then host_part_open once per loop, before it runs (or on it). At the end
 *             host_part_close on each loop, which ends its calls; then host_close.
 *   Thread    host_open/host_close: the main thread. Parts: their loop's.
 *   Bounds    env.max_calls calls at once in the process; SESSION_AFTERMATH_MAX ended calls
 *             remembered.
 */
#ifndef SESSION_HOST_H
#define SESSION_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "call/call.h"
#include "channel/channel.h"
#include "engine/engine.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "net/worker.h"
#include "session/admission.h"
#include "speech/tts.h"
#include "store/store.h"

struct host_engine {
    const struct engine_driver *driver;
    struct call_engine call; /* as it goes into a call's configuration */
    uint32_t max_calls;      /* at once in the process; 0 = no bound of its own */
};

/* What happens in calls, for people who watch. All on the call's loop; any may be NULL. */
struct host_observer {
    void (*on_begin)(void *ctx, const char *call_id, const struct call_config *config);
    void (*on_turn)(void *ctx, const char *call_id, const struct call_item *item);
    void (*on_end)(void *ctx, const char *call_id, const struct call_stats *stats,
                   int64_t cost_nanousd);
};

struct host_env {
    struct store *store;
    struct worker_pool *live; /* for what a listener waits for */
    const char *journal_dir;
    const char *instance; /* of this process (net/owner.h); lives as long as the host */
    struct host_engine engines[CALL_ENGINES_MAX]; /* in order of preference */
    uint32_t engine_count;
    struct call_config defaults; /* limits, texts, voice; strings live as long as the host */
    uint32_t max_calls;
    struct admission_caps caps;           /* of businesses that have not decided themselves */
    int64_t day_nanousd;                  /* what a day may cost in all; 0 = no limit */
    const char *busy_words, *spent_words; /* to those who are refused */
    bool recording;                       /* keep audio where a business does not say */
    bool no_journal;                      /* calls leave no record but their rows in the store */
    uint32_t coalesce_ms; /* of caller silence in one message to the engine; 0 = frame by frame */
    enum tts_voice prompt_voice;
    const char *default_business; /* id or slug that owns streams without a token; "" = none */
    const struct host_observer *observer; /* may be NULL */
    void *observer_ctx;
};

struct host;
struct knowledge;
struct past_hold;

enum err host_open(struct host **out, const struct host_env *env,
                   struct err_detail *detail) MUST_CHECK;
/* After every part was closed. NULL-safe. */
void host_close(struct host *h);

enum err host_part_open(struct host *h, struct loop *l, struct err_detail *detail) MUST_CHECK;
/* What the loop's calls look things up with, from now on; it outlives the part. */
void host_part_use(struct host *h, struct loop *l, struct knowledge *knowledge);
/* Ends every call of the loop ("shutdown"), closes the journal, then on_closed from the loop. */
void host_part_close(struct host *h, struct loop *l, loop_fn *on_closed, void *ctx);

/* -- calls that outlived their process; see recover.h -- */

/* Before the loops run: calls of dead processes may turn up, and who asks for one waits. */
void host_recovery_begins(struct host *h);
/* One that may be resumed. The host owns all but the strings. Any thread; waits for room in a
 * mailbox. */
struct host_revival {
    struct call *call;        /* its state at lost_us */
    struct past_hold *before; /* its record, of which `sequence` comes next */
    uint32_t sequence;
    int64_t lost_us;
    struct str config;     /* JSON, as in the head of its journal */
    struct str carrier_id; /* not empty */
};
void host_revive(struct host *h, const struct host_revival *r);
/* One that had ended: what its carrier is to be told should it ask. Any thread, as before. */
void host_remember(struct host *h, struct str carrier_id, enum channel_verdict verdict,
                   struct str number);
/* No more of either. Any thread. */
void host_recovery_ends(struct host *h);

const struct channel_host *host_channel_host(void); /* its ctx is the struct host */

/* From now on new calls are told the words for a busy line, or forwarded to `number` ("" = none;
 * lives as long as the host). Any thread. */
void host_drain(struct host *h, const char *number);
/* Ends every call politely: it is told goodbye. Any thread. */
void host_goodbye(struct host *h);

/* The loop that should take the next call: each in turn, but none with over HOST_AHEAD_MAX calls
 * more than the one with fewest. Any thread, once every part is open. */
unsigned host_next_loop(struct host *h);

struct host_counters {
    bool draining;
    uint64_t calls_total, calls_refused, calls_failed;
    size_t calls_live;
    uint64_t turns, interruptions, engine_failures, rollovers, dropped_ms;
    struct {
        const char *name;
        bool up; /* false while calls pass it by */
        uint32_t sessions;
    } engines[CALL_ENGINES_MAX];
    uint32_t engine_count;
    struct journal_health journal; /* of all loops */
};
/* Any thread; journal figures are at most SESSION_HEALTH_MS old. */
void host_counters(struct host *h, struct host_counters *out);

#endif
