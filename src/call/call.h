/*
 * call.h - one conversation as a pure state machine.
 *
 * call_step takes one input (what the channel, the engine, a tool, a timer or an operator did, each
 * stamped with monotonic time) and returns the effects to perform. It does no I/O, reads no clock,
 * draws no randomness and never looks at a sample of audio: it decides by lengths and events. The
 * session feeds it live, replay feeds it a journal, the simulator feeds it virtual time; all three
 * get the same effects for the same inputs.
 *
 *   Units    times: microseconds on the monotonic clock unless named *_ms. Audio: bytes of 8 kHz
 *            mu-law (8 a millisecond).
 *   Memory   a call owns an arena with a cap (CALL_ARENA_BYTES_MAX); passing it ends the call.
 *   Thread   the owner's; no locks, no globals.
 *   Bounds   CALL_ITEMS_MAX items, CALL_TOOLS_MAX running tools, CALL_WANTS_MAX queued responses;
 *            what is full refuses with a note, never silently.
 */
#ifndef CALL_CALL_H
#define CALL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "call/config.h"
#include "proto/rt_event.h"

/* Changes whenever the same inputs may give other effects; written into every journal. */
enum { CALL_BEHAVIOUR_VERSION = 2 };

enum call_in_type {
    CALL_IN_STREAM = 1,    /* the channel's stream began, or a lost call has a new one */
    CALL_IN_AUDIO,         /* caller audio: audio_len bytes, number = stream timestamp ms */
    CALL_IN_MARK,          /* number = mark that was played */
    CALL_IN_DTMF,          /* number = the character */
    CALL_IN_HANGUP,        /* the channel is gone; text = reason */
    CALL_IN_ENGINE_OPEN,   /* the engine accepts events */
    CALL_IN_ENGINE_EVENT,  /* event; audio_len = decoded length of its audio, if any */
    CALL_IN_ENGINE_CLOSED, /* text = reason */
    CALL_IN_PROMPT,       /* a prompt was synthesised: number = prompt, audio_len (0 = it failed) */
    CALL_IN_TOOL,         /* number = tool run, ok, text = output */
    CALL_IN_TIMER,        /* number = enum call_timer */
    CALL_IN_OPERATOR,     /* text = "hangup", "spent" (the day's money is), "say <words>" */
    CALL_IN_DROPPED,      /* the shell dropped audio_len bytes; number = enum call_dropped */
    CALL_IN_START,        /* always the first: the call rings, the engine may be opened */
    CALL_IN_SPARE_OPEN,   /* the spare engine session accepts events */
    CALL_IN_SPARE_EVENT,  /* event, raw: of the spare; ENGINE_EVENT once it has taken over */
    CALL_IN_SPARE_CLOSED, /* text = reason */
    CALL_IN_LOST, /* the line is gone without a hang-up: number = enum call_lost, text = why */
};

enum call_lost {
    CALL_LOST_STREAM = 1, /* the stream broke; engine and tools live on */
    CALL_LOST_PROCESS,    /* the process died; the call was built anew from its record */
};

enum call_dropped { CALL_DROPPED_TO_CHANNEL = 1, CALL_DROPPED_TO_ENGINE };

struct call_input {
    enum call_in_type type;
    int64_t at_us;
    uint32_t number;
    uint32_t audio_len;
    bool ok;
    struct str text;
    const struct rt_event *event; /* CALL_IN_ENGINE_EVENT */
    struct str raw;               /* CALL_IN_ENGINE_EVENT: the JSON text as it arrived */
    struct str audio;             /* base64, for the journal only; the core never reads it */
};

enum call_timer {
    CALL_TIMER_CONNECT = 1, /* the engine must be ready */
    CALL_TIMER_RESPONSE,    /* the engine must show signs of life while it owes an answer */
    CALL_TIMER_SILENCE,
    CALL_TIMER_DURATION, /* the call's maximum, then its hard end */
    CALL_TIMER_PACE,     /* room for more audio at the carrier */
    CALL_TIMER_HEARD,    /* what was sent should have been heard by now */
    CALL_TIMER_FILLER,
    CALL_TIMER_DTMF,
    CALL_TIMER_BARGE,  /* protected speech has been heard: look at a waiting interruption */
    CALL_TIMER_CLOSE,  /* the channel should have closed by now */
    CALL_TIMER_TOOL,   /* the nearest tool deadline */
    CALL_TIMER_ROLL,   /* the engine session grows old: replace it, at last by force */
    CALL_TIMER_SPARE,  /* the spare must be ready */
    CALL_TIMER_WAIT,   /* an answer is owed and the caller hears nothing */
    CALL_TIMER_REHEAR, /* a new session should have heard the interrupted question by now */
    CALL_TIMER_LOST,   /* a lost call is not waited for any longer */
    CALL_TIMER_COUNT
};

enum call_fx_type {
    /* channel */
    CALL_FX_PLAY = 1, /* text = item id (or "prompt_N"), offset, len, pad: take `len` bytes from the
                         front of the voice queue, add `pad` bytes of silence, send */
    CALL_FX_MARK,     /* number */
    CALL_FX_CLEAR,    /* tell the carrier to drop what it has not played */
    CALL_FX_HANGUP,   /* end the call at the carrier */
    CALL_FX_TRANSFER, /* text = number to dial; changes the world */
    /* voice queue: audio accepted but not yet sent */
    CALL_FX_QUEUE,   /* text = item id: append this input's audio (len bytes) */
    CALL_FX_DISCARD, /* drop all of it */
    /* engine */
    CALL_FX_ENGINE_OPEN,   /* number = index into config.engines */
    CALL_FX_ENGINE_CLOSE,  /* ok = it did not fail */
    CALL_FX_ENGINE_SEND,   /* text = client event JSON */
    CALL_FX_ENGINE_APPEND, /* forward this input's caller audio */
    CALL_FX_HOLD,          /* keep this input's caller audio until the engine is ready */
    CALL_FX_RELEASE,       /* forward all caller audio at hand, oldest first: kept, then held */
    CALL_FX_KEEP, /* of what was forwarded the last `offset` bytes stay at hand, of what is from now
                     on the last `len`, for a session that may follow */
    CALL_FX_SPARE_OPEN,  /* number as ENGINE_OPEN: a second session beside the running one */
    CALL_FX_SPARE_SEND,  /* text = client event JSON */
    CALL_FX_SPARE_CLOSE, /* ok as ENGINE_CLOSE */
    CALL_FX_SPARE_SWAP,  /* the running session is closed, the spare takes its place */
    /* others */
    CALL_FX_PROMPT,      /* number, text: synthesise with our own voice, answer CALL_IN_PROMPT */
    CALL_FX_TOOL,        /* number = run, name, text = arguments */
    CALL_FX_TOOL_CANCEL, /* number = run */
    CALL_FX_TIMER,       /* number = enum call_timer, at_us (0 = cancel) */
    CALL_FX_TURN,        /* item: a turn to store, idempotent by item id */
    CALL_FX_TOOL_RECORD, /* number = run, name, text = output, ok, len = ms taken: to store */
    CALL_FX_NOTE,        /* name = log event, text = details */
    CALL_FX_ENDED,       /* text = reason; nothing follows */
};

struct call_item;

struct call_fx {
    enum call_fx_type type;
    uint32_t number;
    uint32_t offset, len, pad;
    bool ok;
    int64_t at_us;
    struct str text;
    struct str name;
    const struct call_item *item;
};

struct call_effects {
    const struct call_fx *fx;
    size_t count;
};

enum call_role { CALL_ROLE_CALLER = 1, CALL_ROLE_AGENT, CALL_ROLE_PROMPT };

/* Latency of one turn of the agent, in ms; -1 = not known. Each counts from the end of the caller's
 * speech. */
struct call_latency {
    int32_t turn_end_ms;      /* the engine said that the turn was over */
    int32_t engine_first_ms;  /* first audio from the engine */
    int32_t carrier_first_ms; /* first byte to the carrier */
    int32_t heard_first_ms;   /* first sample heard */
};

/* One entry of the transcript, in order. */
struct call_item {
    struct str id;
    enum call_role role;
    struct str text;
    bool final;       /* the text will not change any more */
    bool interrupted; /* cut by the caller */
    int64_t start_ms; /* since the stream began: speech start, or first byte sent */
    int64_t end_ms;
    int64_t spoken_ms; /* length of its audio as accepted (agent) */
    int64_t heard_ms;  /* how much of it was heard (agent) */
    struct call_latency latency;
    struct rt_usage usage; /* of the response it came with; all zero for later items of it */
    int64_t cost_nanousd;
    /* private to call/ */
    struct call_item *next;
    struct buf words;        /* text while it grows */
    uint32_t engine_epoch;   /* which engine session knows it */
    uint32_t audio_bytes;    /* accepted */
    uint32_t sent_bytes;     /* of them, sent to the carrier */
    uint64_t timeline_start; /* playhead position of its first byte; valid when sent_bytes > 0 */
    uint8_t purpose;         /* enum purpose of the response it came with; 0 = none */
    bool again;              /* was unheard when the line was lost */
    bool audio_done;         /* no more audio will come */
    bool settled;            /* heard_ms is final */
    bool stored;             /* its final form was given out as CALL_FX_TURN */
};

struct call;

/* `config` is copied. */
struct call *call_new(const struct call_config *config);
/* The same without a copy of the strings, which must outlive the call and be as
 * call_config_read leaves them. */
struct call *call_new_lent(const struct call_config *config);
/* NULL-safe. */
void call_free(struct call *c);

/* What one step needs and the next forgets: the list of effects and the texts in them. A call has
 * its own unless it is told, before its first step, to share one: calls stepped by one thread, one
 * at a time, then walk through the same few cache lines. Effects are valid until any of them takes
 * its next step. `x` must outlive the call. */
struct call_scratch;
struct call_scratch *call_scratch_new(void);
/* NULL-safe. */
void call_scratch_free(struct call_scratch *x);
void call_share_scratch(struct call *c, struct call_scratch *x);

/*
 * Takes one input and returns what to do, valid until the next call_step. Times must not go back;
 * an input that is older than the last is taken as happening at the last one's time. After
 * CALL_FX_ENDED further inputs are accepted and have no effects.
 */
struct call_effects call_step(struct call *c, const struct call_input *in);

/* -- what the shell, exports and dashboards may read -- */
const struct call_item *call_items(const struct call *c);
bool call_ended(const struct call *c);
/* The line is gone and a new stream would resume the call. */
bool call_lost(const struct call *c);
/* A stream has begun at some time. */
bool call_answered(const struct call *c);
/* It was or is being moved to a person (config.transfer_number). */
bool call_transfers(const struct call *c);
/* When the timer should fire; 0 = it is not set. For who did not see the effects. */
int64_t call_timer_at(const struct call *c, enum call_timer timer);
/* Money so far, in 1e-9 USD. */
int64_t call_cost_nanousd(const struct call *c);
/* Counters, for the record of the call. */
struct call_stats {
    int64_t duration_ms; /* stream begin to end */
    uint32_t turns, interruptions, engine_failures, tool_runs, rollovers, resumes;
    int64_t input_tokens, output_tokens;
    int64_t dropped_to_channel_ms, dropped_to_engine_ms;
    uint32_t marks_missing;
    int64_t rtt_ms; /* carrier round trip as last estimated */
    struct str end_reason;
    struct str engine; /* name of the engine in use */
};
struct call_stats call_stats(const struct call *c);

/* Asserts that the state is consistent and returns NULL, or a sentence naming the broken invariant.
 * The simulator asks after every step. */
const char *call_check(const struct call *c);

/* -- canonical forms -- */

/* One line of text for an effect, '\n'-ended: the digest's bytes and what replay prints. */
void call_fx_write(struct buf *b, const struct call_fx *fx);
/* CRC-32C over the lines of all effects of a step; 0 for no effects. `scratch` is reset. */
uint32_t call_effects_digest(const struct call_effects *effects, struct buf *scratch);

/* Serialises an input for the journal. Without `keep_audio` audio becomes its length and CRC-32C,
 * and the input still replays. */
void call_input_write(struct buf *b, const struct call_input *in, bool keep_audio);
/* The inverse; strings borrow from `bytes`, `event` is parsed into `event_out` (rt_event_fini it)
 * and pointed to. ERR_INVALID for anything a writer would not have written. */
enum err call_input_read(struct call_input *out, struct rt_event *event_out, enum call_in_type type,
                         int64_t at_us, struct str bytes) MUST_CHECK;

const char *call_in_name(enum call_in_type type);

#endif
