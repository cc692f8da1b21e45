/*
 * sim.h - whole calls on virtual time: a caller, a carrier, a provider and tools, all seeded,
 * around the real call core.
 *
 * Everything that can happen late, twice, out of order or not at all does, by chance of the seed.
 * The carrier knows the truth: which byte of which item was played when. After every input the
 * core's own invariants are checked, and the simulator's: one response at a time, no audio of a
 * response that was cut, truncation within what was heard, every tool call answered once, every
 * call ends.
 *
 *   Memory   struct sim is reused from call to call.
 *   Thread   one owner; no globals.
 */
#ifndef TEST_SIM_H
#define TEST_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/rng.h"
#include "call/call.h"

enum {
    SIM_EVENTS_MAX = 8192,
    SIM_ITEMS_MAX = 512,
    SIM_SEGMENTS_MAX = 4096,
    SIM_MARKS_MAX = 1024,
    SIM_WHY_BYTES = 200,
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
    SIM_TIMER,
};

struct sim_event {
    int64_t at_us;
    uint64_t order; /* ties: first scheduled, first served */
    enum sim_what what;
    enum call_in_type in; /* SIM_TO_CORE */
    enum rt_type rt;      /* engine events, both directions */
    uint32_t a, b, c;
    uint32_t epoch; /* engine session; events of an older one are dropped */
};

struct sim_item {
    uint32_t made;      /* bytes the provider sent */
    uint32_t played;    /* the truth, bytes */
    uint32_t truncated; /* ms told by the core; UINT32_MAX = never */
    bool cut;           /* cleared: must not be played any more */
    bool prompt;
};

struct sim_response {
    bool active;
    uint32_t number, item, left; /* bytes to come */
    bool tool;                   /* ends in a function call */
    bool text_given;
};

struct sim_stats {
    uint64_t calls, inputs, effects, barge_ins, tools, failures, truncations;
    int64_t error_ms_sum;          /* of truncation against the truth, absolute */
    uint32_t error_histogram[200]; /* by ms */
    int64_t error_ms_max;          /* how much too much was claimed to be heard */
};

struct sim {
    struct rng rng;
    uint64_t seed;
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
    bool hung_up, stream;

    /* caller */
    int64_t talks_at, talks_until;
    bool talking;
    uint32_t caller_item;

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
    uint32_t epoch;
    bool open, ready, mute;
    struct sim_response response;
    uint32_t response_number, item_number, call_number;
    uint64_t audio_in; /* bytes of caller audio it has */
    uint32_t calls_asked, calls_answered;
    struct sim_item items[SIM_ITEMS_MAX]; /* 0.. provider's, from the top down prompts */
};

/* Runs one call to its end. False when an invariant broke: see `why`. Statistics add up. */
bool sim_run(struct sim *s, uint64_t seed);

/* -- the parts, for each other -- */
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_at(struct sim *s, int64_t delay_us, struct sim_event ev);
void sim_feed(struct sim *s, struct call_input *in);
bool sim_chance(struct sim *s, uint32_t per_mille);
uint32_t sim_between(struct sim *s, uint32_t low, uint32_t high);
/* carrier.c */
void carrier_effect(struct sim *s, const struct call_fx *fx);
void carrier_event(struct sim *s, const struct sim_event *ev);
/* peer.c: the provider */
void peer_effect(struct sim *s, const struct call_fx *fx);
void peer_event(struct sim *s, const struct sim_event *ev);
void peer_to_core(struct sim *s, const struct sim_event *ev);
void peer_speech(struct sim *s, bool started);

#endif
