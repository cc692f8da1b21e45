/* The doctor against a provider, a Twilio and a server of our own that another thread runs. */
#include "harness/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "app/provider.h"
#include "app_capture.h"
#include "net/http.h"

static struct world {
    struct loop *loop;
    struct http_router *router;
    struct http_server *http;
    struct provider *provider;
    char base[64], provider_url[96], data[32];
    const char *voice_url;
    const char *account_status;
    int closing;
} w;

static void on_health(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    http_reply(ex, 200, "application/json", STR("{\"status\":\"ok\"}"));
}

static void on_account(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    char body[512];
    if (!http_header(ex, "Authorization").p) {
        http_reply_problem(ex, 401, "no", "no");
        return;
    }
    if (str_find(http_target(ex), STR("IncomingPhoneNumbers"), 0) != SIZE_MAX)
        snprintf(body, sizeof(body),
                 "{\"incoming_phone_numbers\":[{\"phone_number\":\"+15055550100\",\"voice_url\":"
                 "\"%s\"}]}",
                 w.voice_url);
    else
        snprintf(body, sizeof(body), "{\"status\":\"%s\"}", w.account_status);
    http_reply(ex, 200, "application/json", str_of(body));
}

static void *run_world(void *arg)
{
    (void)arg;
    loop_run(w.loop);
    return NULL;
}

static void on_gone(void *ctx)
{
    (void)ctx;
    if (--w.closing == 0)
        loop_stop(w.loop);
}

static void end_world(void *ctx)
{
    (void)ctx;
    w.closing = 2;
    provider_close(w.provider, on_gone, NULL);
    http_server_close(w.http, on_gone, NULL);
}

static pthread_t thread;

static bool open_world(enum provider_fault fault)
{
    struct err_detail why;
    w = (struct world){.voice_url = "", .account_status = "active"};
    if (loop_open(&w.loop, 0) != OK)
        return false;
    struct provider_opts p = {.key = "sk-right", .voice = "tone", .fault = fault};
    w.router = http_router_new();
    struct http_route_opts below = {.prefix = true};
    http_router_add(w.router, "GET", "/api/health", NULL, on_health, NULL);
    http_router_add(w.router, "GET", "/2010-04-01", &below, on_account, NULL);
    struct http_server_opts o = {.host = "127.0.0.1", .router = w.router};
    snprintf(w.data, sizeof(w.data), "/tmp/callee-doctor-XXXXXX");
    if (provider_open(&w.provider, w.loop, &p, &why) != OK ||
        http_server_open(&w.http, w.loop, &o, &why) != OK || !mkdtemp(w.data))
        return false;
    snprintf(w.base, sizeof(w.base), "http://127.0.0.1:%u", http_server_port(w.http));
    snprintf(w.provider_url, sizeof(w.provider_url), "ws://127.0.0.1:%u/v1/realtime",
             provider_port(w.provider));
    return pthread_create(&thread, NULL, run_world, NULL) == 0;
}

static void close_world(void)
{
    enum err err = loop_post(w.loop, end_world, NULL);
    (void)err;
    pthread_join(thread, NULL);
    loop_close(w.loop);
    http_router_free(w.router);
    rmdir(w.data);
}

static struct capture c;

static void examine(const char *key, const char *number)
{
    CAPTURE(&c, "doctor", "--data", w.data, "--provider-url", w.provider_url, "--openai-api-key",
            key, "--public-url", w.base, "--twilio-api-url", w.base, "--twilio-account-sid",
            "AC00000000000000000000000000000000", "--twilio-auth-token", "secret-token", "--number",
            number);
}

static bool has(const char *text)
{
    if (strstr(c.out, text))
        return true;
    fprintf(stderr, "no \"%s\" in:\n%s%s", text, c.out, c.err);
    return false;
}

TEST(a_good_set_up_is_told_to_be_good)
{
    char voice_url[96];
    CHECK(open_world(PROVIDER_FAULT_NONE));
    snprintf(voice_url, sizeof(voice_url), "%s/api/twilio/voice", w.base);
    w.voice_url = voice_url;
    examine("sk-right", "+15055550100");
    close_world();
    CHECK(has("ok    data"));
    CHECK(has("ok    voice"));
    CHECK(has("reaches a callee"));
    CHECK(has("ok    provider     the key may use gpt-realtime"));
    CHECK(has("ok    session      opened, and telephone audio (audio/pcmu) accepted"));
    CHECK(has("ok    twilio"));
    CHECK(has("ok    number       +15055550100 rings here"));
    /* A loopback world has no https; nothing else may fail. */
    CHECK(has("is not https"));
    CHECK(has("\n1 failed"));
    CHECK_INT(1, c.code);
    CHECK(strstr(c.out, "sk-right") == NULL && strstr(c.out, "secret-token") == NULL);
}

TEST(what_is_wrong_is_told_with_what_to_do)
{
    CHECK(open_world(PROVIDER_FAULT_NONE));
    w.voice_url = "https://elsewhere.example/voice";
    w.account_status = "suspended";
    examine("sk-wrong", "+15055550100");
    close_world();
    CHECK(has("fail  provider     the key was refused (HTTP 401)"));
    CHECK(has("set OPENAI_API_KEY"));
    CHECK(has("fail  twilio       the account is suspended"));
    CHECK(has("rings at \"https://elsewhere.example/voice\", not at"));
    CHECK(strstr(c.out, "sk-wrong") == NULL);
    CHECK_INT(1, c.code);
}

TEST(a_provider_that_refuses_sessions_is_found_out)
{
    CHECK(open_world(PROVIDER_FAULT_REFUSE));
    examine("sk-right", "not a number");
    close_world();
    CHECK(has("ok    provider"));
    CHECK(has("fail  session      closed (1006) HTTP 401"));
    CHECK(has("fail  number"));
}
