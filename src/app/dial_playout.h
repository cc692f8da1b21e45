/*
 * dial_playout.h - what the agent sent and the caller has not yet heard.
 *
 * A carrier plays what it is sent at the speed of speech, echoes a mark when everything before it
 * was played, and drops everything on a clear, echoing the outstanding marks at once (Twilio Media
 * Streams). Because this one counts the bytes it played, it is the truth that the server's own
 * reckoning of what was heard is judged by.
 *
 *   Units    mu-law bytes, 8 a millisecond.
 *   Memory   value type, dial_playout_init / _fini.
 *   Thread   the owner's; pure.
 *   Bounds   DIAL_PLAYOUT_BYTES_MAX waiting, DIAL_MARKS_MAX marks; what does not fit is refused
 *            and counted, as Twilio does (its error 31930).
 */
#ifndef APP_DIAL_PLAYOUT_H
#define APP_DIAL_PLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { DIAL_MARK_BYTES = 96 };

struct dial_mark {
    char name[DIAL_MARK_BYTES];
    int64_t at; /* due when this many bytes were played or cleared */
};

/* Fields are private to dial_playout.c except the figures. */
struct dial_playout {
    struct buf queue;
    size_t head; /* bytes of the queue already played */
    struct dial_mark *marks;
    size_t first_mark, mark_count;
    int64_t appended, passed; /* passed: played or cleared */
    /* figures */
    int64_t heard;   /* bytes really played */
    int64_t dropped; /* by clears */
    uint64_t messages, marks_seen, marks_echoed, clears, refused;
};

void dial_playout_init(struct dial_playout *p);
void dial_playout_fini(struct dial_playout *p);

/* ERR_INVALID: not base64. ERR_LIMIT: too much waits. Both counted. */
enum err dial_playout_add(struct dial_playout *p, struct str base64) MUST_CHECK;
/* The same for audio of our own. */
enum err dial_playout_add_raw(struct dial_playout *p, const uint8_t *mulaw, size_t len) MUST_CHECK;
enum err dial_playout_mark(struct dial_playout *p, struct str name) MUST_CHECK;
/* Plays 20 ms: fills 160 bytes, silence where there is nothing. Returns the bytes that were audio.
 */
size_t dial_playout_take(struct dial_playout *p, uint8_t *frame);
/* Drops what waits; returns how many bytes that were. */
size_t dial_playout_clear(struct dial_playout *p);
/* The stream is gone: what waits, marks as well, is nobody's any more. */
void dial_playout_lost(struct dial_playout *p);
/* The name of the next mark that is due, NULL if none is. Valid until the next call. */
const char *dial_playout_due(struct dial_playout *p);
bool dial_playout_empty(const struct dial_playout *p);
size_t dial_playout_waiting(const struct dial_playout *p);

#endif
