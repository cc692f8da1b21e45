/*
 * find.h - the insides of struct knowledge, shared by find.c, asked.c and fill.c.
 *
 *   Thread   the loop's.
 */
#ifndef KNOWLEDGE_FIND_H
#define KNOWLEDGE_FIND_H

#include "base/limits.h"
#include "knowledge/knowledge.h"
#include "llm/embed.h"
#include "net/loop.h"

/* A question that was asked before. */
struct asked {
    char *question;
    size_t question_len;
    float *vector;
    size_t dimensions;
    uint64_t used;
};

struct find;
struct fill;

struct knowledge {
    struct knowledge_opts opts;
    struct str model;
    struct find *finds;
    size_t finds_count;
    struct asked asked[KNOWLEDGE_ASKED_MAX];
    size_t asked_count;
    uint64_t uses;
    struct fill *fill; /* NULL unless opts.fill */
};

/* NULL when it is not remembered. Valid until the next asked_put. */
const struct asked *asked_get(struct knowledge *k, struct str question);
void asked_put(struct knowledge *k, struct str question, const float *vector, size_t dimensions);
void asked_free(struct knowledge *k);

struct fill *fill_open(struct knowledge *k);
void fill_look(struct fill *f);
void fill_close(struct fill *f); /* NULL-safe */

#endif
