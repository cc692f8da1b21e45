/*
 * replay.h - a call again, from what was recorded: the same inputs to the same state machine.
 *
 *   Memory   the call lives until replay_fini.
 *   Thread   any; one owner.
 */
#ifndef JOURNAL_REPLAY_H
#define JOURNAL_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "call/call.h"
#include "journal/journal.h"

struct replay {
    uint32_t behaviour; /* of the program that recorded; this one's is CALL_BEHAVIOUR_VERSION */
    uint64_t inputs, effects;
    int64_t start_us; /* of the head */
    struct call *call;

    bool differs; /* the rest is about the first input whose effects are not the recorded ones */
    int64_t at_us;
    enum call_in_type type;
    uint64_t input_number;         /* from 1 */
    struct buf input;              /* the input's text, cut */
    struct buf recorded, computed; /* lines of the facts */

    bool incomplete; /* the journal has a gap or damage; nothing was compared behind it */
    struct err_detail why;

    struct arena arena; /* private */
    struct buf scratch;
};

/* Replays all of the reader's call. Stops at the first difference when `verify`. ERR_INVALID with a
 * sentence when the file has no usable head; replay_fini in any case. */
enum err replay_run(struct replay *r, struct journal_reader *reader, bool verify,
                    struct err_detail *detail) MUST_CHECK;
void replay_fini(struct replay *r);

#endif
