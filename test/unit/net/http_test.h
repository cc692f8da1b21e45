/*
 * http_test.h - a server with routes of every kind and a client that sends bytes as they are.
 *
 * Include it once per test program, after harness/test.h.
 */
#ifndef HTTP_TEST_H
#define HTTP_TEST_H

#include "base/buf.h"
#include "base/limits.h"
#include "net/conn.h"
#include "net/http.h"
#include "unit/net/net_test.h"

enum { GOT_BYTES_MAX = 64 << 20, LARGE = 3000000, MIDDLE = 65536 };

/* A server and what its handlers saw. */
static struct {
    struct loop *loop;
    struct http_router *router;
    struct http_server *server;
    struct http_exchange *held[8];
    size_t held_count;
    int calls, gone, closed;
    struct ws *ws;
    enum err upgrade;
    char ws_text[64];
    int ws_closed;
    struct str large;
} t;

static void hello(void *ctx, struct http_exchange *ex)
{
    t.calls++;
    http_reply(ex, 200, ctx, STR("hello"));
}

static void echo(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    t.calls++;
    if (http_header(ex, "X-Break").p)
        http_reply_header(ex, "X-Bad", "a\r\nX-Injected: 1");
    http_reply_header(ex, "X-Path", "yes");
    http_reply(ex, 200, "text/plain", http_body(ex));
}

static void facts(void *ctx, struct http_exchange *ex)
{
    struct buf b;
    (void)ctx;
    buf_init(&b, 4096);
    struct str ua = http_header(ex, "USER-agent"), none = http_header(ex, "X-None");
    buf_printf(&b, "[%.*s|%.*s|%.*s|%.*s|%.*s|%d|%s]", STR_FMT(http_method(ex)),
               STR_FMT(http_target(ex)), STR_FMT(http_path(ex)), STR_FMT(http_query(ex)),
               STR_FMT(ua), none.p == NULL, http_peer(ex));
    http_reply(ex, 200, "text/plain", buf_str(&b));
    buf_fini(&b);
}

static void nothing(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    http_reply(ex, 204, "text/plain", STR(""));
}

static void large(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    t.calls++;
    http_reply(ex, 200, "application/octet-stream", t.large);
}

static void middle(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    t.calls++;
    http_reply(ex, 200, "application/octet-stream", str_slice(t.large, 0, MIDDLE));
}

static void hold(void *ctx, struct http_exchange *ex)
{
    void (*then)(void) = NULL;
    t.calls++;
    t.held[t.held_count++] = ex;
    if (ctx) {
        memcpy(&then, ctx, sizeof(then));
        then();
    }
}

static void ws_text(void *ctx, struct str text)
{
    (void)ctx;
    (void)str_copy(t.ws_text, sizeof(t.ws_text), text);
    ws_close(t.ws, 1000, STR("bye"));
}

static void ws_closed(void *ctx, unsigned code, struct str reason)
{
    (void)ctx;
    (void)code;
    (void)reason;
    t.ws_closed++;
}

static void upgrade(void *ctx, struct http_exchange *ex)
{
    static const struct ws_events events = {NULL, ws_text, NULL, ws_closed};
    t.upgrade = http_upgrade(ex, &(struct ws_opts){0}, ctx, &events, NULL, &t.ws);
}

static bool setup(struct http_server_opts opts)
{
    static char *bytes;
    struct err_detail detail;
    memset(&t, 0, sizeof(t));
    bytes = mem_alloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 31 + i / 257);
    t.large = str_n(bytes, LARGE);
    if (loop_open(&t.loop, 0) != OK)
        return false;
    t.router = http_router_new();
    static const struct http_route_opts small = {.body_max = 64}, below = {.prefix = true},
                                        web = {.websocket = true};
    http_router_add(t.router, "GET", "/hello", NULL, hello, (void *)(uintptr_t) "text/plain");
    http_router_add(t.router, "POST", "/hello", NULL, echo, NULL);
    http_router_add(t.router, "POST", "/echo", NULL, echo, NULL);
    http_router_add(t.router, "PUT", "/small", &small, echo, NULL);
    http_router_add(t.router, NULL, "/facts", &below, facts, NULL);
    http_router_add(t.router, "GET", "/nothing", NULL, nothing, NULL);
    http_router_add(t.router, "GET", "/hold", NULL, hold, NULL);
    http_router_add(t.router, "GET", "/large", NULL, large, NULL);
    http_router_add(t.router, "GET", "/middle", NULL, middle, NULL);
    http_router_add(t.router, "GET", "/ws", &web, upgrade, NULL);
    http_router_add(t.router, "GET", "/maybe-ws", NULL, upgrade, (void *)(uintptr_t) "chat");
    opts.host = "127.0.0.1";
    opts.router = t.router;
    return http_server_open(&t.server, t.loop, &opts, &detail) == OK;
}

static void server_closed(void *ctx)
{
    (void)ctx;
    t.closed++;
    loop_stop(t.loop);
}

static bool teardown(void)
{
    http_server_close(t.server, server_closed, NULL);
    bool ok = net_test_run(t.loop);
    loop_close(t.loop);
    http_router_free(t.router);
    mem_free((void *)(uintptr_t)t.large.p);
    return ok && t.closed == 1;
}

/* -- a client that sends bytes and keeps what comes -- */

struct client {
    struct conn *conn;
    struct buf got;
    struct str left; /* to send, `step` bytes a turn */
    size_t step;
    const char *stop_at; /* stops the loop when this was received; NULL = at the end */
    int closed;
    enum err why;
};

static void send_step(void *ctx)
{
    struct client *c = ctx;
    size_t n = c->step && c->step < c->left.len ? c->step : c->left.len;
    if (c->closed || n == 0 || conn_write(c->conn, c->left.p, n) != OK)
        return;
    c->left = str_slice(c->left, n, c->left.len);
    if (c->left.len)
        loop_defer(t.loop, send_step, c);
}

static void client_data(void *ctx, uint8_t *p, size_t len)
{
    struct client *c = ctx;
    buf_put(&c->got, p, len);
    if (c->stop_at && str_find(buf_str(&c->got), str_of(c->stop_at), 0) != SIZE_MAX)
        loop_stop(t.loop);
}

static void client_closed(void *ctx, enum err why)
{
    struct client *c = ctx;
    c->closed++;
    c->why = why;
    loop_stop(t.loop);
}

static bool client_start(struct client *c, struct str text, size_t step, const char *stop_at)
{
    static const struct conn_events events = {send_step, client_data, NULL, client_closed};
    *c = (struct client){.left = text, .step = step, .stop_at = stop_at};
    buf_init(&c->got, GOT_BYTES_MAX);
    struct conn_opts o = {.host = STR("127.0.0.1"), .port = http_server_port(t.server)};
    return conn_connect(t.loop, &o, &events, c, &c->conn) == OK;
}

static void client_end(struct client *c)
{
    if (!c->closed) {
        conn_close(c->conn);
        (void)net_test_run(t.loop);
    }
    buf_fini(&c->got);
}

/* Sends, waits for the end of the connection, and gives the answer with its Date blanked out. */
static inline const char *ask_in_steps(struct client *c, struct str text, size_t step)
{
    if (!client_start(c, text, step, NULL) || !net_test_run(t.loop) || !c->closed)
        return "(no answer)";
    size_t at = 0;
    while ((at = str_find(buf_str(&c->got), STR("Date: "), at)) != SIZE_MAX) {
        if (c->got.len >= at + 35)
            memset(c->got.p + at + 6, '-', 29);
        at += 6;
    }
    return buf_cstr(&c->got);
}

static inline const char *ask(struct client *c, const char *text)
{
    return ask_in_steps(c, str_of(text), 0);
}

static int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : -1;
}

static inline const char *body_of(const char *answer)
{
    const char *p = strstr(answer, "\r\n\r\n");
    return p ? p + 4 : "(no body)";
}

#endif
