/*
 * call_impl.h - the insides of a call, shared by the files of call/ and nobody else.
 *
 * call.c dispatches an input to the part that knows it:
 *   voice.c     what is spoken: queue, pace, marks, playhead, interruption
 *   respond.c   what the engine is asked for: one response at a time, in order
 *   link.c      the engine connection: opening, failing, falling back, its events
 *   roll.c      replacing an engine session before it ends, unnoticed
 *   toolrun.c   function calls
 *   lost.c      the line is gone: waiting for a new one, going on
 *   manners.c   silence, duration, keys, emergencies, saying goodbye
 *   script.c    the transcript: items, words, usage, money
 * Each part may call the public functions of the others below; state is one struct because every
 * part decides by the whole.
 */
#ifndef CALL_CALL_IMPL_H
#define CALL_CALL_IMPL_H

#include "base/limits.h"
#include "call/call.h"
#include "call/playhead.h"

enum { NO_TIME = 0 };

enum phase {
    PHASE_RINGING, /* no stream yet */
    PHASE_TALKING,
    PHASE_LOST,    /* the line is gone; a new stream may come */
    PHASE_LEAVING, /* hang-up or transfer was asked of the carrier */
    PHASE_ENDED,
};

enum link_state { LINK_CLOSED, LINK_OPENING, LINK_CONFIGURING, LINK_READY };

/* Why a response is wanted; part of the metadata sent with it. */
enum purpose {
    PURPOSE_GREETING = 1,
    PURPOSE_TURN, /* answer what the caller said */
    PURPOSE_TOOL, /* go on with tool results */
    PURPOSE_SAY,  /* speak a given text */
    PURPOSE_FILLER,
    PURPOSE_FAREWELL, /* the text after which the call ends */
};

struct want {
    enum purpose purpose;
    struct str text; /* in the call's arena; spoken verbatim */
};

enum answer_state {
    ANSWER_NONE,
    ANSWER_REQUESTED, /* response.create is out */
    ANSWER_ACTIVE,    /* response.created came */
};

/* The response in flight. */
struct answer {
    enum answer_state state;
    struct want want;
    uint32_t number; /* our event id */
    char id[64];     /* response id; "" until created */
    bool dead;       /* cut: late deltas are dropped */
    bool has_audio, has_tool;
    int64_t seen_us; /* last sign of life */
};

enum closing { CLOSING_NO, CLOSING_HANGUP, CLOSING_TRANSFER };

struct source { /* an item with audio accepted and not yet sent */
    struct call_item *item;
    uint32_t pending;
    bool protected; /* may not be cut by the caller */
};

struct toolrun {
    uint32_t run;
    char call_id[64];
    struct str name;   /* arena */
    struct str output; /* arena; set when done */
    uint32_t epoch;    /* engine session that asked */
    int64_t started_us, deadline_us;
    bool used, running, ok, sent;
};

/* A second engine session, made ready beside the running one to take its place. */
struct spare {
    enum link_state state;
    int64_t opened_us, expires_us;
};

/* How quick an engine session's answers are: the first few against the last few, ms. */
struct pace {
    uint32_t first[CALL_ROLL_SAMPLES], last[CALL_ROLL_SAMPLES];
    uint32_t count;
};

/* Times of the turn that is being answered, for its latency. */
struct turn_clock {
    bool open; /* an answer may still take it */
    int64_t speech_end_us, turn_end_us, engine_first_us;
};

struct call_scratch {
    struct arena arena;
    struct call_fx *fx; /* the effects of the step */
    size_t fx_count, fx_cap;
    struct buf text; /* for building messages */
};

/* What each frame touches stands at the front, in few lines of the cache; the rest by its file. */
struct call {
    int64_t now;
    const struct call_input *in;
    struct call_scratch *scratch; /* for one step; may be shared */
    enum phase phase;
    enum link_state link;
    struct spare spare;
    bool speaking;       /* the caller, as the engine hears it */
    uint32_t keep_bytes; /* how much of what was given stays at hand, and how much did */
    uint32_t kept_bytes;
    uint64_t forwarded_bytes; /* caller audio given to this engine session */
    int64_t last_audio_us;
    int64_t silent_us; /* when the caller last heard or said something */
    int64_t owed_us;   /* since when they are owed something */
    struct call_item *last_item;
    struct answer answer;

    /* voice.c */
    uint32_t source_count;
    uint32_t since_mark; /* bytes sent behind the last mark */
    uint32_t mark_number;
    uint64_t protected_end; /* timeline position before which nothing is cut */
    bool barge_waiting;
    bool heard_all; /* nothing to play, nothing on its way */
    uint32_t prompts_pending, prompt_number;
    int64_t timer_at[CALL_TIMER_COUNT];
    struct playhead playhead;
    struct source sources[CALL_SOURCES_MAX];

    /* respond.c */
    struct want wants[CALL_WANTS_MAX];
    uint32_t want_count;
    uint32_t response_number;
    uint32_t empty_answers, failed_answers; /* in a row */

    /* link.c */
    uint32_t engine_index, engine_tries, epoch;
    uint32_t engine_losses;     /* sessions of this engine lost so far */
    uint64_t held_bytes;        /* not given to any session yet */
    uint64_t question_end;      /* where it ended, bytes of the session's input; 0 = not yet */
    struct call_item *question; /* what the caller said and the call has no words of yet */
    bool rehearing;             /* a new session is being given the question's sound again */
    bool apologised;
    struct call_item *speaking_item;
    struct turn_clock turn;

    /* roll.c */
    struct pace pace;
    int64_t session_opened_us, session_expires_us;
    bool rolling; /* a replacement is wanted */

    /* toolrun.c */
    struct toolrun tools[CALL_TOOLS_MAX];
    uint32_t tool_number;
    bool filler_said;

    /* manners.c */
    enum closing closing;
    bool closing_protected;
    struct str close_reason;
    struct str farewell; /* its text */
    uint32_t nudges;
    char keys[CALL_DTMF_MAX];
    uint32_t key_count;
    uint32_t keys_number;
    bool emergency_said;

    /* lost.c */
    int64_t lost_us;
    const char *lost_why; /* reason of the end if nobody comes back */

    /* script.c */
    struct call_item *items;
    struct call_item *unstored; /* those before it are stored; NULL = all */
    uint32_t item_count;
    struct call_item *charged; /* the last response's usage went here */
    int64_t cost_nanousd;
    struct call_stats stats;

    /* call.c */
    struct arena arena; /* for the call's life */
    struct call_scratch own;
    int64_t stream_us; /* begin of the stream */
    int64_t ended_us;
    struct call_config config;
};

/* -- call.c -- */
void fx_add(struct call *c, struct call_fx fx);
void fx_note(struct call *c, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends a client event to the engine. */
void fx_engine(struct call *c, const struct rt_event *ev);
void fx_spare(struct call *c, const struct rt_event *ev);
void timer_set(struct call *c, enum call_timer timer, int64_t at_us);
struct str keep_str(struct call *c, struct str s);    /* in the call's arena */
struct str scratch_str(struct call *c, struct str s); /* until the step ends */
int64_t stream_ms(const struct call *c, int64_t at_us);
void call_finish(struct call *c, struct str reason);

/* -- voice.c -- */
void voice_accept(struct call *c, struct call_item *item, uint32_t bytes, bool protected);
void voice_item_done(struct call *c, struct call_item *item);
void voice_pump(struct call *c);
void voice_echo(struct call *c, uint32_t number);
void voice_timer(struct call *c, enum call_timer timer);
/* The caller speaks: cut what is being said, unless it is protected. */
void voice_barge_in(struct call *c);
/* Cuts everything at once, whatever it is (emergency). */
void voice_cut(struct call *c);
void voice_prompt(struct call *c, struct str text);
void voice_prompt_ready(struct call *c);
/* The stream is gone, and with it what the carrier had not played when it broke or, as the
 * process died, when it came to know of it. */
void voice_lost(struct call *c, bool process);
/* Gives out the final form of every item that has been heard; at the end of the call of all. */
void voice_settle(struct call *c, bool all);

/* -- respond.c -- */
void want_add(struct call *c, enum purpose purpose, struct str text);
/* Before all others; asks for nothing yet. */
void want_first(struct call *c, enum purpose purpose, struct str text);
void wants_clear(struct call *c);
/* Nothing is asked of the engine about turns any more; false when nothing was. */
bool want_drop_turns(struct call *c);
void want_turn_again(struct call *c); /* the answer in flight is lost with its engine */
/* The answer in flight will not be heard: what it owes comes first again. */
void want_owed_again(struct call *c);
void answer_next(struct call *c); /* asks for the next response if one may be asked for */
void answer_created(struct call *c, const struct rt_event *ev);
void answer_done(struct call *c, const struct rt_event *ev);
void answer_error(struct call *c, const struct rt_event *ev);
void answer_timer(struct call *c);
void answer_died(struct call *c); /* it was cut: nothing of it is played any more */
/* Nobody else stops it: tells the engine to. */
void answer_cancel(struct call *c);
bool answer_is_current(const struct call *c, struct str response_id);
/* Says `text`: through the engine if it is ready, else with our own voice. */
void say(struct call *c, enum purpose purpose, const char *text);

/* -- link.c -- */
void link_open(struct call *c);
void link_opened(struct call *c);
void link_closed(struct call *c);
void link_fail(struct call *c, const char *why);
void link_expired(struct call *c); /* the provider ended it at its limit */
void link_replace(struct call *c); /* by the spare, which is ready, whatever goes on */
void link_event(struct call *c);
void link_audio(struct call *c);
void link_timer(struct call *c);
/* What a session is to be: instructions, voice, tools, turn detection. */
void link_describe(struct call *c, struct rt_event *ev);
/* A session that is ready takes over from one that is gone or was let go. */
void link_take_over(struct call *c);
void link_rehear_timer(struct call *c);
/* The question needs its sound no more: its words are known or it was answered. */
void link_understood(struct call *c);

/* -- roll.c -- */
void roll_armed(struct call *c); /* a session is ready: its age counts */
void roll_created(struct call *c, const struct rt_event *ev);
void roll_pace(struct call *c, int64_t answered_ms);
void roll_spare_opened(struct call *c);
void roll_spare_event(struct call *c);
void roll_spare_closed(struct call *c);
void roll_timer(struct call *c, enum call_timer timer);
void roll_try(struct call *c); /* after every step: is this the moment? */
void roll_drop(struct call *c, bool ok);
/* The running session died: true if the spare stood ready and has taken its place. */
bool roll_rescue(struct call *c);

/* -- toolrun.c -- */
void tool_called(struct call *c, struct str call_id, struct str name, struct str arguments);
void tool_result(struct call *c);
void tool_timer(struct call *c);
void tool_filler_timer(struct call *c);
void tools_flush(struct call *c); /* hands finished outputs to the engine */
void tools_abandon(struct call *c);
bool tools_busy(const struct call *c);

/* -- lost.c -- */
void lost_begin(struct call *c);
void lost_resume(struct call *c);
void lost_timer(struct call *c);

/* -- manners.c -- */
void manners_started(struct call *c);
void manners_idle(struct call *c);   /* nothing is being said: silence counts from here */
void manners_wait(struct call *c);   /* after every step: does the caller wait in silence? */
void manners_heard(struct call *c);  /* everything said was heard: a waiting farewell is over */
void manners_speech(struct call *c); /* the caller began to speak */
void manners_timer(struct call *c, enum call_timer timer);
void manners_dtmf(struct call *c, char key);
void manners_transcript(struct call *c, const struct call_item *item);
void manners_transfer(struct call *c, bool already_said);
void manners_operator(struct call *c, struct str command);
/* Asks the carrier to end or move the call now. */
void manners_leave(struct call *c);
/* Leaves after `text` (may be empty) was heard. Protected: the caller cannot stop it. */
void manners_close(struct call *c, enum closing kind, const char *reason, const char *text,
                   bool protected);

/* -- script.c -- */
struct call_item *script_find(struct call *c, struct str id);
/* A new last item; NULL past CALL_ITEMS_MAX, and the call takes its leave. */
struct call_item *script_add(struct call *c, struct str id, enum call_role role);
void script_words(struct call *c, struct call_item *item, struct str more);
void script_set_words(struct call *c, struct call_item *item, struct str text);
void script_store(struct call *c, struct call_item *item);
void script_usage(struct call *c, struct call_item *item, const struct rt_usage *usage);
void script_transcription_usage(struct call *c, struct call_item *item,
                                const struct rt_usage *usage);
/* Past its cap the call takes its leave. */
void script_check_cost(struct call *c);
/* Tells a new engine session what was said so far. */
void script_replay_context(struct call *c);
void script_send_text(struct call *c, enum rt_role role, struct str text);

#endif
