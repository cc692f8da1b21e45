/*
 * tape.h - one call's records as steps: an input with the effects it had.
 *
 *   Memory   strings borrow from the reader.
 *   Thread   any; one owner.
 */
#ifndef JOURNAL_TAPE_H
#define JOURNAL_TAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "journal/journal.h"

enum tape_kind { TAPE_DONE, TAPE_HEAD, TAPE_INPUT, TAPE_END };

struct tape_step {
    enum tape_kind kind;
    struct journal_record record; /* head, input or end */
    bool gap;                     /* records are missing before this one, or its effects */
    bool last;                    /* nothing follows, or a gap: its effects may be lost */
    bool has_effects;
    uint32_t digest;  /* of all effects; 0 without any */
    struct str lines; /* those that are facts */
};

/* Fields are private to tape.c, but for `damaged` and `detail`. */
struct tape {
    struct journal_reader *reader;
    struct journal_record ahead;
    bool have_ahead;
    bool started;
    uint32_t call;                     /* records of another one are passed over */
    char id[JOURNAL_ID_BYTES_MAX + 1]; /* under which it may go on with another number */
    uint32_t sequence;                 /* expected next */
    bool damaged; /* damage or a torn tail was met; `detail` says where first */
    struct err_detail detail;
};

/* Starts at the reader's beginning. */
void tape_init(struct tape *t, struct journal_reader *reader);
/* False, and TAPE_DONE, at the end. */
bool tape_next(struct tape *t, struct tape_step *out);

/* One canonical line of an effect, taken apart. */
struct fact {
    struct str verb;
    struct str rest;           /* behind the verb and one space */
    struct str id;             /* play, queue: the item */
    uint32_t offset, len, pad; /* play; queue has len */
};

/* Takes the next line off `lines`; false at the end. A line that does not parse keeps its verb and
 * rest and has no id. */
bool fact_next(struct str *lines, struct fact *out);
/* Takes the next word off a fact's `rest`; empty (p == NULL) when there is none. */
struct str fact_word(struct str *rest);

#endif
