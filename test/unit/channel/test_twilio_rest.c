/* The REST client against a scripted api.twilio.com. */
#include "harness/test.h"

#include "base/base64.h"
#include "base/limits.h"
#include "base/log.h"
#include "channel/twilio_rest.h"
#include "net/http.h"

#define AC    "AC00000000000000000000000000000001"
#define CA    "CA00000000000000000000000000000002"
#define TOKEN "0123456789abcdef0123456789abcdef"

struct world {
    struct loop *loop;
    struct loop_timer *guard;
    struct http_router *router;
    struct http_server *server;
    struct http_client *http;
    struct twilio_rest *rest;
    bool late;
    bool left;

    /* api.twilio.com */
    unsigned statuses[2]; /* of the first and of every later request; 0 = hang up unanswered */
    const char *bodies[2];
    unsigned requests;
    char method[8], target[256], authorization[160], body[512];

    /* the result */
    unsigned results;
    enum err err;
    unsigned status;
    int64_t code;
    char detail[256], sid[64];
};

static void api(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    unsigned at = w->requests++ ? 1 : 0;
    str_copy(w->method, sizeof(w->method), http_method(ex));
    str_copy(w->target, sizeof(w->target), http_target(ex));
    str_copy(w->authorization, sizeof(w->authorization), http_header(ex, "authorization"));
    str_copy(w->body, sizeof(w->body), http_body(ex));
    http_reply(ex, w->statuses[at], "application/json", str_of(w->bodies[at]));
}

static void on_result(void *ctx, const struct twilio_rest_result *r)
{
    struct world *w = ctx;
    w->results++;
    w->err = r->err;
    w->status = r->status;
    w->code = r->code;
    str_copy(w->detail, sizeof(w->detail), str_of(r->detail));
    str_copy(w->sid, sizeof(w->sid), js_get_str(r->json, "sid"));
    loop_stop(w->loop);
}

static void guard_fired(void *ctx)
{
    struct world *w = ctx;
    w->late = true;
    loop_stop(w->loop);
}

static void world_open(struct world *w, unsigned first, const char *first_body, unsigned later,
                       const char *later_body)
{
    *w = (struct world){.statuses = {first, later}, .bodies = {first_body, later_body}};
    log_set_level(LOG_LEVEL_OFF);
    if (loop_open(&w->loop, 0))
        return;
    w->guard = loop_timer_new(w->loop, guard_fired, w);
    loop_timer_set(w->guard, 10000);
    w->router = http_router_new();
    http_router_add(w->router, NULL, "/2010-04-01", &(struct http_route_opts){.prefix = true}, api,
                    w);
    struct err_detail detail = {""};
    if (http_server_open(&w->server, w->loop,
                         &(struct http_server_opts){.host = "127.0.0.1", .router = w->router},
                         &detail) ||
        http_client_open(&w->http, w->loop, NULL))
        return;
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", http_server_port(w->server));
    if (twilio_rest_open(&w->rest,
                         &(struct twilio_rest_opts){.loop = w->loop,
                                                    .http = w->http,
                                                    .api_url = str_of(url),
                                                    .account_sid = STR(AC),
                                                    .auth_token = STR(TOKEN)},
                         &detail))
        fprintf(stderr, "rest: %s\n", detail.text);
}

static void server_gone(void *ctx)
{
    loop_stop(ctx);
}

static void world_close(struct world *w)
{
    twilio_rest_close(w->rest);
    http_server_close(w->server, server_gone, w->loop); /* ends what twilio_rest_close left */
    loop_run(w->loop);
    http_client_close(w->http);
    loop_timer_free(w->guard);
    http_router_free(w->router);
    loop_close(w->loop);
}

TEST(a_call_is_hung_up)
{
    struct world w;
    world_open(&w, 200, "{\"sid\":\"" CA "\",\"status\":\"completed\"}", 500, "");
    enum err err = twilio_rest_hang_up(w.rest, STR(CA), on_result, &w);
    unsigned inside = w.results;
    loop_run(w.loop);
    world_close(&w);
    char want[160] = "Basic ";
    want[6 + base64_encode(want + 6, AC ":" TOKEN, strlen(AC ":" TOKEN))] = '\0';
    CHECK_INT(OK, err);
    CHECK(!w.late);
    CHECK_INT(0, inside);
    CHECK_INT(1, w.results);
    CHECK_INT(OK, w.err);
    CHECK(strcmp(w.sid, CA) == 0);
    CHECK(strcmp(w.method, "POST") == 0);
    CHECK(strcmp(w.target, "/2010-04-01/Accounts/" AC "/Calls/" CA ".json") == 0);
    CHECK(strcmp(w.body, "Status=completed") == 0);
    CHECK(strcmp(w.authorization, want) == 0);
}

TEST(a_call_is_given_new_instructions)
{
    struct world w;
    world_open(&w, 200, "{\"sid\":\"" CA "\"}", 500, "");
    enum err err = twilio_rest_redirect(
        w.rest, STR(CA), STR("<Response><Say>a&b+c\xc3\xb8</Say></Response>"), on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(OK, w.err);
    CHECK(strcmp(w.body, "Twiml=%3CResponse%3E%3CSay%3Ea%26b%2Bc%C3%B8%3C%2FSay%3E%3C%2FResponse"
                         "%3E") == 0);
}

TEST(a_call_is_placed_with_all_its_addresses)
{
    struct world w;
    world_open(&w, 201, "{\"sid\":\"" CA "\"}", 500, "");
    enum err err =
        twilio_rest_place_call(w.rest,
                               &(struct twilio_rest_call){.to = STR("+15055550100"),
                                                          .from = STR("+14155550100"),
                                                          .url = STR("https://h/api/twilio/voice"),
                                                          .status_callback = STR("https://h/s"),
                                                          .ring_timeout_s = 20},
                               on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(OK, w.err);
    CHECK_INT(201, w.status);
    CHECK(strcmp(w.sid, CA) == 0);
    CHECK(strcmp(w.target, "/2010-04-01/Accounts/" AC "/Calls.json") == 0);
    CHECK(strcmp(w.body,
                 "To=%2B15055550100&From=%2B14155550100&Url=https%3A%2F%2Fh%2Fapi%2Ftwilio%2Fvoice"
                 "&Timeout=20&StatusCallback=https%3A%2F%2Fh%2Fs&StatusCallbackEvent=initiated"
                 "&StatusCallbackEvent=ringing&StatusCallbackEvent=answered"
                 "&StatusCallbackEvent=completed") == 0);
}

TEST(the_account_and_its_number_are_looked_up)
{
    struct world w;
    world_open(&w, 200, "{\"sid\":\"" AC "\"}", 200,
               "{\"incoming_phone_numbers\":[{\"sid\":\"PN1\",\"voice_url\":\"https://h/\"}]}");
    enum err first = twilio_rest_account(w.rest, on_result, &w);
    loop_run(w.loop);
    bool account = strcmp(w.sid, AC) == 0 && strcmp(w.method, "GET") == 0 &&
                   strcmp(w.target, "/2010-04-01/Accounts/" AC ".json") == 0;
    enum err second = twilio_rest_number(w.rest, STR("+15055550100"), on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, first);
    CHECK_INT(OK, second);
    CHECK(account);
    CHECK_INT(OK, w.err);
    CHECK(strcmp(w.sid, "PN1") == 0);
    CHECK(strcmp(w.target, "/2010-04-01/Accounts/" AC
                           "/IncomingPhoneNumbers.json?PhoneNumber=%2B15055550100") == 0);

    world_open(&w, 200, "{\"incoming_phone_numbers\":[]}", 200, "");
    first = twilio_rest_number(w.rest, STR("+1"), on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, first);
    CHECK_INT(ERR_NOTFOUND, w.err);
}

TEST(refusals_are_explained_and_hold_no_secret)
{
    static const struct {
        unsigned status;
        const char *body;
        enum err err;
        int64_t code;
        const char *detail;
    } cases[] = {
        {401, "{\"code\":20003,\"message\":\"Authenticate\",\"status\":401}", ERR_DENIED, 20003,
         "Twilio answered 401, error 20003: Authenticate"},
        {404, "{\"code\":20404,\"message\":\"The requested resource was not found\"}", ERR_NOTFOUND,
         20404, "Twilio answered 404, error 20404: The requested resource was not found"},
        {400, "{\"code\":21220,\"message\":\"Call is not in-progress\"}", ERR_UPSTREAM, 21220,
         "Twilio answered 400, error 21220: Call is not in-progress"},
        {400, "<html>", ERR_UPSTREAM, 0, "Twilio answered 400"},
        {400, "{\"code\":1,\"message\":\"bad " TOKEN "\"}", ERR_UPSTREAM, 1,
         "Twilio answered 400, error 1: (withheld: it repeats the token)"},
        {200, "not json", ERR_UPSTREAM, 0, "Twilio's answer is no JSON"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        world_open(&w, cases[i].status, cases[i].body, 500, "");
        enum err err = twilio_rest_hang_up(w.rest, STR(CA), on_result, &w);
        loop_run(w.loop);
        world_close(&w);
        CHECK_INT(OK, err);
        CHECK_INT(1, w.requests);
        CHECK_INT(cases[i].err, w.err);
        CHECK_INT(cases[i].code, w.code);
        CHECK(strcmp(cases[i].detail, w.detail) == 0);
    }
}

TEST(failures_that_pass_are_tried_once_more)
{
    static const unsigned passing[] = {500, 503, 429};
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        world_open(&w, passing[i], "{}", 200, "{\"sid\":\"" CA "\"}");
        enum err err = twilio_rest_hang_up(w.rest, STR(CA), on_result, &w);
        loop_run(w.loop);
        world_close(&w);
        CHECK_INT(OK, err);
        CHECK_INT(2, w.requests);
        CHECK_INT(1, w.results);
        CHECK_INT(OK, w.err);
    }
    struct world w;
    world_open(&w, 503, "{}", 503, "{}");
    enum err err = twilio_rest_hang_up(w.rest, STR(CA), on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(2, w.requests);
    CHECK_INT(ERR_UPSTREAM, w.err);
    CHECK_INT(503, w.status);
}

TEST(a_call_is_never_placed_twice)
{
    struct twilio_rest_call call = {.to = STR("+1"), .from = STR("+2"), .url = STR("https://h")};
    struct world w;
    world_open(&w, 500, "{}", 201, "{\"sid\":\"" CA "\"}");
    enum err err = twilio_rest_place_call(w.rest, &call, on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(1, w.requests);
    CHECK_INT(ERR_UPSTREAM, w.err);

    world_open(&w, 429, "{\"code\":20429}", 201, "{\"sid\":\"" CA "\"}");
    err = twilio_rest_place_call(w.rest, &call, on_result, &w);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(2, w.requests); /* 429 means that nothing was done */
    CHECK_INT(OK, w.err);
}

TEST(closing_cancels_what_runs_and_what_waits)
{
    struct world w;
    world_open(&w, 500, "{}", 500, "{}");
    enum err first = twilio_rest_hang_up(w.rest, STR(CA), on_result, &w);
    enum err second = twilio_rest_account(w.rest, on_result, &w);
    world_close(&w); /* leaks or late calls would show in the sanitizer */
    CHECK_INT(OK, first);
    CHECK_INT(OK, second);
    CHECK_INT(0, w.results);
}

TEST(what_cannot_be_sent_is_refused)
{
    struct world w;
    world_open(&w, 200, "{}", 200, "{}");
    unsigned refused = 0;
    const char *const bad[] = {"", "CA1/../x", "CA1?x", "CA 1"};
    for (size_t i = 0; i < 4; i++)
        refused += twilio_rest_hang_up(w.rest, str_of(bad[i]), on_result, &w) == ERR_INVALID;
    refused += twilio_rest_place_call(w.rest, &(struct twilio_rest_call){.to = STR("+1")},
                                      on_result, &w) == ERR_INVALID;
    struct err_detail detail = {""};
    struct twilio_rest *none = NULL;
    refused += twilio_rest_open(&none,
                                &(struct twilio_rest_opts){.loop = w.loop,
                                                           .http = w.http,
                                                           .account_sid = STR("AC/1"),
                                                           .auth_token = STR(TOKEN)},
                                &detail) == ERR_INVALID;
    refused += twilio_rest_open(&none,
                                &(struct twilio_rest_opts){
                                    .loop = w.loop, .http = w.http, .account_sid = STR(AC)},
                                &detail) == ERR_INVALID;
    world_close(&w);
    CHECK_INT(7, refused);
    CHECK_INT(0, w.results);
}
