/*
 * figures.h - medians and percentiles of what was measured.
 *
 *   Memory   samples own an array that grows; samples_fini frees it.
 *   Thread   any.
 */
#ifndef BENCH_BRIDGE_FIGURES_H
#define BENCH_BRIDGE_FIGURES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
    uint32_t *v;
    size_t count, cap;
};

void samples_put(struct samples *s, uint32_t value);
/* The value that `permille` of the samples do not exceed; 0 without samples. Sorts. */
uint32_t samples_at(struct samples *s, unsigned permille);
void samples_reset(struct samples *s);
void samples_fini(struct samples *s);

/* Of `count` (at least 1) doubles; sorts them. */
double median_of(double *v, size_t count);
/* Element by element of `count` structs that hold nothing but `doubles` doubles. */
void median_each(double *out, const double *rows, size_t count, size_t doubles);

#endif
