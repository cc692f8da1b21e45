/*
 * vectors.h - the vectors of a business in memory: which of them are nearest to one.
 *
 * A bit a dimension finds the VECTORS_BY_BITS nearest of all, a byte a dimension the best of those;
 * the exact order is made by the caller, who has the exact vectors in the database. 100,000 vectors
 * of 1536 dimensions take 174 MB and some milliseconds. Private to store/.
 *
 *   Memory   see keep.h.
 *   Thread   built by one; then immutable.
 *   Bounds   STORE_VECTOR_DIMENSIONS_MAX dimensions.
 */
#ifndef STORE_VECTORS_H
#define STORE_VECTORS_H

#include "base/str.h"
#include "store/keep.h"

enum { VECTORS_BY_BITS = 300, VECTORS_BY_BYTES = 40 };

struct vectors;

/* Of one model; `room` is a guess of how many there will be. */
struct vectors *vectors_new(int64_t business, int64_t version, struct str model, size_t dimensions,
                            size_t room);
/* A vector of length 1. Ids rise. */
void vectors_add(struct vectors *v, int64_t id, const float *vector);
struct kept *vectors_finish(struct vectors *v);

const struct vectors *vectors_of(const struct kept *k);
bool vectors_is(const struct vectors *v, struct str model, size_t dimensions);
size_t vectors_count(const struct vectors *v);
int64_t vectors_last_id(const struct vectors *v); /* 0 when there is none */

/* The ids of up to VECTORS_BY_BYTES nearest to a vector of length 1, nearly in order. Returns their
 * number. */
size_t vectors_nearest(const struct vectors *v, const float *query, int64_t out[VECTORS_BY_BYTES]);

#endif
