/* test_ws_frame.c - the frame codec and the text of the opening handshake, golden bytes. */
#include "harness/test.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "net/url.h"
#include "net/ws.h"
#include "net/ws_frame.h"
#include "net/ws_handshake.h"

/* Everything a decoder said about some bytes, as text: "T:Hello|P:|F1002|". */
static void decode(char *out, size_t out_size, bool masked, size_t max, const void *bytes,
                   size_t len, size_t step)
{
    struct ws_decoder d;
    size_t at = 0;
    ws_decoder_init(&d, masked, max);
    out[0] = '\0';
    for (size_t i = 0; i < len; i += step) {
        size_t n = len - i < step ? len - i : step;
        uint8_t *copy = mem_alloc(n); /* its own block, so that a read past it is seen */
        memcpy(copy, (const uint8_t *)bytes + i, n);
        uint8_t *p = copy;
        struct ws_item item;
        do {
            ws_decoder_next(&d, &p, &n, &item);
            static const char kinds[] = "-TBPQCF";
            if (item.kind == WS_ITEM_NONE)
                break;
            bool code = item.kind == WS_ITEM_CLOSE || item.kind == WS_ITEM_FAULT;
            int shown = item.payload.len > 40 ? 40 : (int)item.payload.len;
            at += (size_t)snprintf(out + at, out_size - at, "%c", kinds[item.kind]);
            if (code)
                at += (size_t)snprintf(out + at, out_size - at, "%u", item.code);
            if (item.kind != WS_ITEM_FAULT)
                at += (size_t)snprintf(out + at, out_size - at, ":%.*s", shown, item.payload.p);
            at += (size_t)snprintf(out + at, out_size - at, "|");
        } while (at < out_size);
        mem_free(copy);
    }
    ws_decoder_fini(&d);
}

/* The same answer whatever pieces the bytes come in. */
#define CHECK_DECODE(want, masked, max, bytes)                                             \
    do {                                                                                   \
        static const size_t steps_[] = {1, 2, 3, 5, 7, 1000};                              \
        char got_[512];                                                                    \
        for (size_t s_ = 0; s_ < sizeof(steps_) / sizeof(steps_[0]); s_++) {               \
            decode(got_, sizeof(got_), masked, max, bytes, sizeof(bytes) - 1, steps_[s_]); \
            if (strcmp(got_, want) != 0)                                                   \
                fprintf(stderr, "step %zu: want %s got %s\n", steps_[s_], want, got_);     \
            CHECK(strcmp(got_, want) == 0);                                                \
        }                                                                                  \
    } while (0)

TEST(examples_of_rfc_6455_section_5_7)
{
    CHECK_DECODE("T:Hello|", false, 100, "\x81\x05Hello");
    CHECK_DECODE("T:Hello|", true, 100, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    CHECK_DECODE("T:Hello|", false, 100, "\x01\x03Hel\x80\x02lo");
    CHECK_DECODE("P:Hello|", false, 100, "\x89\x05Hello");
    CHECK_DECODE("Q:Hello|", true, 100, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST(fragments_with_control_frames_between)
{
    CHECK_DECODE("P:x|Q:|T:abcde|B:z|", false, 100,
                 "\x01\x02"
                 "ab"
                 "\x89\x01x"
                 "\x00\x01"
                 "c"
                 "\x8a\x00"
                 "\x00\x00"
                 "\x80\x02"
                 "de"
                 "\x82\x01z");
    CHECK_DECODE("T:|T:a|B:|", false, 100,
                 "\x81\x00"
                 "\x01\x00"
                 "\x80\x01"
                 "a"
                 "\x02\x00"
                 "\x80\x00");
    CHECK_DECODE("C1000:bye|", false, 100,
                 "\x88\x05\x03\xe8"
                 "bye");
    CHECK_DECODE("C1005:|", false, 100, "\x88\x00");
}

TEST(protocol_faults)
{
    CHECK_DECODE("F1002|", false, 100, "\xc1\x00");                 /* RSV1 */
    CHECK_DECODE("F1002|", false, 100, "\x91\x00\x81\x00");         /* RSV3 */
    CHECK_DECODE("F1002|", false, 100, "\x81\x80\x01\x02\x03\x04"); /* masked by a server */
    CHECK_DECODE("F1002|", true, 100, "\x81\x00");                  /* not by a client */
    CHECK_DECODE("F1002|", false, 100, "\x83\x00");                 /* reserved opcodes */
    CHECK_DECODE("F1002|", false, 100, "\x8b\x00");
    CHECK_DECODE("F1002|", false, 100, "\x09\x00");          /* fragmented ping */
    CHECK_DECODE("F1002|", false, 1000, "\x89\x7e\x00\x80"); /* ping of 128 */
    CHECK_DECODE("F1002|", false, 100, "\x80\x00");          /* nothing to continue */
    CHECK_DECODE("F1002|", false, 100, "\x01\x00\x81\x00");  /* a message in another */
    CHECK_DECODE("F1002|", false, 1000, "\x81\x7e\x00\x7d"); /* 125 as 16 bits */
    CHECK_DECODE("F1002|", false, 100000, "\x81\x7f\0\0\0\0\0\0\xff\xff"); /* as 64 bits */
    CHECK_DECODE("F1002|", false, 100000, "\x81\x7f\x80\0\0\0\0\1\0\0");   /* top bit */
    CHECK_DECODE("F1002|", false, 100, "\x88\x01\x03");                    /* half a code */
    CHECK_DECODE("F1002|", false, 100, "\x88\x02\x03\xed");                /* 1005 */
    CHECK_DECODE("F1002|", false, 100, "\x88\x02\x03\xe7");                /* 999 */
    CHECK_DECODE("F1007|", false, 100, "\x88\x03\x03\xe8\xff");            /* reason */
    CHECK_DECODE("T:ok|F1002|", false, 100, "\x81\x02ok\xff\xff\x81\x02no");
}

TEST(sizes_are_bounded_across_fragments)
{
    CHECK_DECODE("T:12345|", false, 5,
                 "\x81\x05"
                 "12345");
    CHECK_DECODE("F1009|", false, 5,
                 "\x81\x06"
                 "123456");
    CHECK_DECODE("F1009|", false, 5,
                 "\x01\x03"
                 "123"
                 "\x80\x03"
                 "456");
    CHECK_DECODE("F1009|", false, 1000, "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff");
    CHECK_DECODE("P:123456|T:123|", false, 5,
                 "\x01\x03"
                 "123"
                 "\x89\x06"
                 "123456"
                 "\x80\x00");
}

TEST(text_is_strict_utf8_across_fragments)
{
    CHECK_DECODE("T:\xe2\x82\xac|", false, 100, "\x01\x01\xe2\x00\x01\x82\x80\x01\xac");
    CHECK_DECODE("F1007|", false, 100, "\x81\x02\xc0\xaf");
    CHECK_DECODE("F1007|", false, 100, "\x81\x03\xed\xa0\x80");
    CHECK_DECODE("F1007|", false, 100, "\x81\x01\xe2");
    CHECK_DECODE("F1007|", false, 100, "\x01\x01\xff"); /* before the message ends */
    CHECK_DECODE("T:a|F1007|", false, 100,
                 "\x81\x01"
                 "a"
                 "\x01\x01\xe2\x80\x00");
    CHECK_DECODE("B:\xff|", false, 100, "\x82\x01\xff");
}

TEST(heads_are_minimal_and_round_trip)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 200000};
    static const size_t heads[] = {2, 2, 2, 4, 4, 10, 10};
    struct rng rng;
    rng_init_seeded(&rng, 7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int masked = 0; masked < 2; masked++) {
            uint8_t mask[4];
            rng_fill(&rng, mask, 4);
            uint8_t *frame = mem_alloc(sizes[i] + WS_HEAD_BYTES_MAX);
            uint8_t *text = mem_alloc(sizes[i] + 1);
            rng_fill(&rng, text, sizes[i]);
            size_t head = ws_head_write(frame, WS_OP_BINARY, sizes[i], masked ? mask : NULL);
            CHECK_INT(heads[i] + (masked ? 4u : 0u), head);
            memcpy(frame + head, text, sizes[i]);
            if (masked)
                ws_mask(frame + head, frame + head, sizes[i], mask, 0);

            struct ws_decoder d;
            struct ws_item item;
            uint8_t *p = frame;
            size_t left = head + sizes[i];
            ws_decoder_init(&d, masked, 1 << 20);
            ws_decoder_next(&d, &p, &left, &item);
            CHECK_INT(WS_ITEM_BINARY, item.kind);
            CHECK_INT(sizes[i], item.payload.len);
            CHECK(item.payload.p == (const char *)frame + head); /* in place, not copied */
            CHECK(memcmp(item.payload.p, text, sizes[i]) == 0);
            ws_decoder_next(&d, &p, &left, &item);
            CHECK_INT(WS_ITEM_NONE, item.kind);
            CHECK(d.message.p == NULL);
            ws_decoder_fini(&d);
            mem_free(frame);
            mem_free(text);
        }
    }
}

TEST(masking_agrees_with_the_definition_at_every_offset)
{
    const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    for (size_t offset = 0; offset < 9; offset++) {
        for (size_t len = 0; len < 80; len++) {
            uint8_t p[80] = {0};
            ws_mask(p, p, len, mask, offset);
            for (size_t i = 0; i < 80; i++)
                CHECK_INT(i < len ? mask[(i + offset) % 4] : 0, p[i]);
        }
    }
}

TEST(a_large_message_gives_its_buffer_back)
{
    struct ws_decoder d;
    struct ws_item item;
    size_t len = 100000;
    uint8_t *frame = mem_zalloc(len + WS_HEAD_BYTES_MAX);
    size_t head = ws_head_write(frame, WS_OP_BINARY, len, NULL);
    uint8_t *p = frame;
    size_t first = 50000, second = head + len - first;
    ws_decoder_init(&d, false, 1 << 20);
    ws_decoder_next(&d, &p, &first, &item);
    CHECK_INT(WS_ITEM_NONE, item.kind);
    CHECK(d.message.cap <= 65536 * 2); /* by what has arrived, not by what was promised */
    ws_decoder_next(&d, &p, &second, &item);
    CHECK_INT(WS_ITEM_BINARY, item.kind);
    CHECK_INT(len, item.payload.len);
    ws_decoder_next(&d, &p, &second, &item);
    CHECK(d.message.cap <= WS_MESSAGE_KEEP_BYTES);
    ws_decoder_fini(&d);
    mem_free(frame);
}

TEST(close_payloads)
{
    uint8_t out[WS_CONTROL_BYTES_MAX];
    char long_reason[200];
    CHECK_INT(0, ws_close_write(out, WS_CODE_NONE, STR("x")));
    CHECK_INT(5, ws_close_write(out, 1000, STR("bye")));
    CHECK(memcmp(out,
                 "\x03\xe8"
                 "bye",
                 5) == 0);
    memset(long_reason, 'a', sizeof(long_reason));
    CHECK_INT(125, ws_close_write(out, 1000, str_n(long_reason, 200)));
    memcpy(long_reason + 121, "\xe2\x82\xac", 3); /* would be cut in its middle */
    CHECK_INT(123, ws_close_write(out, 1000, str_n(long_reason, 200)));
    CHECK_INT(2, ws_close_write(out, 1000, STR("\xff")));
    CHECK(!ws_code_may_be_sent(1004) && !ws_code_may_be_sent(1006) && !ws_code_may_be_sent(2999));
    CHECK(ws_code_may_be_sent(1014) && ws_code_may_be_sent(3000) && !ws_code_may_be_sent(5000));
}

/* -- opening handshake -- */

TEST(accept_of_rfc_6455_section_1_3)
{
    char accept[WS_ACCEPT_CHARS];
    ws_accept_of(accept, STR("dGhlIHNhbXBsZSBub25jZQ=="));
    CHECK(memcmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(accept)) == 0);
}

#define ANSWER_START  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n"
#define ANSWER_ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define ANSWER_REST   "connection: keep-alive, Upgrade\r\n" ANSWER_ACCEPT

static enum err check_answer(const char *head, const char *offered, char *why)
{
    struct err_detail detail = {{0}};
    enum err err = ws_answer_check(str_of(head), STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                                   str_of(offered), &detail);
    memcpy(why, detail.text, sizeof(detail.text));
    return err;
}

TEST(answers)
{
    char why[sizeof(struct err_detail)];
    CHECK_INT(OK, check_answer(ANSWER_START ANSWER_REST "\r\n", NULL, why));
    CHECK_INT(OK, check_answer(ANSWER_START ANSWER_REST "Sec-WebSocket-Protocol: b\r\n\r\n", "a, b",
                               why));
    CHECK_INT(
        ERR_INVALID,
        check_answer(ANSWER_START ANSWER_REST "Sec-WebSocket-Protocol: b\r\n\r\n", NULL, why));
    CHECK_INT(
        ERR_INVALID,
        check_answer(ANSWER_START ANSWER_REST "Sec-WebSocket-Extensions: x\r\n\r\n", NULL, why));
    CHECK_INT(ERR_INVALID, check_answer(ANSWER_START "\r\n", NULL, why));
    CHECK_INT(ERR_INVALID, check_answer(ANSWER_START ANSWER_ACCEPT "\r\n", NULL, why));
    CHECK_INT(ERR_INVALID, check_answer("HTTP/1.1 101 x\r\n" ANSWER_REST "\r\n", NULL, why));
    CHECK_INT(ERR_INVALID,
              check_answer(ANSWER_START "Connection: upgrade\r\n"
                                        "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                                        "\r\n\r\n",
                           NULL, why));
    CHECK_INT(ERR_INVALID, check_answer("SSH-2.0-x\r\n\r\n", NULL, why));
    CHECK_INT(ERR_INVALID, check_answer("HTTP/1.0 101 x\r\n" ANSWER_REST "\r\n", NULL, why));
    CHECK_INT(ERR_INVALID, check_answer("HTTP/1.1 1011\r\n" ANSWER_REST "\r\n", NULL, why));
    CHECK_INT(ERR_UPSTREAM, check_answer("HTTP/1.1 401 Unauthorized\r\n\r\n", NULL, why));
    CHECK(strcmp(why, "HTTP 401") == 0);
    CHECK_INT(ERR_UPSTREAM, check_answer("HTTP/1.1 503\r\n\r\n", NULL, why));
}

TEST(extra_headers)
{
    CHECK(ws_headers_valid(STR_NONE));
    CHECK(ws_headers_valid(STR("Authorization: Bearer x\r\nA:b\r\n")));
    CHECK(!ws_headers_valid(STR("A: b")));
    CHECK(!ws_headers_valid(STR("A: b\r\n\r\n")));
    CHECK(!ws_headers_valid(STR("A: b\nC: d\r\n")));
    CHECK(!ws_headers_valid(STR("nonsense\r\n")));
}

TEST(urls)
{
    struct url u;
    CHECK_INT(OK, url_parse(STR("wss://api.example.com/v1/realtime?model=x#y"), &u, NULL));
    CHECK(u.tls && u.websocket && u.port == 443);
    CHECK(str_eq(u.host, STR("api.example.com")) && str_eq(u.authority, u.host));
    CHECK(str_eq(u.target, STR("/v1/realtime?model=x")));
    CHECK_INT(OK, url_parse(STR("HTTP://[::1]:8080?q"), &u, NULL));
    CHECK(!u.tls && !u.websocket && u.port == 8080 && str_eq(u.host, STR("::1")));
    CHECK(str_eq(u.authority, STR("[::1]:8080")) && str_eq(u.target, STR("?q")));
    CHECK_INT(OK, url_parse(STR("ws://h"), &u, NULL));
    CHECK(u.port == 80 && u.target.len == 0);
    static const char *const bad[] = {"",           "ftp://h/",      "ws://",      "ws:///x",
                                      "ws://h:0/",  "ws://h:65536/", "ws://h:/",   "ws://u:p@h/",
                                      "ws://h/a b", "ws://[::1/",    "ws://h\r\n", "h/ws"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(ERR_INVALID, url_parse(str_of(bad[i]), &u, NULL));
}
