/*
 * business.h - a business and its settings, typed.
 *
 * Settings are kept as rows (business, key, JSON text), because people and APIs add keys. What a
 * call needs of them is parsed once into struct business_config, with defaults for what is absent.
 * A malformed value never keeps a phone from being answered: its default stands in and `problems`
 * says what is wrong, for the log, the doctor and the settings page.
 *
 * Keys: ai_personality {"text"}, greeting_message {"text"}, announcement {"text"}, recording
 * {"enabled"}, transfer_number {"number"}, opening_hours {"mon":[["09:00","18:00"]],...}, holidays
 * [{"date":"2026-12-25","name","closed"|"hours":[["10:00","14:00"]]}], after_hours
 * {"text","mode":"answer"|"message"}, emergency {"number"}, tools [...], caps
 * {"max_duration_s","max_cost_microusd","max_calls","max_calls_per_caller",
 * "max_spend_day_microusd"}, limit_words {"busy","spent","goodbye"}, voice {"name"}.
 *
 *   Units    minutes of day: 0..1440; a closing minute past 1440 is on the next day.
 *   Memory   everything lives in the arena given to business_config_load.
 *   Thread   any; business_config_load reads the zone file, so never on a loop thread.
 *   Bounds   BUSINESS_SPANS_MAX spans a day, BUSINESS_HOLIDAYS_MAX holidays, BUSINESS_TEXT_MAX
 *            bytes of any one text.
 */
#ifndef STORE_BUSINESS_H
#define STORE_BUSINESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/zone.h"

struct business {
    struct str id;     /* UUID */
    struct str slug;   /* short name for addresses: "pecos" */
    struct str name;   /* "Pecos River Traders" */
    struct str domain; /* what it does, for the agent's instructions: "western outfitter" */
    struct str time_zone;
    bool is_active;
    int64_t created_at_ms;
    int64_t knowledge_version; /* another after each change of its passages; the store's to write */
};

/* One setting as stored. */
struct config_row {
    struct str key;
    struct str json;
};

struct open_span {
    int open_min;
    int close_min; /* > open_min */
};

struct open_day {
    struct open_span spans[BUSINESS_SPANS_MAX];
    size_t count; /* 0: closed */
};

struct holiday {
    int year, month, day;
    struct str name;
    struct open_day hours; /* closed when empty */
};

enum after_hours_mode {
    AFTER_HOURS_ANSWER,  /* say the text, then answer as ever */
    AFTER_HOURS_MESSAGE, /* say the text and end the call */
};

struct business_config {
    struct str personality;      /* "" when not set */
    struct str greeting;         /* never empty: a default with the business's name */
    struct str announcement;     /* said first, not interruptible; "" when not set */
    bool recording;              /* audio is kept; false unless switched on */
    struct str transfer_number;  /* E.164, "" when nobody can take over */
    struct str emergency_number; /* "911" */
    struct str after_hours_text; /* "" when not set */
    enum after_hours_mode after_hours_mode;
    bool has_hours;          /* opening hours are known; without them it is always open */
    struct open_day week[7]; /* 0 = Monday */
    struct holiday *holidays;
    size_t holidays_count;
    struct str tools_json; /* a JSON array, or "" for the standard tools */
    int64_t max_duration_s;
    int64_t max_cost_microusd;               /* of one call; 0: no cap */
    int64_t max_calls, max_calls_per_caller; /* at once; -1: the server's setting, 0: no cap */
    int64_t max_spend_day_microusd;          /* the same */
    struct str busy_words, spent_words, spent_goodbye; /* "" for the server's */
    struct str voice;                                  /* "" for the engine's default */
    const struct zone *zone;                           /* never NULL */
    struct str problems[BUSINESS_PROBLEMS_MAX];        /* sentences; empty when all is well */
    size_t problems_count;
    const struct config_row *rows; /* every setting as stored, in order of key */
    size_t rows_count;
};

/* Parses the rows of one business. Cannot fail: see `problems`. The rows and `b` must outlive the
 * result (rows that came out of the store are in the arena of their request already). */
void business_config_load(struct business_config *c, struct arena *mem, const struct business *b,
                          const struct config_row *rows, size_t count);

/* What would be refused, for a settings form: ERR_INVALID with a sentence, also for an unknown
 * time zone under the pseudo-key "time_zone" ({"name"}). A key that is not known is any JSON. */
enum err business_config_check(struct str key, struct str json,
                               struct err_detail *detail) MUST_CHECK;

/* How things stand at a moment. */
struct open_state {
    bool open;
    const struct holiday *holiday; /* today's, or NULL */
    struct zone_time local;        /* now, there */
    int64_t changes_at_ms;         /* next opening or closing within 8 days; 0 when there is none */
};

/* Whether the business is open at `wall_ms`, holidays and spans past midnight considered.
 * `state` may be NULL. Pure. */
bool business_is_open(const struct business_config *c, int64_t wall_ms, struct open_state *state);

/* The setting as stored, or STR_NONE. */
struct str business_config_row(const struct business_config *c, struct str key);

#endif
