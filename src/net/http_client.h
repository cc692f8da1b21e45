/*
 * http_client.h - outbound HTTP(S) requests on a loop (libcurl multi).
 *
 *   Lifetime  http_client_open per loop. Every request accepted ends in exactly one call of its
 *             done function, from the loop, never from inside http_fetch; http_fetch_cancel
 *             prevents it. A done function may fetch, cancel others or close the client; a data
 *             function may do the same and cancel its own request.
 *   Bounds    opts.timeout_ms and opts.body_max always apply; HTTP_CLIENT_FETCHES_MAX at once. No
 *             redirects are followed, no proxy of the environment is used.
 *   Thread    the loop's.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct http_client;
struct http_fetch;

struct http_result {
    enum err err;             /* OK = an HTTP answer arrived, whatever its status */
    unsigned status;          /* 0 unless err is OK */
    struct str body;          /* valid until return */
    const char *detail;       /* a sentence when err is not OK; never holds credentials */
    struct http_fetch *fetch; /* for http_result_header */
};

/* The next bytes of an answer with a status of 200 to 299, at least one; valid until return. */
typedef void http_data_fn(void *ctx, struct str piece);

struct http_fetch_opts {
    const char *method; /* "GET", "POST", ... */
    struct str url;
    const char *const *headers; /* NULL-terminated "Name: value" strings; may be NULL */
    struct str userpwd;         /* "user:password" for Basic; empty = none */
    struct str body;
    uint32_t timeout_ms; /* 0 = HTTP_CLIENT_TIMEOUT_MS */
    size_t body_max;     /* of the answer; 0 = HTTP_CLIENT_BODY_BYTES_MAX */
    /* Not NULL: a good answer's body is handed over as it comes, and the result's is empty. Other
     * answers are collected as without it. The done function comes after the last piece. */
    http_data_fn *data;
};

typedef void http_done_fn(void *ctx, const struct http_result *result);

/* `ca_file` NULL = the system's roots. */
enum err http_client_open(struct http_client **out, struct loop *l, const char *ca_file) MUST_CHECK;
/* Cancels what runs; no done function is called any more. NULL-safe. */
void http_client_close(struct http_client *c);

/* Everything in `opts` is copied. `out` may be NULL when the caller never cancels. ERR_INVALID for
 * a URL that is not http(s) or holds a user name, or a header that is no header; ERR_LIMIT when too
 * many run; ERR_CLOSED after http_client_close. Results: ERR_TIMEOUT, ERR_NOTFOUND (no such host),
 * ERR_DENIED (certificate), ERR_LIMIT (answer too large), ERR_INVALID (no HTTP), ERR_CLOSED. */
enum err http_fetch(struct http_client *c, const struct http_fetch_opts *opts, http_done_fn *done,
                    void *ctx, struct http_fetch **out) MUST_CHECK;
/* Not from the request's own done function, nor after it. */
void http_fetch_cancel(struct http_fetch *f);
/* The last header of that name in the answer, case-insensitive; p == NULL when absent or when there
 * is no answer. From the done function, or the data function; valid until that returns. */
struct str http_result_header(const struct http_result *r, const char *name);
struct str http_fetch_header(const struct http_fetch *f, const char *name);

#endif
