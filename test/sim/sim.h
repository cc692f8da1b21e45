/*
 * sim.h - whole calls on virtual time: a caller, a carrier, a provider and tools, all seeded,
 * around the real call core.
 *
 * Everything that can happen late, twice, out of order or not at all does, by chance of the seed:
 * marks, the caller's frames, tools, the provider and its successors; the process stalls, the clock
 * goes back. The carrier knows the truth: which byte of which item was played when; the provider
 * knows which of the caller's bytes it was given. After every input the core's own invariants are
 * checked (call_check), and these:
 *
 *   - one response at a time in each engine session;
 *   - nothing of what was cut is played after the cut;
 *   - truncation within what was heard and 60 ms (where no mark was lost);
 *   - every tool call is answered once, every tool run is recorded once or cancelled;
 *   - no byte of the caller is lost between two sessions, and a question that was not understood is
 *     given to the next one whole, or its last 12 s;
 *   - without faults no session reaches its limit: it is replaced before;
 *   - a caller who is owed an answer is in silence no longer than 3 s: longer is explained only by
 *     keys being pressed, a lost mark, a stalled process, a prompt that could not be synthesised, or
 *     a session that died after it had said that the caller speaks (watch_silence);
 *   - past the cost cap nothing is asked of the engine but given texts (the farewell);
 *   - a call that is ended for a limit says goodbye first;
 *   - every call ends, with every turn given out.
 *
 * In one call of three the line breaks or the process dies, once or twice, at some time or upon an
 * effect (lost.c). A dead process takes the engine sessions, prompts, tools and the last of its
 * record with it; the call is built anew by replaying what was recorded, which must give the same
 * effects and the same state. The caller comes back on a new stream, or does not. Then also:
 *
 *   - nothing is sent while there is no line, nothing of before the break is played after it;
 *   - what counts as heard is within 60 ms of what was played when the line broke;
 *   - the caller hears a word within 3 s of the new stream;
 *   - a call that nobody comes back to ends when its window is over.
 *
 * In builds with FAULTS each step of the core and of the shell can be made to fail (faults.c,
 * refuse.c). All of the above holds then, but for what that very failure explains: a piece of the
 * voice that was not sent, a mark that will not come, a clear that did not reach the carrier, a timer
 * that was late, the event unread that told of the caller's turn or brought the farewell.
 *
 *   Memory   struct sim is reused from call to call.
 *   Thread   one owner; no globals.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/rng.h"
#include "call/call.h"

enum {
    SIM_EVENTS_MAX = 8192,
    SIM_ITEMS_MAX = 512,
    SIM_SEGMENTS_MAX = 4096,
    SIM_MARKS_MAX = 1024,
    SIM_SESSIONS_MAX = 2,
    SIM_TOOLS_MAX = 256,
    ANSWERS = 1u << 30, /* a response.done with words for the caller */
    SIM_WHY_BYTES = 200,
    SIM_TURN_SILENCE_BYTES = 4000, /* ends a turn */
    SIM_RECORD_BYTES = 8 << 20,    /* of one call's inputs */
};

enum sim_what {
    SIM_TICK,         /* 20 ms of the caller */
    SIM_TO_CORE,      /* an input is due */
    SIM_CARRIER_PLAY, /* a segment arrives at the carrier */
    SIM_CARRIER_MARK,
    SIM_CARRIER_CLEAR,
    SIM_CARRIER_STEP, /* the carrier may have played up to a mark */
    SIM_PROVIDER,     /* a client event arrives at the provider */
    SIM_GENERATE,     /* the provider's next delta */
    SIM_EXPIRE,       /* a session is at its limit */
    SIM_TIMER,
    SIM_STALL,
    SIM_BREAK,     /* a: the process dies, else the line breaks */
    SIM_LINE_ENDS, /* the carrier learns that the process died */
    SIM_LINE_LOST, /* we learn that the line broke */
    SIM_REVIVE,    /* the next process has read the record */
    SIM_RETURN,    /* the carrier's new stream */
};

struct sim_event {
    int64_t at_us;
    uint64_t order; /* ties: first scheduled, first served */
    enum sim_what what;
    enum call_in_type in; /* SIM_TO_CORE */
    enum rt_type rt;      /* engine events, both directions */
    uint32_t a, b, c;
    uint32_t epoch;         /* engine session; events of an older one are dropped */
    uint32_t line, process; /* during which it was planned */
};

struct sim_item {
    uint32_t made;      /* bytes the provider sent */
    uint32_t played;    /* the truth, bytes */
    uint32_t truncated; /* ms told by the core; UINT32_MAX = never */
    bool cut;           /* cleared at the carrier: its truncation was judged */
    bool gone;          /* the core has cut it: must not be played any more */
    bool prompt;
    bool parted;   /* something else was said in the middle of it */
    uint32_t hole; /* bytes of it that were not sent */
};

struct sim_response {
    bool active;
    uint32_t number, item, left, made; /* bytes to come, and sent */
    bool tool;                         /* ends in a function call */
    bool text_given;
};

/* One engine session as the provider knows it. */
struct sim_session {
    uint32_t epoch; /* 0 = none */
    bool ready, mute;
    bool hearing; /* it has told of the utterance that goes on */
    bool
        heard_begin; /* the core has been told that the caller speaks, and not yet that they stopped */
    struct sim_response response;
    uint64_t base; /* position in the caller's stream of the first byte it was given */
    uint32_t calls_asked, calls_answered;
    uint32_t words_due; /* transcriptions on their way */
};

/* Every input so far with the digest of its effects; what a process leaves behind. */
struct sim_record {
    struct buf bytes, text, lines;
};

struct sim_stats {
    uint64_t calls, inputs, effects, barge_ins, tools, failures, truncations;
    uint64_t rollovers, forced, expired, failovers, waits, reheard, stalls;
    uint64_t breaks, deaths, resumed, waited_for_nobody;
    uint64_t lost_ringing, lost_closing, lost_tool, lost_rolling, lost_lost, lost_speaking;
    int64_t lost_error_ms_max; /* of what counts as heard when the line was lost */
    int64_t call_ms;
    int64_t error_ms_sum;          /* of truncation against the truth, absolute */
    uint32_t error_histogram[200]; /* by ms */
    int64_t error_ms_max;          /* how much too much was claimed to be heard */
    int64_t silence_ms_max;        /* the longest that was not explained, within the bound */
};

struct sim {
    struct rng rng;
    uint64_t seed;
    const struct call_input *in; /* being fed */
    bool trace;                  /* print what the core is told and answers */
    struct call *call;
    struct call_config config;
    int64_t now;
    uint64_t order;
    struct sim_event heap[SIM_EVENTS_MAX];
    uint32_t heap_count;
    int64_t timers[CALL_TIMER_COUNT];
    struct sim_stats stats;
    char why[SIM_WHY_BYTES]; /* the first broken invariant, "" = none */

    /* the world of this call */
    int64_t one_way_us, jitter_us;
    uint32_t fault; /* per mille of bad luck */
    uint32_t loss;  /* per mille of the caller's frames */
    uint32_t slow;  /* per mille of answers that are late */
    bool expired;   /* a session reached its limit */
    bool stalled;   /* the process stood still for a while */
    int64_t stalled_until;
    bool hung_up, stream, leaving;

    /* caller */
    int64_t talks_at, talks_until, turn_ends;
    bool talking;
    uint32_t late_frames; /* of the caller, that come together with the next */
    uint32_t caller_item;
    uint64_t mic;                    /* bytes of the caller that reached us */
    uint64_t speech_from, speech_to; /* the last utterance, as positions of it */
    bool speech_told, speech_known;  /* the core was told that it began; knows its words */

    /* the shell's audio at hand: [hand_from, mic) */
    uint64_t hand_from, given; /* given: up to where the sessions have it */
    uint32_t keep;

    /* lost.c */
    struct sim_record record;
    bool recording;               /* the process will die */
    enum call_fx_type break_on;   /* 0 = no more */
    bool break_process, unsynced; /* unsynced: the record lost its end */
    uint32_t line, core_line;     /* as the carrier and as the core has it */
    uint32_t process;
    uint32_t sent_item;       /* the last that was sent to the carrier */
    bool blind;               /* the line broke before, and the process died before it knew */
    bool line_up, lost, down; /* lost: as the core was told; down: there is no process */
    int64_t died_at, lost_at, stream_at;
    int64_t word_at;      /* since when a word is owed on the new stream; 0 = none */
    uint32_t answer_item; /* the last that was given as an answer; UINT32_MAX = none */
    int64_t asked_us;     /* when the turn that is owed was committed; 0 = none is */

    /* refuse.c: a step of the shell failed, and what it may explain */
    struct {
        bool piece, mark, clear; /* were not sent to the carrier */
        bool open;               /* an engine could not be tried */
        bool event;              /* was not sent to an engine session */
        bool unread;             /* an engine's event was not understood */
        bool core;               /* a step of the core itself: a replay goes another way */
        int64_t late_us;         /* a timer, or the journal before a transfer */
    } refused;
    uint32_t dropped[CALL_DROPPED_TO_ENGINE + 1]; /* the core is to be told */

    /* what the caller is owed */
    bool owed;
    int64_t sound_us; /* when anything was heard, or silence was explained, last */
    int64_t close_us, queued_us;
    bool farewell_cut;

    /* tools */
    struct {
        bool started, recorded, cancelled;
    } tools[SIM_TOOLS_MAX];
    bool call_answered[SIM_TOOLS_MAX];

    /* carrier */
    struct {
        uint32_t item, bytes, pad;
    } segments[SIM_SEGMENTS_MAX];
    uint32_t segment_first, segment_count;
    uint64_t arrived, played; /* bytes of the stream */
    int64_t played_us;        /* when `played` was brought up to date */
    struct {
        uint32_t number;
        uint64_t position;
    } marks[SIM_MARKS_MAX];
    uint32_t mark_count;

    /* provider */
    struct sim_session sessions[SIM_SESSIONS_MAX];
    struct sim_session *main, *spare; /* as the core has them; NULL = none */
    uint32_t epoch;
    uint32_t engine; /* the one in use, of the configuration */
    uint32_t response_number, item_number, call_number;
    struct sim_item items[SIM_ITEMS_MAX]; /* 0.. provider's, from the top down prompts */
};

/* Before the first and after the last call. */
void sim_init(struct sim *s);
void sim_fini(struct sim *s);

/* Runs one call to its end. False when an invariant broke: see `why`. Statistics add up. */
bool sim_run(struct sim *s, uint64_t seed);

/* faults.c: calls again, each step failing once; the program's exit code. */
int sim_faults(struct sim *s, uint64_t calls, uint64_t first, uint64_t each);

/* -- the parts, for each other -- */
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_at(struct sim *s, int64_t delay_us, struct sim_event ev);
void sim_feed(struct sim *s, struct call_input *in);
bool sim_chance(struct sim *s, uint32_t per_mille);
uint32_t sim_between(struct sim *s, uint32_t low, uint32_t high);
/* A stream begins, the first or a new one. */
void sim_begin_stream(struct sim *s);
/* lost.c */
void lost_plan(struct sim *s);
void lost_effect(struct sim *s, const struct call_fx *fx);
void lost_record(struct sim *s, const struct call_input *in, const struct call_effects *fx);
bool lost_event(struct sim *s, const struct sim_event *ev);
bool lost_with_it(struct sim *s, const struct sim_event *ev);
void lost_watch_word(struct sim *s);
void lost_watch_end(struct sim *s);
/* refuse.c */
/* Whether the step is to fail now. */
bool refuse_step(struct sim *s, const char *name);
/* True when the shell's step for the effect fails, and has done what it does then. */
bool refuse_effect(struct sim *s, const struct call_fx *fx);
/* How late it is, when it is late. */
int64_t refuse_late_us(struct sim *s);
/* After a step: what was dropped by it. */
void refuse_tell(struct sim *s);
/* carrier.c */
void carrier_effect(struct sim *s, const struct call_fx *fx);
void carrier_event(struct sim *s, const struct sim_event *ev);
bool carrier_silent(struct sim *s);
/* What it had not played it never will. */
void carrier_breaks(struct sim *s);
/* The truth about an item; NULL for one that is neither of the agent nor a prompt. */
struct sim_item *carrier_item(struct sim *s, struct str id);
/* What the core claimed of the items it truncated against what was played of them. */
void carrier_judge(struct sim *s);
/* peer.c: the provider */
void peer_effect(struct sim *s, const struct call_fx *fx);
void peer_event(struct sim *s, const struct sim_event *ev);
void peer_to_core(struct sim *s, const struct sim_event *ev);
void peer_speech(struct sim *s, bool started);
void peer_hears(struct sim *s);
void peer_expire(struct sim *s, const struct sim_event *ev);
/* watch.c: the invariants that look from outside */
void watch_effect(struct sim *s, const struct call_fx *fx);
void watch_audio(struct sim *s, const struct call_fx *fx); /* the caller's, to the engine */
void watch_fed(struct sim *s, const struct call_input *in);
void watch_silence(struct sim *s);
void watch_tool(struct sim *s, const struct call_fx *fx);
void watch_end(struct sim *s);

#endif
