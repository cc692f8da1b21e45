/*
 * local_text.h - small word work for the local engine's dialogue: what was asked, and which
 * sentences answer it.
 *
 *   Units    spoken text: lower-case words separated by spaces, as normalise_words() writes them.
 *   Memory   results borrow from the texts given, or are appended to the caller's buffer.
 *   Thread   any; pure.
 *   Bounds   LOCAL_QUERY_WORDS_MAX words of a question and LOCAL_SENTENCES_MAX sentences of a
 *            passage are looked at.
 */
#ifndef ENGINE_LOCAL_TEXT_H
#define ENGINE_LOCAL_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* True if the words of `phrase` stand in `text` as whole words, one after the other. */
bool local_has(struct str text, const char *phrase);
/* True if any of the phrases, separated by '/', stands in `text`. */
bool local_has_any(struct str text, const char *phrases);
/* True if `text` is one of the phrases, separated by '/'. */
bool local_is_any(struct str text, const char *phrases);
size_t local_word_count(struct str text);

/* Words of a question that carry meaning: neither "how much is the" nor "please". */
enum { LOCAL_QUERY_WORDS = 32 };
struct local_query {
    struct str words[LOCAL_QUERY_WORDS];
    size_t count;
    unsigned kinds; /* bits of what the answer must hold: a price, a time, a place, a duration */
};
/* Borrows from `text`. */
void local_query_read(struct local_query *q, struct str text);

/* Appends the question without what asks nothing: "i was wondering if", "right now". Empty when
 * nothing else was said. */
void local_query_write(struct buf *query, struct str text);
/* Appends to a question what a business would call the things asked about: people send things back
 * and have them mailed, businesses have returns and shipping. */
void local_query_widen(struct buf *query, struct str text);

/* One result of query_knowledge_base. */
struct local_result {
    struct str title;
    struct str content;
};
enum { LOCAL_RESULTS_MAX = 3 };
/* Cuts "Result 1: title\ncontent\n\nResult 2: ..." apart; 0 when it is anything else. */
size_t local_results_read(struct str knowledge, struct local_result *out);

/* Index of the result that answers best, and in *covered_permille how much of the question it
 * knows of: 1000 = every word that carries meaning. `count` > 0. */
size_t local_results_pick(const struct local_query *q, const struct local_result *results,
                          size_t count, unsigned *covered_permille);

/* Appends the one to three sentences of `content`, at most 45 words, that answer best. */
void local_answer_write(struct buf *out, const struct local_query *q, struct str content);

#endif
