/* A connection finds the loop that owns its call, with everything that was read of it. */
#include "harness/test.h"

#include <semaphore.h>

#include "net/ws_frame.h"
#include "unit/net/hub_world.h"

TEST(owners_are_read_as_they_are_written)
{
    char text[OWNER_TEXT_BYTES];
    struct owner o;
    owner_write(text, INSTANCE, LOOP_COUNT_MAX - 1);
    CHECK(strcmp(INSTANCE ".63", text) == 0);
    CHECK(owner_parse(str_of(text), &o));
    CHECK(strcmp(INSTANCE, o.instance) == 0);
    CHECK_INT(63, o.loop);
    static const char *const bad[] = {"",
                                      INSTANCE,
                                      INSTANCE ".",
                                      INSTANCE ".64",
                                      INSTANCE ".01",
                                      INSTANCE ".-1",
                                      INSTANCE ".1/",
                                      INSTANCE "-1",
                                      "0A1B2C3D.1",
                                      "../../et.1",
                                      INSTANCE ".1.1.1.1",
                                      "0a1b2c3.1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!owner_parse(str_of(bad[i]), &o));
    struct rng rng;
    char instance[OWNER_INSTANCE_CHARS + 1];
    rng_init_system(&rng);
    owner_instance(&rng, instance);
    owner_write(text, instance, 7);
    CHECK(owner_parse(str_of(text), &o));
    CHECK(strcmp(instance, o.instance) == 0);
}

/* Pipelined in one write: to either loop, with bodies of both codings, then one for nobody and two
 * of unknown owners. Whatever loop got the connection, each is answered where it belongs, in order,
 * once. */
static bool pipeline_is_answered(unsigned round)
{
    static const char *const want[] = {
        "[loop=0 /of/" INSTANCE ".0?a peer=127.0.0.1 ]",
        "[loop=1 /of/" INSTANCE ".1 peer=127.0.0.1 twelve bytes]",
        "[loop=0 /of/" INSTANCE ".0 peer=127.0.0.1 chunk]",
        "/any peer=127.0.0.1 ]",
        "/of/ffffffff.0 peer=127.0.0.1 ]",
        "/of peer=127.0.0.1 ]",
        "[loop=1 /of/" INSTANCE ".1?z peer=127.0.0.1 ]",
    };
    struct hub_client c;
    bool ok = hub_connect(&c);
    const char *text =
        "GET /of/" INSTANCE ".0?a HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /of/" INSTANCE ".1 HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
        "twelve bytes"
        "POST /of/" INSTANCE ".0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nchu\r\n2\r\nnk\r\n0\r\n\r\n"
        "GET /any HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /of/ffffffff.0 HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /of HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /of/" INSTANCE ".1?z HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    size_t cut = round * 7 % strlen(text); /* in two writes, cut anywhere */
    ok = ok && hub_send(&c, str_n(text, cut)) && hub_send(&c, str_of(text + cut));
    ok = ok && !hub_wait(&c, "no such text", 1); /* to the end */
    size_t at = 0;
    for (size_t i = 0; ok && i < sizeof(want) / sizeof(want[0]); i++) {
        at = str_find(buf_str(&c.got), str_of(want[i]), at);
        ok = at != SIZE_MAX;
    }
    unsigned answers = 0;
    for (at = 0; (at = str_find(buf_str(&c.got), STR("HTTP/1.1 200"), at)) != SIZE_MAX; at++)
        answers++;
    if (!ok || answers != 7)
        printf("round %u: %s\n", round, buf_cstr(&c.got));
    hub_leave(&c);
    return ok && answers == 7;
}

static void check_pipelines(struct tls_server *tls, unsigned rounds)
{
    CHECK(hub_open(tls));
    for (unsigned i = 0; i < rounds; i++)
        CHECK(pipeline_is_answered(i));
    struct http_hub_counters n;
    http_hub_counters(hw.hub, &n);
    hub_close();
    CHECK(n.moved >= 3 * rounds); /* 0, 1, 0, ..., 1: at least three changes */
    CHECK_INT(0, n.refused);
}

TEST(every_request_of_a_connection_is_answered_by_its_owner)
{
    check_pipelines(NULL, 60);
}

TEST(what_begins_goes_where_the_pick_says)
{
    CHECK(hub_open(NULL));
    for (unsigned i = 0; i < 20; i++) {
        struct hub_client c;
        char want[32];
        snprintf(want, sizeof(want), "[loop=%u /new ", i % LOOPS);
        CHECK(hub_connect(&c));
        CHECK(hub_send(&c, STR("POST /new HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")));
        CHECK(hub_wait(&c, want, 1));
        hub_leave(&c);
    }
    hub_close();
}

TEST(a_tls_connection_moves_with_its_session)
{
    struct net_test_cert cert;
    struct tls_server *tls;
    CHECK(net_test_cert_write(&cert, "IP:127.0.0.1"));
    CHECK_INT(OK, tls_server_open(&tls, cert.cert, cert.key, NULL));
    check_pipelines(tls, 30);
    tls_server_close(tls);
    net_test_cert_remove(&cert);
}

/* A client text frame with a mask of zeros. */
static size_t frame(uint8_t *out, const char *text)
{
    static const uint8_t mask[4] = {0};
    size_t head = ws_head_write(out, WS_OP_TEXT, strlen(text), mask);
    memcpy(out + head, text, strlen(text));
    return head + strlen(text);
}

static bool stream_reaches(unsigned index)
{
    struct hub_client c;
    char request[512], want[64];
    uint8_t bytes[1024];
    bool ok = hub_connect(&c);
    int len = snprintf(request, sizeof(request),
                       "GET /ws/" INSTANCE ".%u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       index);
    memcpy(bytes, request, (size_t)len);
    size_t all = (size_t)len + frame(bytes + len, "early"); /* before the 101 was seen */
    ok = ok && hub_send(&c, str_n((const char *)bytes, all));
    snprintf(want, sizeof(want), "loop=%u early", index);
    ok = ok && hub_wait(&c, want, 1);
    all = frame(bytes, "late");
    ok = ok && hub_send(&c, str_n((const char *)bytes, all));
    snprintf(want, sizeof(want), "loop=%u late", index);
    ok = ok && hub_wait(&c, want, 1);
    hub_leave(&c);
    return ok;
}

TEST(a_websocket_opens_on_the_loop_of_its_owner)
{
    CHECK(hub_open(NULL));
    for (unsigned i = 0; i < 20; i++)
        CHECK(stream_reaches(i % LOOPS));
    hub_close();
}

/* -- when the owner cannot take it -- */

static sem_t stuck, go_on;

static void get_stuck(void *ctx)
{
    (void)ctx;
    sem_post(&stuck);
    sem_wait(&go_on);
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

TEST(a_loop_that_takes_no_more_is_a_503_and_the_connection_lives_no_longer)
{
    static const char text[] = "GET /of/" INSTANCE ".1 HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(hub_open(NULL));
    sem_init(&stuck, 0, 0);
    sem_init(&go_on, 0, 0);
    /* Only loop 0 accepts: the other would never answer what the kernel gives it. */
    struct hub_client c[16];
    unsigned refused = 0, opened = 0;
    CHECK(hub_post(1, get_stuck, NULL));
    sem_wait(&stuck);
    while (loop_post(hw.lanes[1].loop, do_nothing, NULL) == OK)
        continue;
    for (; opened < 16; opened++)
        CHECK(hub_connect(&c[opened]) && hub_send(&c[opened], str_of(text)));
    for (unsigned i = 0; i < opened; i++) {
        struct timeval limit = {.tv_usec = 200000};
        setsockopt(c[i].fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (hub_wait(&c[i], "HTTP/1.1 503 ", 1))
            refused++;
    }
    struct http_hub_counters n;
    http_hub_counters(hw.hub, &n);
    sem_post(&go_on);
    for (unsigned i = 0; i < opened; i++)
        hub_leave(&c[i]);
    hub_close();
    CHECK(refused > 0); /* 16 connections: that all came to loop 1 has odds of 1 in 65,536 */
    CHECK_INT(refused, n.refused);
    CHECK_INT(0, n.moved);
}

static void close_server(void *ctx)
{
    struct hub_lane *lane = ctx;
    struct http_server *s = lane->server;
    lane->server = NULL;
    http_server_close(s, NULL, NULL);
    sem_post(&stuck);
}

TEST(what_arrives_at_a_loop_without_a_server_is_dropped)
{
    static const char text[] = "GET /of/" INSTANCE ".1 HTTP/1.1\r\nHost: a\r\n\r\n";
    struct hub_client c;
    CHECK(hub_open(NULL));
    sem_init(&stuck, 0, 0);
    CHECK(hub_post(1, close_server, &hw.lanes[1]));
    sem_wait(&stuck);
    CHECK(hub_connect(&c));
    CHECK(hub_send(&c, str_of(text)));
    CHECK(!hub_wait(&c, "HTTP/1.1", 1));
    hub_leave(&c);
    hub_close();
}

/* -- a certificate that changes while connections are open -- */

static bool copy_file(const char *from, const char *to)
{
    char bytes[8192];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    size_t n = in ? fread(bytes, 1, sizeof(bytes), in) : 0;
    bool ok = n > 0 && out && fwrite(bytes, 1, n, out) == n;
    if (in)
        fclose(in);
    return out && fclose(out) == 0 && ok;
}

/* Whether the server shows the certificate in `file`. */
static bool shows(const struct hub_client *c, const char *file)
{
    FILE *f = fopen(file, "r");
    X509 *want = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    X509 *got = SSL_get1_peer_certificate(c->ssl);
    bool ok = want && got && X509_cmp(want, got) == 0;
    X509_free(want);
    X509_free(got);
    if (f)
        fclose(f);
    return ok;
}

static bool answers(struct hub_client *c, unsigned times)
{
    return hub_send(c, STR("GET /any HTTP/1.1\r\nHost: a\r\n\r\n")) &&
           hub_wait(c, "/any peer=127.0.0.1 ]", times);
}

TEST(a_new_certificate_is_for_new_connections_and_a_bad_one_for_none)
{
    struct net_test_cert used, next;
    struct err_detail why = {""};
    struct tls_server *tls;
    struct hub_client before, after, last;
    char old_cert[80];
    CHECK(net_test_cert_write(&used, "IP:127.0.0.1"));
    CHECK(net_test_cert_write(&next, "DNS:next"));
    CHECK_INT(OK, tls_server_open(&tls, used.cert, used.key, NULL));
    CHECK(hub_open(tls));
    CHECK(hub_connect(&before) && shows(&before, used.cert));
    snprintf(old_cert, sizeof(old_cert), "%s/old.pem", used.dir);
    CHECK(copy_file(used.cert, old_cert));

    CHECK(copy_file(next.cert, used.cert)); /* half of a renewal: the key does not fit yet */
    CHECK_INT(ERR_INVALID, tls_server_reload(tls, &why));
    CHECK(strstr(why.text, used.key));
    CHECK(hub_connect(&after) && shows(&after, old_cert) && answers(&after, 1));

    CHECK(copy_file(next.key, used.key));
    CHECK_INT(OK, tls_server_reload(tls, &why));
    CHECK(hub_connect(&last) && shows(&last, next.cert) && answers(&last, 1));
    CHECK(answers(&before, 1) && answers(&after, 2));

    hub_leave(&before);
    hub_leave(&after);
    hub_leave(&last);
    hub_close();
    tls_server_close(tls);
    unlink(old_cert);
    net_test_cert_remove(&used);
    net_test_cert_remove(&next);
}
