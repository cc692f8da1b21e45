/*
 * vocab.h - the sentences each business's recogniser should expect, read once per loop and again
 * when a call begins after the business's passages have changed, by whichever process.
 *
 *   Memory   a vocabulary lives while somebody holds it or it is the newest of its business. All
 *            must have been released before vocabs_close.
 *   Thread   the loop's; reading runs on a worker.
 *   Bounds   SESSION_VOCABULARIES_MAX businesses; one more gets none (the recogniser then knows the
 *            generic phrasings alone, and the log says so).
 */
#ifndef SESSION_VOCAB_H
#define SESSION_VOCAB_H

#include "base/err.h"
#include "engine/engine.h"
#include "net/loop.h"
#include "net/worker.h"
#include "store/store.h"

struct vocabs;
struct vocab_wait;

/* NULL when the business has no passages or they could not be read; otherwise the receiver holds
 * it until vocabs_release. */
typedef void vocab_done_fn(void *ctx, const struct engine_vocabulary *vocabulary);

struct vocabs *vocabs_open(struct loop *l, struct worker_pool *pool, struct store *store);
/* As prompts_close. */
void vocabs_close(struct vocabs *v);

/* Calls done exactly once, from the loop, never from inside this function. */
struct vocab_wait *vocabs_get(struct vocabs *v, const char *business_id, vocab_done_fn *done,
                              void *ctx);
/* NULL-safe. */
void vocabs_release(struct vocabs *v, const struct engine_vocabulary *vocabulary);
/* A call of the business begins, and its knowledge has this version (struct business): what was
 * read of an older one is read again when it is next asked for. */
void vocabs_note(struct vocabs *v, const char *business_id, int64_t version);

#endif
