/*
 * ws_env.h - a loop, a listener and the ends of a WebSocket for the tests of ws.c. Include it
 * behind harness/test.h.
 */
#ifndef TEST_WS_ENV_H
#define TEST_WS_ENV_H

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/conn.h"
#include "net/ws.h"
#include "net/ws_accept.h"
#include "net/ws_frame.h"
#include "net/ws_handshake.h"

enum { PATIENCE_MS = 5000 }; /* a test that takes this long has failed */

struct end {
    struct env *env;
    struct ws *ws;
    bool open, closed;
    unsigned code;
    char reason[160];
    struct buf got; /* texts as "text|", binaries as "#data|" */
    bool echo, close_at_text, abort_at_text;
    size_t stop_at; /* stops the loop once `got` is this long */
};

/* One loop, one listener; a connection to it becomes `server`, or `raw` when raw_server is set. */
struct env {
    struct loop *loop;
    struct loop_timer *watchdog;
    bool late;
    int listen_fd;
    uv_poll_t listener;
    uint16_t port;
    struct ws_opts server_opts;
    int closes, closes_wanted; /* of all ends; stops the loop */
    struct end server, client;

    struct conn *accepted; /* until its request is whole */
    struct buf request;
    bool raw_server;
    struct str raw_answer; /* what a raw server sends once the request is there */
    struct conn *raw;      /* a raw client or server */
    struct str raw_says;   /* a raw client sends this as it connects */
    struct buf raw_got;
    bool raw_closed;
};

static inline void end_closed(struct env *e)
{
    if (++e->closes >= e->closes_wanted)
        loop_stop(e->loop);
}

static inline void on_open(void *ctx)
{
    struct end *x = ctx;
    x->open = true;
}

static inline void on_text(void *ctx, struct str text)
{
    struct end *x = ctx;
    buf_put_str(&x->got, text);
    buf_put_byte(&x->got, '|');
    if (x->echo && ws_send_text(x->ws, text, WS_CONTROL) != OK)
        buf_put_str(&x->got, STR("!echo"));
    if (x->close_at_text)
        ws_close(x->ws, 1000, STR("enough"));
    if (x->abort_at_text)
        ws_abort(x->ws);
    if (x->got.len >= x->stop_at)
        loop_stop(x->env->loop);
}

static inline void on_binary(void *ctx, struct str data)
{
    struct end *x = ctx;
    buf_put_byte(&x->got, '#');
    buf_put_str(&x->got, data);
    buf_put_byte(&x->got, '|');
    if (x->echo && ws_send_binary(x->ws, data) != OK)
        buf_put_str(&x->got, STR("!echo"));
}

static inline void on_closed(void *ctx, unsigned code, struct str reason)
{
    struct end *x = ctx;
    if (x->closed)
        buf_put_str(&x->got, STR("!closed twice"));
    x->closed = true;
    x->code = code;
    (void)str_copy(x->reason, sizeof(x->reason), reason);
    ws_close(x->ws, 1000, STR_NONE); /* harmless, like all of these */
    ws_abort(x->ws);
    if (ws_send_text(x->ws, STR("late"), WS_CONTROL) != ERR_CLOSED)
        buf_put_str(&x->got, STR("!sent after the end"));
    end_closed(x->env);
}

static const struct ws_events events = {on_open, on_text, on_binary, on_closed};
static const struct ws_events text_only = {on_open, on_text, NULL, on_closed};

static inline void raw_open(void *ctx)
{
    struct env *e = ctx;
    if (conn_write(e->raw, e->raw_says.p, e->raw_says.len) != OK)
        conn_close(e->raw);
}

static inline void raw_data(void *ctx, uint8_t *p, size_t len)
{
    struct env *e = ctx;
    buf_put(&e->raw_got, p, len);
    if (e->raw_answer.p && str_find(buf_str(&e->raw_got), STR("\r\n\r\n"), 0) != SIZE_MAX) {
        if (conn_write(e->raw, e->raw_answer.p, e->raw_answer.len) != OK)
            conn_close(e->raw);
        e->raw_answer = STR_NONE;
    }
}

static inline void raw_end(void *ctx, enum err why)
{
    struct env *e = ctx;
    (void)why;
    e->raw_closed = true;
    end_closed(e);
}

static const struct conn_events raw_client = {raw_open, raw_data, NULL, raw_end};

static inline void accepted_open(void *ctx)
{
    (void)ctx;
}

static const struct conn_events raw_server = {accepted_open, raw_data, NULL, raw_end};

static inline void accepted_data(void *ctx, uint8_t *p, size_t len)
{
    struct env *e = ctx;
    buf_put(&e->request, p, len);
    struct str head = buf_str(&e->request);
    size_t head_end = str_find(head, STR("\r\n\r\n"), 0);
    if (head_end == SIZE_MAX)
        return;
    size_t key = str_find(head, STR("Sec-WebSocket-Key: "), 0);
    enum err err = ws_accept(e->accepted, str_slice(head, key + 19, key + 19 + WS_KEY_CHARS), NULL,
                             &e->server_opts, &events, &e->server,
                             str_slice(head, head_end + 4, head.len), &e->server.ws);
    e->server.open = err == OK && e->server.got.len == 0; /* nothing from inside ws_accept */
    e->accepted = NULL;
    buf_reset(&e->request);
}

static inline void accepted_closed(void *ctx, enum err why)
{
    (void)ctx;
    (void)why;
}

static const struct conn_events accepting = {accepted_open, accepted_data, NULL, accepted_closed};

static inline void on_listener(uv_poll_t *handle, int status, int what)
{
    struct env *e = handle->data;
    (void)status;
    (void)what;
    int fd = accept4(e->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct conn **slot = e->raw_server ? &e->raw : &e->accepted;
    if (conn_accept(e->loop, fd, NULL, 0, e->raw_server ? &raw_server : &accepting, e, slot) != OK)
        e->late = true;
}

static inline void on_watchdog(void *ctx)
{
    struct env *e = ctx;
    e->late = true;
    loop_stop(e->loop);
}

static inline void end_init(struct env *e, struct end *x)
{
    x->env = e;
    buf_init(&x->got, 8 << 20);
    x->stop_at = SIZE_MAX;
}

static inline struct env *env_new(void)
{
    struct env *e = calloc(1, sizeof(*e));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    if (!e || loop_open(&e->loop, 0) != OK)
        abort();
    rng_init_seeded(loop_rng(e->loop), 1);
    e->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(e->listen_fd, (struct sockaddr *)&a, sizeof(a)) || listen(e->listen_fd, 8) ||
        getsockname(e->listen_fd, (struct sockaddr *)&a, &len))
        abort();
    e->port = ntohs(a.sin_port);
    uv_poll_init(loop_uv(e->loop), &e->listener, e->listen_fd);
    e->listener.data = e;
    uv_poll_start(&e->listener, UV_READABLE, on_listener);
    e->watchdog = loop_timer_new(e->loop, on_watchdog, e);
    end_init(e, &e->server);
    end_init(e, &e->client);
    buf_init(&e->request, 1 << 20);
    buf_init(&e->raw_got, 8 << 20);
    return e;
}

static inline void env_free(struct env *e)
{
    uv_close((uv_handle_t *)&e->listener, NULL);
    loop_timer_free(e->watchdog);
    loop_close(e->loop);
    close(e->listen_fd);
    buf_fini(&e->server.got);
    buf_fini(&e->client.got);
    buf_fini(&e->request);
    buf_fini(&e->raw_got);
    free(e);
}

/* Until this many ends have closed in all, or something stops the loop. */
static inline void run(struct env *e, int closes)
{
    e->closes_wanted = closes;
    if (e->closes >= closes)
        return;
    loop_timer_set(e->watchdog, PATIENCE_MS);
    loop_run(e->loop);
    loop_timer_cancel(e->watchdog);
}

/* Until this end has got so much. */
static inline void run_until_got(struct env *e, struct end *x, size_t len)
{
    x->stop_at = len;
    if (x->got.len < len)
        run(e, INT_MAX);
    x->stop_at = SIZE_MAX;
}

static inline enum err connect_client(struct env *e, struct ws_connect_opts opts)
{
    char url[64];
    int n = snprintf(url, sizeof(url), "ws://127.0.0.1:%u/path?x=1", e->port);
    opts.url = str_n(url, (size_t)n);
    return ws_connect(e->loop, &opts, &events, &e->client, &e->client.ws, NULL);
}

static inline enum err connect_raw(struct env *e, struct str says)
{
    struct conn_opts opts = {.host = STR("127.0.0.1"), .port = e->port};
    e->raw_says = says;
    return conn_connect(e->loop, &opts, &raw_client, e, &e->raw);
}

static inline void say_hello(void *ctx)
{
    struct end *x = ctx;
    x->open = true;
    if (ws_send_text(x->ws, STR("hello"), WS_CONTROL) != OK)
        ws_abort(x->ws);
}
static const struct ws_events greeting = {say_hello, on_text, on_binary, on_closed};

/* A client that is open and has said "hello" to the server. */
static inline enum err connect_open(struct env *e, const struct ws_opts *limits)
{
    char url[64];
    int n = snprintf(url, sizeof(url), "ws://127.0.0.1:%u", e->port);
    struct ws_connect_opts opts = {.url = str_n(url, (size_t)n)};
    if (limits)
        opts.limits = *limits;
    enum err err = ws_connect(e->loop, &opts, &greeting, &e->client, &e->client.ws, NULL);
    if (err == OK)
        run_until_got(e, &e->server, 1);
    return err;
}

#define CHECK_GOT(want, buffer)                                                                  \
    do {                                                                                         \
        struct str got_ = buf_str(buffer);                                                       \
        if (!str_eq(STR(want), got_))                                                            \
            fprintf(stderr, "want %s, got %.*s\n", want, (int)(got_.len < 300 ? got_.len : 300), \
                    got_.len ? got_.p : "");                                                     \
        CHECK(str_eq(STR(want), got_));                                                          \
    } while (0)

#define CHECK_CLOSED(end, want_code, want_reason)          \
    do {                                                   \
        CHECK((end).closed);                               \
        CHECK_INT(want_code, (end).code);                  \
        if (strcmp((end).reason, want_reason))             \
            fprintf(stderr, "reason: %s\n", (end).reason); \
        CHECK(strcmp((end).reason, want_reason) == 0);     \
    } while (0)

#define REQUEST                                            \
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"  \
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ANSWER                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" \
    "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define MASK0 "\0\0\0\0" /* masked with zeros: readable */

#endif
