/*
 * conn_move.h - an open connection taken off its loop and put on another one. Private to net/.
 *
 *   Lifetime  conn_release ends a conn without on_closed: what it held is the parcel's, which
 *             belongs to whoever has it until conn_adopt or conn_parcel_fini.
 *   Thread    conn_release: the conn's loop. conn_adopt: the loop given. In between any, one at a
 *             time: the descriptor is watched by no loop.
 */
#ifndef NET_CONN_MOVE_H
#define NET_CONN_MOVE_H

#include <arpa/inet.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "net/conn.h"

/* Everything a connection is apart from its loop. */
struct conn_parcel {
    int fd;
    SSL *ssl;       /* NULL = plain */
    struct buf out; /* accepted and not yet sent, behind the first out_sent bytes */
    size_t out_sent;
    char peer[INET6_ADDRSTRLEN];
};

/* Takes an open connection from its loop; false when it is not open (it is ending, and on_closed
 * will say so). After true `c` must not be used once the current callback has returned. */
bool conn_release(struct conn *c, struct conn_parcel *out) MUST_CHECK;
/* Puts it on a loop, open, without on_open. The parcel is used up, also on an error. */
enum err conn_adopt(struct loop *l, struct conn_parcel *p, const struct conn_events *events,
                    void *ctx, struct conn **out) MUST_CHECK;
/* Drops the connection. */
void conn_parcel_fini(struct conn_parcel *p);

#endif
