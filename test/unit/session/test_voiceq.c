/* The voice queue: what lengths stand for, whole pieces untouched, the rest re-cut. */
#include "harness/test.h"

#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"
#include "session/voiceq.h"

static struct str encode(char *out, const uint8_t *raw, size_t len)
{
    return str_n(out, base64_encode(out, raw, len));
}

static size_t decode(uint8_t *out, struct str base64)
{
    size_t n = 0;
    return base64_decode(out, &n, base64) == OK ? n : SIZE_MAX;
}

TEST(voiceq_gives_a_whole_piece_back_as_the_same_text)
{
    uint8_t raw[1600];
    char text[2200];
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)i;
    struct voiceq q = {0};
    struct buf out;
    buf_init(&out, 4096);
    struct str b64 = encode(text, raw, sizeof(raw));
    CHECK_INT(OK, voiceq_put(&q, b64, 1600));
    struct str got = voiceq_take(&q, 1600, 0, &out);
    CHECK(got.p == b64.p && got.len == b64.len); /* not even copied */
    CHECK_INT(0, q.bytes);
    buf_fini(&out);
}

TEST(voiceq_recuts_across_pieces_and_pads_with_silence)
{
    uint8_t raw[500], got[1760];
    char text[800];
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)(i * 7);
    struct voiceq q = {0};
    struct buf out;
    buf_init(&out, 4096);
    CHECK_INT(OK, voiceq_put(&q, encode(text, raw, 100), 100));
    voiceq_keep(&q);
    CHECK_INT(OK, voiceq_put(&q, encode(text, raw + 100, 250), 250));
    voiceq_keep(&q);
    CHECK_INT(OK, voiceq_put(&q, encode(text, raw + 350, 150), 150));
    voiceq_keep(&q);
    CHECK_INT(320, decode(got, voiceq_take(&q, 320, 0, &out)));
    CHECK_INT(0, memcmp(raw, got, 320));
    CHECK_INT(320, decode(got, voiceq_take(&q, 180, 140, &out)));
    CHECK_INT(0, memcmp(raw + 320, got, 180));
    for (size_t i = 180; i < 320; i++)
        CHECK_INT(0xff, got[i]);
    buf_fini(&out);
}

TEST(voiceq_turns_what_it_cannot_keep_into_silence_of_the_same_length)
{
    uint8_t got[1600];
    struct voiceq q = {0};
    struct buf out;
    buf_init(&out, 4096);
    CHECK_INT(ERR_INVALID, voiceq_put(&q, STR("QUJD"), 160));
    CHECK_INT(OK, voiceq_put(&q, STR("QUJD"), 3));
    CHECK_INT(160, decode(got, voiceq_take(&q, 160, 0, &out)));
    CHECK_INT(0xff, got[0]);
    CHECK_INT(160, decode(got, voiceq_take(&q, 3, 157, &out)));
    CHECK_INT('A', got[0]);
    CHECK_INT(OK, voiceq_put(&q, STR("QUJ*"), 3)); /* the length is right, the text is not */
    CHECK_INT(160, decode(got, voiceq_take(&q, 3, 157, &out)));
    CHECK_INT(0xff, got[0]);
    voiceq_clear(&q);
    buf_fini(&out);
}

TEST(voiceq_keeps_what_was_lent)
{
    enum { PIECES = 30, LEN = 1601 }; /* 48 kB over many blocks, none of whole frames */
    uint8_t got[1600], next = 0;
    char text[2200];
    uint8_t raw[LEN];
    struct voiceq q = {0};
    struct buf out;
    buf_init(&out, 4096);
    for (int i = 0; i < PIECES; i++) {
        for (int k = 0; k < LEN; k++)
            raw[k] = (uint8_t)(i * LEN + k);
        struct str b64 = encode(text, raw, LEN);
        CHECK_INT(OK, voiceq_put(&q, b64, LEN));
        voiceq_keep(&q);
        memset(text, 'A', sizeof(text)); /* the giver's memory is used for something else */
    }
    for (int left = PIECES * LEN; left > 0;) {
        uint32_t len = left < 1600 ? (uint32_t)left : 1600;
        CHECK_INT(len, decode(got, voiceq_take(&q, len, 0, &out)));
        for (uint32_t k = 0; k < len; k++)
            CHECK_INT(next++, got[k]);
        left -= (int)len;
    }
    CHECK_INT(0, q.bytes);
    CHECK(q.first == NULL);
    buf_fini(&out);
}

TEST(voiceq_refuses_beyond_its_bound)
{
    uint8_t *raw = mem_zalloc(1 << 20);
    char *text = mem_alloc(base64_encoded_len(1 << 20));
    struct str b64 = encode(text, raw, 1 << 20);
    struct voiceq q = {0};
    for (unsigned i = 0; i < VOICEQ_BYTES_MAX >> 20; i++)
        CHECK_INT(OK, voiceq_put(&q, b64, 1 << 20));
    CHECK_INT(ERR_LIMIT, voiceq_put(&q, b64, 1 << 20));
    voiceq_clear(&q);
    CHECK_INT(0, q.bytes);
    mem_free(text);
    mem_free(raw);
}
