/*
 * drain.h - the end of a process that still has calls: no new ones, and the running ones go on
 * until they end or a limit is reached; then they are told goodbye.
 *
 *   Lifetime  drain_new starts it; on_limit and on_done are called once at most, from the loop;
 *             drain_free any time but from on_limit.
 *   Thread    the loop's.
 *   Bounds    limit_ms for the calls, then DRAIN_GOODBYE_MS for their goodbyes. A carrier that asks
 *             what to do with a call that has just ended has DRAIN_QUIET_MS for it.
 */
#ifndef APP_DRAIN_H
#define APP_DRAIN_H

#include "net/http_hub.h"
#include "session/host.h"

struct drain;

struct drain_opts {
    struct loop *loop;
    struct host *host;
    struct http_hub *hub;
    int64_t limit_ms;
    bool (*on_limit)(void *ctx); /* true: the calls are left to another process, no goodbyes */
    loop_fn *on_done;
    void *ctx;
};

struct drain *drain_new(const struct drain_opts *opts);
/* NULL-safe. */
void drain_free(struct drain *d);

#endif
