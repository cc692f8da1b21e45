#include "base/rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"

void rng_init_system(struct rng *r)
{
    *r = (struct rng){.seeded = 0};
}

void rng_init_seeded(struct rng *r, uint64_t seed)
{
    *r = (struct rng){.seeded = 1, .state = seed};
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void refill(struct rng *r)
{
    if (r->seeded) {
        for (size_t i = 0; i < sizeof(r->pool); i += sizeof(uint64_t)) {
            uint64_t v = splitmix64(&r->state);
            memcpy(r->pool + i, &v, sizeof(v));
        }
    } else {
        size_t got = 0;
        while (got < sizeof(r->pool)) {
            ssize_t n = getrandom(r->pool + got, sizeof(r->pool) - got, 0);
            ASSERT(n > 0 || errno == EINTR); /* a kernel without getrandom cannot run callee */
            got += n > 0 ? (size_t)n : 0;
        }
    }
    r->left = sizeof(r->pool);
}

void rng_fill(struct rng *r, void *out, size_t len)
{
    unsigned char *p = out;
    while (len) {
        if (r->left == 0)
            refill(r);
        size_t n = len < r->left ? len : r->left;
        unsigned char *from = r->pool + sizeof(r->pool) - r->left;
        memcpy(p, from, n);
        memset(from, 0, n); /* handed out once */
        r->left -= n;
        p += n;
        len -= n;
    }
}

uint32_t rng_u32(struct rng *r)
{
    uint32_t v;
    rng_fill(r, &v, sizeof(v));
    return v;
}

uint32_t rng_below(struct rng *r, uint32_t bound)
{
    ASSERT(bound > 0);
    return (uint32_t)(((uint64_t)rng_u32(r) * bound) >> 32);
}

void rng_hex(struct rng *r, char *out, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c;
        rng_fill(r, &c, 1);
        out[2 * i] = digits[c >> 4];
        out[2 * i + 1] = digits[c & 15];
    }
    out[2 * bytes] = '\0';
}
