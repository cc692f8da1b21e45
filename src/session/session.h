/*
 * session.h - the shell of one call: owns its channel, engine, tools, timers and journal; feeds
 * what they do into the call core and performs the effects it answers with.
 *
 * Private to session/. The order in feed() is the promise of the journal: an input is appended
 * before the core sees it, and its effects' digest before any of them is performed.
 *
 *   Lifetime  session_new makes it; it frees itself once the call has ended and everything it had
 *             opened has said that it is closed, and tells the host just before
 *             (host_session_gone).
 *   Thread    the loop's.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "channel/channel.h"
#include "session/host_private.h"

struct session;

/* Begins a call: journal, core, engine. `config` is copied. */
struct session *session_new(struct host_part *part, const struct call_config *config);

/* The carrier's stream for this call. */
void session_attach(struct session *s, struct channel *ch, const struct channel_events **events,
                    void **events_ctx);

/* The carrier says that the stream is over, whatever its connection looks like from here. */
void session_stream_gone(struct session *s);
/* The line is gone and a new stream, by session_attach, would resume the call. */
bool session_waits(const struct session *s);

/* A call that outlived its process: `call` is its state at `lost_us`, built from the record of
 * which `before` is held and `sequence` comes next. Owns both. Not fed anything yet:
 * session_process_died follows, once the host knows it. */
struct session *session_revive(struct host_part *part, const struct call_config *config,
                               struct call *call, struct past_hold *before, uint32_t sequence,
                               int64_t lost_us);
void session_process_died(struct session *s, int64_t lost_us);

/* "hangup", "goodbye", "say ..." */
void session_operator(struct session *s, const char *command);
/* The carrier says that the call is over. */
void session_carrier_ended(struct session *s, struct str reason);

const char *session_id(const struct session *s);

/* What the carrier should do when the stream has ended. */
enum channel_verdict session_verdict(const struct session *s);
struct str session_transfer_number(const struct session *s);

#endif
