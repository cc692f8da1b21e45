/*
 * twilio_private.h - what the parts of the Twilio channel share. Private to channel/twilio*.c.
 *
 *   Thread   struct twilio_channel is shared by all loops: fixed after open, atomic counters.
 */
#ifndef CHANNEL_TWILIO_PRIVATE_H
#define CHANNEL_TWILIO_PRIVATE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "channel/twilio.h"

#define TWILIO_PATH_VOICE  "/api/twilio/voice"
#define TWILIO_PATH_STATUS "/api/twilio/status"
#define TWILIO_PATH_RESUME "/api/twilio/resume"
#define TWILIO_PATH_STREAM "/api/twilio/stream"

/*
 * What follows the Connect action: Twilio's own retries (Twilio documentation, "Webhooks: HTTP
 * connection overrides"). Nobody may be listening for a moment when it asks, in a restart, and an
 * unanswered action ends the call. Five times, whatever failed, with a second to connect in, so
 * that all of them fit into the 15 s it takes in total. A fragment is never sent, nor signed.
 */
#define TWILIO_RETRIES "#rc=5&rp=all&ct=1000&rt=10000&tt=15000"

struct twilio_channel {
    struct buf http_base; /* "https://host" without a trailing slash; empty without a public URL */
    struct buf ws_base;   /* the same with wss or ws */
    struct buf token;
    bool insecure;
    uint32_t answer_timeout_ms, start_timeout_ms;
    const struct channel_host *host;
    void *host_ctx;
    struct {
        _Atomic uint64_t refused, webhooks, late_answers, streams, bad_messages, other_streams,
            sequence_gaps, audio_dropped;
    } count;
};

static inline void twilio_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/*
 * Judges the request's X-Twilio-Signature against `base` + the request's target and the form's
 * parameters (none for GET and for the upgrade). False: 403 was answered, counted and logged.
 */
bool twilio_admit(struct twilio_channel *t, struct http_exchange *ex, struct str base,
                  const struct http_param *params, size_t count);

/* Route handlers; ctx is the struct twilio_channel. */
void twilio_on_voice(void *ctx, struct http_exchange *ex);
void twilio_on_status(void *ctx, struct http_exchange *ex);
void twilio_on_resume(void *ctx, struct http_exchange *ex);
void twilio_on_stream(void *ctx, struct http_exchange *ex);

#endif
