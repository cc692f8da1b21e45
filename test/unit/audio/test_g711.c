/* G.711 against the digests of its two standard tables and of the reference encoders. */
#include "harness/test.h"

#include "audio/g711.h"
#include "base/crypto.h"
#include "base/mem.h"

static const char *digest(char hex[65], const void *p, size_t len)
{
    uint8_t hash[CRYPTO_SHA256_BYTES];
    crypto_sha256(hash, str_n(p, len));
    crypto_hex(hex, hash, sizeof(hash));
    return hex;
}

TEST(decode_tables_have_the_standard_digests)
{
    uint8_t codes[256], le[512];
    int16_t pcm[256];
    char hex[65];
    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    for (int law = 0; law < 2; law++) {
        (law ? g711_alaw_decode_all : g711_mulaw_decode_all)(pcm, codes, 256);
        for (int i = 0; i < 256; i++) {
            le[2 * i] = (uint8_t)pcm[i];
            le[2 * i + 1] = (uint8_t)((uint16_t)pcm[i] >> 8);
        }
        const char *want = law ? "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"
                               : "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827";
        CHECK_INT(0, strcmp(want, digest(hex, le, sizeof(le))));
    }
}

TEST(encoders_have_the_reference_digests_over_every_sample)
{
    uint8_t *codes = mem_alloc(65536);
    int16_t *pcm = mem_alloc(65536 * sizeof(*pcm));
    char mu[65], a[65];
    for (int i = 0; i < 65536; i++)
        pcm[i] = (int16_t)(i - 32768);
    g711_mulaw_encode_all(codes, pcm, 65536);
    digest(mu, codes, 65536);
    g711_alaw_encode_all(codes, pcm, 65536);
    digest(a, codes, 65536);
    mem_free(codes);
    mem_free(pcm);
    CHECK_INT(0, strcmp(mu, "5ee7cf5f273f842d2234121e4cb0c98d6b20a99ac29026f94e05b36955b195be"));
    CHECK_INT(0, strcmp(a, "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"));
}

TEST(every_code_survives_decode_and_encode_except_negative_zero)
{
    for (int i = 0; i < 256; i++) {
        uint8_t c = (uint8_t)i;
        CHECK_INT(c == 0x7f ? 0xff : c, g711_mulaw_encode(g711_mulaw_decode(c)));
        CHECK_INT(c, g711_alaw_encode(g711_alaw_decode(c)));
    }
    CHECK_INT(0, g711_mulaw_decode(G711_MULAW_SILENCE));
    CHECK_INT(8, g711_alaw_decode(G711_ALAW_SILENCE));
}
