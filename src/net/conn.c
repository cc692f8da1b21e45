#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/conn_private.h"
#include "net/loop_private.h"
#include "net/tls_private.h"

void conn_check(const struct conn *c)
{
    ASSERT(c->out_sent <= c->out.len);
    ASSERT(c->state == CONN_CLOSED || c->state == CONN_RESOLVING || c->sock);
    ASSERT(c->state != CONN_CLOSED || !c->sock);
    loop_assert_thread(c->loop);
}

void conn_name_peer(struct conn *c, const struct sockaddr *address)
{
    const void *raw = NULL;
    int family = address->sa_family;
    if (family == AF_INET)
        raw = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        raw = v6;
        if (IN6_IS_ADDR_V4MAPPED(v6)) { /* a listener on "::" sees IPv4 peers like this */
            family = AF_INET;
            raw = v6->s6_addr + 12;
        }
    }
    if (!raw || !inet_ntop(family, raw, c->peer, sizeof(c->peer)))
        (void)str_copy(c->peer, sizeof(c->peer), STR("local"));
}

/* -- the end -- */

static void on_sock_closed(uv_handle_t *handle)
{
    struct conn_sock *s = handle->data;
    if (s->fd >= 0) /* else it was given away */
        close(s->fd);
    mem_free(s);
}

void conn_detach(struct conn *c)
{
    struct conn_sock *s = c->sock;
    if (!s)
        return;
    c->sock = NULL;
    s->conn = NULL;
    uv_close((uv_handle_t *)&s->poll, on_sock_closed);
}

/* The last thing that happens to a connection. Nothing is deferred for it after conn_fail deferred
 * this, and the loop defers in order, so nothing can come later. */
static void on_last(void *arg)
{
    struct conn *c = arg;
    SSL_free(c->ssl);
    buf_fini(&c->out);
    c->events->on_closed(c->ctx, c->why);
    mem_free(c);
}

void conn_fail(struct conn *c, enum err why)
{
    if (c->state == CONN_CLOSED)
        return;
    conn_uncork(c); /* what was written before this is sent as far as the kernel takes it */
    if (c->state == CONN_CLOSED)
        return; /* that failed */
    bool open = c->state == CONN_OPEN || c->state == CONN_FINISHING;
    if (c->ssl && open && why == OK && !c->shut && conn_queued(c) == 0) {
        SSL_shutdown(c->ssl); /* close_notify, as far as the kernel takes it now */
        ERR_clear_error();
    }
    c->state = CONN_CLOSED;
    c->why = why;
    conn_detach(c);
    conn_dial_free(c);
    loop_timer_free(c->timer);
    c->timer = NULL;
    loop_defer(c->loop, on_last, c);
}

/* -- bytes in -- */

static void receive(struct conn *c);

static void receive_later(void *arg)
{
    struct conn *c = arg;
    c->read_later = false;
    if (c->state == CONN_FINISHING || (c->state == CONN_OPEN && !c->paused))
        receive(c);
}

/* Bytes that OpenSSL holds raise no event on the descriptor. */
void conn_receive_soon(struct conn *c)
{
    if (c->read_later)
        return;
    c->read_later = true;
    loop_defer(c->loop, receive_later, c);
}

static void on_end(struct conn *c)
{
    if (c->state == CONN_FINISHING && conn_queued(c) > 0) {
        c->ended = true; /* it may only have closed its own direction */
        conn_arm(c);
        return;
    }
    conn_fail(c, OK);
}

/* Plain: one read; the poll handle reports what is left. TLS: until OpenSSL holds nothing more, but
 * not so long that others starve. */
static void receive(struct conn *c)
{
    for (unsigned i = 0; i < CONN_READS_PER_EVENT; i++) {
        size_t len = 0;
        enum err why = OK;
        uint8_t *p = loop_read_buf(c->loop);
        switch (conn_io_read(c, p, &len, &why)) {
        case CONN_IO_DONE:
            break;
        case CONN_IO_AGAIN:
            return;
        case CONN_IO_END:
            on_end(c);
            return;
        case CONN_IO_FAILED:
            conn_fail(c, why);
            return;
        }
        const struct conn_events *before = c->events;
        if (c->state == CONN_OPEN)
            c->events->on_data(c->ctx, p, len);
        if (c->state == CONN_CLOSED || (c->state == CONN_OPEN && c->paused))
            return;
        if (!c->ssl || !SSL_has_pending(c->ssl))
            return;
        if (c->events != before) /* a new reader first gets what the old one left it */
            break;
    }
    conn_receive_soon(c);
}

/* A paused connection is only told to read when its socket has failed. */
static void receive_or_fail(struct conn *c)
{
    if (c->state == CONN_OPEN && c->paused)
        conn_fail(c, ERR_CLOSED);
    else
        receive(c);
}

/* -- opening -- */

static void opened(struct conn *c)
{
    c->state = CONN_OPEN;
    conn_dial_free(c);
    loop_timer_free(c->timer);
    c->timer = NULL;
    c->events->on_open(c->ctx);
    if (c->state == CONN_CLOSED)
        return;
    if (conn_queued(c) > 0)
        conn_flush(c);
    if (c->state == CONN_CLOSED)
        return;
    if (c->ssl && SSL_has_pending(c->ssl)) /* came along with the handshake */
        conn_receive_soon(c);
    conn_arm(c);
}

static void set_nodelay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The first bytes are here, or the end. A session takes 60 KB: whoever says nothing gets none. */
static bool begin_session(struct conn *c)
{
    char first;
    ssize_t n = recv(c->sock->fd, &first, 1, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return false;
    if (n <= 0) {
        conn_fail(c, ERR_CLOSED);
        return false;
    }
    c->ssl = tls_server_session(c->tls, c->sock->fd);
    c->tls = NULL;
    set_nodelay(c->sock->fd);
    if (!c->ssl)
        conn_fail(c, ERR_IO);
    return c->ssl;
}

static void handshake(struct conn *c)
{
    if (c->tls && !begin_session(c))
        return;
    ERR_clear_error();
    errno = 0;
    if (FAULT("tls.handshake")) {
        conn_fail(c, ERR_INVALID);
        return;
    }
    int rc = SSL_do_handshake(c->ssl);
    if (rc == 1) {
        opened(c);
        return;
    }
    int code = SSL_get_error(c->ssl, rc);
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
        /* Armed for exactly the one it waits for: a socket is nearly always writable. */
        c->handshake_out = code == SSL_ERROR_WANT_WRITE;
        conn_arm(c);
        return;
    }
    long verify = SSL_get_verify_result(c->ssl);
    if (c->dial && verify != X509_V_OK) {
        LOG_WARN(NULL, "conn.tls", "host=%s err=\"certificate: %s\"", c->dial->host,
                 X509_verify_cert_error_string(verify));
        ERR_clear_error();
        conn_fail(c, ERR_DENIED);
        return;
    }
    char text[128];
    LOG_INFO(NULL, "conn.tls", "peer=%s err=\"handshake: %s\"", c->peer,
             code == SSL_ERROR_SSL ? tls_error(text, sizeof(text)) : "connection lost");
    ERR_clear_error();
    conn_fail(c, code == SSL_ERROR_SSL ? ERR_INVALID : ERR_CLOSED);
}

void conn_established(struct conn *c, SSL *ssl)
{
    set_nodelay(c->sock->fd);
    c->ssl = ssl;
    if (!ssl) {
        opened(c);
        return;
    }
    c->state = CONN_HANDSHAKE;
    handshake(c);
}

/* -- events -- */

static void on_ready(struct conn_sock *s, struct conn *c, int status, int events)
{
    if (status < 0) { /* the socket has an error: libuv stopped polling; the next read tells it */
        s->mask = 0;
        events = UV_READABLE;
    }
    switch (c->state) {
    case CONN_CONNECTING:
        conn_dial_ready(c);
        return;
    case CONN_HANDSHAKE:
        handshake(c);
        return;
    case CONN_OPEN:
    case CONN_FINISHING:
        if (events & UV_WRITABLE)
            conn_flush(c);
        if ((events & UV_READABLE) && c->state != CONN_CLOSED)
            receive_or_fail(c);
        break;
    case CONN_RESOLVING:
    case CONN_CLOSED:
        break;
    }
    if (c->state != CONN_CLOSED)
        conn_arm(c);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct conn_sock *s = handle->data;
    struct conn *c = s->conn;
    if (!c)
        return;
    struct loop *l = c->loop;
    on_ready(s, c, status, events);
    loop_flush(l);
}

void conn_arm(struct conn *c)
{
    int mask = 0;
    switch (c->state) {
    case CONN_CONNECTING:
        mask = UV_WRITABLE;
        break;
    case CONN_HANDSHAKE:
        mask = c->handshake_out ? UV_WRITABLE : UV_READABLE;
        break;
    case CONN_OPEN:
        mask = (c->paused ? 0 : UV_READABLE) | (conn_queued(c) ? UV_WRITABLE : 0);
        break;
    case CONN_FINISHING:
        mask = (c->ended ? 0 : UV_READABLE) | (conn_queued(c) ? UV_WRITABLE : 0);
        break;
    case CONN_RESOLVING:
    case CONN_CLOSED:
        return;
    }
    struct conn_sock *s = c->sock;
    if (mask == s->mask)
        return;
    s->mask = mask;
    int rc = mask ? uv_poll_start(&s->poll, mask, on_poll) : uv_poll_stop(&s->poll);
    ASSERT(rc == 0);
}

enum err conn_attach(struct conn *c, int fd)
{
    struct conn_sock *s = mem_zalloc(sizeof(*s));
    int rc = FAULT("conn.poll") ? UV_ENOMEM : uv_poll_init(loop_uv(c->loop), &s->poll, fd);
    /* which also made it non-blocking */
    if (rc != 0) {
        LOG_ERROR(NULL, "conn.poll", "err=\"%s\"", uv_strerror(rc));
        close(fd);
        mem_free(s);
        return ERR_IO;
    }
    s->poll.data = s;
    s->fd = fd;
    s->conn = c;
    c->sock = s;
    return OK;
}

struct conn *conn_new(struct loop *l, const struct conn_events *events, void *ctx, size_t out_max)
{
    struct conn *c = mem_zalloc(sizeof(*c));
    c->loop = l;
    c->events = events;
    c->ctx = ctx;
    c->flush.fn = conn_on_flush;
    buf_init(&c->out, CONN_OUT_BYTES_CEILING); /* out_max is what counts; it may change */
    conn_set_out_max(c, out_max ? out_max : CONN_OUT_BYTES_MAX);
    return c;
}

/* -- public -- */

/* Runs outside conn_accept, so that on_open cannot come before `out` is known. */
static void start_accepted(void *arg)
{
    struct conn *c = arg;
    if (c->state != CONN_RESOLVING)
        return;
    if (!c->tls) {
        conn_established(c, NULL);
        return;
    }
    c->state = CONN_HANDSHAKE;
    conn_arm(c);
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    if (c->state != CONN_FINISHING) {
        conn_fail(c, ERR_TIMEOUT);
        return;
    }
    if (c->shut || conn_queued(c) >= c->lingered) { /* nothing left since the last look */
        conn_fail(c, OK);
        return;
    }
    c->lingered = conn_queued(c);
    loop_timer_set(c->timer, CONN_LINGER_MS);
}

enum err conn_accept(struct loop *l, int fd, struct tls_server *tls, size_t out_max,
                     const struct conn_events *events, void *ctx, struct conn **out)
{
    loop_assert_thread(l);
    struct conn *c = conn_new(l, events, ctx, out_max);
    enum err err = conn_attach(c, fd);
    if (err != OK) {
        mem_free(c);
        return err;
    }
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    (void)getpeername(fd, (struct sockaddr *)&address, &len); /* fails: named "local" */
    conn_name_peer(c, (const struct sockaddr *)&address);
    if (tls) {
        c->tls = tls;
        c->timer = loop_timer_new(l, on_timer, c);
        loop_timer_set(c->timer, CONN_CONNECT_TIMEOUT_MS);
    }
    loop_defer(l, start_accepted, c);
    *out = c;
    return OK;
}

void conn_set_events(struct conn *c, const struct conn_events *events, void *ctx)
{
    conn_check(c);
    c->events = events;
    c->ctx = ctx;
}

void conn_set_out_max(struct conn *c, size_t out_max)
{
    ASSERT(out_max > 0 && out_max <= CONN_OUT_BYTES_CEILING / 2);
    c->out_max = out_max;
}

void conn_pause_reading(struct conn *c, bool paused)
{
    conn_check(c);
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (c->state != CONN_OPEN)
        return;
    conn_arm(c);
    if (!paused && c->ssl && SSL_has_pending(c->ssl))
        conn_receive_soon(c);
}

void conn_finish(struct conn *c)
{
    conn_check(c);
    if (c->state == CONN_FINISHING || c->state == CONN_CLOSED)
        return;
    if (c->state != CONN_OPEN) { /* nothing was ever sent */
        conn_fail(c, OK);
        return;
    }
    conn_uncork(c);
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_FINISHING;
    c->lingered = conn_queued(c);
    c->timer = loop_timer_new(c->loop, on_timer, c);
    loop_timer_set(c->timer, CONN_LINGER_MS);
    if (conn_queued(c) == 0)
        conn_send_end(c);
    if (c->state == CONN_FINISHING) {
        conn_arm(c);
        if (c->ssl && SSL_has_pending(c->ssl))
            conn_receive_soon(c);
    }
}

void conn_close(struct conn *c)
{
    loop_assert_thread(c->loop);
    conn_fail(c, OK);
}

const char *conn_peer(const struct conn *c)
{
    return c->peer;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

bool conn_is_tls(const struct conn *c)
{
    return c->ssl || c->tls || (c->dial && c->dial->tls);
}
