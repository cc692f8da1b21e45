/* test_embed.c - texts become vectors, by a server that does what servers do. */
#include "harness/test.h"

#include <math.h>

#include "llm/embed.h"
#include "llm/embed_parse.h"
#include "llm/retry.h"
#include "llm_world.h"

static struct {
    struct world *w;
    int done;
    enum err err;
    size_t count, dimensions;
    float first[8], last[8];
    char model[32], detail[256];
    struct llm_usage usage;
    bool close_in_done;
} got;

static void on_vectors(void *ctx, const struct embed_result *r)
{
    (void)ctx;
    got.done++;
    got.err = r->err;
    got.count = r->count;
    got.dimensions = r->dimensions;
    got.usage = r->usage;
    got.detail[0] = 0;
    if (r->err == OK) {
        size_t n = r->dimensions < 8 ? r->dimensions : 8;
        memcpy(got.first, r->vectors, n * sizeof(float));
        memcpy(got.last, r->vectors + (r->count - 1) * r->dimensions, n * sizeof(float));
        (void)str_copy(got.model, sizeof(got.model), str_of(r->model));
    } else {
        (void)str_copy(got.detail, sizeof(got.detail), str_of(r->detail));
    }
    if (got.close_in_done) {
        llm_close(got.w->service);
        got.w->service = NULL;
    }
    loop_stop(got.w->loop);
}

static enum err start(struct world *w, const struct embed_ask *ask, struct embed **out)
{
    memset(&got, 0, sizeof(got));
    got.w = w;
    return embed_start(w->service, ask, on_vectors, NULL, out);
}

static bool run(struct world *w, const struct embed_ask *ask)
{
    struct embed *e;
    return start(w, ask, &e) == OK && got.done == 0 && net_test_run(w->loop) && got.done == 1;
}

static const struct str two_texts[] = {STR_INIT("caf\xc3\xa9 \"open\"?"), STR_INIT("b")};
static const struct embed_ask two = {.texts = two_texts, .count = 2, .deadline_ms = 5000};

/* [1.5, -2] and [0.25, 0]; the second comes first. */
static const char two_vectors[] =
    "{\"object\":\"list\",\"model\":\"m0\",\"data\":["
    "{\"object\":\"embedding\",\"index\":1,\"embedding\":\"AACAPgAAAAA=\"},"
    "{\"object\":\"embedding\",\"index\":0,\"embedding\":\"AADAPwAAAMA=\"}],"
    "\"usage\":{\"prompt_tokens\":1000,\"total_tokens\":1000}}";
static const char two_decimal[] =
    "{\"data\":[{\"index\":0,\"embedding\":[1.5,-2]},{\"index\":1,\"embedding\":[0.25,0]}]}";

TEST(texts_become_vectors)
{
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    will_answer(f, (struct answer){.status = 200, .body = two_vectors});
    will_answer(f, (struct answer){.status = 200, .body = two_decimal});
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK(got.count == 2 && got.dimensions == 2 && strcmp(got.model, "m0") == 0);
    CHECK(got.first[0] == 1.5f && got.first[1] == -2 && got.last[0] == 0.25f && got.last[1] == 0);
    CHECK_INT(1000, got.usage.input_tokens);
    CHECK_INT(20000, got.usage.cost_nanousd); /* $0.02 per million */
    CHECK(str_starts(buf_str(&f->heads[0]), STR("POST /v1/embeddings HTTP/1.1\r\n")));
    CHECK(strstr(buf_cstr(&f->heads[0]), "\r\nAuthorization: Bearer sk-test-0123456789\r\n"));
    CHECK(strstr(buf_cstr(&f->heads[0]), "\r\nContent-Type: application/json\r\n"));
    CHECK(str_eq(buf_str(&f->bodies[0]),
                 STR("{\"model\":\"m0\",\"input\":[\"caf\xc3\xa9 "
                     "\\\"open\\\"?\",\"b\"],\"encoding_format\":\"base64\"}")));

    CHECK(run(w, &(struct embed_ask){.texts = two_texts,
                                     .count = 2,
                                     .deadline_ms = 5000,
                                     .dimensions = 2,
                                     .decimal = true}));
    CHECK_INT(OK, got.err);
    CHECK(got.first[0] == 1.5f && got.last[0] == 0.25f && got.usage.input_tokens == 0);
    CHECK(strstr(buf_cstr(&f->bodies[1]), ",\"dimensions\":2}"));
    CHECK(!strstr(buf_cstr(&f->bodies[1]), "encoding_format"));
    CHECK(world_free(w));
}

TEST(what_may_work_a_second_time_is_tried_again)
{
    struct world *w = world_new(1, 2);
    struct fake *f = &w->fakes[0];
    will_answer(f, (struct answer){.status = 429,
                                   .headers = "retry-after-ms: 30\r\n",
                                   .body = "{\"error\":{\"message\":\"slow down\"}}"});
    will_answer(
        f, (struct answer){.status = 503, .headers = "retry-after-ms: 20\r\n", .body = "<html>"});
    will_answer(f, (struct answer){.status = 200, .body = two_vectors});
    int64_t before = loop_now_us(w->loop);
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK_INT(3, f->asked);
    CHECK(loop_now_us(w->loop) - before >= 50000);
    CHECK(str_eq(buf_str(&f->bodies[0]), buf_str(&f->bodies[2])));

    /* A connection that breaks, before and within the answer. */
    will_answer(f, (struct answer){.status = 200, .body = two_vectors, .cut = 60});
    will_answer(f, (struct answer){.status = 200, .body = two_vectors});
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK_INT(5, f->asked);
    CHECK(world_free(w));
}

TEST(what_will_not_work_is_not_tried_again)
{
    static const struct {
        struct answer answer;
        enum err err;
        const char *detail;
    } cases[] = {
        {{400, NULL, "{\"error\":{\"message\":\"no such model\",\"code\":\"model_not_found\"}}", 0,
          NULL},
         ERR_UPSTREAM,
         "127.0.0.1 answered 400: no such model"},
        {{401, NULL, "{\"error\":{\"message\":\"Incorrect key sk-te***789\"}}", 0, NULL},
         ERR_DENIED,
         "127.0.0.1 answered 401: the key is not accepted"},
        {{400, NULL, "{\"error\":{\"message\":\"key sk-test-0123456789 is bad\"}}", 0, NULL},
         ERR_UPSTREAM,
         "127.0.0.1 answered 400"},
        {{429, NULL, "{\"error\":{\"message\":\"pay\",\"code\":\"insufficient_quota\"}}", 0, NULL},
         ERR_UPSTREAM,
         "127.0.0.1 answered 429: pay"},
        {{500, "x-should-retry: false\r\n", "{}", 0, NULL}, ERR_UPSTREAM, "127.0.0.1 answered 500"},
        {{302, "Location: /elsewhere\r\n", "", 0, NULL}, ERR_UPSTREAM, "127.0.0.1 answered 302"},
        {{200, NULL, "<html>", 0, NULL}, ERR_INVALID, "invalid JSON"},
        {{200, NULL, "{\"data\":[]}", 0, NULL}, ERR_INVALID, "0 embeddings came for 2 texts"},
        {{429, "retry-after: 30\r\n", "", 0, NULL},
         ERR_UPSTREAM,
         "127.0.0.1 answered 429"}, /* too late */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new(1, 2);
        will_answer(&w->fakes[0], cases[i].answer);
        CHECK(run(w, &two));
        CHECK_INT(cases[i].err, got.err);
        CHECK_INT(1, w->fakes[0].asked);
        CHECK(str_starts(str_of(got.detail), str_of(cases[i].detail)));
        CHECK(!strstr(got.detail, "sk-"));
        CHECK(world_free(w));
    }
}

TEST(a_deadline_is_kept_by_whatever_it_takes)
{
    struct world *w = world_new(1, 2);
    struct embed_ask ask = two;
    ask.deadline_ms = 60;
    will_answer(&w->fakes[0], (struct answer){0}); /* silence */
    int64_t before = loop_now_us(w->loop);
    CHECK(run(w, &ask));
    CHECK_INT(ERR_TIMEOUT, got.err);
    CHECK(loop_now_us(w->loop) - before < 1000000);
    CHECK_INT(1, w->fakes[0].asked);
    CHECK(world_free(w));
}

TEST(the_next_endpoint_takes_over_at_once)
{
    struct world *w = world_new(2, 2);
    struct fake *first = &w->fakes[0], *second = &w->fakes[1];
    will_answer(first,
                (struct answer){.status = 503, .headers = "retry-after: 20\r\n", .body = ""});
    will_answer(second, (struct answer){.status = 200, .body = two_vectors});
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK(strcmp(got.model, "m1") == 0);
    CHECK(str_starts(buf_str(&second->bodies[0]), STR("{\"model\":\"m1\",")));

    /* Silence of the first takes half of the time, no more. */
    struct embed_ask ask = two;
    ask.deadline_ms = 1000;
    will_answer(first, (struct answer){0});
    will_answer(second, (struct answer){.status = 200, .body = two_vectors});
    int64_t before = loop_now_us(w->loop);
    CHECK(run(w, &ask));
    CHECK_INT(OK, got.err);
    CHECK(loop_now_us(w->loop) - before < 900000);

    /* Both busy: the one that is ready first is asked again. */
    will_answer(first,
                (struct answer){.status = 429, .headers = "retry-after-ms: 900\r\n", .body = ""});
    will_answer(second,
                (struct answer){.status = 429, .headers = "retry-after-ms: 20\r\n", .body = ""});
    will_answer(second, (struct answer){.status = 200, .body = two_vectors});
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK_INT(3, first->asked);
    CHECK_INT(4, second->asked);

    /* The first has failed three times in a row by now: it is passed by. */
    will_answer(second, (struct answer){.status = 200, .body = two_vectors});
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK_INT(3, first->asked);
    CHECK_INT(5, second->asked);
    CHECK(world_free(w));
}

TEST(an_endpoint_that_fails_is_left_alone_and_found_again)
{
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    for (int i = 0; i < BREAKER_FAILURES; i++) {
        will_answer(f, (struct answer){.status = 500, .body = ""});
        CHECK(run(w, &two));
        CHECK_INT(ERR_UPSTREAM, got.err);
    }
    CHECK(run(w, &two)); /* said from the loop, too */
    CHECK_INT(ERR_UPSTREAM, got.err);
    CHECK(strstr(got.detail, "left alone") && strstr(got.detail, "answered 500"));
    CHECK_INT(BREAKER_FAILURES, f->asked);

    /* What the asker did wrong says nothing about the endpoint. */
    struct world *other = world_new(1, 0);
    for (int i = 0; i < 2 * BREAKER_FAILURES; i++) {
        will_answer(&other->fakes[0], (struct answer){.status = 400, .body = ""});
        CHECK(run(other, &two));
    }
    CHECK_INT(2 * BREAKER_FAILURES, other->fakes[0].asked);
    CHECK(world_free(other));

    /* After the wait one request goes through, and a good answer closes the breaker. */
    will_answer(f, (struct answer){.status = 200, .body = two_vectors});
    will_answer(f, (struct answer){.status = 200, .body = two_vectors});
    struct loop_timer *wait = loop_timer_new(w->loop, (loop_fn *)loop_stop, w->loop);
    loop_timer_set(wait, BREAKER_WAIT_MS_MIN);
    CHECK(net_test_run(w->loop));
    loop_timer_free(wait);
    struct embed *dropped;
    CHECK_INT(OK, start(w, &two, &dropped));
    embed_cancel(dropped); /* the probe is given to the next */
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK(run(w, &two));
    CHECK_INT(OK, got.err);
    CHECK(world_free(w));
}

/* Vectors of 512 numbers: [0] is the number that the text is. */
static char *numbers(struct str body)
{
    json_t *root = NULL;
    float vector[512] = {0};
    char base64[2800];
    struct buf b;
    if (js_parse(body, &root, NULL) != OK)
        abort();
    const json_t *input = js_get(root, "input");
    buf_init(&b, 64 << 20);
    buf_put_str(&b, STR("{\"data\":["));
    for (size_t i = 0; i < json_array_size(input); i++) {
        vector[0] = (float)atoi(json_string_value(json_array_get(input, i)));
        size_t len = base64_encode(base64, vector, sizeof(vector));
        buf_printf(&b, "%s{\"index\":%zu,\"embedding\":\"%.*s\"}", i ? "," : "", i, (int)len,
                   base64);
    }
    buf_printf(&b, "],\"usage\":{\"prompt_tokens\":%zu}}", json_array_size(input));
    json_decref(root);
    char *text = strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

TEST(many_texts_go_in_several_requests)
{
    struct world *w = world_new(1, 0);
    static char text[EMBED_TEXTS_MAX][8];
    static struct str texts[EMBED_TEXTS_MAX + 1];
    for (int i = 0; i < EMBED_TEXTS_MAX; i++)
        texts[i] = str_n(text[i], (size_t)snprintf(text[i], sizeof(text[i]), "%d", i));
    w->fakes[0].answer_fn = numbers;
    struct embed_ask ask = {.texts = texts, .count = EMBED_TEXTS_MAX, .deadline_ms = 9000};
    CHECK(run(w, &ask));
    CHECK_INT(OK, got.err);
    CHECK(got.dimensions == 512 && got.first[0] == 0 && got.last[0] == EMBED_TEXTS_MAX - 1);
    CHECK_INT(EMBED_TEXTS_MAX, got.usage.input_tokens);
    CHECK_INT(EMBED_TEXTS_MAX / EMBED_REQUEST_TEXTS, w->fakes[0].asked);

    /* Cancelled with answers on the way to and on a worker; closed by a done function. */
    for (int i = 0; i < 3; i++) {
        struct embed *e;
        size_t asked = w->fakes[0].asked;
        CHECK_INT(OK, start(w, &ask, &e));
        for (int turn = 0; turn < 2000 && w->fakes[0].asked < asked + 2 + (size_t)i; turn++)
            uv_run(loop_uv(w->loop), UV_RUN_NOWAIT);
        embed_cancel(e);
        CHECK_INT(0, got.done);
    }
    struct embed *e;
    CHECK_INT(OK, start(w, &ask, &e));
    got.close_in_done = true;
    CHECK(net_test_run(w->loop) && got.done == 1 && got.err == OK);
    CHECK(world_free(w));
}

TEST(tokens_bound_a_request)
{
    struct world *w = world_new(1, 0);
    static struct str texts[64];
    char *large = mem_alloc(24000);
    memset(large, '7', 24000);
    for (int i = 0; i < 64; i++)
        texts[i] = str_n(large, 24000); /* 8001 tokens at most */
    w->fakes[0].answer_fn = numbers;
    struct embed_ask ask = {.texts = texts, .count = 64, .deadline_ms = 9000};
    CHECK(run(w, &ask));
    CHECK_INT(OK, got.err);
    CHECK_INT(2, w->fakes[0].asked); /* 37 are 296,037 */
    size_t one = w->fakes[0].bodies[0].len, other = w->fakes[0].bodies[1].len;
    size_t larger = one > other ? one : other;
    CHECK(larger > 37 * 24000 && larger < 38 * 24000);
    mem_free(large);
    CHECK(world_free(w));
}

TEST(what_cannot_be_asked_is_refused_at_once)
{
    struct world *w = world_new(1, 0);
    struct embed *e;
    static struct str many[EMBED_TEXTS_MAX + 1];
    struct str bad[] = {STR_INIT("a"), STR_INIT("")};
    char *large = mem_alloc(40000);
    memset(large, 'x', 40000);
    CHECK_INT(ERR_INVALID, start(w, &(struct embed_ask){.deadline_ms = 1}, &e));
    CHECK_INT(ERR_INVALID, start(w, &(struct embed_ask){bad, 2, 0, 1, false}, &e));
    bad[1] = STR("\xff");
    CHECK_INT(ERR_INVALID, start(w, &(struct embed_ask){bad, 2, 0, 1, false}, &e));
    bad[1] = str_n(large, 40000);
    CHECK_INT(ERR_INVALID, start(w, &(struct embed_ask){bad, 2, 0, 1, false}, &e));
    CHECK_INT(ERR_LIMIT, start(w, &(struct embed_ask){many, EMBED_TEXTS_MAX + 1, 0, 1, false}, &e));
    mem_free(large);
    CHECK(world_free(w));
}

TEST(services_that_cannot_be_are_refused)
{
    struct world *w = world_new(1, 0);
    static const struct llm_endpoint bad[] = {
        {"ftp://x/v1", "", "m", {0}},      {"wss://x/v1", "", "m", {0}},
        {"http://x/v1?a=b", "", "m", {0}}, {"http://x/v1", "a\r\nb", "m", {0}},
        {"http://x/v1", "", "", {0}},      {"http://x/v1", "", "a\r\nb", {0}},
        {"http://u:p@x/v1", "", "m", {0}},
    };
    struct llm *s;
    struct err_detail why;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct llm_opts opts = {.endpoints = &bad[i], .count = 1};
        CHECK_INT(ERR_INVALID, llm_open(&s, w->loop, w->client, &opts, &why));
    }
    CHECK_INT(ERR_INVALID, llm_open(&s, w->loop, w->client, &(struct llm_opts){0}, &why));
    CHECK(world_free(w));
}

TEST(answers_are_read_strictly)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"data\":[1,2]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":0,\"embedding\":[1]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":2,\"embedding\":[1]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":[1,2]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":[\"1\"]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[]},{\"index\":1,\"embedding\":[]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":[1e39]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":\"AADAfw==\"}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":\"AACA\"}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":\"AACAPw=?\"}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"embedding\":[1]}]}",
    };
    struct embed_block b;
    struct err_detail why;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why.text[0] = 0;
        CHECK_INT(ERR_INVALID, embed_parse(str_of(bad[i]), 2, 0, &b, &why));
        CHECK(why.text[0]);
    }
    CHECK_INT(ERR_INVALID, embed_parse(str_of(two_decimal), 2, 3, &b, &why));
    CHECK_INT(OK, embed_parse(str_of(two_decimal), 2, 2, &b, &why));
    mem_free(b.vectors);
}

TEST(waits_are_as_the_client_libraries_wait)
{
    struct llm_failure f = {.status = 503};
    const uint32_t most = UINT32_MAX;
    CHECK_INT(500, llm_retry_wait_ms(&f, 1, 0, 0));
    CHECK_INT(376, llm_retry_wait_ms(&f, 1, most, 0)); /* a quarter less */
    CHECK_INT(1000, llm_retry_wait_ms(&f, 2, 0, 0));
    CHECK_INT(8000, llm_retry_wait_ms(&f, 5, 0, 0));
    CHECK_INT(8000, llm_retry_wait_ms(&f, 60, 0, 0));
    f.after_seconds = STR(" 2.5 ");
    CHECK_INT(2500, llm_retry_wait_ms(&f, 1, 0, 0));
    f.after_ms = STR("20.2");
    CHECK_INT(21, llm_retry_wait_ms(&f, 1, 0, 0));
    f.after_ms = STR("60001"); /* longer than a minute */
    CHECK_INT(500, llm_retry_wait_ms(&f, 1, 0, 0));
    f.after_ms = STR("-5");
    CHECK_INT(2500, llm_retry_wait_ms(&f, 1, 0, 0));
    f.after_ms = STR_NONE;
    f.after_seconds = STR("Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK_INT(7000, llm_retry_wait_ms(&f, 1, 0, 784111770000));
    CHECK_INT(500, llm_retry_wait_ms(&f, 1, 0, 784111777000));
    f.after_seconds = STR("soon");
    CHECK_INT(500, llm_retry_wait_ms(&f, 1, 0, 0));
    f.after_seconds = STR("99999999999999999999999999999999");
    CHECK_INT(500, llm_retry_wait_ms(&f, 1, 0, 0));
}

TEST(the_server_decides_over_another_try)
{
    static const unsigned yes[] = {408, 409, 429, 500, 503, 599}, no[] = {300, 400, 401, 404, 422};
    struct llm_failure f = {0};
    for (size_t i = 0; i < 6; i++) {
        f.status = yes[i];
        CHECK(llm_retry_allowed(&f));
    }
    for (size_t i = 0; i < 5; i++) {
        f.status = no[i];
        CHECK(!llm_retry_allowed(&f));
    }
    f.should_retry = STR("true");
    CHECK(llm_retry_allowed(&f));
    f.status = 503;
    f.should_retry = STR("false");
    CHECK(!llm_retry_allowed(&f));
    f = (struct llm_failure){.err = ERR_CLOSED};
    CHECK(llm_retry_allowed(&f) && llm_retry_blames_endpoint(&f));
    f.err = ERR_LIMIT;
    CHECK(!llm_retry_allowed(&f) && !llm_retry_blames_endpoint(&f));
    f.err = ERR_DENIED;
    CHECK(!llm_retry_allowed(&f) && llm_retry_blames_endpoint(&f));
}
