/* The local engine's dialogue, turn by turn, without any audio. */
#include "harness/test.h"

#include "base/limits.h"
#include "engine/local_reply.h"
#include "engine/local_text.h"

#define KNOWLEDGE(text) "{\"success\":true,\"knowledge\":\"" text "\"}"
#define HOURS                                                                            \
    "Result 1: Store hours\\nOur Santa Fe store is open Monday through Saturday from 9 " \
    "a.m. to 6 p.m. On Sundays it opens at 11 a.m. We are closed on Thanksgiving."       \
    "\\n\\nResult 2: Trailblazer boots\\nThe Trailblazer is our best work boot. It is "  \
    "made of oiled cowhide. It costs $189 and comes in brown and black."                 \
    "\\n\\nResult 3: Returns\\nYou can return unworn items within 60 days."

struct talk {
    struct local_reply reply;
    struct local_plan plan;
};

static void setup(struct talk *t)
{
    local_reply_init(&t->reply);
    local_plan_init(&t->plan);
    t->reply.tools = (struct local_tools){true, true, true};
}

static void teardown(struct talk *t)
{
    local_reply_fini(&t->reply);
    local_plan_fini(&t->plan);
}

static void hear(struct talk *t, const char *text)
{
    local_reply_hear(&t->reply, str_of(text), 900, &t->plan);
}

static bool said(const struct talk *t, const char *part)
{
    bool found = str_find(buf_str(&t->plan.say), str_of(part), 0) != SIZE_MAX;
    if (!found)
        fprintf(stderr, "  said: %.*s\n", STR_FMT(buf_str(&t->plan.say)));
    return found;
}

/* Asks and looks up in one go. */
static void ask(struct talk *t, const char *question, const char *output)
{
    hear(t, question);
    if (t->plan.tool == LOCAL_TOOL_KNOWLEDGE)
        local_reply_output(&t->reply, str_of(output), &t->plan);
}

TEST(a_question_is_looked_up_and_answered_from_the_result_that_fits)
{
    struct talk t;
    setup(&t);
    hear(&t, "hello um how late is the santa fe store open");
    CHECK_INT(LOCAL_TOOL_KNOWLEDGE, t.plan.tool);
    CHECK_INT(0, t.plan.say.len);
    CHECK(str_find(buf_str(&t.plan.query), STR("santa fe store open"), 0) != SIZE_MAX);
    local_reply_output(&t.reply, STR(KNOWLEDGE(HOURS)), &t.plan);
    CHECK(said(&t, "from 9 a.m. to 6 p.m."));
    CHECK_INT(LOCAL_TOOL_NONE, t.plan.tool);
    ask(&t, "how much do the trailblazer boots cost", KNOWLEDGE(HOURS));
    CHECK(said(&t, "$189"));
    teardown(&t);
}

TEST(what_it_means_is_what_was_talked_about)
{
    struct talk t;
    setup(&t);
    ask(&t, "tell me about the trailblazer boots", KNOWLEDGE(HOURS));
    hear(&t, "and how much is it");
    CHECK_INT(LOCAL_TOOL_KNOWLEDGE, t.plan.tool);
    CHECK(str_find(buf_str(&t.plan.query), STR("Trailblazer"), 0) != SIZE_MAX);
    teardown(&t);
}

TEST(nothing_found_and_nothing_to_do_with_it_offer_a_person)
{
    struct talk t;
    setup(&t);
    ask(&t, "do you sell spaceships", KNOWLEDGE("No relevant information found."));
    CHECK(said(&t, "I don't know that") && said(&t, "person"));
    hear(&t, "yes please");
    CHECK_INT(LOCAL_TOOL_TRANSFER, t.plan.tool);
    ask(&t, "which planets have pink elephants", KNOWLEDGE(HOURS));
    CHECK(said(&t, "I don't know that"));
    hear(&t, "no thank you");
    CHECK(said(&t, "anything else"));
    hear(&t, "no");
    CHECK_INT(LOCAL_TOOL_END, t.plan.tool);
    CHECK(said(&t, "Goodbye"));
    ask(&t, "how much are boots", "{\"success\":false,\"error\":\"down\"}");
    CHECK(said(&t, "can't look that up"));
    ask(&t, "how much are boots", "no JSON at all");
    CHECK(said(&t, "I don't know that"));
    teardown(&t);
}

TEST(a_question_heard_badly_is_confirmed)
{
    struct talk t;
    setup(&t);
    local_reply_hear(&t.reply, STR("train blazer boots of plan price cost"), 150, &t.plan);
    local_reply_output(&t.reply, STR(KNOWLEDGE(HOURS)), &t.plan);
    CHECK(said(&t, "Did you ask about Trailblazer boots?"));
    hear(&t, "yes");
    CHECK(said(&t, "It costs $189"));
    local_reply_hear(&t.reply, STR("train blazer boots of plan price cost"), 150, &t.plan);
    local_reply_output(&t.reply, STR(KNOWLEDGE(HOURS)), &t.plan);
    hear(&t, "no that's wrong");
    CHECK(said(&t, "in other words"));
    teardown(&t);
}

TEST(keys_are_read_back_and_not_looked_up)
{
    struct talk t;
    setup(&t);
    hear(&t, "(The caller pressed 4 2 on the keypad.)");
    CHECK_INT(LOCAL_TOOL_NONE, t.plan.tool);
    CHECK(str_starts(buf_str(&t.plan.say), STR("You pressed 4 2.")));
    teardown(&t);
}

TEST(small_talk_is_answered_without_looking_anything_up)
{
    static const struct {
        const char *heard, *answer;
    } pairs[] = {
        {"hello", "How can I help"},
        {"good morning", "How can I help"},
        {"how are you today", "doing well"},
        {"thank you very much", "You're welcome"},
        {"are you a robot", "automated assistant"},
        {"am i talking to a real person", "automated assistant"},
        {"who are you", "automated assistant"},
        {"what can you do", "What would you like to know"},
        {"i have a question", "What would you like to know"},
        {"hold on please", "take your time"},
        {"never mind", "anything else"},
    };
    struct talk t;
    setup(&t);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        hear(&t, pairs[i].heard);
        CHECK_INT(LOCAL_TOOL_NONE, t.plan.tool);
        CHECK(said(&t, pairs[i].answer));
    }
    teardown(&t);
}

TEST(a_person_is_asked_for_in_many_ways)
{
    static const char *const wishes[] = {
        "can i speak to a person",
        "i'd like to talk to a human please",
        "representative",
        "let me speak with a manager",
        "please transfer me to an agent",
        "can you put me through to someone",
    };
    static const char *const others[] = {
        "can somebody put new soles on my boots",
        "do you make gifts for people",
        "is there someone who repairs saddles in the store",
    };
    struct talk t;
    setup(&t);
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        hear(&t, wishes[i]);
        CHECK_INT(LOCAL_TOOL_TRANSFER, t.plan.tool);
        CHECK(said(&t, "connect you"));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        hear(&t, others[i]);
        CHECK_INT(LOCAL_TOOL_KNOWLEDGE, t.plan.tool);
    }
    hear(&t, "operator");
    local_reply_output(&t.reply, STR("{\"success\":false,\"error\":\"Nobody is available.\"}"),
                       &t.plan);
    CHECK(said(&t, "nobody is available"));
    hear(&t, "operator");
    CHECK_INT(LOCAL_TOOL_NONE, t.plan.tool);
    teardown(&t);
}

TEST(repeating_and_slowing_down_give_the_last_answer_again)
{
    struct talk t;
    setup(&t);
    ask(&t, "what are your hours in santa fe", KNOWLEDGE(HOURS));
    CHECK(said(&t, "Santa Fe"));
    hear(&t, "could you say that again please");
    CHECK(said(&t, "Santa Fe"));
    CHECK_INT(1000, t.reply.speed);
    hear(&t, "slower please");
    CHECK(said(&t, "Santa Fe") && t.reply.speed < 1000);
    for (int i = 0; i < 9; i++)
        hear(&t, "please speak more slowly");
    CHECK(t.reply.speed >= 500);
    local_reply_said(&t.reply, STR("Welcome to the shop."));
    hear(&t, "pardon");
    CHECK(said(&t, "Welcome to the shop."));
    teardown(&t);
}

TEST(goodbye_ends_the_call_but_a_question_does_not)
{
    struct talk t;
    setup(&t);
    hear(&t, "okay thank you goodbye");
    CHECK_INT(LOCAL_TOOL_END, t.plan.tool);
    hear(&t, "no that's all thanks");
    CHECK_INT(LOCAL_TOOL_END, t.plan.tool);
    hear(&t, "thanks and how much is shipping to canada");
    CHECK_INT(LOCAL_TOOL_KNOWLEDGE, t.plan.tool);
    t.reply.tools.end = false;
    hear(&t, "bye");
    CHECK_INT(LOCAL_TOOL_NONE, t.plan.tool);
    CHECK(said(&t, "Goodbye"));
    teardown(&t);
}

TEST(noise_is_asked_about_and_then_a_person_is_offered)
{
    struct talk t;
    setup(&t);
    hear(&t, "");
    CHECK(said(&t, "didn't catch"));
    hear(&t, "");
    CHECK(said(&t, "other words"));
    hear(&t, "the a of");
    CHECK(said(&t, "connect you to a person"));
    t.reply.tools = (struct local_tools){0};
    hear(&t, "how much are the boots");
    CHECK(said(&t, "I don't know that"));
    CHECK_INT(LOCAL_TOOL_NONE, t.plan.tool);
    teardown(&t);
}

TEST(results_are_cut_apart_and_nonsense_gives_none)
{
    struct local_result r[LOCAL_RESULTS_MAX];
    CHECK_INT(2, local_results_read(STR("Result 1: A\nb c\n\nd\n\nResult 2: E\nf"), r));
    CHECK(str_eq(r[0].title, STR("A")) && str_eq(r[0].content, STR("b c\n\nd")));
    CHECK(str_eq(r[1].title, STR("E")) && str_eq(r[1].content, STR("f")));
    CHECK_INT(0, local_results_read(STR("No relevant information found."), r));
    CHECK_INT(0, local_results_read(STR(""), r));
    CHECK_INT(1, local_results_read(STR("Result 1: "), r));
    CHECK_INT(1, local_results_read(STR("Result 1: A\nb\n\nResult x"), r));
}

TEST(a_word_of_the_question_is_answered_wherever_it_stands_in_the_passage)
{
    struct talk t;
    setup(&t);
    ask(&t, "are you open on thanksgiving", KNOWLEDGE(HOURS));
    CHECK(said(&t, "We are closed on Thanksgiving."));
    hear(&t, "can i send them back");
    CHECK(str_starts(buf_str(&t.plan.query), STR("can i send them back return returns")));
    local_reply_output(&t.reply, STR(KNOWLEDGE(HOURS)), &t.plan);
    CHECK(said(&t, "within 60 days"));
    teardown(&t);
}

TEST(what_asks_nothing_is_not_looked_up)
{
    static const char *const known[][2] = {
        {"i was wondering if you have belts right now", "you have belts"},
        {"can you tell me where the store is", "where the store is"},
        {"right now", ""},
        {"do you guys fix boots", "fix boots"},
        {"the right nowhere", "the right nowhere"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct buf b;
        buf_init(&b, LOCAL_TEXT_BYTES_MAX);
        local_query_write(&b, str_of(known[i][0]));
        CHECK(str_eq(buf_str(&b), str_of(known[i][1])));
        buf_fini(&b);
    }
    struct talk t;
    setup(&t);
    hear(&t, "when do they close right now");
    CHECK(str_find(buf_str(&t.plan.query), STR("right now"), 0) == SIZE_MAX);
    teardown(&t);
}

TEST(a_day_that_is_named_outweighs_the_order_of_the_results)
{
    struct talk t;
    setup(&t);
    ask(&t, "will you be open at thanksgiving",
        KNOWLEDGE("Result 1: Opening hours\\nWe are open from nine to six.\\n\\nResult 2: "
                  "Holidays\\nWe are closed on Thanksgiving."));
    CHECK(said(&t, "closed on Thanksgiving"));
    teardown(&t);
}
