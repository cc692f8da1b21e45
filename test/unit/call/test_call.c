/* The call core, one behaviour a test, on virtual time. */
#include "harness/test.h"

#include "call_world.h"

#define WITH_CALL(k) \
    struct world w;  \
    world_open(&w, &k)
#define END_CALL()    \
    CHECK(!w.broken); \
    world_close(&w)

TEST(call_greets_first_and_only_when_both_sides_are_there)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    CHECK(world_did(&w, "engine_open 0"));
    world_in(&w, (struct call_input){.type = CALL_IN_STREAM});
    CHECK(!world_did(&w, "response.create"));
    world_engine_ready(&w);
    CHECK(world_did(&w, "\"type\":\"session.update\""));
    CHECK(world_did(&w, "Say exactly: \\\"Hello there.\\\""));
    END_CALL();
}

TEST(call_keeps_caller_audio_until_the_engine_is_ready)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_in(&w, (struct call_input){.type = CALL_IN_STREAM});
    world_caller(&w, 100);
    CHECK_INT(5, world_count(&w, "hold 160\n"));
    CHECK_INT(0, world_count(&w, "append"));
    world_engine_ready(&w);
    CHECK_INT(1, world_count(&w, "release\n"));
    world_caller(&w, 20);
    CHECK_INT(1, world_count(&w, "append 160\n"));
    END_CALL();
}

TEST(call_announces_before_it_greets_and_cannot_be_cut_there)
{
    struct call_config k = world_config();
    k.announcement = "You speak with a machine.";
    WITH_CALL(k);
    world_begin(&w);
    CHECK(world_did(&w, "prompt 1 \"You speak with a machine.\""));
    CHECK(!world_did(&w, "response.create"));
    world_in(&w, (struct call_input){.type = CALL_IN_PROMPT, .number = 1, .audio_len = 16000});
    CHECK(world_did(&w, "play prompt_1 0 1600 0"));
    CHECK(world_did(&w, "response.create"));
    world_answer(&w, "resp_1", "item_1", 3000);
    world_wait(&w, 500);
    world_clear(&w);
    world_speech_starts(&w, "u1", 400);
    CHECK(!world_did(&w, "clear"));
    world_wait(&w, 1600); /* the announcement has been heard, and the caller still speaks */
    CHECK(world_did(&w, "clear"));
    CHECK(world_did(&w, "\"type\":\"conversation.item.truncate\""));
    END_CALL();
}

TEST(call_truncates_to_what_was_heard_and_drops_late_deltas)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_created(&w, "resp_1");
    world_speak(&w, "resp_1", "item_1", 4000);
    world_wait(&w, 1000);
    world_clear(&w);
    world_speech_starts(&w, "u1", 900);
    CHECK(world_did(&w, "clear\n"));
    CHECK(world_did(&w, "\"audio_end_ms\":1000"));
    world_clear(&w);
    world_speak(&w, "resp_1", "item_1", 400); /* late */
    CHECK(!world_did(&w, "play"));
    world_done(&w, "resp_1", "cancelled");
    world_speech_stops(&w, "u1", 2500);
    CHECK(world_did(&w, "response.create"));
    END_CALL();
}

TEST(call_adds_the_round_trip_to_what_was_heard)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_created(&w, "resp_1");
    world_speak(&w, "resp_1", "item_1", 4000);
    uint32_t first = w.marks[0]; /* behind 200 ms; the way there and back takes 80 */
    world_wait(&w, 280);
    world_in(&w, (struct call_input){.type = CALL_IN_MARK, .number = first});
    world_wait(&w, 100);
    CHECK_INT(80, call_stats(w.call).rtt_ms);
    world_clear(&w);
    world_speech_starts(&w, "u1", 300);
    CHECK(world_did(&w, "\"audio_end_ms\":380")); /* 200 + 80 + 100 */
    END_CALL();
}

TEST(call_pads_only_the_last_frame_and_marks_every_200_ms)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_created(&w, "resp_1");
    world_speak(&w, "resp_1", "item_1", 210); /* 200 + 10 */
    CHECK(world_did(&w, "play item_1 0 1600 0\nmark 1"));
    CHECK(!world_did(&w, "play item_1 1600"));
    world_done(&w, "resp_1", "completed");
    CHECK(world_did(&w, "play item_1 1600 80 80\nmark 2"));
    END_CALL();
}

TEST(call_keeps_at_most_ten_seconds_ahead)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_answer(&w, "resp_1", "item_1", 30000);
    CHECK_INT(50, world_count(&w, "play item_1"));
    world_wait(&w, 5000);
    CHECK(world_count(&w, "play item_1") >= 73);
    CHECK(world_count(&w, "play item_1") <= 75);
    world_wait(&w, 16000);
    CHECK_INT(150, world_count(&w, "play item_1"));
    END_CALL();
}

TEST(call_asks_for_one_response_at_a_time)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    CHECK_INT(1, world_count(&w, "response.create"));
    world_turn(&w, "u1");
    world_speech_starts(&w, "u2", 1000);
    world_speech_stops(&w, "u2", 1900);
    CHECK_INT(1, world_count(&w, "response.create")); /* the greeting is still in flight */
    world_created(&w, "resp_1");                      /* it was cut before the engine began it */
    CHECK(world_did(&w, "response.cancel"));
    world_done(&w, "resp_1", "cancelled");
    CHECK_INT(2, world_count(&w, "response.create")); /* one answer for both turns */
    END_CALL();
}

TEST(call_runs_a_tool_once_and_goes_on_after_it)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 200);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    const char *item = "{\"id\":\"fc1\",\"type\":\"function_call\",\"status\":\"completed\","
                       "\"name\":\"query_knowledge_base\",\"call_id\":\"call_1\",\"arguments\":"
                       "\"{\\\"query\\\":\\\"hours\\\"}\"}";
    world_event(&w,
                "{\"type\":\"response.output_item.done\",\"event_id\":\"e\",\"response_id\":"
                "\"resp_2\",\"output_index\":0,\"item\":%s}",
                item);
    CHECK_INT(1, world_count(&w, "tool 1 query_knowledge_base"));
    world_in(&w, (struct call_input){
                     .type = CALL_IN_TOOL, .number = 1, .ok = true, .text = STR("{\"k\":1}")});
    CHECK_INT(0, world_count(&w, "function_call_output")); /* not before response.done */
    world_event(&w,
                "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"resp_2\","
                "\"status\":\"completed\",\"output\":[%s]}}",
                item);
    CHECK_INT(1, world_count(&w, "tool 1"));
    CHECK_INT(1, world_count(&w, "function_call_output"));
    CHECK_INT(3, world_count(&w, "\"type\":\"response.create\""));
    END_CALL();
}

TEST(call_says_a_filler_and_times_a_slow_tool_out)
{
    struct call_config k = world_config();
    k.greeting = "";
    WITH_CALL(k);
    world_begin(&w);
    world_turn(&w, "u1");
    world_created(&w, "resp_1");
    world_calls(&w, "resp_1", "slow");
    world_wait(&w, 1300);
    CHECK(world_did(&w, "One moment, please"));
    CHECK(world_did(&w, "\"conversation\":\"none\""));
    world_answer(&w, "resp_2", "item_2", 1000);
    world_wait(&w, 7000);
    CHECK(world_did(&w, "tool_cancel 1"));
    CHECK(world_did(&w, "did not answer in time"));
    CHECK_INT(3, world_count(&w, "\"type\":\"response.create\""));
    END_CALL();
}

TEST(call_retries_the_engine_once_then_falls_back_with_an_apology)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 200);
    world_turn(&w, "u1");
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    CHECK_INT(2, world_count(&w, "engine_open 0"));
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("refused")});
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("refused")});
    CHECK(world_did(&w, "engine_open 1"));
    CHECK(world_did(&w, "technical problem. Please go on"));
    world_in(&w, (struct call_input){.type = CALL_IN_PROMPT, .number = 1, .audio_len = 8000});
    world_clear(&w);
    world_engine_ready(&w);
    CHECK(world_did(&w, "words of item_1"));
    CHECK(world_did(&w, "\"callee_purpose\":\"turn\""));
    END_CALL();
}

TEST(call_says_nothing_of_a_failure_nobody_could_notice)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_in(&w, (struct call_input){.type = CALL_IN_STREAM});
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("refused")});
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("refused")});
    CHECK(world_did(&w, "engine_open 1"));
    CHECK(!world_did(&w, "technical problem"));
    world_engine_ready(&w);
    CHECK(world_did(&w, "Hello there."));
    END_CALL();
}

TEST(call_without_any_engine_apologises_and_hangs_up)
{
    struct call_config k = world_config();
    k.engine_count = 1;
    k.engine_retries = 0;
    WITH_CALL(k);
    world_in(&w, (struct call_input){.type = CALL_IN_STREAM});
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("refused")});
    CHECK(world_did(&w, "Please call again later"));
    world_in(&w, (struct call_input){.type = CALL_IN_PROMPT, .number = 1, .audio_len = 16000});
    world_wait(&w, 1000);
    CHECK(!world_did(&w, "hangup"));
    world_wait(&w, 1100);
    world_echo(&w);
    CHECK(world_did(&w, "hangup\n"));
    world_in(&w, (struct call_input){.type = CALL_IN_HANGUP, .text = STR("stop")});
    CHECK(world_did(&w, "ended no engine"));
    END_CALL();
}

TEST(call_takes_a_stalled_engine_for_dead)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_wait(&w, 8100);
    CHECK_INT(2, world_count(&w, "engine_open 0"));
    CHECK(world_did(&w, "engine_close"));
    world_engine_ready(&w);
    CHECK_INT(2, world_count(&w, "Hello there."));
    END_CALL();
}

TEST(call_tells_a_new_session_what_was_said)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 400);
    world_turn(&w, "u1");
    world_heard_words(&w, "u1", "what are your hours");
    world_created(&w, "resp_2");
    world_clear(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    world_engine_ready(&w);
    CHECK(world_did(&w, "words of item_1"));
    CHECK(world_did(&w, "what are your hours"));
    CHECK(world_did(&w, "response.create")); /* the turn is still owed an answer */
    END_CALL();
}

TEST(call_asks_after_silence_and_then_says_goodbye)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_answer(&w, "resp_1", "item_1", 1000);
    world_wait(&w, 1000);
    world_echo(&w);
    world_wait(&w, 10100);
    CHECK(world_did(&w, "Are you still there?"));
    world_answer(&w, "resp_2", "item_2", 1000);
    world_wait(&w, 1000);
    world_echo(&w);
    world_wait(&w, 10100);
    CHECK(world_did(&w, "hang up now"));
    world_answer(&w, "resp_3", "item_3", 2000);
    world_wait(&w, 1000);
    CHECK(!world_did(&w, "hangup\n"));
    world_wait(&w, 1100);
    world_echo(&w);
    CHECK(world_did(&w, "hangup\n"));
    END_CALL();
}

TEST(call_hangs_up_after_the_goodbye_was_heard)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_created(&w, "resp_1");
    world_speak(&w, "resp_1", "item_1", 2000);
    world_calls(&w, "resp_1", "end_call");
    world_wait(&w, 1900);
    CHECK(!world_did(&w, "hangup"));
    world_wait(&w, 200);
    world_echo(&w);
    CHECK(world_did(&w, "hangup\n"));
    END_CALL();
}

TEST(call_stays_when_the_caller_speaks_over_the_goodbye)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_created(&w, "resp_1");
    world_speak(&w, "resp_1", "item_1", 2000);
    world_calls(&w, "resp_1", "end_call");
    world_wait(&w, 500);
    world_speech_starts(&w, "u1", 400);
    world_speech_stops(&w, "u1", 1400);
    world_wait(&w, 3000);
    CHECK(!world_did(&w, "hangup"));
    CHECK_INT(2, world_count(&w, "\"type\":\"response.create\""));
    END_CALL();
}

TEST(call_transfers_when_zero_is_pressed)
{
    struct call_config k = world_config();
    k.transfer_number = "+15055550199";
    WITH_CALL(k);
    world_greet(&w, 400);
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '0'});
    world_wait(&w, 1600);
    CHECK(world_did(&w, "connecting you to a person"));
    world_answer(&w, "resp_2", "item_2", 1000);
    world_wait(&w, 1100);
    world_echo(&w);
    CHECK(world_did(&w, "transfer +15055550199\n"));
    END_CALL();
}

TEST(call_puts_an_emergency_before_everything)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 200);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 2000);
    world_clear(&w);
    world_heard_words(&w, "u1", "My husband had a Heart Attack please help");
    CHECK(world_did(&w, "response.cancel"));
    CHECK(world_did(&w, "clear\n"));
    CHECK(world_did(&w, "dial 9 1 1"));
    END_CALL();
}

TEST(call_ends_at_its_maximum_even_if_nobody_helps)
{
    struct call_config k = world_config();
    k.max_duration_ms = 60000;
    k.silence_ms = 0;
    WITH_CALL(k);
    world_begin(&w);
    world_answer(&w, "resp_1", "item_1", 200);
    world_wait(&w, 60100);
    CHECK(world_did(&w, "time limit"));
    world_wait(&w, 40000); /* the engine never says it, the carrier never closes */
    CHECK(world_did(&w, "hangup\n"));
    CHECK(call_ended(w.call));
    END_CALL();
}

TEST(call_counts_money_and_stops_at_the_cap)
{
    struct call_config k = world_config();
    k.max_cost_nanousd = 50000000; /* five cents */
    WITH_CALL(k);
    world_begin(&w);
    world_created(&w, "resp_1");
    world_speak(&w, "resp_1", "item_1", 200);
    world_event(&w,
                "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"resp_1\","
                "\"status\":\"completed\",\"output\":[],\"usage\":{\"total_tokens\":1100,"
                "\"input_tokens\":100,\"output_tokens\":1000,\"input_token_details\":{"
                "\"text_tokens\":100,\"audio_tokens\":0},\"output_token_details\":{"
                "\"text_tokens\":0,\"audio_tokens\":1000}}}}");
    CHECK_INT(64000000, call_cost_nanousd(w.call)); /* 1000 tokens at $64 a million */
    CHECK(world_did(&w, "call.cost_cap"));
    END_CALL();
}

TEST(call_gives_every_turn_a_final_form_when_it_is_cut_off)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_answer(&w, "resp_1", "item_1", 3000);
    world_wait(&w, 1000);
    world_clear(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_HANGUP, .text = STR("stop")});
    CHECK(world_did(&w, "\"id\":\"item_1\",\"role\":\"agent\",\"text\":\"words of item_1\""));
    CHECK(world_did(&w, "\"heardMs\":1000"));
    CHECK(world_did(&w, "ended stop\n"));
    world_clear(&w);
    world_wait(&w, 60000);
    CHECK_INT(0, w.log.len);
    END_CALL();
}

TEST(call_leaves_an_engine_that_is_lost_again_and_again)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 200);
    for (int i = 0; i < 5; i++) { /* each session answers once, so each loss has its retry */
        world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
        world_engine_ready(&w);
        char item[16];
        snprintf(item, sizeof(item), "u%d", i);
        world_turn(&w, item);
        world_answer(&w, item, item + 1, 200);
        world_wait(&w, 300);
        world_echo(&w);
        if (i == 3)
            CHECK_INT(0, world_count(&w, "engine_open 1"));
        if (i == 4)
            CHECK_INT(1, world_count(&w, "engine_open 1"));
        if (w.prompt)
            world_in(&w, (struct call_input){
                             .type = CALL_IN_PROMPT, .number = w.prompt, .audio_len = 800});
    }
    END_CALL();
}

TEST(call_takes_a_response_the_engine_began_by_itself_for_the_answer)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 200);
    world_turn(&w, "u1");
    CHECK_INT(2, world_count(&w, "\"type\":\"response.create\""));
    world_event(&w, "{\"type\":\"error\",\"event_id\":\"e\",\"error\":{\"type\":"
                    "\"invalid_request_error\",\"code\":"
                    "\"conversation_already_has_active_response\",\"message\":\"busy\","
                    "\"event_id\":\"r2\"}}");
    world_clear(&w);
    world_answer(&w, "resp_own", "item_own", 400);
    CHECK(world_did(&w, "play item_own"));
    CHECK(!world_did(&w, "response.cancel"));
    CHECK_INT(2, world_count(&w, "\"type\":\"response.create\"")); /* and it is not asked again */
    END_CALL();
}
