/*
 * twilio_msg.h - the messages of Twilio Media Streams, both directions, both sides.
 *
 * Twilio is the WebSocket client and sends connected, start, media, dtmf, mark and stop; the server
 * answers with media, mark and clear (Twilio documentation, "Media Streams - WebSocket messages").
 * The server side reads the first kind and writes the second; the simulated carrier does the
 * opposite. Media messages take the structural scanner; everything else the full parser.
 *
 *   Memory   a parsed message borrows from the text it was given and from a JSON tree it owns: keep
 *            the text until twilio_msg_fini. A message built by hand needs no fini.
 *   Units    timestamp_ms: milliseconds since the stream began. payload: base64 of mu-law 8 kHz.
 *   Thread   any; no state.
 *   Bounds   TWILIO_PARAMS_MAX custom parameters (base/limits.h); more are refused.
 */
#ifndef PROTO_TWILIO_MSG_H
#define PROTO_TWILIO_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/str.h"

enum twilio_msg_type {
    TWILIO_UNKNOWN, /* an event Twilio added since; carriers' messages only */
    TWILIO_CONNECTED,
    TWILIO_START,
    TWILIO_MEDIA,
    TWILIO_DTMF,
    TWILIO_MARK,
    TWILIO_STOP,
    TWILIO_CLEAR, /* server's messages only */
};

struct twilio_param {
    struct str name, value;
};

/* Absent strings have p == NULL, absent numbers are -1. */
struct twilio_msg {
    enum twilio_msg_type type;
    struct str stream_sid;                         /* all but connected */
    int64_t sequence;                              /* carrier's, all but connected */
    struct str account_sid, call_sid;              /* start, stop */
    struct str payload;                            /* media; not yet known to be valid base64 */
    struct str track;                              /* media of the carrier: "inbound" */
    int64_t chunk, timestamp_ms;                   /* media of the carrier */
    struct str mark;                               /* mark: its name */
    struct str digit;                              /* dtmf: one of 0-9 * # A-D */
    struct str encoding;                           /* start: "audio/x-mulaw" */
    int64_t sample_rate_hz, channels;              /* start */
    struct twilio_param params[TWILIO_PARAMS_MAX]; /* start: <Parameter> elements */
    size_t param_count;
    json_t *root; /* owned; NULL for media and for messages built by hand */
};

/* A message of the carrier. ERR_INVALID with a sentence in `detail` (may be NULL): not a JSON
 * object, no `event`, a member of the wrong type, or one missing that the event cannot do without.
 * Whether the stream_sid is the right one is the caller's to check. On error nothing is owned. */
enum err twilio_msg_parse(struct twilio_msg *out, struct str text,
                          struct err_detail *detail) MUST_CHECK;
/* A message of the server, judged as Twilio does (its warning 31951): media, mark or clear. */
enum err twilio_msg_parse_reply(struct twilio_msg *out, struct str text,
                                struct err_detail *detail) MUST_CHECK;
/* Frees the tree; safe on any message. */
void twilio_msg_fini(struct twilio_msg *m);
/* The value of a custom parameter; p == NULL when there is none. */
struct str twilio_msg_param(const struct twilio_msg *m, struct str name);

/* What the server sends. */
void twilio_write_media(struct buf *b, struct str stream_sid, struct str payload);
void twilio_write_mark(struct buf *b, struct str stream_sid, struct str name);
void twilio_write_clear(struct buf *b, struct str stream_sid);

/* What the carrier sends; the members used are those named. */
void twilio_write_connected(struct buf *b);
/* sequence, account_sid, stream_sid, call_sid, params; the format is always mu-law 8 kHz mono. */
void twilio_write_start(struct buf *b, const struct twilio_msg *m);
/* sequence, chunk, timestamp_ms, payload, stream_sid. */
void twilio_write_inbound_media(struct buf *b, const struct twilio_msg *m);
/* sequence, stream_sid, mark. */
void twilio_write_mark_echo(struct buf *b, const struct twilio_msg *m);
/* sequence, stream_sid, digit. */
void twilio_write_dtmf(struct buf *b, const struct twilio_msg *m);
/* sequence, account_sid, call_sid, stream_sid. */
void twilio_write_stop(struct buf *b, const struct twilio_msg *m);

#endif
