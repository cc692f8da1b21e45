/*
 * past.h - the calls that processes before this one left in their segments.
 *
 * A call may be spread over several series: a process that died began it, the next one went on with
 * it (JOURNAL_RESUMED) and died as well. Here it is one call again, its records in one sequence.
 * Series of dead processes are locked by who finds them, and stay locked as long as a call of
 * theirs goes on (past_hold): the next to come finds everything where it was.
 *
 *   Memory   calls live until past_close; a hold lives on until it is released.
 *   Thread   one owner; a hold may be released on any thread.
 *   Bounds   those of scan.h.
 */
#ifndef JOURNAL_PAST_H
#define JOURNAL_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "journal/copy.h"

struct past;
struct past_hold;
struct past_part;

struct past_call {
    const char *id;
    struct str head, end;   /* JSON; end.p == NULL: the call was cut off */
    int64_t last_at_us;     /* time of the last good record */
    uint32_t next_sequence; /* of the record that would come next */
    bool gap;               /* records are missing */
    bool alive;             /* of a process that lives: to be looked at only */
    bool filed;             /* has its own file */
    /* private */
    const struct past_part *parts;
    size_t part_count;
    bool done; /* its records are kept elsewhere or held */
};

/* Finds all calls. `look_only`: locks nothing and removes nothing; whether a process lives is not
 * known then. No directory: no calls. ERR_IO with a sentence; nothing is owned then. */
enum err past_open(struct past **out, const char *dir, bool look_only,
                   struct err_detail *detail) MUST_CHECK;
/* Removes the segments of dead processes whose calls are all filed; those with a call that is not
 * stay for the next start. NULL-safe. */
void past_close(struct past *p);

size_t past_count(const struct past *p);
/* Oldest process first. */
struct past_call *past_at(struct past *p, size_t i);

/* Appends the call's records. ERR_IO with a sentence. */
enum err past_copy(const struct past_call *call, struct copy *out,
                   struct err_detail *detail) MUST_CHECK;
/* The call's records as bytes for journal_reader_new. */
enum err past_read(const struct past_call *call, struct buf *out,
                   struct err_detail *detail) MUST_CHECK;
/* Writes <id>.jrn. */
enum err past_file(struct past *p, struct past_call *call, struct err_detail *detail) MUST_CHECK;

/* The call goes on in this process, which will file it. */
struct past_hold *past_hold(struct past_call *call);
enum err past_hold_copy(const struct past_hold *h, struct copy *out,
                        struct err_detail *detail) MUST_CHECK;
/* `filed`: the records are in the call's file; else they stay for the next start. NULL-safe. */
void past_hold_release(struct past_hold *h, bool filed);

#endif
