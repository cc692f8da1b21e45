/*
 * core.h - what submit.c (the part that knows loops) needs of store.c (the part that does not).
 *
 *   Thread   any.
 */
#ifndef STORE_CORE_H
#define STORE_CORE_H

#include "base/err.h"
#include "store/store.h"

struct worker_pool *store_core_pool(const struct store *s);
/* Gives a write to the writer. r->deliver is called on the writer's thread once it is committed or
 * has failed; it takes the request unless it returns ERR_LIMIT, when it is called again later. */
enum err store_core_queue(struct store *s, struct store_req *r) MUST_CHECK;
/* Runs a read on this thread; its outcome is in r->err. */
void store_core_read(struct store *s, struct store_req *r);
static inline bool store_core_writes(const struct store_req *r)
{
    return r->op >= STORE_BUSINESS_PUT;
}

#endif
