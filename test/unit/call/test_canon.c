/* The journal's forms: a configuration and every kind of input survive the way there and back. */
#include "harness/test.h"

#include "base/base64.h"
#include "call/call.h"

TEST(config_survives_its_journal_form)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    struct call_config k, back;
    call_config_defaults(&k);
    k.greeting = "Say \"hi\"\n";
    k.max_cost_nanousd = 123456789012;
    k.recording = true;
    k.engine_count = 1;
    k.engines[0] = (struct call_engine){.name = "realtime", .model = "m"};
    k.engines[0].prices.audio_out = 64000000;
    call_config_write(&first, &k);
    CHECK_INT(OK, call_config_read(&back, &a, buf_str(&first), NULL));
    call_config_write(&second, &back);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    struct err_detail why;
    CHECK_INT(ERR_INVALID, call_config_read(&back, &a, STR("{\"silenceMs\":-1}"), &why));
    CHECK_INT(ERR_INVALID, call_config_read(&back, &a, STR("{\"greeting\":7}"), &why));
    CHECK_INT(OK, call_config_read(&back, &a, STR("{\"unknown\":[1,2]}"), &why));
    buf_fini(&second);
    buf_fini(&first);
    arena_fini(&a);
}

static enum err round_trip(struct call_input *in, bool keep, struct call_input *out,
                           struct rt_event *ev, struct buf *b)
{
    buf_reset(b);
    call_input_write(b, in, keep);
    return call_input_read(out, ev, in->type, in->at_us, buf_str(b));
}

TEST(inputs_survive_and_can_leave_their_audio_behind)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    struct rt_event ev;
    struct call_input out;
    struct call_input audio = {
        .type = CALL_IN_AUDIO, .at_us = 5, .number = 40, .audio_len = 3, .audio = STR("QUJD")};
    CHECK_INT(OK, round_trip(&audio, true, &out, &ev, &b));
    CHECK(str_eq(out.audio, STR("QUJD")));
    CHECK_INT(40, out.number);
    CHECK_INT(OK, round_trip(&audio, false, &out, &ev, &b));
    CHECK_INT(0, out.audio.len);
    CHECK_INT(3, out.audio_len);

    struct str raw = STR("{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\","
                         "\"response_id\":\"r\",\"item_id\":\"i\",\"output_index\":0,"
                         "\"content_index\":0,\"delta\":\"QUJD\",\"new_member\":1}");
    CHECK_INT(OK, rt_event_parse(&ev, raw, NULL));
    struct call_input event = {
        .type = CALL_IN_ENGINE_EVENT, .event = &ev, .raw = raw, .audio = ev.audio, .audio_len = 3};
    struct rt_event again;
    CHECK_INT(OK, round_trip(&event, true, &out, &again, &b));
    CHECK(str_eq(out.raw, raw));
    rt_event_fini(&again);
    CHECK_INT(OK, round_trip(&event, false, &out, &again, &b));
    CHECK_INT(3, out.audio_len);
    CHECK_INT(0, again.audio.len);
    CHECK(str_eq(again.item_id, STR("i")));
    CHECK(str_find(out.raw, STR("new_member"), 0) != SIZE_MAX);
    rt_event_fini(&again);
    rt_event_fini(&ev);

    struct call_input tool = {.type = CALL_IN_TOOL, .number = 7, .ok = true, .text = STR("{}")};
    CHECK_INT(OK, round_trip(&tool, true, &out, &ev, &b));
    CHECK(out.ok);
    CHECK(str_eq(out.text, STR("{}")));
    CHECK_INT(ERR_INVALID, call_input_read(&out, &ev, CALL_IN_TOOL, 0, STR("short")));
    buf_fini(&b);
}

TEST(effects_are_one_line_each_whatever_the_ids_hold)
{
    struct buf b;
    buf_init(&b, 4096);
    struct call_fx play = {.type = CALL_FX_PLAY, .text = STR("a b\nc"), .offset = 1, .len = 2};
    call_fx_write(&b, &play);
    CHECK(str_eq(buf_str(&b), STR("play a?b?c 1 2 0\n")));
    struct call_effects one = {.fx = &play, .count = 1}, none = {0};
    uint32_t digest = call_effects_digest(&one, &b);
    play.len = 3;
    CHECK(digest != call_effects_digest(&one, &b));
    CHECK_INT(0, call_effects_digest(&none, &b));
    buf_fini(&b);
}
