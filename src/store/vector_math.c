#include "store/vector_math.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static size_t bits_in(uint64_t x)
{
    return (size_t)__builtin_popcountll(x);
}

static void distances_portable(const uint64_t *rows, size_t count, size_t words,
                               const uint64_t *query, uint16_t *out)
{
    for (size_t i = 0; i < count; i++, rows += words) {
        size_t sum = 0;
        for (size_t k = 0; k < words; k++)
            sum += bits_in(rows[k] ^ query[k]);
        out[i] = (uint16_t)sum;
    }
}

static int32_t dot_portable(const int8_t *a, const int8_t *b, size_t bytes)
{
    int32_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum += a[i] * b[i];
    return sum;
}

static const struct vector_math portable = {"portable", distances_portable, dot_portable};

#if defined(__x86_64__)
/* The same loop, with one instruction for the bits of a word. */
__attribute__((target("popcnt"))) static void distances_popcnt(const uint64_t *rows, size_t count,
                                                               size_t words, const uint64_t *query,
                                                               uint16_t *out)
{
    for (size_t i = 0; i < count; i++, rows += words) {
        size_t sum = 0;
        for (size_t k = 0; k < words; k++)
            sum += (size_t)__builtin_popcountll(rows[k] ^ query[k]);
        out[i] = (uint16_t)sum;
    }
}

__attribute__((target("avx2"))) static int32_t dot_avx2(const int8_t *a, const int8_t *b,
                                                        size_t bytes)
{
    __m256i sum = _mm256_setzero_si256();
    for (size_t i = 0; i < bytes; i += 16) {
        __m128i a8, b8;
        memcpy(&a8, a + i, sizeof(a8));
        memcpy(&b8, b + i, sizeof(b8));
        __m256i products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(a8), _mm256_cvtepi8_epi16(b8));
        sum = _mm256_add_epi32(sum, products);
    }
    int32_t lanes[8], all = 0;
    memcpy(lanes, &sum, sizeof(lanes));
    for (size_t i = 0; i < 8; i++)
        all += lanes[i];
    return all;
}

static const struct vector_math avx2 = {"avx2", distances_popcnt, dot_avx2};
#endif

const struct vector_math *vector_math_portable(void)
{
    return &portable;
}

const struct vector_math *vector_math_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
        return &avx2;
#endif
    return &portable;
}

bool vector_normalise(float *v, size_t dimensions)
{
    double sum = 0;
    for (size_t i = 0; i < dimensions; i++)
        sum += (double)v[i] * (double)v[i];
    if (!isfinite(sum) || sum <= 0)
        return false;
    float factor = (float)(1 / sqrt(sum));
    for (size_t i = 0; i < dimensions; i++)
        v[i] *= factor;
    return isfinite(factor);
}

float vector_dot(const float *a, const float *b, size_t dimensions)
{
    float sums[8] = {0}; /* several, so that the compiler may add side by side */
    size_t i = 0;
    for (; i + 8 <= dimensions; i += 8) {
        for (size_t k = 0; k < 8; k++)
            sums[k] += a[i + k] * b[i + k];
    }
    float all = 0;
    for (; i < dimensions; i++)
        all += a[i] * b[i];
    for (size_t k = 0; k < 8; k++)
        all += sums[k];
    return all;
}

void vector_to_bits(const float *v, size_t dimensions, uint64_t *out)
{
    memset(out, 0, VECTOR_WORDS(dimensions) * sizeof(*out));
    for (size_t i = 0; i < dimensions; i++) {
        if (v[i] > 0)
            out[i / 64] |= UINT64_C(1) << (i % 64);
    }
}

float vector_to_bytes(const float *v, size_t dimensions, int8_t *out)
{
    float most = 0;
    for (size_t i = 0; i < dimensions; i++)
        most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
    memset(out, 0, VECTOR_BYTES(dimensions));
    if (most <= 0)
        return 0;
    for (size_t i = 0; i < dimensions; i++)
        out[i] = (int8_t)lrintf(v[i] / most * 127);
    return most / 127;
}
