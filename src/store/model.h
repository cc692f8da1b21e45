/*
 * model.h - the rows of the store: what the program keeps, whichever database keeps it.
 *
 * Plain data, no behaviour. The typed settings of a business are in business.h, which this header
 * brings along, because session/ and api/ need both.
 *
 *   Units    *_ms: milliseconds; *_at_ms: wall clock, milliseconds since 1970 UTC, 0 = not yet.
 *            Money is millionths of a US dollar.
 *   Memory   rows borrow their strings. Rows that come out of the store live in the arena of their
 *            request, and their strings are NUL-terminated too. Text is UTF-8; absent text is
 *            empty (len 0), never NULL in rows that come out of the store.
 *   Thread   any; data only.
 */
#ifndef STORE_MODEL_H
#define STORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "store/business.h"

/* A number that rings here. `number` is E.164: "+15055550100". */
struct phone_number {
    struct str number;
    struct str business_id;
    bool is_active;
};

/* What passages were imported from; importing it again replaces them. */
struct document {
    struct str id;
    struct str business_id;
    struct str name; /* file name or address, for people */
    int64_t created_at_ms;
};

/* A retrievable piece of knowledge. */
struct passage {
    struct str id;          /* UUID */
    struct str external_id; /* what its source calls it, or empty */
    struct str business_id;
    struct str document_id;
    struct str title;
    struct str content;
    struct str category;
    struct str questions; /* caller phrasings, one a line */
    struct str metadata;  /* a JSON object, or empty */
    int64_t position;     /* order within its document, from 0 */
    int64_t created_at_ms;
};

/* A passage found by a search, best first. */
struct passage_hit {
    struct passage passage;
    double score;      /* higher is better: BM25, comparable within one search only; of a search by
                          vector the cosine */
    unsigned matched;  /* how many of the words asked for are in it (as stems, or as their nearest
                          known spelling) */
    unsigned expected; /* how many words were asked for */
};

/* What an embedding model makes of a passage. */
struct passage_vector {
    struct str business_id, passage_id;
    int64_t created_at_ms; /* the passage's, which tells its text from one that replaced it */
    const float *vector;
};

/* One conversation. */
struct call_row {
    struct str id;
    struct str call_sid; /* the carrier's, or empty */
    struct str channel;  /* "twilio", "browser", ... */
    struct str business_id;
    struct str agent_version;
    struct str from;
    struct str to;
    struct str status; /* Twilio's: queued ringing in-progress completed busy failed no-answer
                          canceled */
    struct str end_reason;
    struct str engine;
    struct str summary; /* JSON, see session/summary.h, or empty */
    struct str outcome; /* one word, or empty */
    struct str journal; /* path of the finished journal, or empty */
    int64_t started_at_ms;
    int64_t answered_at_ms;
    int64_t ended_at_ms;
    int64_t duration_ms;
    int64_t cost_microusd;
    int64_t tokens_in;
    int64_t tokens_out;
    bool recorded;
};

/* Which members of a call_row a call update writes. */
enum {
    CALL_SET_SID = 1u << 0,
    CALL_SET_STATUS = 1u << 1, /* a final status is never replaced by one that is not */
    CALL_SET_ANSWERED = 1u << 2,
    CALL_SET_ENDED = 1u << 3, /* ended_at_ms and duration_ms */
    CALL_SET_END_REASON = 1u << 4,
    CALL_SET_ENGINE = 1u << 5,
    CALL_SET_USAGE = 1u << 6, /* cost and both token counts */
    CALL_SET_RECORDED = 1u << 7,
    CALL_SET_SUMMARY = 1u << 8, /* summary and outcome */
    CALL_SET_JOURNAL = 1u << 9,
    CALL_SET_AGENT_VERSION = 1u << 10,
    /* What the end of a call writes. */
    CALL_SET_FINISH =
        CALL_SET_STATUS | CALL_SET_ENDED | CALL_SET_END_REASON | CALL_SET_USAGE | CALL_SET_JOURNAL,
};

/* Money spent by calls of a business. */
struct spent_row {
    struct str business_id;
    int64_t microusd;
};

/* One party speaking. The times of the audio are milliseconds since the call was answered;
 * latency parts are milliseconds since the caller's speech ended, -1 where not known. */
struct turn_row {
    struct str call_id;
    struct str item_id; /* conversation item of the engine; call and item name the turn */
    struct str role;    /* "user", "assistant" */
    struct str text;
    int64_t seq; /* order in the transcript */
    int64_t start_ms;
    int64_t end_ms;
    int64_t heard_ms; /* of an assistant's turn: how much of it was heard */
    int64_t turn_end_ms;
    int64_t engine_first_ms;
    int64_t carrier_first_ms;
    int64_t heard_first_ms;
    int64_t tokens_in;
    int64_t tokens_out;
    int64_t cost_microusd;
    bool interrupted;
};

/* One tool run. */
struct tool_row {
    struct str call_id;
    struct str tool_call_id; /* call and this id name the run */
    struct str name;
    struct str arguments; /* JSON text */
    struct str output;
    int64_t at_ms; /* since the call was answered */
    int64_t took_ms;
    bool ok;
};

/* Newest first. The page after a row starts `before` that row. */
struct calls_page {
    struct str business_id;       /* empty: every business */
    int64_t before_started_at_ms; /* 0: from the newest */
    struct str before_id;
    size_t skip;  /* for clients that count instead */
    size_t limit; /* 0: STORE_LIST_MAX; more is cut to it */
};

#endif
