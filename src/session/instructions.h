/*
 * instructions.h - what the agent of a business is told about itself, and the call's configuration.
 *
 *   Memory   the caller's.
 *   Thread   any; pure.
 */
#ifndef SESSION_INSTRUCTIONS_H
#define SESSION_INSTRUCTIONS_H

#include "base/buf.h"
#include "store/model.h"

/* The instructions: who, when (date, hours, holidays of the business's zone), how to behave.
 * `from`: the caller's number, empty when withheld. */
void instructions_write(struct buf *b, const struct business *business,
                        const struct business_config *config, struct str from, int64_t wall_ms);

/* "We are open from 9 AM to 6 PM today." - how things stand, as one would say it. */
void instructions_write_state(struct buf *b, const struct business_config *config, int64_t wall_ms);

#endif
