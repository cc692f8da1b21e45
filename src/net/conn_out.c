/* The output of a connection.
 *
 * What one event of the loop causes to be written is gathered in a cork, a buffer lent by the loop,
 * and leaves in one system call (and one TLS record) when the event has been dealt with. Only what
 * the kernel does not take then is queued in the connection's own memory.
 */
#include <openssl/err.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/fault.h"
#include "net/conn_private.h"
#include "net/tls_private.h"

/* Writes until the kernel takes no more; *sent counts. False when the connection failed. */
static bool write_all(struct conn *c, const uint8_t *p, size_t len, size_t *sent)
{
    *sent = 0;
    while (*sent < len) {
        size_t n = 0;
        enum err why = OK;
        enum conn_io io = conn_io_write(c, p + *sent, len - *sent, &n, &why);
        *sent += n;
        if (io == CONN_IO_AGAIN)
            break;
        if (io != CONN_IO_DONE) {
            conn_fail(c, io == CONN_IO_END ? ERR_CLOSED : why);
            return false;
        }
    }
    return true;
}

void conn_send_end(struct conn *c)
{
    if (c->ended) {
        conn_fail(c, OK);
        return;
    }
    if (c->ssl) {
        SSL_shutdown(c->ssl);
        ERR_clear_error();
    }
    shutdown(c->sock->fd, SHUT_WR);
    c->shut = true;
    loop_timer_set(c->timer, CONN_LINGER_MS);
}

void conn_flush(struct conn *c)
{
    size_t sent = 0;
    if (!write_all(c, (const uint8_t *)c->out.p + c->out_sent, conn_queued(c), &sent))
        return;
    c->out_sent += sent;
    if (conn_queued(c) == 0) {
        c->out_sent = 0;
        if (c->out.cap > CONN_OUT_KEEP_BYTES)
            buf_release(&c->out);
        else
            buf_reset(&c->out);
        if (c->state == CONN_FINISHING && !c->shut)
            conn_send_end(c);
    }
    if (c->refused && c->state == CONN_OPEN && conn_queued(c) <= c->out_max / 2) {
        c->refused = false;
        if (c->events->on_drained)
            c->events->on_drained(c->ctx);
    }
}

/* Appends to the queue. What was sent is dropped once it is the larger half, so that each byte is
 * moved at most once and the buffer holds at most twice the bound. */
static void enqueue(struct conn *c, const void *p, size_t len)
{
    if (c->out_sent > c->out.len / 2) {
        buf_consume(&c->out, c->out_sent);
        c->out_sent = 0;
    }
    FAULTS_OFF();
    buf_put(&c->out, p, len);
    FAULTS_ON();
    ASSERT(buf_ok(&c->out)); /* checked against out_max when it was written */
}

/* -- the cork -- */

void conn_uncork(struct conn *c)
{
    uint8_t *cork = c->cork;
    size_t len = c->cork_len, sent = 0;
    if (!cork)
        return;
    ASSERT(c->state == CONN_OPEN && conn_queued(c) == 0);
    c->cork = NULL;
    c->cork_len = 0;
    loop_flush_cancel(c->loop, &c->flush);
    if (write_all(c, cork, len, &sent) && sent < len) {
        enqueue(c, cork + sent, len - sent);
        conn_arm(c);
    }
    loop_cork_give(c->loop, cork);
}

void conn_on_flush(struct loop_flush *f)
{
    struct conn *c = (struct conn *)(void *)((char *)f - offsetof(struct conn, flush));
    conn_uncork(c);
}

void *conn_room(struct conn *c, size_t len)
{
    if (c->state != CONN_OPEN || conn_queued(c) > 0 || len > LOOP_CORK_BYTES || len > c->out_max)
        return NULL;
    size_t corked = c->cork_len; /* uncorking below changes it */
    if (c->cork && (len > LOOP_CORK_BYTES - corked || len > c->out_max - corked)) {
        conn_uncork(c);
        if (c->state != CONN_OPEN || conn_queued(c) > 0)
            return NULL;
    }
    if (!c->cork) {
        c->cork = loop_cork_lend(c->loop);
        loop_flush_soon(c->loop, &c->flush);
    }
    return c->cork + c->cork_len;
}

void conn_commit(struct conn *c, size_t len)
{
    ASSERT(c->cork && len <= LOOP_CORK_BYTES - c->cork_len);
    c->cork_len += len;
}

/* -- public -- */

enum err conn_write(struct conn *c, const void *p, size_t len)
{
    conn_check(c);
    if (FAULT("conn.write")) {
        c->refused = true;
        return ERR_LIMIT;
    }
    void *room = conn_room(c, len);
    if (room) {
        if (len)
            memcpy(room, p, len);
        conn_commit(c, len);
        return OK;
    }
    conn_uncork(c); /* larger than it: in order, then by itself */
    if (c->state == CONN_FINISHING || c->state == CONN_CLOSED)
        return ERR_CLOSED;
    size_t queued = conn_queued(c);
    if (queued > c->out_max || len > c->out_max - queued) {
        c->refused = true;
        return ERR_LIMIT;
    }
    size_t sent = 0;
    if (c->state == CONN_OPEN && queued == 0 && !write_all(c, p, len, &sent))
        return ERR_CLOSED;
    if (sent < len) {
        enqueue(c, (const uint8_t *)p + sent, len - sent);
        if (c->state == CONN_OPEN)
            conn_arm(c);
    }
    return OK;
}

size_t conn_queued(const struct conn *c)
{
    return c->out.len - c->out_sent;
}

void conn_want_drained(struct conn *c)
{
    c->refused = true;
}
