/*
 * vector_math.h - the inner loops of a search by vectors, for whatever processor this is.
 *
 *   Units    dimensions; a row of bits has VECTOR_WORDS(dimensions) words, a row of bytes
 *            VECTOR_BYTES(dimensions) of them, what is beyond the dimensions being zero.
 *   Thread   any; pure.
 *   Bounds   STORE_VECTOR_DIMENSIONS_MAX dimensions.
 */
#ifndef STORE_VECTOR_MATH_H
#define STORE_VECTOR_MATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VECTOR_WORDS(dimensions) (((dimensions) + 63) / 64)
#define VECTOR_BYTES(dimensions) (((dimensions) + 31) / 32 * 32)

/* One set of loops: the fastest this processor can run, or the one every processor can. */
struct vector_math {
    const char *name;
    /* Bits that differ between `query` and each of `count` rows. */
    void (*distances)(const uint64_t *rows, size_t count, size_t words, const uint64_t *query,
                      uint16_t *out);
    /* Sum of products; `bytes` is a multiple of 32. */
    int32_t (*dot_bytes)(const int8_t *a, const int8_t *b, size_t bytes);
};
const struct vector_math *vector_math_best(void);
const struct vector_math *vector_math_portable(void);

/* To length 1; false for one of length 0, or with what is no number in it. */
bool vector_normalise(float *v, size_t dimensions);
float vector_dot(const float *a, const float *b, size_t dimensions);
/* A bit a dimension: whether it is above zero. */
void vector_to_bits(const float *v, size_t dimensions, uint64_t *out);
/* A byte a dimension, and what a byte is worth. */
float vector_to_bytes(const float *v, size_t dimensions, int8_t *out);

#endif
