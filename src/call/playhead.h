/*
 * playhead.h - how much of what was sent to the carrier has been heard.
 *
 * Audio is sent faster than it is played. The carrier echoes a mark when everything before it was
 * played; between echoes the clock goes on at 1x. An echo takes half a round trip to us, and a
 * `clear` half a round trip to the carrier, during which more is heard: so what a clear sent now
 * will have let through is last mark + time since + one round trip, never more than was sent. The
 * round trip is estimated from the marks of a spurt whose beginning we know.
 *
 *   Units    positions: bytes of 8 kHz mu-law since the call began (125 us each). Times: us.
 *   Memory   value type, embedded in its owner.
 *   Bounds   PLAYHEAD_MARKS_MAX marks in flight; the oldest is forgotten when one more is sent.
 *   Thread   the owner's; pure.
 */
#ifndef CALL_PLAYHEAD_H
#define CALL_PLAYHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

struct playhead_mark {
    uint32_t number;
    uint32_t position; /* its low 32 bits: a mark in flight is near */
};

/* Fields are private to playhead.c except `sent`. Zero-initialise. */
struct playhead {
    uint64_t sent;   /* position behind the last byte sent and not cleared */
    uint64_t anchor; /* position heard at anchor_us */
    int64_t anchor_us;
    uint64_t echoed; /* position of the last mark that was echoed: surely played; and when it was */
    int64_t echoed_us;
    uint64_t spurt; /* position and time at which the carrier's buffer was last empty */
    int64_t spurt_us;
    int64_t rtt_us;
    bool rtt_known;
    uint32_t first, count;
    struct playhead_mark marks[PLAYHEAD_MARKS_MAX]; /* ring */
};

/* `bytes` were sent at `now_us`. */
void playhead_sent(struct playhead *p, uint32_t bytes, int64_t now_us);
/* Mark `number` was sent behind everything sent so far. */
void playhead_mark(struct playhead *p, uint32_t number);
/* The carrier echoed a mark; false if it is none that we wait for (cleared, repeated, unknown). */
bool playhead_echo(struct playhead *p, uint32_t number, int64_t now_us);
/* Position that a clear sent at `now_us` would leave heard. */
uint64_t playhead_heard(const struct playhead *p, int64_t now_us);
/* Forgets what was not heard, and the marks in flight; returns the position heard. */
uint64_t playhead_clear(struct playhead *p, int64_t now_us);
/* We fell silent at `now_us` without a clear, and what the carrier had not played when it came to
 * know never will be: forgets it, and the marks in flight; returns the position heard. */
uint64_t playhead_stop(struct playhead *p, int64_t now_us);
/* The same for a stream whose end came to be known at `now_us`, in its order behind every echo:
 * what was played half a round trip before, and not as far as a mark whose echo did not come. */
uint64_t playhead_broke(struct playhead *p, int64_t now_us);
/* The time at which all that was sent was or will be heard, if nothing stalls. */
int64_t playhead_end_time(const struct playhead *p);
/* The time at which `position` will have been heard, if nothing stalls; `now_us` if it is already.
 */
int64_t playhead_time_of(const struct playhead *p, uint64_t position, int64_t now_us);

#endif
