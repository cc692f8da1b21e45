/* Engine sessions that are replaced in mid-call: at their limit, when they fall behind, when they
 * are lost over a question. On virtual time. */
#include "harness/test.h"

#include "call_world.h"

#define WITH_CALL(k) \
    struct world w;  \
    world_open(&w, &k)
#define END_CALL()    \
    CHECK(!w.broken); \
    world_close(&w)

static const char SESSION_UPDATED[] =
    "{\"type\":\"session.updated\",\"event_id\":\"e\",\"session\":{\"type\":\"realtime\"}}";

/* The carrier's silence, and a caller who says nothing for a long time, are not what is tested. */
static struct call_config patient(void)
{
    struct call_config k = world_config();
    k.silence_ms = 0;
    k.session_limit_ms = 40000; /* a replacement is wanted from 30 s on, and forced at 37.5 s */
    return k;
}

static void spare_ready(struct world *w)
{
    world_in(w, (struct call_input){.type = CALL_IN_SPARE_OPEN});
    w->spare = true;
    world_event(w, "%s", SESSION_UPDATED);
    w->spare = false;
}

static void words(struct world *w, const char *item, const char *text)
{
    world_heard_words(w, item, text);
}

TEST(roll_replaces_the_session_beside_the_running_one_when_nobody_speaks)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_turn(&w, "u1");
    words(&w, "u1", "What do you sell?");
    world_answer(&w, "resp_2", "item_2", 1000);
    world_wait(&w, 1100);
    world_echo(&w);
    world_wait(&w, 26000);
    CHECK_INT(0, world_count(&w, "spare_open"));
    world_wait(&w, 2000);
    CHECK_INT(1, world_count(&w, "spare_open 0\n"));
    CHECK(!world_did(&w, "engine_close"));
    world_caller(&w, 1000);
    CHECK_INT(50, world_count(&w, "append 160\n")); /* to the running one, meanwhile */
    world_clear(&w);
    spare_ready(&w);
    CHECK(world_did(&w, "spare_send {\"type\":\"session.update\""));
    CHECK(world_did(&w, "spare_swap\n"));
    /* What was said is told, then the last 800 ms of the line. */
    CHECK(world_did(&w, "\"text\":\"What do you sell?\""));
    CHECK(world_did(&w, "\"text\":\"words of item_2\""));
    CHECK(world_did(&w, "release\n"));
    CHECK(!world_did(&w, "response.create"));
    CHECK(!world_did(&w, "prompt"));
    CHECK_INT(1, call_stats(w.call).rollovers);
    CHECK_INT(0, call_stats(w.call).engine_failures);
    /* The new session answers, and in 30 s it is its turn. */
    world_turn(&w, "v1");
    CHECK(world_did(&w, "response.create"));
    words(&w, "v1", "And when?");
    world_answer(&w, "resp_3", "item_3", 500);
    world_wait(&w, 600);
    world_echo(&w);
    world_wait(&w, 31000);
    CHECK_INT(2, world_count(&w, "spare_open 0\n"));
    END_CALL();
}

TEST(roll_waits_for_speech_an_answer_a_tool_and_the_words)
{
    struct call_config k = patient();
    k.session_limit_ms = 400000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 299500); /* wanted from 300 s on */
    world_speech_starts(&w, "u1", 100);
    world_caller(&w, 1000);
    spare_ready(&w);
    CHECK(!world_did(&w, "spare_swap")); /* the caller speaks */
    world_speech_stops(&w, "u1", 900);
    CHECK(!world_did(&w, "spare_swap")); /* an answer is owed */
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "query_knowledge_base");
    CHECK(!world_did(&w, "spare_swap")); /* a tool runs */
    world_in(&w, (struct call_input){
                     .type = CALL_IN_TOOL, .number = 1, .ok = true, .text = STR("{\"a\":1}")});
    CHECK(world_did(&w, "function_call_output"));
    world_created(&w, "resp_3");
    world_speak(&w, "resp_3", "item_3", 600);
    world_done(&w, "resp_3", "completed");
    CHECK(!world_did(&w, "spare_swap")); /* it is not heard yet */
    world_wait(&w, 700);
    world_echo(&w);
    CHECK(!world_did(&w, "spare_swap")); /* what the caller said is not known in words */
    words(&w, "u1", "Is it open?");
    CHECK(world_did(&w, "spare_swap"));
    END_CALL();
}

TEST(roll_is_forced_before_the_limit_and_the_owed_answer_is_asked_for_again)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 28500);
    world_turn(&w, "u1");
    words(&w, "u1", "Tell me everything.");
    world_created(&w, "resp_2");
    world_wait(&w, 1000);
    spare_ready(&w);
    for (int i = 0; i < 60; i++) { /* an answer without end */
        world_speak(&w, "resp_2", "item_2", 200);
        world_wait(&w, 100);
    }
    CHECK(!world_did(&w, "spare_swap"));
    world_clear(&w);
    world_wait(&w, 2500);
    CHECK(world_did(&w, "spare_swap"));
    CHECK(world_did(&w, "response.create")); /* at the new session */
    CHECK_INT(0, call_stats(w.call).engine_failures);
    END_CALL();
}

TEST(roll_goes_by_the_time_that_the_provider_tells)
{
    struct call_config k = patient();
    k.session_limit_ms = 0;
    k.wall_ms = 1700000000000;
    k.anchor_us = 1000000; /* the world's beginning */
    WITH_CALL(k);
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_OPEN});
    world_event(&w, "{\"type\":\"session.created\",\"event_id\":\"e\",\"session\":{\"type\":"
                    "\"realtime\",\"id\":\"s\",\"expires_at\":1700000100}}");
    world_event(&w, "%s", SESSION_UPDATED);
    world_in(&w, (struct call_input){.type = CALL_IN_STREAM});
    world_answer(&w, "resp_1", "item_1", 500);
    world_wait(&w, 600);
    world_echo(&w);
    world_wait(&w, 74000);
    CHECK_INT(0, world_count(&w, "spare_open"));
    world_wait(&w, 1000); /* three quarters of 100 s */
    CHECK_INT(1, world_count(&w, "spare_open"));
    END_CALL();
}

static void answered_after(struct world *w, int n, int ms)
{
    char item[16], resp[16], said[16];
    snprintf(item, sizeof(item), "u%d", n);
    snprintf(resp, sizeof(resp), "r%d", n);
    snprintf(said, sizeof(said), "i%d", n);
    world_caller(w, 1000);
    world_speech_starts(w, item, n * 1000 - 900);
    world_speech_stops(w, item, n * 1000);
    words(w, item, "Something.");
    world_wait(w, ms - 500);
    world_answer(w, resp, said, 200);
    world_wait(w, 300);
    world_echo(w);
}

TEST(roll_replaces_a_session_that_answers_later_and_later)
{
    struct call_config k = patient();
    k.session_limit_ms = 0;
    WITH_CALL(k);
    world_greet(&w, 500);
    int n = 1;
    for (; n <= 4; n++)
        answered_after(&w, n, 1000);
    for (; n <= 6; n++) { /* with the sixth two of the last three are late */
        CHECK_INT(0, world_count(&w, "spare_open"));
        answered_after(&w, n, 3000);
    }
    CHECK_INT(1, world_count(&w, "spare_open"));
    END_CALL();
}

TEST(roll_leaves_a_session_that_was_never_quick)
{
    struct call_config k = patient();
    k.session_limit_ms = 0;
    WITH_CALL(k);
    world_greet(&w, 500);
    for (int n = 1; n <= 10; n++)
        answered_after(&w, n, 3000);
    CHECK_INT(0, world_count(&w, "spare_open"));
    END_CALL();
}

TEST(roll_tries_again_after_a_spare_that_failed)
{
    struct call_config k = patient();
    k.session_limit_ms = 400000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 300000);
    CHECK_INT(1, world_count(&w, "spare_open"));
    world_in(&w, (struct call_input){.type = CALL_IN_SPARE_CLOSED, .text = STR("refused")});
    world_wait(&w, 16000);
    CHECK_INT(2, world_count(&w, "spare_open"));
    world_wait(&w, 5100); /* never answers */
    CHECK_INT(1, world_count(&w, "spare_close"));
    world_wait(&w, 16000);
    CHECK_INT(3, world_count(&w, "spare_open"));
    spare_ready(&w);
    CHECK(world_did(&w, "spare_swap"));
    CHECK_INT(0, call_stats(w.call).engine_failures);
    END_CALL();
}

TEST(roll_spare_rescues_a_call_whose_session_is_lost)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 28000);
    world_turn(&w, "u1");
    words(&w, "u1", "Tell me.");
    world_wait(&w, 1500);
    spare_ready(&w);
    world_created(&w, "resp_2");
    world_clear(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    CHECK(world_did(&w, "spare_swap"));
    CHECK(!world_did(&w, "engine_open"));
    CHECK(world_did(&w, "response.create"));
    END_CALL();
}

TEST(roll_ends_with_both_sessions_closed)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 31000);
    world_in(&w, (struct call_input){.type = CALL_IN_HANGUP, .text = STR("stop")});
    CHECK_INT(1, world_count(&w, "spare_close"));
    CHECK_INT(1, world_count(&w, "engine_close"));
    END_CALL();
}

TEST(rehear_gives_a_lost_question_to_the_next_session)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_caller(&w, 400);
    world_speech_starts(&w, "u1", 1100);
    CHECK(world_did(&w, "keep 96000 "));
    world_caller(&w, 2000);
    world_speech_stops(&w, "u1", 3400);
    world_created(&w, "resp_2"); /* asked for, and then the socket breaks, before its words came */
    world_clear(&w);
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    world_caller(&w, 300);
    world_engine_ready(&w);
    CHECK(world_did(&w, "release\n"));
    CHECK(!world_did(&w, "response.create")); /* not before it was heard */
    world_clear(&w);
    world_speech_starts(&w, "v1", 100);
    world_speech_stops(&w, "v1", 2600);
    CHECK(world_did(&w, "response.create"));
    words(&w, "v1", "What does it cost?");
    CHECK(world_did(&w, "keep 6400 "));
    /* One turn in the transcript, when it was said, under the id by which it is known now. */
    unsigned callers = 0;
    for (const struct call_item *i = call_items(w.call); i; i = i->next)
        callers += i->role == CALL_ROLE_CALLER;
    CHECK_INT(1, callers);
    CHECK(world_did(&w, "\"id\":\"v1\""));
    END_CALL();
}

TEST(rehear_asks_by_what_is_known_when_nothing_was_heard)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_caller(&w, 1000);
    world_turn(&w, "u1");
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    world_engine_ready(&w);
    world_clear(&w);
    world_wait(&w, 3900);
    CHECK(!world_did(&w, "response.create"));
    world_wait(&w, 200);
    CHECK(world_did(&w, "response.create"));
    END_CALL();
}

TEST(rehear_is_not_for_a_question_whose_words_are_known)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_caller(&w, 1000);
    world_turn(&w, "u1");
    words(&w, "u1", "What does it cost?");
    world_in(&w, (struct call_input){.type = CALL_IN_ENGINE_CLOSED, .text = STR("lost")});
    world_clear(&w);
    world_engine_ready(&w);
    CHECK(world_did(&w, "What does it cost?"));
    CHECK(world_did(&w, "response.create"));
    END_CALL();
}

TEST(roll_by_force_over_a_running_tool_answers_the_turn_at_the_new_session_alone)
{
    struct call_config k = patient();
    k.filler_after_ms = 60000;
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 28500);
    world_turn(&w, "u1");
    words(&w, "u1", "Tell me.");
    world_created(&w, "resp_2");
    world_calls(&w, "resp_2", "query_knowledge_base");
    world_wait(&w, 500);
    spare_ready(&w);
    world_clear(&w);
    while (!world_did(&w, "spare_swap"))
        world_wait(&w, 100);
    const char *log = buf_cstr(&w.log);
    CHECK(strstr(log, "response.create") > strstr(log, "spare_swap"));
    CHECK(world_did(&w, "tool_cancel 1"));
    END_CALL();
}

TEST(roll_does_nothing_while_the_carrier_hangs_up)
{
    struct call_config k = patient();
    k.max_duration_ms = 10000;
    k.session_limit_ms = 18000; /* wanted at 13.5 s */
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_wait(&w, 9000);
    world_answer(&w, "resp_2", "item_2", 3000);
    world_wait(&w, 3000);
    world_echo(&w);
    CHECK(world_did(&w, "hangup"));
    world_wait(&w, 2000);
    CHECK_INT(0, world_count(&w, "spare_open"));
    END_CALL();
}

TEST(rehear_keeps_the_beginning_of_what_is_said_while_words_of_the_last_turn_come_late)
{
    struct call_config k = patient();
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_caller(&w, 2000);
    world_speech_starts(&w, "u1", 100);
    world_speech_stops(&w, "u1", 1500); /* 2,000 ms were given: 500 ms came behind the turn */
    words(&w, "u1", "What does it cost?");
    CHECK(world_did(&w, "keep 6400 4000\n"));
    END_CALL();
}

TEST(rehear_does_not_take_a_word_before_a_tool_for_the_answer)
{
    struct call_config k = patient();
    k.transcription_model = "";
    WITH_CALL(k);
    world_greet(&w, 1000);
    world_caller(&w, 1000);
    world_turn(&w, "u1");
    world_created(&w, "resp_2");
    world_speak(&w, "resp_2", "item_2", 600); /* "Let me see." */
    world_clear(&w);
    world_calls(&w, "resp_2", "query_knowledge_base");
    CHECK(!world_did(&w, "keep"));
    END_CALL();
}
