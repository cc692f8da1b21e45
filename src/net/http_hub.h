/*
 * http_hub.h - which of several servers a connection belongs to, and how it gets there.
 *
 * A process has one HTTP server a loop, all on the same port, and the kernel gives a connection to
 * any of them. A route that is `owned` (net/http.h) names the owner in its path (net/owner.h): the
 * connection is then taken to that loop, with all it has read, before the request is looked at
 * further. The owner may also be another living process of the same data (net/gate.h). A request
 * whose owner is not known stays where it came in: that handler says what becomes of it.
 *
 *   Lifetime  http_hub_new before the servers open; http_hub_free after the loops are closed.
 *   Thread    http_hub_new, http_hub_free and the opening of servers: the main thread, before the
 *             loops run. The rest: any loop.
 *   Bounds    LOOP_MAILBOX_MAX connections on their way to a loop; one more is answered 503.
 */
#ifndef NET_HTTP_HUB_H
#define NET_HTTP_HUB_H

#include <stdint.h>

#include "net/owner.h"

struct http_hub;

struct http_hub *http_hub_new(const char *instance);
/* NULL-safe. */
void http_hub_free(struct http_hub *hub);

/* The loop that should take what begins now (routes that are `placed`). `pick` is called on any
 * loop. Before the loops run; without it everything begins where it came in. */
typedef unsigned http_pick_fn(void *ctx);
void http_hub_set_pick(struct http_hub *hub, http_pick_fn *pick, void *ctx);

/* From now on every request that is not about a call of ours goes to that process. Once; any
 * thread. */
void http_hub_set_successor(struct http_hub *hub, const char *instance);

struct http_hub_counters {
    uint64_t moved;    /* connections taken to another loop */
    uint64_t passed;   /* to another process */
    size_t relayed;    /* TLS connections of other processes' calls, now */
    uint64_t refused;  /* answered 503 because it could not be taken there */
    uint64_t crowded;  /* closed when accepted: their address had enough without a request */
    uint64_t gave_way; /* waited longest when a server was full */
    uint64_t full;     /* turned away: every connection was in use */
};
/* Any thread. */
void http_hub_counters(const struct http_hub *hub, struct http_hub_counters *out);

#endif
