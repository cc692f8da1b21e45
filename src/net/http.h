/*
 * http.h - HTTP/1.1 server and router (RFC 9110, RFC 9112).
 *
 * A request is read whole (head and body within their bounds) and handed to the route's handler as
 * an exchange; the handler answers now or later. Keep-alive and pipelining are handled; answers
 * leave in the order of the requests.
 *
 *   Lifetime  an exchange lives from the handler's call until its answer was handed over or, if the
 *             peer is gone before that, until on_gone was called: after either it must not be used.
 *   Thread    the loop's. A router is built before the servers start and is read-only afterwards,
 *             so all loops share it.
 *   Bounds    HTTP_HEAD_BYTES_MAX, HTTP_BODY_BYTES_MAX (or the route's), HTTP_HEADERS_MAX,
 *             HTTP_HEAD_TIMEOUT_MS, HTTP_BODY_TIMEOUT_MS, HTTP_IDLE_TIMEOUT_MS,
 *             HTTP_CONNECTIONS_MAX a server. Each answers 431, 413, 408, 503 as RFC 9110 says; an
 *             idle connection is closed without a word. When the server is full the connection that
 *             has waited longest for its peer gives way; 503 only if none does. An address has at
 *             most HTTP_CONNECTIONS_PER_PEER connections without a whole request; more are closed
 *             when accepted. Trusted proxies may have any number; there the clients that they
 *             name are bounded while their bodies come (429).
 *   Strict    what proxies could read differently is refused with 400: bare CR or LF, folded
 *             fields, two lengths, a length with a transfer coding, no or two Host fields.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/ws.h"

struct http_exchange;
struct http_hub;
struct http_router;
struct http_server;

typedef void http_handler_fn(void *ctx, struct http_exchange *ex);

struct http_route_opts {
    size_t body_max; /* 0 = HTTP_BODY_BYTES_MAX */
    bool prefix;     /* the path and everything below it */
    bool owned;      /* with `prefix`: what stands below names the owner (net/http_hub.h) */
    bool placed;     /* begins what stays on its loop: goes to whichever has least to do */
    bool websocket;  /* the handler expects an upgrade; others get 426 */
};

struct http_router *http_router_new(void);
void http_router_free(struct http_router *r);
/* `method` NULL = any. `path` is static storage. First match wins; no match is 404, a path known
 * under another method 405 with Allow. */
void http_router_add(struct http_router *r, const char *method, const char *path,
                     const struct http_route_opts *opts, http_handler_fn *fn, void *ctx);

struct http_server_opts {
    const char *host; /* address to bind, or "localhost" */
    uint16_t port;    /* 0 = any; ask http_server_port */
    struct tls_server *tls;
    const struct http_router *router;
    struct http_hub *hub; /* the servers of the other loops; NULL = this one is alone */
    bool
        shared; /* a server of another loop has this port already; else a port in use is an error */
    int listener; /* a listening socket to take over, with host and port as they are; 0 = none */
    const char *trusted_proxies; /* addresses and blocks, comma separated; NULL = none */
    size_t connections_max;      /* this and what follows: 0 = as in base/limits.h */
    size_t peer_max;             /* connections of one address without a whole request */
    uint32_t head_timeout_ms;
    uint32_t body_timeout_ms;
    uint32_t idle_timeout_ms;
};
/* Listens with SO_REUSEPORT, so that each loop has a server of its own on the same port.
 * `detail` names the address and the reason. */
enum err http_server_open(struct http_server **out, struct loop *l,
                          const struct http_server_opts *opts,
                          struct err_detail *detail) MUST_CHECK;
uint16_t http_server_port(const struct http_server *s);
/* The listening socket, to be given to a successor; -1 when it does not listen any more. */
int http_server_listener(const struct http_server *s);
/* Stops listening; connections live on. Idempotent. */
void http_server_stop_listening(struct http_server *s);
/* Stops listening and closes every connection, then frees itself and calls on_closed (may be NULL)
 * once. WebSockets it handed over live on; they are their owners'. To be called once. */
void http_server_close(struct http_server *s, loop_fn *on_closed, void *ctx);
size_t http_server_connections(const struct http_server *s);

/* -- the request; everything borrowed from the exchange -- */
/* "GET" for HEAD too: the answer's body is then left out by itself. */
struct str http_method(const struct http_exchange *ex);
struct str http_target(const struct http_exchange *ex); /* path and query, as sent */
struct str http_path(const struct http_exchange *ex);   /* without the query, not decoded */
struct str http_query(const struct http_exchange *ex);  /* behind '?', or empty */
/* First header of that name, case-insensitive; p == NULL when absent. */
struct str http_header(const struct http_exchange *ex, const char *name);
struct str http_body(const struct http_exchange *ex);
/* The client's address: the connection's, or what trusted proxies tell (X-Forwarded-For, read from
 * its end, each believed as long as it is trusted itself). */
const char *http_peer(const struct http_exchange *ex);
/* The peer's address is the client's: a trusted proxy said so, or no proxy left its traces. */
bool http_peer_is_client(const struct http_exchange *ex);
struct loop *http_loop(const struct http_exchange *ex);

/* Called once, from the loop, if the peer goes away before the answer; the exchange is over then.
 * Without it an exchange must be answered in any case. A peer that sends much behind its request is
 * not read further until the answer, and its going away is not noticed before. */
void http_on_gone(struct http_exchange *ex, loop_fn *fn, void *ctx);

/* -- the answer: exactly one of these -- */
void http_reply(struct http_exchange *ex, unsigned status, const char *content_type,
                struct str body);
/* RFC 9457 problem body with an `error` member for older clients. `title` NULL = the reason phrase;
 * `detail` (may be NULL) must be UTF-8 or is left out. */
void http_reply_problem(struct http_exchange *ex, unsigned status, const char *title,
                        const char *detail);
/* Adds a header to the coming answer; call before http_reply. A name or value that would break the
 * answer (control characters), or that no longer fits, is logged and left out. */
void http_reply_header(struct http_exchange *ex, const char *name, const char *value);

/*
 * Accepts the WebSocket upgrade (RFC 6455 section 4.2): answers 101 and hands the connection over.
 * ERR_INVALID, answered with 400 or 426 by this function, when the request is no valid upgrade;
 * ERR_CLOSED when the peer is gone. The exchange is over in every case, and on_gone is not called.
 * `subprotocol` (may be NULL) is echoed.
 */
enum err http_upgrade(struct http_exchange *ex, const struct ws_opts *opts, const char *subprotocol,
                      const struct ws_events *events, void *ctx, struct ws **out) MUST_CHECK;

/* -- forms: application/x-www-form-urlencoded -- */
struct http_param {
    struct str key, value; /* decoded, allocated in the arena given */
};
/* Splits and decodes; more than HTTP_PARAMS_MAX parameters or a bad escape is ERR_INVALID. */
enum err http_form_parse(struct arena *a, struct str form, struct http_param **params,
                         size_t *count) MUST_CHECK;
/* First value of `key`; p == NULL when absent. */
struct str http_form_get(const struct http_param *params, size_t count, const char *key);

#endif
