/* An answer that is late: the caller is never left in silence without a word. */
#include "harness/test.h"

#include "call_world.h"

#define WITH_CALL(k) \
    struct world w;  \
    world_open(&w, &k)
#define END_CALL()    \
    CHECK(!w.broken); \
    world_close(&w)

static struct call_config waiting(void)
{
    struct call_config k = world_config();
    k.wait_words_ms = 2500;
    return k;
}

/* The prompt that is waiting is synthesised, and heard a second later. */
static void prompt_said(struct world *w)
{
    world_in(w,
             (struct call_input){.type = CALL_IN_PROMPT, .number = w->prompt, .audio_len = 8000});
    world_wait(w, 1000);
    world_echo(w);
}

TEST(wait_says_one_moment_when_an_answer_is_late_and_again)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_wait(&w, 2400);
    CHECK_INT(0, world_count(&w, "prompt 1"));
    world_wait(&w, 200);
    CHECK_INT(1, world_count(&w, "prompt 1 \"One moment, please.\""));
    prompt_said(&w);
    world_wait(&w, 2600);
    CHECK_INT(1, world_count(&w, "prompt 2 \"One moment, please.\""));
    world_clear(&w);
    prompt_said(&w);
    world_answer(&w, "resp_2", "item_2", 400);
    CHECK(world_did(&w, "play item_2 0 1600 0"));
    END_CALL();
}

TEST(wait_is_over_when_the_answer_is_heard)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_wait(&w, 2000);
    world_speak(&w, "resp_2", "item_2", 1000);
    world_done(&w, "resp_2", "completed");
    world_wait(&w, 1100);
    world_echo(&w);
    world_wait(&w, 5000);
    CHECK_INT(0, world_count(&w, "One moment"));
    END_CALL();
}

TEST(wait_does_not_talk_over_the_caller)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_wait(&w, 1000);
    world_speech_starts(&w, "u2", 2000);
    world_wait(&w, 4000);
    CHECK_INT(0, world_count(&w, "One moment"));
    END_CALL();
}

TEST(wait_says_a_goodbye_itself_that_the_engine_does_not_get_out)
{
    struct call_config k = waiting();
    k.max_duration_ms = 10000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 9000); /* the time is up: the engine is asked for the farewell, and is mute */
    CHECK(world_did(&w, "time limit"));
    world_clear(&w);
    world_wait(&w, 2600);
    CHECK(world_did(&w, "prompt 1 \"I am sorry, but this call has reached its time limit."));
    prompt_said(&w);
    CHECK(world_did(&w, "hangup\n")); /* without waiting for the mute engine */
    END_CALL();
}

TEST(wait_no_more_when_the_days_money_is_spent)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 3000);
    world_clear(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_OPERATOR, .text = STR("spent")});
    CHECK(world_did(&w, "response.cancel"));
    world_done(&w, "resp_2", "cancelled");
    CHECK(world_did(&w, "I have to end this call for today."));
    world_answer(&w, "resp_3", "item_3", 1000);
    world_wait(&w, 1100);
    world_echo(&w);
    CHECK(world_did(&w, "hangup\n"));
    END_CALL();
}

TEST(wait_for_the_farewell_although_what_was_cut_for_it_is_over)
{
    struct call_config k = waiting();
    k.max_duration_ms = 10000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 7000);
    world_turn(&w, "u1");
    world_answer(&w, "resp_2", "item_2", 6000); /* wholly sent, and for long not heard */
    world_clear(&w);
    world_wait(&w, 2000); /* the time is up */
    CHECK(world_did(&w, "clear\n"));
    CHECK(world_did(&w, "time limit"));
    CHECK(!world_did(&w, "hangup"));
    world_answer(&w, "resp_3", "item_3", 1000);
    world_wait(&w, 900);
    CHECK(!world_did(&w, "hangup"));
    world_wait(&w, 200);
    world_echo(&w);
    CHECK(world_did(&w, "hangup"));
    END_CALL();
}
