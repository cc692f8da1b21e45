/*
 * hub_world.h - two loops on threads of their own, each with a server on one port, and a client
 * with blocking sockets, plain or TLS. Private to the tests of hand-over.
 */
#ifndef HUB_WORLD_H
#define HUB_WORLD_H

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/limits.h"
#include "net/http.h"
#include "net/http_hub.h"
#include "unit/net/net_test.h"

enum { LOOPS = 2, STREAMS_MAX = 64, CLIENT_SECONDS = 10 };
#define INSTANCE "0a1b2c3d"

struct hub_stream {
    struct hub_lane *lane;
    struct ws *ws; /* NULL once closed */
};

struct hub_lane {
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    struct hub_stream streams[STREAMS_MAX];
    unsigned stream_count;
    uint64_t here; /* requests answered by this loop; its own */
};

static struct {
    struct hub_lane lanes[LOOPS];
    struct http_hub *hub;
    atomic_uint picked;
    struct http_router *router;
    struct tls_server *tls;
    uint16_t port;
} hw;

/* "loop=1 path=/x body=..." */
static void tell(void *ctx, struct http_exchange *ex)
{
    struct buf b;
    (void)ctx;
    hw.lanes[loop_index(http_loop(ex))].here++;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "[loop=%u %.*s peer=%s %.*s]", loop_index(http_loop(ex)),
               STR_FMT(http_target(ex)), http_peer(ex), STR_FMT(http_body(ex)));
    http_reply(ex, 200, "text/plain", buf_str(&b));
    buf_fini(&b);
}

static void hub_ws_text(void *ctx, struct str text)
{
    struct hub_stream *stream = ctx;
    struct buf b;
    buf_init(&b, 4096);
    buf_printf(&b, "loop=%u %.*s", loop_index(stream->lane->loop), STR_FMT(text));
    (void)!ws_send_text(stream->ws, buf_str(&b), WS_CONTROL);
    buf_fini(&b);
}

static void hub_ws_closed(void *ctx, unsigned code, struct str reason)
{
    (void)code;
    (void)reason;
    ((struct hub_stream *)ctx)->ws = NULL;
}

static void hub_upgrade(void *ctx, struct http_exchange *ex)
{
    static const struct ws_events events = {NULL, hub_ws_text, NULL, hub_ws_closed};
    struct hub_lane *lane = &hw.lanes[loop_index(http_loop(ex))];
    (void)ctx;
    struct hub_stream *stream = &lane->streams[lane->stream_count++ % STREAMS_MAX];
    lane->here++;
    stream->lane = lane;
    (void)!http_upgrade(ex, &(struct ws_opts){0}, NULL, &events, stream, &stream->ws);
}

static void *hub_run(void *ctx)
{
    loop_run(((struct hub_lane *)ctx)->loop);
    return NULL;
}

/* By turns. */
static unsigned hub_pick(void *ctx)
{
    (void)ctx;
    return atomic_fetch_add(&hw.picked, 1) % LOOPS;
}

static bool hub_open(struct tls_server *tls)
{
    static const struct http_route_opts owned = {.prefix = true, .owned = true};
    static const struct http_route_opts web = {.prefix = true, .owned = true, .websocket = true};
    static const struct http_route_opts placed = {.placed = true};
    struct err_detail detail;
    memset(&hw, 0, sizeof(hw));
    hw.tls = tls;
    hw.hub = http_hub_new(INSTANCE);
    hw.router = http_router_new();
    http_router_add(hw.router, NULL, "/of", &owned, tell, NULL);
    http_router_add(hw.router, "GET", "/ws", &web, hub_upgrade, NULL);
    http_router_add(hw.router, NULL, "/any", NULL, tell, NULL);
    http_router_add(hw.router, NULL, "/new", &placed, tell, NULL);
    http_hub_set_pick(hw.hub, hub_pick, NULL);
    for (unsigned i = 0; i < LOOPS; i++) {
        struct http_server_opts opts = {.host = "127.0.0.1",
                                        .port = hw.port,
                                        .tls = tls,
                                        .router = hw.router,
                                        .hub = hw.hub,
                                        .shared = i > 0};
        if (loop_open(&hw.lanes[i].loop, i) != OK ||
            http_server_open(&hw.lanes[i].server, hw.lanes[i].loop, &opts, &detail) != OK)
            return false;
        hw.port = http_server_port(hw.lanes[i].server);
    }
    for (unsigned i = 0; i < LOOPS; i++)
        if (pthread_create(&hw.lanes[i].thread, NULL, hub_run, &hw.lanes[i]) != 0)
            return false;
    return true;
}

static void hub_stopped(void *ctx)
{
    struct hub_lane *lane = ctx;
    lane->server = NULL;
    for (unsigned i = 0; i < STREAMS_MAX; i++)
        if (lane->streams[i].ws)
            ws_abort(lane->streams[i].ws);
    loop_stop(lane->loop);
}

static void hub_stop(void *ctx)
{
    struct hub_lane *lane = ctx;
    if (lane->server)
        http_server_close(lane->server, hub_stopped, lane);
    else
        loop_stop(lane->loop);
}

static bool hub_post(unsigned index, loop_fn *fn, void *ctx)
{
    while (loop_post(hw.lanes[index].loop, fn, ctx) != OK)
        sched_yield();
    return true;
}

static void hub_close(void)
{
    for (unsigned i = 0; i < LOOPS; i++)
        hub_post(i, hub_stop, &hw.lanes[i]);
    for (unsigned i = 0; i < LOOPS; i++)
        pthread_join(hw.lanes[i].thread, NULL);
    for (unsigned i = 0; i < LOOPS; i++)
        loop_close(hw.lanes[i].loop);
    http_router_free(hw.router);
    http_hub_free(hw.hub);
}

/* -- a client -- */

struct hub_client {
    int fd;
    SSL *ssl;
    SSL_CTX *tls;
    struct buf got;
};

static bool hub_connect(struct hub_client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(hw.port)};
    struct timeval limit = {.tv_sec = CLIENT_SECONDS};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    *c = (struct hub_client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    buf_init(&c->got, 16 << 20);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        return false;
    if (!hw.tls)
        return true;
    c->tls = SSL_CTX_new(TLS_client_method());
    c->ssl = SSL_new(c->tls);
    return SSL_set_fd(c->ssl, c->fd) == 1 && SSL_connect(c->ssl) == 1;
}

static bool hub_send(struct hub_client *c, struct str text)
{
    while (text.len) {
        size_t n = 0;
        if (c->ssl) {
            if (SSL_write_ex(c->ssl, text.p, text.len, &n) != 1)
                return false;
        } else {
            ssize_t sent = send(c->fd, text.p, text.len, MSG_NOSIGNAL);
            if (sent <= 0)
                return false;
            n = (size_t)sent;
        }
        text = str_slice(text, n, text.len);
    }
    return true;
}

/* Reads until `count` times `what` was received, or the end. */
static bool hub_wait(struct hub_client *c, const char *what, unsigned count)
{
    for (;;) {
        unsigned found = 0;
        for (size_t at = 0; (at = str_find(buf_str(&c->got), str_of(what), at)) != SIZE_MAX; at++)
            found++;
        if (found >= count)
            return true;
        char some[16384];
        size_t n = 0;
        if (c->ssl) {
            if (SSL_read_ex(c->ssl, some, sizeof(some), &n) != 1)
                return false;
        } else {
            ssize_t len = recv(c->fd, some, sizeof(some), 0);
            if (len <= 0)
                return false;
            n = (size_t)len;
        }
        buf_put(&c->got, some, n);
    }
}

static void hub_leave(struct hub_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->tls);
    close(c->fd);
    buf_fini(&c->got);
}

#endif
