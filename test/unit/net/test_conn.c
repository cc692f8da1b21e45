/* Connections on loopback, plain and TLS: bytes, bounds, verification, and every way to end. */
#include "harness/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/tls.h"
#include "unit/net/net_test.h"

/* One end of a connection and what happened to it. */
struct end {
    struct loop *loop;
    struct conn *conn;
    int opened, closed, drained;
    enum err why;
    size_t got;
    uint32_t sum; /* order-sensitive */
    char first[64];
    void (*react)(struct end *e); /* on every on_data */
    int *closed_left;             /* stops the loop at 0 */
    bool inside;                  /* a conn function runs: no callback may come now */
    int reentered;
};

static void on_open(void *ctx)
{
    struct end *e = ctx;
    e->opened++;
    e->reentered += e->inside;
}

static uint32_t add(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + p[i];
    return sum;
}

static void on_data(void *ctx, uint8_t *p, size_t len)
{
    struct end *e = ctx;
    for (size_t i = 0; i < len && e->got + i + 1 < sizeof(e->first); i++)
        e->first[e->got + i] = (char)p[i];
    e->got += len;
    e->sum = add(e->sum, p, len);
    e->reentered += e->inside;
    if (e->react)
        e->react(e);
}

static void on_drained(void *ctx)
{
    ((struct end *)ctx)->drained++;
}

static void on_closed(void *ctx, enum err why)
{
    struct end *e = ctx;
    e->closed++;
    e->why = why;
    e->reentered += e->inside;
    if (--*e->closed_left == 0)
        loop_stop(e->loop);
}

static const struct conn_events events = {on_open, on_data, on_drained, on_closed};

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return -1;
    *port = ntohs(a.sin_port);
    return fd;
}

/* A pair of ends in one loop: `client` connects to `server`. */
struct pair {
    struct loop *loop;
    struct end client, server;
    int closed_left, listener;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct net_test_cert cert;
};

static bool pair_open(struct pair *p, bool tls, const char *host)
{
    struct err_detail detail;
    *p = (struct pair){.closed_left = 2};
    if (loop_open(&p->loop, 0) != OK)
        return false;
    if (tls) {
        if (!net_test_cert_write(&p->cert, "DNS:localhost,IP:127.0.0.1") ||
            tls_server_open(&p->tls_server, p->cert.cert, p->cert.key, &detail) != OK ||
            tls_client_open(&p->tls_client, p->cert.cert, &detail) != OK)
            return false;
    }
    p->client.loop = p->server.loop = p->loop;
    p->client.closed_left = p->server.closed_left = &p->closed_left;
    uint16_t port = 0;
    p->listener = listen_on_loopback(&port);
    struct conn_opts o = {.host = str_of(host), .port = port, .tls = p->tls_client};
    if (conn_connect(p->loop, &o, &events, &p->client, &p->client.conn) != OK)
        return false;
    return true;
}

/* Waits for the client in the kernel's backlog; both ends are in the loop then. */
static void accept_one(void *ctx)
{
    struct pair *p = ctx;
    int fd = accept(p->listener, NULL, NULL);
    if (fd < 0 ||
        conn_accept(p->loop, fd, p->tls_server, 0, &events, &p->server, &p->server.conn) != OK)
        loop_stop(p->loop);
}

static uv_poll_t *poll_new(struct pair *p, uv_poll_cb cb)
{
    uv_poll_t *poll = mem_zalloc(sizeof(*poll));
    uv_poll_init(loop_uv(p->loop), poll, p->listener);
    poll->data = p;
    uv_poll_start(poll, UV_READABLE, cb);
    return poll;
}

static void free_handle(uv_handle_t *h)
{
    mem_free(h);
}

static void on_listener(uv_poll_t *poll, int status, int what)
{
    (void)status;
    (void)what;
    accept_one(poll->data);
    uv_close((uv_handle_t *)poll, free_handle);
}

static bool pair_run(struct pair *p)
{
    poll_new(p, on_listener);
    return net_test_run(p->loop);
}

static void pair_close(struct pair *p)
{
    loop_close(p->loop);
    close(p->listener);
    tls_server_close(p->tls_server);
    tls_client_close(p->tls_client);
    if (p->tls_server)
        net_test_cert_remove(&p->cert);
}

static void answer_and_finish(struct end *e)
{
    if (e->got < 4)
        return;
    e->inside = true;
    (void)!conn_write(e->conn, "pong", 4);
    conn_finish(e->conn);
    e->inside = false;
}

/* Both ends: the right bytes, one on_open and one on_closed each, never from inside a call. */
static void ping_pong(bool tls, const char *host)
{
    struct pair p;
    CHECK(pair_open(&p, tls, host));
    p.client.inside = true;
    CHECK_INT(OK, conn_write(p.client.conn, "ping", 4)); /* before it is open: queued */
    CHECK_INT(4, conn_queued(p.client.conn));
    CHECK_INT(tls, conn_is_tls(p.client.conn));
    p.client.inside = false;
    p.server.react = answer_and_finish;
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK(strcmp(p.server.first, "ping") == 0);
    CHECK(strcmp(p.client.first, "pong") == 0);
    CHECK_INT(1, p.client.opened);
    CHECK_INT(1, p.server.opened);
    CHECK_INT(OK, p.client.why);
    CHECK_INT(OK, p.server.why);
    CHECK_INT(0, p.client.reentered + p.server.reentered);
}

TEST(plain_bytes_go_both_ways)
{
    ping_pong(false, "127.0.0.1");
}

TEST(tls_bytes_go_both_ways_by_address)
{
    ping_pong(true, "127.0.0.1");
}

TEST(tls_bytes_go_both_ways_by_name)
{
    ping_pong(true, "localhost"); /* resolved; the first address may refuse */
}

/* One event writes several times: more than a cork holds, and one piece larger than it. */
static void write_in_pieces(struct end *e)
{
    static uint8_t piece[LOOP_CORK_BYTES + 1];
    uint32_t sum = 0;
    for (unsigned i = 0; i < 40; i++) {
        size_t len = i == 20 ? sizeof(piece) : 1 + i * 40;
        memset(piece, (int)i, len);
        sum = add(sum, piece, len);
        CHECK_INT(OK, conn_write(e->conn, piece, len));
    }
    uint8_t *room = conn_room(e->conn, 100);
    CHECK(room != NULL);
    room[0] = 'z'; /* built in place; less than asked for */
    conn_commit(e->conn, 1);
    e->sum = add(sum, room, 1);
    conn_finish(e->conn);
}

static void pieces(bool tls)
{
    struct pair p;
    CHECK(pair_open(&p, tls, "127.0.0.1"));
    CHECK_INT(OK, conn_write(p.client.conn, "go", 2));
    p.server.react = write_in_pieces;
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK_INT(OK, p.client.why);
    CHECK(p.client.got > LOOP_CORK_BYTES);
    CHECK_INT(p.server.sum, p.client.sum);
}

TEST(what_is_written_in_pieces_arrives_in_order)
{
    pieces(false);
    pieces(true);
}

static void say_twice(struct end *e)
{
    CHECK_INT(OK, conn_write(e->conn, "one", 3));
    CHECK_INT(OK, conn_write(e->conn, "two", 3));
}

static void count_and_finish(struct end *e)
{
    e->drained++; /* reads */
    if (e->got == 6)
        conn_finish(e->conn);
}

TEST(what_one_event_writes_leaves_together)
{
    struct pair p;
    CHECK(pair_open(&p, false, "127.0.0.1"));
    CHECK_INT(OK, conn_write(p.client.conn, "go", 2));
    p.server.react = say_twice;
    p.client.react = count_and_finish;
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK(strcmp(p.client.first, "onetwo") == 0);
    CHECK_INT(1, p.client.drained);
}

/* -- verification -- */

static void tls_refused(const char *host, const char *names, bool own_roots)
{
    struct pair p;
    struct err_detail detail;
    CHECK(pair_open(&p, true, "localhost"));
    /* The certificate served is for other names, or trusted by nobody. */
    tls_server_close(p.tls_server);
    net_test_cert_remove(&p.cert);
    CHECK(net_test_cert_write(&p.cert, names));
    CHECK_INT(OK, tls_server_open(&p.tls_server, p.cert.cert, p.cert.key, &detail));
    conn_close(p.client.conn);
    tls_client_close(p.tls_client);
    CHECK_INT(OK, tls_client_open(&p.tls_client, own_roots ? p.cert.cert : NULL, &detail));
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    CHECK_INT(0, getsockname(p.listener, (struct sockaddr *)&a, &len));
    struct conn_opts o = {str_of(host), ntohs(a.sin_port), p.tls_client, 0, 0};
    p.closed_left = 3;
    struct end client = {.loop = p.loop, .closed_left = &p.closed_left};
    CHECK_INT(OK, conn_connect(p.loop, &o, &events, &client, &client.conn));
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK_INT(0, client.opened);
    CHECK_INT(1, client.closed);
    CHECK_INT(ERR_DENIED, client.why);
    CHECK_INT(0, p.server.opened);
}

TEST(a_certificate_for_another_name_is_refused)
{
    tls_refused("localhost", "DNS:example.com,DNS:*.localhost,IP:127.0.0.2", true);
}

TEST(a_certificate_for_another_address_is_refused)
{
    tls_refused("127.0.0.1", "DNS:127.0.0.1,DNS:localhost,IP:127.0.0.2", true);
}

TEST(a_certificate_nobody_vouches_for_is_refused)
{
    tls_refused("localhost", "DNS:localhost", false);
}

TEST(unusable_certificate_files_are_named)
{
    struct err_detail detail;
    struct tls_server *s;
    struct tls_client *c;
    struct net_test_cert cert, other;
    CHECK(net_test_cert_write(&cert, "DNS:localhost"));
    CHECK(net_test_cert_write(&other, "DNS:localhost"));
    CHECK_INT(ERR_NOTFOUND, tls_server_open(&s, "/nowhere/cert.pem", cert.key, &detail));
    CHECK(strstr(detail.text, "/nowhere/cert.pem"));
    CHECK_INT(ERR_INVALID, tls_server_open(&s, cert.key, cert.key, &detail));
    CHECK(strstr(detail.text, cert.key));
    CHECK_INT(ERR_INVALID, tls_server_open(&s, cert.cert, other.key, &detail));
    CHECK(strstr(detail.text, other.key));
    CHECK_INT(ERR_NOTFOUND, tls_client_open(&c, "/nowhere/ca.pem", &detail));
    net_test_cert_remove(&cert);
    net_test_cert_remove(&other);
}

/* -- large transfers, bounds -- */

enum { BULK = 30011, BULK_TIMES = 800, BULK_OUT_MAX = 9000000 }; /* above what a socket takes */

struct bulk {
    struct pair p;
    uint8_t *data;
    int written, refused;
    uint32_t sum;
};

static void bulk_write(struct bulk *b)
{
    while (b->written < BULK_TIMES) {
        enum err err = conn_write(b->p.client.conn, b->data, BULK);
        if (err == ERR_LIMIT) {
            b->refused++;
            return; /* on_drained calls again */
        }
        if (err != OK)
            return;
        b->sum = add(b->sum, b->data, BULK);
        b->written++;
    }
    conn_finish(b->p.client.conn);
}

static void bulk_open(void *ctx)
{
    struct bulk *b = ctx;
    b->p.client.opened++;
    bulk_write(b);
}

static void bulk_drained(void *ctx)
{
    struct bulk *b = ctx;
    b->p.client.drained++;
    bulk_write(b);
}

static void bulk_closed(void *ctx, enum err why)
{
    on_closed(&((struct bulk *)ctx)->p.client, why);
}

static void resume(void *ctx)
{
    struct end *e = ctx;
    if (!e->closed)
        conn_pause_reading(e->conn, false);
}

static void pause_a_turn(struct end *e)
{
    conn_pause_reading(e->conn, true);
    loop_defer(e->loop, resume, e);
}

static void bulk(bool tls)
{
    static const struct conn_events bulk_events = {bulk_open, on_data, bulk_drained, bulk_closed};
    struct bulk b = {0};
    b.data = mem_alloc(BULK);
    for (size_t i = 0; i < BULK; i++)
        b.data[i] = (uint8_t)(i * 7 + i / 251);
    CHECK(pair_open(&b.p, tls, "127.0.0.1"));
    int small = 8192; /* a slow path: the queue drains in many small steps */
    CHECK_INT(0, setsockopt(b.p.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
    conn_set_events(b.p.client.conn, &bulk_events, &b);
    conn_set_out_max(b.p.client.conn, BULK_OUT_MAX);
    b.p.server.react = pause_a_turn;
    CHECK(pair_run(&b.p));
    pair_close(&b.p);
    mem_free(b.data);
    CHECK_INT(BULK_TIMES, b.written);
    CHECK(b.refused > 0);
    CHECK_INT(b.refused, b.p.client.drained);
    CHECK_INT((long long)BULK * BULK_TIMES, b.p.server.got);
    CHECK_INT(b.sum, b.p.server.sum);
    CHECK_INT(OK, b.p.server.why);
}

TEST(bulk_is_bounded_drained_and_complete_with_a_reader_that_pauses)
{
    bulk(false);
}

TEST(bulk_is_bounded_drained_and_complete_over_tls)
{
    bulk(true);
}

/* -- many records in one read -- */

enum { RECORDS = 40 };

static void send_records(void *ctx)
{
    struct end *e = ctx;
    e->opened++;
    for (int i = 0; i < RECORDS; i++)
        (void)!conn_write(e->conn, "x", 1);
}

static void finish_when_all(struct end *e)
{
    if (e->got == RECORDS)
        conn_finish(e->conn);
}

static void pause_and_finish_when_all(struct end *e)
{
    pause_a_turn(e);
    finish_when_all(e);
}

/* OpenSSL takes several records off the socket at once; none may wait for more to arrive. */
static void records(void (*react)(struct end *e))
{
    static const struct conn_events sender = {send_records, on_data, NULL, on_closed};
    struct pair p;
    CHECK(pair_open(&p, true, "127.0.0.1"));
    conn_set_events(p.client.conn, &sender, &p.client);
    p.server.react = react;
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK_INT(RECORDS, p.server.got);
    CHECK_INT(OK, p.client.why);
}

TEST(no_tls_record_is_stranded)
{
    records(finish_when_all);
    records(pause_and_finish_when_all);
}

TEST(a_write_past_the_bound_changes_nothing)
{
    struct pair p;
    CHECK(pair_open(&p, false, "127.0.0.1"));
    conn_set_out_max(p.client.conn, 10);
    CHECK_INT(ERR_LIMIT, conn_write(p.client.conn, "12345678901", 11));
    CHECK_INT(0, conn_queued(p.client.conn));
    CHECK_INT(OK, conn_write(p.client.conn, "1234567890", 10));
    CHECK_INT(ERR_LIMIT, conn_write(p.client.conn, "1", 1));
    CHECK_INT(10, conn_queued(p.client.conn));
    conn_close(p.client.conn);
    conn_close(p.client.conn); /* idempotent */
    CHECK_INT(ERR_CLOSED, conn_write(p.client.conn, "1", 1));
    CHECK_INT(0, p.client.closed); /* not from inside */
    p.closed_left = 1;
    CHECK(net_test_run(p.loop));
    pair_close(&p);
    CHECK_INT(1, p.client.closed);
    CHECK_INT(0, p.client.opened);
}

/* -- ends -- */

static void close_self(struct end *e)
{
    conn_close(e->conn);
    e->inside = !conn_peer(e->conn)[0]; /* still usable until this returns */
    (void)!conn_write(e->conn, "x", 1);
}

static void closed_in_callback(bool tls)
{
    struct pair p;
    CHECK(pair_open(&p, tls, "127.0.0.1"));
    CHECK_INT(OK, conn_write(p.client.conn, "ping", 4));
    p.server.react = close_self;
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK_INT(1, p.server.closed);
    CHECK_INT(OK, p.server.why);
    CHECK_INT(OK, p.client.why); /* over TLS: a close_notify was sent */
}

TEST(a_connection_may_be_closed_in_its_own_callback)
{
    closed_in_callback(false);
    closed_in_callback(true);
}

static enum err connect_and_fail(const struct conn_opts *o)
{
    struct loop *l;
    int left = 1;
    if (loop_open(&l, 0) != OK)
        return OK;
    struct end e = {.loop = l, .closed_left = &left};
    enum err err = conn_connect(l, o, &events, &e, &e.conn);
    if (err == OK && net_test_run(l))
        err = e.opened ? OK : e.why;
    loop_close(l);
    return err;
}

TEST(failures_to_connect_are_told_apart)
{
    uint16_t port = 0;
    int fd = listen_on_loopback(&port);
    CHECK(fd >= 0);
    close(fd); /* nobody listens there now */
    CHECK_INT(ERR_CLOSED,
              connect_and_fail(&(struct conn_opts){.host = STR("127.0.0.1"), .port = port}));
    CHECK_INT(ERR_CLOSED,
              connect_and_fail(&(struct conn_opts){.host = STR("localhost"), .port = port}));
    CHECK_INT(ERR_NOTFOUND, connect_and_fail(&(struct conn_opts){
                                .host = STR("no-such-host.invalid"), .port = 1}));
    CHECK_INT(ERR_INVALID, connect_and_fail(&(struct conn_opts){.host = STR(""), .port = 1}));
    CHECK_INT(ERR_INVALID, connect_and_fail(&(struct conn_opts){.host = STR("a"), .port = 0}));
}

static void count_turn(uv_prepare_t *h)
{
    ++*(int *)h->data;
}

static void stop_counting(void *ctx, enum err why)
{
    struct pair *p = ctx;
    on_closed(&p->client, why);
}

TEST(a_silent_peer_times_out_the_handshake_and_costs_nothing_meanwhile)
{
    static const struct conn_events quiet = {on_open, on_data, NULL, stop_counting};
    struct pair p;
    int turns = 0;
    uv_prepare_t prepare = {.data = &turns};
    CHECK(pair_open(&p, true, "127.0.0.1")); /* the kernel accepts, nobody speaks TLS */
    conn_close(p.client.conn);
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    CHECK_INT(0, getsockname(p.listener, (struct sockaddr *)&a, &len));
    struct conn_opts o = {STR("127.0.0.1"), ntohs(a.sin_port), p.tls_client, 60, 0};
    CHECK_INT(OK, conn_connect(p.loop, &o, &quiet, &p, &p.client.conn));
    uv_prepare_init(loop_uv(p.loop), &prepare);
    uv_prepare_start(&prepare, count_turn);
    CHECK(net_test_run(p.loop));
    uv_close((uv_handle_t *)&prepare, NULL);
    pair_close(&p);
    CHECK_INT(ERR_TIMEOUT, p.client.why);
    CHECK(turns < 20); /* not spinning */
}

TEST(closing_while_the_name_is_being_resolved_is_safe)
{
    struct loop *l;
    int left = 1;
    CHECK_INT(OK, loop_open(&l, 0));
    struct end e = {.loop = l, .closed_left = &left};
    struct conn_opts o = {.host = STR("localhost"), .port = 9};
    CHECK_INT(OK, conn_connect(l, &o, &events, &e, &e.conn));
    conn_close(e.conn);
    CHECK_INT(0, e.closed);
    CHECK(net_test_run(l));
    loop_close(l);
    CHECK_INT(1, e.closed);
    CHECK_INT(OK, e.why);
}

static void reset_peer(struct end *e)
{
    /* The client's descriptor is not ours to see, so the server closes with input unread. */
    conn_pause_reading(e->conn, true);
    conn_close(e->conn);
}

TEST(a_reset_is_reported_once)
{
    struct pair p;
    CHECK(pair_open(&p, false, "127.0.0.1"));
    uint8_t *big = mem_zalloc(1000000);
    CHECK_INT(OK, conn_write(p.client.conn, big, 1000000));
    mem_free(big);
    p.server.react = reset_peer;
    CHECK(pair_run(&p));
    pair_close(&p);
    CHECK_INT(1, p.client.closed);
    CHECK_INT(ERR_CLOSED, p.client.why);
    CHECK_INT(1, p.server.closed);
}
