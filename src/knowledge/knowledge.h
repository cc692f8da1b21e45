/*
 * knowledge.h - what a business knows: finding the passages that answer a question.
 *
 * Text retrieval by BM25 over stems: the question is cut into words, words that carry no meaning
 * are dropped, the rest is searched with OR (store.h). Words the business has never used (a
 * misspelling, a misheard name) stand for their nearest spelling in its vocabulary. Recognised
 * speech and typed text go the same way.
 *
 *   Memory   results live in the request or arena given.
 *   Thread   knowledge_words: any, pure. knowledge_search_run and knowledge_vocabulary block:
 *            worker threads and commands. All that is about struct knowledge, and
 *            knowledge_search: the loop's thread.
 *   Bounds   a question is cut at KNOWLEDGE_QUERY_BYTES_MAX bytes and STORE_SEARCH_WORDS_MAX words;
 *            k is cut to STORE_SEARCH_RESULTS_MAX.
 */
#ifndef KNOWLEDGE_KNOWLEDGE_H
#define KNOWLEDGE_KNOWLEDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"

/* How many passages the agent's tool answers with. */
enum { KNOWLEDGE_TOP = 3, KNOWLEDGE_FUSED = 30 };

/* The words of a question worth searching for, lower-cased (ASCII), in `mem`. Never FTS syntax:
 * what's, AT&T, c++, 24/7, AND and * are text like any other. Returns their number, 0 for a
 * question without any. `out` holds STORE_SEARCH_WORDS_MAX. */
size_t knowledge_words(struct arena *mem, struct str question, struct str *out);

/* Searches by words on a worker and calls done(ctx, request) on the loop with the `k` best in
 * r->hits (none: OK with hits_count 0); `done` frees the request. As store_submit otherwise. */
enum err knowledge_search(struct store *s, struct loop *loop, struct str business_id,
                          struct str question, size_t k, store_done_fn *done, void *ctx) MUST_CHECK;
/* The same, waiting. On OK *out is the caller's to free with store_req_free. */
enum err knowledge_search_run(struct store *s, struct str business_id, struct str question,
                              size_t k, struct store_req **out) MUST_CHECK;

/*
 * Searching by meaning, too, where an embedding model is at hand. The words are searched at once;
 * meanwhile the question becomes a vector, and the KNOWLEDGE_FUSED best of both are fused by their
 * ranks. Nobody waits for a model that is slow: after `deadline_ms` the words alone answer.
 * Questions asked before are remembered with their vectors.
 *
 *   Lifetime  one for each loop; closed when nobody searches any more, before the service and the
 *             store. What is under way then is dropped: `done` is not called.
 */
struct knowledge;
struct llm;

struct knowledge_opts {
    struct loop *loop;
    struct store *store;
    struct llm *embedder; /* NULL: words alone */
    uint32_t deadline_ms; /* from the question to its answer by words alone */
    bool fill;            /* makes vectors of passages that have none: on one loop of the process */
};

struct knowledge *knowledge_open(const struct knowledge_opts *opts);
void knowledge_close(struct knowledge *k); /* NULL-safe */
/* As knowledge_search. A hit's score is that of the fusion where there was one. */
enum err knowledge_find(struct knowledge *k, struct str business_id, struct str question,
                        size_t count, store_done_fn *done, void *ctx) MUST_CHECK;
/* Looks for passages without a vector now instead of at the next look. */
void knowledge_fill(struct knowledge *k);

/* Sentences a caller or the agent may say: titles, questions, and the passages' sentences. */
struct knowledge_sentences {
    struct str *items; /* original spelling and punctuation */
    size_t count;
    int64_t version; /* of the business's knowledge; 0 where cut from passages at hand */
};

/* All of a business's sentences, for a recogniser's language model, in `mem`; at most
 * KNOWLEDGE_SENTENCES_MAX. Blocks. */
enum err knowledge_vocabulary(struct store *s, struct str business_id, struct arena *mem,
                              struct knowledge_sentences *out) MUST_CHECK;
/* The same from passages at hand. */
void knowledge_cut_sentences(struct arena *mem, const struct passage *passages, size_t count,
                             struct knowledge_sentences *out);

#endif
