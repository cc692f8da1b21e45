/*
 * summary.h - what a call was about: a summary, its outcome, topics, follow-ups, each with the
 * turns it rests on.
 *
 * A model writes it where there is one: summary_ask makes the question, summary_read checks the
 * answer, and what names no turn of the call is left out, since nothing shows that it was said.
 * Without a model rules make one of the call's own words. Either way it is stored as JSON:
 *
 *   {"text":"...","turns":["item_3"],"topics":[{"text":"...","turns":[...]}],
 *    "followUps":[{"text":"...","turns":[...]}],"by":"rules"}
 *
 *   Units    turns are the items' ids of the store's rows.
 *   Memory   a summary's strings live in the arena given.
 *   Thread   any; pure.
 *   Bounds   SUMMARY_*.
 */
#ifndef SESSION_SUMMARY_H
#define SESSION_SUMMARY_H

#include <jansson.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/chat.h"
#include "store/store.h"

struct summary {
    struct str json;    /* for call_row.summary */
    struct str outcome; /* answered, unanswered, transferred, abandoned or silent */
};

/* `call` is a store_req_call_get that was run. */
void summary_by_rules(const struct store_req *call, struct arena *a, struct summary *out);

/* The question to a model; the deadline is left to the caller. */
void summary_ask(const struct store_req *call, struct arena *a, struct chat_ask *out);
/* Its answer. ERR_INVALID with a sentence: not what was asked for, or a summary that rests on no
 * turn of the call. `model` is noted as the author. */
enum err summary_read(const json_t *answer, const struct store_req *call, const char *model,
                      struct arena *a, struct summary *out, struct err_detail *why) MUST_CHECK;

#endif
