/*
 * sqlite_rank.h - the words of a search, and the order of what it found.
 *
 * BM25 finds the candidates; here they are ordered by how much one of the questions a passage says
 * callers ask (or its title) is like the question asked: the cosine of the two, words weighed by
 * how rare they are in the business's passages. Private to the SQLite driver.
 *
 *   Memory   in the request's arena.
 *   Thread   a connection's.
 *   Bounds   the first few hundred different stems of a passage are looked at.
 */
#ifndef STORE_SQLITE_RANK_H
#define STORE_SQLITE_RANK_H

#include "store/lexicon.h"
#include "store/sqlite.h"

enum {
    STEM_BYTES_MAX = LEXICON_TERM_BYTES_MAX,
    SEARCH_PHRASES_MAX = STORE_SEARCH_TERMS_MAX * (1 + LEXICON_NEAR_MAX)
};

/* A text of the index's own form of a word. */
struct stem {
    char text[STEM_BYTES_MAX];
    size_t len;
    size_t tokens; /* how many tokens the word was; only one can be looked up */
};

struct word {
    struct str text;
    struct stem stem;
    bool phrase;
    bool weak; /* another word for the word before it that is not */
    bool known;
    bool meant;                                 /* another word for it is known */
    int64_t docs;                               /* passages that have it */
    struct lexicon_near near[LEXICON_NEAR_MAX]; /* spellings it may stand for, best first */
    size_t near_count;
};

/* How the phrases of a query count, in their order; for the function callee_rank. */
struct rank_plan {
    size_t count;
    struct {
        double factor;
        int64_t docs; /* passages that have it; -1: to be counted */
        double worth, often;
    } phrases[SEARCH_PHRASES_MAX];
    double average; /* tokens of a passage */
    bool ready;
};

/* Makes "rank MATCH 'callee_rank()'" work on the connection, while c->plan is set. */
int search_rank_register(struct store_conn *c, fts5_api *api);

bool search_stem_eq(const struct stem *a, const char *text, size_t len);

/* Orders the request's hits, best first, cuts them to r->k and counts the words each has. */
void search_rank(struct store_conn *c, const struct lexicon *lexicon, const struct word *words,
                 size_t count, struct store_req *r);

#endif
