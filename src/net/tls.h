/*
 * tls.h - TLS contexts (OpenSSL 3, TLS 1.2 and newer).
 *
 *   Thread   a context may be used by any number of loops after it was opened; tls_server_reload
 *            may be called meanwhile.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"

struct tls_server;
struct tls_client;

/* PEM files. ERR_INVALID/ERR_NOTFOUND with a sentence naming the file and what is wrong. */
enum err tls_server_open(struct tls_server **out, const char *cert_file, const char *key_file,
                         struct err_detail *detail) MUST_CHECK;
/* Reads the same two files again. New connections get the new certificate, open ones keep theirs.
 * On an error, as of tls_server_open, the old one stays. */
enum err tls_server_reload(struct tls_server *t, struct err_detail *detail) MUST_CHECK;
void tls_server_close(struct tls_server *t);

/* Verifies peers against the system's roots, or against `ca_file` alone when it is not NULL. */
enum err tls_client_open(struct tls_client **out, const char *ca_file,
                         struct err_detail *detail) MUST_CHECK;
void tls_client_close(struct tls_client *t);

#endif
