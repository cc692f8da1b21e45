/*
 * tls_private.h - one TLS session on a connection, for conn.c alone.
 *
 *   Thread   the loop's; the contexts may be shared.
 */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* A session over `fd`, ready for SSL_do_handshake; SSL_free ends it. NULL when OpenSSL refuses. */
SSL *tls_server_session(struct tls_server *t, int fd);
/* As above; the peer's certificate must be valid for `host`, a name (also sent as SNI, RFC 6066
 * section 3) or an address (RFC 6125 and RFC 9110 section 4.3.4). */
SSL *tls_client_session(struct tls_client *t, int fd, const char *host);

/* The text of OpenSSL's first queued error, and empties the queue. Static or `buf`. */
const char *tls_error(char *buf, size_t size);

#endif
