/*
 * turn_row.h - a turn of the call core as a row of the store.
 *
 *   Memory   the row borrows from the item.
 *   Thread   any; pure.
 */
#ifndef SESSION_TURN_ROW_H
#define SESSION_TURN_ROW_H

#include "call/call.h"
#include "store/model.h"

/* `call_id` is the row's. The sequence number is the item's place in the transcript. */
struct turn_row turn_row_of(const struct call *c, const struct call_item *item,
                            const char *call_id);

/* The end of a call as a row: figures and reason, for CALL_SET_FINISH | CALL_SET_ENGINE. `journal`
 * and `call_id` are borrowed. */
struct call_row end_row_of(const struct call *c, const struct call_stats *stats,
                           const char *call_id, const char *journal, int64_t ended_at_ms);

#endif
