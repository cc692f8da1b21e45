/*
 * rig.h - both ends of the calls that a server bridges: the carrier and the Realtime provider.
 *
 * The carrier opens a Media Stream for each call; the provider answers each session with an endless
 * response: one delta for every append. So a frame goes carrier, server, provider, server, carrier,
 * and each call keeps exactly one under way: a closed loop, as fast as the server lets it. Marks
 * are echoed at once, so the server takes everything for heard.
 *
 * The same loop also drives a relay that copies bytes: there the provider answers the Media
 * Stream's own messages with the same deltas, and the carrier takes those for the answer.
 *
 *   Thread   one; the functions run the loop until what they wait for has happened.
 *   Bounds   every wait ends after RIG_WAIT_MS with an error.
 */
#ifndef BENCH_BRIDGE_RIG_H
#define BENCH_BRIDGE_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"

enum { RIG_WAIT_MS = 60000, RIG_SETTLE_MS = 250 };

enum rig_line {
    RIG_BRIDGE, /* Twilio Media Streams in, Realtime out */
    RIG_RELAY,  /* bytes */
    RIG_LINE_COUNT,
};

struct rig_counts {
    uint64_t frames;    /* came back */
    uint64_t marks;     /* asked for and echoed */
    size_t media_bytes; /* of the last message of its kind, without WebSocket framing */
    size_t append_bytes;
    size_t delta_bytes;
    size_t answer_bytes;
};

struct rig;

/* Opens the provider's listener. */
enum err rig_open(struct rig **out, struct loop *l, struct err_detail *detail) MUST_CHECK;
/* After rig_hang_up of every line. */
void rig_close(struct rig *r);
uint16_t rig_provider_port(const struct rig *r);

/* Opens `count` more calls to 127.0.0.1:`port` and waits until the first audio came back on each.
 */
enum err rig_call(struct rig *r, enum rig_line line, uint16_t port, unsigned count,
                  struct err_detail *detail) MUST_CHECK;
/* Keeps one frame under way on each call for `ms`, and waits for the last ones to come back. */
enum err rig_round(struct rig *r, enum rig_line line, uint32_t ms,
                   struct err_detail *detail) MUST_CHECK;
/* Lets the server finish what it put off, such as its journal's last flush. */
void rig_settle(struct rig *r);
struct rig_counts rig_counts(const struct rig *r, enum rig_line line);
/* Ends every call of the line and waits until both ends are closed. */
void rig_hang_up(struct rig *r, enum rig_line line);

#endif
