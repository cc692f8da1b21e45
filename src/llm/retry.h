/*
 * retry.h - whether a request that failed is worth another try, and when.
 *
 * The policy is that of OpenAI's own client libraries: connections that fail and the statuses 408,
 * 409, 429 and 5xx are tried again, the server's x-should-retry decides over that, and its
 * retry-after-ms or retry-after is kept when it is at most a minute; else the wait doubles from
 * half a second to eight, less up to a quarter at random. One exception: an account without money
 * (insufficient_quota) has none a second later either.
 *
 *   Units    milliseconds.
 *   Thread   any; pure: time and randomness are given.
 */
#ifndef LLM_RETRY_H
#define LLM_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct llm_failure {
    enum err err;                                     /* of the connection; OK: `status` came */
    unsigned status;                                  /* not 2xx */
    struct str should_retry, after_ms, after_seconds; /* headers; p == NULL when absent */
    struct str code;                                  /* the body's error.code; may be absent */
};

bool llm_retry_allowed(const struct llm_failure *f);
/* `tries` made so far, at least 1; `random` is uniform; `wall_ms` is used for a date alone. */
uint32_t llm_retry_wait_ms(const struct llm_failure *f, unsigned tries, uint32_t random,
                           int64_t wall_ms);
/* Whether the failure says something about the endpoint rather than about what was asked. */
bool llm_retry_blames_endpoint(const struct llm_failure *f);

#endif
