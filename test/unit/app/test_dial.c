/*
 * A whole simulated call over real sockets, against a small server of the test's own that checks
 * every signature, answers turns by energy and clears when it is interrupted. Real time: the calls
 * are short.
 */
#include "harness/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/dial.h"
#include "app/dial_ask.h"
#include "app/voice.h"
#include "audio/vad.h"
#include "audio/wav.h"
#include "base/base64.h"
#include "base/js.h"
#include "base/limits.h"
#include "net/http.h"
#include "proto/twilio_sig.h"
#include "proto/twiml.h"

enum { DEADLINE_MS = 20000, ANSWER_MS = 1200 };

static const char token[] = "0123456789abcdef0123456789abcdef";

/* What the server does; one test changes one thing. */
struct server {
    struct loop *loop;
    struct http_router *router;
    struct http_server *http;
    struct ws *ws;
    const char *twiml; /* instead of <Connect> */
    bool refuse_stream, close_after_greeting, mute;
    int64_t abort_at;         /* breaks the connection with this media message of all */
    int refuse_resume;        /* answers so many questions with 503 */
    const char *after_stream; /* TwiML of the action */
    char base[64];
    /* seen */
    int voice_asked, resumed, status_asked, bad_signatures, starts, stops, marks_back, out_of_order;
    char digits[16], status[16], duration[16], param[32], stream_sid[40];
    int64_t last_sequence, media;
    struct vad vad;
    int marks_sent, clears;
    int64_t answer_until_ms, sent_ms;
    size_t closed;
    bool http_gone;
};

static struct http_param *read_form(struct arena *a, struct http_exchange *ex, size_t *count)
{
    struct http_param *params = NULL;
    *count = 0;
    return http_form_parse(a, http_body(ex), &params, count) == OK ? params : NULL;
}

static void check_signature(struct server *s, struct http_exchange *ex, const struct http_param *p,
                            size_t count)
{
    char url[256];
    struct twilio_param params[HTTP_PARAMS_MAX];
    for (size_t i = 0; i < count; i++)
        params[i] = (struct twilio_param){p[i].key, p[i].value};
    snprintf(url, sizeof(url), "%s%.*s", s->base, STR_FMT(http_target(ex)));
    struct twilio_request r = {.url = str_of(url), .params = params, .param_count = count};
    s->bad_signatures +=
        !twilio_sig_valid(str_of(token), &r, http_header(ex, "X-Twilio-Signature"));
}

static void connect_stream(struct server *s, struct http_exchange *ex)
{
    struct buf b;
    char url[160];
    buf_init(&b, 65536);
    snprintf(url, sizeof(url), "ws%s/api/twilio/stream", s->base + 4);
    struct twilio_param param = {STR("token"), STR("one & two")};
    twiml_open(&b);
    twiml_connect_stream(&b, &(struct twiml_stream){.action = STR("/api/twilio/resume#rc=3&rp=all"),
                                                    .url = str_of(url),
                                                    .params = &param,
                                                    .param_count = 1});
    twiml_close(&b);
    http_reply(ex, 200, "text/xml", s->twiml ? str_of(s->twiml) : buf_str(&b));
    buf_fini(&b);
}

static void on_voice(void *ctx, struct http_exchange *ex)
{
    struct server *s = ctx;
    struct arena a;
    size_t count;
    arena_init(&a, 65536);
    const struct http_param *form = read_form(&a, ex, &count);
    check_signature(s, ex, form, count);
    s->voice_asked++;
    connect_stream(s, ex);
    arena_fini(&a);
}

static void on_resume(void *ctx, struct http_exchange *ex)
{
    struct server *s = ctx;
    struct arena a;
    size_t count;
    arena_init(&a, 65536);
    const struct http_param *form = read_form(&a, ex, &count);
    check_signature(s, ex, form, count);
    s->resumed++;
    if (s->refuse_resume-- > 0)
        http_reply_problem(ex, 503, "Unavailable", "not yet");
    else if (s->abort_at)
        connect_stream(s, ex);
    else
        http_reply(ex, 200, "text/xml",
                   str_of(s->after_stream ? s->after_stream : "<Response><Hangup/></Response>"));
    arena_fini(&a);
}

static void on_status(void *ctx, struct http_exchange *ex)
{
    struct server *s = ctx;
    struct arena a;
    size_t count;
    arena_init(&a, 65536);
    const struct http_param *form = read_form(&a, ex, &count);
    check_signature(s, ex, form, count);
    s->status_asked++;
    str_copy(s->status, sizeof(s->status), http_form_get(form, count, "CallStatus"));
    str_copy(s->duration, sizeof(s->duration), http_form_get(form, count, "CallDuration"));
    http_reply(ex, 204, NULL, STR_NONE);
    arena_fini(&a);
}

/* -- the stream -- */

static void send_message(struct server *s, struct buf *b)
{
    enum err err = ws_send_text(s->ws, buf_str(b), WS_CONTROL);
    (void)err;
    buf_fini(b);
}

/* `ms` of a loud tone, all at once, and a mark behind it. */
static void speak(struct server *s, int ms)
{
    uint8_t raw[160];
    char text[216];
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = i / 8 % 2 ? 0x20 : 0xa0;
    struct str payload = str_n(text, base64_encode(text, raw, sizeof(raw)));
    struct buf b;
    for (int at = 0; at < ms; at += 20) {
        buf_init(&b, 4096);
        twilio_write_media(&b, str_of(s->stream_sid), payload);
        send_message(s, &b);
    }
    s->sent_ms += ms;
    s->answer_until_ms = vad_now_ms(&s->vad) + ms;
    buf_init(&b, 4096);
    twilio_write_mark(&b, str_of(s->stream_sid), STR("m1"));
    send_message(s, &b);
    s->marks_sent++;
}

static void on_caller_audio(struct server *s, struct str payload)
{
    uint8_t frame[160];
    size_t len = 0;
    if (++s->media == s->abort_at)
        ws_abort(s->ws);
    if (base64_decoded_len(payload) != sizeof(frame) || base64_decode(frame, &len, payload) != OK)
        return;
    struct vad_result r = vad_feed_mulaw(&s->vad, frame);
    if (r.event == VAD_START && vad_now_ms(&s->vad) < s->answer_until_ms) {
        struct buf b;
        buf_init(&b, 4096);
        twilio_write_clear(&b, str_of(s->stream_sid));
        send_message(s, &b);
        s->clears++;
    } else if (r.event == VAD_STOP && !s->mute) {
        speak(s, ANSWER_MS);
    }
}

static void on_text(void *ctx, struct str text)
{
    struct server *s = ctx;
    struct twilio_msg m;
    if (twilio_msg_parse(&m, text, NULL) != OK)
        return;
    if (m.type != TWILIO_CONNECTED) {
        s->out_of_order += m.sequence != s->last_sequence + 1;
        s->last_sequence = m.sequence;
    }
    if (m.type == TWILIO_START) {
        s->starts++;
        str_copy(s->stream_sid, sizeof(s->stream_sid), m.stream_sid);
        str_copy(s->param, sizeof(s->param), twilio_msg_param(&m, STR("token")));
        if (!s->mute)
            speak(s, ANSWER_MS);
        if (s->close_after_greeting)
            ws_close(s->ws, WS_CODE_NORMAL, STR_NONE);
    } else if (m.type == TWILIO_MEDIA) {
        on_caller_audio(s, m.payload);
    } else if (m.type == TWILIO_MARK) {
        s->marks_back++;
    } else if (m.type == TWILIO_DTMF) {
        size_t n = strlen(s->digits);
        if (n + 1 < sizeof(s->digits))
            s->digits[n] = m.digit.p[0];
    } else if (m.type == TWILIO_STOP) {
        s->stops++;
    }
    twilio_msg_fini(&m);
}

static void on_ws_closed(void *ctx, unsigned code, struct str reason)
{
    struct server *s = ctx;
    (void)code;
    (void)reason;
    s->ws = NULL;
    s->closed++;
    if (s->http_gone)
        loop_stop(s->loop);
}

static const struct ws_events stream_events = {.on_text = on_text, .on_closed = on_ws_closed};

static void on_stream(void *ctx, struct http_exchange *ex)
{
    struct server *s = ctx;
    char url[160];
    snprintf(url, sizeof(url), "ws%s%.*s", s->base + 4, STR_FMT(http_target(ex)));
    struct twilio_request r = {.url = str_of(url)};
    s->bad_signatures +=
        !twilio_sig_valid(str_of(token), &r, http_header(ex, "X-Twilio-Signature"));
    if (s->refuse_stream) {
        http_reply_problem(ex, 403, "Forbidden", "no");
        return;
    }
    vad_init(&s->vad, NULL);
    s->last_sequence = 0;
    enum err err = http_upgrade(ex, NULL, NULL, &stream_events, s, &s->ws);
    (void)err;
}

/* -- the caller -- */

struct phone {
    struct server server;
    struct http_client *http;
    struct dial_call *call;
    struct dial_opts opts;
    struct dial_step steps[4];
    size_t step_count;
    uint8_t voice[8 * 600 + 800];
    bool done, late;
    json_t *json;
};

static void on_done(void *ctx)
{
    struct phone *p = ctx;
    p->done = true;
    loop_stop(p->server.loop);
}

static void on_deadline(void *ctx)
{
    struct phone *p = ctx;
    p->late = true;
    loop_stop(p->server.loop);
}

static void on_http_gone(void *ctx)
{
    struct server *s = ctx;
    s->http_gone = true;
    loop_stop(s->loop);
}

static bool open_phone(struct phone *p)
{
    struct server *s = &p->server;
    struct err_detail why;
    memset(p, 0, sizeof(*p));
    if (loop_open(&s->loop, 0) != OK)
        return false;
    s->router = http_router_new();
    struct http_route_opts ws = {.websocket = true};
    http_router_add(s->router, "POST", "/api/twilio/voice", NULL, on_voice, s);
    http_router_add(s->router, "POST", "/api/twilio/resume", NULL, on_resume, s);
    http_router_add(s->router, "POST", "/api/twilio/status", NULL, on_status, s);
    http_router_add(s->router, "GET", "/api/twilio/stream", &ws, on_stream, s);
    struct http_server_opts o = {.host = "127.0.0.1", .router = s->router};
    if (http_server_open(&s->http, s->loop, &o, &why) != OK ||
        http_client_open(&p->http, s->loop, NULL) != OK)
        return false;
    snprintf(s->base, sizeof(s->base), "http://127.0.0.1:%u", http_server_port(s->http));
    /* 600 ms of voice, 100 ms of silence. */
    memset(p->voice, 0xff, sizeof(p->voice));
    for (size_t i = 0; i < 8 * 600; i++)
        p->voice[i] = i / 8 % 2 ? 0x10 : 0x90;
    p->opts =
        (struct dial_opts){.url = s->base,
                           .token = token,
                           .account_sid = "AC00000000000000000000000000000000",
                           .from = "+15055550199",
                           .to = "+1505 \"& caf\xc3\xa9",
                           .talk = {.settle_ms = 300, .first_settle_ms = 300, .patience_ms = 3000},
                           .max_ms = 15000,
                           .hangup_ms = -1,
                           .keep_audio = true};
    return true;
}

static void add_say(struct phone *p, int64_t interrupt_ms)
{
    p->steps[p->step_count++] = (struct dial_step){.kind = DIAL_SAY,
                                                   .text = "words",
                                                   .audio = p->voice,
                                                   .audio_len = sizeof(p->voice),
                                                   .interrupt_ms = interrupt_ms};
}

/* Makes the call; p->json is its report. */
static bool place_call(struct phone *p)
{
    struct loop *l = p->server.loop;
    p->opts.talk.steps = p->steps;
    p->opts.talk.step_count = p->step_count;
    p->call = dial_call_new(l, p->http, NULL, &p->opts, 1, on_done, p);
    struct loop_timer *t = loop_timer_new(l, on_deadline, p);
    loop_timer_set(t, DEADLINE_MS);
    dial_call_start(p->call);
    while (!p->done && !p->late)
        loop_run(l);
    loop_timer_free(t);
    struct buf b;
    buf_init(&b, 1 << 20);
    dial_call_json(p->call, &b);
    if (getenv("SHOW"))
        fprintf(stderr, "%s\n", buf_cstr(&b));
    bool good = js_parse(buf_str(&b), &p->json, NULL) == OK;
    buf_fini(&b);
    return good && p->done;
}

static void close_phone(struct phone *p)
{
    struct server *s = &p->server;
    dial_call_free(p->call);
    http_client_close(p->http);
    http_server_close(s->http, on_http_gone, s);
    if (s->ws)
        ws_abort(s->ws);
    while (!s->http_gone || s->ws)
        loop_run(s->loop);
    http_router_free(s->router);
    loop_close(s->loop);
    json_decref(p->json);
}

static int64_t figure(const struct phone *p, const char *key)
{
    return js_get_int(p->json, key, -99);
}

static bool says(const struct phone *p, const char *key, const char *want)
{
    struct str got = js_get_str(p->json, key);
    if (got.p && strstr(got.p, want))
        return true;
    fprintf(stderr, "%s: \"%.*s\"\n", key, STR_FMT(got));
    return false;
}

TEST(a_call_is_signed_spoken_answered_and_reported)
{
    struct phone p;
    CHECK(open_phone(&p));
    add_say(&p, -1);
    p.steps[p.step_count++] =
        (struct dial_step){.kind = DIAL_DTMF, .text = "42", .interrupt_ms = -1};
    p.opts.talk.patience_ms = 800; /* the server does not answer digits */
    CHECK(place_call(&p));
    struct server *s = &p.server;
    CHECK_INT(1, s->voice_asked);
    CHECK_INT(0, s->bad_signatures);
    CHECK_INT(1, s->starts);
    CHECK_INT(1, s->stops);
    CHECK_INT(0, s->out_of_order);
    CHECK(strcmp(s->param, "one & two") == 0);
    CHECK(strcmp(s->digits, "42") == 0);
    CHECK_INT(1, s->status_asked);
    CHECK(strcmp(s->status, "completed") == 0);
    CHECK(atol(s->duration) >= 3);
    CHECK_INT(s->marks_sent, s->marks_back);
    CHECK_INT(2 * ANSWER_MS, figure(&p, "heard_ms"));
    CHECK_INT(s->media, figure(&p, "frames_sent"));
    CHECK(says(&p, "ended_by", "caller"));
    CHECK(says(&p, "trouble", "not answered"));
    const json_t *turn = json_array_get(js_get(p.json, "turns"), 1);
    int64_t latency = js_get_int(turn, "latency_ms", -1);
    /* 500 ms of silence end a turn; frames and timers add a little. */
    CHECK(latency >= 500 && latency <= 620);
    close_phone(&p);
}

TEST(an_interruption_is_honoured_and_its_truth_known)
{
    struct phone p;
    CHECK(open_phone(&p));
    add_say(&p, 300); /* into the greeting */
    CHECK(place_call(&p));
    CHECK(dial_call_ok(p.call));
    CHECK_INT(1, p.server.clears);
    const json_t *i = json_array_get(js_get(p.json, "interruptions"), 0);
    CHECK(js_get_bool(i, "honoured", false));
    int64_t heard = js_get_int(i, "heard_ms_truth", -1),
            after = js_get_int(i, "silence_after_ms", -1);
    CHECK(after >= 40 && after <= 160); /* three voiced frames, and the way */
    CHECK(heard >= 320 && heard <= 480);
    CHECK_INT(heard, js_get_int(json_array_get(js_get(p.json, "clears"), 0), "heard_ms_truth", -1));
    CHECK_INT(ANSWER_MS - heard, figure(&p, "dropped_by_clear_ms"));
    CHECK_INT(heard + ANSWER_MS, figure(&p, "heard_ms"));
    CHECK_INT(p.server.marks_sent, p.server.marks_back);
    close_phone(&p);
}

TEST(a_round_trip_delays_both_directions)
{
    struct phone p;
    CHECK(open_phone(&p));
    p.opts.rtt_ms = 200;
    p.opts.jitter_ms = 30;
    add_say(&p, -1);
    CHECK(place_call(&p));
    CHECK(dial_call_ok(p.call));
    CHECK_INT(0, p.server.out_of_order);
    const json_t *turn = json_array_get(js_get(p.json, "turns"), 1);
    int64_t latency = js_get_int(turn, "latency_ms", -1);
    CHECK(latency >= 700 && latency <= 850);
    close_phone(&p);
}

TEST(a_saved_call_has_the_caller_left_and_the_agent_right)
{
    struct phone p;
    struct err_detail why;
    CHECK(open_phone(&p));
    add_say(&p, -1);
    CHECK(place_call(&p));
    char path[] = "/tmp/callee-dial-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(OK, dial_call_wav(p.call, path, &why));
    struct buf mono;
    buf_init(&mono, VOICE_BYTES_MAX);
    CHECK_INT(OK, voice_read_wav(path, &mono, &why)); /* the mean of both sides */
    size_t loud = 0;
    for (size_t at = 0; at + 160 <= mono.len; at += 160)
        loud += voice_level((const uint8_t *)mono.p + at) >= VOICE_AUDIBLE;
    CHECK_INT((2 * ANSWER_MS + 600) / 20, loud);
    buf_fini(&mono);
    unlink(path);
    close_phone(&p);
}

TEST(a_server_that_ends_the_stream_is_asked_what_comes_next)
{
    struct phone p;
    CHECK(open_phone(&p));
    p.server.close_after_greeting = true;
    p.server.after_stream = "<Response><Say>Bye.</Say><Dial "
                            "timeout=\"5\"><Number>+15055550111</Number></Dial></Response>";
    CHECK(place_call(&p));
    CHECK_INT(1, p.server.resumed);
    CHECK_INT(0, p.server.stops);
    CHECK(says(&p, "ended_by", "transfer"));
    CHECK(says(&p, "transferred_to", "+15055550111"));
    CHECK(strcmp(json_string_value(json_array_get(js_get(p.json, "carrier_says"), 0)), "Bye.") ==
          0);
    CHECK(figure(&p, "unheard_at_close_ms") > 0); /* closed before the greeting was played */
    close_phone(&p);
}

TEST(a_broken_stream_is_asked_about_again_and_again_and_the_script_goes_on)
{
    struct phone p;
    CHECK(open_phone(&p));
    p.server.abort_at = (ANSWER_MS + 300 + 300) / 20; /* in the middle of the caller's words */
    p.server.refuse_resume = 2;
    p.opts.retry_wait_ms = 50;
    add_say(&p, -1);
    CHECK(place_call(&p));
    CHECK(dial_call_ok(p.call));
    CHECK_INT(3, p.server.resumed);
    CHECK_INT(0, p.server.bad_signatures); /* the fragment is neither sent nor signed */
    CHECK_INT(2, p.server.starts);
    CHECK_INT(1, p.server.stops);
    CHECK_INT(1, figure(&p, "resumed"));
    CHECK_INT(3 * ANSWER_MS, figure(&p, "heard_ms"));
    const json_t *k = json_array_get(js_get(p.json, "breaks"), 0);
    CHECK_INT(3, js_get_int(k, "asked", 0));
    CHECK(js_get_bool(k, "words_came_back", false));
    int64_t silence = js_get_int(k, "silence_ms", -1);
    CHECK(silence >= 150 && silence <= 400); /* 50 and 100 ms between the questions */
    /* The words that were cut are said again, whole. */
    const json_t *turn = json_array_get(js_get(p.json, "turns"), 1);
    CHECK_INT(600, js_get_int(turn, "ended_ms", 0) - js_get_int(turn, "began_ms", 0));
    close_phone(&p);
}

TEST(a_question_is_asked_as_often_as_the_url_says)
{
    struct str url = STR("https://a/b?c=1#rc=5&rp=4xx,rt&ct=200&rt=20000&tt=9000");
    struct dial_overrides o = dial_overrides_parse(&url);
    CHECK(str_eq(url, STR("https://a/b?c=1")));
    CHECK_INT(5, o.retries);
    CHECK(o.on_4xx && o.on_read && !o.on_connect && !o.on_5xx);
    CHECK_INT(200, o.connect_ms);
    CHECK_INT(15000, o.read_ms); /* out of range: the default */
    CHECK_INT(9000, o.total_ms);
    url = STR("https://a/b");
    o = dial_overrides_parse(&url);
    CHECK_INT(1, o.retries);
    CHECK(o.on_connect && !o.on_read && !o.on_4xx && !o.on_5xx);
}

TEST(what_goes_wrong_is_told)
{
    static const struct {
        const char *twiml;
        bool refuse, mute;
        const char *trouble;
    } cases[] = {
        {"<Response><Say>This number is not in service.</Say><Hangup/></Response>", false, false,
         "there was no stream"},
        {"<Response><Reject reason=\"busy\"/></Response>", false, false, "rejected"},
        {"<Response><Connect>", false, false, "TwiML is wrong"},
        {"<Response><Connect/></Response>", false, false, "connects to nothing"},
        {"<Response><Redirect>/api/twilio/voice</Redirect></Response>", false, false, "in circles"},
        {"<Response><Connect><Stream url=\"http://127.0.0.1/\"/></Connect></Response>", false,
         false, "cannot open the stream"},
        {"<Response><Connect><Stream url=\"ws://127.0.0.1:9/?a=1\"/></Connect></Response>", false,
         false, "has a query"},
        {NULL, true, false, "the stream was refused: HTTP 403"},
        {NULL, false, true, "nothing was heard"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phone p;
        CHECK(open_phone(&p));
        p.server.twiml = cases[i].twiml;
        p.server.refuse_stream = cases[i].refuse;
        p.server.mute = cases[i].mute;
        p.opts.talk.patience_ms = 500;
        CHECK(place_call(&p));
        CHECK(!dial_call_ok(p.call));
        CHECK(says(&p, "trouble", cases[i].trouble));
        CHECK_INT(1, p.server.status_asked);
        close_phone(&p);
    }
}

TEST(a_public_address_is_signed_and_the_real_one_reached)
{
    struct phone p;
    CHECK(open_phone(&p));
    p.opts.public_url = "https://voice.example.com";
    snprintf(p.server.base, sizeof(p.server.base), "https://voice.example.com");
    char reach[64];
    snprintf(reach, sizeof(reach), "http://127.0.0.1:%u", http_server_port(p.server.http));
    p.opts.url = reach;
    CHECK(place_call(&p));
    CHECK(dial_call_ok(p.call));
    CHECK_INT(0, p.server.bad_signatures);
    CHECK_INT(1, p.server.starts);
    close_phone(&p);
}

TEST(a_call_without_a_server_fails_at_once)
{
    struct phone p;
    CHECK(open_phone(&p));
    p.opts.url = "http://127.0.0.1:1";
    CHECK(place_call(&p));
    CHECK(says(&p, "trouble", "did not answer"));
    close_phone(&p);
}
