/*
 * bench_retrieval PASSAGES.jsonl QUERIES.jsonl [LIMIT]: how well knowledge_search finds the right
 * passage. Passages are {"id","title","text"}; queries {"q","asr","n1","n2","gold"}: as typed, as
 * recognised, with words lost, with words misspelt. Prints recall at 1 and 3, the mean reciprocal
 * rank of the first ten and the median time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/js.h"
#include "knowledge/knowledge.h"

enum { PASSAGES_MAX = 20000, QUERIES_MAX = 20000, TOP = 10 };

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

static enum err load(struct store *s, const json_t *lines)
{
    size_t count = json_array_size(lines);
    struct passage *p = mem_zalloc((count + 1) * sizeof(*p));
    for (size_t i = 0; i < count; i++) {
        const json_t *line = json_array_get(lines, i);
        p[i].external_id = js_get_str(line, "id");
        p[i].title = js_get_str(line, "title");
        p[i].content = js_get_str(line, "text");
    }
    struct business b = {.id = STR("b"),
                         .slug = STR("b"),
                         .name = STR("b"),
                         .time_zone = STR("UTC"),
                         .is_active = true};
    struct document d = {.id = STR("d"), .business_id = b.id, .name = STR("d")};
    struct store_req *put = store_req_business_put(&b);
    struct store_req *document = store_req_document_put(&d, p, count);
    enum err e = store_run(s, put);
    if (e == OK)
        e = store_run(s, document);
    store_req_free(put);
    store_req_free(document);
    mem_free(p);
    return e;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(struct store *s, const json_t *queries, const char *column, size_t limit)
{
    size_t count = json_array_size(queries), first = 0, third = 0;
    double reciprocal = 0;
    count = limit && limit < count ? limit : count;
    int64_t *us = mem_zalloc((count + 1) * sizeof(*us));
    for (size_t i = 0; i < count; i++) {
        const json_t *line = json_array_get(queries, i);
        struct store_req *r = NULL;
        int64_t start = clock_mono_us();
        if (knowledge_search_run(s, STR("b"), js_get_str(line, column), TOP, &r) != OK)
            continue;
        us[i] = clock_mono_us() - start;
        for (size_t k = 0; k < r->hits_count; k++) {
            if (!str_eq(r->hits[k].passage.external_id, js_get_str(line, "gold")))
                continue;
            first += k == 0;
            third += k < 3;
            reciprocal += 1.0 / (double)(k + 1);
        }
        store_req_free(r);
    }
    qsort(us, count, sizeof(*us), by_time);
    double n = (double)count;
    printf("%-4s R@1 %.3f  R@3 %.3f  MRR %.3f  p50 %lld us  p99 %lld us\n", column,
           (double)first / n, (double)third / n, reciprocal / n, (long long)us[count / 2],
           (long long)us[count * 99 / 100]);
    mem_free(us);
}

int main(int argc, char **argv)
{
    uint64_t limit = 0;
    if (argc < 3 || (argc > 3 && !str_to_u64(str_of(argv[3]), &limit))) {
        fprintf(stderr, "usage: %s PASSAGES.jsonl QUERIES.jsonl [LIMIT]\n", argv[0]);
        return 2;
    }
    char path[] = "/tmp/callee-bench-XXXXXX";
    struct err_detail detail = {{0}};
    struct store *s = NULL;
    int fd = mkstemp(path);
    if (fd < 0 || store_open(&s, &(struct store_opts){.path = path}, &detail) != OK) {
        fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    close(fd);
    json_t *passages = read_lines(argv[1], PASSAGES_MAX);
    json_t *queries = read_lines(argv[2], QUERIES_MAX);
    enum err e = load(s, passages);
    static const char *const columns[] = {"q", "asr", "n1", "n2"};
    printf("%zu passages, %zu queries\n", json_array_size(passages), json_array_size(queries));
    for (size_t i = 0; e == OK && json_array_size(queries) > 0 && i < 4; i++)
        measure(s, queries, columns[i], (size_t)limit);
    store_close(s);
    unlink(path);
    json_decref(passages);
    json_decref(queries);
    return e != OK;
}
