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
    world_done(&w, "resp_2", "cancelled");
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

TEST(wait_no_longer_for_the_echo_of_a_lost_mark)
{
    struct call_config k = waiting();
    k.max_duration_ms = 10000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 9000); /* the time is up */
    world_answer(&w, "resp_2", "item_2", 1000);
    world_wait(&w, 1000 + 1400); /* heard, and no mark comes back */
    CHECK(!world_did(&w, "hangup"));
    world_wait(&w, 200);
    CHECK(world_did(&w, "call.marks_missing"));
    CHECK(world_did(&w, "hangup"));
    END_CALL();
}

TEST(wait_asks_again_for_an_answer_to_a_tool_that_is_empty)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "query_knowledge_base");
    world_in(&w, (struct call_input){
                     .type = CALL_IN_TOOL, .number = 1, .ok = true, .text = STR("{\"a\":1}")});
    world_created(&w, "resp_3");
    world_clear(&w);
    world_done(&w, "resp_3", "completed"); /* without a word */
    CHECK(world_did(&w, "response.create"));
    END_CALL();
}

TEST(wait_ends_with_a_protected_farewell_although_the_caller_speaks)
{
    struct call_config k = waiting();
    k.max_duration_ms = 10000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 9000);
    world_speech_starts(&w, "u1", 100); /* crosses with our request */
    world_created(&w, "resp_2");
    CHECK(!world_did(&w, "response.cancel"));
    world_clear(&w);
    world_done(&w, "resp_2", "cancelled"); /* the engine took it for an interruption */
    CHECK(world_did(&w, "prompt 1 \"I am sorry, but this call has reached its time limit."));
    prompt_said(&w);
    CHECK(world_did(&w, "hangup"));
    END_CALL();
}

TEST(wait_asks_nothing_more_once_the_cost_cap_is_passed)
{
    struct call_config k = waiting();
    k.max_cost_nanousd = 1000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_clear(&w);
    world_event(&w,
                "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"resp_2\","
                "\"status\":\"failed\",\"output\":[],\"usage\":{\"total_tokens\":100,"
                "\"input_tokens\":0,\"output_tokens\":100,\"output_token_details\":{"
                "\"audio_tokens\":100,\"text_tokens\":0}}}}");
    CHECK(world_did(&w, "call.cost_cap"));
    CHECK(world_did(&w, "time limit"));
    CHECK(!world_did(&w, "\"callee_purpose\":\"turn\"")); /* it failed, and stays so */
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '5'});
    world_wait(&w, 2000);
    CHECK(!world_did(&w, "keypad"));
    END_CALL();
}

TEST(wait_words_in_the_middle_of_an_answer_do_not_count_as_the_answer)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 1000); /* and there the engine stalls */
    world_wait(&w, 1000);
    world_echo(&w);
    world_wait(&w, 2600);
    prompt_said(&w); /* "One moment, please.", a second */
    world_speak(&w, "resp_2", "item_2", 4000);
    world_wait(&w, 500);
    world_clear(&w);
    world_speech_starts(&w, "u2", 100);
    CHECK(world_did(&w, "\"audio_end_ms\":1500"));
    END_CALL();
}

TEST(wait_begins_also_when_the_engine_stalls_within_a_frame)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 210); /* ten frames and a half */
    world_wait(&w, 210);
    world_echo(&w);
    world_wait(&w, 110);
    CHECK(world_did(&w, "play item_2 1600 80 80\nmark"));
    world_echo(&w);
    world_wait(&w, 2700);
    CHECK(world_did(&w, "One moment"));
    END_CALL();
}

TEST(wait_short_for_the_end_of_an_answer_that_was_cut)
{
    struct call_config k = waiting();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 2000);
    world_wait(&w, 500);
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '5'});
    CHECK(world_did(&w, "response.cancel"));
    world_wait(&w, 2900); /* and the engine says nothing any more */
    CHECK_INT(1, world_count(&w, "engine_open"));
    world_wait(&w, 200);
    CHECK_INT(2, world_count(&w, "engine_open"));
    END_CALL();
}

TEST(wait_transfers_although_a_key_cut_the_words_before)
{
    struct call_config k = waiting();
    k.transfer_number = "+15055550199";
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '0'});
    world_wait(&w, 1600);
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 2000); /* "One moment, I am connecting you ..." */
    world_wait(&w, 500);
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '5'});
    world_wait(&w, 1600);
    CHECK(world_did(&w, "transfer +15055550199"));
    END_CALL();
}

TEST(wait_for_nothing_an_operator_says_during_the_farewell)
{
    struct call_config k = waiting();
    k.max_duration_ms = 10000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 9000);
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 1000);
    world_in(&w, (struct call_input){.type = CALL_IN_OPERATOR, .text = STR("say Hello.")});
    world_done(&w, "resp_2", "completed");
    world_wait(&w, 1100);
    world_echo(&w);
    CHECK(world_did(&w, "hangup"));
    END_CALL();
}
