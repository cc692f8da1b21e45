/* The local engine as a client sees it: events in, events out, real recognition and voices. */
#include "harness/test.h"

#include "audio/g711.h"
#include "base/base64.h"
#include "base/js.h"
#include "base/mem.h"
#include "engine/local.h"
#include "proto/rt_event.h"
#include "speech/tts.h"

enum { TYPES_MAX = 512, GUARD_MS = 20000 };

struct world {
    struct loop *loop;
    struct loop_timer *guard;
    struct worker_pool *pool;
    struct engine_driver driver;
    struct engine *engine;
    char types[TYPES_MAX][56];
    size_t type_count;
    const char *wait_for;
    json_t *events;     /* all of them */
    size_t seen;        /* by await */
    const json_t *last; /* the event waited for */
    int64_t audio_bytes;
    struct buf transcript;
    int opened, closed;
    enum err why;
    bool late, close_on_event;
    int guesses;
    struct buf guess; /* the arguments of the latest */
};

static void on_open(void *ctx)
{
    ((struct world *)ctx)->opened++;
}

static void on_event(void *ctx, struct str text)
{
    struct world *w = ctx;
    json_t *ev = NULL;
    if (js_parse(text, &ev, NULL) != OK)
        return;
    struct str type = js_get_str(ev, "type");
    if (w->type_count < TYPES_MAX)
        (void)str_copy(w->types[w->type_count++], sizeof(w->types[0]), type);
    if (str_eq(type, STR("response.output_audio.delta")))
        w->audio_bytes += (int64_t)base64_decoded_len(js_get_str(ev, "delta"));
    if (str_eq(type, STR("response.output_audio_transcript.done")))
        buf_put_str(&w->transcript, js_get_str(ev, "transcript"));
    if (w->close_on_event)
        engine_close(w->engine);
    json_array_append(w->events, ev);
    if (w->wait_for && str_eq(type, str_of(w->wait_for)))
        loop_stop(w->loop);
    json_decref(ev);
}

static void on_guess(void *ctx, struct str tool, struct str arguments)
{
    struct world *w = ctx;
    CHECK(str_eq(tool, STR("query_knowledge_base")));
    w->guesses++;
    buf_reset(&w->guess);
    buf_put_str(&w->guess, arguments);
    if (w->wait_for && strcmp(w->wait_for, "guess") == 0)
        loop_stop(w->loop);
}

static void on_closed(void *ctx, enum err why, struct str reason)
{
    struct world *w = ctx;
    (void)reason;
    w->closed++;
    w->why = why;
    loop_stop(w->loop);
}

static void on_guard(void *ctx)
{
    struct world *w = ctx;
    w->late = true;
    loop_stop(w->loop);
}

static const struct engine_vocabulary vocabulary = {
    .sentences =
        (const struct str[]){{"Store hours. Our Santa Fe store is open from 9 a.m. to 6 p.m.", 61},
                             {"Gift cards never expire.", 24}},
    .count = 2,
    .key = "test",
};

static bool setup(struct world *w)
{
    static const struct engine_events events = {
        .on_open = on_open, .on_event = on_event, .on_guess = on_guess, .on_closed = on_closed};
    *w = (struct world){0};
    buf_init(&w->transcript, 65536);
    buf_init(&w->guess, 65536);
    w->events = json_array();
    if (loop_open(&w->loop, 0) != OK || worker_pool_open(&w->pool, "live", 2, 64) != OK)
        return false;
    w->guard = loop_timer_new(w->loop, on_guard, w);
    struct local_opts opts = {.live = w->pool, .voice = "kal16"};
    if (local_driver_open(&opts, &w->driver, NULL) != OK)
        return false;
    struct engine_opts eo = {.loop = w->loop, .call_id = "c1", .vocabulary = &vocabulary};
    return w->driver.open(w->driver.driver, &eo, &events, w, &w->engine, NULL) == OK;
}

/* Whether such an event has come that no earlier await has passed. */
static bool look(struct world *w, const char *type)
{
    while (w->seen < json_array_size(w->events)) {
        w->last = json_array_get(w->events, w->seen++);
        if (str_eq(js_get_str(w->last, "type"), str_of(type)))
            return true;
    }
    return false;
}

/* Runs until an event of this type has come; false when it does not. */
static bool await(struct world *w, const char *type)
{
    if (look(w, type))
        return true;
    w->wait_for = type;
    loop_timer_set(w->guard, GUARD_MS);
    loop_run(w->loop);
    loop_timer_cancel(w->guard);
    w->wait_for = NULL;
    if (w->late)
        fprintf(stderr, "  no %s\n", type);
    return look(w, type);
}

static void teardown(struct world *w)
{
    if (!w->closed) {
        engine_close(w->engine);
        engine_close(w->engine);
        while (!w->closed)
            loop_run(w->loop);
    }
    loop_timer_free(w->guard);
    worker_pool_close(w->pool);
    local_driver_close(&w->driver);
    loop_close(w->loop);
    json_decref(w->events);
    buf_fini(&w->transcript);
    buf_fini(&w->guess);
}

static enum err tell(struct world *w, const char *json)
{
    return engine_send(w->engine, str_of(json), ENGINE_CONTROL);
}

static void send_mulaw(struct world *w, const uint8_t *p, size_t len)
{
    char text[1024];
    for (size_t at = 0; at < len; at += 160) {
        struct buf b;
        size_t n = base64_encode(text, p + at, len - at < 160 ? len - at : 160);
        buf_init(&b, 4096);
        rt_write_append(&b, str_n(text, n));
        if (engine_send(w->engine, buf_str(&b), ENGINE_AUDIO) != OK)
            fprintf(stderr, "  append refused\n");
        buf_fini(&b);
    }
}

static void send_silence(struct world *w, size_t count)
{
    uint8_t silence[8000];
    memset(silence, 0xff, sizeof(silence));
    send_mulaw(w, silence, count);
}

/* With so many samples of silence around. */
static void caller_says_between(struct world *w, size_t before, const char *words, size_t after)
{
    struct tts_audio a;
    if (tts_say(TTS_RMS, str_of(words), 1000, &a) != OK)
        return;
    uint8_t *mulaw = mem_alloc(a.count);
    g711_mulaw_encode_all(mulaw, a.samples, a.count);
    send_silence(w, before);
    send_mulaw(w, mulaw, a.count);
    send_silence(w, after);
    mem_free(mulaw);
    tts_audio_fini(&a);
}

/* Says it as a caller would, with silence around. */
static void caller_says(struct world *w, const char *words)
{
    caller_says_between(w, 4000, words, 8000);
}

static const char UPDATE[] =
    "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"instructions\":\"Be kind.\","
    "\"audio\":{\"input\":{\"format\":{\"type\":\"audio/"
    "pcmu\"},\"transcription\":{\"model\":\"x\"},"
    "\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":true}},"
    "\"output\":{\"format\":{\"type\":\"audio/pcmu\"}}},\"tools\":["
    "{\"type\":\"function\",\"name\":\"query_knowledge_base\"},"
    "{\"type\":\"function\",\"name\":\"end_call\"}]}}";

static const char SAY[] = "{\"type\":\"response.create\",\"event_id\":\"r1\",\"response\":{"
                          "\"instructions\":\"Say exactly: \\\"Welcome. How can I help?\\\"\","
                          "\"metadata\":{\"callee_purpose\":\"greeting\"}}}";

static bool ready(struct world *w)
{
    return setup(w) && await(w, "session.created") && tell(w, UPDATE) == OK &&
           await(w, "session.updated");
}

static bool types_are(const struct world *w, size_t from, const char *const *want, size_t count)
{
    for (size_t i = 0, k = from; i < count; i++, k++) {
        /* Several pieces of audio count as one. */
        while (i > 0 && k < w->type_count && strcmp(w->types[k], want[i]) != 0 &&
               strcmp(w->types[k], w->types[k - 1]) == 0)
            k++;
        if (k >= w->type_count || strcmp(w->types[k], want[i]) != 0) {
            fprintf(stderr, "  at %zu: want %s, got %s\n", k, want[i],
                    k < w->type_count ? w->types[k] : "nothing");
            return false;
        }
    }
    return true;
}

static const json_t *response(const struct world *w)
{
    return js_get(w->last, "response");
}

TEST(a_session_is_created_and_updated_whole)
{
    struct world w;
    CHECK(setup(&w));
    CHECK_INT(ERR_AGAIN, tell(&w, UPDATE));
    CHECK(await(&w, "session.created"));
    CHECK_INT(1, w.opened);
    CHECK(str_starts(js_get_str(js_get(w.last, "session"), "id"), STR("sess_")));
    CHECK_INT(OK, tell(&w, UPDATE));
    CHECK(await(&w, "session.updated"));
    const json_t *s = js_get(w.last, "session");
    CHECK(str_eq(js_get_str(s, "instructions"), STR("Be kind.")));
    CHECK(str_eq(js_get_str(s, "model"), STR("local")));
    CHECK_INT(2, json_array_size(js_get(s, "tools")));
    const json_t *td = js_get(js_get(js_get(s, "audio"), "input"), "turn_detection");
    CHECK_INT(500, js_get_int(td, "silence_duration_ms", 0)); /* kept where nothing was said */
    teardown(&w);
    CHECK_INT(1, w.closed);
    CHECK_INT(OK, w.why);
}

TEST(given_words_are_spoken_in_the_providers_order_of_events)
{
    static const char *const order[] = {"response.created",
                                        "response.output_item.added",
                                        "conversation.item.added",
                                        "response.content_part.added",
                                        "response.output_audio_transcript.delta",
                                        "response.output_audio.delta",
                                        "response.output_audio_transcript.delta",
                                        "response.output_audio.delta",
                                        "response.output_audio.done",
                                        "response.output_audio_transcript.done",
                                        "response.content_part.done",
                                        "conversation.item.done",
                                        "response.output_item.done",
                                        "response.done"};
    struct world w;
    CHECK(ready(&w));
    size_t from = w.type_count;
    CHECK_INT(OK, tell(&w, SAY));
    CHECK(await(&w, "response.done"));
    CHECK(types_are(&w, from, order, sizeof(order) / sizeof(order[0])));
    CHECK(str_eq(buf_str(&w.transcript), STR("Welcome. How can I help?")));
    CHECK(w.audio_bytes > 8000);
    CHECK(str_eq(js_get_str(response(&w), "status"), STR("completed")));
    CHECK(str_eq(js_get_str(js_get(response(&w), "metadata"), "callee_purpose"), STR("greeting")));
    int64_t tokens = js_get_int(js_get(js_get(response(&w), "usage"), "output_token_details"),
                                "audio_tokens", 0);
    CHECK_INT(w.audio_bytes / 8 / 50, tokens);
    teardown(&w);
}

TEST(a_spoken_question_becomes_a_tool_call_and_its_output_an_answer)
{
    static const char *const turn[] = {"input_audio_buffer.speech_started",
                                       "input_audio_buffer.speech_stopped",
                                       "input_audio_buffer.committed",
                                       "conversation.item.added",
                                       "conversation.item.done",
                                       "response.created"};
    struct world w;
    CHECK(ready(&w));
    size_t from = w.type_count;
    caller_says(&w, "what are your store hours");
    CHECK(await(&w, "conversation.item.input_audio_transcription.completed"));
    CHECK(str_eq(js_get_str(w.last, "transcript"), STR("what are your store hours")));
    CHECK(types_are(&w, from, turn, sizeof(turn) / sizeof(turn[0])));
    CHECK(await(&w, "response.function_call_arguments.done"));
    CHECK(str_eq(js_get_str(w.last, "name"), STR("query_knowledge_base")));
    CHECK(
        str_eq(js_get_str(w.last, "arguments"), STR("{\"query\":\"what are your store hours\"}")));
    char output[512];
    snprintf(output, sizeof(output),
             "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"function_call_output\","
             "\"call_id\":\"%.*s\",\"output\":\"{\\\"success\\\":true,\\\"knowledge\\\":"
             "\\\"Result 1: Store hours\\\\nWe are open from 9 a.m. to 6 p.m.\\\"}\"}}",
             STR_FMT(js_get_str(w.last, "call_id")));
    CHECK(await(&w, "response.done"));
    CHECK_INT(0, w.audio_bytes);
    CHECK_INT(OK, tell(&w, output));
    CHECK_INT(OK, tell(&w, "{\"type\":\"response.create\"}"));
    CHECK(await(&w, "response.done"));
    CHECK(str_eq(buf_str(&w.transcript), STR("We are open from 9 a.m. to 6 p.m.")));
    CHECK(w.audio_bytes > 8000);
    teardown(&w);
}

/* Runs until the engine has guessed so often. */
static bool await_guess(struct world *w, int count)
{
    w->wait_for = "guess";
    loop_timer_set(w->guard, GUARD_MS);
    while (w->guesses < count && !w->late)
        loop_run(w->loop);
    loop_timer_cancel(w->guard);
    w->wait_for = NULL;
    return !w->late;
}

static unsigned seen(const struct world *w, const char *type)
{
    unsigned count = 0;
    for (size_t i = 0; i < w->type_count; i++)
        count += strcmp(w->types[i], type) == 0;
    return count;
}

TEST(the_answer_is_prepared_before_the_turn_has_ended)
{
    static const char output[] = "{\"success\":true,\"knowledge\":\"Result 1: Store hours\\nWe are "
                                 "open from 9 a.m. to 6 p.m.\"}";
    struct world w;
    CHECK(ready(&w));
    caller_says_between(&w, 4000, "what are your store hours", 1600);
    CHECK(await_guess(&w, 1));
    CHECK_INT(0, seen(&w, "input_audio_buffer.speech_stopped"));
    CHECK(str_eq(buf_str(&w.guess), STR("{\"query\":\"what are your store hours\"}")));
    engine_hint(w.engine, str_of(output));
    engine_hint(w.engine, STR("nobody asked again"));
    send_silence(&w, 6400);
    CHECK(await(&w, "response.function_call_arguments.done"));
    CHECK_INT(1, w.guesses);
    CHECK_INT(1, seen(&w, "conversation.item.input_audio_transcription.completed"));
    struct buf told;
    buf_init(&told, 1024);
    buf_put_str(&told, STR("{\"type\":\"conversation.item.create\",\"item\":{\"type\":"
                           "\"function_call_output\",\"call_id\":"));
    buf_put_json(&told, js_get_str(w.last, "call_id"));
    buf_put_str(&told, STR(",\"output\":"));
    buf_put_json(&told, str_of(output));
    buf_put_str(&told, STR("}}"));
    CHECK(await(&w, "response.done"));
    CHECK_INT(OK, engine_send(w.engine, buf_str(&told), ENGINE_CONTROL));
    CHECK_INT(OK, tell(&w, "{\"type\":\"response.create\"}"));
    CHECK(await(&w, "response.done"));
    CHECK(str_eq(buf_str(&w.transcript), STR("We are open from 9 a.m. to 6 p.m.")));
    CHECK(w.audio_bytes > 8000);
    buf_fini(&told);
    teardown(&w);
}

TEST(a_pause_that_was_taken_for_the_end_leaves_no_trace)
{
    struct world w;
    CHECK(ready(&w));
    caller_says_between(&w, 4000, "the store hours", 1600);
    CHECK(await_guess(&w, 1));
    engine_hint(w.engine,
                STR("{\"success\":true,\"knowledge\":\"Result 1: Store hours\\nNine.\"}"));
    caller_says_between(&w, 0, "of the Santa Fe store", 8000);
    CHECK(await(&w, "conversation.item.input_audio_transcription.completed"));
    CHECK(str_eq(js_get_str(w.last, "transcript"), STR("the store hours of the santa fe store")));
    CHECK(await(&w, "response.function_call_arguments.done"));
    CHECK_INT(1, seen(&w, "input_audio_buffer.speech_started"));
    CHECK_INT(1, seen(&w, "input_audio_buffer.speech_stopped"));
    CHECK_INT(1, seen(&w, "conversation.item.input_audio_transcription.completed"));
    CHECK_INT(0, w.audio_bytes);
    teardown(&w);
}

TEST(a_session_closed_while_it_guesses_goes_in_peace)
{
    struct world w;
    CHECK(ready(&w));
    caller_says_between(&w, 4000, "what are your store hours", 1600);
    CHECK(await_guess(&w, 1));
    engine_hint(w.engine,
                STR("{\"success\":true,\"knowledge\":\"Result 1: Store hours\\nNine.\"}"));
    teardown(&w);
    CHECK_INT(1, w.closed);
}

TEST(speech_interrupts_a_response_with_its_parts_closed)
{
    static const char *const order[] = {"input_audio_buffer.speech_started",
                                        "response.output_audio.done",
                                        "response.output_audio_transcript.done",
                                        "response.content_part.done",
                                        "conversation.item.done",
                                        "response.output_item.done",
                                        "response.done"};
    struct world w;
    CHECK(ready(&w));
    CHECK_INT(OK, tell(&w, SAY));
    CHECK(await(&w, "response.output_audio.delta"));
    size_t from = w.type_count;
    caller_says(&w, "gift cards");
    CHECK(await(&w, "response.done"));
    CHECK(str_eq(js_get_str(response(&w), "status"), STR("cancelled")));
    CHECK(
        str_eq(js_get_str(js_get(response(&w), "status_details"), "reason"), STR("turn_detected")));
    const json_t *item = json_array_get(js_get(response(&w), "output"), 0);
    CHECK(str_eq(js_get_str(item, "status"), STR("incomplete")));
    while (from < w.type_count && strcmp(w.types[from], order[0]) != 0)
        from++;
    CHECK(types_are(&w, from, order, sizeof(order) / sizeof(order[0])));
    teardown(&w);
}

TEST(misuse_is_refused_as_a_provider_refuses_it)
{
    static const struct {
        const char *event, *code;
    } wrong[] = {
        {"{\"type\":\"response.cancel\"}", "response_cancel_not_active"},
        {"{\"type\":\"conversation.item.truncate\",\"item_id\":\"x\",\"content_index\":0,"
         "\"audio_end_ms\":1}",
         "item_truncate_invalid_item_id"},
        {"{\"type\":\"input_audio_buffer.commit\"}", "input_audio_buffer_commit_empty"},
        {"{\"type\":\"input_audio_buffer.append\",\"audio\":\"?\"}", "invalid_value"},
        {"{\"type\":\"conversation.item.delete\",\"item_id\":\"x\"}", "item_not_found"},
        {"{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"function_call_output\","
         "\"call_id\":\"nobody\",\"output\":\"\"}}",
         "invalid_value"},
        {"{\"type\":\"session.update\",\"session\":{}}", "missing_required_parameter"},
        {"{\"type\":\"no.such.event\"}", "invalid_value"},
        {"nonsense", "invalid_event"},
    };
    struct world w;
    CHECK(ready(&w));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_INT(OK, tell(&w, wrong[i].event));
        CHECK(await(&w, "error"));
        CHECK(str_eq(js_get_str(js_get(w.last, "error"), "code"), str_of(wrong[i].code)));
    }
    CHECK_INT(OK, tell(&w, SAY));
    CHECK_INT(OK, tell(&w, SAY));
    CHECK(await(&w, "error"));
    CHECK(str_eq(js_get_str(js_get(w.last, "error"), "code"),
                 STR("conversation_already_has_active_response")));
    CHECK(str_eq(js_get_str(js_get(w.last, "error"), "event_id"), STR("r1")));
    CHECK_INT(OK, tell(&w, "{\"type\":\"response.cancel\"}"));
    CHECK(await(&w, "response.done"));
    CHECK(str_eq(js_get_str(js_get(response(&w), "status_details"), "reason"),
                 STR("client_cancelled")));
    teardown(&w);
}

TEST(truncation_keeps_to_what_was_spoken)
{
    struct world w;
    char event[256];
    CHECK(ready(&w));
    CHECK_INT(OK, tell(&w, SAY));
    CHECK(await(&w, "response.output_item.done"));
    struct str id = js_get_str(js_get(w.last, "item"), "id");
    snprintf(event, sizeof(event),
             "{\"type\":\"conversation.item.truncate\",\"item_id\":\"%.*s\",\"content_index\":0,"
             "\"audio_end_ms\":400}",
             STR_FMT(id));
    CHECK_INT(OK, tell(&w, event));
    CHECK(await(&w, "conversation.item.truncated"));
    CHECK_INT(400, js_get_int(w.last, "audio_end_ms", 0));
    char *at = strstr(event, "400}");
    memcpy(at, "401}", 4);
    CHECK_INT(OK, tell(&w, event));
    CHECK(await(&w, "error"));
    CHECK(str_eq(js_get_str(js_get(w.last, "error"), "code"), STR("invalid_value")));
    teardown(&w);
}

TEST(text_goes_both_ways_and_out_of_band_words_wait_their_turn)
{
    struct world w;
    CHECK(ready(&w));
    CHECK_INT(OK, tell(&w, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
                           "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
                           "\"are you a robot\"}]}}"));
    CHECK_INT(OK, tell(&w, "{\"type\":\"response.create\",\"response\":{\"output_modalities\":["
                           "\"text\"]}}"));
    CHECK_INT(OK, tell(&w, "{\"type\":\"response.create\",\"response\":{\"conversation\":\"none\","
                           "\"input\":[],\"instructions\":\"Say exactly: \\\"One moment.\\\"\"}}"));
    CHECK(await(&w, "response.output_text.done"));
    CHECK(str_starts(js_get_str(w.last, "text"), STR("I'm an automated assistant")));
    CHECK(await(&w, "response.done"));
    CHECK(await(&w, "response.done"));
    CHECK(str_eq(buf_str(&w.transcript), STR("One moment.")));
    CHECK(json_is_null(json_object_get(response(&w), "conversation_id")));
    teardown(&w);
}

#define TOLD(role, type, text)                                                               \
    "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"" role \
    "\",\"content\":[{\"type\":\"" type "\",\"text\":\"" text "\"}]}}"
#define ANSWER "{\"type\":\"response.create\",\"response\":{\"output_modalities\":[\"text\"]}}"

/* A session that takes over from one which broke in the middle of an answer. */
TEST(what_another_session_did_not_answer_to_the_end_is_answered)
{
    struct world w;
    CHECK(ready(&w));
    CHECK_INT(OK, tell(&w, TOLD("assistant", "output_text", "Hello. How can I help you?")));
    CHECK_INT(OK, tell(&w, TOLD("user", "input_text", "are you a robot")));
    CHECK_INT(OK, tell(&w, TOLD("assistant", "output_text", "I'm an")));
    CHECK_INT(OK, tell(&w, ANSWER));
    CHECK(await(&w, "response.output_text.done"));
    CHECK(str_starts(js_get_str(w.last, "text"), STR("I'm an automated assistant")));
    CHECK(await(&w, "response.done"));
    CHECK_INT(OK, tell(&w, ANSWER)); /* once: now there is nothing to answer */
    CHECK(await(&w, "response.output_text.done"));
    CHECK(str_starts(js_get_str(w.last, "text"), STR("Hello!")));
    teardown(&w);
}

TEST(a_session_may_be_closed_at_any_moment)
{
    struct world w;
    CHECK(setup(&w)); /* before it was open */
    teardown(&w);
    CHECK_INT(0, w.opened);
    CHECK_INT(1, w.closed);
    CHECK(setup(&w)); /* from inside an event, with work under way */
    w.close_on_event = true;
    while (!w.closed)
        loop_run(w.loop);
    CHECK_INT(1, w.type_count);
    teardown(&w);
    CHECK(ready(&w)); /* in the middle of hearing and speaking */
    CHECK_INT(OK, tell(&w, SAY));
    caller_says(&w, "what are your store hours");
    CHECK_INT(OK, tell(&w, SAY));
    engine_close(w.engine);
    CHECK_INT(ERR_CLOSED, tell(&w, SAY));
    size_t before = w.type_count;
    teardown(&w);
    CHECK_INT(before, w.type_count);
}

TEST(a_driver_says_what_is_missing)
{
    struct engine_driver d;
    struct err_detail detail;
    CHECK_INT(ERR_INVALID, local_driver_open(&(struct local_opts){.voice = "marin"}, &d, &detail));
    CHECK(strstr(detail.text, "marin"));
    CHECK_INT(ERR_NOTFOUND,
              local_driver_open(&(struct local_opts){.model_dir = "/nowhere"}, &d, &detail));
}
