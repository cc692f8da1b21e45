/*
 * url.h - absolute http, https, ws and wss URLs taken apart (RFC 3986).
 *
 *   Memory   everything is borrowed from the text given.
 *   Thread   any; pure.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct url {
    struct str scheme;    /* as written */
    struct str host;      /* IPv6 without its brackets */
    struct str authority; /* host[:port] as written: the value of a Host header */
    struct str target;    /* path and query without the fragment; may be empty or start with '?' */
    uint16_t port;        /* the scheme's when the URL names none */
    bool tls;             /* https or wss */
    bool websocket;       /* ws or wss */
};

/*
 * ERR_INVALID, with a sentence that repeats nothing of the URL, for another scheme, an empty host,
 * a port out of 1..65535, white space, control or non-ASCII characters, or a user name: credentials
 * belong into headers, where they are not logged.
 */
enum err url_parse(struct str text, struct url *out, struct err_detail *detail) MUST_CHECK;

/* Appends `s` as a query or form value: all but RFC 3986's unreserved characters as %XX. */
void url_put_escaped(struct buf *b, struct str s);

#endif
