#include "bridge/cert.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>

enum { DAY_S = 86400 };

static bool extend(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return good;
}

static bool fill(X509 *cert, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), DAY_S) && X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"callee bench", -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           extend(cert, NID_basic_constraints, "critical,CA:TRUE") &&
           extend(cert, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool save(X509 *cert, EVP_PKEY *key, const char *cert_path, const char *key_path)
{
    FILE *c = fopen(cert_path, "we"), *k = fopen(key_path, "we");
    bool good = c && k && PEM_write_X509(c, cert) == 1 &&
                PEM_write_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1;
    good = (!c || fclose(c) == 0) && good;
    return (!k || fclose(k) == 0) && good;
}

enum err cert_make(const char *cert_path, const char *key_path, struct err_detail *detail)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool good = key && cert && fill(cert, key) && save(cert, key, cert_path, key_path);
    X509_free(cert);
    EVP_PKEY_free(key);
    return good ? OK : err_explain(detail, ERR_IO, "no certificate could be made: %s", cert_path);
}
