/*
 * session_private.h - the insides of a session, shared by session.c, perform.c and links.c.
 */
#ifndef SESSION_SESSION_PRIVATE_H
#define SESSION_SESSION_PRIVATE_H

#include "call/call.h"
#include "session/coalesce.h"
#include "session/kept.h"
#include "session/session.h"
#include "session/voiceq.h"
#include "tools/tools.h"

/* One engine session; outlives its detachment until the engine says that it is closed. */
struct engine_link {
    struct session *session; /* NULL = detached: nothing of it is heard any more */
    struct session *owner;   /* for the count of what is open */
    struct engine *engine;
    struct vocab_wait *wait;                    /* its vocabulary is being read */
    const struct engine_vocabulary *vocabulary; /* held; may be NULL */
    uint32_t index;                             /* in env.engines */
    bool refused;                               /* by us: says nothing of the engine */
    struct tool_run *guess; /* a tool that the engine may ask for, run beforehand */
    bool counted;           /* against the engine's max_calls */
    unsigned bad_events;
    char failure[200]; /* of an open that failed at once */
};

/* A stream of the carrier; the session may have let go of it before it says that it is closed. */
struct channel_slot {
    struct session *session;
    bool let_go;
};

struct prompt_slot {
    struct session *session;
    struct prompt_slot *next;
    struct prompt_wait *wait;
    uint32_t number;
};

struct tool_slot {
    struct session *session;
    struct tool_slot *next;
    struct tool_run *run; /* NULL: it never started */
    uint32_t number;
    char failure[400]; /* JSON for the engine when it never started */
    char *arguments;
};

/* What every frame touches comes first, so that it is in few lines of the cache: with hundreds of
 * calls each frame finds its own call gone from there. */
struct session {
    struct host_part *part;
    struct call *call;
    struct journal_call *journal; /* NULL: none is kept, or it has been given its end */
    struct channel *channel;
    struct engine_link *link;
    int64_t armed_us;    /* when `timer` fires; 0 = it is not set */
    int64_t set_us;      /* the nearest time set since `timer` was looked after; 0 = none */
    uint32_t dropped[3]; /* by enum call_dropped; fed back after the effects */
    unsigned open;       /* channel, engines, deferred work, journal copy: frees itself at 0 */
    bool ended;
    bool had_channel;
    uint32_t keep;    /* of what is given to an engine, the newest bytes that stay in `held` */
    struct kept held; /* of the caller: kept for a next engine, then held for want of one */
    struct voiceq voice;
    struct coalesce coalesce;

    struct loop_timer *timer;
    struct channel_slot *slot; /* of `channel` */
    struct engine_link *spare; /* made ready to take the place of `link` */
    int64_t timer_at[CALL_TIMER_COUNT];
    struct prompt_slot *prompts;
    struct tool_slot *tools;
    int64_t charged_nanousd; /* of the call's cost: told to the host */
    enum channel_verdict verdict;
    char transfer_number[32];
    char id[CALL_ID_TEXT];
    struct arena mem;
    struct call_config config;
};

/* Gives one input to the core and performs what it answers. */
void session_feed(struct session *s, struct call_input *in);
/* Performs the effects of one step; `in` is what caused them. */
void session_perform(struct session *s, const struct call_input *in,
                     const struct call_effects *effects);
/* An effect that is for the engine or its spare; not its audio. */
void session_engine_perform(struct session *s, const struct call_fx *fx);
/* An effect on the caller's audio; caller.c. */
void session_caller_perform(struct session *s, const struct call_input *in,
                            const struct call_fx *fx);
/* Sends the engine what was gathered of the caller's silence. */
void session_caller_flush(struct session *s);
/* Nothing more is heard of either. */
void session_engines_detach(struct session *s);
/* Writes the time of answering to the store. */
void session_answered(struct session *s);
/* Every turn that was final before the process died; the store may have missed the last. */
void session_store_again(struct session *s);
/* Something the session had opened is closed. */
void session_release(struct session *s);
/* on_guess of an engine; `ctx` is its engine_link. A guess changes nothing of the call: it is
 * neither an input nor in the journal. */
void session_guess(void *ctx, struct str tool, struct str arguments);
void session_guess_drop(struct engine_link *link);
/* Notes when a timer of the call is due, 0 = not; the loop's one is armed after the input. */
void session_set_timer(struct session *s, uint32_t timer, int64_t at_us);

#endif
