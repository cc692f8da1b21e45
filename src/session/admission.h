/*
 * admission.h - who may still call, and what a day may cost.
 *
 * Counts the calls in progress of each business and each caller, and the money spent today (UTC) by
 * each business and in all, from the usage the engines report. One for the process: a business's
 * calls are on every loop. What was spent before a restart comes out of the store (admission_load).
 *
 *   Units    money: 1e-9 US dollars. Days: of 86,400 s since 1970, by the wall clock, which may be
 *            set: a day earlier than the one that is counted changes nothing.
 *   Memory   one entry for each business with calls or spending today, and for each caller on the
 *            line; entries of other days go when their place is looked at.
 *   Thread   any; a lock is held for a table look-up, at the begin and end of a call and after each
 *            answer, never for a frame.
 *   Bounds   as many callers as there are calls; as many businesses as the store has.
 */
#ifndef SESSION_ADMISSION_H
#define SESSION_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* 0 = no limit. */
struct admission_caps {
    int64_t business_calls, caller_calls; /* at once */
    int64_t business_day_nanousd;
};

enum admitted {
    ADMISSION_OK,    /* counted: admission_end is owed */
    ADMISSION_BUSY,  /* the business has as many calls as it may */
    ADMISSION_TWICE, /* the caller has as many calls as they may */
    ADMISSION_SPENT, /* the day's money is spent */
};

struct admission;

struct admission *admission_new(int64_t server_day_nanousd); /* 0 = no limit */
void admission_free(struct admission *a);                    /* NULL-safe */

/* A call begins. An empty `caller` (withheld) is not counted for the caller. */
enum admitted admission_begin(struct admission *a, struct str business, struct str caller,
                              const struct admission_caps *caps, int64_t wall_ms);
/* The same for a call that was admitted before a restart and goes on: it is not refused now. It has
 * cost `spent_nanousd`, of which the store does not know yet. */
void admission_resume(struct admission *a, struct str business, struct str caller,
                      int64_t spent_nanousd, int64_t wall_ms);
void admission_end(struct admission *a, struct str business, struct str caller);

/* Money was spent. True if the business or the server is now past its day's limit, so that the call
 * should take its leave: at most the answers in flight are paid beyond a limit. */
bool admission_spend(struct admission *a, struct str business, int64_t nanousd,
                     int64_t business_day_nanousd, int64_t wall_ms);

#endif
