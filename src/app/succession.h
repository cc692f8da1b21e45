/*
 * succession.h - the process that served this data before us: what it gives, and what it leaves.
 *
 * Its listening sockets are ours from the start; then it finishes its calls. When it has ended,
 * however it did, the calls it left are recovered as after a crash: they go on here if their
 * carrier asks in time.
 *
 *   Lifetime  succession_watch and succession_close on one loop, the latter before it is closed.
 *   Thread    the loop's.
 *   Source    pidfd_open(2): readable when the process has ended, its files closed.
 */
#ifndef APP_SUCCESSION_H
#define APP_SUCCESSION_H

#include <stdbool.h>

#include "base/err.h"
#include "net/gate.h"
#include "net/loop.h"

/* Who serves the data folder whose sockets are in `run_dir`; `out` without sockets = nobody. ERR_IO
 * with a sentence when somebody does who does not drain and is not to be replaced. */
enum err succession_find(struct gate_predecessor *out, const char *run_dir, bool takeover,
                         struct err_detail *detail) MUST_CHECK;

struct succession;

/* Calls on_gone on the loop whenever one of the processes has ended. One that cannot be watched is
 * logged. */
struct succession *succession_watch(struct loop *l, const struct gate_predecessor *before,
                                    loop_fn *on_gone, void *ctx);
/* NULL-safe. */
void succession_close(struct succession *w);

#endif
