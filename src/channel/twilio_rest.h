/*
 * twilio_rest.h - the few calls of Twilio's REST API that a voice agent needs.
 *
 * Hang up, transfer and place a call, and the two look-ups `callee doctor` makes. Paths are those
 * of API version 2010-04-01 below a base URL that can be set.
 *
 *   Lifetime  every request accepted ends in exactly one call of its done function, from the loop,
 *             never from inside the request; twilio_rest_close prevents those that are left.
 *   Retries   one, TWILIO_REST_RETRY_MS later, after a failed connection, a 5xx or a 429. Placing a
 *             call is not idempotent, so it is tried again after a 429 alone.
 *   Thread    the loop's: one object a loop.
 *   Bounds    TWILIO_REST_REQUESTS_MAX requests at once; TWILIO_REST_TIMEOUT_MS and
 *             TWILIO_REST_BODY_BYTES_MAX each.
 */
#ifndef CHANNEL_TWILIO_REST_H
#define CHANNEL_TWILIO_REST_H

#include <stdint.h>

#include "base/err.h"
#include "base/js.h"
#include "base/str.h"
#include "net/http_client.h"
#include "net/loop.h"

struct twilio_rest;

#define TWILIO_REST_URL "https://api.twilio.com"

struct twilio_rest_opts {
    struct loop *loop;
    struct http_client *http; /* must outlive the object */
    struct str api_url;       /* scheme and host; empty = TWILIO_REST_URL */
    struct str account_sid;
    struct str auth_token; /* never logged, never in a detail */
};

struct twilio_rest_result {
    enum err err;       /* ERR_DENIED: 401 and 403; ERR_NOTFOUND; ERR_UPSTREAM: any other refusal */
    unsigned status;    /* HTTP status; 0 when no answer came */
    int64_t code;       /* Twilio's error number, 0 when it gave none */
    const char *detail; /* a sentence when err is not OK */
    const json_t *json; /* the resource when err is OK; valid until return */
};
typedef void twilio_rest_fn(void *ctx, const struct twilio_rest_result *result);

/* Copies the strings. ERR_INVALID with a sentence for an account that is no SID or an empty token.
 */
enum err twilio_rest_open(struct twilio_rest **out, const struct twilio_rest_opts *opts,
                          struct err_detail *detail) MUST_CHECK;
/* Cancels what runs: no done function is called any more. NULL-safe. */
void twilio_rest_close(struct twilio_rest *t);

/* All below: ERR_INVALID for an argument that cannot be sent (a SID with other than letters and
 * digits), ERR_LIMIT at the bound; `done` is then never called. */

/* Ends a call, ringing or running (Status=completed). */
enum err twilio_rest_hang_up(struct twilio_rest *t, struct str call_sid, twilio_rest_fn *done,
                             void *ctx) MUST_CHECK;
/* Gives a running call new instructions; its stream ends with `stop`. At most 4000 characters. */
enum err twilio_rest_redirect(struct twilio_rest *t, struct str call_sid, struct str twiml,
                              twilio_rest_fn *done, void *ctx) MUST_CHECK;

struct twilio_rest_call {
    struct str to, from;        /* E.164 */
    struct str url;             /* asked for TwiML when the call is answered */
    struct str status_callback; /* told of every step; empty = not told */
    uint32_t ring_timeout_s;    /* 0 = Twilio's 60 */
};
/* Places a call; the result's `sid` names it. */
enum err twilio_rest_place_call(struct twilio_rest *t, const struct twilio_rest_call *call,
                                twilio_rest_fn *done, void *ctx) MUST_CHECK;

/* The account itself: `status`, `friendly_name`, `type`. */
enum err twilio_rest_account(struct twilio_rest *t, twilio_rest_fn *done, void *ctx) MUST_CHECK;
/* The account's phone number: `voice_url`, `voice_method`, ... ERR_NOTFOUND when it has no such. */
enum err twilio_rest_number(struct twilio_rest *t, struct str number, twilio_rest_fn *done,
                            void *ctx) MUST_CHECK;

#endif
