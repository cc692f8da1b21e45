/*
 * http_parse.h - the head of a request, from its bytes (RFC 9112 sections 2 to 6).
 *
 * The grammar is the library's (http-parser or llhttp, chosen when the build is configured); what
 * decides where a message ends is checked here again and strictly, because a server and a proxy
 * that disagree about it can be made to see different requests (RFC 9112 section 11.2).
 *
 *   Units    bytes.
 *   Memory   everything in a struct http_head points into the text given.
 *   Bounds   HTTP_HEADERS_MAX header lines.
 *   Thread   any; pure.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

struct http_field {
    struct str name;
    struct str value; /* without white space around it */
};

struct http_head {
    struct str method; /* static storage */
    struct str target; /* as sent */
    struct str path;   /* of the target, without query; begins with '/', or "*" */
    struct str query;  /* behind '?', or empty */
    unsigned minor;    /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;   /* the client is ready for another request (RFC 9112 section 9.3) */
    bool expects;      /* Expect: 100-continue */
    bool chunked;
    uint64_t length; /* of the body; 0 when chunked */
    size_t count;
    struct http_field fields[HTTP_HEADERS_MAX];
};

/*
 * Looks for the empty line that ends a head, going on at *scanned. OK: *len is the length of the
 * head, that line included. ERR_AGAIN: not here yet, *scanned moved on. ERR_INVALID: a NUL, a CR
 * without LF or an LF without CR, which RFC 9112 section 2.2 lets a server refuse. ERR_LIMIT:
 * longer than HTTP_HEAD_BYTES_MAX.
 */
enum err http_parse_find_end(struct str text, size_t *scanned, size_t *len) MUST_CHECK;

/* One whole head. On ERR_INVALID *status is what to answer: 400, 417, 431, 501 or 505. */
enum err http_parse_head(struct str text, struct http_head *out, unsigned *status) MUST_CHECK;

/* First field of that name, case-insensitive; p == NULL when absent. */
struct str http_head_get(const struct http_head *h, struct str name);
/* How many fields have that name. */
size_t http_head_count(const struct http_head *h, struct str name);
/* True when one of the comma separated tokens of any field of that name is `token`. */
bool http_head_has_token(const struct http_head *h, struct str name, struct str token);

#endif
