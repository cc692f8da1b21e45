/*
 * tools.h - what an agent can do besides talking.
 *
 * A tool has a name, a description and a JSON schema for its arguments, all shown to the engine,
 * and a run function. Tools that change the call itself (end_call, transfer_to_human) are declared
 * here but carried out by the call core.
 *
 *   Thread   the loop's.
 *   Bounds   an output is cut at TOOL_OUTPUT_BYTES_MAX. The deadline is the call's business.
 */
#ifndef TOOLS_TOOLS_H
#define TOOLS_TOOLS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "store/store.h"

struct knowledge;
struct tool_run;

/* `output`: JSON text for the engine, valid until return. */
typedef void tool_done_fn(void *ctx, bool ok, struct str output);

struct tool_opts {
    struct loop *loop;
    struct store *store;
    struct knowledge *knowledge; /* NULL: the store is searched by words */
    const char *business_id;
    const char *call_id;
};

/* The JSON array of tool definitions (Realtime `tools`) for a session.update. `can_transfer`: the
 * business has somebody to transfer to. */
void tools_write_definitions(struct buf *b, bool can_transfer);

/*
 * Starts tool `name` with JSON `arguments`. `done` is called exactly once, never from inside
 * tool_start, unless the run is cancelled. ERR_NOTFOUND: no such tool; ERR_INVALID: bad arguments;
 * `detail` is then a sentence the engine may read.
 */
enum err tool_start(const struct tool_opts *opts, struct str name, struct str arguments,
                    tool_done_fn *done, void *ctx, struct tool_run **out,
                    struct err_detail *detail) MUST_CHECK;
/* `done` will not be called. */
void tool_cancel(struct tool_run *run);

#endif
