#include "engine/local_reply.h"

#include "base/assert.h"
#include "base/js.h"
#include "base/limits.h"
#include "engine/local_text.h"

enum {
    UNSURE_BELOW = 250,       /* permille of confidence: ask what was meant */
    DOUBTFUL_BELOW = 550,     /* ... when the knowledge does not know half of the words either */
    KNOWN_ENOUGH = 500,       /* permille of the question's words found in the answer */
    KNOWN_TOO_LITTLE = 250,   /* below: it is about something else */
    MISSES_BEFORE_PERSON = 2, /* then a person is offered */
    QUERY_BYTES_MAX = LOCAL_TEXT_BYTES_MAX / 2, /* the rest is for other words */
    SPEED_STEP = 150,
    SPEED_MIN = 550,
    SPEED_MAX = 1300,
};

const char *local_tool_name(enum local_tool tool)
{
    switch (tool) {
    case LOCAL_TOOL_KNOWLEDGE:
        return "query_knowledge_base";
    case LOCAL_TOOL_TRANSFER:
        return "transfer_to_human";
    case LOCAL_TOOL_END:
        return "end_call";
    case LOCAL_TOOL_NONE:
        break;
    }
    return "";
}

static void set(struct buf *b, struct str text)
{
    buf_reset(b);
    buf_put_str(b, str_slice(text, 0, LOCAL_TEXT_BYTES_MAX - 1));
}

void local_reply_init(struct local_reply *r)
{
    *r = (struct local_reply){.speed = 1000};
    buf_init(&r->question, LOCAL_TEXT_BYTES_MAX);
    buf_init(&r->topic, LOCAL_TEXT_BYTES_MAX);
    buf_init(&r->last, LOCAL_TEXT_BYTES_MAX);
    buf_init(&r->held, LOCAL_TEXT_BYTES_MAX);
}

void local_reply_fini(struct local_reply *r)
{
    buf_fini(&r->question);
    buf_fini(&r->topic);
    buf_fini(&r->last);
    buf_fini(&r->held);
}

void local_reply_copy(struct local_reply *to, const struct local_reply *from)
{
    struct buf question = to->question, topic = to->topic, last = to->last, held = to->held;
    *to = *from;
    to->question = question;
    to->topic = topic;
    to->last = last;
    to->held = held;
    set(&to->question, buf_str(&from->question));
    set(&to->topic, buf_str(&from->topic));
    set(&to->last, buf_str(&from->last));
    set(&to->held, buf_str(&from->held));
}

void local_plan_init(struct local_plan *p)
{
    *p = (struct local_plan){0};
    buf_init(&p->say, LOCAL_TEXT_BYTES_MAX);
    buf_init(&p->query, LOCAL_TEXT_BYTES_MAX);
}

void local_plan_fini(struct local_plan *p)
{
    buf_fini(&p->say);
    buf_fini(&p->query);
}

static void plan_reset(struct local_plan *p)
{
    p->tool = LOCAL_TOOL_NONE;
    buf_reset(&p->say);
    buf_reset(&p->query);
}

static void say(struct local_reply *r, struct local_plan *p, const char *text)
{
    set(&p->say, str_of(text));
    set(&r->last, str_of(text));
}

void local_reply_said(struct local_reply *r, struct str text)
{
    set(&r->last, text);
}

void local_reply_greet(struct local_reply *r, struct local_plan *plan)
{
    plan_reset(plan);
    say(r, plan, "Hello! How can I help you today?");
}

/* -- what to do -- */

static void transfer(struct local_reply *r, struct local_plan *p)
{
    r->pending = LOCAL_PENDING_NONE;
    if (!r->tools.transfer) {
        say(r, p, "I'm sorry, I can't connect you to a person from here.");
        return;
    }
    say(r, p, "Of course. One moment, I'll connect you to a person.");
    p->tool = r->waiting = LOCAL_TOOL_TRANSFER;
}

static void goodbye(struct local_reply *r, struct local_plan *p)
{
    r->pending = LOCAL_PENDING_NONE;
    say(r, p, "Thank you for calling. Goodbye!");
    if (r->tools.end)
        p->tool = r->waiting = LOCAL_TOOL_END;
}

static void offer_person(struct local_reply *r, struct local_plan *p, const char *why)
{
    buf_reset(&p->say);
    buf_put_str(&p->say, str_of(why));
    if (r->tools.transfer) {
        buf_put_str(&p->say, STR(" I can connect you to a person. Would you like that?"));
        r->pending = LOCAL_PENDING_PERSON;
    } else {
        buf_put_str(&p->say, STR(" Is there anything else I can help with?"));
        r->pending = LOCAL_PENDING_MORE;
    }
    set(&r->last, buf_str(&p->say));
}

static void not_understood(struct local_reply *r, struct local_plan *p)
{
    r->misses++;
    if (r->misses > MISSES_BEFORE_PERSON) {
        r->misses = 0;
        offer_person(r, p, "I'm sorry, I still can't make that out.");
    } else if (r->misses > 1) {
        set(&p->say, STR("Sorry, I couldn't understand that. Could you say it in other words?"));
    } else {
        set(&p->say, STR("Sorry, I didn't catch that. Could you say it again?"));
    }
}

/* Keys arrive as written text, "(The caller pressed 4 2 on the keypad.)"; there is no menu here. */
static bool on_keys(struct local_reply *r, struct str text, struct local_plan *p)
{
    struct str before = STR("(The caller pressed "), after = STR(" on the keypad.)");
    if (!str_starts(text, before) || !str_ends(text, after) || text.len <= before.len + after.len)
        return false;
    struct str keys = str_slice(text, before.len, text.len - after.len);
    r->misses = 0;
    buf_printf(&p->say, "You pressed %.*s. Please ask me in words, or press zero for a person.",
               STR_FMT(keys));
    return true;
}

static void again(struct local_reply *r, struct local_plan *p)
{
    if (r->last.len > 0)
        set(&p->say, buf_str(&r->last));
    else
        say(r, p, "How can I help you?");
}

static void change_speed(struct local_reply *r, struct local_plan *p, int step)
{
    int speed = (int)r->speed + step;
    r->speed = (unsigned)(speed < SPEED_MIN ? SPEED_MIN : speed > SPEED_MAX ? SPEED_MAX : speed);
    again(r, p);
}

static void look_up(struct local_reply *r, struct str text, unsigned confidence,
                    struct local_plan *p)
{
    struct local_query q;
    local_query_read(&q, text);
    r->pending = LOCAL_PENDING_NONE;
    if (!r->tools.knowledge) {
        offer_person(r, p, "I'm sorry, I don't know that.");
        return;
    }
    if (q.count == 0 && r->topic.len == 0 && q.kinds == 0) {
        not_understood(r, p);
        return;
    }
    buf_reset(&p->query);
    local_query_write(&p->query, str_slice(text, 0, QUERY_BYTES_MAX));
    if (p->query.len == 0)
        set(&p->query, text);
    local_query_widen(&p->query, text);
    set(&r->question, buf_str(&p->query));
    /* "How much is it?": what was talked about last. */
    bool refers = local_has_any(text, "it/they/them/that/this/those/these/one");
    if (r->topic.len > 0 && (q.count == 0 || (q.count == 1 && refers))) {
        buf_put_byte(&p->query, ' ');
        buf_put_str(&p->query, buf_str(&r->topic));
    }
    r->confidence = confidence;
    p->tool = r->waiting = LOCAL_TOOL_KNOWLEDGE;
}

/* -- what was meant -- */

enum meaning {
    MEANS_QUESTION,
    MEANS_NOTHING,
    MEANS_HELLO,
    MEANS_HOW_ARE_YOU,
    MEANS_THANKS,
    MEANS_BYE,
    MEANS_DONE, /* "that's all": goodbye, unless something is asked */
    MEANS_YES,
    MEANS_NO,
    MEANS_AGAIN,
    MEANS_SLOWER,
    MEANS_FASTER,
    MEANS_PERSON,
    MEANS_ROBOT,
    MEANS_WHO,
    MEANS_HELP,
    MEANS_WAIT,
    MEANS_NEVER_MIND,
};

/* Words before the matter itself: "yes hello um, do you ...". */
static struct str without_opening(struct str text)
{
    static const char openings[] =
        "hello/hi/hey/um/uh/well/so/okay/ok/oh/and/alright/right/yes/yeah/please/there/actually/"
        "good morning/good afternoon/good evening/excuse me/all right";
    for (;;) {
        struct str rest = text, first = str_take_until(&rest, ' ');
        struct str two = rest;
        struct str second = two.p ? str_take_until(&two, ' ') : STR_NONE;
        struct str pair = second.p ? str_n(text.p, first.len + 1 + second.len) : STR_NONE;
        if (pair.p && local_is_any(pair, openings))
            text = two.p ? two : STR("");
        else if (first.len && local_is_any(first, openings))
            text = rest.p ? rest : STR("");
        else
            return text;
    }
}

/* A wish to speak to somebody, not a question that mentions one. */
static bool wants_person(struct str t, size_t words)
{
    static const char who[] = "person/human/human being/someone/somebody/agent/representative/"
                              "operator/manager/supervisor/people/staff/employee/real person";
    if (!local_has_any(t, who))
        return local_has_any(t, "transfer me/put me through/customer service");
    if (local_has_any(t, "robot/am i/are you/is this"))
        return false;
    return words <= 3 ||
           local_has_any(t, "speak/talk/connect/transfer/speaking to/talking to/get me/give me/"
                            "put me through/need a/want a/speak with/talk with/real");
}

static enum meaning short_meaning(struct str t)
{
    if (local_is_any(t, "yes/yeah/yep/yup/sure/okay/ok/correct/right/exactly/of course/alright/"
                        "yes please/sure please/that's right/that is right/that's correct/"
                        "absolutely/certainly/definitely/yes it is/yes i did/yes i do/i did/i do/"
                        "please/please do/yes that's right/yes connect me please/sounds good/"
                        "all right/i think so/yes sure/i guess/yes i am/i would/yes i would"))
        return MEANS_YES;
    if (local_is_any(t, "no/nope/no thanks/no thank you/not really/no i didn't/no that's wrong/"
                        "that's wrong/no that's not right/that's not right/no i don't/i don't/"
                        "no that's not what i asked/i don't think so/not that/wrong/no no/neither"))
        return MEANS_NO;
    if (local_has_any(t, "that's all/that is all/nothing else/that's it/that's everything/"
                         "that will be all/i'm good/i'm fine/i'm all set/all set/i'm done"))
        return MEANS_DONE;
    if (local_is_any(t, "hello/hi/hey/hi there/hello there/good morning/good afternoon/"
                        "good evening/hello can you hear me/hello is anyone there/can you hear me/"
                        "is anyone there"))
        return MEANS_HELLO;
    if (local_has_any(t, "how are you/how's it going/how are you doing/how do you do"))
        return MEANS_HOW_ARE_YOU;
    if (local_is_any(t, "sorry/pardon/pardon me/excuse me/what/i'm sorry/what was that/again/"
                        "come again/huh"))
        return MEANS_AGAIN;
    if (local_is_any(t, "wait/hold on/hang on/one moment/just a moment/wait a minute/just a second/"
                        "wait a second/let me think/one second/hold on please/just a minute"))
        return MEANS_WAIT;
    if (local_is_any(t, "never mind/nevermind/forget it/cancel/stop/nothing"))
        return MEANS_NEVER_MIND;
    if (local_is_any(t, "help/i need help/can you help me/i have a question/i need some help/"
                        "i have another question/i have a quick question/one more question/"
                        "i've got a question/one more thing/just one more question/"
                        "can i ask you something/can i ask a question"))
        return MEANS_HELP;
    return MEANS_QUESTION;
}

static enum meaning meaning_of(struct str text)
{
    struct str t = without_opening(text);
    size_t words = local_word_count(t);
    if (local_word_count(text) == 0)
        return MEANS_NOTHING;
    enum meaning m = words <= 6 ? short_meaning(text) : MEANS_QUESTION;
    if (m == MEANS_QUESTION && words == 0)
        return local_has_any(text, "yes/yeah/okay/ok/right/please/alright") ? MEANS_YES
                                                                            : MEANS_HELLO;
    if (m == MEANS_QUESTION && words <= 6)
        m = short_meaning(t);
    if (words <= 7 && local_has_any(text, "bye/goodbye/good bye/bye bye"))
        return MEANS_BYE;
    if (m != MEANS_QUESTION)
        return m;
    if (local_has_any(t, "slower/slow down/more slowly/speak slowly/too fast/slowly please"))
        return MEANS_SLOWER;
    if (local_has_any(t, "speak faster/talk faster/too slow/speed up/faster please"))
        return MEANS_FASTER;
    if (words <= 9 &&
        local_has_any(t, "repeat that/repeat it/repeat please/say that again/say it again/repeat/"
                         "what did you say/one more time/didn't hear/didn't catch/didn't get that/"
                         "couldn't hear/can't hear you/don't understand/did not understand"))
        return MEANS_AGAIN;
    if (local_has_any(t, "are you a robot/are you a real/are you human/are you a human/"
                         "are you a machine/are you a computer/are you a person/are you real/"
                         "is this a robot/is this a recording/talking to a robot/"
                         "speaking to a robot/to a real person am i") ||
        (local_has_any(t, "am i") && local_has_any(t, "robot/machine/computer/human/real person")))
        return MEANS_ROBOT;
    if (wants_person(t, words))
        return MEANS_PERSON;
    if (local_has_any(t, "who are you/what is your name/what's your name/who is this/"
                         "who am i speaking/who am i talking"))
        return MEANS_WHO;
    if (local_has_any(t, "what can you do/how can you help/what can you help"))
        return MEANS_HELP;
    if (words <= 6 && local_has_any(t, "thank you/thanks"))
        return MEANS_THANKS;
    return MEANS_QUESTION;
}

/* -- yes and no -- */

static void on_yes(struct local_reply *r, struct local_plan *p)
{
    enum local_pending pending = r->pending;
    r->pending = LOCAL_PENDING_NONE;
    switch (pending) {
    case LOCAL_PENDING_TOPIC:
        set(&p->say, buf_str(&r->held));
        set(&r->last, buf_str(&r->held));
        r->pending = LOCAL_PENDING_MORE;
        return;
    case LOCAL_PENDING_PERSON:
        transfer(r, p);
        return;
    case LOCAL_PENDING_MORE:
    case LOCAL_PENDING_NONE:
        say(r, p, "Sure. What would you like to know?");
        return;
    }
}

static void on_no(struct local_reply *r, struct local_plan *p)
{
    enum local_pending pending = r->pending;
    r->pending = LOCAL_PENDING_NONE;
    switch (pending) {
    case LOCAL_PENDING_TOPIC:
        buf_reset(&r->topic);
        say(r, p, "Sorry about that. Could you ask me again, in other words?");
        return;
    case LOCAL_PENDING_PERSON:
        say(r, p, "All right. Is there anything else I can help with?");
        r->pending = LOCAL_PENDING_MORE;
        return;
    case LOCAL_PENDING_MORE:
        goodbye(r, p);
        return;
    case LOCAL_PENDING_NONE:
        say(r, p, "All right. Is there anything else I can help with?");
        r->pending = LOCAL_PENDING_MORE;
        return;
    }
}

static void small_talk(struct local_reply *r, enum meaning m, struct local_plan *p)
{
    switch (m) {
    case MEANS_HELLO:
        say(r, p, "Hello! How can I help you?");
        return;
    case MEANS_HOW_ARE_YOU:
        say(r, p, "I'm doing well, thank you for asking. How can I help you?");
        return;
    case MEANS_THANKS:
        say(r, p, "You're welcome! Is there anything else I can help with?");
        r->pending = LOCAL_PENDING_MORE;
        return;
    case MEANS_ROBOT:
        say(r, p,
            r->tools.transfer
                ? "I'm an automated assistant, not a person. I can answer questions, or "
                  "connect you to a person if you like."
                : "I'm an automated assistant, not a person. What would you like to know?");
        return;
    case MEANS_WHO:
        say(r, p, "I'm the automated assistant here. What would you like to know?");
        return;
    case MEANS_HELP:
        say(r, p, "Of course. What would you like to know?");
        return;
    case MEANS_WAIT:
        set(&p->say, STR("Sure, take your time."));
        return;
    case MEANS_NEVER_MIND:
        r->pending = LOCAL_PENDING_MORE;
        say(r, p, "All right. Is there anything else I can help with?");
        return;
    case MEANS_QUESTION:
    case MEANS_NOTHING:
    case MEANS_BYE:
    case MEANS_DONE:
    case MEANS_YES:
    case MEANS_NO:
    case MEANS_AGAIN:
    case MEANS_SLOWER:
    case MEANS_FASTER:
    case MEANS_PERSON:
        ASSERT(false);
    }
}

void local_reply_hear(struct local_reply *r, struct str text, unsigned confidence,
                      struct local_plan *plan)
{
    plan_reset(plan);
    r->waiting = LOCAL_TOOL_NONE;
    if (on_keys(r, text, plan))
        return;
    enum meaning m = meaning_of(text);
    if (m != MEANS_NOTHING && m != MEANS_QUESTION)
        r->misses = 0;
    switch (m) {
    case MEANS_NOTHING:
        not_understood(r, plan);
        return;
    case MEANS_QUESTION:
        look_up(r, text, confidence, plan);
        return;
    case MEANS_BYE:
    case MEANS_DONE:
        goodbye(r, plan);
        return;
    case MEANS_YES:
        on_yes(r, plan);
        return;
    case MEANS_NO:
        on_no(r, plan);
        return;
    case MEANS_AGAIN:
        again(r, plan);
        return;
    case MEANS_SLOWER:
        change_speed(r, plan, -SPEED_STEP);
        return;
    case MEANS_FASTER:
        change_speed(r, plan, SPEED_STEP);
        return;
    case MEANS_PERSON:
        transfer(r, plan);
        return;
    case MEANS_HELLO:
    case MEANS_HOW_ARE_YOU:
    case MEANS_THANKS:
    case MEANS_ROBOT:
    case MEANS_WHO:
    case MEANS_HELP:
    case MEANS_WAIT:
    case MEANS_NEVER_MIND:
        small_talk(r, m, plan);
        return;
    }
}

/* -- outputs -- */

static void on_knowledge(struct local_reply *r, struct str knowledge, struct local_plan *p)
{
    struct local_result results[LOCAL_RESULTS_MAX];
    size_t count = local_results_read(knowledge, results);
    if (count == 0) {
        offer_person(r, p, "I'm sorry, I don't know that.");
        return;
    }
    struct local_query q;
    unsigned known;
    local_query_read(&q, buf_str(&r->question));
    const struct local_result *best = &results[local_results_pick(&q, results, count, &known)];
    bool follow_up = q.count == 0;
    if (!follow_up && known < KNOWN_TOO_LITTLE) {
        offer_person(r, p, "I'm sorry, I don't know that.");
        return;
    }
    r->misses = 0;
    set(&r->topic, best->title);
    bool unsure = r->confidence < UNSURE_BELOW && known < 1000;
    bool doubtful = r->confidence < DOUBTFUL_BELOW && known < KNOWN_ENOUGH;
    if (!follow_up && (unsure || doubtful) && best->title.len > 0) {
        buf_reset(&r->held);
        local_answer_write(&r->held, &q, best->content);
        buf_reset(&p->say);
        buf_printf(&p->say, "Did you ask about %.*s?", STR_FMT(best->title));
        set(&r->last, buf_str(&p->say));
        r->pending = LOCAL_PENDING_TOPIC;
        return;
    }
    local_answer_write(&p->say, &q, best->content);
    set(&r->last, buf_str(&p->say));
    r->pending = LOCAL_PENDING_MORE;
}

void local_reply_output(struct local_reply *r, struct str output, struct local_plan *plan)
{
    plan_reset(plan);
    enum local_tool tool = r->waiting;
    r->waiting = LOCAL_TOOL_NONE;
    json_t *root = NULL;
    bool parsed = js_parse(output, &root, NULL) == OK;
    bool success = parsed && js_get_bool(root, "success", true);
    switch (tool) {
    case LOCAL_TOOL_KNOWLEDGE:
        if (parsed && !success)
            offer_person(r, plan, "I'm sorry, I can't look that up right now.");
        else
            on_knowledge(r, parsed ? js_get_str(root, "knowledge") : output, plan);
        break;
    case LOCAL_TOOL_TRANSFER:
        if (!success) {
            r->tools.transfer = false;
            say(r, plan,
                "I'm sorry, nobody is available at the moment. Is there anything else I "
                "can help with?");
            r->pending = LOCAL_PENDING_MORE;
        }
        break;
    case LOCAL_TOOL_END:
    case LOCAL_TOOL_NONE:
        break;
    }
    if (root)
        json_decref(root);
}
