/* test_chat.c - a model answers, whole and in pieces, by a server that does what servers do. */
#include "harness/test.h"

#include "llm/chat.h"
#include "llm/chat_reply.h"
#include "llm/sse.h"
#include "llm_world.h"

static struct {
    struct world *w;
    struct chat *chat;
    int done, pieces;
    enum err err;
    char text[256], refusal[64], model[16], detail[256], calls[256], json[128], streamed[256];
    enum chat_finish finish;
    struct llm_usage usage;
    bool cancel_in_text, more_in_text;
} got;

static void on_text(void *ctx, struct str piece)
{
    (void)ctx;
    got.pieces++;
    size_t at = strlen(got.streamed);
    (void)str_copy(got.streamed + at, sizeof(got.streamed) - at, piece);
    if (got.more_in_text)
        fake_more(&got.w->fakes[0]);
    if (got.cancel_in_text) {
        chat_cancel(got.chat);
        loop_stop(got.w->loop);
    }
}

static void on_done(void *ctx, const struct chat_result *r)
{
    (void)ctx;
    got.done++;
    got.err = r->err;
    got.finish = r->finish;
    got.usage = r->usage;
    (void)str_copy(got.text, sizeof(got.text), r->text);
    (void)str_copy(got.refusal, sizeof(got.refusal), r->refusal.p ? r->refusal : STR("-"));
    (void)str_copy(got.model, sizeof(got.model), str_of(r->model));
    (void)str_copy(got.detail, sizeof(got.detail), str_of(r->detail));
    for (size_t i = 0; i < r->calls_count; i++) {
        size_t at = strlen(got.calls);
        snprintf(got.calls + at, sizeof(got.calls) - at, "%.*s %.*s(%.*s);",
                 STR_FMT(r->calls[i].id), STR_FMT(r->calls[i].name),
                 STR_FMT(r->calls[i].arguments));
    }
    if (r->json)
        (void)str_copy(got.json, sizeof(got.json), js_get_str(r->json, "mood"));
    loop_stop(got.w->loop);
}

static enum err start(struct world *w, const struct chat_ask *ask, chat_text_fn *text)
{
    memset(&got, 0, sizeof(got));
    got.w = w;
    return chat_start(w->service, ask, text, on_done, NULL, &got.chat);
}

static bool run(struct world *w, const struct chat_ask *ask, chat_text_fn *text)
{
    return start(w, ask, text) == OK && got.done == 0 && net_test_run(w->loop) && got.done == 1;
}

static const struct chat_message hello[] = {
    {.role = STR_INIT("system"), .content = STR_INIT("Be \"short\".")},
    {.role = STR_INIT("user"), .content = STR_INIT("Hello")},
};
static const struct chat_ask plain = {.messages = hello, .messages_count = 2, .deadline_ms = 5000};

#define USAGE                                                    \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20," \
    "\"total_tokens\":120,\"prompt_tokens_details\":{\"cached_tokens\":40}}"

TEST(a_model_answers)
{
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    will_answer(f, (struct answer){.status = 200,
                                   .body = "{\"choices\":[{\"index\":0,\"message\":{\"role\":"
                                           "\"assistant\",\"content\":\"Hi.\",\"refusal\":null},"
                                           "\"finish_reason\":\"stop\"}]," USAGE "}"});
    CHECK(run(w, &plain, NULL));
    CHECK_INT(OK, got.err);
    CHECK(strcmp(got.text, "Hi.") == 0 && strcmp(got.refusal, "-") == 0);
    CHECK(got.finish == CHAT_STOP && strcmp(got.model, "m0") == 0);
    CHECK(got.usage.input_tokens == 100 && got.usage.output_tokens == 20);
    CHECK_INT(60 * 20 + 40 * 5 + 20 * 80, got.usage.cost_nanousd);
    CHECK(str_eq(buf_str(&f->bodies[0]),
                 STR("{\"model\":\"m0\",\"messages\":[{\"role\":\"system\",\"content\":"
                     "\"Be \\\"short\\\".\"},{\"role\":\"user\",\"content\":\"Hello\"}]}")));
    CHECK(strstr(buf_cstr(&f->heads[0]), "POST /v1/chat/completions HTTP/1.1\r\n"));
    CHECK(world_free(w));
}

TEST(tools_are_offered_and_called)
{
    static const struct chat_call calls[] = {
        {STR_INIT("call_1"), STR_INIT("look_up"), STR_INIT("{\"q\":\"x\"}")}};
    static const struct chat_message talk[] = {
        {.role = STR_INIT("user"), .content = STR_INIT("Look")},
        {.role = STR_INIT("assistant"), .calls = calls, .calls_count = 1},
        {.role = STR_INIT("tool"), .content = STR_INIT("found"), .call_id = STR_INIT("call_1")},
    };
    static const struct chat_tool tools[] = {
        {STR_INIT("look_up"), STR_INIT("Looks."), STR_INIT("{\"type\":\"object\"}"), true}};
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    will_answer(f, (struct answer){
                       .status = 200,
                       .body = "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{"
                               "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"a\","
                               "\"arguments\":\"{}\"}},{\"id\":\"c2\",\"type\":\"function\","
                               "\"function\":{\"name\":\"b\",\"arguments\":\"\"}}]},"
                               "\"finish_reason\":\"tool_calls\"}]}"});
    CHECK(run(w,
              &(struct chat_ask){.messages = talk,
                                 .messages_count = 3,
                                 .tools = tools,
                                 .tools_count = 1,
                                 .tool_choice = STR("required"),
                                 .max_tokens = 50,
                                 .temperature_said = true,
                                 .temperature_permille = 700,
                                 .deadline_ms = 5000},
              NULL));
    CHECK_INT(OK, got.err);
    CHECK_INT(CHAT_CALLS, got.finish);
    CHECK(strcmp(got.calls, "c1 a({});c2 b();") == 0 && !got.text[0]);
    const char *body = buf_cstr(&f->bodies[0]);
    CHECK(strstr(body,
                 "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\","
                 "\"type\":\"function\",\"function\":{\"name\":\"look_up\","
                 "\"arguments\":\"{\\\"q\\\":\\\"x\\\"}\"}}]}"));
    CHECK(strstr(body, "{\"role\":\"tool\",\"content\":\"found\",\"tool_call_id\":\"call_1\"}]"));
    CHECK(strstr(body, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look_up\","
                       "\"description\":\"Looks.\",\"parameters\":{\"type\":\"object\"},"
                       "\"strict\":true}}],\"tool_choice\":\"required\","
                       "\"max_completion_tokens\":50,\"temperature\":0.700}"));
    CHECK(world_free(w));
}

/* A schema is sent, and what comes is read: the whole, a refusal, cut short, no JSON. */
TEST(an_answer_is_held_to_json)
{
    static const struct {
        const char *message, *reason, *mood, *refusal;
        enum err err;
    } cases[] = {
        {"\"content\":\"{\\\"mood\\\":\\\"good\\\"}\"", "stop", "good", "-", OK},
        {"\"content\":null,\"refusal\":\"No.\"", "stop", "", "No.", OK},
        {"\"content\":\"{\\\"mo\"", "length", "", "-", OK},
        {"\"content\":\"Good!\"", "stop", "", "-", ERR_INVALID},
    };
    const struct chat_ask ask = {.messages = hello,
                                 .messages_count = 2,
                                 .schema_name = STR("mood"),
                                 .schema = STR("{\"type\":\"object\"}"),
                                 .deadline_ms = 5000};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new(1, 2);
        char body[256];
        snprintf(body, sizeof(body), "{\"choices\":[{\"message\":{%s},\"finish_reason\":\"%s\"}]}",
                 cases[i].message, cases[i].reason);
        will_answer(&w->fakes[0], (struct answer){.status = 200, .body = body});
        CHECK(run(w, &ask, NULL));
        CHECK_INT(cases[i].err, got.err);
        CHECK(strcmp(got.json, cases[i].mood) == 0);
        CHECK(strcmp(got.refusal, cases[i].refusal) == 0);
        CHECK(strstr(buf_cstr(&w->fakes[0].bodies[0]),
                     ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                     "\"mood\",\"strict\":true,\"schema\":{\"type\":\"object\"}}}}"));
        CHECK(world_free(w));
    }
}

#define CHUNK(delta, reason)                                                                 \
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":" delta \
    ",\"finish_reason\":" reason "}],\"usage\":null,\"obfuscation\":\"x9\"}\n\n"
#define FIRST CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null")

TEST(pieces_arrive_as_they_are_made)
{
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    will_answer(f, (struct answer){.status = 200,
                                   .body = FIRST CHUNK("{\"content\":\"Go\"}", "null"),
                                   .more = CHUNK("{\"content\":\"od\"}", "null")
                                       CHUNK("{}", "\"stop\"") "data: {\"choices\":[]," USAGE
                                                               "}\n\ndata: [DONE]\n\n"});
    CHECK_INT(OK, start(w, &plain, on_text));
    got.more_in_text = true; /* the first piece is told before the second is sent */
    CHECK(net_test_run(w->loop));
    CHECK_INT(OK, got.err);
    CHECK_INT(2, got.pieces);
    CHECK(strcmp(got.streamed, "Good") == 0 && strcmp(got.text, "Good") == 0);
    CHECK(got.finish == CHAT_STOP && got.usage.cached_tokens == 40);
    CHECK(strstr(buf_cstr(&f->bodies[0]),
                 ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"));
    CHECK(strstr(buf_cstr(&f->heads[0]), "\r\nAccept: text/event-stream\r\n"));

    will_answer(
        f, (struct answer){
               .status = 200,
               .body = FIRST CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":"
                                   "\"function\",\"function\":{\"name\":\"a\",\"arguments\":"
                                   "\"\"}}]}",
                                   "null")
                   CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\"}}]}",
                         "null") CHUNK("{\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"function\":{"
                                       "\"name\":\"b\",\"arguments\":\"{}\"}}]}",
                                       "null")
                       CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\":1}"
                             "\"}}]}",
                             "null") CHUNK("{}", "\"tool_calls\"") "data: [DONE]\n\n"});
    CHECK(run(w, &plain, on_text));
    CHECK_INT(OK, got.err);
    CHECK(got.pieces == 0 && strcmp(got.calls, "c1 a({\"x\":1});c2 b({});") == 0);
    CHECK(world_free(w));
}

TEST(streams_that_fail_say_so)
{
    static const struct {
        struct answer answer;
        enum err err;
        const char *detail;
        size_t asked;
    } cases[] = {
        /* Broken off, although the body is whole; cut; an error in the stream; nonsense. */
        {{200, NULL, FIRST CHUNK("{\"content\":\"Go\"}", "null"), 0, NULL},
         ERR_CLOSED,
         "the answer broke off",
         1},
        {{200, NULL, FIRST CHUNK("{\"content\":\"Go\"}", "null") "data: {", 200, NULL},
         ERR_CLOSED,
         "no answer from 127.0.0.1",
         1},
        {{200, NULL,
          FIRST CHUNK("{\"content\":\"Go\"}", "null") "data: {\"error\":{\"message\":\"m\"}}\n\n",
          0, NULL},
         ERR_UPSTREAM,
         "the service reported an error",
         1},
        {{200, NULL, "data: <html>\n\n", 0, NULL}, ERR_INVALID, "invalid JSON", 1},
        {{200, NULL, FIRST CHUNK("{\"tool_calls\":[{\"index\":7}]}", "null"), 0, NULL},
         ERR_INVALID,
         "the answer calls tools",
         1},
        {{500, "retry-after-ms: 1\r\n", "{}", 0, NULL}, ERR_UPSTREAM, "127.0.0.1 answered 418", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new(1, 2);
        will_answer(&w->fakes[0], cases[i].answer);
        CHECK(run(w, &plain, on_text));
        CHECK_INT(cases[i].err, got.err);
        CHECK(str_starts(str_of(got.detail), str_of(cases[i].detail)));
        CHECK_INT(cases[i].asked, w->fakes[0].asked);
        CHECK(world_free(w));
    }
}

TEST(an_answer_can_be_cancelled_at_any_time)
{
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    will_answer(f, (struct answer){.status = 200,
                                   .body = FIRST CHUNK("{\"content\":\"a\"}", "null")
                                       CHUNK("{\"content\":\"b\"}", "null"),
                                   .more = "data: [DONE]\n\n"});
    CHECK_INT(OK, start(w, &plain, on_text));
    got.cancel_in_text = true;
    CHECK(net_test_run(w->loop));
    CHECK(got.done == 0 && got.pieces == 1);
    CHECK_INT(OK, start(w, &plain, NULL));
    chat_cancel(got.chat);
    CHECK(got.done == 0);
    CHECK(world_free(w));
}

TEST(what_cannot_be_asked_is_refused_at_once)
{
    struct world *w = world_new(1, 0);
    struct chat_ask ask = plain;
    struct chat_message bad = {.role = STR("user"), .content = STR("\xff")};
    struct chat_tool tool = {.name = STR("a"), .parameters = STR("{")};
    ask.messages_count = 0;
    CHECK_INT(ERR_INVALID, start(w, &ask, NULL));
    ask = (struct chat_ask){.messages = &bad, .messages_count = 1, .deadline_ms = 1};
    CHECK_INT(ERR_INVALID, start(w, &ask, NULL));
    bad.content = STR("a");
    ask.tools = &tool;
    ask.tools_count = 1;
    CHECK_INT(ERR_INVALID, start(w, &ask, NULL));
    ask.tools_count = 0;
    ask.schema_name = STR("s");
    ask.schema = STR("[]");
    CHECK_INT(ERR_INVALID, start(w, &ask, NULL));
    ask.schema = STR_NONE;
    char *large = mem_alloc(CHAT_REQUEST_BYTES_MAX);
    memset(large, 'x', CHAT_REQUEST_BYTES_MAX);
    bad.content = str_n(large, CHAT_REQUEST_BYTES_MAX);
    CHECK_INT(ERR_LIMIT, start(w, &ask, NULL));
    mem_free(large);
    CHECK(world_free(w));
}

/* Every event of `text` in brackets, given `step` bytes at a time. */
static void events(const char *text, size_t step, char *out, size_t size)
{
    struct sse s;
    struct str all = str_of(text), data;
    enum err err = OK;
    out[0] = 0;
    sse_init(&s, 16);
    while (all.len && err != ERR_LIMIT) {
        struct str in = str_slice(all, 0, step);
        all = str_slice(all, step, all.len);
        while ((err = sse_next(&s, &in, &data)) == OK) {
            size_t at = strlen(out);
            snprintf(out + at, size - at, "[%.*s]", STR_FMT(data));
        }
    }
    if (err == ERR_LIMIT)
        strncat(out, "!", size - strlen(out) - 1);
    sse_fini(&s);
}

TEST(events_are_told_apart)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"data: a\n\ndata:b\n\n", "[a][b]"},
        {"data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[a][b][c]"},
        {"\xef\xbb\xbf"
         "data: a\n\n",
         "[a]"},
        {": note\nevent: x\nid: 1\nretry: 5\ndata: a\n\nevent: y\n\n", "[a]"},
        {"data: a\ndata: b\n\n", "[a\nb]"},
        {"data\n\ndata:\ndata\n\n", "[][\n]"},
        {"data:  a\n\n", "[ a]"},
        {"\n\n\ndata: a\n\n\n", "[a]"},
        {"dat: a\ndatas: b\n\n", ""},
        {"data: a", ""},
        {"data: 1234567890\n\n", "[1234567890]"},
        {"data: 12345678901\n\n", "!"},
        {"data: 12345678\ndata: 12345678\n\n", "!"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t step = 1; step < 40; step++) {
            events(cases[i].text, step, out, sizeof(out));
            CHECK(strcmp(out, cases[i].want) == 0);
        }
}
