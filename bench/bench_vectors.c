/*
 * bench_vectors [--vectors N] [--dimensions N] [--queries N]: searching by vectors in a store of
 * one business.
 *
 * Vectors are drawn, not made by a model: N (100000) of 1536 dimensions around 500 directions, at
 * cosines of about 0.6 to their own and 0 to the others; queries are drawn in the same way. Prints
 * the time that the first search takes, which reads all vectors into memory, the median of the
 * others, and how many of the ten nearest, told by comparing all, are among the ten found.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/store.h"

enum { TOPICS = 500, TOP = 10, CHECKED = 50 };

struct bench {
    struct store *store;
    size_t count, dimensions, queries;
    float *topics;
    float *all; /* as put, of length 1 */
    uint64_t seed;
};

/* About normal: the sum of four. */
static float draw(struct bench *b)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
        sum += (float)(b->seed >> 40) / (float)(1 << 23) - 1;
    }
    return sum;
}

static void draw_vector(struct bench *b, float *out)
{
    double sum = 0;
    size_t topic = (b->seed >> 33) % TOPICS;
    for (size_t i = 0; i < b->dimensions; i++) {
        out[i] = b->topics[topic * b->dimensions + i] + 0.8f * draw(b);
        sum += (double)out[i] * (double)out[i];
    }
    for (size_t i = 0; i < b->dimensions; i++)
        out[i] /= (float)sqrt(sum);
}

static enum err run(struct store *s, struct store_req *r)
{
    enum err e = store_run(s, r);
    store_req_free(r);
    return e;
}

/* Passages whose content is their number, in documents of 10,000, then their vectors. */
static enum err fill(struct bench *b)
{
    struct business business = {
        .id = STR("b"), .slug = STR("b"), .name = STR("b"), .time_zone = STR("UTC")};
    enum err e = run(b->store, store_req_business_put(&business));
    for (size_t start = 0; e == OK && start < b->count; start += 10000) {
        size_t n = b->count - start < 10000 ? b->count - start : 10000;
        struct passage *p = mem_zalloc(n * sizeof(*p));
        char(*texts)[24] = mem_alloc(n * sizeof(*texts)), id[24];
        for (size_t i = 0; i < n; i++) {
            snprintf(texts[i], sizeof(texts[i]), "%zu", start + i);
            p[i].title = p[i].content = str_of(texts[i]);
        }
        snprintf(id, sizeof(id), "d%07zu", start);
        struct document d = {.id = str_of(id), .business_id = STR("b"), .name = STR("d")};
        e = run(b->store, store_req_document_put(&d, p, n));
        mem_free(texts);
        mem_free(p);
    }
    size_t done = 0;
    int64_t after = 0;
    while (e == OK && done < b->count) {
        struct store_req *r = store_req_vectors_missing(STR("m"), -1, after);
        struct passage_vector v[STORE_VECTORS_PUT_MAX];
        e = store_run(b->store, r);
        for (size_t i = 0; e == OK && i < r->passages_count; i++) {
            const struct passage *p = &r->passages[i];
            size_t n = strtoul(p->content.p, NULL, 10);
            v[i] = (struct passage_vector){p->business_id, p->id, p->created_at_ms,
                                           b->all + n * b->dimensions};
        }
        if (e == OK)
            e = run(b->store, store_req_vectors_put(STR("m"), b->dimensions, v, r->passages_count));
        done += r->passages_count;
        after = r->last;
        if (r->passages_count == 0)
            e = ERR_INVALID;
        store_req_free(r);
    }
    return e;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* How many of the ten nearest were found. */
static size_t compare(const struct bench *b, const float *query, const struct store_req *r)
{
    float *near = mem_alloc(b->count * sizeof(*near));
    size_t right = 0;
    for (size_t i = 0; i < b->count; i++) {
        near[i] = 0;
        for (size_t k = 0; k < b->dimensions; k++)
            near[i] += query[k] * b->all[i * b->dimensions + k];
    }
    for (size_t i = 0; i < r->hits_count; i++) {
        size_t nearer = 0, found = strtoul(r->hits[i].passage.content.p, NULL, 10);
        for (size_t k = 0; k < b->count; k++)
            nearer += near[k] > near[found];
        right += nearer < TOP;
    }
    mem_free(near);
    return right;
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static enum err measure(struct bench *b)
{
    float *query = mem_alloc(b->dimensions * sizeof(*query));
    int64_t *us = mem_zalloc(2 * (b->queries + 1) * sizeof(*us)), *cpu = us + b->queries + 1;
    size_t right = 0, checked = 0;
    enum err e = OK;
    for (size_t i = 0; e == OK && i <= b->queries; i++) {
        draw_vector(b, query);
        int64_t start = clock_mono_us(), spent = cpu_us();
        struct store_req *r =
            store_req_search_vector(STR("b"), STR("m"), query, b->dimensions, TOP);
        e = store_run(b->store, r);
        us[i] = clock_mono_us() - start;
        cpu[i] = cpu_us() - spent;
        if (e == OK && i == 0)
            printf("first search %.2f s\n", (double)us[0] / 1e6);
        if (e == OK && i > 0 && checked < CHECKED) {
            right += compare(b, query, r);
            checked++;
        }
        store_req_free(r);
    }
    qsort(us + 1, b->queries, sizeof(*us), by_time);
    qsort(cpu + 1, b->queries, sizeof(*cpu), by_time);
    size_t n = b->queries;
    printf("p50 %lld us  p99 %lld us  (CPU p50 %lld us  p99 %lld us)  recall@%d %.3f\n",
           (long long)us[1 + n / 2], (long long)us[1 + n * 99 / 100], (long long)cpu[1 + n / 2],
           (long long)cpu[1 + n * 99 / 100], TOP,
           checked ? (double)right / (double)(TOP * checked) : 0);
    mem_free(us);
    mem_free(query);
    return e;
}

static bool read_flags(struct bench *b, int argc, char **argv)
{
    struct {
        const char *name;
        size_t *value;
    } flags[] = {
        {"--vectors", &b->count}, {"--dimensions", &b->dimensions}, {"--queries", &b->queries}};
    for (int i = 1; i < argc; i += 2) {
        uint64_t value;
        size_t at = 0;
        while (at < 3 && strcmp(flags[at].name, argv[i]) != 0)
            at++;
        if (at == 3 || i + 1 == argc || !str_to_u64(str_of(argv[i + 1]), &value) || value == 0)
            return false;
        *flags[at].value = (size_t)value;
    }
    return b->dimensions <= STORE_VECTOR_DIMENSIONS_MAX;
}

int main(int argc, char **argv)
{
    struct bench b = {.count = 100000, .dimensions = 1536, .queries = 300, .seed = 1};
    if (!read_flags(&b, argc, argv)) {
        fprintf(stderr, "usage: %s [--vectors N] [--dimensions N] [--queries N]\n", argv[0]);
        return 2;
    }
    char path[] = "/tmp/callee-bench-XXXXXX", side[64];
    struct err_detail detail = {{0}};
    int fd = mkstemp(path);
    if (fd < 0 || store_open(&b.store, &(struct store_opts){.path = path}, &detail) != OK) {
        fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    close(fd);
    b.topics = mem_alloc(TOPICS * b.dimensions * sizeof(float));
    for (size_t i = 0; i < TOPICS * b.dimensions; i++)
        b.topics[i] = draw(&b);
    b.all = mem_alloc(b.count * b.dimensions * sizeof(float));
    for (size_t i = 0; i < b.count; i++)
        draw_vector(&b, b.all + i * b.dimensions);
    int64_t start = clock_mono_us();
    enum err e = fill(&b);
    printf("%zu vectors of %zu dimensions, stored in %.1f s\n", b.count, b.dimensions,
           (double)(clock_mono_us() - start) / 1e6);
    if (e == OK)
        e = measure(&b);
    if (e != OK)
        fprintf(stderr, "failed: %s\n", err_name(e));
    store_close(b.store);
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(side, sizeof(side), "%s%s", path, endings[i]);
        unlink(side);
    }
    mem_free(b.all);
    mem_free(b.topics);
    return e != OK;
}
