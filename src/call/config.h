/*
 * config.h - everything a call needs to know, fixed when it begins.
 *
 * The snapshot goes into the head of the call's journal as JSON, so that a replay years later runs
 * with the same texts, limits and prices. Strings are never NULL ("" = none).
 *
 *   Memory   call_config_read copies into the arena given.
 */
#ifndef CALL_CONFIG_H
#define CALL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { CALL_ENGINES_MAX = 4 };

/* US dollars per million tokens, in micro-dollars (so $32.00 is 32000000). */
struct call_prices {
    int64_t text_in, audio_in, cached_text_in, cached_audio_in;
    int64_t text_out, audio_out;
    int64_t transcription_in; /* tokens of input transcription */
};

struct call_engine {
    const char *name;  /* "realtime", "realtime2", "local": chosen by the shell */
    const char *model; /* for the record; "" = the driver's */
    const char *voice; /* "" = the call's */
    bool endless;      /* its sessions have no limit: it is never replaced */
    struct call_prices prices;
};

struct call_config {
    /* who and what */
    const char *call_id;
    const char *business_id;
    const char *business_name;
    const char *channel;
    const char *carrier_id; /* the carrier's name of the call; "" = none */
    const char *from;
    const char *to;
    int64_t wall_ms; /* wall clock at monotonic time anchor_us */
    int64_t anchor_us;

    /* words */
    const char *instructions;
    const char *greeting;
    const char *announcement; /* spoken by our own voice first, not interruptible */
    const char *filler;       /* while a tool runs long */
    const char *still_there;  /* after silence */
    const char *goodbye;      /* when the agent ends the call without a word of its own */
    const char *silence_goodbye;
    const char *duration_goodbye;
    const char *spent_goodbye;    /* the day's money is spent */
    const char *transfer_words;   /* before connecting to a person */
    const char *no_human;         /* a human was asked for and there is none */
    const char *engine_apology;   /* our own voice, when falling back to another engine */
    const char *failure_apology;  /* our own voice, when no engine is left */
    const char *failure_transfer; /* the same, when a person can take over */
    const char *resume_words;     /* to a caller who was cut off and is back */
    const char *say_again;        /* when the engine had no answer */
    const char *please_wait;      /* our own voice, when an owed answer is late */
    const char *emergency;        /* answer to emergency words */
    const char *emergency_words;  /* phrases, '|'-separated, lower case; "" = never */

    /* agent */
    const char *voice;
    const char *language; /* for transcription; "" = detect */
    const char *transcription_model;
    const char *tools_json; /* Realtime tools array */
    const char *transfer_number;
    int64_t max_output_tokens;                    /* of one response; 0 = unlimited */
    struct call_engine engines[CALL_ENGINES_MAX]; /* in order of preference */
    uint32_t engine_count;
    uint32_t engine_retries; /* tries of one engine beyond the first */

    /* turn detection */
    uint32_t vad_threshold_permille, vad_prefix_ms, vad_silence_ms;

    /* limits, ms */
    uint32_t connect_timeout_ms;
    uint32_t response_timeout_ms;
    uint32_t tool_timeout_ms;
    uint32_t filler_after_ms;
    uint32_t wait_words_ms; /* silence of ours before please_wait; 0 = never */
    uint32_t silence_ms;    /* before "are you still there?", and again before goodbye */
    uint32_t max_duration_ms;
    uint32_t resume_window_ms; /* a call whose line is gone ends then; 0 = at once */
    uint32_t goodbye_limit_ms; /* a goodbye not heard by then is cut */
    uint32_t session_limit_ms; /* an engine session is replaced before this; 0 = as it tells */
    uint32_t slow_answer_ms;   /* a session that has come to answer later is replaced; 0 = never */
    int64_t max_cost_nanousd;  /* 0 = no cap */

    bool recording; /* audio payloads are kept in the journal */
};

/* Working values for everything but the names and texts that only a business can give. */
void call_config_defaults(struct call_config *config);

/* The snapshot as one JSON object; deterministic. */
void call_config_write(struct buf *b, const struct call_config *config);
/* The inverse: defaults first, then what `json` holds; unknown members are ignored. ERR_INVALID
 * with a sentence for a member of the wrong type or out of range. */
enum err call_config_read(struct call_config *out, struct arena *a, struct str json,
                          struct err_detail *detail) MUST_CHECK;

#endif
