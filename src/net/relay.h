/*
 * relay.h - two connections whose bytes are passed from one to the other, until either ends.
 *
 * For a TLS connection whose call lives in another process: the session stays here, the other
 * process has the far end of a socket pair.
 *
 *   Lifetime  relay_open takes both connections; the relay frees itself when both have closed, and
 *             calls on_gone then.
 *   Thread    the loop's.
 *   Bounds    RELAY_QUEUE_BYTES_MAX waiting each way; then the other side is not read.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include "net/conn_move.h"

struct relay;

/* `parcel` and `fd` are used up, also on an error. */
enum err relay_open(struct relay **out, struct loop *l, struct conn_parcel *parcel, int fd,
                    loop_fn *on_gone, void *ctx) MUST_CHECK;
/* Drops both; on_gone follows. */
void relay_close(struct relay *r);

#endif
