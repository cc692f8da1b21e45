/*
 * rig_private.h - what rig.c (the carrier) and rig_provider.c share.
 *
 *   Memory   calls belong to their line; provider sessions to themselves, until they are closed.
 *   Thread   the rig's loop.
 */
#ifndef BENCH_BRIDGE_RIG_PRIVATE_H
#define BENCH_BRIDGE_RIG_PRIVATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "bridge/rig.h"
#include "net/http.h"
#include "net/ws.h"

#define RIG_RELAY_PATH "/relay"

enum {
    RIG_FRAME_MS = 20,
    RIG_FRAME_BYTES = 160,
    RIG_FRAME_CHARS = 216, /* of its base64 */
    RIG_MARKER_CHARS = 16, /* of the agent's frames, which no announcement begins with */
    RIG_MESSAGE_BYTES_MAX = 1 << 20,
};

/* One call as the carrier sees it. */
struct call_end {
    struct line *line;
    struct ws *ws; /* NULL once closed */
    bool ready;    /* audio of the provider came */
    bool flying;   /* a frame is under way */
    int64_t sequence, chunk;
    char call_sid[35], stream_sid[35];
};

struct line {
    struct rig *rig;
    struct call_end **calls;
    unsigned count, open, ready, flying;
    bool running, hanging_up, failed;
    char failure[160];
    struct rig_counts counts;
};

struct rig {
    struct loop *loop;
    struct loop_timer *timer;
    bool woken, late; /* of the wait under way */
    struct http_router *router;
    struct http_server *http;
    struct line lines[RIG_LINE_COUNT];
    unsigned sessions;      /* the provider's, open */
    unsigned sessions_kept; /* while hanging up: those of the other line */
    unsigned dialled, answered;
    struct buf out; /* the message being built */
    char caller[RIG_FRAME_CHARS + 1], agent[RIG_FRAME_CHARS + 1];
};

/* Ends the wait under way, or the next. */
void rig_wake(struct rig *r);
/* The line cannot be measured; the first reason counts. */
void rig_failed(struct line *line, const char *why);
/* Ends the wait of rig_hang_up once both ends of the line's calls are closed. */
void rig_check_quiet(struct rig *r);
enum err rig_provider_open(struct rig *r, struct err_detail *detail) MUST_CHECK;

#endif
