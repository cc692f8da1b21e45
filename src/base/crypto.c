#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.h"

static void digest(uint8_t *out, const EVP_MD *md, struct str data)
{
    unsigned len = 0;
    int ok = EVP_Digest(data.p ? data.p : "", data.len, out, &len, md, NULL);
    ASSERT(ok == 1);
}

static void hmac(uint8_t *out, const EVP_MD *md, struct str key, struct str data)
{
    unsigned len = 0;
    unsigned char *mac = HMAC(md, key.p ? key.p : "", (int)key.len,
                              (const unsigned char *)(data.p ? data.p : ""), data.len, out, &len);
    ASSERT(mac != NULL);
}

void crypto_sha1(uint8_t out[CRYPTO_SHA1_BYTES], struct str data)
{
    digest(out, EVP_sha1(), data);
}

void crypto_sha256(uint8_t out[CRYPTO_SHA256_BYTES], struct str data)
{
    digest(out, EVP_sha256(), data);
}

void crypto_hmac_sha1(uint8_t out[CRYPTO_SHA1_BYTES], struct str key, struct str data)
{
    hmac(out, EVP_sha1(), key, data);
}

bool crypto_equal(struct str a, struct str b)
{
    return a.len == b.len && CRYPTO_memcmp(a.p ? a.p : "", b.p ? b.p : "", a.len) == 0;
}

void crypto_hex(char *out, const void *p, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = p;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * len] = '\0';
}
