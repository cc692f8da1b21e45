/* Twilio's stream messages as its documentation shows them, and what is not one of them. */
#include "harness/test.h"

#include "proto/twilio_msg.h"

static const char start_text[] =
    "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"accountSid\":\"AC0\",\"streamSid\":"
    "\"MZ1\",\"callSid\":\"CA2\",\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":"
    "\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1},\"customParameters\":{\"tenant\":"
    "\"acme \\\"1\\\"\",\"token\":\"t\"}},\"streamSid\":\"MZ1\"}";

TEST(a_start_gives_its_ids_format_and_parameters)
{
    struct twilio_msg m;
    CHECK_INT(OK, twilio_msg_parse(&m, str_of(start_text), NULL));
    CHECK_INT(TWILIO_START, m.type);
    CHECK(str_eq(m.stream_sid, STR("MZ1")) && str_eq(m.call_sid, STR("CA2")));
    CHECK(str_eq(m.account_sid, STR("AC0")));
    CHECK_INT(1, m.sequence);
    CHECK(str_eq(m.encoding, STR("audio/x-mulaw")));
    CHECK_INT(8000, m.sample_rate_hz);
    CHECK_INT(1, m.channels);
    CHECK_INT(2, m.param_count);
    CHECK(str_eq(twilio_msg_param(&m, STR("tenant")), STR("acme \"1\"")));
    CHECK(twilio_msg_param(&m, STR("nobody")).p == NULL);

    struct buf b; /* what the carrier's side writes for it is the same text */
    buf_init(&b, 4096);
    twilio_write_start(&b, &m);
    bool same = str_eq(buf_str(&b), str_of(start_text));
    buf_fini(&b);
    twilio_msg_fini(&m);
    CHECK(same);
}

TEST(media_takes_the_fast_path_in_any_order_and_the_slow_one_alike)
{
    static const char *const texts[] = {
        "{\"event\":\"media\",\"sequenceNumber\":\"2\",\"media\":{\"track\":\"inbound\",\"chunk\":"
        "\"3\",\"timestamp\":\"5\",\"payload\":\"/39/\"},\"streamSid\":\"MZ1\"}",
        "{ \"streamSid\":\"MZ1\",\"media\": {\"payload\":\"/39/\",\"timestamp\":\"5\",\"chunk\":"
        "\"3\" ,\"track\":\"inbound\"}, \"sequenceNumber\":\"2\",\"event\":\"media\"} ",
        "{\"event\":\"media\",\"sequenceNumber\":2,\"media\":{\"track\":\"inbound\",\"chunk\":3,"
        "\"timestamp\":5,\"payload\":\"\\/39\\/\"},\"streamSid\":\"MZ1\",\"new\":[1]}",
    };
    for (size_t i = 0; i < 3; i++) {
        struct twilio_msg m;
        CHECK_INT(OK, twilio_msg_parse(&m, str_of(texts[i]), NULL));
        CHECK((m.root == NULL) == (i < 2));
        CHECK_INT(TWILIO_MEDIA, m.type);
        CHECK_INT(2, m.sequence);
        CHECK_INT(3, m.chunk);
        CHECK_INT(5, m.timestamp_ms);
        CHECK(str_eq(m.payload, STR("/39/")) && str_eq(m.track, STR("inbound")));
        CHECK(str_eq(m.stream_sid, STR("MZ1")));
        twilio_msg_fini(&m);
    }
}

TEST(a_mark_takes_the_fast_path_in_any_order_and_the_slow_one_alike)
{
    static const struct {
        const char *text;
        bool fast;
    } cases[] = {
        {"{\"event\":\"mark\",\"sequenceNumber\":\"60\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":"
         "\"m1\"}}",
         true},
        {"{\"mark\":{\"name\":\"m1\"},\"streamSid\":\"MZ1\",\"sequenceNumber\":\"60\",\"event\":"
         "\"mark\"}",
         true},
        {"{\"event\":\"mark\",\"sequenceNumber\":\"60\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":"
         "\"m\\u0031\"}}",
         false},
        {"{\"event\":\"mark\",\"sequenceNumber\":\"60\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":"
         "\"m1\","
         "\"new\":1}}",
         false},
        {"{\"event\":\"mark\",\"sequenceNumber\":\"60\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":"
         "\"m1\"},"
         "\"media\":{\"payload\":\"\"}}",
         false},
    };
    struct twilio_msg m;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(OK, twilio_msg_parse(&m, str_of(cases[i].text), NULL));
        CHECK_INT(cases[i].fast, m.root == NULL);
        CHECK_INT(TWILIO_MARK, m.type);
        CHECK(str_eq(m.mark, STR("m1")) && str_eq(m.stream_sid, STR("MZ1")));
        CHECK_INT(60, m.sequence);
        twilio_msg_fini(&m);
    }
    /* A mark without its object is not taken for the medium it carries. */
    CHECK(twilio_msg_parse(&m,
                           STR("{\"event\":\"mark\",\"streamSid\":\"MZ1\","
                               "\"media\":{\"payload\":\"\"}}"),
                           NULL) == ERR_INVALID);
}

TEST(the_other_events_of_the_carrier)
{
    struct twilio_msg m;
    CHECK_INT(OK,
              twilio_msg_parse(
                  &m, STR("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}"),
                  NULL));
    CHECK_INT(TWILIO_CONNECTED, m.type);
    twilio_msg_fini(&m);
    CHECK_INT(OK,
              twilio_msg_parse(&m,
                               STR("{\"event\":\"dtmf\",\"sequenceNumber\":\"50\",\"streamSid\":"
                                   "\"MZ1\",\"dtmf\":{\"track\":\"inbound_track\",\"digit\":"
                                   "\"#\"}}"),
                               NULL));
    CHECK(m.type == TWILIO_DTMF && str_eq(m.digit, STR("#")));
    twilio_msg_fini(&m);
    CHECK_INT(OK,
              twilio_msg_parse(&m,
                               STR("{\"event\":\"mark\",\"sequenceNumber\":\"60\",\"streamSid\":"
                                   "\"MZ1\",\"mark\":{\"name\":\"m1\"}}"),
                               NULL));
    CHECK(m.type == TWILIO_MARK && str_eq(m.mark, STR("m1")) && m.sequence == 60);
    twilio_msg_fini(&m);
    CHECK_INT(OK, twilio_msg_parse(&m,
                                   STR("{\"event\":\"stop\",\"sequenceNumber\":\"99\",\"stop\":{"
                                       "\"accountSid\":\"AC0\",\"callSid\":\"CA2\"},\"streamSid\":"
                                       "\"MZ1\"}"),
                                   NULL));
    CHECK(m.type == TWILIO_STOP && str_eq(m.call_sid, STR("CA2")));
    twilio_msg_fini(&m);
    CHECK_INT(OK, twilio_msg_parse(&m, STR("{\"event\":\"hologram\",\"streamSid\":5}"), NULL));
    CHECK_INT(TWILIO_UNKNOWN, m.type);
    twilio_msg_fini(&m);
}

TEST(what_is_malformed_is_refused_with_a_sentence)
{
    static const char *const bad[][2] = {
        {"", "JSON"},
        {"[]", "object"},
        {"{}", "'event' is missing"},
        {"{\"event\":1}", "'event' is not a string"},
        {"{\"event\":\"media\",\"media\":{\"payload\":\"AA==\"}}", "'streamSid' is missing"},
        {"{\"event\":\"media\",\"streamSid\":\"\",\"media\":{\"payload\":\"AA==\"}}",
         "'streamSid'"},
        {"{\"event\":\"media\",\"streamSid\":\"MZ1\"}", "'media' is missing"},
        {"{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":\"AA==\"}", "not an object"},
        {"{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{}}", "'payload' is missing"},
        {"{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":[]}}", "'payload'"},
        {"{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"AA==\",\"payload\":"
         "\"AA==\"}}",
         "duplicate"},
        {"{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"\",\"chunk\":\"-1\"}"
         "}",
         "'chunk' is not a number"},
        {"{\"event\":\"media\",\"sequenceNumber\":\"x\",\"streamSid\":\"MZ1\",\"media\":{"
         "\"payload\":\"\"}}",
         "'sequenceNumber'"},
        {"{\"event\":\"start\",\"streamSid\":\"MZ1\"}", "'start' is missing"},
        {"{\"event\":\"start\",\"streamSid\":\"MZ1\",\"start\":{}}", "'callSid' is missing"},
        {"{\"event\":\"start\",\"streamSid\":\"MZ1\",\"start\":{\"callSid\":\"CA2\",\"accountSid\":"
         "\"AC0\",\"streamSid\":\"MZ2\"}}",
         "'streamSid' differs"},
        {"{\"event\":\"start\",\"streamSid\":\"MZ1\",\"start\":{\"callSid\":\"CA2\",\"accountSid\":"
         "\"AC0\",\"customParameters\":{\"a\":1}}}",
         "'customParameters'"},
        {"{\"event\":\"mark\",\"streamSid\":\"MZ1\",\"mark\":{}}", "'name' is missing"},
        {"{\"event\":\"dtmf\",\"streamSid\":\"MZ1\",\"dtmf\":{\"digit\":\"12\"}}", "'digit'"},
        {"{\"event\":\"dtmf\",\"streamSid\":\"MZ1\",\"dtmf\":{\"digit\":\"E\"}}", "'digit'"},
        {"{\"event\":\"stop\",\"streamSid\":\"MZ1\",\"stop\":[]}", "'stop'"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct twilio_msg m;
        struct err_detail why = {""};
        CHECK_INT(ERR_INVALID, twilio_msg_parse(&m, str_of(bad[i][0]), &why));
        if (!strstr(why.text, bad[i][1]))
            fprintf(stderr, "%s: %s\n", bad[i][0], why.text);
        CHECK(strstr(why.text, bad[i][1]));
    }
}

TEST(too_many_parameters_are_refused)
{
    struct twilio_msg m;
    struct buf b;
    buf_init(&b, 8192);
    buf_put_str(&b, STR("{\"event\":\"start\",\"streamSid\":\"MZ1\",\"start\":{\"callSid\":\"CA2\","
                        "\"accountSid\":\"AC0\",\"customParameters\":{"));
    for (int i = 0; i <= TWILIO_PARAMS_MAX; i++)
        buf_printf(&b, "%s\"p%d\":\"\"", i ? "," : "", i);
    buf_put_str(&b, STR("}}}"));
    enum err err = twilio_msg_parse(&m, buf_str(&b), NULL);
    buf_fini(&b);
    CHECK_INT(ERR_INVALID, err);
}

static bool wrote(struct buf *b, const char *want)
{
    bool same = str_eq(buf_str(b), str_of(want));
    if (!same)
        fprintf(stderr, "want %s\ngot  %.*s\n", want, STR_FMT(buf_str(b)));
    buf_reset(b);
    return same;
}

static bool server_side(struct buf *b)
{
    twilio_write_media(b, STR("MZ1"), STR("/39/"));
    bool ok =
        wrote(b, "{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"/39/\"}}");
    twilio_write_mark(b, STR("MZ1"), STR("m\"1"));
    ok &= wrote(b, "{\"event\":\"mark\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":\"m\\\"1\"}}");
    twilio_write_clear(b, STR("MZ1"));
    ok &= wrote(b, "{\"event\":\"clear\",\"streamSid\":\"MZ1\"}");
    /* A provider's delta is text we did not write: it cannot break out of its string. */
    twilio_write_media(b, STR("MZ1"), STR("\"},\"event\":\"clear\""));
    struct twilio_msg m;
    ok &= twilio_msg_parse_reply(&m, buf_str(b), NULL) == OK && m.type == TWILIO_MEDIA;
    twilio_msg_fini(&m);
    buf_reset(b);
    return ok;
}

static bool carrier_side(struct buf *b)
{
    struct twilio_msg m = {.sequence = 7,
                           .chunk = 6,
                           .timestamp_ms = 120,
                           .stream_sid = STR("MZ1"),
                           .account_sid = STR("AC0"),
                           .call_sid = STR("CA2"),
                           .payload = STR("/39/"),
                           .mark = STR("m1"),
                           .digit = STR("0")};
    twilio_write_connected(b);
    bool ok = wrote(b, "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}");
    twilio_write_inbound_media(b, &m);
    ok &= wrote(b, "{\"event\":\"media\",\"sequenceNumber\":\"7\",\"media\":{\"track\":\"inbound\","
                   "\"chunk\":\"6\",\"timestamp\":\"120\",\"payload\":\"/39/\"},\"streamSid\":"
                   "\"MZ1\"}");
    twilio_write_mark_echo(b, &m);
    ok &= wrote(b, "{\"event\":\"mark\",\"sequenceNumber\":\"7\",\"streamSid\":\"MZ1\",\"mark\":{"
                   "\"name\":\"m1\"}}");
    twilio_write_dtmf(b, &m);
    ok &= wrote(b, "{\"event\":\"dtmf\",\"sequenceNumber\":\"7\",\"streamSid\":\"MZ1\",\"dtmf\":{"
                   "\"track\":\"inbound_track\",\"digit\":\"0\"}}");
    twilio_write_stop(b, &m);
    ok &= wrote(b, "{\"event\":\"stop\",\"sequenceNumber\":\"7\",\"stop\":{\"accountSid\":\"AC0\","
                   "\"callSid\":\"CA2\"},\"streamSid\":\"MZ1\"}");
    return ok;
}

TEST(both_sides_write_what_the_documentation_shows)
{
    struct buf b;
    buf_init(&b, 4096);
    bool server = server_side(&b), carrier = carrier_side(&b);
    buf_fini(&b);
    CHECK(server);
    CHECK(carrier);
}

TEST(replies_are_judged_as_twilio_judges_them)
{
    struct twilio_msg m;
    CHECK_INT(OK,
              twilio_msg_parse_reply(&m, STR("{\"event\":\"clear\",\"streamSid\":\"MZ1\"}"), NULL));
    CHECK(m.type == TWILIO_CLEAR && str_eq(m.stream_sid, STR("MZ1")));
    twilio_msg_fini(&m);
    CHECK_INT(
        OK,
        twilio_msg_parse_reply(
            &m, STR("{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"AA==\"}}"),
            NULL));
    CHECK(m.type == TWILIO_MEDIA && !m.root && m.sequence == -1);
    static const char *const bad[] = {
        "{\"event\":\"mark\",\"streamSid\":\"MZ1\"}",
        "{\"event\":\"stop\",\"streamSid\":\"MZ1\"}",
        "{\"event\":\"hologram\",\"streamSid\":\"MZ1\"}",
        "{\"event\":\"clear\"}",
        "{\"event\":\"media\",\"media\":{\"payload\":\"AA==\"}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(ERR_INVALID, twilio_msg_parse_reply(&m, str_of(bad[i]), NULL));
}
