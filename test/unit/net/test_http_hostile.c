/* Peers that take connections and give no requests: how many an address may have, who gives way,
 * and who counts as the peer behind a proxy. */
#include "harness/test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net/address.h"
#include "unit/net/http_test.h"

#define GET_HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

/* -- helpers -- */

/* A client that has sent `text`; the server has as many connections then as said. */
static bool joins(struct client *c, const char *text, size_t connections)
{
    if (!client_start(c, str_of(text), 0, NULL))
        return false;
    while (!c->closed && (http_server_connections(t.server) != connections || c->left.len))
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    return !c->closed;
}

static bool answered(struct client *c, const char *what)
{
    while (!c->closed && str_find(buf_str(&c->got), str_of(what), 0) == SIZE_MAX)
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    return str_find(buf_str(&c->got), str_of(what), 0) != SIZE_MAX;
}

static bool sends(struct client *c, const char *text)
{
    return conn_write(c->conn, text, strlen(text)) == OK;
}

/* -- one address -- */

TEST(an_address_has_so_many_connections_without_a_request)
{
    struct client silent, slow, more, idle;
    CHECK(setup((struct http_server_opts){.peer_max = 2}));
    CHECK(joins(&idle, GET_HELLO, 1)); /* has had its answer: not counted */
    CHECK(answered(&idle, "hello"));
    CHECK(joins(&silent, "", 2));
    CHECK(joins(&slow, "GET /hel", 3));
    CHECK_INT(-1, status_of(ask(&more, GET_HELLO)));
    CHECK_INT(1, more.closed);
    client_end(&more);
    CHECK(sends(&slow, "lo HTTP/1.1\r\nHost: a\r\n\r\n")); /* now it has one */
    CHECK(answered(&slow, "hello"));
    CHECK(joins(&more, GET_HELLO, 4));
    CHECK(answered(&more, "hello"));
    CHECK(sends(&idle, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"));
    CHECK(sends(&slow, "GET"));
    CHECK(sends(&more, GET_HELLO)); /* a connection that is here may always ask */
    while (t.calls < 4)
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    struct client last; /* silent, idle and slow wait for the rest again */
    CHECK_INT(-1, status_of(ask(&last, GET_HELLO)));
    client_end(&last);
    client_end(&silent);
    client_end(&slow);
    client_end(&idle);
    client_end(&more);
    while (http_server_connections(t.server))
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    CHECK(joins(&last, GET_HELLO, 1));
    CHECK(answered(&last, "hello"));
    client_end(&last);
    CHECK(teardown());
}

/* -- a full server -- */

TEST(whoever_waits_longest_gives_way_to_a_new_connection)
{
    struct client idle, silent, next;
    CHECK(setup((struct http_server_opts){.connections_max = 2}));
    CHECK(joins(&silent, "", 1));
    CHECK(joins(&idle, GET_HELLO, 2));
    CHECK(answered(&idle, "hello"));
    CHECK(joins(&next, GET_HELLO, 2));
    CHECK(answered(&next, "hello"));
    CHECK(silent.closed && !idle.closed);
    client_end(&silent);
    CHECK(sends(&idle, GET_HELLO)); /* it is the newest of those that wait now */
    while (t.calls < 3)
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    CHECK(joins(&silent, "", 2));
    while (!next.closed)
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    CHECK(!idle.closed && !silent.closed);
    client_end(&next);
    client_end(&idle);
    client_end(&silent);
    CHECK(teardown());
}

TEST(a_body_that_dribbles_gives_way_unseen_by_its_handler)
{
    struct client slow, next;
    CHECK(setup((struct http_server_opts){.connections_max = 1}));
    CHECK(joins(&slow, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 1));
    CHECK(joins(&next, GET_HELLO, 1));
    CHECK(answered(&next, "hello"));
    CHECK_INT(1, slow.closed);
    CHECK_INT(1, t.calls);
    client_end(&slow);
    client_end(&next);
    CHECK(teardown());
}

TEST(requests_in_the_works_never_give_way)
{
    struct client held, second;
    CHECK(setup((struct http_server_opts){.connections_max = 1}));
    CHECK(joins(&held, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", 1));
    while (!t.held_count)
        uv_run(loop_uv(t.loop), UV_RUN_ONCE);
    CHECK_INT(503, status_of(ask(&second, "")));
    client_end(&second);
    http_reply(t.held[0], 200, "text/plain", STR("held"));
    CHECK(answered(&held, "held"));
    CHECK(joins(&second, GET_HELLO, 1));
    CHECK(answered(&second, "hello"));
    client_end(&held);
    client_end(&second);
    CHECK(teardown());
}

/* -- proxies -- */

static void whose(void *ctx, struct http_exchange *ex)
{
    char text[64];
    (void)ctx;
    snprintf(text, sizeof(text), "%s %s", http_peer(ex),
             http_peer_is_client(ex) ? "itself" : "unknown");
    http_reply(ex, 200, "text/plain", str_of(text));
}

/* What /whose says to a request with these fields. */
static const char *client_seen(struct client *c, const char *fields)
{
    char text[1024];
    snprintf(text, sizeof(text), "GET /whose HTTP/1.0\r\n%s\r\n", fields);
    return body_of(ask(c, text));
}

TEST(the_client_is_whom_trusted_proxies_name)
{
    static const struct {
        const char *proxies, *fields, *client;
    } cases[] = {
        {"", "", "127.0.0.1 itself"},
        {"", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1 unknown"},
        {"", "Via: 1.1 somebody\r\n", "127.0.0.1 unknown"},
        {"10.0.0.1", "X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1 unknown"},
        {"127.0.0.1", "", "127.0.0.1 itself"},
        {"127.0.0.1", "Forwarded: for=192.0.2.7\r\n", "127.0.0.1 unknown"},
        {"127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7 itself"},
        {"127.0.0.1", "X-Forwarded-For: 127.0.0.1, 192.0.2.7\r\nVia: 1.1 p\r\n",
         "192.0.2.7 itself"},
        {"127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.7\r\n",
         "192.0.2.7 itself"},
        {"127.0.0.1, 10.0.0.0/8", "X-Forwarded-For: 192.0.2.7,10.1.2.3\r\n", "192.0.2.7 itself"},
        {"127.0.0.0/8", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1 itself"},
        {"127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1 itself"},
        {"127.0.0.1", "X-Forwarded-For: somebody\r\n", "127.0.0.1 unknown"},
        {"127.0.0.1", "X-Forwarded-For: somebody, 127.0.0.1\r\n", "127.0.0.1 unknown"},
        {"127.0.0.1", "X-Forwarded-For: ,\r\n", "127.0.0.1 unknown"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c;
        CHECK(setup((struct http_server_opts){.trusted_proxies = cases[i].proxies}));
        http_router_add(t.router, "GET", "/whose", NULL, whose, NULL);
        const char *got = client_seen(&c, cases[i].fields);
        if (strcmp(got, cases[i].client) != 0)
            printf("case %zu: %s\n", i, got);
        CHECK(strcmp(got, cases[i].client) == 0);
        client_end(&c);
        CHECK(teardown());
    }
}

TEST(behind_a_proxy_the_bodies_of_a_client_are_counted)
{
    struct client first, second, silent;
    CHECK(setup((struct http_server_opts){.peer_max = 1, .trusted_proxies = "127.0.0.1"}));
    CHECK(joins(&silent, "", 1));
    CHECK(joins(&first,
                "POST /echo HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n"
                "Content-Length: 5\r\n\r\nab",
                2));
    CHECK_INT(429, status_of(ask(&second, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                                          "X-Forwarded-For: 192.0.2.7\r\n\r\nab")));
    client_end(&second);
    CHECK_INT(200, status_of(ask(&second, "POST /echo HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n"
                                          "X-Forwarded-For: 192.0.2.8\r\n\r\nab")));
    client_end(&second);
    CHECK(sends(&first, "cde"));
    CHECK(answered(&first, "abcde"));
    CHECK_INT(200, status_of(ask(&second, "POST /echo HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n"
                                          "X-Forwarded-For: 192.0.2.7\r\n\r\nab")));
    client_end(&second);
    client_end(&silent);
    client_end(&first);
    CHECK(teardown());
}

TEST(proxies_give_way_last)
{
    struct client proxy, next;
    CHECK(setup((struct http_server_opts){.connections_max = 1, .trusted_proxies = "127.0.0.1"}));
    CHECK(joins(&proxy, "", 1));
    CHECK(joins(&next, GET_HELLO, 1));
    CHECK(answered(&next, "hello"));
    CHECK_INT(1, proxy.closed); /* there was nobody else */
    client_end(&proxy);
    client_end(&next);
    CHECK(teardown());
}

TEST(a_list_of_proxies_is_understood_or_refused)
{
    struct err_detail detail;
    struct http_server *s;
    CHECK(setup((struct http_server_opts){0}));
    struct http_server_opts o = {
        .host = "127.0.0.1", .router = t.router, .trusted_proxies = "127.0.0.1, proxy.example"};
    CHECK_INT(ERR_INVALID, http_server_open(&s, t.loop, &o, &detail));
    CHECK(strstr(detail.text, "proxy.example"));
    CHECK(teardown());
}

/* -- peers that vanish -- */

/* The server's end of its only connection; -1 = none. */
static int server_end(uint16_t server_port)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in a = {0}, b = {0};
        socklen_t len = sizeof(a), blen = sizeof(b);
        if (getsockname(fd, (struct sockaddr *)&a, &len) == 0 &&
            getpeername(fd, (struct sockaddr *)&b, &blen) == 0 && ntohs(a.sin_port) == server_port)
            return fd;
    }
    return -1;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

TEST(the_kernel_looks_after_peers_that_vanish)
{
    struct client c;
    CHECK(setup((struct http_server_opts){0}));
    CHECK(joins(&c, "", 1));
    int fd = server_end(http_server_port(t.server));
    CHECK(fd >= 0);
    CHECK_INT(1, option(fd, SOL_SOCKET, SO_KEEPALIVE));
    CHECK_INT(CONN_KEEPALIVE_IDLE_S, option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
    CHECK_INT(CONN_KEEPALIVE_INTERVAL_S, option(fd, IPPROTO_TCP, TCP_KEEPINTVL));
    CHECK_INT(CONN_KEEPALIVE_PROBES, option(fd, IPPROTO_TCP, TCP_KEEPCNT));
    CHECK_INT(CONN_UNACKED_MS, option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));
    client_end(&c);
    CHECK(teardown());
}

/* -- addresses -- */

TEST(one_address_has_one_form)
{
    struct address a, b;
    char text[INET6_ADDRSTRLEN];
    CHECK(address_parse(STR("192.0.2.1"), &a) && address_parse(STR("::ffff:192.0.2.1"), &b));
    CHECK(memcmp(&a, &b, sizeof(a)) == 0 && address_is_v4(&a));
    address_print(&b, text);
    CHECK(strcmp(text, "192.0.2.1") == 0);
    static const char *const bad[] = {
        "", "192.0.2", "192.0.2.1:80", "[::1]", "fe80::1%eth0", "localhost", "192.0.2.1 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!address_parse(str_of(bad[i]), &a));
    CHECK(!address_parse(str_n("::1\0x", 5), &a));
    CHECK(address_parse(STR("2001:db8:0:1::5"), &a) && address_parse(STR("2001:db8:0:1:7::"), &b));
    a = address_of_site(&a);
    b = address_of_site(&b);
    CHECK(memcmp(&a, &b, sizeof(a)) == 0);
    CHECK(address_parse(STR("192.0.2.2"), &a) && address_parse(STR("192.0.2.1"), &b));
    a = address_of_site(&a);
    CHECK(memcmp(&a, &b, sizeof(a)) != 0);
}

TEST(sets_have_addresses_and_blocks)
{
    static const struct {
        const char *set, *address;
        bool has;
    } cases[] = {
        {"10.0.0.0/8, 192.0.2.1", "10.255.0.1", true},
        {"10.0.0.0/8, 192.0.2.1", "11.0.0.1", false},
        {"10.0.0.0/8,,192.0.2.1,", "192.0.2.1", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.129", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "192.0.2.1", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"", "127.0.0.1", false},
    };
    struct address_set set;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;
        CHECK(address_set_parse(str_of(cases[i].set), &set));
        CHECK(address_parse(str_of(cases[i].address), &a));
        CHECK_INT(cases[i].has, address_set_has(&set, &a));
    }
    static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/", "::1/129",
                                      "10.0.0.0/-1", "x",         "127.0.0.1 10.0.0.1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!address_set_parse(str_of(bad[i]), &set) && set.count == 0);
    struct buf b;
    buf_init(&b, 4096);
    for (int i = 0; i <= ADDRESS_SET_MAX; i++)
        buf_printf(&b, "192.0.2.%d,", i);
    CHECK(!address_set_parse(buf_str(&b), &set));
    buf_fini(&b);
}
