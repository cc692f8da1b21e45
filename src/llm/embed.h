/*
 * embed.h - texts become vectors: POST /embeddings.
 *
 *   struct embed_ask ask = {.texts = texts, .count = n, .deadline_ms = 250};
 *   err = embed_start(service, &ask, on_vectors, ctx, &embed);
 *
 * One ask is cut into requests as large as the API takes and as are quick, a few of them at once.
 * It succeeds or fails as a whole. Vectors are asked for in base64, a third of the bytes, and read
 * in whichever form they come.
 *
 *   Units     tokens are estimated from above: a third of the ASCII bytes and every other byte.
 *   Lifetime  every ask accepted ends in exactly one call of its done function, from the loop,
 *             never from inside embed_start; embed_cancel prevents it.
 *   Thread    the loop's.
 *   Bounds    EMBED_TEXTS_MAX texts of EMBED_TEXT_TOKENS_MAX tokens; EMBED_DIMENSIONS_MAX.
 */
#ifndef LLM_EMBED_H
#define LLM_EMBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/llm.h"

struct embed;

struct embed_ask {
    const struct str *texts; /* UTF-8, not empty */
    size_t count;
    unsigned dimensions;  /* 0 = the model's own; models before text-embedding-3 refuse another */
    uint32_t deadline_ms; /* for the whole ask, all tries together */
    bool decimal;         /* for a service that does not know encoding_format */
};

struct embed_result {
    /* OK; ERR_TIMEOUT; ERR_CLOSED (no connection, or it broke); ERR_DENIED (key or certificate);
     * ERR_LIMIT (answer too large); ERR_UPSTREAM (refused, or every endpoint is passed by);
     * ERR_INVALID (the answer is no list of as many vectors of one length). */
    enum err err;
    const float *vectors; /* count * dimensions, in the texts' order, as they came; valid until
                             return */
    size_t count, dimensions;
    const char *model; /* of the endpoint that answered; valid until return */
    struct llm_usage usage;
    const char *detail; /* a sentence when err is not OK; never holds credentials */
};

typedef void embed_done_fn(void *ctx, const struct embed_result *result);

/* Whether the text may be embedded: not empty, valid UTF-8, within the bound. */
bool embed_text_ok(struct str text);

/* Everything in `ask` is copied. ERR_INVALID: no text, or one that is not embed_text_ok; ERR_LIMIT:
 * too many texts, or too many requests on the loop. */
enum err embed_start(struct llm *s, const struct embed_ask *ask, embed_done_fn *done, void *ctx,
                     struct embed **out) MUST_CHECK;
/* Prevents the done function. Not from inside of it. */
void embed_cancel(struct embed *e);

#endif
