/*
 * local_reply.h - what the local engine says: a dialogue without a language model.
 *
 * It greets, listens, looks things up, confirms what it heard badly, repeats, slows down, hands
 * over to a person and says goodbye. Facts come only from the tool query_knowledge_base; it says
 * plainly when it does not know. No I/O and no state but its own, so every turn can be tested.
 *
 *   Units    what the caller said: lower-case words as the recogniser or normalise_words() give
 *            them. Confidence and speed in permille.
 *   Memory   struct local_reply is a value with buffers: local_reply_init / _fini.
 *   Thread   the owner's; pure.
 *   Bounds   texts are cut at LOCAL_TEXT_BYTES_MAX.
 */
#ifndef ENGINE_LOCAL_REPLY_H
#define ENGINE_LOCAL_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum local_pending {
    LOCAL_PENDING_NONE,
    LOCAL_PENDING_TOPIC,  /* "Did you ask about ...?" */
    LOCAL_PENDING_PERSON, /* "Shall I connect you to a person?" */
    LOCAL_PENDING_MORE,   /* "Is there anything else?" */
};

enum local_tool { LOCAL_TOOL_NONE, LOCAL_TOOL_KNOWLEDGE, LOCAL_TOOL_TRANSFER, LOCAL_TOOL_END };

/* Which tools the session offers. */
struct local_tools {
    bool knowledge, transfer, end;
};

/* Fields are private to local_reply.c, except `speed`. */
struct local_reply {
    struct local_tools tools;
    unsigned speed; /* how fast to speak; 1000 = natural */
    enum local_pending pending;
    enum local_tool waiting; /* for its output */
    unsigned confidence;     /* of the question being looked up */
    unsigned misses;         /* turns in a row that were not understood */
    struct buf question;     /* being looked up */
    struct buf topic;        /* title of the last answer: what "it" means */
    struct buf last;         /* said last, for "could you repeat that" */
    struct buf held;         /* the answer that waits for a yes */
};

/* What to do next: say something, then perhaps call a tool. */
struct local_plan {
    struct buf say; /* empty: nothing */
    enum local_tool tool;
    struct buf query; /* of LOCAL_TOOL_KNOWLEDGE */
};

void local_reply_init(struct local_reply *r);
void local_reply_fini(struct local_reply *r);
/* Makes *to, which has been initialised, say and do what `from` would. */
void local_reply_copy(struct local_reply *to, const struct local_reply *from);
void local_plan_init(struct local_plan *p);
void local_plan_fini(struct local_plan *p);

/* Each of these replaces what *plan held. */

/* Nobody has said anything yet. */
void local_reply_greet(struct local_reply *r, struct local_plan *plan);
/* The caller has said something; empty text: something nobody could understand. */
void local_reply_hear(struct local_reply *r, struct str text, unsigned confidence,
                      struct local_plan *plan);
/* The output (JSON) of the tool asked for last. */
void local_reply_output(struct local_reply *r, struct str output, struct local_plan *plan);

/* Something else was said in our name (a greeting, an announcement): it may be asked for again. */
void local_reply_said(struct local_reply *r, struct str text);

/* "query_knowledge_base", "transfer_to_human", "end_call". */
const char *local_tool_name(enum local_tool tool);

#endif
