/* A Media Stream from the upgrade to its end, as Twilio speaks it and as it should not be spoken.
 */
#include "harness/test.h"

#include "base/rng.h"
#include "twilio_world.h"

#define TOLD_START "stream [t1] CA2\n"

static void run(struct world *w, const char *const *script)
{
    stream(w, STREAM_PATH, STREAM_URL, script);
}

static void speak(struct world *w)
{
    bool sent = channel_send_audio(w->ch, STR("AAEC")) == OK && channel_send_mark(w->ch, 7) == OK &&
                channel_clear(w->ch) == OK;
    if (!sent)
        w->late = true;
}

TEST(a_whole_stream)
{
    static const char *const script[] = {CONNECTED,
                                         START,
                                         MEDIA("2", "5", "AAECAwQ="),
                                         MARK("3", "m7"),
                                         MARK("4", "greeting"),
                                         MARK("5", "m99999999999"),
                                         "{\"event\":\"news\",\"sequenceNumber\":\"6\","
                                         "\"streamSid\":\"MZ1\"}",
                                         DTMF("7", "#"),
                                         MEDIA("10", "45", "AAEC"),
                                         STOP("11"),
                                         MEDIA("12", "65", "AAEC"),
                                         NULL};
    struct world w;
    world_open(&w, NULL);
    w.on_stream = speak;
    run(&w, script);
    bool told = str_eq(buf_str(&w.told), STR(TOLD_START "audio AAECAwQ= 5 5\nmark 7\ndtmf #\n"
                                                        "audio AAEC 3 45\nclosed stop\n"));
    if (!told)
        fprintf(stderr, "%s", buf_cstr(&w.told));
    bool heard =
        str_eq(buf_str(&w.heard),
               STR("{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"AAEC\"}}\n"
                   "{\"event\":\"mark\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":\"m7\"}}\n"
                   "{\"event\":\"clear\",\"streamSid\":\"MZ1\"}\n"));
    if (!heard)
        fprintf(stderr, "%s", buf_cstr(&w.heard));
    struct channel_counters c = counters(&w);
    world_close(&w);
    CHECK(!w.late);
    CHECK(told);
    CHECK(heard);
    CHECK_INT(1000, w.code);
    CHECK_INT(1, c.streams);
    CHECK_INT(0, c.bad_messages);
    CHECK_INT(2, c.sequence_gaps);
    CHECK_INT(0, c.refused);
}

TEST(the_upgrade_must_be_signed_for_the_wss_url)
{
    static const struct {
        const char *signed_url;
        const char *reason; /* of the close: NULL = let in */
    } cases[] = {{STREAM_URL, NULL},
                 {STREAM_URL "/", NULL},
                 {PUBLIC STREAM_PATH, "HTTP 403"},
                 {"ws://127.0.0.1" STREAM_PATH, "HTTP 403"},
                 {NULL, "HTTP 403"}};
    static const char *const script[] = {CONNECTED, START, STOP("2"), NULL};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        world_open(&w, NULL);
        stream(&w, STREAM_PATH, cases[i].signed_url, script);
        bool in = str_eq(buf_str(&w.told), STR(TOLD_START "closed stop\n"));
        bool untold = w.told.len == 0;
        world_close(&w);
        CHECK(!w.late);
        if (cases[i].reason) {
            CHECK(untold);
            CHECK_INT(WS_CODE_ABNORMAL, w.code);
            CHECK(strncmp(w.reason, cases[i].reason, 8) == 0);
        } else {
            CHECK(in);
        }
    }
}

TEST(tokens_are_the_hosts_to_judge_and_must_be_there)
{
    static const char *const with[] = {CONNECTED, START, MEDIA("2", "0", "AAEC"), NULL};
    static const char *const without[] = {CONNECTED, START_WITH("{}"), MEDIA("2", "0", "AAEC"),
                                          NULL};
    struct world w;
    world_open(&w, NULL);
    w.stream_err = ERR_DENIED;
    run(&w, with);
    bool asked = str_eq(buf_str(&w.told), STR(TOLD_START));
    struct channel_counters c = counters(&w);
    world_close(&w);
    CHECK(!w.late);
    CHECK(asked);
    CHECK_INT(WS_CODE_POLICY, w.code);
    CHECK_INT(1, c.refused);

    world_open(&w, NULL);
    w.stream_err = ERR_IO;
    run(&w, with);
    world_close(&w);
    CHECK_INT(WS_CODE_INTERNAL, w.code);

    world_open(&w, NULL);
    run(&w, without);
    bool untold = w.told.len == 0;
    world_close(&w);
    CHECK(!w.late);
    CHECK(untold);
    CHECK_INT(WS_CODE_POLICY, w.code);

    world_open(&w, &(struct twilio_channel_opts){.insecure_streams = true});
    w.then_close = true;
    stream(&w, STREAM_PATH, NULL, without);
    bool taken = str_eq(buf_str(&w.told), STR("stream [] CA2\naudio AAEC 3 0\nclosed closed\n"));
    world_close(&w);
    CHECK(!w.late);
    CHECK(taken);
}

TEST(bad_messages_are_counted_and_end_the_stream_at_the_bound)
{
    static const char *const few[] = {"{",
                                      CONNECTED,
                                      "[]",
                                      START,
                                      "{\"event\":1}",
                                      "BINARY",
                                      CONNECTED,
                                      START,
                                      MEDIA("2", "0", ""),
                                      "null",
                                      "not json",
                                      MEDIA("3", "0", "AAEC"),
                                      STOP("4"),
                                      NULL};
    struct world w;
    world_open(&w, NULL);
    run(&w, few);
    bool told = str_eq(buf_str(&w.told), STR(TOLD_START "audio AAEC 3 0\nclosed stop\n"));
    struct channel_counters c = counters(&w);
    world_close(&w);
    CHECK(!w.late);
    CHECK(told);
    CHECK_INT(9, c.bad_messages);
    CHECK_INT(1000, w.code);

    static const char *const many[] = {CONNECTED,
                                       START,
                                       "1",
                                       "2",
                                       "3",
                                       "4",
                                       "5",
                                       "BINARY",
                                       "7",
                                       "8",
                                       "9",
                                       "10",
                                       MEDIA("2", "0", "AAEC"),
                                       NULL};
    world_open(&w, NULL);
    run(&w, many);
    told = str_eq(buf_str(&w.told), STR(TOLD_START "closed protocol: too many bad messages\n"));
    world_close(&w);
    CHECK(!w.late);
    CHECK(told);
    CHECK_INT(WS_CODE_INVALID_DATA, w.code);
}

TEST(an_oversized_message_closes_the_stream)
{
    char *big = mem_alloc(TWILIO_MESSAGE_BYTES_MAX + 2);
    memset(big, ' ', TWILIO_MESSAGE_BYTES_MAX + 1);
    big[TWILIO_MESSAGE_BYTES_MAX + 1] = '\0';
    const char *const script[] = {CONNECTED, START, big, NULL};
    struct world w;
    world_open(&w, NULL);
    run(&w, script);
    bool told = str_eq(buf_str(&w.told), STR(TOLD_START "closed protocol: WebSocket 1009\n"));
    world_close(&w);
    mem_free(big);
    CHECK(!w.late);
    CHECK(told);
    CHECK_INT(WS_CODE_TOO_BIG, w.code);
}

TEST(other_streams_and_tracks_are_not_ours)
{
    static const char *const script[] = {
        CONNECTED,
        START,
        "{\"event\":\"media\",\"sequenceNumber\":\"2\",\"media\":{\"track\":\"inbound\",\"chunk\":"
        "\"1\",\"timestamp\":\"0\",\"payload\":\"AAEC\"},\"streamSid\":\"MZ9\"}",
        "{\"event\":\"stop\",\"sequenceNumber\":\"3\",\"stop\":{\"accountSid\":\"AC0\",\"callSid\":"
        "\"CA2\"},\"streamSid\":\"MZ9\"}",
        "{\"event\":\"media\",\"sequenceNumber\":\"2\",\"media\":{\"track\":\"outbound\",\"chunk\":"
        "\"1\",\"timestamp\":\"0\",\"payload\":\"AAEC\"},\"streamSid\":\"MZ1\"}",
        STOP("3"),
        NULL};
    struct world w;
    world_open(&w, NULL);
    run(&w, script);
    bool told = str_eq(buf_str(&w.told), STR(TOLD_START "closed stop\n"));
    struct channel_counters c = counters(&w);
    world_close(&w);
    CHECK(!w.late);
    CHECK(told);
    CHECK_INT(2, c.other_streams);
    CHECK_INT(0, c.bad_messages);
    CHECK_INT(0, c.sequence_gaps);
}

TEST(a_stream_that_does_not_start_is_closed)
{
    static const char *const silent[] = {NULL};
    static const char *const half[] = {CONNECTED, NULL};
    const char *const *const scripts[] = {silent, half};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        world_open(&w, &(struct twilio_channel_opts){.public_url = STR(PUBLIC),
                                                     .auth_token = STR(TOKEN),
                                                     .start_timeout_ms = 50});
        run(&w, scripts[i]);
        bool untold = w.told.len == 0;
        world_close(&w);
        CHECK(!w.late);
        CHECK(untold);
        CHECK_INT(WS_CODE_POLICY, w.code);
    }
}

static void close_now(struct world *w)
{
    channel_close(w->ch);
    channel_close(w->ch);
    if (w->closed || channel_send_audio(w->ch, STR("AAEC")) != ERR_CLOSED ||
        channel_send_mark(w->ch, 1) != ERR_CLOSED || channel_clear(w->ch) != ERR_CLOSED)
        w->late = true;
}

TEST(the_host_may_close_from_inside_any_callback)
{
    static const char *const script[] = {
        CONNECTED, START, MEDIA("2", "0", "AAEC"), MEDIA("3", "20", "AAEC"), STOP("4"), NULL};
    struct world w;
    world_open(&w, NULL);
    w.on_stream = close_now;
    run(&w, script);
    bool first = str_eq(buf_str(&w.told), STR(TOLD_START "closed closed\n"));
    world_close(&w);
    CHECK(!w.late);
    CHECK(first);
    CHECK_INT(1000, w.code);

    world_open(&w, NULL);
    w.on_audio = close_now;
    run(&w, script);
    bool second = str_eq(buf_str(&w.told), STR(TOLD_START "audio AAEC 3 0\nclosed closed\n"));
    world_close(&w);
    CHECK(!w.late);
    CHECK(second);
}

/* Nobody reads while this runs, so the kernel's buffers fill and then our queue. */
static void flood(struct world *w)
{
    char *payload = mem_alloc(16000);
    memset(payload, '/', 16000);
    enum err err = OK;
    for (int i = 0; i < 4000 && err == OK; i++)
        err = channel_send_audio(w->ch, str_n(payload, 16000));
    mem_free(payload);
    buf_printf(&w->told, "%s\n", err_name(err));
    if (channel_clear(w->ch))
        w->late = true;
    w->on_audio = NULL;
}

static void close_on_clear(struct world *w, struct str text)
{
    if (str_find(text, STR("\"clear\""), 0) != SIZE_MAX)
        ws_close(w->ws, WS_CODE_NORMAL, STR_NONE);
}

TEST(audio_is_dropped_when_too_much_waits_and_clear_is_not)
{
    static const char *const script[] = {CONNECTED, START, MEDIA("2", "0", "AAEC"), NULL};
    struct world w;
    world_open(&w, NULL);
    buf_fini(&w.heard);
    buf_init(&w.heard, 64 << 20);
    w.on_audio = flood;
    w.on_text = close_on_clear;
    run(&w, script);
    bool told = str_eq(buf_str(&w.told), STR(TOLD_START "audio AAEC 3 0\nlimit\nclosed closed\n"));
    struct channel_counters c = counters(&w);
    world_close(&w);
    CHECK(!w.late);
    CHECK(told);
    CHECK_INT(1, c.audio_dropped);
}

/* Any order of messages: the host hears of the end exactly once if it was given the stream. */
TEST(any_order_of_messages_ends_cleanly)
{
    static const char *const pool[] = {
        CONNECTED, START,    MEDIA("2", "0", "AAEC"), MARK("3", "m1"),  DTMF("4", "1"), STOP("5"),
        "{",       "BINARY", "{\"event\":\"start\"}", MARK("6", "m-1"), CONNECTED,      START};
    struct rng rng;
    rng_init_seeded(&rng, 20261121);
    for (int round = 0; round < 150; round++) {
        const char *script[25];
        size_t len = rng_below(&rng, 24);
        for (size_t i = 0; i < len; i++)
            script[i] = pool[rng_below(&rng, sizeof(pool) / sizeof(pool[0]))];
        script[len] = NULL;
        struct world w;
        world_open(&w, NULL);
        w.then_close = true;
        if (rng_below(&rng, 4) == 0)
            w.on_audio = close_now;
        run(&w, script);
        struct str told = buf_str(&w.told);
        size_t first = str_find(told, STR("closed "), 0);
        size_t second = first == SIZE_MAX ? SIZE_MAX : str_find(told, STR("closed "), first + 7);
        bool taken = w.ch != NULL;
        world_close(&w);
        CHECK(!w.late);
        CHECK(taken == (first != SIZE_MAX));
        CHECK(second == SIZE_MAX || second == first + 7); /* "closed closed" is one line */
    }
}
