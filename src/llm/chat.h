/*
 * chat.h - a model answers a conversation: POST /chat/completions.
 *
 * The answer comes whole, or with `on_text` piece by piece as it is made (server-sent events). It
 * may be text, calls of tools, or JSON: with a schema the model is held to it (strict structured
 * output), and what arrives is at least JSON, else the ask fails; whether it fits the schema is for
 * the asker to check, since not every compatible service keeps its promise.
 *
 *   Units     temperature: thousandths.
 *   Lifetime  every ask accepted ends in exactly one call of its done function, from the loop,
 *             never from inside chat_start; chat_cancel prevents it, and may be called from
 *             on_text. An answer that has begun to arrive in pieces is not tried again.
 *   Thread    the loop's.
 *   Bounds    CHAT_REQUEST_BYTES_MAX, CHAT_ANSWER_BYTES_MAX, CHAT_CALLS_MAX.
 */
#ifndef LLM_CHAT_H
#define LLM_CHAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/llm.h"

struct chat;

struct chat_call {
    struct str id, name;
    struct str arguments; /* JSON as the model wrote it, which may be none */
};

struct chat_message {
    struct str role;               /* system, developer, user, assistant, tool */
    struct str content;            /* p == NULL: none, as beside calls */
    const struct chat_call *calls; /* of an assistant */
    size_t calls_count;
    struct str call_id; /* of a tool: what it answers */
};

struct chat_tool {
    struct str name, description;
    struct str parameters; /* a JSON schema */
    bool strict;
};

struct chat_ask {
    const struct chat_message *messages;
    size_t messages_count;
    const struct chat_tool *tools;
    size_t tools_count;
    struct str tool_choice; /* auto, none, required; p == NULL: not said */
    /* Strict structured output: the name and the JSON schema of the answer; p == NULL: text. Every
     * object in it needs additionalProperties false and all its keys in required. */
    struct str schema_name, schema;
    unsigned max_tokens; /* of the answer; 0 = not said */
    bool temperature_said;
    unsigned temperature_permille;
    uint32_t deadline_ms; /* for all tries together, to the last byte */
};

enum chat_finish { CHAT_STOP, CHAT_LENGTH, CHAT_CALLS, CHAT_FILTERED, CHAT_OTHER };

struct chat_result {
    /* As embed_result's; ERR_CLOSED too when a stream broke off, ERR_INVALID when the answer is no
     * answer or, with a schema, not JSON (and neither a refusal nor cut short). */
    enum err err;
    struct str text;    /* as far as it came, also when err is not OK; this and all below: valid
                           until return */
    struct str refusal; /* what the model said instead; p == NULL: it did not refuse */
    const json_t *json; /* the text read, when a schema was given and kept; else NULL */
    const struct chat_call *calls;
    size_t calls_count;
    enum chat_finish finish;
    const char *model; /* of the endpoint that answered */
    struct llm_usage usage;
    const char *detail; /* a sentence when err is not OK; never holds credentials */
};

typedef void chat_text_fn(void *ctx, struct str piece);
typedef void chat_done_fn(void *ctx, const struct chat_result *result);

/* Everything in `ask` is copied; on_text may be NULL. ERR_INVALID: no message, text that is not
 * UTF-8, a schema that is not JSON; ERR_LIMIT: too large, or too many requests on the loop. */
enum err chat_start(struct llm *s, const struct chat_ask *ask, chat_text_fn *on_text,
                    chat_done_fn *done, void *ctx, struct chat **out) MUST_CHECK;
/* Prevents the done function. Not from inside of it. */
void chat_cancel(struct chat *c);

#endif
