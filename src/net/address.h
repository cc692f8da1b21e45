/*
 * address.h - IP addresses of peers, and lists of them.
 *
 *   Memory   values; nothing is held.
 *   Thread   any; no state.
 *   Bounds   ADDRESS_SET_MAX entries of a list.
 *   Source   RFC 4291 sections 2.2 and 2.5.5.2, RFC 4632 section 3.1.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

enum { ADDRESS_BYTES = 16 };

/* IPv6, or IPv4 mapped into it: one address has one form, however it came. */
struct address {
    uint8_t b[ADDRESS_BYTES];
};

/* False, *out unchanged, when it is neither IPv4 nor IPv6. */
bool address_from(const struct sockaddr *from, struct address *out) MUST_CHECK;
/* "192.0.2.1", "2001:db8::1" or "::ffff:192.0.2.1"; no port, brackets or zone. */
bool address_parse(struct str text, struct address *out) MUST_CHECK;
bool address_is_v4(const struct address *a);
/* As inet_ntop does; what is mapped as IPv4. `out` holds INET6_ADDRSTRLEN (46) bytes. */
void address_print(const struct address *a, char *out);
/* What one customer of a network has: an IPv4 address, an IPv6 /64 (the rest is zeroed). */
struct address address_of_site(const struct address *a);

struct address_set {
    size_t count;
    struct {
        struct address address;
        unsigned bits; /* of it that count, 0 to 128 */
    } items[ADDRESS_SET_MAX];
};

/* Addresses and blocks ("10.0.0.0/8") separated by commas; empty ones are skipped. False when one
 * cannot be understood or there are too many; *out is then empty. */
bool address_set_parse(struct str list, struct address_set *out) MUST_CHECK;
bool address_set_has(const struct address_set *set, const struct address *a);

#endif
