/*
 * dial_line.h - one direction of a simulated network: messages arrive later, in order.
 *
 *   Units    microseconds on the loop's clock.
 *   Lifetime dial_line_new / dial_line_free; messages under way are dropped by free.
 *   Thread   the loop's.
 *   Bounds   DIAL_LINE_MESSAGES_MAX under way; more are dropped and counted.
 */
#ifndef APP_DIAL_LINE_H
#define APP_DIAL_LINE_H

#include "base/str.h"
#include "net/loop.h"

struct dial_line;
typedef void dial_line_fn(void *ctx, struct str text);

/* `fn` gets each message when it arrives; not from inside dial_line_send unless the delay is 0. */
struct dial_line *dial_line_new(struct loop *l, int64_t delay_ms, int64_t jitter_ms,
                                dial_line_fn *fn, void *ctx);
/* NULL-safe. */
void dial_line_free(struct dial_line *line);
void dial_line_send(struct dial_line *line, struct str text);
/* Messages under way; not the one being delivered. */
size_t dial_line_waiting(const struct dial_line *line);
/* Dropped because too much was under way. */
uint64_t dial_line_dropped(const struct dial_line *line);

#endif
