/* How an outbound connection comes to be: the name is resolved, its addresses are tried in turn. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/conn_private.h"
#include "net/tls_private.h"

static void try_next(struct conn *c, enum err last);

/* The attempts share the time that is left, so that one silent address does not use it all up. */
static void set_attempt_timer(struct conn *c)
{
    const struct conn_dial *d = c->dial;
    int64_t left_us = d->deadline_us - loop_now_us(c->loop);
    int64_t share_us = left_us / (int64_t)(d->count - d->next + 1);
    loop_timer_set(c->timer, share_us > 0 ? (uint64_t)(share_us + 999) / 1000 : 0);
}

static void established(struct conn *c)
{
    struct conn_dial *d = c->dial;
    conn_name_peer(c, (const struct sockaddr *)&d->addresses[d->next - 1]);
    SSL *ssl = NULL;
    if (d->tls) {
        int64_t left_us = d->deadline_us - loop_now_us(c->loop);
        loop_timer_set(c->timer, left_us > 0 ? (uint64_t)left_us / 1000 : 0);
        ssl = tls_client_session(d->tls, c->sock->fd, d->host);
        if (!ssl) {
            char text[128];
            LOG_WARN(NULL, "conn.tls", "host=%s err=\"%s\"", d->host,
                     tls_error(text, sizeof(text)));
            conn_fail(c, ERR_IO);
            return;
        }
    }
    conn_established(c, ssl);
}

/* One connect(2); returns OK when it is under way. */
static enum err try_one(struct conn *c, const struct sockaddr *address)
{
    socklen_t len =
        address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int fd = FAULT_CALL("conn.socket", EMFILE,
                        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0) {
        LOG_ERROR(NULL, "conn.socket", "err=\"%s\"", strerrordesc_np(errno));
        return ERR_IO;
    }
    enum err err = conn_attach(c, fd);
    if (err != OK)
        return err;
    if (FAULT_CALL("conn.connect", ECONNREFUSED, connect(fd, address, len)) != 0 &&
        errno != EINPROGRESS) {
        err = conn_errno(errno);
        conn_detach(c);
        return err;
    }
    c->state = CONN_CONNECTING;
    conn_arm(c);
    return OK;
}

static void try_next(struct conn *c, enum err last)
{
    struct conn_dial *d = c->dial;
    conn_detach(c);
    while (d->next < d->count) {
        set_attempt_timer(c);
        last = try_one(c, (const struct sockaddr *)&d->addresses[d->next++]);
        if (last == OK)
            return;
    }
    LOG_INFO(NULL, "conn.failed", "host=%s port=%u err=%s", d->host, d->port, err_name(last));
    conn_fail(c, last);
}

void conn_dial_ready(struct conn *c)
{
    int code = 0;
    socklen_t len = sizeof(code);
    if (getsockopt(c->sock->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
        code = errno;
    if (code == EINPROGRESS || code == EAGAIN)
        return;
    if (code != 0)
        try_next(c, conn_errno(code));
    else
        established(c);
}

void conn_dial_timeout(struct conn *c)
{
    struct conn_dial *d = c->dial;
    if (c->state == CONN_CONNECTING && d->next < d->count) {
        try_next(c, ERR_TIMEOUT);
        return;
    }
    LOG_INFO(NULL, "conn.failed", "host=%s port=%u err=timeout", d->host, d->port);
    conn_fail(c, ERR_TIMEOUT);
}

void conn_dial_free(struct conn *c)
{
    struct conn_dial *d = c->dial;
    if (!d)
        return;
    c->dial = NULL;
    d->conn = NULL;
    if (d->resolving) /* its callback comes in any case and frees */
        uv_cancel((uv_req_t *)&d->request);
    else
        mem_free(d);
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct conn_dial *d = request->data;
    struct conn *c = d->conn;
    d->resolving = false;
    if (FAULT("conn.resolve")) {
        uv_freeaddrinfo(list);
        list = NULL;
        status = UV_EAI_AGAIN;
    }
    for (const struct addrinfo *a = list; a && d->count < CONN_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
            continue;
        memcpy(&d->addresses[d->count], a->ai_addr, a->ai_addrlen);
        set_port(&d->addresses[d->count++], d->port);
    }
    uv_freeaddrinfo(list);
    if (!c) {
        mem_free(d);
        return;
    }
    if (d->count == 0) {
        LOG_INFO(NULL, "conn.failed", "host=%s err=\"%s\"", d->host,
                 status ? uv_strerror(status) : "no address");
        conn_fail(c, ERR_NOTFOUND);
        return;
    }
    try_next(c, ERR_NOTFOUND);
}

/* Runs outside conn_connect, so that no callback can come from inside it. */
static void start(void *arg)
{
    struct conn *c = arg;
    if (c->state == CONN_RESOLVING)
        try_next(c, ERR_NOTFOUND);
}

static void on_timer(void *arg)
{
    conn_dial_timeout(arg);
}

static bool is_address(struct conn_dial *d)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&d->addresses[0];
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&d->addresses[0];
    if (inet_pton(AF_INET, d->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, d->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
    } else {
        return false;
    }
    set_port(&d->addresses[0], d->port);
    d->count = 1;
    return true;
}

enum err conn_connect(struct loop *l, const struct conn_opts *opts,
                      const struct conn_events *events, void *ctx, struct conn **out)
{
    loop_assert_thread(l);
    if (opts->host.len == 0 || opts->port == 0 || memchr(opts->host.p, '\0', opts->host.len))
        return ERR_INVALID;
    struct conn_dial *d = mem_zalloc(sizeof(*d));
    if (!str_copy(d->host, sizeof(d->host), opts->host)) {
        mem_free(d);
        return ERR_INVALID;
    }
    uint32_t timeout_ms =
        opts->connect_timeout_ms ? opts->connect_timeout_ms : CONN_CONNECT_TIMEOUT_MS;
    d->port = opts->port;
    d->tls = opts->tls;
    d->deadline_us = loop_now_us(l) + (int64_t)timeout_ms * 1000;

    struct conn *c = conn_new(l, events, ctx, opts->out_max);
    c->dial = d;
    d->conn = c;
    c->timer = loop_timer_new(l, on_timer, c);
    loop_timer_set(c->timer, timeout_ms);
    if (is_address(d)) {
        loop_defer(l, start, c);
    } else {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
        d->request.data = d;
        int rc = uv_getaddrinfo(loop_uv(l), &d->request, on_resolved, d->host, NULL, &hints);
        d->resolving = rc == 0;
        if (rc != 0) { /* for example a name that IDNA refuses */
            LOG_INFO(NULL, "conn.failed", "host=%s err=\"%s\"", d->host, uv_strerror(rc));
            conn_fail(c, ERR_NOTFOUND);
        }
    }
    *out = c;
    return OK;
}
