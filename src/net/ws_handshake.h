/*
 * ws_handshake.h - the text of the WebSocket opening handshake (RFC 6455 section 4), without I/O.
 * Private to net/.
 *
 *   Thread   any; pure.
 */
#ifndef NET_WS_HANDSHAKE_H
#define NET_WS_HANDSHAKE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/url.h"

enum {
    WS_NONCE_BYTES = 16,
    WS_KEY_CHARS = 24,    /* base64 of the nonce */
    WS_ACCEPT_CHARS = 28, /* base64 of a SHA-1 */
};

/* Sec-WebSocket-Accept for a key (section 4.2.2 step 5.4); no NUL. */
void ws_accept_of(char out[WS_ACCEPT_CHARS], struct str key);

/* Appends the server's 101 answer; `subprotocol` may be NULL. */
void ws_answer_write(struct buf *out, struct str key, const char *subprotocol);

/* Extra header lines end with CRLF each and hold no other control characters or empty lines. */
bool ws_headers_valid(struct str headers);
/* Appends the client's request; `subprotocols` may be empty. */
void ws_request_write(struct buf *out, const struct url *url, struct str key,
                      struct str subprotocols, struct str headers);
/*
 * Judges the head of the server's answer, with its empty line (section 4.1). ERR_UPSTREAM with
 * "HTTP 401" for another status than 101, ERR_INVALID for what a WebSocket server must not answer.
 */
enum err ws_answer_check(struct str head, struct str accept, struct str subprotocols,
                         struct err_detail *detail) MUST_CHECK;

#endif
