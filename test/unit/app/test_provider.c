/*
 * The scripted provider, over real sockets: the order of its events, its strictness and its faults.
 * The client below speaks JSON through jansson alone.
 */
#include "harness/test.h"

#include <stdlib.h>

#include "app/provider.h"
#include "base/base64.h"
#include "base/js.h"
#include "base/limits.h"
#include "net/ws.h"

enum { DEADLINE_MS = 8000, EVENTS_MAX = 400 };

struct peer {
    struct loop *loop;
    struct provider *provider;
    struct ws *ws;
    bool open, closed, late;
    unsigned code;
    char reason[128];
    /* what arrived */
    json_t *events[EVENTS_MAX];
    size_t count;
    size_t taken;         /* by wait_for */
    size_t audio_bytes;   /* of all deltas */
    char item_id[80];     /* of the last delta */
    char response_id[80]; /* of the last response.created */
    size_t not_json;
};

static void on_open(void *ctx)
{
    struct peer *t = ctx;
    t->open = true;
    loop_stop(t->loop);
}

static void note(struct peer *t, json_t *root)
{
    struct str type = js_get_str(root, "type");
    if (t->count < EVENTS_MAX)
        t->events[t->count++] = json_incref(root);
    if (str_eq(type, STR("response.output_audio.delta"))) {
        t->audio_bytes += base64_decoded_len(js_get_str(root, "delta"));
        snprintf(t->item_id, sizeof(t->item_id), "%.*s", STR_FMT(js_get_str(root, "item_id")));
    }
    if (str_eq(type, STR("response.created")))
        snprintf(t->response_id, sizeof(t->response_id), "%.*s",
                 STR_FMT(js_get_str(js_get(root, "response"), "id")));
    loop_stop(t->loop);
}

static void on_text(void *ctx, struct str text)
{
    struct peer *t = ctx;
    json_t *root;
    if (js_parse(text, &root, NULL) != OK) {
        t->not_json++;
        return;
    }
    note(t, root);
    json_decref(root);
}

static void on_binary(void *ctx, struct str data)
{
    (void)data;
    ((struct peer *)ctx)->not_json++;
}

static void on_closed(void *ctx, unsigned code, struct str reason)
{
    struct peer *t = ctx;
    t->closed = true;
    t->code = code;
    snprintf(t->reason, sizeof(t->reason), "%.*s", STR_FMT(reason));
    loop_stop(t->loop);
}

static const struct ws_events events = {
    .on_open = on_open, .on_text = on_text, .on_binary = on_binary, .on_closed = on_closed};

static void on_deadline(void *ctx)
{
    struct peer *t = ctx;
    t->late = true;
    loop_stop(t->loop);
}

static void run(struct peer *t)
{
    struct loop_timer *timer = loop_timer_new(t->loop, on_deadline, t);
    loop_timer_set(timer, DEADLINE_MS);
    loop_run(t->loop);
    loop_timer_free(timer);
}

/* The next event of this type that was not yet taken, skipping others; NULL if none comes. */
static const json_t *wait_for(struct peer *t, const char *type)
{
    for (;;) {
        while (t->taken < t->count) {
            const json_t *e = t->events[t->taken++];
            if (str_eq(js_get_str(e, "type"), str_of(type)))
                return e;
        }
        if (t->closed || t->late)
            return NULL;
        run(t);
    }
}

static void wait_closed(struct peer *t)
{
    while (!t->closed && !t->late)
        run(t);
}

static bool send_text(struct peer *t, const char *text)
{
    return ws_send_text(t->ws, str_of(text), WS_CONTROL) == OK;
}

/* `ms` of a tone or of silence, in frames of 20 ms. */
static bool send_audio(struct peer *t, bool loud, int ms)
{
    uint8_t frame[160];
    char text[400] = "{\"type\":\"input_audio_buffer.append\",\"audio\":\"";
    size_t head = strlen(text);
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = loud ? (i / 8 % 2 ? 0x10 : 0x90) : 0xff;
    head += base64_encode(text + head, frame, sizeof(frame));
    memcpy(text + head, "\"}", 3);
    for (int i = 0; i < ms / 20; i++) {
        if (!send_text(t, text))
            return false;
    }
    return true;
}

static bool start(struct peer *t, const struct provider_opts *opts)
{
    struct err_detail why;
    char url[96];
    memset(t, 0, sizeof(*t));
    if (loop_open(&t->loop, 0) != OK || provider_open(&t->provider, t->loop, opts, &why) != OK)
        return false;
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u/v1/realtime?model=m", provider_port(t->provider));
    struct ws_connect_opts o = {.url = str_of(url),
                                .headers = STR("Authorization: Bearer secret\r\n"),
                                .limits = {.message_max = 2 << 20}};
    if (ws_connect(t->loop, &o, &events, t, &t->ws, &why) != OK)
        return false;
    while (!t->open && !t->closed && !t->late)
        run(t);
    return true;
}

/* session.created answered by an update such as callee sends. */
static bool converse(struct peer *t)
{
    return wait_for(t, "session.created") &&
           send_text(t, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\","
                        "\"instructions\":\"Be brief.\",\"audio\":{\"input\":{\"format\":{\"type\":"
                        "\"audio/pcmu\"},\"transcription\":{\"model\":\"x\"},\"turn_detection\":{"
                        "\"type\":\"server_vad\",\"silence_duration_ms\":400}},\"output\":{"
                        "\"format\":{\"type\":\"audio/pcmu\"}}}}}") &&
           wait_for(t, "session.updated");
}

static void provider_gone(void *ctx)
{
    struct peer *t = ctx;
    t->provider = NULL;
    loop_stop(t->loop);
}

static void stop(struct peer *t)
{
    provider_close(t->provider, provider_gone, t);
    while (t->provider && !t->late)
        run(t);
    wait_closed(t);
    for (size_t i = 0; i < t->count; i++)
        json_decref(t->events[i]);
    loop_close(t->loop);
}

static int position(const struct peer *t, const char *type)
{
    for (size_t i = 0; i < t->count; i++) {
        if (str_eq(js_get_str(t->events[i], "type"), str_of(type)))
            return (int)i;
    }
    return -1;
}

static bool in_order(const struct peer *t, const char *const *types)
{
    int at = -1;
    for (; *types; types++) {
        int next = position(t, *types);
        if (next <= at) {
            fprintf(stderr, "%s at %d, after %d\n", *types, next, at);
            return false;
        }
        at = next;
    }
    return true;
}

static const struct provider_opts fast = {.voice = "tone", .speed = 0};

TEST(it_greets_with_the_words_it_is_given_in_the_order_of_the_reference)
{
    struct peer t;
    CHECK(start(&t, &fast));
    CHECK(converse(&t));
    CHECK(send_text(&t,
                    "{\"type\":\"response.create\",\"response\":{\"instructions\":\"Say exactly: "
                    "\\\"Hello, you.\\\"\",\"metadata\":{\"purpose\":\"greet\"}}}"));
    const json_t *done = wait_for(&t, "response.done");
    CHECK(done != NULL);
    const json_t *r = js_get(done, "response");
    CHECK(str_eq(js_get_str(r, "status"), STR("completed")));
    CHECK(str_eq(js_get_str(js_get(r, "metadata"), "purpose"), STR("greet")));
    CHECK_INT(11 * 60 * 8, t.audio_bytes); /* a tone lasts 60 ms a character */
    CHECK_INT(11 * 60 / 50,
              js_get_int(js_get(js_get(r, "usage"), "output_token_details"), "audio_tokens", -1));
    const json_t *item = json_array_get(js_get(r, "output"), 0);
    CHECK(str_eq(js_get_str(json_array_get(js_get(item, "content"), 0), "transcript"),
                 STR("Hello, you.")));
    CHECK(in_order(&t, (const char *const[]){
                           "session.created", "session.updated", "response.created",
                           "response.output_item.added", "conversation.item.added",
                           "response.content_part.added", "response.output_audio_transcript.delta",
                           "response.output_audio.delta", "response.output_audio.done",
                           "response.output_audio_transcript.done", "response.content_part.done",
                           "conversation.item.done", "response.output_item.done", "response.done",
                           NULL}));
    CHECK_INT(0, provider_violations(t.provider));
    stop(&t);
}

TEST(a_turn_of_the_caller_gets_the_next_answer)
{
    struct peer t;
    struct provider_opts o = fast;
    o.script = STR("{\"user\":\"Hours?\",\"say\":\"Nine to six.\"}\n");
    CHECK(start(&t, &o));
    CHECK(converse(&t));
    CHECK(send_audio(&t, false, 400) && send_audio(&t, true, 600) && send_audio(&t, false, 600));
    const json_t *said = wait_for(&t, "conversation.item.input_audio_transcription.completed");
    CHECK(said && str_eq(js_get_str(said, "transcript"), STR("Hours?")));
    CHECK(wait_for(&t, "response.done") != NULL);
    CHECK(in_order(&t, (const char *const[]){
                           "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                           "input_audio_buffer.committed", "conversation.item.added",
                           "conversation.item.done", "response.created", "response.done", NULL}));
    CHECK_INT(12 * 60 * 8, t.audio_bytes);
    stop(&t);
}

TEST(an_interruption_cancels_and_a_truncation_is_judged_by_what_was_sent)
{
    struct peer t;
    char text[256];
    struct provider_opts o = {.voice = "tone", .speed = 2};
    CHECK(start(&t, &o));
    CHECK(converse(&t));
    CHECK(send_audio(&t, false, 400));
    CHECK(send_text(&t,
                    "{\"type\":\"response.create\",\"response\":{\"instructions\":\"Say exactly: "
                    "\\\"A long answer that nobody will hear to its end.\\\"\"}}"));
    CHECK(wait_for(&t, "response.output_audio.delta") != NULL);
    CHECK(send_text(&t, "{\"type\":\"response.create\"}"));
    const json_t *e = wait_for(&t, "error");
    CHECK(e && str_eq(js_get_str(js_get(e, "error"), "code"),
                      STR("conversation_already_has_active_response")));
    CHECK(send_audio(&t, true, 200));
    const json_t *done = wait_for(&t, "response.done");
    CHECK(done != NULL);
    const json_t *r = js_get(done, "response");
    CHECK(str_eq(js_get_str(r, "status"), STR("cancelled")));
    CHECK(str_eq(js_get_str(js_get(r, "status_details"), "reason"), STR("turn_detected")));
    size_t sent_ms = t.audio_bytes / 8;
    CHECK(sent_ms >= 200 && sent_ms < 2000);
    snprintf(text, sizeof(text),
             "{\"type\":\"conversation.item.truncate\",\"item_id\":\"%s\",\"content_index\":0,"
             "\"audio_end_ms\":%zu}",
             t.item_id, sent_ms + 1);
    CHECK(send_text(&t, text));
    e = wait_for(&t, "error");
    CHECK(e && str_eq(js_get_str(js_get(e, "error"), "code"), STR("invalid_value")));
    snprintf(text, sizeof(text),
             "{\"type\":\"conversation.item.truncate\",\"item_id\":\"%s\",\"content_index\":0,"
             "\"audio_end_ms\":120}",
             t.item_id);
    CHECK(send_text(&t, text));
    CHECK(wait_for(&t, "conversation.item.truncated") != NULL);
    CHECK(send_text(&t, "{\"type\":\"response.cancel\"}"));
    e = wait_for(&t, "error");
    CHECK(e && str_eq(js_get_str(js_get(e, "error"), "code"), STR("response_cancel_not_active")));
    CHECK_INT(3, provider_violations(t.provider));
    struct buf b;
    json_t *sum;
    buf_init(&b, PROVIDER_EVENT_BYTES_MAX);
    provider_summary(t.provider, &b);
    CHECK_INT(OK, js_parse(buf_str(&b), &sum, NULL));
    const json_t *cut = json_array_get(js_get(sum, "truncations"), 0);
    CHECK_INT(120, js_get_int(cut, "audio_end_ms", -1));
    CHECK_INT(sent_ms, js_get_int(cut, "sent_ms", -1));
    CHECK_INT(3, js_get_int(sum, "violationCount", -1));
    json_decref(sum);
    buf_fini(&b);
    stop(&t);
}

TEST(a_function_is_called_and_its_output_spoken)
{
    struct peer t;
    struct provider_opts o = fast;
    o.script = STR("{\"call\":\"look_up\",\"arguments\":{\"query\":\"hours\"}}\n"
                   "{\"say\":\"It is $output.\"}\n");
    CHECK(start(&t, &o));
    CHECK(converse(&t));
    CHECK(send_text(&t, "{\"type\":\"response.create\"}"));
    const json_t *done = wait_for(&t, "response.done");
    CHECK(done != NULL);
    const json_t *item = json_array_get(js_get(js_get(done, "response"), "output"), 0);
    CHECK(str_eq(js_get_str(item, "type"), STR("function_call")));
    CHECK(str_eq(js_get_str(item, "arguments"), STR("{\"query\":\"hours\"}")));
    char text[256];
    snprintf(text, sizeof(text),
             "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"function_call_output\","
             "\"call_id\":\"%.*s\",\"output\":\"nine\"}}",
             STR_FMT(js_get_str(item, "call_id")));
    CHECK(send_text(&t, text) && send_text(&t, "{\"type\":\"response.create\"}"));
    const json_t *said = wait_for(&t, "response.output_audio_transcript.done");
    CHECK(said && str_eq(js_get_str(said, "transcript"), STR("It is nine.")));
    CHECK_INT(0, provider_violations(t.provider));
    CHECK(send_text(&t, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":"
                        "\"function_call_output\",\"call_id\":\"call_none\",\"output\":\"x\"}}"));
    CHECK(wait_for(&t, "error") != NULL);
    CHECK_INT(1, provider_violations(t.provider));
    stop(&t);
}

TEST(it_echoes_and_mirrors)
{
    struct peer t;
    struct provider_opts o = fast;
    o.mode = PROVIDER_ECHO;
    CHECK(start(&t, &o));
    CHECK(converse(&t));
    CHECK(send_audio(&t, false, 400) && send_audio(&t, true, 600) && send_audio(&t, false, 600));
    CHECK(wait_for(&t, "response.done") != NULL);
    CHECK(t.audio_bytes >= 8 * 900 && t.audio_bytes <= 8 * 1400); /* prefix, turn, silence */
    stop(&t);
    o.mode = PROVIDER_MIRROR;
    CHECK(start(&t, &o));
    CHECK(wait_for(&t, "session.created") != NULL);
    CHECK(send_audio(&t, true, 40));
    CHECK(wait_for(&t, "response.output_audio.delta") != NULL);
    CHECK(wait_for(&t, "response.output_audio.delta") != NULL);
    CHECK_INT(320, t.audio_bytes);
    stop(&t);
}

TEST(what_is_malformed_is_refused_and_survived)
{
    static const char *const bad[][2] = {
        {"nonsense", "invalid_json"},
        {"{\"a\":1}", "invalid_event"},
        {"{\"type\":\"response.make\"}", "invalid_value"},
        {"{\"type\":\"session.update\",\"session\":{}}", "missing_required_parameter"},
        {"{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{\"input\":{"
         "\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}}}}}",
         "invalid_value"},
        {"{\"type\":\"input_audio_buffer.append\",\"audio\":\"*\"}", "invalid_value"},
        {"{\"type\":\"input_audio_buffer.append\"}", "missing_required_parameter"},
        {"{\"type\":\"input_audio_buffer.commit\"}", "input_audio_buffer_commit_empty"},
        {"{\"type\":\"conversation.item.truncate\",\"item_id\":\"x\",\"content_index\":0,"
         "\"audio_end_ms\":0}",
         "item_truncate_invalid_item_id"},
        {"{\"type\":\"conversation.item.delete\"}", "item_delete_invalid_item_id"},
        {"{\"type\":\"output_audio_buffer.clear\"}", "invalid_value"},
    };
    struct peer t;
    CHECK(start(&t, &fast));
    CHECK(wait_for(&t, "session.created") != NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(send_text(&t, bad[i][0]));
        const json_t *e = wait_for(&t, "error");
        CHECK(e && str_eq(js_get_str(js_get(e, "error"), "code"), str_of(bad[i][1])));
    }
    CHECK_INT(sizeof(bad) / sizeof(bad[0]), provider_violations(t.provider));
    stop(&t);
}

TEST(faults_happen_where_they_are_wanted)
{
    static const struct {
        enum provider_fault fault;
        int64_t arg;
        const char *type;   /* still arrives */
        const char *status; /* of response.done; NULL: it never comes */
        unsigned code;      /* the connection closes with this */
    } cases[] = {
        {PROVIDER_FAULT_CLOSE, 4999, "response.output_audio.delta", NULL, 4999},
        {PROVIDER_FAULT_ABORT, 0, "response.output_audio.delta", NULL, WS_CODE_ABNORMAL},
        {PROVIDER_FAULT_EXPIRE, 0, "error", NULL, WS_CODE_GOING_AWAY},
        {PROVIDER_FAULT_ERROR, 0, "error", "completed", 0},
        {PROVIDER_FAULT_GARBAGE, 0, "response.something.new", "completed", 0},
        {PROVIDER_FAULT_BINARY, 0, "response.created", "completed", 0},
        {PROVIDER_FAULT_FAIL, 0, "response.created", "failed", 0},
        {PROVIDER_FAULT_RATE_LIMIT, 0, "response.created", "failed", 0},
        {PROVIDER_FAULT_HUGE, 0, "response.created", NULL, WS_CODE_TOO_BIG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer t;
        struct provider_opts o = fast;
        o.fault = cases[i].fault;
        o.fault_arg = cases[i].arg;
        CHECK(start(&t, &o));
        CHECK(converse(&t));
        CHECK(send_text(&t, "{\"type\":\"response.create\"}"));
        CHECK(wait_for(&t, cases[i].type) != NULL);
        if (cases[i].status) {
            const json_t *done = wait_for(&t, "response.done");
            CHECK(done &&
                  str_eq(js_get_str(js_get(done, "response"), "status"), str_of(cases[i].status)));
        } else {
            wait_closed(&t);
            CHECK(position(&t, "response.done") < 0);
            CHECK_INT(cases[i].code, t.code);
        }
        CHECK_INT(0, provider_violations(t.provider));
        stop(&t);
        CHECK(!t.late);
    }
}

TEST(a_stall_says_nothing_more_and_a_cancel_ends_it)
{
    struct peer t;
    struct provider_opts o = fast;
    o.fault = PROVIDER_FAULT_STALL_AUDIO;
    CHECK(start(&t, &o));
    CHECK(converse(&t));
    CHECK(send_text(&t, "{\"type\":\"response.create\"}"));
    CHECK(wait_for(&t, "response.output_audio.delta") != NULL);
    CHECK(send_text(&t, "{\"type\":\"input_audio_buffer.clear\"}"));
    CHECK(wait_for(&t, "input_audio_buffer.cleared") != NULL);
    CHECK_INT(600 * 8, t.audio_bytes);
    CHECK(send_text(&t, "{\"type\":\"response.cancel\"}"));
    const json_t *done = wait_for(&t, "response.done");
    CHECK(done && str_eq(js_get_str(js_get(done, "response"), "status"), STR("cancelled")));
    stop(&t);
}

TEST(it_can_be_slow_to_answer_the_upgrade)
{
    struct peer t;
    struct provider_opts o = fast;
    o.fault = PROVIDER_FAULT_SLOW;
    o.fault_arg = 50;
    CHECK(start(&t, &o));
    CHECK(converse(&t));
    stop(&t);
}

TEST(keys_models_and_the_beta_shape_are_checked)
{
    struct peer t;
    struct provider_opts o = fast;
    o.key = "secret";
    CHECK(start(&t, &o));
    CHECK(t.open);
    stop(&t);
    o.key = "other";
    CHECK(start(&t, &o));
    CHECK(!t.open && t.closed);
    CHECK(strstr(t.reason, "401") != NULL);
    stop(&t);
}

TEST(bad_scripts_name_their_line)
{
    static const char *const bad[][2] = {
        {"{\"say\":\"a\"}\n{\"say\":1}", "script line 2: say must be a text"},
        {"{\"sya\":\"a\"}", "there is no member \"sya\""},
        {"{}", "an answer says, calls or fails"},
        {"[1]", "expected a JSON object"},
        {"# nothing\n", "holds no answer"},
        {"{\"fault\":\"loud\"}", "fault must be the name of one"},
        {"{\"say\":\"a\",\"delay_ms\":-1}", "delay_ms must be"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct loop *l;
        struct provider *p;
        struct err_detail why = {""};
        struct provider_opts o = fast;
        o.script = str_of(bad[i][0]);
        CHECK_INT(OK, loop_open(&l, 0));
        CHECK_INT(ERR_INVALID, provider_open(&p, l, &o, &why));
        loop_close(l);
        if (!strstr(why.text, bad[i][1]))
            fprintf(stderr, "\"%s\"\n", why.text);
        CHECK(strstr(why.text, bad[i][1]) != NULL);
    }
}
