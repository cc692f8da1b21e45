/* A call that loses its line, on virtual time. */
#include "harness/test.h"

#include "call_world.h"

#define WITH_CALL(k) \
    struct world w;  \
    world_open(&w, &k)
#define END_CALL()    \
    CHECK(!w.broken); \
    world_close(&w)

static void lose(struct world *w, enum call_lost how)
{
    /* What a dead process had to come from it does not come any more. */
    if (how == CALL_LOST_PROCESS)
        w->prompt = 0;
    w->mark_count = 0;
    world_in(w, (struct call_input){.type = CALL_IN_LOST, .number = how, .text = STR("closed")});
}

static void come_back(struct world *w)
{
    world_clear(w);
    world_in(w, (struct call_input){.type = CALL_IN_STREAM});
}

static void say_prompt(struct world *w, int ms)
{
    world_in(w, (struct call_input){
                    .type = CALL_IN_PROMPT, .number = w->prompt, .audio_len = (uint32_t)ms * 8});
}

/* `ms` pass in which every 200 ms a mark is played, there and back takes 100. */
static void hear(struct world *w, int ms)
{
    uint32_t played = 0;
    for (int t = 20; t <= ms; t += 20) {
        world_wait(w, 20);
        if (t >= 300 && t % 200 == 100 && played < w->mark_count)
            world_in(w, (struct call_input){.type = CALL_IN_MARK, .number = w->marks[played++]});
    }
}

/* A turn is asked and `heard_ms` of its 4 s answer are heard. */
static void answer_half(struct world *w, int heard_ms)
{
    world_greet(w, 1000);
    world_turn(w, "u1");
    world_heard_words(w, "u1", "when do you close");
    world_answer(w, "resp_2", "item_2", 4000);
    hear(w, heard_ms);
    world_clear(w);
}

TEST(lost_stream_is_cut_where_the_caller_last_heard)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 1500);
    lose(&w, CALL_LOST_STREAM);
    CHECK(call_lost(w.call));
    CHECK(world_did(&w, "clear\n"));
    CHECK(world_did(&w, "\"audio_end_ms\":1400")); /* the round trip is 100 ms */
    CHECK(!world_did(&w, "engine_close"));
    CHECK_INT(15000000, call_timer_at(w.call, CALL_TIMER_LOST) - w.now);
    world_wait(&w, 3000);
    CHECK(!world_did(&w, "play"));
    /* The engine lives: it says the phrase, then takes the answer up again. */
    come_back(&w);
    CHECK(!world_did(&w, "engine_open"));
    CHECK(world_did(&w, "Say exactly: \\\"Sorry about that, I am here again.\\\""));
    world_clear(&w);
    world_answer(&w, "resp_3", "item_3", 1000);
    CHECK(world_did(&w, "\"callee_purpose\":\"turn\""));
    CHECK_INT(1, call_stats(w.call).resumes);
    END_CALL();
}

TEST(lost_stream_reckons_with_the_way_back)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_answer(&w, "resp_1", "item_1", 4000);
    uint32_t first = w.marks[0]; /* behind 200 ms; there and back takes 80 */
    world_wait(&w, 280);
    world_in(&w, (struct call_input){.type = CALL_IN_MARK, .number = first});
    world_wait(&w, 20);
    world_clear(&w);
    /* Played when the stream broke, 40 ms ago: 200 at 40 ms before the echo came, 20 ms since. */
    lose(&w, CALL_LOST_STREAM);
    CHECK(world_did(&w, "\"audio_end_ms\":220"));
    END_CALL();
}

TEST(lost_before_the_first_echo_counts_nothing_behind_its_mark)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_begin(&w);
    world_answer(&w, "resp_1", "item_1", 4000);
    world_wait(&w, 350); /* nobody knows how far away the carrier is; 200 ms have no echo yet */
    lose(&w, CALL_LOST_STREAM);
    CHECK(world_did(&w, "\"audio_end_ms\":200"));
    END_CALL();
}

TEST(lost_what_counted_as_heard_and_was_not_is_stored_anew)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 4000); /* its end cannot be stopped any more: the way there takes 50 ms */
    world_heard_words(&w, "u1", "when do you close"); /* anything that happens */
    CHECK(world_did(&w, "\"id\":\"item_2\"") && world_did(&w, "\"heardMs\":4000"));
    world_clear(&w);
    lose(&w, CALL_LOST_STREAM);
    CHECK(world_did(&w, "\"id\":\"item_2\"") && world_did(&w, "\"heardMs\":3900"));
    CHECK(world_did(&w, "\"audio_end_ms\":3900"));
    END_CALL();
}

TEST(lost_phrase_that_our_voice_cannot_say_is_said_by_the_engine)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 3900);
    lose(&w, CALL_LOST_PROCESS);
    come_back(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_PROMPT, .number = w.prompt});
    world_engine_ready(&w);
    CHECK(world_did(&w, "Say exactly: \\\"Sorry about that, I am here again.\\\""));
    END_CALL();
}

TEST(lost_between_a_key_and_its_answer_answers_it)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 4100);
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '2'});
    lose(&w, CALL_LOST_PROCESS);
    world_wait(&w, 2000);
    come_back(&w);
    say_prompt(&w, 1200);
    world_engine_ready(&w);
    CHECK(world_did(&w, "The caller pressed 2 on the keypad."));
    CHECK(world_did(&w, "\"callee_purpose\":\"turn\""));
    END_CALL();
}

TEST(lost_with_an_answer_owed_says_nothing_to_nobody)
{
    struct call_config k = world_config();
    k.wait_words_ms = 2500;
    k.transfer_number = "+15055550111";
    WITH_CALL(k);
    answer_half(&w, 4100);
    world_in(&w, (struct call_input){.type = CALL_IN_DTMF, .number = '0'});
    world_turn(&w, "u2"); /* the words to wait with are due in 2.5 s */
    lose(&w, CALL_LOST_STREAM);
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("gone")});
    world_in(&w, (struct call_input){.type = CALL_IN_OPERATOR, .text = STR("say Please stay.")});
    say_prompt(&w, 1000);
    world_wait(&w, 4000);
    CHECK(!world_did(&w, "please_wait"));
    /* What the operator had said meanwhile is said before the caller is connected. */
    come_back(&w);
    CHECK(world_did(&w, "play prompt_1"));
    END_CALL();
}

TEST(lost_and_meanwhile_past_the_cost_cap_asks_for_no_answer)
{
    struct call_config k = world_config();
    k.max_cost_nanousd = 1000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    lose(&w, CALL_LOST_STREAM);
    world_event(&w,
                "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"resp_2\","
                "\"status\":\"cancelled\",\"output\":[],\"usage\":{\"total_tokens\":90,"
                "\"input_tokens\":0,\"output_tokens\":90,\"output_token_details\":{"
                "\"text_tokens\":0,\"audio_tokens\":90}}}}");
    come_back(&w);
    CHECK(!world_did(&w, "\"callee_purpose\":\"turn\""));
    CHECK(world_did(&w, "\"callee_purpose\":\"farewell\""));
    END_CALL();
}

TEST(lost_process_opens_the_engine_anew_and_tells_it_what_was_said_and_heard)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 2000); /* "words of item_2": half of it */
    lose(&w, CALL_LOST_PROCESS);
    CHECK(!world_did(&w, "truncate")); /* there is nobody to tell */
    CHECK(!world_did(&w, "engine_open"));
    world_wait(&w, 5000);
    come_back(&w);
    CHECK(world_did(&w, "engine_open 0"));
    CHECK(world_did(&w, "prompt 1 \"Sorry about that, I am here again.\""));
    say_prompt(&w, 1200);
    CHECK(world_did(&w, "play prompt_1 0 1600 0"));
    world_engine_ready(&w);
    CHECK(world_did(&w, "when do you close"));
    CHECK(world_did(&w, "\"text\":\"words\"")); /* of "words of item_2", 2 of 4 s */
    CHECK(world_did(&w, "\"callee_purpose\":\"turn\""));
    END_CALL();
}

TEST(lost_and_heard_to_the_end_owes_nothing)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 3700); /* 300 ms short of the end */
    lose(&w, CALL_LOST_PROCESS);
    come_back(&w);
    say_prompt(&w, 1200);
    world_engine_ready(&w);
    CHECK(!world_did(&w, "response.create"));
    END_CALL();
}

TEST(lost_and_nobody_comes_back_ends_as_of_then)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 1000);
    lose(&w, CALL_LOST_STREAM);
    int64_t ms = call_stats(w.call).duration_ms;
    world_wait(&w, 14900);
    CHECK(!call_ended(w.call));
    world_wait(&w, 200);
    CHECK(world_did(&w, "ended stream lost"));
    CHECK_INT(ms, call_stats(w.call).duration_ms);
    END_CALL();
}

TEST(lost_process_that_nobody_asks_for_ends_with_another_reason)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 1000);
    lose(&w, CALL_LOST_PROCESS);
    world_wait(&w, 7000);
    lose(&w, CALL_LOST_PROCESS); /* and the next one died too: the caller waits no longer */
    world_wait(&w, 8100);
    CHECK(world_did(&w, "ended server restarted"));
    END_CALL();
}

TEST(lost_caller_who_hangs_up_is_not_waited_for)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 1000);
    lose(&w, CALL_LOST_STREAM);
    world_in(&w, (struct call_input){.type = CALL_IN_HANGUP, .text = STR("completed")});
    CHECK(world_did(&w, "ended completed"));
    END_CALL();
}

TEST(lost_while_saying_goodbye_just_ends)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "end_call");
    lose(&w, CALL_LOST_STREAM);
    CHECK(world_did(&w, "ended agent ended the call"));
    END_CALL();
}

TEST(lost_while_being_connected_to_a_person_is_connected)
{
    struct call_config k = world_config();
    k.transfer_number = "+15055550111";
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "transfer_to_human");
    CHECK(!world_did(&w, "transfer +1"));
    lose(&w, CALL_LOST_STREAM);
    CHECK(world_did(&w, "transfer +15055550111"));
    CHECK(!call_ended(w.call)); /* the carrier will ask */
    END_CALL();
}

TEST(lost_announcement_and_greeting_are_said_again)
{
    struct call_config k = world_config();
    k.announcement = "You speak with a machine.";
    WITH_CALL(k);
    world_begin(&w);
    say_prompt(&w, 3000);
    world_answer(&w, "resp_1", "item_1", 2000);
    world_wait(&w, 1000);
    lose(&w, CALL_LOST_PROCESS);
    come_back(&w);
    say_prompt(&w, 1200); /* the phrase; then what must be heard */
    CHECK(world_did(&w, "prompt 3 \"You speak with a machine.\""));
    say_prompt(&w, 3000);
    world_engine_ready(&w);
    CHECK(world_did(&w, "Say exactly: \\\"Hello there.\\\""));
    END_CALL();
}

TEST(lost_prompt_that_comes_late_is_not_said)
{
    struct call_config k = world_config();
    k.announcement = "You speak with a machine.";
    WITH_CALL(k);
    world_begin(&w);
    uint32_t late = w.prompt;
    lose(&w, CALL_LOST_STREAM);
    come_back(&w);
    world_clear(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_PROMPT, .number = late, .audio_len = 16000});
    CHECK(!world_did(&w, "queue"));
    END_CALL();
}

TEST(lost_turn_that_nobody_understood_is_asked_for_again)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1"); /* committed; what was said is not known yet */
    lose(&w, CALL_LOST_PROCESS);
    come_back(&w);
    say_prompt(&w, 1200);
    world_engine_ready(&w);
    CHECK(world_did(&w, "could you say that again?"));
    CHECK(!world_did(&w, "\"callee_purpose\":\"turn\""));
    END_CALL();
}

TEST(lost_tool_of_a_dead_process_is_asked_for_again)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_heard_words(&w, "u1", "when do you close");
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "query_knowledge_base");
    CHECK(world_did(&w, "tool 1 query_knowledge_base"));
    lose(&w, CALL_LOST_PROCESS);
    CHECK(world_did(&w, "tool_cancel 1"));
    come_back(&w);
    say_prompt(&w, 1200);
    world_engine_ready(&w);
    CHECK(world_did(&w, "\"callee_purpose\":\"turn\""));
    END_CALL();
}

TEST(lost_tool_of_a_broken_stream_answers_when_the_caller_is_back)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "query_knowledge_base");
    lose(&w, CALL_LOST_STREAM);
    world_in(&w, (struct call_input){
                     .type = CALL_IN_TOOL, .number = 1, .ok = true, .text = STR("{\"a\":1}")});
    CHECK(world_did(&w, "function_call_output"));
    world_clear(&w);
    world_wait(&w, 1000);
    CHECK(!world_did(&w, "response.create"));
    come_back(&w);
    world_answer(&w, "resp_3", "item_3", 1000); /* the phrase */
    CHECK(world_did(&w, "\"callee_purpose\":\"tool\""));
    END_CALL();
}

TEST(lost_while_it_rings_is_greeted_when_the_stream_comes)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    world_engine_ready(&w);
    lose(&w, CALL_LOST_PROCESS);
    come_back(&w);
    CHECK(world_did(&w, "engine_open 0"));
    CHECK(!world_did(&w, "Sorry"));
    world_engine_ready(&w);
    CHECK(world_did(&w, "Say exactly: \\\"Hello there.\\\""));
    END_CALL();
}

TEST(lost_past_its_time_says_so_when_it_is_back)
{
    struct call_config k = world_config();
    k.max_duration_ms = 6000;
    WITH_CALL(k);
    answer_half(&w, 1000);
    lose(&w, CALL_LOST_STREAM);
    world_wait(&w, 8000);
    CHECK(!call_ended(w.call));
    come_back(&w);
    CHECK(world_did(&w, "this call has reached its time limit"));
    CHECK(!world_did(&w, "Sorry about that"));
    END_CALL();
}

TEST(lost_engine_meanwhile_is_replaced_before_the_caller_is_back)
{
    struct call_config k = world_config();
    WITH_CALL(k);
    answer_half(&w, 1000);
    lose(&w, CALL_LOST_STREAM);
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("gone")});
    CHECK(world_did(&w, "engine_open 0"));
    world_engine_ready(&w);
    CHECK(!world_did(&w, "response.create"));
    come_back(&w);
    CHECK(world_did(&w, "Sorry about that"));
    END_CALL();
}

TEST(lost_without_a_window_is_a_hangup)
{
    struct call_config k = world_config();
    k.resume_window_ms = 0;
    WITH_CALL(k);
    answer_half(&w, 1000);
    lose(&w, CALL_LOST_STREAM);
    CHECK(world_did(&w, "ended closed"));
    END_CALL();
}
