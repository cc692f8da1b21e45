/*
 * bench_retrieval PASSAGES.jsonl QUERIES.jsonl [--businesses N] [--passages N] [--import N]
 *                 [--limit N]
 *
 * How well and how fast knowledge_search finds the right passage. Passages are {"id","title",
 * "text"}; queries {"q","asr","n1","n2","gold"}: as typed, as recognised, with words lost, with
 * words misspelt. The first business has the passages as they are, and its questions' recall at 1
 * and 3 and mean reciprocal rank of the first ten are printed. Then `--businesses` (100) others get
 * `--passages` (2000) each, made of the same sentences in another order, and are asked in turn: the
 * time of one search, and the processor time of it, which a busy machine does not disturb. Last, one
 * document of `--import` (10000) passages is put into the store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/js.h"
#include "knowledge/knowledge.h"

enum { PASSAGES_MAX = 20000, QUERIES_MAX = 20000, TOP = 10 };

static const char *const columns[] = {"q", "asr", "n1", "n2"};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

struct bench {
    struct store *store;
    const json_t *passages, *queries;
    size_t businesses, each, import, limit;
};

static json_t *read_lines(const char *path, size_t max)
{
    json_t *all = json_array();
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    FILE *f = fopen(path, "rbe");
    while (f && json_array_size(all) < max && (len = getline(&line, &size, f)) > 0) {
        json_t *value = NULL;
        if (js_parse(str_n(line, (size_t)len), &value, NULL) == OK)
            json_array_append_new(all, value);
    }
    if (f)
        fclose(f);
    free(line);
    return all;
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static enum err put_business(struct store *s, struct str id)
{
    struct business b = {
        .id = id, .slug = id, .name = id, .time_zone = STR("UTC"), .is_active = true};
    struct store_req *put = store_req_business_put(&b);
    enum err e = store_run(s, put);
    store_req_free(put);
    return e;
}

/* `count` passages. Past the number there is, and for all but the first business, a passage is the
 * first half of one and the second half of another: no two businesses have the same. */
static enum err put_passages(const struct bench *b, struct str business, size_t count, size_t seed)
{
    size_t have = json_array_size(b->passages);
    struct passage *p = mem_zalloc((count + 1) * sizeof(*p));
    struct arena mem;
    arena_init(&mem, (size_t)1 << 30);
    for (size_t i = 0; i < count; i++) {
        const json_t *line = json_array_get(b->passages, (i * 7 + seed) % have);
        const json_t *other = json_array_get(b->passages, (i * 13 + seed * 31 + i / have) % have);
        if (seed == 0)
            line = other = json_array_get(b->passages, i);
        struct str first = js_get_str(line, "text"), second = js_get_str(other, "text");
        p[i].external_id = js_get_str(line, "id");
        p[i].title = js_get_str(line, "title");
        p[i].content = first;
        if (seed) {
            size_t a = first.len / 2, z = second.len - second.len / 2;
            while (a > 0 && first.p[a - 1] != ' ')
                a--;
            while (z < second.len && second.p[z - 1] != ' ')
                z++;
            char *text = arena_alloc(&mem, a + second.len - z + 1);
            memcpy(text, first.p, a);
            memcpy(text + a, second.p + z, second.len - z);
            p[i].content = str_n(text, a + second.len - z);
        }
    }
    struct document d = {.id = STR("d"), .business_id = business, .name = STR("d")};
    struct store_req *document = store_req_document_put(&d, p, count);
    enum err e = store_run(b->store, document);
    store_req_free(document);
    arena_fini(&mem);
    mem_free(p);
    return e;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_times(int64_t *us, int64_t *cpu, size_t count)
{
    qsort(us, count, sizeof(*us), by_time);
    qsort(cpu, count, sizeof(*cpu), by_time);
    printf("p50 %lld us  p99 %lld us  (CPU p50 %lld us  p99 %lld us)\n", (long long)us[count / 2],
           (long long)us[count * 99 / 100], (long long)cpu[count / 2],
           (long long)cpu[count * 99 / 100]);
}

static size_t questions(const struct bench *b)
{
    size_t count = json_array_size(b->queries);
    return b->limit && b->limit < count ? b->limit : count;
}

/* Recall in the first business. */
static void measure(const struct bench *b, const char *column)
{
    size_t count = questions(b), first = 0, third = 0;
    double reciprocal = 0, n = (double)count;
    int64_t *us = mem_zalloc(2 * (count + 1) * sizeof(*us)), *cpu = us + count + 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *line = json_array_get(b->queries, i);
        struct store_req *r = NULL;
        int64_t start = clock_mono_us(), spent = cpu_us();
        if (knowledge_search_run(b->store, STR("b0"), js_get_str(line, column), TOP, &r) != OK)
            continue;
        us[i] = clock_mono_us() - start;
        cpu[i] = cpu_us() - spent;
        for (size_t k = 0; k < r->hits_count; k++) {
            if (!str_eq(r->hits[k].passage.external_id, js_get_str(line, "gold")))
                continue;
            first += k == 0;
            third += k < 3;
            reciprocal += 1.0 / (double)(k + 1);
        }
        store_req_free(r);
    }
    printf("%-4s R@1 %.3f  R@3 %.3f  MRR %.3f  ", column, (double)first / n, (double)third / n,
           reciprocal / n);
    print_times(us, cpu, count);
    mem_free(us);
}

/* Each question goes to another business. The first of each, which reads its stems, counts too. */
static void measure_many(const struct bench *b, const char *column)
{
    size_t count = questions(b);
    int64_t *us = mem_zalloc(2 * (count + 1) * sizeof(*us)), *cpu = us + count + 1;
    for (size_t i = 0; i < count; i++) {
        char id[24];
        struct store_req *r = NULL;
        struct str question = js_get_str(json_array_get(b->queries, i), column);
        snprintf(id, sizeof(id), "b%zu", 1 + i % b->businesses);
        int64_t start = clock_mono_us(), spent = cpu_us();
        if (knowledge_search_run(b->store, str_of(id), question, KNOWLEDGE_TOP, &r) == OK)
            store_req_free(r);
        us[i] = clock_mono_us() - start;
        cpu[i] = cpu_us() - spent;
    }
    printf("%-4s ", column);
    print_times(us, cpu, count);
    mem_free(us);
}

static enum err run(const struct bench *b)
{
    enum err e = put_business(b->store, STR("b0"));
    if (e == OK)
        e = put_passages(b, STR("b0"), json_array_size(b->passages), 0);
    printf("1 business of %zu passages, %zu questions\n", json_array_size(b->passages),
           questions(b));
    for (size_t i = 0; e == OK && i < COLUMNS; i++)
        measure(b, columns[i]);
    for (size_t i = 1; e == OK && i <= b->businesses; i++) {
        char id[24];
        snprintf(id, sizeof(id), "b%zu", i);
        e = put_business(b->store, str_of(id));
        if (e == OK)
            e = put_passages(b, str_of(id), b->each, i);
    }
    if (b->businesses)
        printf("%zu businesses of %zu passages\n", b->businesses, b->each);
    for (size_t i = 0; e == OK && b->businesses && i < COLUMNS; i++)
        measure_many(b, columns[i]);
    if (e == OK && b->import) {
        int64_t start = clock_mono_us();
        e = put_business(b->store, STR("big"));
        if (e == OK)
            e = put_passages(b, STR("big"), b->import, b->businesses + 1);
        printf("%zu passages imported in %.2f s\n", b->import,
               (double)(clock_mono_us() - start) / 1e6);
    }
    return e;
}

static bool read_flags(struct bench *b, int argc, char **argv)
{
    struct {
        const char *name;
        size_t *value;
    } flags[] = {{"--businesses", &b->businesses},
                 {"--passages", &b->each},
                 {"--import", &b->import},
                 {"--limit", &b->limit}};
    for (int i = 3; i < argc; i += 2) {
        uint64_t value;
        size_t at = 0;
        while (at < 4 && strcmp(flags[at].name, argv[i]) != 0)
            at++;
        if (at == 4 || i + 1 == argc || !str_to_u64(str_of(argv[i + 1]), &value))
            return false;
        *flags[at].value = (size_t)value;
    }
    return argc >= 3;
}

int main(int argc, char **argv)
{
    struct bench b = {.businesses = 100, .each = 2000, .import = 10000};
    if (!read_flags(&b, argc, argv)) {
        fprintf(stderr,
                "usage: %s PASSAGES.jsonl QUERIES.jsonl [--businesses N] [--passages N] "
                "[--import N] [--limit N]\n",
                argv[0]);
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
    json_t *passages = read_lines(argv[1], PASSAGES_MAX);
    json_t *queries = read_lines(argv[2], QUERIES_MAX);
    b.passages = passages;
    b.queries = queries;
    enum err e = json_array_size(passages) && json_array_size(queries) ? run(&b) : ERR_INVALID;
    if (e != OK)
        fprintf(stderr, "failed: %s\n", err_name(e));
    store_close(b.store);
    unlink(path);
    static const char *const endings[] = {"-wal", "-shm"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(side, sizeof(side), "%s%s", path, endings[i]);
        unlink(side);
    }
    json_decref(passages);
    json_decref(queries);
    return e != OK;
}
