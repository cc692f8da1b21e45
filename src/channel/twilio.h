/*
 * twilio.h - the telephone channel: Twilio's webhooks and Media Streams.
 *
 * Twilio tells us about a call at /api/twilio/voice and is answered with TwiML; the audio comes
 * over a WebSocket at /api/twilio/stream; when that stream ends, Twilio asks /api/twilio/resume how
 * the call goes on; /api/twilio/status reports its progress. The webhooks are served for POST and
 * GET.
 *
 * The addresses of stream and resume that are handed out end in the call's owner, by which the HTTP
 * server finds the loop of the call; without that segment they are served where they come in.
 *
 * Every request, the WebSocket upgrade included, must carry an X-Twilio-Signature that is right for
 * the configured public URL (never for the Host header, which the client chooses); others get 403.
 * On top of it the stream's <Parameter> "token" is the host's to check: once, and for that call.
 *
 *   Lifetime  twilio_channel_open adds the routes before the servers start; twilio_channel_close
 *             comes after they were closed and the host has answered every call. Streams: see
 *             channel.h.
 *   Thread    one object serves all loops; read-only but for its counters, which are atomic.
 *   Bounds    TWILIO_ANSWER_TIMEOUT_MS until the host's answer, TWILIO_START_TIMEOUT_MS until a
 *             stream's `start`, TWILIO_BAD_MESSAGES_MAX on a stream, TWILIO_MESSAGE_BYTES_MAX
 *             each, TWILIO_BODY_BYTES_MAX a form, TWILIO_AUDIO_OUT_BYTES_MAX waiting audio.
 */
#ifndef CHANNEL_TWILIO_H
#define CHANNEL_TWILIO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "channel/channel.h"
#include "net/http.h"

struct twilio_channel;

struct twilio_channel_opts {
    struct http_router *router;
    /* What Twilio calls us: "https://host[:port][/prefix]", without query. Needed for signatures;
     * without it the URLs handed out are made from the Host header (insecure_streams only). */
    struct str public_url;
    struct str auth_token; /* never logged; empty = every request is refused, or checks are off */
    /* Turns signature and token checks off. Only for a server that nobody else can reach: app/
     * refuses it unless listening on loopback without a public URL. */
    bool insecure_streams;
    uint32_t answer_timeout_ms; /* 0 = TWILIO_ANSWER_TIMEOUT_MS */
    uint32_t start_timeout_ms;  /* 0 = TWILIO_START_TIMEOUT_MS */
    const struct channel_host *host;
    void *host_ctx;
};

/* Copies the strings. ERR_INVALID with a sentence for a public URL that cannot be used. */
enum err twilio_channel_open(struct twilio_channel **out, const struct twilio_channel_opts *opts,
                             struct err_detail *detail) MUST_CHECK;
/* NULL-safe. */
void twilio_channel_close(struct twilio_channel *t);

/* Since the start, all loops together. Any thread. */
void twilio_channel_counters(const struct twilio_channel *t, struct channel_counters *out);

#endif
