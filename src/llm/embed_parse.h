/*
 * embed_parse.h - the answer to POST /embeddings, read strictly.
 *
 *   Memory   the vectors are the caller's: mem_free.
 *   Thread   any; pure.
 *   Bounds   EMBED_DIMENSIONS_MAX; `count` is the caller's.
 */
#ifndef LLM_EMBED_PARSE_H
#define LLM_EMBED_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct embed_block {
    float *vectors; /* count * dimensions */
    size_t dimensions;
    int64_t tokens; /* of the input; 0 when the answer does not say */
};

/* `count` vectors are expected, each index once, all of one length (`dimensions` unless 0), each a
 * list of finite numbers or base64 of little-endian floats. ERR_INVALID with a sentence. */
enum err embed_parse(struct str body, size_t count, size_t dimensions, struct embed_block *out,
                     struct err_detail *why) MUST_CHECK;

#endif
