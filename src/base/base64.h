/*
 * base64.h - RFC 4648 section 4, with padding, no line breaks.
 *
 *   Thread   any; pure functions.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Characters that `bytes` bytes take. */
static inline size_t base64_encoded_len(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* Writes base64_encoded_len(len) characters, no NUL; returns how many. */
size_t base64_encode(char *out, const void *p, size_t len);

/* Bytes that the text stands for, judged by its length and padding alone; 0 for a bad length. */
size_t base64_decoded_len(struct str text);

/* Decodes into `out`, which holds base64_decoded_len(text) bytes. ERR_INVALID for a character
 * outside the alphabet, a bad length, or bits set behind the end; `out` is then undefined. */
enum err base64_decode(uint8_t *out, size_t *out_len, struct str text) MUST_CHECK;
/* The same by table alone, as on machines without the instructions: for tests. */
enum err base64_decode_table(uint8_t *out, size_t *out_len, struct str text) MUST_CHECK;

#endif
