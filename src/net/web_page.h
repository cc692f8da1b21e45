/*
 * web_page.h - one page of the public web, fetched for whoever may wait for it.
 *
 * For importing what a person points at: redirects are followed, and no request ever reaches an
 * address that is not the public internet's (loopback, private, link-local, multicast, reserved),
 * whatever a name resolves to at that moment, so that a page cannot make the server read its own
 * network (RFC 6890 lists the blocks).
 *
 *   Memory   the page lives in the arena given.
 *   Thread   blocks: a worker or a command.
 *   Bounds   WEB_PAGE_BYTES_MAX, WEB_PAGE_TIMEOUT_MS in all, WEB_PAGE_REDIRECTS_MAX.
 */
#ifndef NET_WEB_PAGE_H
#define NET_WEB_PAGE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct web_page_opts {
    struct str url;      /* http or https */
    const char *ca_file; /* NULL = the system's roots */
    bool allow_private;  /* any address: for a site on one's own network */
};

struct web_page {
    struct str body;
    struct str type; /* Content-Type as sent, or empty */
    struct str url;  /* where the redirects ended */
};

/* ERR_INVALID for a URL that cannot be fetched, ERR_DENIED for an address that may not be asked or
 * a certificate nobody vouches for, ERR_NOTFOUND for an unknown host or 404 and 410, ERR_UPSTREAM
 * for any other status than 200, ERR_LIMIT, ERR_TIMEOUT, ERR_CLOSED; with a sentence. */
enum err web_page_fetch(struct arena *mem, const struct web_page_opts *opts, struct web_page *out,
                        struct err_detail *detail) MUST_CHECK;

/* Whether an address is on the public internet. IPv4 inside of IPv6 counts as what it is. */
bool web_address_is_public(const struct sockaddr *address);

#endif
