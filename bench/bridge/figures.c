#include "bridge/figures.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"

enum { ROWS_MAX = 128 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void samples_put(struct samples *s, uint32_t value)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4096;
        s->v = mem_realloc(s->v, s->cap * sizeof(s->v[0]));
    }
    s->v[s->count++] = value;
}

uint32_t samples_at(struct samples *s, unsigned permille)
{
    if (s->count == 0)
        return 0;
    qsort(s->v, s->count, sizeof(s->v[0]), by_u32);
    size_t at = (s->count * permille + 999) / 1000;
    return s->v[at > 0 ? at - 1 : 0];
}

void samples_reset(struct samples *s)
{
    s->count = 0;
}

void samples_fini(struct samples *s)
{
    mem_free(s->v);
    *s = (struct samples){0};
}

double median_of(double *v, size_t count)
{
    ASSERT(count > 0);
    qsort(v, count, sizeof(v[0]), by_value);
    return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

void median_each(double *out, const double *rows, size_t count, size_t doubles)
{
    double v[ROWS_MAX];
    ASSERT(count > 0 && count <= ROWS_MAX);
    for (size_t d = 0; d < doubles; d++) {
        for (size_t i = 0; i < count; i++)
            v[i] = rows[i * doubles + d];
        out[d] = median_of(v, count);
    }
}
