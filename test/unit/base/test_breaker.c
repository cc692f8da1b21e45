/* The circuit breaker, time given by hand. */
#include "harness/test.h"

#include "base/breaker.h"
#include "base/limits.h"

static const int64_t SECOND = 1000000;

static void open_it(struct breaker *b, int64_t now)
{
    for (int i = 1; i < BREAKER_FAILURES; i++)
        CHECK(!breaker_failed(b, now));
    CHECK(breaker_allows(b));
    CHECK(breaker_failed(b, now));
    CHECK(!breaker_allows(b));
}

TEST(breaker_opens_after_failures_in_a_row_only)
{
    struct breaker b = {0};
    for (int i = 0; i < 20; i++) {
        CHECK(!breaker_failed(&b, i * SECOND));
        CHECK(!breaker_failed(&b, i * SECOND));
        breaker_worked(&b);
    }
    CHECK(breaker_allows(&b));
    open_it(&b, 100 * SECOND);
    CHECK(!breaker_failed(&b, 100 * SECOND)); /* of a call that was under way: no second opening */
    CHECK_INT(BREAKER_WAIT_MS_MIN, breaker_wait_ms(&b, 100 * SECOND));
}

TEST(breaker_waits_longer_each_time_and_one_probes)
{
    struct breaker b = {0};
    open_it(&b, 0);
    int64_t now = 0, wait = BREAKER_WAIT_MS_MIN;
    for (int i = 0; i < 10; i++) {
        CHECK_INT(wait, breaker_wait_ms(&b, now));
        now += wait * 1000;
        CHECK_INT(1, breaker_wait_ms(&b, now));
        CHECK(breaker_begin_probe(&b));
        CHECK(!breaker_begin_probe(&b)); /* another loop */
        breaker_probed(&b, false, now);
        CHECK(!breaker_allows(&b));
        wait = wait * 2 < BREAKER_WAIT_MS_MAX ? wait * 2 : BREAKER_WAIT_MS_MAX;
    }
}

TEST(breaker_gives_a_dropped_probe_to_the_next)
{
    struct breaker b = {0};
    open_it(&b, 0);
    CHECK(breaker_begin_probe(&b));
    breaker_drop_probe(&b);
    CHECK(!breaker_allows(&b));
    CHECK_INT(BREAKER_WAIT_MS_MIN, breaker_wait_ms(&b, 0)); /* nothing was learnt */
    CHECK(breaker_begin_probe(&b));
}

TEST(breaker_is_half_open_after_a_probe_until_an_answer)
{
    struct breaker b = {0};
    open_it(&b, 0);
    CHECK(breaker_begin_probe(&b));
    breaker_probed(&b, true, 2 * SECOND);
    CHECK(breaker_allows(&b));
    CHECK(breaker_failed(&b, 3 * SECOND)); /* one is enough, and the wait is longer */
    CHECK_INT(2 * BREAKER_WAIT_MS_MIN, breaker_wait_ms(&b, 3 * SECOND));
    CHECK(breaker_begin_probe(&b));
    breaker_probed(&b, true, 8 * SECOND);
    breaker_worked(&b);
    CHECK(!breaker_failed(&b, 9 * SECOND));
    CHECK(breaker_allows(&b));
}
