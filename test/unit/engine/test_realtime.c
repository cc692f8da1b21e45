/* The Realtime driver against a scripted provider on the same loop. */
#include "harness/test.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/realtime.h"
#include "net/http.h"

#define KEY "sk-test-0123456789abcdef"

enum mode { ACCEPT, REFUSE_401, REFUSE_503, CLOSE_3000, CLOSE_WITH_KEY, ABORT, SEND_BINARY };

struct world {
    struct loop *loop;
    struct loop_timer *guard;
    struct http_router *router;
    struct http_server *server;
    uint16_t port;
    bool late;

    /* the provider */
    enum mode mode;
    struct ws *peer;
    bool peer_closed;
    unsigned peer_code;
    char target[256];
    char authorization[128];
    char beta[64];
    struct buf heard; /* texts received, one a line */
    const char *greeting;

    /* the engine */
    struct engine_driver driver;
    struct engine *engine;
    struct buf seen; /* "open", "event <text>", "closed <err> <reason>" lines */
    int closed;
    enum err why;
    char reason[256];
    void (*on_open)(struct world *w);
    void (*on_event)(struct world *w, struct str text);
};

static void finish_if_over(struct world *w)
{
    if (w->closed && (!w->peer || w->peer_closed))
        loop_stop(w->loop);
}

/* -- provider -- */

static void peer_text(void *ctx, struct str text)
{
    struct world *w = ctx;
    buf_put_str(&w->heard, str_slice(text, 0, 200));
    buf_put_byte(&w->heard, '\n');
    if (str_eq(text, STR("{\"type\":\"ping\"}")))
        (void)!ws_send_text(w->peer, STR("{\"type\":\"pong\"}"), WS_CONTROL);
}

static void peer_closed(void *ctx, unsigned code, struct str reason)
{
    struct world *w = ctx;
    (void)reason;
    w->peer_closed = true;
    w->peer_code = code;
    finish_if_over(w);
}

static void peer_speak(void *ctx)
{
    struct world *w = ctx;
    if (w->peer_closed)
        return;
    switch (w->mode) {
    case CLOSE_3000:
        ws_close(w->peer, 3000, STR("invalid_request_error.invalid_api_key"));
        break;
    case CLOSE_WITH_KEY:
        ws_close(w->peer, 4000, STR("no such key " KEY));
        break;
    case ABORT:
        ws_abort(w->peer);
        break;
    case SEND_BINARY:
        (void)!ws_send_binary(w->peer, STR("\1\2"));
        (void)!ws_send_text(w->peer, STR("{\"type\":\"after\"}"), WS_CONTROL);
        break;
    case ACCEPT:
    case REFUSE_401:
    case REFUSE_503:
        if (w->greeting)
            (void)!ws_send_text(w->peer, str_of(w->greeting), WS_CONTROL);
        break;
    }
}

static void provider(void *ctx, struct http_exchange *ex)
{
    static const struct ws_events events = {.on_text = peer_text, .on_closed = peer_closed};
    struct world *w = ctx;
    str_copy(w->target, sizeof(w->target), http_target(ex));
    str_copy(w->authorization, sizeof(w->authorization), http_header(ex, "authorization"));
    str_copy(w->beta, sizeof(w->beta), http_header(ex, "openai-beta"));
    if (w->mode == REFUSE_401 || w->mode == REFUSE_503) {
        http_reply_problem(ex, w->mode == REFUSE_401 ? 401 : 503, "No", "not you");
        return;
    }
    static const struct ws_opts opts = {.message_max = 4 << 20};
    if (http_upgrade(ex, &opts, NULL, &events, w, &w->peer))
        w->peer = NULL;
    else
        loop_defer(w->loop, peer_speak, w);
}

/* -- engine -- */

static void engine_open(void *ctx)
{
    struct world *w = ctx;
    buf_put_str(&w->seen, STR("open\n"));
    if (w->on_open)
        w->on_open(w);
}

static void engine_event(void *ctx, struct str json)
{
    struct world *w = ctx;
    buf_printf(&w->seen, "event %.*s\n", STR_FMT(json));
    if (w->on_event)
        w->on_event(w, json);
}

static void engine_closed(void *ctx, enum err why, struct str reason)
{
    struct world *w = ctx;
    buf_put_str(&w->seen, STR("closed\n"));
    w->closed++;
    w->why = why;
    str_copy(w->reason, sizeof(w->reason), reason);
    finish_if_over(w);
}

static const struct engine_events events = {
    .on_open = engine_open, .on_event = engine_event, .on_closed = engine_closed};

static void guard_fired(void *ctx)
{
    struct world *w = ctx;
    w->late = true;
    loop_stop(w->loop);
}

static void world_open(struct world *w, enum mode mode)
{
    *w = (struct world){.mode = mode};
    log_set_level(LOG_LEVEL_OFF);
    buf_init(&w->heard, 1 << 20);
    buf_init(&w->seen, 1 << 20);
    if (loop_open(&w->loop, 0))
        return;
    w->guard = loop_timer_new(w->loop, guard_fired, w);
    loop_timer_set(w->guard, 10000);
    w->router = http_router_new();
    http_router_add(w->router, "GET", "/v1/realtime", &(struct http_route_opts){.websocket = true},
                    provider, w);
    struct err_detail detail;
    if (!http_server_open(&w->server, w->loop,
                          &(struct http_server_opts){.host = "127.0.0.1", .router = w->router},
                          &detail))
        w->port = http_server_port(w->server);
}

static enum err connect_with(struct world *w, const char *path, enum realtime_shape shape)
{
    char url[128];
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u%s", w->port, path);
    struct err_detail detail;
    enum err err = realtime_driver_open(&(struct realtime_opts){.url = str_of(url),
                                                                .model = STR("gpt-realtime"),
                                                                .api_key = STR(KEY "\n"),
                                                                .shape = shape},
                                        &w->driver, &detail);
    if (err)
        return err;
    return w->driver.open(w->driver.driver, &(struct engine_opts){.loop = w->loop, .call_id = "c1"},
                          &events, w, &w->engine, &detail);
}

static void server_gone(void *ctx)
{
    loop_stop(ctx);
}

static void world_close(struct world *w)
{
    if (w->server) {
        http_server_close(w->server, server_gone, w->loop);
        loop_run(w->loop);
    }
    loop_timer_free(w->guard);
    if (w->driver.driver)
        realtime_driver_close(&w->driver);
    http_router_free(w->router);
    loop_close(w->loop);
    buf_fini(&w->heard);
    buf_fini(&w->seen);
}

static void say_ping(struct world *w)
{
    (void)!engine_send(w->engine, STR("{\"type\":\"ping\"}"), ENGINE_CONTROL);
}

static void close_on_event(struct world *w, struct str text)
{
    (void)text;
    engine_close(w->engine);
    engine_close(w->engine);
    if (engine_send(w->engine, STR("{}"), ENGINE_CONTROL) != ERR_CLOSED)
        w->late = true;
}

TEST(events_pass_both_ways_and_the_key_and_model_are_sent)
{
    struct world w;
    world_open(&w, ACCEPT);
    w.on_open = say_ping;
    w.on_event = close_on_event;
    enum err err = connect_with(&w, "/v1/realtime", REALTIME_GA);
    enum err early = engine_send(w.engine, STR("{}"), ENGINE_CONTROL);
    loop_run(w.loop);
    struct str seen = buf_str(&w.seen);
    bool order = str_eq(seen, STR("open\nevent {\"type\":\"pong\"}\nclosed\n"));
    bool heard = str_eq(buf_str(&w.heard), STR("{\"type\":\"ping\"}\n"));
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(ERR_AGAIN, early);
    CHECK(!w.late);
    CHECK(order);
    CHECK(heard);
    CHECK_INT(1, w.closed);
    CHECK_INT(OK, w.why);
    CHECK_INT(WS_CODE_NORMAL, w.peer_code);
    CHECK(strcmp(w.target, "/v1/realtime?model=gpt-realtime") == 0);
    CHECK(strcmp(w.authorization, "Bearer " KEY) == 0);
    CHECK(strcmp(w.beta, "") == 0);
}

TEST(a_url_that_names_the_model_is_left_alone)
{
    struct world w;
    world_open(&w, CLOSE_3000);
    enum err err = connect_with(&w, "/v1/realtime?x=1&model=own", REALTIME_GA);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK(strcmp(w.target, "/v1/realtime?x=1&model=own") == 0);
}

static void run_to_close(struct world *w, enum mode mode, const char *path)
{
    world_open(w, mode);
    if (connect_with(w, path, REALTIME_GA) == OK)
        loop_run(w->loop);
    world_close(w);
}

TEST(refusals_and_closes_become_sentences)
{
    static const struct {
        enum mode mode;
        enum err why;
        const char *reason;
    } cases[] = {
        {REFUSE_401, ERR_DENIED, "provider refused: HTTP 401"},
        {REFUSE_503, ERR_UPSTREAM, "provider refused: HTTP 503"},
        {CLOSE_3000, ERR_DENIED, "closed 3000 invalid_request_error.invalid_api_key"},
        {CLOSE_WITH_KEY, ERR_UPSTREAM, "closed 4000 (withheld: it repeats the key)"},
        {ABORT, ERR_UPSTREAM, "connection lost"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        run_to_close(&w, cases[i].mode, "/v1/realtime");
        CHECK(!w.late);
        CHECK_INT(1, w.closed);
        CHECK_INT(cases[i].why, w.why);
        if (strncmp(w.reason, cases[i].reason, strlen(cases[i].reason)) != 0)
            fprintf(stderr, "got \"%s\"\n", w.reason);
        CHECK(strncmp(w.reason, cases[i].reason, strlen(cases[i].reason)) == 0);
        CHECK(!strstr(w.reason, KEY));
    }
}

TEST(a_provider_that_is_not_there_is_reported_once)
{
    struct world w;
    world_open(&w, ACCEPT);
    http_server_close(w.server, server_gone, w.loop);
    loop_run(w.loop);
    w.server = NULL; /* its port is closed now */
    enum err err = connect_with(&w, "/v1/realtime", REALTIME_GA);
    loop_run(w.loop);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK(!w.late);
    CHECK_INT(1, w.closed);
    CHECK_INT(ERR_UPSTREAM, w.why);
    CHECK(strncmp(w.reason, "provider not reached: ", 22) == 0);
}

TEST(closing_while_connecting_opens_nothing)
{
    struct world w;
    world_open(&w, ACCEPT);
    enum err err = connect_with(&w, "/v1/realtime", REALTIME_GA);
    engine_close(w.engine);
    int inside = w.closed;
    loop_run(w.loop);
    bool only_closed = str_eq(buf_str(&w.seen), STR("closed\n"));
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK_INT(0, inside);
    CHECK(only_closed);
    CHECK_INT(OK, w.why);
}

TEST(binary_messages_are_ignored)
{
    struct world w;
    world_open(&w, SEND_BINARY);
    w.on_event = close_on_event;
    enum err err = connect_with(&w, "/v1/realtime", REALTIME_GA);
    loop_run(w.loop);
    bool seen = str_eq(buf_str(&w.seen), STR("open\nevent {\"type\":\"after\"}\nclosed\n"));
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK(!w.late);
    CHECK(seen);
}

/* Nobody reads while this runs, so the kernel's buffers fill and then our queue. */
static void flood(struct world *w)
{
    char *big = mem_alloc(60000);
    memset(big, 'a', 60000);
    enum err err = OK;
    for (int i = 0; i < 2000 && err == OK; i++)
        err = engine_send(w->engine, str_n(big, 60000), ENGINE_AUDIO);
    mem_free(big);
    buf_printf(&w->seen, "%s\n", err_name(err));
    say_ping(w);
}

TEST(audio_is_refused_when_too_much_waits_and_control_is_not)
{
    struct world w;
    world_open(&w, ACCEPT);
    w.on_open = flood;
    w.on_event = close_on_event;
    enum err err = connect_with(&w, "/v1/realtime", REALTIME_GA);
    loop_run(w.loop);
    bool seen = str_eq(buf_str(&w.seen), STR("open\nlimit\nevent {\"type\":\"pong\"}\nclosed\n"));
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK(!w.late);
    CHECK(seen);
}

#define BETA_CREATED                                                                               \
    "{\"type\":\"session.created\",\"session\":{\"id\":\"s\",\"modalities\":[\"audio\",\"text\"]," \
    "\"input_audio_format\":\"g711_ulaw\"}}"
#define GA_CREATED "{\"type\":\"session.created\",\"session\":{\"type\":\"realtime\",\"id\":\"s\"}}"

static void update_session(struct world *w)
{
    (void)!engine_send(w->engine,
                       STR("{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\","
                           "\"audio\":{\"output\":{\"voice\":\"marin\"}}}}"),
                       ENGINE_CONTROL);
    say_ping(w);
}

static void close_on_pong(struct world *w, struct str text)
{
    if (str_find(text, STR("pong"), 0) != SIZE_MAX)
        engine_close(w->engine);
}

TEST(the_beta_shape_is_translated_at_the_edge)
{
    static const struct {
        enum realtime_shape shape;
        const char *greeting;
        bool beta, asked;
    } cases[] = {{REALTIME_GA, GA_CREATED, false, false},
                 {REALTIME_AUTO, GA_CREATED, false, false},
                 {REALTIME_AUTO, BETA_CREATED, true, false},
                 {REALTIME_BETA, BETA_CREATED, true, true},
                 {REALTIME_AUTO, NULL, false, false}}; /* says nothing until it is spoken to */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        world_open(&w, ACCEPT);
        w.greeting = cases[i].greeting;
        w.on_open = update_session;
        w.on_event = close_on_pong;
        enum err err = connect_with(&w, "/v1/realtime", cases[i].shape);
        loop_run(w.loop);
        bool flat = str_find(buf_str(&w.heard), STR("\"audio\":{\"output\""), 0) == SIZE_MAX;
        bool voice = str_find(buf_str(&w.heard), STR("\"voice\":\"marin\""), 0) != SIZE_MAX;
        bool nested = cases[i].greeting == NULL ||
                      str_find(buf_str(&w.seen), STR("\"modalities\""), 0) == SIZE_MAX;
        bool order = str_starts(buf_str(&w.seen), STR("open\n"));
        world_close(&w);
        CHECK_INT(OK, err);
        CHECK(!w.late);
        CHECK_INT(cases[i].asked, strcmp(w.beta, "realtime=v1") == 0);
        CHECK_INT(cases[i].beta, flat);
        CHECK(voice);
        CHECK(nested);
        CHECK(order);
    }
}

static void close_on_first(struct world *w, struct str text)
{
    (void)text;
    engine_close(w->engine);
}

/* One beta message may stand for two events; the second must not follow a close. */
TEST(closing_inside_a_translated_event_ends_delivery)
{
    struct world w;
    world_open(&w, ACCEPT);
    w.greeting = "{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"i\",\"type\":"
                 "\"message\",\"role\":\"user\",\"status\":\"completed\",\"content\":[]}}";
    w.on_event = close_on_first;
    enum err err = connect_with(&w, "/v1/realtime", REALTIME_BETA);
    loop_run(w.loop);
    size_t first = str_find(buf_str(&w.seen), STR("event "), 0);
    size_t second = str_find(buf_str(&w.seen), STR("event "), first + 1);
    world_close(&w);
    CHECK_INT(OK, err);
    CHECK(!w.late);
    CHECK(first != SIZE_MAX);
    CHECK(second == SIZE_MAX);
}

TEST(what_cannot_be_used_is_refused_with_a_sentence)
{
    static const struct {
        const char *url, *key;
    } bad[] = {{"http://127.0.0.1/v1", ""}, {"wss://127.0.0.1/v1", ""}, {"ftp://x", ""},
               {"ws://user:pw@host/", ""},  {"ws://127.0.0.1/", "a b"}, {"ws://h/", "a\r\nX: y"},
               {"ws://h/", "key\xc3\xb8"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct engine_driver driver;
        struct err_detail detail = {""};
        enum err err = realtime_driver_open(
            &(struct realtime_opts){.url = str_of(bad[i].url), .api_key = str_of(bad[i].key)},
            &driver, &detail);
        CHECK_INT(ERR_INVALID, err);
        CHECK(detail.text[0] != '\0');
    }
}
