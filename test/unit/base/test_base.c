/* The small things everything else rests on: bounds kept, encodings exact, digests right. */
#include "harness/test.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/crypto.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"

TEST(buf_keeps_its_bound_and_remembers_a_failure)
{
    struct buf b;
    buf_init(&b, 8);
    CHECK_INT(OK, buf_append(&b, "12345678", 8));
    CHECK_INT(ERR_LIMIT, buf_append(&b, "9", 1));
    CHECK_INT(0, strcmp("12345678", buf_cstr(&b)));
    CHECK(buf_ok(&b));
    buf_put(&b, "9", 1);
    CHECK(!buf_ok(&b));
    buf_reset(&b);
    buf_put(&b, "a", 1);
    CHECK(buf_ok(&b));
    CHECK_INT(1, b.len);
    buf_fini(&b);
}

TEST(buf_writes_json_strings_with_every_escape)
{
    struct buf b;
    buf_init(&b, 256);
    buf_put_json(&b, str_n("a\"\\\n\x01\0z\xc3\xb8", 9));
    CHECK(str_eq(buf_str(&b), STR("\"a\\\"\\\\\\n\\u0001\\u0000z\xc3\xb8\"")));
    buf_fini(&b);
}

TEST(arena_resets_to_nothing_and_reports_its_cap)
{
    struct arena a;
    arena_init(&a, 10000);
    for (int i = 0; i < 10; i++)
        memset(arena_alloc(&a, 900), 1, 900);
    CHECK(!a.over);
    memset(arena_alloc(&a, 20000), 1, 20000);
    CHECK(a.over);
    arena_reset(&a);
    CHECK(!a.over);
    const char *p = arena_alloc(&a, 64);
    for (int i = 0; i < 64; i++)
        CHECK_INT(0, p[i]);
    arena_fini(&a);
}

TEST(base64_round_trips_every_length_and_refuses_what_is_not_canonical)
{
    uint8_t in[64], out[64];
    char text[96];
    struct rng r;
    rng_init_seeded(&r, 1);
    for (size_t len = 0; len <= sizeof(in); len++) {
        rng_fill(&r, in, len);
        size_t n = base64_encode(text, in, len), got = 99;
        CHECK_INT(base64_encoded_len(len), n);
        CHECK_INT(len, base64_decoded_len(str_n(text, n)));
        CHECK_INT(OK, base64_decode(out, &got, str_n(text, n)));
        CHECK_INT(len, got);
        CHECK_INT(0, memcmp(in, out, len));
    }
    size_t got;
    const char *bad[] = {"QQ=",  "Q===",   "QR==",       "QUJ=",    "QU*D",
                         "=QUJ", "QUJD\n", "Q\xc3\xb8=", "QQ==QUJD"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(ERR_INVALID, base64_decode(out, &got, str_of(bad[i])));
}

/* Every character at every place of a text long enough for the processor's way: both say the same of
 * it, and none writes behind the end. */
TEST(base64_decodes_alike_by_table_and_by_processor)
{
    uint8_t in[60], fast[60 + 1], table[60 + 1];
    char text[80];
    struct rng r;
    rng_init_seeded(&r, 2);
    rng_fill(&r, in, sizeof(in));
    int refused = 0;
    for (size_t len = 36; len <= sizeof(in); len++) {
        size_t n = base64_encode(text, in, len);
        for (size_t at = 0; at < n; at++) {
            char was = text[at];
            for (int c = 0; c < 256; c++) {
                text[at] = (char)c;
                size_t a = 0, b = 0, room = base64_decoded_len(str_n(text, n));
                fast[room] = table[room] = 0x5a;
                enum err one = base64_decode(fast, &a, str_n(text, n));
                enum err two = base64_decode_table(table, &b, str_n(text, n));
                CHECK_INT(two, one);
                CHECK_INT(b, a);
                CHECK(one != OK || memcmp(fast, table, a) == 0);
                CHECK(fast[room] == 0x5a && table[room] == 0x5a);
                refused += one != OK;
            }
            text[at] = was;
        }
    }
    CHECK(refused > 100000);
}

TEST(crc32c_matches_rfc_3720_by_table_and_by_processor)
{
    uint8_t zeros[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof(ones));
    CHECK_INT(0x8a9136aa, crc32c(0, zeros, 32));
    CHECK_INT(0x62a8ab43, crc32c(0, ones, 32));
    CHECK_INT(0xe3069283, crc32c(0, "123456789", 9));
    CHECK_INT(0xe3069283, crc32c_table(0, "123456789", 9));
    CHECK_INT(0xe3069283, crc32c(crc32c(0, "1234", 4), "56789", 5));
}

TEST(crypto_digests_match_their_rfc_vectors)
{
    uint8_t mac[CRYPTO_SHA256_BYTES];
    char hex[65];
    crypto_hmac_sha1(mac, STR("Jefe"), STR("what do ya want for nothing?")); /* RFC 2202 case 2 */
    crypto_hex(hex, mac, CRYPTO_SHA1_BYTES);
    CHECK_INT(0, strcmp("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", hex));
    crypto_sha256(mac, STR("abc"));
    crypto_hex(hex, mac, CRYPTO_SHA256_BYTES);
    CHECK_INT(0, strcmp("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hex));
    CHECK(crypto_equal(STR("same"), STR("same")));
    CHECK(!crypto_equal(STR("same"), STR("sama")));
}

TEST(utf8_refuses_overlong_surrogate_and_too_large)
{
    CHECK(utf8_valid(STR("p\xc5\x99"
                         "es \xf0\x9f\x98\x80")));
    CHECK(!utf8_valid(STR("\xc0\x80")));
    CHECK(!utf8_valid(STR("\xe0\x9f\xbf")));
    CHECK(!utf8_valid(STR("\xed\xa0\x80")));
    CHECK(!utf8_valid(STR("\xf4\x90\x80\x80")));
    CHECK(!utf8_valid(STR("12345678abc\xc3")));
    /* One byte that is no text, at every place of the steps in which ASCII is passed over. */
    char text[100];
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        text[at] = (char)0x80;
        CHECK(!utf8_valid(str_n(text, sizeof(text))));
        CHECK(utf8_valid(str_n(text, at)));
    }
    struct utf8_state s = {0};
    CHECK(utf8_feed(&s, STR("\xf0\x9f")));
    CHECK(!utf8_done(&s));
    CHECK(utf8_feed(&s, STR("\x98\x80")));
    CHECK(utf8_done(&s));
}

TEST(js_refuses_deep_duplicate_and_trailing_text)
{
    json_t *v;
    struct err_detail why;
    char deep[2 * JSON_DEPTH_MAX + 3];
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    CHECK_INT(ERR_INVALID, js_parse(str_n(deep, 2 * JSON_DEPTH_MAX + 2), &v, &why));
    CHECK_INT(OK, js_parse(str_n(deep + 1, 2 * JSON_DEPTH_MAX), &v, NULL));
    json_decref(v);
    CHECK_INT(ERR_INVALID, js_parse(STR("{\"a\":1,\"a\":2}"), &v, &why));
    CHECK_INT(ERR_INVALID, js_parse(STR("{} x"), &v, &why));
    CHECK_INT(ERR_INVALID, js_parse(STR_NONE, &v, &why));
    CHECK_INT(OK, js_parse(STR("{\"a\":\"x\",\"n\":null,\"i\":-3}"), &v, NULL));
    CHECK(str_eq(js_get_str(v, "a"), STR("x")));
    CHECK(js_get(v, "n") == NULL);
    CHECK_INT(-3, js_get_int(v, "i", 0));
    CHECK_INT(7, js_get_int(v, "a", 7));
    json_decref(v);
}

TEST(str_parses_numbers_without_overflow)
{
    uint64_t u;
    int64_t i;
    CHECK(str_to_u64(STR("18446744073709551615"), &u));
    CHECK(!str_to_u64(STR("18446744073709551616"), &u));
    CHECK(!str_to_u64(STR(""), &u));
    CHECK(!str_to_u64(STR("1x"), &u));
    CHECK(str_to_i64(STR("-42"), &i));
    CHECK_INT(-42, i);
    CHECK(!str_to_i64(STR("--1"), &i));
    struct str rest = STR("a,b,");
    CHECK(str_eq(str_take_until(&rest, ','), STR("a")));
    CHECK(str_eq(str_take_until(&rest, ','), STR("b")));
    CHECK(rest.p != NULL);
    CHECK(str_eq(str_take_until(&rest, ','), STR("")));
    CHECK(rest.p == NULL);
}
