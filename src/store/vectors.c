#include "store/vectors.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/vector_math.h"

struct vectors {
    struct kept kept; /* first: a struct kept is cast back to its vectors */
    char *model;
    size_t dimensions, count, room;
    int64_t *ids;
    uint64_t *bits;
    int8_t *bytes;
    float *worth; /* of a byte of each */
};

static void vectors_free(struct kept *k)
{
    struct vectors *v = (struct vectors *)k;
    mem_free(v->model);
    mem_free(v->ids);
    mem_free(v->bits);
    mem_free(v->bytes);
    mem_free(v->worth);
    mem_free(v);
}

static void make_room(struct vectors *v, size_t room)
{
    v->room = room;
    v->ids = mem_realloc(v->ids, room * sizeof(*v->ids));
    v->bits = mem_realloc(v->bits, room * VECTOR_WORDS(v->dimensions) * sizeof(*v->bits));
    v->bytes = mem_realloc(v->bytes, room * VECTOR_BYTES(v->dimensions));
    v->worth = mem_realloc(v->worth, room * sizeof(*v->worth));
}

struct vectors *vectors_new(int64_t business, int64_t version, struct str model, size_t dimensions,
                            size_t room)
{
    ASSERT(dimensions > 0 && dimensions <= STORE_VECTOR_DIMENSIONS_MAX);
    struct vectors *v = mem_zalloc(sizeof(*v));
    kept_init(&v->kept, business, KEPT_VECTORS, version, vectors_free);
    v->model = mem_strndup(model.p, model.len);
    v->dimensions = dimensions;
    make_room(v, room ? room : 1);
    return v;
}

void vectors_add(struct vectors *v, int64_t id, const float *vector)
{
    ASSERT(id > vectors_last_id(v));
    if (v->count == v->room)
        make_room(v, 2 * v->room);
    size_t i = v->count++;
    v->ids[i] = id;
    vector_to_bits(vector, v->dimensions, v->bits + i * VECTOR_WORDS(v->dimensions));
    v->worth[i] =
        vector_to_bytes(vector, v->dimensions, v->bytes + i * VECTOR_BYTES(v->dimensions));
}

struct kept *vectors_finish(struct vectors *v)
{
    make_room(v, v->count ? v->count : 1);
    v->kept.bytes = sizeof(*v) + v->room * (sizeof(*v->ids) + sizeof(*v->worth) +
                                            VECTOR_WORDS(v->dimensions) * sizeof(*v->bits) +
                                            VECTOR_BYTES(v->dimensions));
    return &v->kept;
}

const struct vectors *vectors_of(const struct kept *k)
{
    ASSERT(k->kind == KEPT_VECTORS);
    return (const struct vectors *)k;
}

bool vectors_is(const struct vectors *v, struct str model, size_t dimensions)
{
    return v->dimensions == dimensions && str_eq(str_of(v->model), model);
}

size_t vectors_count(const struct vectors *v)
{
    return v->count;
}

int64_t vectors_last_id(const struct vectors *v)
{
    return v->count ? v->ids[v->count - 1] : 0;
}

/* The rows with the fewest different bits: counted by distance, so that one pass tells where to
 * stop. */
static size_t nearest_by_bits(const struct vectors *v, const struct vector_math *math,
                              const float *query, uint32_t out[VECTORS_BY_BITS])
{
    uint64_t bits[VECTOR_WORDS(STORE_VECTOR_DIMENSIONS_MAX)];
    uint32_t at_distance[STORE_VECTOR_DIMENSIONS_MAX + 1] = {0};
    uint16_t *distances = mem_alloc((v->count + 1) * sizeof(*distances));
    vector_to_bits(query, v->dimensions, bits);
    math->distances(v->bits, v->count, VECTOR_WORDS(v->dimensions), bits, distances);
    for (size_t i = 0; i < v->count; i++)
        at_distance[distances[i]]++;
    size_t below = 0, limit = 0; /* rows nearer than `limit`; all of them fit */
    while (limit <= v->dimensions && below + at_distance[limit] <= VECTORS_BY_BITS)
        below += at_distance[limit++];
    size_t edge = VECTORS_BY_BITS - below, count = 0; /* of those at the limit, so many fit */
    for (size_t i = 0; i < v->count && count < VECTORS_BY_BITS; i++) {
        bool at_edge = distances[i] == limit && edge > 0;
        if (distances[i] < limit || at_edge)
            out[count++] = (uint32_t)i;
        edge -= at_edge;
    }
    mem_free(distances);
    return count;
}

size_t vectors_nearest(const struct vectors *v, const float *query, int64_t out[VECTORS_BY_BYTES])
{
    const struct vector_math *math = vector_math_best();
    uint32_t rows[VECTORS_BY_BITS];
    int8_t bytes[VECTOR_BYTES(STORE_VECTOR_DIMENSIONS_MAX)];
    float best[VECTORS_BY_BYTES];
    size_t found = nearest_by_bits(v, math, query, rows), count = 0;
    vector_to_bytes(query, v->dimensions, bytes);
    for (size_t i = 0; i < found; i++) {
        const int8_t *row = v->bytes + rows[i] * VECTOR_BYTES(v->dimensions);
        float near =
            (float)math->dot_bytes(row, bytes, VECTOR_BYTES(v->dimensions)) * v->worth[rows[i]];
        size_t at = count;
        while (at > 0 && best[at - 1] < near)
            at--;
        if (at == VECTORS_BY_BYTES)
            continue;
        count += count < VECTORS_BY_BYTES;
        memmove(&best[at + 1], &best[at], (count - 1 - at) * sizeof(best[0]));
        memmove(&out[at + 1], &out[at], (count - 1 - at) * sizeof(out[0]));
        best[at] = near;
        out[at] = v->ids[rows[i]];
    }
    return count;
}
