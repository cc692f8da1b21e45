/* test_ws.c - open WebSocket connections over real sockets: two ends in one loop, and a raw client
 * that says what a WebSocket of ours never would. */
#include "harness/test.h"

#include "ws_env.h"

TEST(both_ends_talk_and_close)
{
    struct env *e = env_new();
    e->server.echo = true;
    CHECK_INT(OK, connect_open(e, NULL));
    CHECK(e->client.open && e->server.open && !e->late);
    CHECK(strcmp(ws_peer(e->server.ws), "127.0.0.1") == 0);
    CHECK(ws_loop(e->client.ws) == e->loop);
    CHECK_INT(OK, ws_send_text(e->client.ws, STR("caf\xc3\xa9"), WS_AUDIO));
    CHECK_INT(OK, ws_send_binary(e->client.ws, STR("\x00\xff")));
    CHECK_INT(OK, ws_send_text(e->client.ws, STR_NONE, WS_CONTROL));
    run_until_got(e, &e->client, 17);
    ws_close(e->client.ws, 1000, STR("bye"));
    ws_close(e->client.ws, 1001, STR("again")); /* idempotent */
    CHECK_INT(ERR_CLOSED, ws_send_text(e->client.ws, STR("x"), WS_CONTROL));
    run(e, 2);
    CHECK(!e->late);
    CHECK_GOT("hello|caf\xc3\xa9|#\x00\xff||", &e->server.got);
    CHECK_CLOSED(e->server, 1000, "bye");
    CHECK_CLOSED(e->client, 1000, "");
    env_free(e);
}

TEST(sizes_around_the_length_forms_survive_the_way_and_back)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 1 << 20};
    struct env *e = env_new();
    struct ws_opts wide = {.message_max = 1 << 20, .control_out_max = 8 << 20};
    e->server_opts = wide;
    e->server.echo = true;
    CHECK_INT(OK, connect_open(e, &wide));
    struct buf want;
    buf_init(&want, 8 << 20);
    buf_put_str(&want, STR("hello|"));
    char *text = malloc(1 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        text[i] = (char)('a' + i % 26);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK_INT(OK, ws_send_text(e->client.ws, str_n(text, sizes[i]), WS_CONTROL));
        buf_put(&want, text, sizes[i]);
        buf_put_byte(&want, '|');
    }
    free(text);
    run_until_got(e, &e->client, want.len);
    ws_close(e->client.ws, 1000, STR_NONE);
    run(e, 2);
    CHECK(!e->late);
    CHECK(str_eq(buf_str(&want), buf_str(&e->server.got)));
    CHECK(str_eq(buf_str(&want), buf_str(&e->client.got)));
    buf_fini(&want);
    env_free(e);
}

TEST(either_end_may_go_from_inside_its_own_callback)
{
    struct env *e = env_new();
    e->server.close_at_text = true;
    CHECK_INT(OK, connect_open(e, NULL));
    run(e, 2);
    CHECK(!e->late);
    CHECK_CLOSED(e->client, 1000, "enough");
    CHECK_CLOSED(e->server, 1000, "");
    env_free(e);

    e = env_new();
    e->server.abort_at_text = true;
    CHECK_INT(OK, connect_open(e, NULL));
    run(e, 2);
    CHECK(!e->late);
    CHECK_CLOSED(e->client, 1006, "connection lost: closed by the peer");
    CHECK_CLOSED(e->server, 1006, "aborted");
    env_free(e);
}

TEST(codes_that_must_not_be_sent_are_not)
{
    struct env *e = env_new();
    CHECK_INT(OK, connect_open(e, NULL));
    ws_close(e->client.ws, 1006, STR("\xff"));
    run(e, 2);
    CHECK_CLOSED(e->server, 1011, "");
    env_free(e);
}

/* -- a raw client against our server -- */

TEST(early_frames_are_answered_after_the_upgrade)
{
    struct env *e = env_new();
    e->server.echo = true;
    CHECK_INT(OK, connect_raw(e, STR(REQUEST "\x01\x82" MASK0 "he\x89\x81" MASK0 "p"
                                             "\x80\x83" MASK0 "llo\x88\x82" MASK0 "\x0f\xa1")));
    run(e, 2);
    CHECK(!e->late);
    CHECK_GOT("hello|", &e->server.got);
    CHECK_CLOSED(e->server, 4001, "");
    CHECK_GOT(ANSWER "\x8a\x01p\x81\x05hello\x88\x02\x0f\xa1", &e->raw_got);
    env_free(e);
}

static void check_fault(struct str frames, unsigned code, const char *reason)
{
    struct env *e = env_new();
    struct buf says;
    buf_init(&says, 4096);
    buf_put_str(&says, STR(REQUEST));
    buf_put_str(&says, frames);
    e->server_opts.message_max = 100;
    CHECK_INT(OK, connect_raw(e, buf_str(&says)));
    run(e, 2);
    CHECK(!e->late);
    CHECK_CLOSED(e->server, code, reason);
    struct str got = buf_str(&e->raw_got);
    struct str sent = str_slice(got, sizeof(ANSWER) - 1, got.len);
    CHECK_INT(4 + strlen(reason), sent.len);
    CHECK_INT(0x88, (uint8_t)sent.p[0]);
    CHECK_INT(code, (uint8_t)sent.p[2] << 8 | (uint8_t)sent.p[3]);
    buf_fini(&says);
    env_free(e);
}

TEST(faults_of_the_peer_close_with_their_code)
{
    check_fault(STR("\x81\x05hello"), 1002, "frame not masked");
    check_fault(STR("\xc1\x80" MASK0), 1002, "reserved bits set");
    check_fault(STR("\x81\x82" MASK0 "\xc0\xaf"), 1007, "text is not UTF-8");
    check_fault(STR("\x81\xfe\x00\x80" MASK0), 1009, "message too large");
    /* What follows a fault is not looked at, however much it is. */
    check_fault(STR("\x81\x05hello\x81\x81" MASK0 "x\x88\x82" MASK0 "\x03\xe8"), 1002,
                "frame not masked");
}

TEST(a_peer_that_vanishes_is_1006)
{
    struct env *e = env_new();
    CHECK_INT(OK, connect_raw(e, STR(REQUEST "\x81\x81" MASK0 "x")));
    run_until_got(e, &e->server, 1);
    conn_close(e->raw);
    run(e, 2);
    CHECK(!e->late);
    CHECK_CLOSED(e->server, 1006, "connection lost: closed by the peer");
    env_free(e);
}

TEST(a_peer_that_ignores_our_close_is_dropped)
{
    struct env *e = env_new();
    e->server_opts.close_timeout_ms = 30;
    CHECK_INT(OK, connect_raw(e, STR(REQUEST "\x81\x81" MASK0 "x")));
    run_until_got(e, &e->server, 1);
    ws_close(e->server.ws, 1001, STR_NONE);
    run(e, 2);
    CHECK(!e->late);
    CHECK_CLOSED(e->server, 1006, "the close handshake timed out");
    CHECK_GOT(ANSWER "\x88\x02\x03\xe9", &e->raw_got);
    env_free(e);
}

TEST(pings_find_a_dead_peer_and_spare_a_live_one)
{
    struct env *e = env_new();
    e->server_opts.ping_interval_ms = 20;
    e->server_opts.pong_timeout_ms = 20;
    CHECK_INT(OK, connect_raw(e, STR(REQUEST "\x81\x81" MASK0 "x")));
    run(e, 2);
    CHECK(!e->late);
    CHECK_GOT(ANSWER "\x89\x00", &e->raw_got);
    CHECK_CLOSED(e->server, 1006, "the peer does not answer pings");
    env_free(e);

    e = env_new();
    e->server_opts.ping_interval_ms = 10;
    e->server_opts.pong_timeout_ms = 250;
    CHECK_INT(OK, connect_open(e, NULL));
    struct loop_timer *later = loop_timer_new(e->loop, on_watchdog, e);
    loop_timer_set(later, 400); /* longer than a ping may stay unanswered */
    run(e, INT_MAX);
    CHECK(e->late && !e->server.closed && !e->client.closed);
    loop_timer_free(later);
    ws_close(e->client.ws, 1000, STR_NONE);
    run(e, 2);
    CHECK_CLOSED(e->server, 1000, "");
    env_free(e);
}

/* -- output classes -- */

TEST(late_audio_is_dropped_and_counted_but_control_never)
{
    struct env *e = env_new();
    e->server_opts =
        (struct ws_opts){.audio_out_max = 10000, .control_out_max = 100000, .close_timeout_ms = 30};
    CHECK_INT(OK, connect_raw(e, STR(REQUEST "\x81\x81" MASK0 "x")));
    run_until_got(e, &e->server, 1);
    conn_pause_reading(e->raw, true);
    char text[1000];
    memset(text, 'a', sizeof(text));
    struct str audio = str_n(text, sizeof(text));
    size_t sent = 0;
    while (ws_send_text(e->server.ws, audio, WS_AUDIO) == OK && sent < 100000)
        sent++;
    CHECK(sent > 0 && sent < 100000);
    CHECK_INT(1, ws_audio_dropped(e->server.ws));
    CHECK_INT(ERR_LIMIT, ws_send_text(e->server.ws, audio, WS_AUDIO));
    CHECK_INT(2, ws_audio_dropped(e->server.ws));
    size_t queued = ws_queued(e->server.ws);
    CHECK(queued > 10000 && queued <= 11004);

    size_t control = 0;
    while (ws_send_text(e->server.ws, audio, WS_CONTROL) == OK && control < 1000)
        control++;
    CHECK_INT((100000 - queued) / 1004, control); /* all of its room, not one more */
    CHECK_INT(2, ws_audio_dropped(e->server.ws));
    CHECK_INT(ERR_CLOSED, ws_send_text(e->server.ws, audio, WS_CONTROL));
    conn_pause_reading(e->raw, false);
    run(e, 2);
    CHECK(!e->late);
    CHECK_CLOSED(e->server, 1008, "output queue full");
    struct str got = buf_str(&e->raw_got);
    CHECK_INT(sizeof(ANSWER) - 1 + 1004 * (sent + control) + 4 + 17, got.len);
    env_free(e);
}
