/*
 * open_turns.h - turns that were not given out when a journal stops: what was being said when the
 * process died, from the facts there are (text asked for or announced, sound sent).
 *
 *   Memory   ids and texts are copied; open_turns_fini frees.
 *   Thread   any; one owner.
 *   Bounds   OPEN_TURNS_MAX at once, the oldest is forgotten; CALL_ITEM_TEXT_MAX of text each.
 */
#ifndef JOURNAL_OPEN_TURNS_H
#define JOURNAL_OPEN_TURNS_H

#include <jansson.h>
#include <stdint.h>

#include "call/call.h"
#include "journal/tape.h"

enum { OPEN_TURNS_MAX = 64, OPEN_TURN_ID_BYTES = 128 };

struct open_turn {
    char id[OPEN_TURN_ID_BYTES];
    bool caller, cut;
    struct buf text;
    int64_t start_us, end_us; /* of its sound; 0 = none was sent */
    int64_t spoken_ms, unheard_us;
};

struct open_turns {
    struct open_turn turns[OPEN_TURNS_MAX];
    size_t count;
    int64_t playing_until_us;
};

/* A zeroed struct is ready. */
void open_turns_fini(struct open_turns *o);
/* Text from the engine: transcripts of either side, as they grow. */
void open_turns_event(struct open_turns *o, const struct rt_event *event, int64_t at_us);
/* prompt, play, clear; others are ignored. */
void open_turns_fact(struct open_turns *o, const struct fact *f, int64_t at_us);
/* The turn was given out: nothing of it is open. */
void open_turns_close(struct open_turns *o, struct str id);
/* Appends what is left, in the form of the other turns, times since `start_us`. */
void open_turns_write(struct open_turns *o, json_t *items, int64_t start_us, int64_t last_us);

#endif
