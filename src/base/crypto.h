/*
 * crypto.h - the few digests the protocols need, over OpenSSL.
 *
 *   Thread   any; no state.
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { CRYPTO_SHA1_BYTES = 20, CRYPTO_SHA256_BYTES = 32 };

void crypto_sha1(uint8_t out[CRYPTO_SHA1_BYTES], struct str data);
void crypto_sha256(uint8_t out[CRYPTO_SHA256_BYTES], struct str data);
void crypto_hmac_sha1(uint8_t out[CRYPTO_SHA1_BYTES], struct str key, struct str data);
/* Equal contents, in time that depends on the lengths alone. */
bool crypto_equal(struct str a, struct str b);
/* Lower-case hex, NUL-terminated; `out` holds 2 * len + 1. */
void crypto_hex(char *out, const void *p, size_t len);

#endif
