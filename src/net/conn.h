/*
 * conn.h - a byte stream over TCP, plain or TLS, accepted or connected.
 *
 * Sockets are driven through uv_poll_t with direct read/write, OpenSSL on the descriptor. Reading
 * goes into a buffer of the loop's, so an idle connection holds no read buffer.
 *
 *   Lifetime  conn_connect/conn_accept open; conn_close is idempotent, returns at once and exactly
 *             one on_closed follows from the loop, never from inside conn_close; the memory is
 *             freed after it. From any callback one may close the conn and keep using it until one
 *             returns.
 *   Order     on_open (once), then on_data/on_drained in any order, then on_closed (once, always).
 *   Bounds    output queue: opts.out_max bytes; conn_write refuses what does not fit.
 *   Thread    the loop's.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct conn;
struct tls_server; /* net/tls.h */
struct tls_client;

struct conn_events {
    void (*on_open)(void *ctx);
    /* The bytes are valid until return; the callee may change them in place (unmasking). */
    void (*on_data)(void *ctx, uint8_t *p, size_t len);
    /* The output queue fell to half of its bound after a write was refused, or after
     * conn_want_drained. May be NULL. */
    void (*on_drained)(void *ctx);
    /* why: OK = the peer ended the stream or conn_close was called; else what failed. */
    void (*on_closed)(void *ctx, enum err why);
};

struct conn_opts {
    struct str host; /* name or address; IPv6 without brackets */
    uint16_t port;
    struct tls_client *tls;      /* NULL = plain. The certificate must match `host` (RFC 6125). */
    uint32_t connect_timeout_ms; /* DNS + TCP + TLS; 0 = CONN_CONNECT_TIMEOUT_MS */
    size_t out_max;              /* 0 = CONN_OUT_BYTES_MAX */
};

enum err conn_connect(struct loop *l, const struct conn_opts *opts,
                      const struct conn_events *events, void *ctx, struct conn **out) MUST_CHECK;
/* Takes ownership of `fd`, also on error. `tls` NULL = plain. */
enum err conn_accept(struct loop *l, int fd, struct tls_server *tls, size_t out_max,
                     const struct conn_events *events, void *ctx, struct conn **out) MUST_CHECK;
/* Replaces the events from now on: an HTTP connection becomes a WebSocket. Called from on_data, the
 * new events get their first bytes only after what is deferred then has run. */
void conn_set_events(struct conn *c, const struct conn_events *events, void *ctx);
void conn_set_out_max(struct conn *c, size_t out_max);

/* All or nothing. ERR_LIMIT when the queue would pass its bound, ERR_CLOSED when closing. What one
 * event of the loop writes leaves together, before the loop waits again. */
enum err conn_write(struct conn *c, const void *p, size_t len) MUST_CHECK;
/* `len` writable bytes that follow what was written last, so that a message can be built in place,
 * or NULL: then conn_write takes it, or says why not. Only conn_commit may come next. */
void *conn_room(struct conn *c, size_t len);
/* The first `len` bytes of the room are written. */
void conn_commit(struct conn *c, size_t len);
/* Bytes the kernel did not take when they were offered. */
size_t conn_queued(const struct conn *c);
/* Asks for one on_drained, as a refused write does. For when the queue is above half. */
void conn_want_drained(struct conn *c);
void conn_pause_reading(struct conn *c, bool paused);
/* Sends what is queued, tells the peer that this is the end, waits for the peer's end and closes;
 * at most CONN_LINGER_MS without progress. No more on_data or on_drained. */
void conn_finish(struct conn *c);
/* Closes now; what is queued is dropped. */
void conn_close(struct conn *c);

/* "192.0.2.1" or "2001:db8::1"; static storage of the conn. */
const char *conn_peer(const struct conn *c);
struct loop *conn_loop(const struct conn *c);
bool conn_is_tls(const struct conn *c);

#endif
