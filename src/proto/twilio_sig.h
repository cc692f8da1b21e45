/*
 * twilio_sig.h - X-Twilio-Signature: proof that a request comes from Twilio and was not changed.
 *
 * base64(HMAC-SHA1(auth token, URL + sorted form parameters)), Twilio documentation, "Security".
 * The URL is the public one, as Twilio was told it: a server behind a proxy builds it from its
 * configured base, never from the Host header. A JSON body is covered by a hash in the URL.
 *
 *   Memory   nothing is kept; the message signed is built on the heap and freed.
 *   Thread   any; no state.
 *   Bounds   TWILIO_FORM_PARAMS_MAX parameters and TWILIO_SIGNED_BYTES_MAX bytes in all
 *            (base/limits.h): what is larger is not valid.
 */
#ifndef PROTO_TWILIO_SIG_H
#define PROTO_TWILIO_SIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/twilio_msg.h"

enum { TWILIO_SIG_CHARS = 28 };

struct twilio_request {
    struct str url;                    /* whole, with its query exactly as requested */
    const struct twilio_param *params; /* of a form POST: decoded, in any order, repeats included */
    size_t param_count;
    bool json;       /* a POST whose body is no form: the URL must carry bodySHA256 */
    struct str body; /* of a JSON request, raw */
};

/* The signature of a request, NUL-terminated. ERR_LIMIT past the bounds. */
enum err twilio_sig_compute(char out[TWILIO_SIG_CHARS + 1], struct str auth_token,
                            const struct twilio_request *request) MUST_CHECK;

/*
 * Whether `header` (the value of X-Twilio-Signature; p == NULL when absent) signs the request.
 * Accepted as Twilio signs in practice: the URL with its port, without it, or with the default port
 * of its scheme; for ws and wss with and without a trailing slash. A JSON request must also have
 * the body whose hash its URL carries. An empty token validates nothing. The comparison takes the
 * same time whatever the header holds.
 */
bool twilio_sig_valid(struct str auth_token, const struct twilio_request *request,
                      struct str header);

#endif
