/*
 * llm_private.h - the inside of llm/, shared by its files:
 *
 *   service.c   the endpoints of a service
 *   request.c   one HTTP request to a service: which endpoint, when again, when no more
 *   retry.c     the policy
 *   embed.c ... what is asked
 *
 *   Thread   the loop's.
 */
#ifndef LLM_PRIVATE_H
#define LLM_PRIVATE_H

#include <jansson.h>

#include "base/breaker.h"
#include "base/buf.h"
#include "base/limits.h"
#include "llm/llm.h"

/* An endpoint, and how it has been lately. */
struct llm_place {
    char *url; /* without a '/' at its end */
    char *key, *model;
    char host[256]; /* for people */
    struct llm_prices prices;
    struct breaker breaker;
    char last[160]; /* what was wrong the last time */
};

struct llm {
    struct loop *loop;
    struct http_client *http;
    struct worker_pool *pool;
    unsigned retries;
    struct llm_place places[LLM_ENDPOINTS_MAX];
    size_t count;
    size_t running; /* requests */
};

/* A count of tokens as a usage tells it, within what is sensible. */
int64_t llm_tokens(const json_t *usage, const char *key);
/* What `u` costs there. */
int64_t llm_cost_nanousd(const struct llm_prices *prices, const struct llm_usage *u);

/* -- request.c -- */

struct llm_request;

struct llm_answer {
    /* OK; ERR_TIMEOUT; ERR_CLOSED: no connection, or it broke; ERR_DENIED: the key or the
     * certificate is not accepted; ERR_LIMIT: the answer is too large; ERR_UPSTREAM: refused, or
     * every endpoint is passed by. */
    enum err err;
    unsigned status;               /* of the last answer; 0 = none */
    struct buf *body;              /* of a good answer; the done function may take its contents */
    const struct llm_place *place; /* that answered; NULL unless OK */
    const char *detail;            /* a sentence when err is not OK */
};

/* Called once, never from inside llm_request_start. The request is gone behind it. */
typedef void llm_answer_fn(void *ctx, const struct llm_answer *a);

struct llm_request_opts {
    const char *path; /* "/embeddings"; static storage */
    /* What comes behind the model: `,"input":"..."}` or, with a boundary, the further parts. */
    struct str body;
    const char *boundary; /* of multipart/form-data; NULL = JSON */
    uint32_t deadline_ms; /* for all tries together */
    size_t answer_max;    /* bytes of a good answer */
    const char *accept;   /* media type asked for; NULL = none */
    /* Not NULL: a good answer is handed over as it comes, and is not tried again once it began. It
     * may cancel the request. */
    http_data_fn *data;
};

/* `opts` is copied. ERR_LIMIT: too many requests at once on the loop. */
enum err llm_request_start(struct llm *s, const struct llm_request_opts *opts, llm_answer_fn *done,
                           void *ctx, struct llm_request **out) MUST_CHECK;
/* A header of the answer; from the data function. */
struct str llm_request_header(const struct llm_request *r, const char *name);
/* Prevents the done function. Not from inside of it. */
void llm_request_cancel(struct llm_request *r);

#endif
