/*
 * ws_echo.c - our WebSocket for peers that others wrote.
 *
 *   ws_echo server [CERT KEY]   prints "port N", echoes messages; GET /stop ends it
 *   ws_echo client URL [CA]     runs the script below against an echoing server, prints "ok"
 *
 * The peer understands the texts "cmd:...", see test.mjs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/ws.h"

enum { MESSAGE_MAX = 1 << 20, DEADLINE_MS = 20000 };

static const struct ws_opts limits = {.message_max = MESSAGE_MAX, .control_out_max = 8 << 20};

/* -- server -- */

struct server {
    struct loop *loop;
    struct http_server *http;
};

struct echo {
    struct ws *ws;
};

static void echo_text(void *ctx, struct str text)
{
    struct echo *e = ctx;
    if (ws_send_text(e->ws, text, WS_CONTROL) != OK)
        fprintf(stderr, "could not echo\n");
}

static void echo_binary(void *ctx, struct str data)
{
    struct echo *e = ctx;
    if (ws_send_binary(e->ws, data) != OK)
        fprintf(stderr, "could not echo\n");
}

static void echo_closed(void *ctx, unsigned code, struct str reason)
{
    printf("closed %u %.*s\n", code, (int)reason.len, reason.len ? reason.p : "");
    fflush(stdout);
    mem_free(ctx);
}

static const struct ws_events echo_events = {NULL, echo_text, echo_binary, echo_closed};

static void on_upgrade(void *ctx, struct http_exchange *ex)
{
    struct echo *e = mem_zalloc(sizeof(*e));
    struct str offered = http_header(ex, "Sec-WebSocket-Protocol");
    (void)ctx;
    const char *chosen = str_eq(offered, STR("echo")) ? "echo" : NULL;
    if (http_upgrade(ex, &limits, chosen, &echo_events, e, &e->ws) != OK)
        mem_free(e);
}

static void on_server_closed(void *ctx)
{
    struct server *s = ctx;
    loop_stop(s->loop);
}

static void stop(void *ctx)
{
    struct server *s = ctx;
    http_server_close(s->http, on_server_closed, s);
}

static void on_stop(void *ctx, struct http_exchange *ex)
{
    struct server *s = ctx;
    http_reply(ex, 200, "text/plain", STR("stopping\n"));
    loop_defer(s->loop, stop, s);
}

static int run_server(int argc, char **argv)
{
    struct server s = {0};
    struct err_detail why = {{0}};
    struct http_server_opts opts = {.host = "127.0.0.1"};
    struct http_route_opts upgrade = {.websocket = true};
    struct http_router *router = http_router_new();
    if (argc == 4 && tls_server_open(&opts.tls, argv[2], argv[3], &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    http_router_add(router, "GET", "/echo", &upgrade, on_upgrade, NULL);
    http_router_add(router, "GET", "/stop", NULL, on_stop, &s);
    opts.router = router;
    if (loop_open(&s.loop, 0) != OK || http_server_open(&s.http, s.loop, &opts, &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    printf("port %u\n", http_server_port(s.http));
    fflush(stdout);
    loop_run(s.loop);
    loop_close(s.loop);
    http_router_free(router);
    tls_server_close(opts.tls);
    return 0;
}

/* -- client -- */

/* One connection: sends `send` and expects `expect` back, then the close. */
struct step {
    const char *path;
    const char *say;    /* NULL = nothing */
    const char *expect; /* text that must come; NULL = none */
    bool close;         /* we close with 1000 "done" once it came */
    unsigned code;
    const char *reason;
};

static const struct step script[] = {
    {"/echo", "plain", "plain", true, 1000, ""},
    {"/echo", "cmd:fragments", "one two three", true, 1000, ""},
    {"/echo", "cmd:ping abc", "pong abc", true, 1000, ""},
    {"/echo", "cmd:close 4001 so long", NULL, false, 4001, "so long"},
    {"/echo", "cmd:close 1001", NULL, false, 1001, ""},
    {"/echo", "cmd:close", NULL, false, 1005, ""},
    {"/echo", "cmd:toolarge", NULL, false, 1009, "message too large"},
    {"/echo", "cmd:terminate", NULL, false, 1006, NULL},
    {"/refuse", NULL, NULL, false, 1006, "HTTP 401"},
};
enum { STEPS = sizeof(script) / sizeof(script[0]) };

static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, MESSAGE_MAX};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct client {
    struct loop *loop;
    struct tls_client *tls;
    const char *base; /* scheme and authority */
    struct ws *ws;
    size_t step;   /* of script; STEPS = the sizes */
    size_t echoes; /* each size twice: text, then binary */
    bool expected, failed;
    char *data;
};

static void complain(struct client *c, const char *what, struct str got)
{
    fprintf(stderr, "step %zu, echo %zu: %s: %.*s\n", c->step, c->echoes, what,
            (int)(got.len < 200 ? got.len : 200), got.len ? got.p : "");
    c->failed = true;
    ws_abort(c->ws);
}

static void send_size(struct client *c)
{
    struct str s = str_n(c->data, sizes[c->echoes / 2]);
    enum err err = c->echoes % 2 ? ws_send_binary(c->ws, s) : ws_send_text(c->ws, s, WS_CONTROL);
    if (err != OK)
        complain(c, "could not send", STR_NONE);
}

static void take_size(struct client *c, struct str got)
{
    if (!str_eq(got, str_n(c->data, sizes[c->echoes / 2]))) {
        complain(c, "wrong echo", got);
    } else if (++c->echoes < 2 * SIZES) {
        send_size(c);
    } else {
        c->expected = true;
        ws_close(c->ws, 1000, STR("done"));
    }
}

static void client_open(void *ctx)
{
    struct client *c = ctx;
    if (c->step == STEPS)
        send_size(c);
    else if (ws_send_text(c->ws, str_of(script[c->step].say), WS_CONTROL) != OK)
        complain(c, "could not send", STR_NONE);
}

static void client_text(void *ctx, struct str text)
{
    struct client *c = ctx;
    if (c->step == STEPS) {
        if (c->echoes % 2)
            complain(c, "text for binary", text);
        else
            take_size(c, text);
        return;
    }
    const struct step *s = &script[c->step];
    if (!s->expect || !str_eq(text, str_of(s->expect))) {
        complain(c, "unexpected text", text);
        return;
    }
    c->expected = true;
    if (s->close)
        ws_close(c->ws, 1000, STR_NONE);
}

static void client_binary(void *ctx, struct str data)
{
    struct client *c = ctx;
    if (c->step == STEPS && c->echoes % 2)
        take_size(c, data);
    else
        complain(c, "unexpected binary", data);
}

static void connect_step(void *ctx);

static void client_closed(void *ctx, unsigned code, struct str reason)
{
    struct client *c = ctx;
    const struct step sizes_step = {"/echo", NULL, "", true, 1000, "done"};
    const struct step *s = c->step == STEPS ? &sizes_step : &script[c->step];
    bool reason_ok = !s->reason || c->step == STEPS || str_eq(reason, str_of(s->reason));
    if (code != s->code || !reason_ok || (s->expect && !c->expected)) {
        fprintf(stderr, "step %zu: closed with %u: %.*s\n", c->step, code, (int)reason.len,
                reason.len ? reason.p : "");
        c->failed = true;
    }
    if (c->failed || c->step == STEPS) {
        loop_stop(c->loop);
        return;
    }
    c->step++;
    connect_step(c);
}

static const struct ws_events client_events = {client_open, client_text, client_binary,
                                               client_closed};

static void connect_step(void *ctx)
{
    struct client *c = ctx;
    char url[200];
    struct err_detail why = {{0}};
    int n = snprintf(url, sizeof(url), "%s%s", c->base,
                     c->step == STEPS ? "/echo" : script[c->step].path);
    struct ws_connect_opts opts = {
        .url = str_n(url, (size_t)n),
        .headers = STR("Authorization: Bearer test\r\n"),
        .subprotocols = STR("echo"),
        .tls = c->tls,
        .limits = limits,
    };
    c->expected = false;
    if (ws_connect(c->loop, &opts, &client_events, c, &c->ws, &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        c->failed = true;
        loop_stop(c->loop);
    }
}

static void on_deadline(void *ctx)
{
    struct client *c = ctx;
    fprintf(stderr, "step %zu, echo %zu: took too long\n", c->step, c->echoes);
    exit(1);
}

static int run_client(int argc, char **argv)
{
    struct client c = {.base = argv[2]};
    struct err_detail why = {{0}};
    if (argc == 4 && tls_client_open(&c.tls, argv[3], &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    if (loop_open(&c.loop, 0) != OK)
        return 1;
    c.data = mem_alloc(MESSAGE_MAX);
    for (size_t i = 0; i < MESSAGE_MAX; i++)
        c.data[i] = (char)(' ' + i % 95);
    struct loop_timer *deadline = loop_timer_new(c.loop, on_deadline, &c);
    loop_timer_set(deadline, DEADLINE_MS);
    connect_step(&c);
    loop_run(c.loop);
    loop_timer_free(deadline);
    loop_close(c.loop);
    tls_client_close(c.tls);
    mem_free(c.data);
    if (!c.failed)
        puts("ok");
    return c.failed;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "server") == 0)
        return run_server(argc, argv);
    if (argc >= 3 && strcmp(argv[1], "client") == 0)
        return run_client(argc, argv);
    fprintf(stderr, "usage: ws_echo server [CERT KEY] | client URL [CA]\n");
    return 2;
}
