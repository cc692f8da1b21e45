/*
 * http_private.h - the inside of the HTTP server, shared by its files:
 *
 *   http_server.c    listens, accepts, counts
 *   http_conn.c      one connection: bytes in, requests out, times
 *   http_exchange.c  one request and its answer, as handlers see it
 *   http_router.c    which handler
 *   http_wait.c      connections without a request: how many, and which gives way
 *   http_hub.c       which loop
 *
 *   Thread   the loop's.
 */
#ifndef NET_HTTP_PRIVATE_H
#define NET_HTTP_PRIVATE_H

#include <arpa/inet.h>

#include "base/buf.h"
#include "net/address.h"
#include "net/conn_move.h"
#include "net/http.h"
#include "net/http_chunk.h"
#include "net/http_hub.h"
#include "net/http_parse.h"

struct http_route {
    const char *method; /* NULL = any */
    struct str path;
    struct http_route_opts opts;
    http_handler_fn *fn;
    void *ctx;
};

/* The route for a request, or NULL; then *allow holds the methods that the path does know, as the
 * Allow field wants them, or is empty when it knows none. `allow` is initialised. */
const struct http_route *http_router_find(const struct http_router *r, struct str method,
                                          struct str path, struct buf *allow);

enum http_phase {
    HTTP_HEAD,    /* between requests, or within a head */
    HTTP_BODY,    /* the exchange exists, its handler does not know yet */
    HTTP_HANDLED, /* the handler has it */
    HTTP_ENDING,  /* the last answer is on its way; input is thrown away */
};

struct http_site; /* an address and its connections without a whole request */

struct http_queue {
    struct http_conn *oldest, *newest;
};

struct http_wait {
    struct http_queue queues[2]; /* [1]: of trusted proxies */
    struct http_site *buckets[HTTP_SITE_BUCKETS];
    uint64_t seed;
};

struct http_conn {
    struct http_server *server;
    struct http_conn *prev, *next;
    struct http_conn *older, *newer; /* among those that wait */
    struct http_site *site;          /* where it is counted, or NULL */
    struct conn *conn;               /* NULL once gone or handed over */
    struct loop *loop;
    struct loop_timer *timer;
    enum http_phase phase;
    bool surplus;      /* beyond connections_max: it is told 503 */
    bool fresh;        /* no request yet */
    bool head_started; /* bytes of the next head are here, so its time runs */
    bool head_only;    /* the answer carries no body (HEAD) */
    bool keep_alive;   /* after the answer to the current request */
    bool processing;   /* http_conn_process is on the stack */
    bool scheduled;    /* http_conn_process is deferred */
    bool waiting;      /* between requests or within one: it may have to give way */
    bool trusted;      /* the peer is one of the trusted proxies */
    bool moved;        /* it was brought here for the request that comes first */
    size_t out_seen;   /* output queued when the idle timer was last set */

    struct buf in;  /* read and not yet used */
    size_t scanned; /* of `in`, for the end of the head */
    struct http_chunk chunk;
    uint64_t body_left;
    const struct http_route *route;
    struct http_exchange *exchange;
};

struct http_exchange {
    struct http_conn *hc; /* NULL: the peer is gone */
    struct loop *loop;
    char peer[INET6_ADDRSTRLEN]; /* the client, see http_peer */
    bool named;                  /* ... as a trusted proxy named it */
    char *text;                  /* what `head` points into */
    size_t text_len;
    struct http_head head;
    struct buf body;
    struct buf fields; /* added by http_reply_header */
    loop_fn *gone_fn;
    void *gone_ctx;
    bool gone_deferred; /* http_on_gone came after the peer had gone */
    bool answered;      /* ... and an answer before that could be said */
};

struct http_server {
    struct loop *loop;
    const struct http_router *router;
    struct tls_server *tls;
    struct http_hub *hub; /* may be NULL */
    size_t connections_max, peer_max;
    struct address_set trusted;
    struct http_wait wait;
    uint32_t head_timeout_ms, body_timeout_ms, idle_timeout_ms;
    uint16_t port;
    int fd;
    uv_poll_t poll;
    struct loop_timer *pause; /* accepting again after running out of descriptors */
    struct http_conn *first;
    size_t count;
    bool closing, listener_closed;
    loop_fn *on_closed;
    void *on_closed_ctx;
};

/* A connection on its way to another loop: everything read and not yet used, from the first byte of
 * a request's head on. */
struct http_parcel {
    struct conn_parcel conn;
    struct buf in;
    struct http_hub *hub;
    unsigned index; /* of the loop it goes to */
};

/* -- http_conn.c -- */

/* What an answer is made of. */
struct http_answer {
    unsigned status;
    const char *content_type; /* NULL = no body and no length of one */
    struct str fields;        /* further lines, each ended by CRLF */
    struct str body;
};

/* Takes `fd` over and serves it. `peer` NULL = it has no IP address. */
void http_conn_open(struct http_server *s, int fd, const struct address *peer, bool surplus);
/* Makes room: closes it without a word. Gone from those that wait at once, counted until it is. */
void http_conn_give_way(struct http_conn *hc);
/* Serves a connection that comes from another loop; with `refusal` it is told that status instead.
 * Uses up and frees the parcel. Such a connection was counted against connections_max where it came
 * in, so that is not asked again. */
void http_conn_adopt(struct http_server *s, struct http_parcel *p, unsigned refusal);
/* Drops the connection. */
void http_parcel_free(struct http_parcel *p);
/* Writes an answer for the current request and goes on to the next or to the end. The exchange, if
 * any, was detached before. */
void http_conn_answer(struct http_conn *hc, const struct http_answer *a);
/* An answer made of a title and a detail; see http_reply_problem. */
void http_conn_problem(struct http_conn *hc, unsigned status, const char *title, const char *detail,
                       struct str fields);
/* The connection now belongs to somebody else; `hc` must not be used behind this. */
void http_conn_hand_over(struct http_conn *hc);
/* RFC 9110 section 15; "Unknown" for what is not in the table. */
const char *http_reason(unsigned status);

/* -- http_exchange.c -- */

struct http_exchange *http_exchange_new(struct http_conn *hc, struct str text);
void http_exchange_free(struct http_exchange *ex);
/* The head is parsed: behind a trusted proxy, finds out who the client is. */
void http_exchange_name_client(struct http_exchange *ex);
/* The peer is gone while the handler had the exchange. */
void http_exchange_gone(struct http_exchange *ex);

/* -- http_server.c -- */

/* A connection has left the server's list. */
void http_server_released(struct http_server *s);

/* -- http_wait.c: all idempotent -- */

/* The connection waits for its peer from now on: it is the newest of those. */
void http_wait_begin(struct http_conn *hc);
/* It does not any more, and is not counted. */
void http_wait_end(struct http_conn *hc);
/* Its request has begun and is not whole; counts it for `peer`, and for that one only. */
void http_wait_count(struct http_conn *hc, const struct address *peer);
void http_wait_uncount(struct http_conn *hc);
/* Whether `peer` has as many of those as it may. */
bool http_wait_crowded(struct http_server *s, const struct address *peer);
/* The one to give way; those of trusted proxies last. NULL = every connection is in use. */
struct http_conn *http_wait_oldest(const struct http_server *s);
/* ASSERTs that nothing is left. */
void http_wait_check(const struct http_server *s);

/* -- http_hub.c -- */

enum http_passed {
    HTTP_PASSED,     /* the parcel was used up */
    HTTP_NO_OWNER,   /* nobody is there; the parcel is still the caller's */
    HTTP_NOT_PASSED, /* somebody is there, and takes no more; as above */
};
/* Gives a connection to another process. Called on `from`'s loop. */
typedef enum http_passed http_pass_fn(void *ctx, struct http_server *from, const struct owner *to,
                                      struct http_parcel *p);

/* Counts for the hub's counters. `hub` may be NULL. */
enum http_turned { HTTP_CROWDED, HTTP_GAVE_WAY, HTTP_FULL, HTTP_TURNED_COUNT };
void http_hub_turned(struct http_hub *hub, enum http_turned how);

void http_hub_join(struct http_hub *hub, struct http_server *s);
/* Ends the relays of that loop. */
void http_hub_leave(struct http_hub *hub, struct http_server *s);
/* Before the loops run. */
void http_hub_set_pass(struct http_hub *hub, http_pass_fn *fn, void *ctx);
/* Whether a request that came to `from` belongs elsewhere, and where. `owner`: what the path says,
 * p == NULL for a route that is not owned. `placed`: see struct http_route_opts. */
bool http_hub_elsewhere(const struct http_hub *hub, const struct http_server *from,
                        struct str owner, bool placed, struct owner *to);
/* Sends it there. When it is not taken, `from` answers: 503, or as it can if nobody is there. */
void http_hub_send(struct http_hub *hub, struct http_server *from, const struct owner *to,
                   struct http_parcel *p);
/* A connection that another process gave us for the loop `index` (or for any, if there is none of
 * that number). False when that loop takes no more; the parcel is still the caller's. */
bool http_hub_take(struct http_hub *hub, unsigned index, struct http_parcel *p) MUST_CHECK;
/* Passes what comes on a TLS connection to `fd` and back. Uses up both. On the loop of `from`. */
void http_hub_relay(struct http_hub *hub, struct http_server *from, struct http_parcel *p, int fd);

#endif
