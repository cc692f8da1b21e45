/*
 * rig.h - both ends of the calls that a server bridges: the carrier and the Realtime provider.
 *
 * A line is a group of calls to one server. The carrier opens a Media Stream for each call; the
 * provider answers it with its own session. What is said depends on the line:
 *
 *   RIG_MIRROR  an endless response: each append comes back as one delta. A frame goes carrier,
 *               server, provider, server, carrier. In rig_round each call keeps exactly one under
 *               way (a closed loop, as fast as the server lets it); paced, one leaves every 20 ms.
 *   RIG_TURNS   a conversation in real time: a frame every 20 ms, in each 6 s the caller speaks for
 *               1.5 s; 500 ms later the provider ends the turn and answers with 3 s of speech in
 *               deltas of 200 ms, five times as fast as they are spoken. Marks come back when the
 *               audio before them has been played.
 *
 * A line to a relay that copies bytes gets the same messages in the same number: the provider then
 * reads the carrier's messages, and the carrier the provider's.
 *
 *   Thread   one; the functions run the loop until what they wait for has happened.
 *   Bounds   every wait ends after RIG_WAIT_MS with an error.
 */
#ifndef BENCH_BRIDGE_RIG_H
#define BENCH_BRIDGE_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bridge/figures.h"
#include "net/loop.h"

enum {
    RIG_WAIT_MS = 60000,
    RIG_SETTLE_MS = 250,
    RIG_WARM_MS = 14000,
    RIG_CYCLE_MS = 6000,
    RIG_LINES_MAX = 4
};

enum rig_kind {
    RIG_BRIDGE, /* Twilio Media Streams in, Realtime out */
    RIG_RELAY,  /* bytes */
};

enum rig_talk { RIG_MIRROR, RIG_TURNS };

struct rig_line_opts {
    enum rig_kind kind;
    enum rig_talk talk;
    bool tls;     /* the provider's end */
    bool lenient; /* clearing and cancelling are no failure */
};

struct rig_counts {
    uint64_t sent;      /* frames of the carrier */
    uint64_t frames;    /* mirror: came back */
    uint64_t lost;      /* mirror: came back no more when later ones did, or not in time */
    uint64_t reordered; /* mirror: came back after later ones */
    uint64_t changed;   /* mirror: not the bytes that were sent */
    uint64_t marks;     /* asked for and echoed */
    uint64_t turns;     /* answers the provider gave whole */
    uint64_t said_bytes, heard_bytes; /* turns: mu-law of the provider, and of it at the carrier */
    size_t media_bytes; /* of the last message of its kind, without WebSocket framing */
    size_t append_bytes;
    size_t delta_bytes;
    size_t answer_bytes;
};

struct rig;
struct rig_line;

/* Opens the provider's listeners; `cert` and `key` are PEM files for the one with TLS. */
enum err rig_open(struct rig **out, struct loop *l, const char *cert, const char *key,
                  struct err_detail *detail) MUST_CHECK;
/* After rig_hang_up of every line; frees the lines, too. */
void rig_close(struct rig *r);
uint16_t rig_provider_port(const struct rig *r, bool tls);

struct rig_line *rig_line_new(struct rig *r, const struct rig_line_opts *opts);
/* Where the server that bridges this line finds its provider. */
void rig_line_url(const struct rig_line *line, char *out, size_t size);
/* Opens `count` more calls to 127.0.0.1:`port` and waits until the first audio came back on each.
 */
enum err rig_call(struct rig_line *line, uint16_t port, unsigned count,
                  struct err_detail *detail) MUST_CHECK;
unsigned rig_line_calls(const struct rig_line *line);
/* Mirror: keeps one frame under way on each call for `ms`, and waits for the last ones. */
enum err rig_round(struct rig_line *line, uint32_t ms, struct err_detail *detail) MUST_CHECK;

/* Real time: a frame every 20 ms on each call of the line, spread evenly, until it is stopped.
 * Turns: callers speak only when `talking`, each first after 8 to 14 s; then RIG_WARM_MS have
 * passed. */
void rig_pace(struct rig_line *line, bool talking);
void rig_pace_stop(struct rig_line *line);
/* Lets paced lines run for `ms`. */
enum err rig_run(struct rig *r, uint32_t ms, struct err_detail *detail) MUST_CHECK;
/* Mirror, after rig_pace_stop: waits up to `ms` for the frames under way; those still missing count
 * as lost. */
void rig_drain(struct rig_line *line, uint32_t ms);
/* Mirror: microseconds from a frame's sending to its coming back. Reset it with samples_reset.
 */
struct samples *rig_times(struct rig_line *line);
/* How late frames left against their schedule: what the driver itself lacks. */
struct samples *rig_lateness(struct rig_line *line);

/* Lets the server finish what it put off, such as its journal's last flush. */
void rig_settle(struct rig *r);
struct rig_counts rig_counts(const struct rig_line *line);
/* From now on the server may end as it likes. */
void rig_expect_end(struct rig_line *line);
/* Ends every call of the line and waits until both ends are closed. */
void rig_hang_up(struct rig_line *line);

#endif
