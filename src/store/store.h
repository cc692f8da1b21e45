/*
 * store.h - the database of the program, asynchronous, whichever database it is.
 *
 * Every operation is a request: made by one of the store_req_* functions (which copy their
 * arguments), then either given to store_submit, which returns at once and calls back on the loop,
 * or to store_run, which waits (commands, tests, worker threads; never a loop thread).
 *
 *     struct store_req *r = store_req_business_by_number(STR("+15055550100"));
 *     enum err e = store_submit(store, loop, r, on_found, ctx);      -- r is the store's now
 *     static void on_found(void *ctx, struct store_req *r)
 *     {
 *         if (r->err == OK) ... r->business, r->config ...
 *         store_req_free(r);                                         -- or keep it, and free it
 * later
 *     }
 *
 * One thread writes. It takes what is waiting into one transaction (group commit: at most
 * STORE_GROUP_MAX requests or STORE_GROUP_MS), in the order of submission; a request that fails
 * does not touch its neighbours. Reads run on their own connections and see what was committed.
 * A database is reached through struct store_driver (driver.h); SQLite is the one there is.
 *
 *   Memory   a request owns an arena with its arguments and results; store_req_free frees it.
 *   Thread   store_req_* and store_run: any (store_run: not a loop's). store_submit: the loop's.
 *   Bounds   STORE_QUEUE_MAX writes wait, then ERR_LIMIT. A result larger than
 *            STORE_RESULT_BYTES_MAX is ERR_LIMIT.
 *   Errors   ERR_NOTFOUND for a named thing that is not there, ERR_INVALID for what the database
 *            refuses (unknown business, taken slug), ERR_IO when it fails; `detail` says more.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/model.h"

struct loop;
struct worker_pool;
struct store;
struct store_req;

struct store_opts {
    const char *path;         /* the SQLite file; ":memory:" is not supported, use a file */
    struct worker_pool *pool; /* where submitted reads run; NULL: store_submit refuses reads */
};

/* Creates or migrates the database and starts the writer. Blocks: before loops run, or in a
 * command. On failure `detail` says what is wrong with the file and what to do. */
enum err store_open(struct store **out, const struct store_opts *opts,
                    struct err_detail *detail) MUST_CHECK;
/* Writes what is queued, joins the writer, closes. No request may be submitted any more and the
 * pool must be idle (close it first); callbacks of requests still queued are posted to their loops,
 * which must not be closed yet. NULL-safe. */
void store_close(struct store *s);

typedef void store_done_fn(void *ctx, struct store_req *r);

/* Takes the request in any case. On an error it is freed and `done` is never called. With `done`
 * NULL the result is dropped (a failure is logged). Otherwise `done` runs once on `loop` and owns
 * the request. */
enum err store_submit(struct store *s, struct loop *loop, struct store_req *r, store_done_fn *done,
                      void *ctx) MUST_CHECK;
/* Runs it and waits, for a write until it is committed; returns r->err. The request stays the
 * caller's. */
enum err store_run(struct store *s, struct store_req *r) MUST_CHECK;
/* Runs many writes, each as store_run does, and waits for all: they share transactions. Each says
 * how it went in its `err`; those that fail do not keep back the others. */
void store_run_all(struct store *s, struct store_req *const *reqs, size_t count);
/* NULL-safe. */
void store_req_free(struct store_req *r);
/* Whether the last transaction failed for the disk's sake. Writes that nobody waits for are kept,
 * within STORE_QUEUE_MAX, and tried again. Any thread. */
bool store_failing(struct store *s);
/* Writes waiting or running now. Any thread; for metrics. */
size_t store_queued(struct store *s);

enum store_op {
    STORE_BUSINESS_BY_NUMBER,
    STORE_BUSINESS_BY_ID,
    STORE_BUSINESSES,
    STORE_PASSAGES_ALL,
    STORE_SEARCH_TEXT,
    STORE_SEARCH_VECTOR,
    STORE_VECTORS_MISSING,
    STORE_CALLS_LIST,
    STORE_CALLS_OPEN,
    STORE_CALL_GET,
    STORE_SPENT,
    STORE_CHECK,
    STORE_BUSINESS_PUT, /* the first that writes */
    STORE_NUMBER_PUT,
    STORE_CONFIG_PUT,
    STORE_DOCUMENT_PUT,
    STORE_DOCUMENT_DELETE,
    STORE_VECTORS_PUT,
    STORE_CALL_CREATE,
    STORE_CALL_UPDATE,
    STORE_TURN_PUT,
    STORE_TOOL_PUT,
};

/* Results are written only on OK. Arguments are the store's: read them, do not change them. */
struct store_req {
    enum store_op op;
    enum err err;
    struct err_detail detail;
    struct arena mem;

    /* Results, by operation. */
    struct business business;      /* business_by_* */
    struct business_config config; /* business_by_* */
    struct business *businesses;   /* businesses */
    size_t businesses_count;
    struct passage *passages; /* passages_all, vectors_missing; argument of document_put */
    size_t passages_count;
    int64_t knowledge_version; /* passages_all: see struct business; vectors_missing: of all */
    int64_t last;              /* vectors_missing: where the next ones begin */
    struct passage_hit *hits;  /* search_text, search_vector */
    size_t hits_count;
    struct call_row *calls; /* calls_list, calls_open: newest first */
    size_t calls_count;
    struct call_row call;    /* call_get; also the argument of call_create and call_update */
    struct spent_row *spent; /* spent */
    size_t spent_count;
    struct turn_row *turns; /* call_get, in order of seq */
    size_t turns_count;
    struct tool_row *tools; /* call_get, in order of time */
    size_t tools_count;

    /* Arguments that are not results too. */
    struct str key;         /* a number, id, slug or configuration key */
    struct str business_id; /* whose */
    struct str json;
    bool only_missing;
    int64_t since_ms;
    unsigned set; /* CALL_SET_* */
    struct phone_number number;
    struct document document;
    struct turn_row turn;
    struct tool_row tool;
    struct calls_page page;
    struct str *words;
    size_t words_count;
    size_t k;
    int64_t since_version, after;
    float *vector; /* of search_vector */
    struct passage_vector *vectors;
    size_t vectors_count;
    size_t dimensions;

    /* Private to store.c and submit.c. */
    struct store_req *next;
    struct store *store;
    struct loop *loop;
    store_done_fn *done;
    void *ctx;
    enum err (*deliver)(struct store_req *r);
    bool finished;
};

/* -- reads -- */

/* The active business an active number belongs to, with its settings. ERR_NOTFOUND otherwise. */
struct store_req *store_req_business_by_number(struct str number);
/* By id or slug, active or not, with its settings. */
struct store_req *store_req_business_by_id(struct str id_or_slug);
/* All, by name, at most STORE_LIST_MAX. */
struct store_req *store_req_businesses(void);
/* Every passage of a business in order of document and position. */
struct store_req *store_req_passages_all(struct str business_id);
/* The `k` best passages that have at least one of the words. A word is letters and digits of any
 * script, or several of them separated by spaces (a phrase); others are skipped. "~word" is another
 * word for the one before it: looked for in titles and questions, at half the weight. Words are
 * stemmed here; at most STORE_SEARCH_TERMS_MAX. No words: no hits. Prefer knowledge_search
 * (knowledge/), which makes words of a question. */
struct store_req *store_req_search_text(struct str business_id, const struct str *words,
                                        size_t count, size_t k);
/* The `k` passages of the business whose vectors of `model` are nearest by cosine. Reads a
 * business's vectors into memory the first time and after its passages have changed (a second for
 * 100,000); meanwhile ERR_AGAIN for others. No hits when there are no such vectors. */
struct store_req *store_req_search_vector(struct str business_id, struct str model,
                                          const float *vector, size_t dimensions, size_t k);
/* Up to STORE_VECTORS_PUT_MAX passages of any business that have no vector of the model, in an
 * order that stays: `after` is 0 or `last` of the answer before. Answers with none at once when
 * nothing has changed since `since_version`, the knowledge_version of an earlier answer; -1: looks.
 */
struct store_req *store_req_vectors_missing(struct str model, int64_t since_version, int64_t after);
struct store_req *store_req_calls_list(const struct calls_page *page);
/* By id or by the carrier's call_sid, with turns and tool runs. */
struct store_req *store_req_call_get(struct str id);
/* Calls without an end, newest first, at most STORE_OPEN_CALLS_MAX: what a crash left behind. */
struct store_req *store_req_calls_open(void);
/* What the calls begun at or after `since_ms` cost, for each business; of a call that has no end
 * yet what its turns did. */
struct store_req *store_req_spent(int64_t since_ms);
/* Reads the whole database and checks it; ERR_IO with what is broken. For the doctor. */
struct store_req *store_req_check(void);

/* -- writes -- */

/* Inserts or replaces by id. ERR_INVALID for a slug that another business has, an empty id, name
 * or slug. */
struct store_req *store_req_business_put(const struct business *b);
/* Inserts, or moves the number to this business. */
struct store_req *store_req_number_put(const struct phone_number *n);
/* `json` must be JSON (ERR_INVALID). `only_missing`: keeps a value that is there. */
struct store_req *store_req_config_put(struct str business_id, struct str key, struct str json,
                                       bool only_missing);
/* Replaces the document and all its passages, at once or not at all. business_id, document_id,
 * position and created_at_ms of the passages are set by the store from the document. */
struct store_req *store_req_document_put(const struct document *d, const struct passage *passages,
                                         size_t count);
/* With its passages. ERR_NOTFOUND if there is none. */
struct store_req *store_req_document_delete(struct str business_id, struct str document_id);
/* Inserts or replaces; at most STORE_VECTORS_PUT_MAX. Vectors get length 1. Those of passages that
 * are gone or have been replaced, and those without direction, are left out. A passage whose text
 * stays the same when its document is replaced keeps its vector. */
struct store_req *store_req_vectors_put(struct str model, size_t dimensions,
                                        const struct passage_vector *vectors, size_t count);
struct store_req *store_req_call_create(const struct call_row *c);
/* Writes the members named by `set` (CALL_SET_*) of the call with c->id, or c->call_sid where id is
 * empty. ERR_NOTFOUND if there is none. The end of a call: set = CALL_SET_FINISH. */
struct store_req *store_req_call_update(const struct call_row *c, unsigned set);
/* Inserts, or replaces the turn of this call and item. */
struct store_req *store_req_turn_put(const struct turn_row *t);
/* Inserts, or replaces the run of this call and tool_call_id. */
struct store_req *store_req_tool_put(const struct tool_row *t);

/* -- files: for backups; neither opens a store -- */

/* Copies the database at `from`, which may be in use, as it is at one moment, to the file `to`,
 * which is overwritten. Nothing is migrated. Blocks as long as copying takes; any thread but a
 * loop's. ERR_AGAIN when it stayed locked for STORE_BUSY_MS, ERR_IO; with a sentence. */
enum err store_file_copy(const char *from, const char *to, struct err_detail *detail) MUST_CHECK;
/* Reads all of the database at `path`: ERR_INVALID with a sentence when it is damaged, ERR_IO when
 * it is no database. */
enum err store_file_check(const char *path, struct err_detail *detail) MUST_CHECK;

#endif
