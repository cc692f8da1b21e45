/* What is at hand of the caller, against a plain list of bytes. */
#include "harness/test.h"

#include <string.h>

#include "base/rng.h"
#include "session/kept.h"

enum { BYTES = 60000 };

static void check_same(const struct kept *k, const uint8_t *bytes, uint32_t len, uint32_t at)
{
    static uint8_t out[BYTES];
    CHECK_INT(len, k->len);
    kept_read(k, at, out, len - at);
    CHECK(memcmp(out, bytes + at, len - at) == 0);
}

TEST(what_is_kept_is_the_newest_in_its_order_whatever_was_put_and_trimmed)
{
    static uint8_t bytes[BYTES], more[3000];
    uint32_t len = 0;
    struct kept k = {0};
    struct rng r;
    rng_init_seeded(&r, 3);
    for (int i = 0; i < 4000; i++) {
        uint32_t n = i % 7 ? 160 : (uint32_t)(i * 37 % (int)sizeof(more));
        uint32_t most = i % 900 < 450 ? 6400 : i % 900 == 800 ? 0 : BYTES - 3000;
        rng_fill(&r, more, n);
        memcpy(bytes + len, more, n);
        len += n;
        kept_put(&k, more, n);
        if (len > most) {
            memmove(bytes, bytes + len - most, most);
            len = most;
        }
        kept_trim(&k, most);
        check_same(&k, bytes, len, len / 3);
        check_same(&k, bytes, len, 0);
    }
    kept_fini(&k);
}

TEST(keeping_a_little_takes_little_and_a_long_hold_is_given_back)
{
    static const uint8_t bytes[30000];
    struct kept k = {0};
    for (int i = 0; i < 1000; i++) {
        kept_trim(&k, 6400 - 160);
        kept_put(&k, bytes, 160);
    }
    CHECK_INT(6400, k.cap);
    kept_put(&k, bytes, sizeof(bytes));
    CHECK(k.cap >= 36400);
    kept_trim(&k, 6400);
    CHECK(k.cap <= 12800);
    kept_trim(&k, 0);
    CHECK(k.p == NULL);
    kept_fini(&k);
}
