/*
 * net_test.h - what the tests of net/ share: a loop with a deadline, and a certificate of their
 * own.
 *
 * Include it once per test program, after harness/test.h.
 */
#ifndef NET_TEST_H
#define NET_TEST_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/loop.h"

enum { NET_TEST_DEADLINE_MS = 10000 };

struct net_test_deadline {
    struct loop *loop;
    bool passed;
};

static inline void net_test_on_deadline(void *ctx)
{
    struct net_test_deadline *d = ctx;
    d->passed = true;
    loop_stop(d->loop);
}

/* Runs until loop_stop; false when that took longer than the deadline. */
static inline bool net_test_run(struct loop *l)
{
    struct net_test_deadline d = {.loop = l};
    struct loop_timer *t = loop_timer_new(l, net_test_on_deadline, &d);
    loop_timer_set(t, NET_TEST_DEADLINE_MS);
    loop_run(l);
    loop_timer_free(t);
    return !d.passed;
}

/* A self-signed certificate for `names`, for example "DNS:localhost,IP:127.0.0.1". */
struct net_test_cert {
    char dir[32];
    char cert[64];
    char key[64];
};

static inline bool net_test_cert_write(struct net_test_cert *c, const char *names)
{
    snprintf(c->dir, sizeof(c->dir), "/tmp/net_test.XXXXXX");
    if (!mkdtemp(c->dir))
        return false;
    snprintf(c->cert, sizeof(c->cert), "%s/cert.pem", c->dir);
    snprintf(c->key, sizeof(c->key), "%s/key.pem", c->dir);

    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    X509_sign(x, key, EVP_sha256());

    FILE *f = fopen(c->cert, "w");
    bool ok = f && PEM_write_X509(f, x) == 1;
    ok = f && fclose(f) == 0 && ok;
    f = fopen(c->key, "w");
    ok = f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && ok;
    ok = f && fclose(f) == 0 && ok;
    X509_free(x);
    EVP_PKEY_free(key);
    return ok;
}

static inline void net_test_cert_remove(const struct net_test_cert *c)
{
    unlink(c->cert);
    unlink(c->key);
    rmdir(c->dir);
}

#endif
