/*
 * ws_accept.h - the server's side of the opening handshake: the HTTP server hands its connection
 * over. Private to net/.
 *
 *   Thread   the loop's.
 */
#ifndef NET_WS_ACCEPT_H
#define NET_WS_ACCEPT_H

#include "base/err.h"
#include "base/str.h"
#include "net/conn.h"
#include "net/ws.h"

/*
 * Writes the 101 answer for `key` (the request's Sec-WebSocket-Key, already checked) and takes over
 * the conn with its events. `early`: bytes read behind the request's head; copied, and delivered
 * after the current callback, never from inside. On an error nothing was changed: the conn and its
 * events stay the caller's.
 */
enum err ws_accept(struct conn *c, struct str key, const char *subprotocol,
                   const struct ws_opts *opts, const struct ws_events *events, void *ctx,
                   struct str early, struct ws **out) MUST_CHECK;

#endif
