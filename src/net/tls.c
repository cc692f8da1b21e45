#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/tls_private.h"

struct tls_server {
    char *cert_file, *key_file;
    pthread_mutex_t lock; /* guards ctx: loops take sessions of it while it is replaced */
    SSL_CTX *ctx;
};

struct tls_client {
    SSL_CTX *ctx;
};

const char *tls_error(char *buf, size_t size)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *reason = ERR_reason_error_string(code);
    if (reason)
        return reason;
    ERR_error_string_n(code, buf, size);
    return buf;
}

/* A key with a pass phrase must fail, not ask on a terminal nobody watches. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Output is queued and retried from another address; idle sessions hold no buffers. */
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1); /* one read(2) takes header and record */
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    return ctx;
}

/* Says why `file` cannot be used, telling a missing file from a bad one. */
static enum err bad_file(struct err_detail *detail, const char *what, const char *file)
{
    char text[128];
    if (access(file, R_OK) != 0) {
        int saved = errno;
        ERR_clear_error();
        return err_explain(detail, ERR_NOTFOUND, "The %s %s cannot be read: %s.", what, file,
                           strerrordesc_np(saved));
    }
    return err_explain(detail, ERR_INVALID, "The %s %s is not usable: %s.", what, file,
                       tls_error(text, sizeof(text)));
}

static enum err read_server(SSL_CTX **out, const char *cert_file, const char *key_file,
                            struct err_detail *detail)
{
    char text[128];
    SSL_CTX *ctx = new_context(TLS_server_method());
    if (!ctx)
        return err_explain(detail, ERR_IO, "OpenSSL: %s.", tls_error(text, sizeof(text)));
    enum err err = OK;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        err = bad_file(detail, "certificate", cert_file);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        err = bad_file(detail, "private key", key_file);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        err =
            err_explain(detail, ERR_INVALID, "The private key %s does not fit the certificate %s.",
                        key_file, cert_file);
    if (err != OK) {
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return err;
    }
    static const unsigned char id[] = "callee";
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
    *out = ctx;
    return OK;
}

enum err tls_server_open(struct tls_server **out, const char *cert_file, const char *key_file,
                         struct err_detail *detail)
{
    SSL_CTX *ctx;
    enum err err = read_server(&ctx, cert_file, key_file, detail);
    if (err != OK)
        return err;
    struct tls_server *t = mem_zalloc(sizeof(*t));
    *t = (struct tls_server){.ctx = ctx,
                             .cert_file = mem_strndup(cert_file, strlen(cert_file)),
                             .key_file = mem_strndup(key_file, strlen(key_file))};
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return OK;
}

enum err tls_server_reload(struct tls_server *t, struct err_detail *detail)
{
    SSL_CTX *ctx;
    enum err err = read_server(&ctx, t->cert_file, t->key_file, detail);
    if (err != OK)
        return err;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = ctx;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old); /* sessions hold it as long as they live */
    return OK;
}

void tls_server_close(struct tls_server *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    pthread_mutex_destroy(&t->lock);
    mem_free(t->cert_file);
    mem_free(t->key_file);
    mem_free(t);
}

enum err tls_client_open(struct tls_client **out, const char *ca_file, struct err_detail *detail)
{
    char text[128];
    SSL_CTX *ctx = new_context(TLS_client_method());
    if (!ctx)
        return err_explain(detail, ERR_IO, "OpenSSL: %s.", tls_error(text, sizeof(text)));
    enum err err = OK;
    if (ca_file && SSL_CTX_load_verify_file(ctx, ca_file) != 1)
        err = bad_file(detail, "file of trusted certificates", ca_file);
    else if (!ca_file && SSL_CTX_set_default_verify_paths(ctx) != 1)
        err = err_explain(detail, ERR_IO, "The system's trusted certificates cannot be read: %s.",
                          tls_error(text, sizeof(text)));
    if (err != OK) {
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return err;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    struct tls_client *t = mem_zalloc(sizeof(*t));
    t->ctx = ctx;
    *out = t;
    return OK;
}

void tls_client_close(struct tls_client *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    mem_free(t);
}

static SSL *new_session(SSL_CTX *ctx, int fd)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(ctx);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

SSL *tls_server_session(struct tls_server *t, int fd)
{
    pthread_mutex_lock(&t->lock);
    SSL *ssl = new_session(t->ctx, fd);
    pthread_mutex_unlock(&t->lock);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

static int expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    char name[CONN_HOST_BYTES_MAX + 1]; /* the SNI macro casts const away */
    if (!str_copy(name, sizeof(name), str_of(host)))
        return 0;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_client_session(struct tls_client *t, int fd, const char *host)
{
    SSL *ssl = new_session(t->ctx, fd);
    if (!ssl)
        return NULL;
    SSL_set_connect_state(ssl);
    if (expect_host(ssl, host) != 1) { /* never go on unverified */
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
