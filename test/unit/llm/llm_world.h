/*
 * llm_world.h - a loop with a hosted service on it, and the other end of that: HTTP servers of the
 * test's own which answer what they are told to, in that order, and remember what they were asked.
 *
 * Include it once per test program, after harness/test.h.
 */
#ifndef LLM_WORLD_H
#define LLM_WORLD_H

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/mem.h"
#include "llm/llm.h"
#include "net/conn.h"
#include "unit/net/net_test.h"

enum { ANSWERS_MAX = 16, FAKES = 2 };

/* One answer. `body` NULL: none ever comes. */
struct answer {
    unsigned status;
    const char *headers; /* "Name: value\r\n" each */
    const char *body;
    size_t cut;       /* the connection breaks after so many bytes of the body; 0 = not */
    const char *more; /* a second part of the body, which fake_more sends */
};

struct world;

struct fake {
    struct world *world;
    int fd;
    uv_poll_t listener;
    uint16_t port;
    struct answer answers[ANSWERS_MAX];
    size_t answers_count, asked;
    struct conn *waiting; /* for `more` */
    const char *more;
    struct buf heads[ANSWERS_MAX], bodies[ANSWERS_MAX]; /* of the requests */
    /* Instead of the list: the answer to this request, which is the caller's to free. */
    char *(*answer_fn)(struct str body);
};

struct world {
    struct loop *loop;
    struct http_client *client;
    struct worker_pool *pool;
    struct llm *service;
    struct fake fakes[FAKES];
    unsigned peers;
    bool stopping;
};

struct peer {
    struct fake *fake;
    struct conn *conn;
    struct buf in;
};

static void peer_open(void *ctx)
{
    (void)ctx;
}

static void peer_answer(struct peer *p, const struct answer *a)
{
    struct buf b;
    size_t len = a->body ? strlen(a->body) : 0;
    if (!a->body)
        return;
    buf_init(&b, 256 << 20);
    buf_printf(&b,
               "HTTP/1.1 %u X\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
               a->status, a->headers ? a->headers : "", len + (a->more ? strlen(a->more) : 0));
    buf_put(&b, a->body, a->cut ? a->cut : len);
    if (!buf_ok(&b))
        abort();
    if (conn_write(p->conn, b.p, b.len) != OK) /* the asker has gone */
        conn_close(p->conn);
    else if (a->cut)
        conn_finish(p->conn);
    p->fake->waiting = p->conn;
    p->fake->more = a->more;
    buf_fini(&b);
}

static inline void fake_more(struct fake *f)
{
    if (f->more && conn_write(f->waiting, f->more, strlen(f->more)) != OK)
        abort();
    f->more = NULL;
}

static void peer_asked(struct peer *p, struct str head, struct str body)
{
    struct fake *f = p->fake;
    size_t i = f->asked++;
    if (i < ANSWERS_MAX) {
        buf_reset(&f->heads[i]);
        buf_reset(&f->bodies[i]);
        buf_put_str(&f->heads[i], head);
        buf_put_str(&f->bodies[i], body);
    }
    if (f->answer_fn) {
        char *text = f->answer_fn(body);
        peer_answer(p, &(struct answer){.status = 200, .body = text});
        free(text);
    } else if (i < f->answers_count) {
        peer_answer(p, &f->answers[i]);
    } else {
        peer_answer(p, &(struct answer){.status = 418, .body = "not expected"});
    }
}

static void peer_data(void *ctx, uint8_t *bytes, size_t len)
{
    struct peer *p = ctx;
    uint64_t length = 0;
    buf_put(&p->in, bytes, len);
    for (;;) {
        struct str all = buf_str(&p->in);
        size_t end = str_find(all, STR("\r\n\r\n"), 0);
        if (end == SIZE_MAX)
            return;
        size_t at = str_find(all, STR("Content-Length: "), 0);
        if (at > end ||
            !str_to_u64(str_slice(all, at + 16, str_find(all, STR("\r\n"), at)), &length))
            abort();
        if (all.len < end + 4 + length)
            return;
        peer_asked(p, str_slice(all, 0, end + 2), str_slice(all, end + 4, end + 4 + length));
        buf_consume(&p->in, end + 4 + length);
    }
}

static void peer_closed(void *ctx, enum err why)
{
    struct peer *p = ctx;
    struct world *w = p->fake->world;
    (void)why;
    buf_fini(&p->in);
    free(p);
    if (--w->peers == 0 && w->stopping)
        loop_stop(w->loop);
}

static const struct conn_events peer_events = {peer_open, peer_data, NULL, peer_closed};

static void fake_accept(uv_poll_t *handle, int status, int what)
{
    struct fake *f = handle->data;
    struct peer *p = calloc(1, sizeof(*p));
    int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)status;
    (void)what;
    if (fd < 0 || !p)
        abort();
    p->fake = f;
    buf_init(&p->in, 64 << 20);
    if (conn_accept(f->world->loop, fd, NULL, 256 << 20, &peer_events, p, &p->conn) != OK)
        abort();
    f->world->peers++;
}

static void fake_open(struct fake *f, struct world *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    f->world = w;
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(f->fd, (struct sockaddr *)&a, sizeof(a)) || listen(f->fd, 16) ||
        getsockname(f->fd, (struct sockaddr *)&a, &len))
        abort();
    f->port = ntohs(a.sin_port);
    uv_poll_init(loop_uv(w->loop), &f->listener, f->fd);
    f->listener.data = f;
    uv_poll_start(&f->listener, UV_READABLE, fake_accept);
    for (int i = 0; i < ANSWERS_MAX; i++) {
        buf_init(&f->heads[i], 1 << 16);
        buf_init(&f->bodies[i], 64 << 20);
    }
}

static void fake_close(struct fake *f)
{
    uv_close((uv_handle_t *)&f->listener, NULL);
    close(f->fd);
    for (int i = 0; i < ANSWERS_MAX; i++) {
        buf_fini(&f->heads[i]);
        buf_fini(&f->bodies[i]);
    }
}

static const char world_key[] = "sk-test-0123456789";

/* A service of `endpoints` fakes (1 or 2), whose models are m0 and m1. */
static struct world *world_new(size_t endpoints, unsigned retries)
{
    struct world *w = calloc(1, sizeof(*w));
    struct llm_endpoint e[FAKES];
    char urls[FAKES][64];
    static const char *const models[] = {"m0", "m1"};
    struct err_detail why;
    if (!w || loop_open(&w->loop, 0) != OK || http_client_open(&w->client, w->loop, NULL) != OK ||
        worker_pool_open(&w->pool, "test", 1, 64) != OK)
        abort();
    for (size_t i = 0; i < FAKES; i++) {
        fake_open(&w->fakes[i], w);
        snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u/v1/", w->fakes[i].port);
        e[i] = (struct llm_endpoint){.url = urls[i],
                                     .key = world_key,
                                     .model = models[i],
                                     .prices = {.input = 20000,
                                                .cached_input = 5000,
                                                .output = 80000,
                                                .minute = 6000,
                                                .characters = 15000000}};
    }
    const struct llm_opts opts = {
        .endpoints = e, .count = endpoints, .retries = retries, .pool = w->pool};
    if (llm_open(&w->service, w->loop, w->client, &opts, &why) != OK)
        abort();
    return w;
}

/* False when something was left over. */
static bool world_free(struct world *w)
{
    llm_close(w->service);
    worker_pool_close(w->pool);
    http_client_close(w->client);
    for (size_t i = 0; i < FAKES; i++)
        fake_close(&w->fakes[i]);
    w->stopping = true;
    bool ok = w->peers == 0 || net_test_run(w->loop);
    loop_close(w->loop);
    free(w);
    return ok;
}

static inline void will_answer(struct fake *f, struct answer a)
{
    if (f->answers_count == ANSWERS_MAX)
        abort();
    f->answers[f->answers_count++] = a;
}

#endif
