/* The caller's side alone: what is played and marked, and when a person speaks. Virtual time. */
#include "harness/test.h"

#include "app/dial_playout.h"
#include "app/dial_talk.h"
#include "app/voice.h"
#include "base/base64.h"
#include "base/limits.h"

static struct str encode(char *out, size_t bytes, int code)
{
    uint8_t raw[4096];
    memset(raw, code, bytes);
    return str_n(out, base64_encode(out, raw, bytes));
}

TEST(marks_are_due_when_everything_before_them_was_played)
{
    struct dial_playout p;
    uint8_t frame[160];
    char text[6000];
    dial_playout_init(&p);
    CHECK_INT(OK, dial_playout_mark(&p, STR("early")));
    CHECK(strcmp(dial_playout_due(&p), "early") == 0); /* nothing waits: at once */
    CHECK_INT(OK, dial_playout_add(&p, encode(text, 400, 0x10)));
    CHECK_INT(OK, dial_playout_mark(&p, STR("m1")));
    CHECK_INT(OK, dial_playout_add(&p, encode(text, 80, 0x20)));
    CHECK_INT(OK, dial_playout_mark(&p, STR("m2")));
    CHECK_INT(160, dial_playout_take(&p, frame));
    CHECK_INT(160, dial_playout_take(&p, frame));
    CHECK(dial_playout_due(&p) == NULL); /* 320 of 400 */
    CHECK_INT(160, dial_playout_take(&p, frame));
    CHECK_INT(0x10, frame[79]);
    CHECK_INT(0x20, frame[80]);
    CHECK(strcmp(dial_playout_due(&p), "m1") == 0);
    CHECK(strcmp(dial_playout_due(&p), "m2") == 0);
    CHECK(dial_playout_due(&p) == NULL);
    CHECK_INT(0, dial_playout_take(&p, frame));
    CHECK_INT(0xff, frame[0]);
    CHECK_INT(480, p.heard);
    dial_playout_fini(&p);
}

TEST(a_part_of_a_frame_is_played_and_the_rest_is_silence)
{
    struct dial_playout p;
    uint8_t frame[160];
    char text[6000];
    dial_playout_init(&p);
    CHECK_INT(OK, dial_playout_add(&p, encode(text, 100, 0x10)));
    CHECK_INT(100, dial_playout_take(&p, frame));
    CHECK_INT(0x10, frame[99]);
    CHECK_INT(0xff, frame[100]);
    dial_playout_fini(&p);
}

TEST(a_clear_drops_what_waits_and_makes_every_mark_due)
{
    struct dial_playout p;
    uint8_t frame[160];
    char text[6000];
    dial_playout_init(&p);
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "m%d", i);
        CHECK_INT(OK, dial_playout_add(&p, encode(text, 1600, 0x10)));
        CHECK_INT(OK, dial_playout_mark(&p, str_of(name)));
    }
    CHECK_INT(160, dial_playout_take(&p, frame));
    CHECK_INT(4640, dial_playout_clear(&p));
    CHECK(strcmp(dial_playout_due(&p), "m0") == 0);
    CHECK(strcmp(dial_playout_due(&p), "m1") == 0);
    CHECK(strcmp(dial_playout_due(&p), "m2") == 0);
    CHECK(dial_playout_empty(&p));
    CHECK_INT(160, p.heard);
    CHECK_INT(OK, dial_playout_add(&p, encode(text, 160, 0x30)));
    CHECK_INT(160, dial_playout_take(&p, frame));
    CHECK_INT(0x30, frame[0]);
    dial_playout_fini(&p);
}

TEST(what_cannot_be_played_is_refused_and_counted)
{
    struct dial_playout p;
    char text[6000], name[DIAL_MARK_BYTES + 1];
    dial_playout_init(&p);
    CHECK_INT(ERR_INVALID, dial_playout_add(&p, STR("")));
    CHECK_INT(ERR_INVALID, dial_playout_add(&p, STR("?!?!")));
    memset(name, 'x', sizeof(name));
    CHECK_INT(ERR_INVALID, dial_playout_mark(&p, str_n(name, sizeof(name))));
    int added = 0;
    struct str piece = encode(text, 4000, 0x10);
    while (dial_playout_add(&p, piece) == OK)
        added++;
    CHECK_INT(DIAL_PLAYOUT_BYTES_MAX / 4000, added);
    int marks = 0;
    while (dial_playout_mark(&p, STR("m")) == OK)
        marks++;
    CHECK_INT(DIAL_MARKS_MAX, marks);
    CHECK_INT(5, p.refused);
    dial_playout_fini(&p);
}

/* -- a conversation on virtual time: the agent is what the test says it is -- */

struct scene {
    struct dial_talk talk;
    int64_t now_ms, played_ms;
    int64_t agent_until_ms; /* speaks until then */
    bool done;
    int begins, ends, silenced, unanswered;
    char digits[16];
    int64_t loud_from_ms, loud_to_ms; /* the caller's last audible frames */
};

static void on_event(void *ctx, enum dial_talk_event event, const struct dial_turn *turn,
                     char digit)
{
    struct scene *s = ctx;
    (void)turn;
    s->begins += event == DIAL_AGENT_BEGINS;
    s->ends += event == DIAL_AGENT_ENDS;
    s->silenced += event == DIAL_SILENCED;
    s->unanswered += event == DIAL_NO_ANSWER;
    s->done = s->done || event == DIAL_DONE;
    if (event == DIAL_DIGIT) {
        size_t n = strlen(s->digits);
        s->digits[n] = digit;
        s->digits[n + 1] = '\0';
    }
}

/* Runs until the time or until it is done. */
static void run_to(struct scene *s, int64_t to_ms)
{
    uint8_t frame[160];
    while (s->now_ms < to_ms && !s->done) {
        s->now_ms += 20;
        bool speaks = s->now_ms <= s->agent_until_ms;
        s->played_ms += speaks ? 20 : 0;
        struct dial_heard h = {.audible = speaks,
                               .empty = s->now_ms >= s->agent_until_ms,
                               .idle = !speaks,
                               .played_ms = s->played_ms};
        dial_talk_tick(&s->talk, s->now_ms, &h, frame);
        if (voice_level(frame) >= VOICE_AUDIBLE) {
            if (s->loud_to_ms < s->now_ms - 20)
                s->loud_from_ms = s->now_ms - 20;
            s->loud_to_ms = s->now_ms;
        }
    }
}

static uint8_t voice[8000]; /* one second */

static struct dial_step say(const char *text, int64_t interrupt_ms)
{
    memset(voice, 0x90, sizeof(voice));
    return (struct dial_step){.kind = DIAL_SAY,
                              .text = text,
                              .audio = voice,
                              .audio_len = sizeof(voice),
                              .interrupt_ms = interrupt_ms};
}

static void start(struct scene *s, const struct dial_step *steps, size_t count)
{
    memset(s, 0, sizeof(*s));
    s->loud_to_ms = -100;
    struct dial_talk_opts o = {.steps = steps, .step_count = count};
    dial_talk_init(&s->talk, &o, on_event, s);
}

TEST(a_caller_waits_for_the_end_speaks_and_hears_the_answer)
{
    struct scene s;
    struct dial_step steps[] = {say("one", -1), say("two", -1)};
    start(&s, steps, 2);
    run_to(&s, 500); /* nothing yet */
    s.agent_until_ms = 2500;
    run_to(&s, 3900);
    CHECK_INT(0, s.talk.turns[0].answered_ms - 500);
    CHECK_INT(-100, s.loud_to_ms); /* 1.5 s of quiet are not over */
    run_to(&s, 5200);
    CHECK_INT(4000, s.loud_from_ms); /* the opening's settling time, to the frame */
    CHECK_INT(5000, s.loud_to_ms);
    s.agent_until_ms = 7000; /* the answer, from 5.2 s on */
    run_to(&s, 7600);
    struct dial_turn *one = &s.talk.turns[1];
    CHECK_INT(200, one->answered_ms - one->ended_ms);
    CHECK_INT(5000, s.loud_to_ms);
    run_to(&s, 9000);
    CHECK_INT(7700, s.loud_from_ms); /* 700 ms after the answer */
    s.agent_until_ms = 9500;
    run_to(&s, 12000);
    CHECK(s.done);
    CHECK_INT(3, s.begins);
    CHECK_INT(3, s.ends);
    dial_talk_fini(&s.talk);
}

TEST(an_interruption_is_measured_to_the_silence_and_to_the_millisecond_heard)
{
    struct scene s;
    struct dial_step steps[] = {say("one", -1), say("stop", 800)};
    start(&s, steps, 2);
    s.agent_until_ms = 1000;
    run_to(&s, 3600);         /* greeting, then "one" from 2.5 to 3.5 s */
    s.agent_until_ms = 10000; /* a long answer from 3.6 s on */
    run_to(&s, 4800);
    struct dial_turn *stop = &s.talk.turns[2];
    CHECK_INT(3, s.talk.turn_count);
    CHECK(stop->interrupts);
    CHECK_INT(4400, stop->began_ms + 20); /* 800 ms after the answer was first heard */
    s.agent_until_ms = s.now_ms;          /* the server clears */
    int64_t heard = dial_talk_cleared(&s.talk, s.now_ms, s.played_ms);
    CHECK_INT(1200, heard);
    CHECK_INT(1200, stop->heard_ms);
    CHECK_INT(2200, stop->played_ms);
    run_to(&s, 4820);
    CHECK_INT(1, s.silenced);
    CHECK_INT(4820, stop->silent_ms);
    run_to(&s, 5600);
    s.agent_until_ms = 6500;
    run_to(&s, 8000);
    CHECK(s.done);
    CHECK_INT(5600, stop->answered_ms);
    dial_talk_fini(&s.talk);
}

TEST(a_gap_between_sentences_is_part_of_the_answer)
{
    struct scene s;
    struct dial_step steps[] = {say("stop", 1500)};
    start(&s, steps, 1);
    s.agent_until_ms = 600;
    run_to(&s, 1000); /* 400 ms of nothing to play */
    s.agent_until_ms = 9000;
    run_to(&s, 1700);
    CHECK(s.talk.turns[1].interrupts);
    CHECK_INT(1300, dial_talk_cleared(&s.talk, s.now_ms, s.played_ms)); /* 0.6 + 0.7 s */
    dial_talk_fini(&s.talk);
}

TEST(an_agent_who_ignores_an_interruption_is_not_silenced)
{
    struct scene s;
    struct dial_step steps[] = {say("stop", 500)};
    start(&s, steps, 1);
    s.agent_until_ms = 4000;
    run_to(&s, 30000);
    CHECK(s.done);
    CHECK(s.talk.turns[1].interrupts && !s.talk.turns[1].cleared);
    CHECK_INT(-1, s.talk.turns[1].silent_ms);
    CHECK_INT(0, s.silenced);
    CHECK(s.talk.turns[1].unanswered);
    dial_talk_fini(&s.talk);
}

TEST(an_answer_into_a_pause_of_ours_is_not_the_answer)
{
    struct scene s;
    struct dial_step steps[] = {say("long", -1)};
    start(&s, steps, 1);
    s.agent_until_ms = 1000;
    run_to(&s, 3000); /* half of it was said */
    s.agent_until_ms = 10000;
    run_to(&s, 3300);
    s.agent_until_ms = s.now_ms;
    dial_talk_cleared(&s.talk, s.now_ms, s.played_ms);
    run_to(&s, 4000);
    CHECK(s.talk.turns[1].talked_over);
    CHECK(!s.done);
    s.agent_until_ms = 5000;
    run_to(&s, 8000);
    CHECK(s.done);
    CHECK_INT(4000, s.talk.turns[1].answered_ms);
    dial_talk_fini(&s.talk);
}

TEST(patience_ends_digits_are_pressed_and_pauses_kept)
{
    struct scene s;
    struct dial_step steps[] = {{.kind = DIAL_DTMF, .text = "10#", .interrupt_ms = -1},
                                {.kind = DIAL_PAUSE, .text = "", .pause_ms = 3000}};
    start(&s, steps, 2);
    run_to(&s, 14900);
    CHECK_INT(0, s.unanswered);
    run_to(&s, 15100); /* nobody greeted */
    CHECK_INT(1, s.unanswered);
    run_to(&s, 16000);
    CHECK(strcmp(s.digits, "10#") == 0);
    s.agent_until_ms = 16500;
    run_to(&s, 20100);
    CHECK(!s.done);
    run_to(&s, 20300);
    CHECK(s.done); /* 16.5 + 0.7 + 3.0 s */
    dial_talk_fini(&s.talk);
}
