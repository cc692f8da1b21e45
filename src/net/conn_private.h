/*
 * conn_private.h - the inside of a connection, shared by conn.c (an open stream), conn_out.c (its
 * output), conn_io.c (its bytes) and conn_dial.c (how it comes to be open).
 *
 *   Thread   the loop's.
 */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/limits.h"
#include "net/conn.h"
#include "net/loop_private.h"

enum conn_state {
    CONN_RESOLVING,  /* or, accepted: waiting for the first turn of the loop */
    CONN_CONNECTING, /* TCP */
    CONN_HANDSHAKE,  /* TLS */
    CONN_OPEN,
    CONN_FINISHING, /* conn_finish: output leaves, input is thrown away */
    CONN_CLOSED,    /* only the deferred on_closed is left */
};

/* The descriptor and its poll handle live until libuv has let go of the handle, which is later than
 * a failed connection attempt or the connection itself. */
struct conn_sock {
    uv_poll_t poll;
    int fd;
    int mask; /* what is armed */
    struct conn *conn;
};

/* Only while connecting. */
struct conn_dial {
    struct conn *conn; /* NULL once closed: the resolver answers into nothing */
    uv_getaddrinfo_t request;
    bool resolving;
    struct tls_client *tls;
    struct sockaddr_storage addresses[CONN_ADDRESSES_MAX];
    size_t count, next;
    int64_t deadline_us;
    uint16_t port;
    char host[CONN_HOST_BYTES_MAX + 1];
};

struct conn {
    struct loop *loop;
    const struct conn_events *events;
    void *ctx;
    enum conn_state state;
    enum err why; /* given to on_closed */

    struct conn_sock *sock;
    struct conn_dial *dial;
    SSL *ssl;
    struct tls_server *tls;   /* accepted, and nothing came yet: there is no session */
    struct loop_timer *timer; /* connecting, handshake, lingering */

    struct loop_flush flush; /* queued at the loop while there is a cork */
    uint8_t *cork;           /* written during this event of the loop, not yet offered; or NULL */
    size_t cork_len;
    struct buf out; /* accepted, not yet taken by the kernel; the first out_sent bytes are gone */
    size_t out_sent;
    size_t out_max;
    size_t lingered;    /* finishing: what was queued when the timer was set */
    bool refused;       /* on_drained is owed */
    bool paused;        /* conn_pause_reading */
    bool read_later;    /* a deferred read is on its way */
    bool handshake_out; /* the handshake waits to write, not to read */
    bool ended;         /* the peer sent its end while we finish */
    bool shut;          /* our own end was sent */
    char peer[INET6_ADDRSTRLEN];
};

struct conn *conn_new(struct loop *l, const struct conn_events *events, void *ctx, size_t out_max);
/* Puts a poll handle on `fd`, which it owns from now on, also on an error. */
enum err conn_attach(struct conn *c, int fd);
/* Gives the current descriptor back; a no-op without one. */
void conn_detach(struct conn *c);
/* TCP is up: starts TLS if asked for, else opens. */
void conn_established(struct conn *c, SSL *ssl);
/* Arms the poll handle for what the state needs. */
void conn_arm(struct conn *c);
/* The one way to the end; on_closed follows from the loop. Later calls do nothing. */
void conn_fail(struct conn *c, enum err why);
void conn_check(const struct conn *c);
/* Reads once more from the loop: for bytes that OpenSSL holds, which raise no event. */
void conn_receive_soon(struct conn *c);
void conn_name_peer(struct conn *c, const struct sockaddr *address);

/* conn_out.c: offers the queue to the kernel. */
void conn_flush(struct conn *c);
/* Offers what is corked to the kernel, and queues the rest. The connection may fail of it. */
void conn_uncork(struct conn *c);
void conn_on_flush(struct loop_flush *f);
/* All output is gone and no more will come: tells the peer, then waits for its end. Closing with
 * input unread would make the kernel send a reset, which may overtake the output. */
void conn_send_end(struct conn *c);

/* conn_io.c: what one attempt to read or write came to. */
enum conn_io { CONN_IO_DONE, CONN_IO_AGAIN, CONN_IO_END, CONN_IO_FAILED };
/* At most LOOP_READ_BYTES into `p`. *len is written on DONE, *why on FAILED. */
enum conn_io conn_io_read(struct conn *c, uint8_t *p, size_t *len, enum err *why);
enum conn_io conn_io_write(struct conn *c, const void *p, size_t len, size_t *sent, enum err *why);
enum err conn_errno(int code);

/* conn_dial.c: the socket of the current attempt became writable or failed. */
void conn_dial_ready(struct conn *c);
/* Time is up for this attempt, or for the whole. */
void conn_dial_timeout(struct conn *c);
/* Ends the resolver's hold on the connection. */
void conn_dial_free(struct conn *c);

#endif
