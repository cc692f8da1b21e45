/* test_http_client.c - requests of ours against a small server of the test's own, plain and TLS. */
#include "harness/test.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/limits.h"
#include "net/conn.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "net_test.h"

struct env {
    struct loop *loop;
    struct http_client *client;
    struct tls_server *tls;
    int fd;
    uv_poll_t listener;
    uint16_t port;
    unsigned accepted;  /* connections so far */
    unsigned peers;     /* open ones */
    struct buf request; /* the last one, whole */
    bool stopping;

    int wanted; /* results until the loop stops */
    int got;
    enum err err;
    unsigned status;
    struct buf body;
    char detail[256];
    bool close_in_done, again_in_done;
    struct http_fetch *cancel_in_done;
    char retry_after[16], absent[16];

    struct http_fetch *streaming; /* whose data function asks for a header */
    char coding[16];
    struct conn *last; /* the peer's end that was asked last */
    struct buf pieces;
    int pieces_got;
    const char *rest; /* written when a piece arrives: it came before the end */
    bool close_in_data, again_in_data;
    struct http_fetch *cancel_in_data;
};

struct peer {
    struct env *env;
    struct conn *conn;
    struct buf in;
};

/* What the server answers, by the path of the request; NULL is nothing at all. */
static const char *answer_for(struct str request)
{
    static const struct {
        const char *path, *answer;
    } answers[] = {
        {"/hello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
        {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"},
        {"/moved", "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n"},
        {"/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"},
        {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf"},
        {"/endless", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nendless"},
        {"/garbage", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
        {"/head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
        {"/busy", "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nRetry-After:  7 \r\n"
                  "Content-Length: 4\r\n\r\nbusy"},
        {"/begin", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
    };
    struct str method = str_take_until(&request, ' ');
    struct str path = str_take_until(&request, ' ');
    for (size_t i = 0; method.p && i < sizeof(answers) / sizeof(answers[0]); i++)
        if (str_eq(path, str_of(answers[i].path)))
            return answers[i].answer;
    return NULL;
}

static void peer_open(void *ctx)
{
    (void)ctx;
}

static void peer_data(void *ctx, uint8_t *p, size_t len)
{
    struct peer *x = ctx;
    buf_put(&x->in, p, len);
    struct str all = buf_str(&x->in);
    size_t end = str_find(all, STR("\r\n\r\n"), 0);
    size_t at = str_find(all, STR("Content-Length: "), 0);
    uint64_t length = 0;
    if (end == SIZE_MAX)
        return;
    if (at < end) {
        size_t stop = str_find(all, STR("\r\n"), at);
        if (!str_to_u64(str_slice(all, at + 16, stop), &length))
            conn_close(x->conn);
    }
    if (all.len < end + 4 + length)
        return;
    buf_reset(&x->env->request);
    buf_put_str(&x->env->request, all);
    const char *answer = answer_for(all);
    x->env->last = x->conn;
    if (!answer)
        return;
    if (conn_write(x->conn, answer, strlen(answer)) != OK)
        conn_close(x->conn);
    if (strstr(answer, "SSH") || strstr(answer, "close"))
        conn_finish(x->conn);
    buf_reset(&x->in);
}

static void peer_closed(void *ctx, enum err why)
{
    struct peer *x = ctx;
    (void)why;
    buf_fini(&x->in);
    if (--x->env->peers == 0 && x->env->stopping)
        loop_stop(x->env->loop);
    free(x);
}

static const struct conn_events peer_events = {peer_open, peer_data, NULL, peer_closed};

static void on_listener(uv_poll_t *handle, int status, int what)
{
    struct env *e = handle->data;
    (void)status;
    (void)what;
    int fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct peer *x = calloc(1, sizeof(*x));
    if (fd < 0 || !x)
        abort();
    x->env = e;
    buf_init(&x->in, 4 << 20);
    if (conn_accept(e->loop, fd, e->tls, 0, &peer_events, x, &x->conn) != OK)
        abort();
    e->accepted++;
    e->peers++;
}

static struct env *env_new(const struct net_test_cert *cert, const char *ca_file)
{
    struct env *e = calloc(1, sizeof(*e));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    struct err_detail detail;
    if (!e || loop_open(&e->loop, 0) != OK || http_client_open(&e->client, e->loop, ca_file) != OK)
        abort();
    if (cert && tls_server_open(&e->tls, cert->cert, cert->key, &detail) != OK)
        abort();
    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(e->fd, (struct sockaddr *)&a, sizeof(a)) || listen(e->fd, 8) ||
        getsockname(e->fd, (struct sockaddr *)&a, &len))
        abort();
    e->port = ntohs(a.sin_port);
    uv_poll_init(loop_uv(e->loop), &e->listener, e->fd);
    e->listener.data = e;
    uv_poll_start(&e->listener, UV_READABLE, on_listener);
    buf_init(&e->request, 4 << 20);
    buf_init(&e->body, 1 << 20);
    buf_init(&e->pieces, 1 << 20);
    return e;
}

/* Closing the client closes its connections, which the server's ends then see. */
static bool env_free(struct env *e)
{
    http_client_close(e->client);
    uv_close((uv_handle_t *)&e->listener, NULL);
    e->stopping = true;
    bool ok = e->peers == 0 || net_test_run(e->loop);
    loop_close(e->loop);
    tls_server_close(e->tls);
    close(e->fd);
    buf_fini(&e->request);
    buf_fini(&e->body);
    buf_fini(&e->pieces);
    free(e);
    return ok;
}

static void on_done(void *ctx, const struct http_result *r);

static enum err start(struct env *e, const char *path, struct http_fetch_opts opts,
                      struct http_fetch **out)
{
    char url[128];
    int n =
        snprintf(url, sizeof(url), "%s://localhost:%u%s", e->tls ? "https" : "http", e->port, path);
    opts.url = str_n(url, (size_t)n);
    if (!opts.method)
        opts.method = "GET";
    return http_fetch(e->client, &opts, on_done, e, out);
}

static void on_done(void *ctx, const struct http_result *r)
{
    struct env *e = ctx;
    e->err = r->err;
    e->status = r->status;
    buf_reset(&e->body);
    buf_put_str(&e->body, r->body);
    (void)str_copy(e->detail, sizeof(e->detail), str_of(r->detail ? r->detail : ""));
    (void)str_copy(e->retry_after, sizeof(e->retry_after), http_result_header(r, "RETRY-AFTER"));
    (void)str_copy(e->absent, sizeof(e->absent), http_result_header(r, "x-absent"));
    if (e->cancel_in_done)
        http_fetch_cancel(e->cancel_in_done);
    e->cancel_in_done = NULL;
    if (e->again_in_done) {
        e->again_in_done = false;
        if (start(e, "/chunks", (struct http_fetch_opts){0}, NULL) != OK)
            abort();
    }
    if (e->close_in_done) {
        http_client_close(e->client);
        e->client = NULL;
    }
    if (++e->got >= e->wanted)
        loop_stop(e->loop);
}

static void on_data(void *ctx, struct str piece)
{
    struct env *e = ctx;
    buf_put_str(&e->pieces, piece);
    e->pieces_got++;
    if (e->streaming)
        (void)str_copy(e->coding, sizeof(e->coding),
                       http_fetch_header(e->streaming, "transfer-encoding"));
    if (e->rest && conn_write(e->last, e->rest, strlen(e->rest)) != OK)
        abort();
    e->rest = NULL;
    if (e->again_in_data) {
        e->again_in_data = false;
        if (start(e, "/hello", (struct http_fetch_opts){0}, NULL) != OK)
            abort();
    }
    if (e->cancel_in_data) {
        http_fetch_cancel(e->cancel_in_data);
        e->cancel_in_data = NULL;
        loop_stop(e->loop);
    }
    if (e->close_in_data) {
        http_client_close(e->client);
        e->client = NULL;
        loop_stop(e->loop);
    }
}

/* One request to its end. */
static bool fetch(struct env *e, const char *path, struct http_fetch_opts opts)
{
    e->got = 0;
    e->wanted = 1;
    return start(e, path, opts, NULL) == OK && e->got == 0 && net_test_run(e->loop) && e->got == 1;
}

static bool asked(struct env *e, const char *text)
{
    return str_find(buf_str(&e->request), str_of(text), 0) != SIZE_MAX;
}

TEST(answers_arrive_whatever_their_status)
{
    struct env *e = env_new(NULL, NULL);
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){0}));
    CHECK_INT(OK, e->err);
    CHECK_INT(200, e->status);
    CHECK(str_eq(buf_str(&e->body), STR("hello")) && !e->detail[0]);
    CHECK(asked(e, "GET /hello HTTP/1.1\r\n") && asked(e, "User-Agent: callee/"));
    CHECK(fetch(e, "/missing", (struct http_fetch_opts){0}));
    CHECK_INT(OK, e->err);
    CHECK_INT(404, e->status);
    CHECK(str_eq(buf_str(&e->body), STR("nope")));
    CHECK(fetch(e, "/moved", (struct http_fetch_opts){0})); /* not followed */
    CHECK_INT(302, e->status);
    CHECK(fetch(e, "/chunks", (struct http_fetch_opts){0}));
    CHECK(str_eq(buf_str(&e->body), STR("abcdefg")));
    CHECK(fetch(e, "/head", (struct http_fetch_opts){.method = "HEAD"}));
    CHECK(e->status == 200 && e->body.len == 0 && asked(e, "HEAD "));
    CHECK_INT(1, e->accepted); /* kept alive */
    CHECK(env_free(e));
}

TEST(requests_say_what_they_were_told)
{
    static const char *const headers[] = {"Content-Type: application/json", "X-One: 1", NULL};
    static char large[3 << 19];
    struct env *e = env_new(NULL, NULL);
    CHECK(fetch(e, "/hello",
                (struct http_fetch_opts){.method = "POST",
                                         .headers = headers,
                                         .userpwd = STR("AC1:to:ken"),
                                         .body = STR("{\"a\":1}")}));
    CHECK_INT(200, e->status);
    CHECK(asked(e, "POST /hello ") && asked(e, "\r\nX-One: 1\r\n"));
    CHECK(asked(e, "\r\nContent-Type: application/json\r\n") && asked(e, "\r\n\r\n{\"a\":1}"));
    CHECK(asked(e, "\r\nAuthorization: Basic QUMxOnRvOmtlbg==\r\n"));
    memset(large, 'x', sizeof(large));
    CHECK(fetch(e, "/hello",
                (struct http_fetch_opts){.method = "PUT", .body = str_n(large, sizeof(large))}));
    CHECK(asked(e, "PUT /hello ") && asked(e, "Content-Length: 1572864\r\n") &&
          !asked(e, "Expect"));
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){.method = "DELETE"}));
    CHECK(asked(e, "DELETE /hello ") && !asked(e, "Content-Length"));
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){.method = "POST"}));
    CHECK(asked(e, "Content-Length: 0\r\n"));
    CHECK(env_free(e));
}

TEST(failures_are_told_apart)
{
    struct env *e = env_new(NULL, NULL);
    CHECK(fetch(e, "/never?key=secret", (struct http_fetch_opts){.timeout_ms = 50}));
    CHECK_INT(ERR_TIMEOUT, e->err);
    CHECK(e->status == 0 && strstr(e->detail, "localhost") && !strstr(e->detail, "secret"));
    CHECK(fetch(e, "/short", (struct http_fetch_opts){0}));
    CHECK_INT(ERR_CLOSED, e->err);
    CHECK(fetch(e, "/garbage", (struct http_fetch_opts){0}));
    CHECK(e->err == ERR_INVALID || e->err == ERR_CLOSED);
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){.body_max = 4}));
    CHECK_INT(ERR_LIMIT, e->err);
    /* Given up as soon as it is known, not when it ends. */
    CHECK(fetch(e, "/endless",
                (struct http_fetch_opts){.body_max = 4, .timeout_ms = 2 * NET_TEST_DEADLINE_MS}));
    CHECK_INT(ERR_LIMIT, e->err);
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){.body_max = 5}));
    CHECK_INT(OK, e->err);
    uint16_t port = e->port;
    e->port = 1; /* nobody listens */
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){0}));
    CHECK_INT(ERR_CLOSED, e->err);
    e->port = port;
    CHECK(env_free(e));
}

TEST(what_cannot_be_asked_is_refused_at_once)
{
    static const char *const smuggled[] = {"X: 1\r\nY: 2", NULL};
    static const char *const nonsense[] = {"nonsense", NULL};
    struct env *e = env_new(NULL, NULL);
    struct http_fetch_opts opts = {.method = "GET", .url = STR("file:///etc/passwd")};
    CHECK_INT(ERR_INVALID, http_fetch(e->client, &opts, on_done, e, NULL));
    opts.url = STR("http://user:pw@127.0.0.1/");
    CHECK_INT(ERR_INVALID, http_fetch(e->client, &opts, on_done, e, NULL));
    CHECK_INT(ERR_INVALID, start(e, "/", (struct http_fetch_opts){.headers = smuggled}, NULL));
    CHECK_INT(ERR_INVALID, start(e, "/", (struct http_fetch_opts){.headers = nonsense}, NULL));
    for (int i = 0; i < HTTP_CLIENT_FETCHES_MAX; i++)
        CHECK_INT(OK, start(e, "/never", (struct http_fetch_opts){0}, NULL));
    CHECK_INT(ERR_LIMIT, start(e, "/never", (struct http_fetch_opts){0}, NULL));
    CHECK(env_free(e)); /* cancels them all */
}

TEST(done_functions_may_fetch_cancel_and_close)
{
    struct env *e = env_new(NULL, NULL);
    e->again_in_done = true;
    e->wanted = 2;
    CHECK_INT(OK, start(e, "/never", (struct http_fetch_opts){0}, &e->cancel_in_done));
    CHECK_INT(OK, start(e, "/hello", (struct http_fetch_opts){0}, NULL));
    CHECK(net_test_run(e->loop));
    CHECK_INT(2, e->got);
    CHECK(str_eq(buf_str(&e->body), STR("abcdefg")));

    e->close_in_done = true;
    e->got = 0;
    e->wanted = 1;
    for (int i = 0; i < 8; i++)
        CHECK_INT(OK, start(e, "/never", (struct http_fetch_opts){.timeout_ms = 30}, NULL));
    CHECK(net_test_run(e->loop)); /* all expire together, but the first closes the client */
    CHECK_INT(1, e->got);
    CHECK(env_free(e));
}

TEST(headers_of_the_answer_can_be_asked)
{
    struct env *e = env_new(NULL, NULL);
    CHECK(fetch(e, "/busy", (struct http_fetch_opts){0}));
    CHECK_INT(429, e->status);
    CHECK(strcmp(e->retry_after, "7") == 0 && !e->absent[0]); /* the last of two, trimmed */
    CHECK(fetch(e, "/never", (struct http_fetch_opts){.timeout_ms = 30}));
    CHECK(!e->retry_after[0]);
    CHECK(env_free(e));
}

TEST(a_body_is_handed_over_as_it_comes)
{
    struct env *e = env_new(NULL, NULL);
    const struct http_fetch_opts stream = {.data = on_data};
    e->rest = "4\r\ndefg\r\n0\r\n\r\n";
    CHECK(fetch(e, "/begin", stream));
    CHECK_INT(OK, e->err);
    CHECK_INT(200, e->status);
    CHECK_INT(2, e->pieces_got);
    CHECK(str_eq(buf_str(&e->pieces), STR("abcdefg")) && e->body.len == 0);

    /* Anything but a good answer is collected. */
    buf_reset(&e->pieces);
    CHECK(fetch(e, "/busy", stream));
    CHECK(e->status == 429 && str_eq(buf_str(&e->body), STR("busy")) && e->pieces.len == 0);

    /* What came before a cut is handed over, and then the failure. */
    CHECK(fetch(e, "/short", stream));
    CHECK_INT(ERR_CLOSED, e->err);
    CHECK(str_eq(buf_str(&e->pieces), STR("half")) && e->status == 0);

    /* The bound holds for all pieces together. */
    e->rest = "4\r\ndefg\r\n0\r\n\r\n";
    CHECK(fetch(e, "/begin", (struct http_fetch_opts){.data = on_data, .body_max = 6}));
    CHECK_INT(ERR_LIMIT, e->err);
    e->rest = "4\r\ndefg\r\n0\r\n\r\n";
    CHECK(fetch(e, "/begin", (struct http_fetch_opts){.data = on_data, .body_max = 7}));
    CHECK_INT(OK, e->err);
    CHECK(env_free(e));
}

TEST(data_functions_may_fetch_cancel_and_close)
{
    struct env *e = env_new(NULL, NULL);
    const struct http_fetch_opts stream = {.data = on_data};
    e->again_in_data = true;
    e->rest = "0\r\n\r\n";
    e->wanted = 2;
    CHECK_INT(OK, start(e, "/begin", stream, &e->streaming));
    CHECK(net_test_run(e->loop));
    CHECK_INT(2, e->got);
    CHECK(strcmp(e->coding, "chunked") == 0);
    e->streaming = NULL;

    e->got = 0;
    CHECK_INT(OK, start(e, "/begin", stream, &e->cancel_in_data)); /* its own */
    CHECK(net_test_run(e->loop));
    CHECK_INT(0, e->got);
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){0}));

    e->got = 0;
    e->close_in_data = true;
    CHECK_INT(OK, start(e, "/begin", stream, NULL));
    CHECK_INT(OK, start(e, "/begin", stream, NULL));
    CHECK(net_test_run(e->loop));
    CHECK_INT(0, e->got);
    CHECK(env_free(e));
}

TEST(certificates_are_checked)
{
    struct net_test_cert right, wrong;
    CHECK(net_test_cert_write(&right, "DNS:localhost"));
    CHECK(net_test_cert_write(&wrong, "DNS:example.com"));

    struct env *e = env_new(&right, right.cert);
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){0}));
    CHECK_INT(OK, e->err);
    CHECK_INT(200, e->status);
    CHECK(env_free(e));

    e = env_new(&right, NULL); /* signed by nobody the system knows */
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){0}));
    CHECK_INT(ERR_DENIED, e->err);
    CHECK(env_free(e));

    e = env_new(&wrong, wrong.cert); /* of another host */
    CHECK(fetch(e, "/hello", (struct http_fetch_opts){0}));
    CHECK_INT(ERR_DENIED, e->err);
    CHECK(env_free(e));
    net_test_cert_remove(&right);
    net_test_cert_remove(&wrong);
}
