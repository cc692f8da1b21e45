/*
 * api.h - the routes that tell how the server is: health, metrics, and a page for a person.
 *
 *   Thread   api_open before the servers start; the handlers run on any loop and only read.
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/channel.h"
#include "net/http.h"
#include "net/http_hub.h"
#include "session/host.h"

struct api;

struct api_opts {
    struct http_router *router;
    struct host *host;
    bool metrics_public; /* /metrics also for peers that are not this machine */
    int64_t started_us;  /* monotonic */
    const char *version;
    const char *engine; /* what answers first: "realtime", "local" */
    const char *phone;  /* a number to try, or "" */
    struct worker_pool *live, *back;
    struct store *store;
    channel_counters_fn *channel_counters;
    const void *channel; /* its driver */
    const struct http_hub *hub;
};

struct api *api_open(const struct api_opts *opts);
/* After the servers were closed. NULL-safe. */
void api_close(struct api *a);

#endif
