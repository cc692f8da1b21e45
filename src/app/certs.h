/*
 * certs.h - the server's certificate, read again when its files have changed.
 *
 *   Lifetime  certs_new/certs_free on one loop.
 *   Thread    the loop's.
 */
#ifndef APP_CERTS_H
#define APP_CERTS_H

#include "net/loop.h"
#include "net/tls.h"

struct certs;

/* Looks at the two files every CERTS_LOOK_MS. The strings live as long as it does. */
struct certs *certs_new(struct loop *l, struct tls_server *tls, const char *cert_file,
                        const char *key_file);
/* Reads them now, changed or not. A certificate that cannot be used is logged; the old one stays.
 */
void certs_reload(struct certs *c);
/* NULL-safe. */
void certs_free(struct certs *c);

#endif
