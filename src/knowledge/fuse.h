/*
 * fuse.h - two orders of the same passages become one; private to knowledge/.
 *
 *   Thread   any; pure.
 */
#ifndef KNOWLEDGE_FUSE_H
#define KNOWLEDGE_FUSE_H

#include "store/store.h"

/* Reciprocal rank fusion (Cormack, Clarke, Buettcher 2009): a passage's score is the sum of
 * 1 / (60 + rank) over both searches. The `count` best replace the hits of `words`, which keeps
 * copies of what came from `vectors` alone. Equal scores: the words' order. */
void fuse_hits(struct store_req *words, const struct store_req *vectors, size_t count);

#endif
