/* The caller's silence on its way to the engine: what waits, for how long, and what does not. */
#include "harness/test.h"

#include "session/coalesce.h"

enum { FRAME = VAD_FRAME_SAMPLES, FRAME_US = 20000, HANG_MS = 700 };

static int64_t now_us;

/* One frame of 20 ms: a quiet line, or somebody who speaks. */
static enum coalesce_do put(struct coalesce *c, bool loud)
{
    uint8_t frame[FRAME];
    for (int i = 0; i < FRAME; i++)
        frame[i] = (uint8_t)(loud ? (i & 4 ? 0x10 : 0x90) : (i & 1 ? 0xff : 0x7f));
    now_us += FRAME_US;
    return coalesce_put(c, frame, FRAME, now_us);
}

TEST(silence_is_sent_in_pieces_of_the_given_length)
{
    struct coalesce c;
    coalesce_init(&c, 100, HANG_MS);
    for (int piece = 0; piece < 3; piece++) {
        for (int i = 0; i < 4; i++)
            CHECK_INT(COALESCE_WAIT, put(&c, false));
        CHECK_INT(COALESCE_SEND, put(&c, false));
        CHECK_INT(5 * FRAME, c.waiting.len);
        coalesce_sent(&c);
        CHECK_INT(0, c.due_us);
    }
    coalesce_fini(&c);
}

TEST(speech_and_the_quiet_right_behind_it_pass_at_once)
{
    struct coalesce c;
    coalesce_init(&c, 100, HANG_MS);
    for (int i = 0; i < 52; i++)
        if (put(&c, false) == COALESCE_SEND)
            coalesce_sent(&c);
    CHECK_INT(2 * FRAME, c.waiting.len);
    CHECK_INT(COALESCE_PASS, put(&c, true)); /* with what waits before it */
    CHECK_INT(2 * FRAME, c.waiting.len);
    coalesce_sent(&c);
    for (int i = 0; i < 10; i++)
        CHECK_INT(COALESCE_PASS, put(&c, true));
    /* The engine must hear soon that the caller has finished. */
    for (int ms = 20; ms < HANG_MS; ms += 20)
        CHECK_INT(COALESCE_PASS, put(&c, false));
    CHECK_INT(COALESCE_WAIT, put(&c, false));
    CHECK_INT(COALESCE_PASS, put(&c, true));
    coalesce_fini(&c);
}

TEST(what_waits_is_due_by_age)
{
    struct coalesce c;
    coalesce_init(&c, 100, HANG_MS);
    CHECK_INT(COALESCE_WAIT, put(&c, false));
    CHECK_INT(now_us + 100000, c.due_us);
    now_us += 200000; /* the line stood still */
    CHECK_INT(COALESCE_SEND, put(&c, false));
    coalesce_fini(&c);
}

TEST(what_is_no_frame_passes_and_so_does_everything_when_it_is_off)
{
    struct coalesce c;
    coalesce_init(&c, 100, HANG_MS);
    CHECK_INT(COALESCE_PASS, coalesce_put(&c, (const uint8_t *)"abc", 3, 1));
    CHECK_INT(COALESCE_PASS, coalesce_put(&c, NULL, FRAME, 1));
    CHECK_INT(0, c.waiting.len);
    coalesce_fini(&c);
    coalesce_init(&c, 0, HANG_MS);
    for (int i = 0; i < 20; i++)
        CHECK_INT(COALESCE_PASS, put(&c, false));
    coalesce_fini(&c);
}
