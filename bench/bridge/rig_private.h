/*
 * rig_private.h - what the parts of the rig share: rig.c (waiting and lines), rig_carrier.c,
 * rig_pace.c, rig_provider.c and rig_reply.c (the provider's turns).
 *
 *   Memory   calls belong to their line; provider sessions to themselves, until they are closed.
 *   Thread   the rig's loop.
 */
#ifndef BENCH_BRIDGE_RIG_PRIVATE_H
#define BENCH_BRIDGE_RIG_PRIVATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "bridge/frame.h"
#include "bridge/rig.h"
#include "net/http.h"
#include "net/ws.h"

enum {
    RIG_MESSAGE_BYTES_MAX = 1 << 20,
    RIG_PIECE_BYTES_MAX = 16000, /* 2 s of mu-law in one message */
    RIG_TICK_US = 1000,
    RIG_SENT_RING = 1024, /* frames of a call whose time of sending is kept: 20 s */
    RIG_MARKS_MAX = 128,  /* waiting to be played */
    RIG_MARK_CHARS = 64,
    RIG_QUIET_FRAMES = 8,      /* different ones */
    RIG_CYCLE_FRAMES = 300,    /* 6 s: one turn */
    RIG_GREETING_FRAMES = 400, /* 8 s in which announcement and greeting are heard */
    RIG_SPEECH_FRAMES = 75,    /* of it the caller speaks */
    RIG_TURN_END_FRAMES = 25,  /* of silence */
    RIG_REPLY_DELTAS = 15,     /* 3 s */
    RIG_REPLY_EVERY_US = 40000,
};

struct mark {
    int64_t due_us;
    char name[RIG_MARK_CHARS];
};

/* One call as the carrier sees it. */
struct call_end {
    struct rig_line *line;
    struct ws *ws; /* NULL once closed */
    bool ready;    /* audio of the provider came */
    bool flying;   /* closed loop: a frame is under way */
    uint32_t number;
    int64_t sequence, chunk;
    uint32_t sent, back; /* mirror: frames sent; the next one that is to come back */
    uint32_t *sent_us;   /* RIG_SENT_RING times, modulo 2^32 */
    int64_t next_us;     /* paced: when the next frame leaves */
    bool phased;         /* turns: `cycle` is set */
    int32_t cycle;       /* turns: frame within the 6 s; below 0 the greeting is listened to */
    int64_t play_end_us; /* turns: when what has arrived will have been played */
    struct mark *marks;  /* RIG_MARKS_MAX, a ring */
    uint32_t mark_first, mark_count;
    char call_sid[35], stream_sid[35];
};

struct rig_line {
    struct rig *rig;
    struct rig_line_opts opts;
    unsigned index;
    struct call_end **calls;
    unsigned count, open, ready, flying, sessions;
    bool running, pacing, talking, hanging_up, failed;
    unsigned cursor; /* paced: the call whose frame is due next */
    char failure[160];
    struct rig_counts counts;
    struct samples times, lateness;
};

/* The provider's end of one call. */
struct session {
    struct rig_line *line;
    struct ws *ws;
    unsigned number;
    bool answering;  /* a response runs */
    bool auto_reply; /* turns are answered without being asked to */
    uint64_t events;
    bool speaking;  /* turns: the caller, as far as we heard */
    uint32_t heard; /* frames of the caller */
    uint32_t quiet; /* frames since the caller last spoke */
    uint32_t items, responses;
    uint32_t deltas_left;
    int64_t next_delta_us;
    struct session *next_replying;
};

struct rig {
    struct loop *loop;
    struct loop_timer *timer;
    bool woken, late; /* of the wait under way */
    uv_poll_t *ticker;
    int tick_fd;
    struct http_router *router;
    struct http_server *http[2]; /* plain, TLS */
    struct tls_server *tls;
    struct rig_line *lines[RIG_LINES_MAX];
    unsigned line_count;
    unsigned dialled, answered;
    struct session *replying;
    struct buf out; /* the message being built */
    char reply[FRAME_REPLY_CHARS + 1];
    char quiet[RIG_QUIET_FRAMES][FRAME_CHARS + 1];
};

/* Ends the wait under way, or the next. */
void rig_wake(struct rig *r);
/* Runs the loop until rig_wake; false after `ms`. */
bool rig_wait(struct rig *r, uint32_t ms);
/* The line cannot be measured; the first reason counts. */
void rig_failed(struct rig_line *line, const char *why);
/* Ends the wait of rig_hang_up once both ends of the line's calls are closed. */
void rig_check_quiet(struct rig_line *line);

enum err rig_dial(struct rig_line *line, uint16_t port, struct call_end **out,
                  struct err_detail *detail) MUST_CHECK;
void rig_call_free(struct call_end *c);
/* The next frame of the call. */
void rig_send_frame(struct call_end *c);
/* Marks that are played by now. */
void rig_echo_due(struct call_end *c, int64_t now_us);

enum err rig_pace_open(struct rig *r, struct err_detail *detail) MUST_CHECK;
void rig_pace_close(struct rig *r);

enum err rig_provider_open(struct rig *r, const char *cert, const char *key,
                           struct err_detail *detail) MUST_CHECK;
/* Begins an event in rig->out: type and event_id, and a comma. */
void rig_event(struct session *s, const char *type);
void rig_event_send(struct session *s);

/* What of the carrier's audio came, base64. */
void rig_turns_heard(struct session *s, struct str payload);
void rig_turns_answer(struct session *s);
/* Deltas that are due, of all sessions. */
void rig_turns_tick(struct rig *r, int64_t now_us);
void rig_turns_forget(struct session *s);

/* The text between `before` and the next quotation mark; p == NULL when there is none. */
struct str rig_text_after(struct str text, struct str before);

#endif
