/* test_ws_client.c - our client's opening handshake against a raw server. */
#include "harness/test.h"

#include "ws_env.h"

TEST(the_request_is_golden_under_a_seed)
{
    struct env *e = env_new();
    char want[512];
    e->raw_server = true;
    e->raw_answer = STR("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    CHECK_INT(OK, connect_client(e, (struct ws_connect_opts){
                                        .headers = STR("Authorization: Bearer k\r\n"),
                                        .subprotocols = STR("a, b"),
                                    }));
    run(e, 2);
    CHECK(!e->late);
    snprintf(want, sizeof(want),
             "GET /path?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: wVwCiewtCpFn7I5loY3rvg==\r\nSec-WebSocket-Protocol: a, b\r\n"
             "Authorization: Bearer k\r\n\r\n",
             e->port);
    struct str got = buf_str(&e->raw_got);
    if (!str_eq(str_of(want), got))
        fprintf(stderr, "%.*s", STR_FMT(got));
    CHECK(str_eq(str_of(want), got));
    CHECK(!e->client.open);
    CHECK_CLOSED(e->client, 1006, "HTTP 401");
    env_free(e);
}

static void check_refused(const char *answer, size_t len, const char *reason)
{
    struct env *e = env_new();
    e->raw_server = true;
    e->raw_answer = str_n(answer, len);
    CHECK_INT(OK, connect_client(e, (struct ws_connect_opts){.timeout_ms = 200}));
    run(e, 2);
    CHECK(!e->late && !e->client.open);
    CHECK_CLOSED(e->client, 1006, reason);
    env_free(e);
}

TEST(bad_answers_are_refused)
{
    static char endless[WS_HANDSHAKE_BYTES_MAX + 100];
    memset(endless, 'a', sizeof(endless));
    check_refused(endless, sizeof(endless), "the answer's head is too large");
    struct str wrong = STR(ANSWER); /* for another key */
    check_refused(wrong.p, wrong.len, "Sec-WebSocket-Accept does not match");
    struct str half = STR("HTTP/1.1 101 Switch");
    check_refused(half.p, half.len, "connecting timed out");
}

TEST(frames_in_the_same_packet_as_the_answer_are_seen)
{
    struct env *e = env_new();
    e->raw_server = true;
    e->raw_answer = STR("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: N5nKR3YXrMAhPTm+l7izTUefAAo=\r\n\r\n"
                        "\x81\x02hi\x88\x05\x0f\xa0"
                        "end");
    CHECK_INT(OK, connect_client(e, (struct ws_connect_opts){.limits = {.close_timeout_ms = 30}}));
    run(e, 2);
    CHECK(!e->late && e->client.open);
    CHECK_GOT("hi|", &e->client.got);
    CHECK_CLOSED(e->client, 4000, "end");
    struct str got = buf_str(&e->raw_got);
    CHECK_INT(0x88, (uint8_t)got.p[got.len - 8]); /* masked, the code echoed */
    CHECK_INT(0x82, (uint8_t)got.p[got.len - 7]);
    env_free(e);
}

TEST(connecting_can_be_given_up_and_can_fail)
{
    struct env *e = env_new();
    CHECK_INT(OK, connect_client(e, (struct ws_connect_opts){0}));
    ws_close(e->client.ws, 1000, STR_NONE);
    run(e, 1);
    CHECK(!e->client.open);
    CHECK_CLOSED(e->client, 1006, "closed before it was open");
    env_free(e);

    e = env_new();
    uint16_t port = e->port;
    e->client.closed = false;
    uv_poll_stop(&e->listener);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, but nobody listens */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    e->port = ntohs(a.sin_port);
    CHECK_INT(OK, connect_client(e, (struct ws_connect_opts){0}));
    run(e, 1);
    CHECK_CLOSED(e->client, 1006, "could not connect: closed");
    close(fd);
    e->port = port;
    env_free(e);
}

TEST(what_cannot_be_connected_says_why)
{
    struct env *e = env_new();
    struct err_detail why = {{0}};
    struct ws *w = NULL;
    struct ws_connect_opts opts = {.url = STR("http://127.0.0.1/")};
    CHECK_INT(ERR_INVALID, ws_connect(e->loop, &opts, &events, &e->client, &w, &why));
    CHECK(strstr(why.text, "ws://"));
    opts.url = STR("wss://127.0.0.1/");
    CHECK_INT(ERR_INVALID, ws_connect(e->loop, &opts, &events, &e->client, &w, &why));
    CHECK(strstr(why.text, "TLS"));
    opts = (struct ws_connect_opts){.url = STR("ws://127.0.0.1:1/"), .headers = STR("a: b")};
    CHECK_INT(ERR_INVALID, ws_connect(e->loop, &opts, &events, &e->client, &w, &why));
    CHECK(!w);
    env_free(e);
}

TEST(binary_without_a_handler_is_refused)
{
    struct env *e = env_new();
    e->raw_server = true;
    e->raw_answer = STR("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: N5nKR3YXrMAhPTm+l7izTUefAAo=\r\n\r\n\x82\x00");
    char url[64];
    int n = snprintf(url, sizeof(url), "ws://127.0.0.1:%u/", e->port);
    struct ws_connect_opts opts = {.url = str_n(url, (size_t)n),
                                   .limits = {.close_timeout_ms = 30}};
    CHECK_INT(OK, ws_connect(e->loop, &opts, &text_only, &e->client, &e->client.ws, NULL));
    run(e, 2);
    CHECK_CLOSED(e->client, 1003, "binary message");
    env_free(e);
}
