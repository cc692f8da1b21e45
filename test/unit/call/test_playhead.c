/* How much was heard: the arithmetic between marks. One byte is 125 us. */
#include "harness/test.h"

#include "call/playhead.h"

enum { MS = 1000 };

TEST(playhead_follows_the_clock_and_never_passes_what_was_sent)
{
    struct playhead p = {0};
    playhead_sent(&p, 1600, 10 * MS); /* 200 ms */
    CHECK_INT(0, playhead_heard(&p, 10 * MS));
    CHECK_INT(800, playhead_heard(&p, 110 * MS));
    CHECK_INT(1600, playhead_heard(&p, 900 * MS));
    CHECK_INT(160 * MS, playhead_time_of(&p, 1200, 20 * MS));
}

TEST(playhead_learns_the_round_trip_and_adds_it)
{
    struct playhead p = {0};
    playhead_sent(&p, 16000, 0);
    p.sent = 1600; /* the mark is behind the first 200 ms */
    playhead_mark(&p, 1);
    p.sent = 16000;
    CHECK(playhead_echo(&p, 1, 290 * MS)); /* 90 ms there and back */
    CHECK_INT(90 * MS, p.rtt_us);
    CHECK_INT(1600 + 720, playhead_heard(&p, 290 * MS));
    CHECK_INT(1600 + 720 + 800, playhead_heard(&p, 390 * MS));
}

TEST(playhead_ignores_marks_that_were_cleared_repeated_or_never_sent)
{
    struct playhead p = {0};
    playhead_sent(&p, 1600, 0);
    playhead_mark(&p, 1);
    CHECK_INT(400, playhead_clear(&p, 50 * MS));
    CHECK_INT(400, p.sent);
    CHECK(!playhead_echo(&p, 1, 60 * MS));
    playhead_sent(&p, 1600, 100 * MS);
    playhead_mark(&p, 2);
    CHECK(playhead_echo(&p, 2, 300 * MS));
    CHECK(!playhead_echo(&p, 2, 310 * MS));
    CHECK(!playhead_echo(&p, 99, 310 * MS));
}

TEST(playhead_an_echo_from_before_a_pause_does_not_hurry_the_next_words)
{
    struct playhead p = {0};
    playhead_sent(&p, 1600, 0);
    playhead_mark(&p, 1);
    playhead_sent(&p, 1600, 230 * MS); /* the carrier had 30 ms of nothing to play */
    CHECK(playhead_echo(&p, 1, 300 * MS));
    CHECK(playhead_heard(&p, 300 * MS) <= 1600 + 70 * 8);
}

TEST(playhead_a_stall_of_the_carrier_holds_it_back)
{
    struct playhead p = {0};
    playhead_sent(&p, 80000, 0);
    p.sent = 1600;
    playhead_mark(&p, 1);
    p.sent = 3200;
    playhead_mark(&p, 2);
    p.sent = 80000;
    CHECK(playhead_echo(&p, 1, 250 * MS));
    CHECK(playhead_echo(&p, 2, 2000 * MS)); /* 1.5 s late: not distance, a stall */
    CHECK(p.rtt_us < 60 * MS);
    CHECK(playhead_heard(&p, 2000 * MS) < 3200 + 60 * 8);
}

TEST(playhead_forgets_the_oldest_mark_when_too_many_are_in_flight)
{
    struct playhead p = {0};
    for (uint32_t i = 1; i <= PLAYHEAD_MARKS_MAX + 5; i++) {
        playhead_sent(&p, 160, 0);
        playhead_mark(&p, i);
    }
    CHECK(!playhead_echo(&p, 5, 10000 * MS));
    CHECK(playhead_echo(&p, 6, 10000 * MS));
    CHECK_INT(PLAYHEAD_MARKS_MAX - 1, p.count);
}

TEST(playhead_of_a_broken_stream_is_where_the_last_echo_says)
{
    struct playhead p = {0};
    playhead_sent(&p, 1600, 0);
    playhead_mark(&p, 1);
    playhead_sent(&p, 1600, 0);
    playhead_mark(&p, 2);
    CHECK(playhead_echo(&p, 1, 300 * MS)); /* there and back takes 100 ms */
    struct playhead q = p;
    CHECK_INT(1600 + 400, playhead_broke(&q, 350 * MS));
    CHECK_INT(0, q.count);
    q = p; /* its echo should be here: it was not played */
    CHECK_INT(3200, playhead_broke(&q, 900 * MS));
    /* To a clear all is heard, so what is sent now begins anew; a break comes before that. */
    playhead_sent(&p, 1600, 420 * MS);
    q = p;
    CHECK_INT(1600 + 1040, playhead_broke(&q, 430 * MS));
    CHECK_INT(3200 + 80, playhead_stop(&p, 430 * MS));
}
