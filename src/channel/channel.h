/*
 * channel.h - how a person is connected: the contract between a carrier's driver and the sessions.
 *
 * A driver (twilio, later sip, webrtc, browser) owns its routes and sockets. It tells the host
 * about incoming calls and streams; the host owns the calls. Audio is mu-law 8 kHz as base64 text,
 * so that on the telephone path it passes without being decoded.
 *
 *   Lifetime  a struct channel is made by the driver when a stream starts and given to the host
 *             in on_stream. channel_close is idempotent, returns at once; exactly one on_closed
 *             follows from the loop, never from inside a call into the channel; freed after it.
 *   Order     on_audio/on_mark/on_dtmf in the carrier's order, on_closed once, last.
 *   Thread    the loop's.
 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct channel;

struct channel_events {
    /* `payload`: base64 of `len` mu-law bytes; `timestamp_ms` since the stream began. */
    void (*on_audio)(void *ctx, struct str payload, uint32_t len, uint32_t timestamp_ms);
    /* Everything sent before mark `number` has been played (or cleared). */
    void (*on_mark)(void *ctx, uint32_t number);
    void (*on_dtmf)(void *ctx, char digit);
    /* `reason`: "stop" (caller hung up or the carrier moved the call), "closed", "protocol: ..." */
    void (*on_closed)(void *ctx, struct str reason);
};

/* Base of every channel: drivers embed it as their first member. */
struct channel {
    const struct channel_ops *ops;
};

struct channel_ops {
    /* A multiple of 160 bytes of mu-law as base64. ERR_LIMIT: dropped because too much waits. */
    enum err (*send_audio)(struct channel *ch, struct str payload);
    enum err (*send_mark)(struct channel *ch, uint32_t number);
    enum err (*clear)(struct channel *ch);
    /* Ends the stream. What the carrier does next was left with the host (see on_stream_ended). */
    void (*close)(struct channel *ch);
};

/* What the carrier tells when a call comes in or its stream starts. Borrowed until return. */
struct channel_call {
    struct str channel;    /* "twilio" */
    struct str carrier_id; /* CallSid; empty for a stream that came without a webhook */
    struct str from;       /* E.164, or empty when withheld */
    struct str to;
    struct str direction; /* "inbound", "outbound" */
};

/* What the host wants done with a call: becomes TwiML. Strings are copied before return. */
enum channel_verdict {
    CHANNEL_STREAM,   /* connect a stream; `token` goes with it */
    CHANNEL_HANGUP,   /* say `text` (may be empty) and hang up */
    CHANNEL_TRANSFER, /* say `text` (may be empty) and dial `number` */
};
struct channel_answer {
    enum channel_verdict verdict;
    struct str token;
    struct str owner; /* with a stream: where the call lives (net/owner.h), for its addresses */
    struct str text;
    struct str number;
};
typedef void channel_answer_fn(void *ctx, const struct channel_answer *answer);

/* The host's side. What belongs to a call (on_stream, on_stream_ended) is called on the loop that
 * the `owner` handed out with it names, as long as that is known; the rest on the loop the request
 * arrived at. */
struct channel_host {
    /* A call rings. `answer` is called exactly once, now or later; if the carrier is gone by then
     * the driver ignores it. */
    void (*on_incoming)(void *host, struct loop *l, const struct channel_call *call,
                        channel_answer_fn *answer, void *answer_ctx);
    /* A stream started with `token` (empty only when the driver runs without checks). On OK the
     * host has taken `ch` and returns the events to call; on an error the driver closes the stream.
     * ERR_DENIED: unknown, used or mismatched token. */
    enum err (*on_stream)(void *host, struct loop *l, struct str token,
                          const struct channel_call *call, struct channel *ch,
                          const struct channel_events **events, void **events_ctx);
    /* The carrier asks what to do after a stream ended (Connect action). As on_incoming. */
    void (*on_stream_ended)(void *host, struct loop *l, struct str carrier_id,
                            channel_answer_fn *answer, void *answer_ctx);
    /* Call progress: Twilio's CallStatus value; duration_s < 0 when not told. The call may live on
     * another loop. */
    void (*on_status)(void *host, struct loop *l, struct str carrier_id, struct str status,
                      int64_t duration_s);
};

/* What a driver counts, since the start. */
struct channel_counters {
    uint64_t refused;       /* requests without a right signature, streams without a right token */
    uint64_t webhooks;      /* served */
    uint64_t late_answers;  /* calls the host did not answer in time */
    uint64_t streams;       /* started */
    uint64_t bad_messages;  /* malformed, unexpected or binary */
    uint64_t other_streams; /* messages with another stream's id */
    uint64_t sequence_gaps; /* messages that never came */
    uint64_t audio_dropped; /* outgoing messages refused because too much waited */
};
/* `driver` is what the function was given out with. Any thread. */
typedef void channel_counters_fn(const void *driver, struct channel_counters *out);

static inline enum err channel_send_audio(struct channel *ch, struct str payload)
{
    return ch->ops->send_audio(ch, payload);
}
static inline enum err channel_send_mark(struct channel *ch, uint32_t number)
{
    return ch->ops->send_mark(ch, number);
}
static inline enum err channel_clear(struct channel *ch)
{
    return ch->ops->clear(ch);
}
static inline void channel_close(struct channel *ch)
{
    ch->ops->close(ch);
}

#endif
