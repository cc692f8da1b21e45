/* Twilio's webhooks: who is let in, what the host is told, what TwiML comes out. */
#include "harness/test.h"

#include "twilio_world.h"

#define FORM                                                                                 \
    "CallSid=CA2&From=%2B14155550100&To=%2B15055550100&Direction=inbound&CallStatus=ringing" \
    "&CallerName=Zo%C3%AB+M%C3%BCller"
/* The same, decoded and in the order of the keys, behind the URL. */
#define FORM_SIGNED                                                 \
    "CallSidCA2CallStatusringingCallerNameZo\xc3\xab M\xc3\xbcller" \
    "DirectioninboundFrom+14155550100To+15055550100"
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

static bool contains(struct str text, const char *part)
{
    return str_find(text, str_of(part), 0) != SIZE_MAX;
}

TEST(a_signed_call_is_told_to_the_host_and_connected)
{
    struct world w;
    char s[32];
    world_open(&w, NULL);
    w.answer = (struct channel_answer){
        .verdict = CHANNEL_STREAM, .token = STR("t<1>&"), .owner = STR("0a1b2c3d.2")};
    sign(s, TOKEN, PUBLIC "/api/twilio/voice" FORM_SIGNED);
    fetch(&w, "POST", "/api/twilio/voice", s, FORM);
    bool body = contains(w.body, "<Connect action=\"" PUBLIC
                                 "/api/twilio/resume/0a1b2c3d.2#rc=5&amp;rp=all&amp;") &&
                contains(w.body, "<Stream url=\"" STREAM_URL "/0a1b2c3d.2\">") &&
                contains(w.body, "<Parameter name=\"token\" value=\"t&lt;1>&amp;\"/>");
    bool xml = contains(buf_str(&w.response), "Content-Type: text/xml");
    bool told =
        str_eq(buf_str(&w.told), STR("incoming twilio CA2 +14155550100 +15055550100 inbound\n"));
    unsigned status = w.status;
    uint64_t served = counters(&w).webhooks;
    world_close(&w);
    CHECK(!w.late);
    CHECK_INT(200, status);
    CHECK(xml);
    CHECK(told);
    CHECK(body);
    CHECK_INT(1, served);
}

TEST(a_get_webhook_has_its_parameters_in_the_signed_url)
{
    struct world w;
    char s[32];
    world_open(&w, NULL);
    w.answer = (struct channel_answer){.verdict = CHANNEL_HANGUP};
    sign(s, TOKEN, PUBLIC "/api/twilio/voice?" FORM);
    fetch(&w, "GET", "/api/twilio/voice?" FORM, s, NULL);
    unsigned right = w.status;
    bool told = contains(buf_str(&w.told), "CA2 +14155550100 +15055550100 inbound");
    fetch(&w, "GET", "/api/twilio/voice?" FORM "&x=1", s, NULL);
    unsigned wrong = w.status;
    world_close(&w);
    CHECK_INT(200, right);
    CHECK(told);
    CHECK_INT(403, wrong);
}

TEST(requests_without_the_right_signature_are_refused)
{
    struct world w;
    char right[32], other_token[32], host_url[32], no_params[32];
    world_open(&w, NULL);
    w.answer = (struct channel_answer){.verdict = CHANNEL_HANGUP};
    char by_host[256];
    snprintf(by_host, sizeof(by_host), "http://127.0.0.1:%u/api/twilio/voice" FORM_SIGNED, w.port);
    sign(right, TOKEN, PUBLIC "/api/twilio/voice" FORM_SIGNED);
    sign(other_token, "11111111111111111111111111111111", PUBLIC "/api/twilio/voice" FORM_SIGNED);
    sign(host_url, TOKEN, by_host);
    sign(no_params, TOKEN, PUBLIC "/api/twilio/voice");
    const char *const bad[] = {NULL, "", "x", other_token, host_url, no_params};
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fetch(&w, "POST", "/api/twilio/voice", bad[i], FORM);
        refused += w.status == 403;
    }
    const char *const paths[] = {"/api/twilio/status", "/api/twilio/resume",
                                 "/api/twilio/voice?a=b"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        fetch(&w, "POST", paths[i], right, FORM);
        refused += w.status == 403;
    }
    fetch(&w, "POST", "/api/twilio/voice", right, FORM "&To=%2B1");
    refused += w.status == 403;
    uint64_t counted = counters(&w).refused;
    bool untold = w.told.len == 0;
    bool silent = !contains(buf_str(&w.response), TOKEN);
    world_close(&w);
    CHECK_INT(10, refused);
    CHECK_INT(10, counted);
    CHECK(untold);
    CHECK(silent);
}

TEST(without_a_token_or_a_public_url_everything_is_refused)
{
    const struct twilio_channel_opts closed[] = {{.public_url = STR(PUBLIC)},
                                                 {.auth_token = STR(TOKEN)}};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        char empty_key[32];
        world_open(&w, &closed[i]);
        sign(empty_key, "", PUBLIC "/api/twilio/voice" FORM_SIGNED);
        fetch(&w, "POST", "/api/twilio/voice", empty_key, FORM);
        unsigned status = w.status;
        world_close(&w);
        CHECK_INT(403, status);
    }
}

TEST(a_withheld_number_is_no_number)
{
    const struct twilio_channel_opts open = {.insecure_streams = true};
    const char *const withheld[] = {"anonymous", "Restricted", "%2B266696687"};
    unsigned empty = 0;
    for (size_t i = 0; i < sizeof(withheld) / sizeof(withheld[0]); i++) {
        struct world w;
        char form[200];
        world_open(&w, &open);
        w.answer = (struct channel_answer){.verdict = CHANNEL_HANGUP};
        snprintf(form, sizeof(form), "CallSid=CA1&From=%s&To=%%2B15055550100&Direction=inbound",
                 withheld[i]);
        fetch(&w, "POST", "/api/twilio/voice", NULL, form);
        empty += !contains(buf_str(&w.told), "anonymous") &&
                 !contains(buf_str(&w.told), "estricted") &&
                 !contains(buf_str(&w.told), "266696687") && w.told.len > 0;
        world_close(&w);
    }
    CHECK_INT(3, empty);
}

TEST(with_checks_off_the_urls_are_made_from_the_host_header)
{
    struct world w;
    world_open(&w, &(struct twilio_channel_opts){.insecure_streams = true});
    w.answer = (struct channel_answer){.verdict = CHANNEL_STREAM, .token = STR("t")};
    fetch(&w, "POST", "/api/twilio/voice", NULL, FORM);
    char want[128];
    snprintf(want, sizeof(want), "<Stream url=\"ws://127.0.0.1:%u/api/twilio/stream\">", w.port);
    bool body = contains(w.body, want);
    world_close(&w);
    CHECK(body);
}

TEST(verdicts_become_twiml)
{
    static const struct {
        struct channel_answer answer;
        const char *parts[3];
        const char *never;
    } cases[] = {
        {{.verdict = CHANNEL_HANGUP, .text = {"No & bye", 8}},
         {"<Say", ">No &amp; bye</Say><Hangup/>"},
         "<Dial"},
        {{.verdict = CHANNEL_HANGUP}, {"<Response><Hangup/></Response>"}, "<Say"},
        {{.verdict = CHANNEL_TRANSFER, .text = {"One moment.", 11}, .number = {"+15055550199", 12}},
         {">One moment.</Say><Dial", "+15055550199", "</Dial></Response>"},
         "<Hangup"},
        {{.verdict = CHANNEL_TRANSFER, .number = {"+15055550199", 12}},
         {"<Response><Dial", "+15055550199"},
         "<Say"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        char s[32];
        world_open(&w, NULL);
        w.answer = cases[i].answer;
        sign(s, TOKEN, PUBLIC "/api/twilio/voice" FORM_SIGNED);
        fetch(&w, "POST", "/api/twilio/voice", s, FORM);
        bool ok = w.status == 200 && !contains(w.body, cases[i].never);
        for (size_t k = 0; k < 3 && cases[i].parts[k]; k++)
            ok = ok && contains(w.body, cases[i].parts[k]);
        if (!ok)
            fprintf(stderr, "case %zu: %.*s\n", i, STR_FMT(w.body));
        world_close(&w);
        CHECK(ok);
    }
}

TEST(an_incomplete_call_gets_an_apology_with_status_200)
{
    struct world w;
    char s[32];
    world_open(&w, NULL);
    sign(s, TOKEN,
         PUBLIC "/api/twilio/voice"
                "CallSidCA2");
    fetch(&w, "POST", "/api/twilio/voice", s, "CallSid=CA2");
    bool no_to = w.status == 200 && contains(w.body, ">An error occurred.</Say><Hangup/>");
    sign(s, TOKEN,
         PUBLIC "/api/twilio/voice"
                "To+1");
    fetch(&w, "POST", "/api/twilio/voice", s, "To=%2B1");
    bool no_sid = w.status == 200 && contains(w.body, ">An error occurred.</Say><Hangup/>");
    fetch(&w, "POST", "/api/twilio/voice", s, "To=%zz");
    unsigned broken = w.status;
    bool untold = w.told.len == 0;
    world_close(&w);
    CHECK(no_to);
    CHECK(no_sid);
    CHECK_INT(400, broken);
    CHECK(untold);
}

TEST(a_host_that_answers_later_is_waited_for_and_one_too_late_is_not)
{
    struct world w;
    char s[32];
    world_open(&w, &(struct twilio_channel_opts){.public_url = STR(PUBLIC),
                                                 .auth_token = STR(TOKEN),
                                                 .answer_timeout_ms = 50});
    w.hold = true;
    sign(s, TOKEN, PUBLIC "/api/twilio/voice" FORM_SIGNED);
    struct channel_answer answer = {.verdict = CHANNEL_HANGUP, .text = STR("Good day")};

    fetch(&w, "POST", "/api/twilio/voice", s, FORM); /* returns when the host was asked */
    bool nothing_yet = w.response.len == 0;
    w.held_fn(w.held_ctx, &answer);
    loop_run(w.loop);
    bool later = contains(buf_str(&w.response), ">Good day</Say><Hangup/>");

    fetch(&w, "POST", "/api/twilio/voice", s, FORM);
    loop_run(w.loop); /* until the driver gave up and answered */
    bool sorry = contains(buf_str(&w.response), ">An error occurred.</Say>");
    w.held_fn(w.held_ctx, &answer); /* changes nothing, frees the question */
    uint64_t late = counters(&w).late_answers;
    world_close(&w);
    CHECK(!w.late);
    CHECK(nothing_yet);
    CHECK(later);
    CHECK(sorry);
    CHECK_INT(1, late);
}

TEST(a_carrier_that_is_gone_before_the_answer_is_ignored)
{
    struct world w;
    char s[32];
    world_open(&w, NULL);
    w.hold = true;
    sign(s, TOKEN, PUBLIC "/api/twilio/voice" FORM_SIGNED);
    fetch(&w, "POST", "/api/twilio/voice", s, FORM);
    conn_close(w.http);
    loop_run(w.loop); /* until the carrier's end is closed */
    http_server_close(w.server, world_stopped, w.loop);
    loop_run(w.loop); /* until the server has let go of its end, so that on_gone was called */
    w.server = NULL;
    w.held_fn(w.held_ctx, &(struct channel_answer){.verdict = CHANNEL_HANGUP});
    world_close(&w);
    CHECK(!w.late);
}

TEST(status_and_resume_reach_the_host)
{
    struct world w;
    char s[32];
    world_open(&w, NULL);
    sign(s, TOKEN,
         PUBLIC "/api/twilio/status"
                "CallDuration17CallSidCA2CallStatuscompleted");
    fetch(&w, "POST", "/api/twilio/status", s, "CallSid=CA2&CallStatus=completed&CallDuration=17");
    unsigned with_duration = w.status;
    sign(s, TOKEN, PUBLIC "/api/twilio/status?CallSid=CA2&CallStatus=ringing");
    fetch(&w, "GET", "/api/twilio/status?CallSid=CA2&CallStatus=ringing", s, NULL);
    unsigned without = w.status;
    sign(s, TOKEN,
         PUBLIC "/api/twilio/status"
                "CallSidCA2");
    fetch(&w, "POST", "/api/twilio/status", s, "CallSid=CA2");
    unsigned incomplete = w.status;
    w.answer = (struct channel_answer){.verdict = CHANNEL_HANGUP, .text = STR("Goodbye")};
    sign(s, TOKEN,
         PUBLIC "/api/twilio/resume"
                "CallSidCA2");
    fetch(&w, "POST", "/api/twilio/resume", s, "CallSid=CA2");
    bool resumed = w.status == 200 && contains(w.body, ">Goodbye</Say><Hangup/>");
    sign(s, TOKEN,
         PUBLIC "/api/twilio/resume"
                "AAnswer");
    fetch(&w, "POST", "/api/twilio/resume", s, "A=Answer");
    bool sorry = w.status == 200 && contains(w.body, ">An error occurred.</Say><Hangup/>");
    bool told = str_eq(buf_str(&w.told),
                       STR("status CA2 completed 17\nstatus CA2 ringing -1\nended CA2\n"));
    world_close(&w);
    CHECK_INT(204, with_duration);
    CHECK_INT(204, without);
    CHECK_INT(400, incomplete);
    CHECK(resumed);
    CHECK(sorry);
    CHECK(told);
}

TEST(public_urls_that_cannot_be_signed_for_are_refused_at_start)
{
    static const struct channel_host none = {host_incoming, host_stream, host_stream_ended,
                                             host_status};
    const char *const bad[] = {"voice.example.com", "wss://voice.example.com",
                               "ftp://x",           "https://h/?a=b",
                               "https://h/#x",      "https://u:p@h"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct http_router *router = http_router_new();
        struct twilio_channel *t = NULL;
        struct err_detail detail = {""};
        enum err err =
            twilio_channel_open(&t,
                                &(struct twilio_channel_opts){
                                    .router = router, .public_url = str_of(bad[i]), .host = &none},
                                &detail);
        http_router_free(router);
        CHECK_INT(ERR_INVALID, err);
        CHECK(detail.text[0]);
    }
}
