#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { V4_AT = 12, V4_BITS = 32, ALL_BITS = 128, SITE_BYTES = 8 };

static const uint8_t v4_prefix[V4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void set_v4(struct address *out, const void *raw)
{
    memcpy(out->b, v4_prefix, V4_AT);
    memcpy(out->b + V4_AT, raw, ADDRESS_BYTES - V4_AT);
}

bool address_from(const struct sockaddr *from, struct address *out)
{
    if (from->sa_family == AF_INET) {
        set_v4(out, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
        return true;
    }
    if (from->sa_family != AF_INET6)
        return false;
    memcpy(out->b, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, ADDRESS_BYTES);
    return true;
}

bool address_parse(struct str text, struct address *out)
{
    char z[INET6_ADDRSTRLEN];
    uint8_t raw[ADDRESS_BYTES];
    if (!str_copy(z, sizeof(z), text) || strlen(z) != text.len)
        return false;
    if (inet_pton(AF_INET, z, raw) == 1) {
        set_v4(out, raw);
        return true;
    }
    if (inet_pton(AF_INET6, z, raw) != 1)
        return false;
    memcpy(out->b, raw, ADDRESS_BYTES);
    return true;
}

bool address_is_v4(const struct address *a)
{
    return memcmp(a->b, v4_prefix, V4_AT) == 0;
}

void address_print(const struct address *a, char *out)
{
    bool v4 = address_is_v4(a);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, a->b + (v4 ? V4_AT : 0), out, INET6_ADDRSTRLEN))
        out[0] = '\0';
}

struct address address_of_site(const struct address *a)
{
    struct address site = *a;
    if (!address_is_v4(a))
        memset(site.b + SITE_BYTES, 0, ADDRESS_BYTES - SITE_BYTES);
    return site;
}

static bool add(struct address_set *set, struct str entry)
{
    struct str bits_text = entry;
    struct address a;
    struct str text = str_trim(str_take_until(&bits_text, '/'));
    if (set->count == ADDRESS_SET_MAX || !address_parse(text, &a))
        return false;
    uint64_t skip = address_is_v4(&a) ? ALL_BITS - V4_BITS : 0;
    uint64_t bits = ALL_BITS - skip;
    if (bits_text.p && (!str_to_u64(str_trim(bits_text), &bits) || bits > ALL_BITS - skip))
        return false;
    set->items[set->count].address = a;
    set->items[set->count++].bits = (unsigned)(bits + skip);
    return true;
}

bool address_set_parse(struct str list, struct address_set *out)
{
    out->count = 0;
    while (list.p) {
        struct str entry = str_trim(str_take_until(&list, ','));
        if (entry.len && !add(out, entry)) {
            out->count = 0;
            return false;
        }
    }
    return true;
}

bool address_set_has(const struct address_set *set, const struct address *a)
{
    for (size_t i = 0; i < set->count; i++) {
        const uint8_t *b = set->items[i].address.b;
        unsigned bits = set->items[i].bits, bytes = bits / 8, rest = bits % 8;
        if (memcmp(a->b, b, bytes) != 0)
            continue;
        if (rest == 0 || ((a->b[bytes] ^ b[bytes]) >> (8 - rest)) == 0)
            return true;
    }
    return false;
}
