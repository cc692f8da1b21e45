/*
 * llm_client.c - our clients of hosted services, for a comparison with the official one.
 *
 *   llm_client URL KEY   makes the calls that test.mjs makes, in its order, and prints of each one
 *                        line of JSON: what came of it
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/js.h"
#include "llm/chat.h"
#include "llm/embed.h"
#include "llm/speak.h"
#include "llm/transcribe.h"

enum { DEADLINE_MS = 8000, TONE_SAMPLES = 1600 };

static struct loop *loop;
static struct llm *service;
static json_t *result; /* of the call under way */

static void set(const char *key, json_t *value)
{
    json_object_set_new(result, key, value);
}

static json_t *text_of(struct str s)
{
    return s.p ? json_stringn(s.p, s.len) : json_null();
}

static void begin(const char *name)
{
    result = json_object();
    set("call", json_string(name));
}

/* Waits for the end of the call that `err` says was begun, and prints it. */
static void finish(enum err err)
{
    struct buf b;
    if (err == OK)
        loop_run(loop);
    else
        set("err", json_string(err_name(err)));
    buf_init(&b, 1 << 20);
    js_write(&b, result);
    puts(buf_cstr(&b));
    buf_fini(&b);
    json_decref(result);
}

static void note(enum err err, unsigned long tokens_in, unsigned long tokens_out)
{
    set("err", json_string(err == OK ? "ok" : err_name(err)));
    set("in", json_integer((json_int_t)tokens_in));
    set("out", json_integer((json_int_t)tokens_out));
    loop_stop(loop);
}

/* -- embeddings -- */

static void on_vectors(void *ctx, const struct embed_result *r)
{
    json_t *vectors = json_array();
    (void)ctx;
    for (size_t i = 0; i < r->count; i++) {
        json_t *v = json_array();
        for (size_t k = 0; k < r->dimensions; k++)
            json_array_append_new(v, json_real((double)r->vectors[i * r->dimensions + k]));
        json_array_append_new(vectors, v);
    }
    set("vectors", vectors);
    note(r->err, (unsigned long)r->usage.input_tokens, 0);
}

static void call_embed(const char *name, unsigned dimensions, bool decimal)
{
    static const struct str texts[] = {STR_INIT("When do you open?"),
                                       STR_INIT("Gr\xc3\xbc\xc3\x9f")};
    const struct embed_ask ask = {.texts = texts,
                                  .count = 2,
                                  .dimensions = dimensions,
                                  .deadline_ms = DEADLINE_MS,
                                  .decimal = decimal};
    struct embed *e;
    begin(name);
    finish(embed_start(service, &ask, on_vectors, NULL, &e));
}

/* -- chat -- */

static void on_piece(void *ctx, struct str piece)
{
    (void)ctx;
    json_array_append_new(json_object_get(result, "pieces"), text_of(piece));
}

static void on_chat(void *ctx, const struct chat_result *r)
{
    static const char *const reasons[] = {"stop", "length", "tool_calls", "content_filter",
                                          "other"};
    json_t *calls = json_array();
    (void)ctx;
    for (size_t i = 0; i < r->calls_count; i++)
        json_array_append_new(calls,
                              json_pack("[o,o,o]", text_of(r->calls[i].id),
                                        text_of(r->calls[i].name), text_of(r->calls[i].arguments)));
    set("text", text_of(r->text.p ? r->text : STR("")));
    set("calls", calls);
    set("finish", json_string(reasons[r->finish]));
    note(r->err, (unsigned long)r->usage.input_tokens, (unsigned long)r->usage.output_tokens);
}

static const struct chat_message question[] = {
    {.role = STR_INIT("system"), .content = STR_INIT("Be short.\nBe \"kind\".")},
    {.role = STR_INIT("user"), .content = STR_INIT("caf\xc3\xa9?")},
};
static const struct chat_tool tools[] = {
    {STR_INIT("look_up"), STR_INIT("Looks something up."),
     STR_INIT("{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"string\"}},"
              "\"required\":[\"q\"],\"additionalProperties\":false}"),
     true},
};

static void call_chat(const char *name, const struct chat_ask *ask, bool streamed)
{
    struct chat *c;
    begin(name);
    if (streamed)
        set("pieces", json_array());
    finish(chat_start(service, ask, streamed ? on_piece : NULL, on_chat, NULL, &c));
}

static void call_tools(const char *name, bool streamed)
{
    static const struct chat_call calls[] = {
        {STR_INIT("call_1"), STR_INIT("look_up"), STR_INIT("{\"q\":\"hours\"}")}};
    static const struct chat_message talk[] = {
        {.role = STR_INIT("user"), .content = STR_INIT("tools")},
        {.role = STR_INIT("assistant"), .calls = calls, .calls_count = 1},
        {.role = STR_INIT("tool"), .content = STR_INIT("9 to 5"), .call_id = STR_INIT("call_1")},
    };
    call_chat(name,
              &(struct chat_ask){.messages = talk,
                                 .messages_count = 3,
                                 .tools = tools,
                                 .tools_count = 1,
                                 .tool_choice = STR("required"),
                                 .max_tokens = 99,
                                 .temperature_said = true,
                                 .temperature_permille = 250,
                                 .deadline_ms = DEADLINE_MS},
              streamed);
}

static void call_chats(void)
{
    struct chat_ask ask = {.messages = question, .messages_count = 2, .deadline_ms = DEADLINE_MS};
    static const struct chat_message failing[][1] = {
        {{.role = STR_INIT("user"), .content = STR_INIT("busy")}},
        {{.role = STR_INIT("user"), .content = STR_INIT("never")}},
        {{.role = STR_INIT("user"), .content = STR_INIT("wrong")}},
    };
    static const char *const names[] = {"chat_busy", "chat_never", "chat_wrong"};
    call_chat("chat", &ask, false);
    call_chat("chat_stream", &ask, true);
    call_tools("chat_tools", false);
    call_tools("chat_tools_stream", true);
    ask.schema_name = STR("mood");
    ask.schema = STR("{\"type\":\"object\",\"properties\":{\"mood\":{\"type\":\"string\"}},"
                     "\"required\":[\"mood\"],\"additionalProperties\":false}");
    call_chat("chat_schema", &ask, false);
    for (size_t i = 0; i < 3; i++)
        call_chat(names[i],
                  &(struct chat_ask){
                      .messages = failing[i], .messages_count = 1, .deadline_ms = DEADLINE_MS},
                  false);
}

/* -- sound -- */

static void on_words(void *ctx, const struct transcribe_result *r)
{
    (void)ctx;
    set("text", text_of(r->text));
    note(r->err, (unsigned long)r->usage.input_tokens, (unsigned long)r->usage.output_tokens);
}

static void on_sound(void *ctx, uint32_t rate_hz, const int16_t *samples, size_t count)
{
    json_t *all = json_object_get(result, "samples");
    (void)ctx;
    set("rate", json_integer(rate_hz));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(all, json_integer(samples[i]));
}

static void on_spoken(void *ctx, const struct speak_result *r)
{
    (void)ctx;
    note(r->err, 0, 0);
}

static void call_sounds(void)
{
    static int16_t tone[TONE_SAMPLES];
    struct transcribe *t;
    struct speak *s;
    for (int i = 0; i < TONE_SAMPLES; i++)
        tone[i] = (int16_t)(i * 13 - 10000);
    begin("transcribe");
    finish(transcribe_start(service,
                            &(struct transcribe_ask){.samples = tone,
                                                     .count = TONE_SAMPLES,
                                                     .rate_hz = 16000,
                                                     .language = STR("en"),
                                                     .prompt = STR("caf\xc3\xa9 \"Pecos\""),
                                                     .deadline_ms = DEADLINE_MS},
                            on_words, NULL, &t));
    begin("speak");
    set("samples", json_array());
    finish(speak_start(service,
                       &(struct speak_ask){.text = STR("Gr\xc3\xbc\xc3\x9f Gott"),
                                           .voice = STR("marin"),
                                           .instructions = STR("Calm."),
                                           .speed_permille = 1500,
                                           .deadline_ms = DEADLINE_MS},
                       on_sound, on_spoken, NULL, &s));
}

int main(int argc, char **argv)
{
    struct http_client *http;
    struct err_detail why;
    if (argc != 3) {
        fprintf(stderr, "usage: llm_client URL KEY\n");
        return 2;
    }
    const struct llm_endpoint e = {.url = argv[1], .key = argv[2], .model = "stand-in"};
    if (loop_open(&loop, 0) != OK || http_client_open(&http, loop, NULL) != OK)
        return 1;
    if (llm_open(&service, loop, http,
                 &(struct llm_opts){.endpoints = &e, .count = 1, .retries = 2}, &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    call_embed("embed", 4, false);
    call_embed("embed_decimal", 0, true);
    call_chats();
    call_sounds();
    llm_close(service);
    http_client_close(http);
    loop_close(loop);
    return 0;
}
