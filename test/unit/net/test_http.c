/* The HTTP server on loopback: right answers now or later, bounds, times, and peers that vanish. */
#include "harness/test.h"

#include <pthread.h>
#include <sys/resource.h>

#include "unit/net/http_test.h"

TEST(an_answer_is_complete_to_the_byte)
{
    struct client c;
    CHECK(setup((struct http_server_opts){0}));
    const char *got = ask(&c, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(strcmp(got, "HTTP/1.1 200 OK\r\nDate: -----------------------------\r\n"
                      "Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
                      "hello") == 0);
    CHECK_INT(OK, c.why);
    client_end(&c);
    CHECK(teardown());
}

TEST(head_and_no_content_carry_no_body)
{
    struct client c;
    CHECK(setup((struct http_server_opts){0}));
    const char *got = ask(&c, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                              "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const char *second = body_of(got);
    CHECK(strstr(got, "Content-Length: 5\r\n") && strstr(got, "keep-alive"));
    CHECK_INT(204, status_of(second));
    CHECK(!strstr(second, "Content-Length") && !strstr(second, "Content-Type"));
    CHECK_INT(0, strlen(body_of(second)));
    client_end(&c);
    CHECK(teardown());
}

TEST(handlers_see_the_request_as_it_was_sent)
{
    struct client c;
    CHECK(setup((struct http_server_opts){0}));
    const char *got =
        ask(&c, "GET /facts/b%20c?d=e&f HTTP/1.1\r\nHost: a\r\nUser-Agent:  x y \t\r\n"
                "Empty:\r\n\r\n"
                "DELETE http://a:80/facts?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(strstr(got, "[GET|/facts/b%20c?d=e&f|/facts/b%20c|d=e&f|x y|1|127.0.0.1]"));
    CHECK(strstr(got, "[DELETE|http://a:80/facts?q|/facts|q||1|127.0.0.1]"));
    client_end(&c);
    got = ask(&c, "GET /facts HTTP/1.0\r\n\r\n"); /* closes by itself, needs no Host */
    CHECK(strstr(got, "[GET|/facts|/facts|||1|127.0.0.1]"));
    client_end(&c);
    CHECK(teardown());
}

TEST(routes_are_told_apart)
{
    static const struct {
        const char *line;
        int status;
        const char *holds;
    } cases[] = {
        {"GET /none", 404, "\"status\":404"},
        {"GET /factsx", 404, "\"error\":\"There is nothing at this address.\""},
        {"GET /hello/", 404, ""},
        {"PUT /hello", 405, "Allow: GET, HEAD, POST\r\n"},
        {"GET /small", 405, "Allow: PUT\r\n"},
        {"OPTIONS *", 404, ""},
        {"GET /ws", 426, "Sec-WebSocket-Version: 13\r\n"},
        {"GET /maybe-ws", 426, "Sec-WebSocket-Version: 13\r\n"},
        {"POST /hello", 200, "X-Path: yes\r\n"},
    };
    CHECK(setup((struct http_server_opts){0}));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        struct client c;
        snprintf(text, sizeof(text),
                 "%s HTTP/1.1\r\nHost: a\r\nX-Break: 1\r\nConnection: close\r\n\r\n",
                 cases[i].line);
        const char *got = ask(&c, text);
        CHECK_INT(cases[i].status, status_of(got));
        CHECK(strstr(got, cases[i].holds));
        CHECK(!strstr(got, "Injected"));
        client_end(&c);
    }
    CHECK(teardown());
}

/* -- answers that come later -- */

static void stop_when_held(void *ctx)
{
    if (t.held_count)
        loop_stop(t.loop);
    else
        loop_defer(t.loop, stop_when_held, ctx);
}

/* Runs until a handler holds an exchange. */
static bool run_until_held(void)
{
    loop_defer(t.loop, stop_when_held, NULL);
    return net_test_run(t.loop) && t.held_count;
}

TEST(pipelined_requests_are_handled_one_at_a_time_and_answered_in_order)
{
    struct client c;
    CHECK(setup((struct http_server_opts){0}));
    CHECK(client_start(&c,
                       STR("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
                           "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                           "GET /hold HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
                       0, NULL));
    CHECK(run_until_held());
    CHECK_INT(1, t.calls); /* the second waits */
    t.held_count = 0;
    http_reply(t.held[0], 200, "text/plain", STR("one"));
    CHECK_INT(1, t.calls); /* and is not started from inside the answer */
    CHECK(run_until_held());
    CHECK_INT(3, t.calls);
    http_reply_problem(t.held[0], 409, NULL, "three \"quoted\"");
    CHECK(net_test_run(t.loop));
    const char *got = buf_cstr(&c.got), *one = strstr(got, "one");
    const char *two = one ? strstr(one, "hello") : NULL;
    const char *three = two ? strstr(two, "HTTP/1.1 409 Conflict\r\n") : NULL;
    CHECK(three && strstr(three, "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
                                 "\"detail\":\"three \\\"quoted\\\"\",\"error\":\"three "
                                 "\\\"quoted\\\"\"}"));
    client_end(&c);
    CHECK(teardown());
}

static void on_gone(void *ctx)
{
    t.gone++;
    t.gone += !str_eq(http_path(ctx), STR("/hold")); /* still readable */
    loop_stop(t.loop);
}

TEST(a_peer_that_vanishes_is_reported_once_or_swallows_the_answer)
{
    struct client c;
    CHECK(setup((struct http_server_opts){0}));
    struct str text = STR("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(client_start(&c, text, 0, NULL)); /* reported */
    CHECK(run_until_held());
    http_on_gone(t.held[0], on_gone, t.held[0]);
    conn_close(c.conn);
    while (t.gone == 0)
        CHECK(net_test_run(t.loop));
    client_end(&c);

    for (int asked_late = 0; asked_late < 3; asked_late++) {
        t.held_count = 0;
        CHECK(client_start(&c, text, 0, NULL));
        CHECK(run_until_held());
        client_end(&c);
        while (http_server_connections(t.server))
            uv_run(loop_uv(t.loop), UV_RUN_ONCE);
        if (asked_late)
            http_on_gone(t.held[0], on_gone, t.held[0]); /* too late: from the loop */
        if (asked_late == 2)
            CHECK(net_test_run(t.loop));
        else
            http_reply(t.held[0], 200, "text/plain", STR("nobody"));
    }
    CHECK_INT(2, t.gone);
    CHECK(teardown());
}

TEST(closing_the_server_ends_what_is_open)
{
    struct client c, idle;
    CHECK(setup((struct http_server_opts){0}));
    CHECK(client_start(&idle, STR("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 0, "hello"));
    CHECK(net_test_run(t.loop));
    CHECK(client_start(&c, STR("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"), 0, NULL));
    CHECK(run_until_held());
    CHECK_INT(2, http_server_connections(t.server));
    http_on_gone(t.held[0], on_gone, t.held[0]);
    http_server_close(t.server, server_closed, NULL);
    CHECK_INT(0, t.closed + t.gone);
    while (!t.closed || !c.closed || !idle.closed)
        CHECK(net_test_run(t.loop));
    CHECK_INT(1, t.gone);
    client_end(&c);
    client_end(&idle);
    loop_close(t.loop);
    http_router_free(t.router);
    mem_free((void *)(uintptr_t)t.large.p);
}

/* -- times and numbers -- */

TEST(slow_heads_and_bodies_are_told_and_idle_connections_closed)
{
    struct client c;
    CHECK(setup((struct http_server_opts){
        .head_timeout_ms = 20, .body_timeout_ms = 20, .idle_timeout_ms = 20}));
    CHECK_INT(408, status_of(ask(&c, "GET /hello HT")));
    client_end(&c);
    CHECK_INT(408,
              status_of(ask(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")));
    client_end(&c);
    CHECK_INT(-1, status_of(ask(&c, ""))); /* connected and never spoke */
    client_end(&c);
    const char *got = ask(&c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"); /* kept alive, then idle */
    CHECK_INT(200, status_of(got));
    CHECK(strcmp(body_of(got), "hello") == 0);
    CHECK_INT(OK, c.why);
    client_end(&c);
    CHECK(teardown());
}

TEST(running_out_of_descriptors_is_survived)
{
    struct client c;
    struct rlimit before, low;
    CHECK(setup((struct http_server_opts){0}));
    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &before));
    int next = dup(0);
    CHECK(next >= 0);
    close(next);
    low = before;
    low.rlim_cur = (rlim_t)next + 1; /* one for the client, none for the server */
    CHECK(client_start(&c, STR("GET /hello HTTP/1.0\r\n\r\n"), 0, NULL));
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &low));
    for (int i = 0; i < 10; i++)
        uv_run(loop_uv(t.loop), UV_RUN_NOWAIT);
    int calls = t.calls, closed = c.closed;
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &before));
    CHECK_INT(0, calls + closed);
    CHECK(net_test_run(t.loop));
    CHECK_INT(200, status_of(buf_cstr(&c.got)));
    client_end(&c);
    CHECK(teardown());
}

static void client_resume(void *ctx)
{
    struct client *c = ctx;
    conn_pause_reading(c->conn, false);
    loop_stop(t.loop);
}

TEST(a_client_that_does_not_read_is_not_served_ahead_and_gets_all_in_the_end)
{
    enum { REQUESTS = 400 };
    struct client c;
    struct buf b;
    CHECK(setup((struct http_server_opts){0}));
    buf_init(&b, 1 << 20);
    for (int i = 1; i <= REQUESTS; i++)
        buf_printf(&b, "GET /middle HTTP/1.1\r\nHost: a\r\n%s\r\n",
                   i == REQUESTS ? "Connection: close\r\n"
                                 : "Filler: 123456789012345678901234\r\n");
    CHECK(client_start(&c, buf_str(&b), 0, NULL));
    conn_pause_reading(c.conn, true);
    struct loop_timer *timer = loop_timer_new(t.loop, client_resume, &c);
    loop_timer_set(timer, 100);
    CHECK(net_test_run(t.loop));
    loop_timer_free(timer);
    CHECK(t.calls > 0 && t.calls < REQUESTS / 2); /* 25 MB of answers do not pile up */
    CHECK(net_test_run(t.loop));
    CHECK_INT(REQUESTS, t.calls);
    CHECK(c.got.len > (size_t)REQUESTS * MIDDLE);
    CHECK_INT(0, memcmp(c.got.p + c.got.len - MIDDLE, t.large.p, MIDDLE));
    client_end(&c);
    buf_fini(&b);
    CHECK(teardown());
}

/* -- a foreign client -- */

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

/* Runs curl while the loop runs on a thread of its own; false unless it prints `want`. */
static bool curl_prints(const char *args, const char *want)
{
    char command[700], got[512] = "";
    pthread_t thread;
    snprintf(command, sizeof(command), "curl -sS --max-time 10 %s 2>&1", args);
    if (pthread_create(&thread, NULL, run_loop, t.loop) != 0)
        return false;
    FILE *f = popen(command, "r");
    size_t n = f ? fread(got, 1, sizeof(got) - 1, f) : 0;
    if (f)
        pclose(f);
    got[n] = '\0';
    loop_stop(t.loop);
    pthread_join(thread, NULL);
    if (strcmp(got, want) != 0)
        fprintf(stderr, "%s\n  got  %s\n  want %s\n", command, got, want);
    return strcmp(got, want) == 0;
}

TEST(curl_agrees_over_plain_and_tls)
{
    struct err_detail detail;
    struct net_test_cert cert;
    struct tls_server *tls;
    char args[600];
    CHECK(net_test_cert_write(&cert, "DNS:localhost"));
    CHECK_INT(OK, tls_server_open(&tls, cert.cert, cert.key, &detail));
    for (int secure = 0; secure < 2; secure++) {
        CHECK(setup((struct http_server_opts){.tls = secure ? tls : NULL}));
        char url[200];
        snprintf(url, sizeof(url), "--cacert %s --resolve localhost:%u:127.0.0.1 %s://localhost:%u",
                 cert.cert, http_server_port(t.server), secure ? "https" : "http",
                 http_server_port(t.server));
        snprintf(args, sizeof(args), "%s/hello", url);
        CHECK(curl_prints(args, "hello"));
        /* Above 1 MB curl asks for permission first; the answer to the second is a HEAD's. */
        snprintf(args, sizeof(args),
                 "%s/echo -H 'Expect: 100-continue' --data-binary @%s -o /dev/null -w "
                 "'%%{http_code} %%{size_upload} %%{size_download}'",
                 url, cert.key);
        struct buf want;
        buf_init(&want, 128);
        FILE *f = fopen(cert.key, "r");
        CHECK(f);
        CHECK_INT(0, fseek(f, 0, SEEK_END));
        buf_printf(&want, "200 %ld %ld", ftell(f), ftell(f));
        fclose(f);
        CHECK(curl_prints(args, buf_cstr(&want)));
        buf_fini(&want);
        snprintf(args, sizeof(args),
                 "-I %s/hello -o /dev/null -w '%%{http_code} %%{size_download}'", url);
        CHECK(curl_prints(args, "200 0"));
        /* Large, at a limited rate for a while, the connection closing behind it. */
        snprintf(args, sizeof(args),
                 "%s/large -H 'Connection: close' --limit-rate 6M -o /dev/null -w "
                 "'%%{http_code} %%{size_download}'",
                 url);
        CHECK(curl_prints(args, "200 3000000"));
        snprintf(args, sizeof(args), "%s/hello '%s://localhost:%u/facts' -w '(%%{num_connects})'",
                 url, secure ? "https" : "http", http_server_port(t.server));
        snprintf(args + strlen(args), sizeof(args) - strlen(args), " -A me");
        CHECK(curl_prints(args, "hello(1)[GET|/facts|/facts||me|1|127.0.0.1](0)"));
        CHECK(teardown());
    }
    tls_server_close(tls);
    net_test_cert_remove(&cert);
}

TEST(addresses_that_cannot_be_listened_on_are_named)
{
    struct err_detail detail;
    struct http_server *s;
    CHECK(setup((struct http_server_opts){0}));
    struct http_server_opts o = {.host = "example.com", .router = t.router};
    CHECK_INT(ERR_INVALID, http_server_open(&s, t.loop, &o, &detail));
    CHECK(strstr(detail.text, "example.com"));
    o.host = "192.0.2.1";
    CHECK_INT(ERR_IO, http_server_open(&s, t.loop, &o, &detail));
    CHECK(strstr(detail.text, "192.0.2.1"));
    o.host = "localhost";
    o.port = http_server_port(t.server);
    CHECK_INT(ERR_IO, http_server_open(&s, t.loop, &o, &detail)); /* somebody listens there */
    CHECK(strstr(detail.text, "already in use"));
    o.shared = true;
    CHECK_INT(OK, http_server_open(&s, t.loop, &o, &detail));
    CHECK_INT(o.port, http_server_port(s));
    http_server_close(s, NULL, NULL);
    CHECK(teardown());
}
