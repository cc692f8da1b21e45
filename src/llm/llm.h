/*
 * llm.h - a hosted service that speaks OpenAI's HTTP API: where it is, what it costs, and what
 * happens when it fails.
 *
 * A service is a list of endpoints, best first. A request goes to the first one that is worth
 * trying; one that fails hands over to the next at once. When all have failed, what may work at a
 * second try is tried again after a while (retry.h), as long as the request's deadline allows. An
 * endpoint that fails several times in a row, whoever asked, is passed by for a while
 * (base/breaker.h). What is asked of a service is in embed.h and its neighbours; all of them take
 * one and end in exactly one call of a done function.
 *
 *   Units     times: milliseconds. Prices: micro-dollars per million tokens ($0.02 is 20000). Cost:
 *             nano-dollars.
 *   Lifetime  a service is closed after all that was asked of it is done or cancelled, and before
 *             the HTTP client that it borrows.
 *   Thread    the loop's.
 *   Bounds    LLM_ENDPOINTS_MAX endpoints; HTTP_CLIENT_FETCHES_MAX requests at once on a loop.
 *   Secrets   keys stand in the Authorization header alone: in no log, detail or answer.
 */
#ifndef LLM_LLM_H
#define LLM_LLM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/worker.h"

struct llm;

/* Of a model; what it is not paid by stays 0. */
struct llm_prices {
    int64_t input, cached_input, output; /* tokens */
    int64_t minute;                      /* micro-dollars per minute of audio transcribed */
    int64_t characters;                  /* of text spoken, a million */
};

struct llm_usage {
    int64_t input_tokens, output_tokens;
    int64_t cached_tokens; /* of the input */
    int64_t audio_ms, characters;
    int64_t cost_nanousd; /* by the prices of the endpoint that answered */
};

struct llm_endpoint {
    const char *url;   /* "https://api.openai.com/v1": what stands before "/embeddings" */
    const char *key;   /* sent as a bearer token; "" = none */
    const char *model; /* not empty */
    struct llm_prices prices;
};

struct llm_opts {
    const struct llm_endpoint *endpoints; /* copied */
    size_t count;
    unsigned retries;         /* of an endpoint, after its first try in a request */
    struct worker_pool *pool; /* where large answers are read; NULL = on the loop */
};

/* ERR_INVALID with a sentence in `why` (may be NULL): no endpoint or too many of them, a URL that
 * is none, a key that no header can carry, an empty model. */
enum err llm_open(struct llm **out, struct loop *l, struct http_client *http,
                  const struct llm_opts *opts, struct err_detail *why) MUST_CHECK;
/* Nothing may be under way. NULL-safe. */
void llm_close(struct llm *s);

/* The model of the first endpoint. Borrowed from the service. */
const char *llm_model(const struct llm *s);

#endif
