/* Which addresses are the public internet's. The fetching itself: test/e2e/import. */
#include "harness/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/web_page.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return web_address_is_public((const struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        fprintf(stderr, "%s is no address\n", text);
    return web_address_is_public((const struct sockaddr *)&v6);
}

TEST(the_public_internet)
{
    static const char *const in[] = {
        "1.1.1.1",      "8.8.8.8",         "100.63.255.255", "100.128.0.0",      "172.15.255.255",
        "172.32.0.0",   "192.167.255.255", "198.17.255.255", "198.20.0.0",       "223.255.255.255",
        "2606:4700::1", "2a00:1450::1",    "::ffff:8.8.8.8", "2002:0808:0808::1"};
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
        if (!is_public(in[i]))
            fprintf(stderr, "%s\n", in[i]);
        CHECK(is_public(in[i]));
    }
}

TEST(everything_else)
{
    static const char *const out[] = {"0.0.0.0",
                                      "10.0.0.1",
                                      "100.64.0.1",
                                      "127.0.0.1",
                                      "127.255.1.1",
                                      "169.254.169.254",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.0.0.8",
                                      "192.0.2.1",
                                      "192.168.1.1",
                                      "198.18.0.1",
                                      "198.51.100.1",
                                      "203.0.113.9",
                                      "224.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "::ffff:127.0.0.1",
                                      "::ffff:10.1.2.3",
                                      "64:ff9b::a00:1",
                                      "fe80::1",
                                      "fc00::1",
                                      "fd12:3456::1",
                                      "ff02::1",
                                      "2001:db8::1",
                                      "2001:0:1::1",
                                      "2002:7f00:1::",
                                      "::127.0.0.1"};
    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        if (is_public(out[i]))
            fprintf(stderr, "%s\n", out[i]);
        CHECK(!is_public(out[i]));
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    CHECK(!web_address_is_public(&local));
}
