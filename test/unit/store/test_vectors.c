/* Vectors: the loops against plain ones, the nearest against all compared, and the store's part:
 * whose they are, what becomes of them when passages change. */
#include "harness/test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/vector_math.h"
#include "store/vectors.h"

enum { D = 200, MANY = 3000, TOP = 10 };

static uint64_t seed;

static float uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(seed >> 40) / (float)(1 << 23) - 1;
}

/* Near one of 20 directions, as texts are near their topics. */
static void make_vector(float *v, size_t dimensions, size_t topic)
{
    uint64_t own = seed;
    seed = topic % 20 * 977 + 5;
    for (size_t i = 0; i < dimensions; i++)
        v[i] = uniform();
    seed = own;
    for (size_t i = 0; i < dimensions; i++)
        v[i] += 0.8f * uniform();
}

TEST(loops_agree_with_the_portable_ones)
{
    const struct vector_math *best = vector_math_best(), *plain = vector_math_portable();
    seed = 1;
    for (size_t dimensions = 1; dimensions < 300; dimensions += 7) {
        float a[300], b[300];
        int8_t ab[VECTOR_BYTES(300)], bb[VECTOR_BYTES(300)];
        uint64_t bits[2 * VECTOR_WORDS(300)];
        size_t words = VECTOR_WORDS(dimensions), differ = 0;
        uint16_t one[2], two[2];
        make_vector(a, dimensions, 1);
        make_vector(b, dimensions, 2);
        CHECK(vector_normalise(a, dimensions) && vector_normalise(b, dimensions));
        CHECK(fabsf(vector_dot(a, a, dimensions) - 1) < 1e-4f);
        float wa = vector_to_bytes(a, dimensions, ab), wb = vector_to_bytes(b, dimensions, bb);
        int32_t dot = plain->dot_bytes(ab, bb, VECTOR_BYTES(dimensions));
        CHECK_INT(dot, best->dot_bytes(ab, bb, VECTOR_BYTES(dimensions)));
        CHECK(fabsf((float)dot * wa * wb - vector_dot(a, b, dimensions)) < 0.02f);
        vector_to_bits(a, dimensions, bits);
        vector_to_bits(b, dimensions, bits + words);
        for (size_t i = 0; i < dimensions; i++)
            differ += (a[i] > 0) != (b[i] > 0);
        plain->distances(bits, 2, words, bits, one);
        best->distances(bits, 2, words, bits, two);
        CHECK(one[0] == 0 && one[1] == differ && two[0] == 0 && two[1] == differ);
    }
    float none[4] = {0}, wild[4] = {1, INFINITY, 0, 0};
    CHECK(!vector_normalise(none, 4) && !vector_normalise(wild, 4));
}

TEST(the_nearest_are_those_that_comparing_all_finds)
{
    float *all = mem_alloc(sizeof(float) * MANY * D);
    struct vectors *made = vectors_new(1, 1, STR("m"), D, 1);
    seed = 2;
    for (size_t i = 0; i < MANY; i++) {
        make_vector(all + i * D, D, i);
        CHECK(vector_normalise(all + i * D, D));
        vectors_add(made, (int64_t)(10 * i + 1), all + i * D);
    }
    struct kept *k = vectors_finish(made);
    const struct vectors *v = vectors_of(k);
    CHECK(vectors_is(v, STR("m"), D) && !vectors_is(v, STR("n"), D));
    CHECK_INT(MANY, vectors_count(v));
    CHECK_INT(10 * (MANY - 1) + 1, vectors_last_id(v));
    size_t missed = 0;
    for (size_t asked = 0; asked < 50; asked++) {
        float query[D];
        int64_t found[VECTORS_BY_BYTES];
        make_vector(query, D, asked);
        CHECK(vector_normalise(query, D));
        CHECK_INT(VECTORS_BY_BYTES, vectors_nearest(v, query, found));
        bool taken[MANY] = {false};
        for (size_t t = 0; t < TOP; t++) {
            size_t best = MANY, k2 = 0;
            for (size_t i = 0; i < MANY; i++) {
                if (!taken[i] && (best == MANY || vector_dot(all + i * D, query, D) >
                                                      vector_dot(all + best * D, query, D)))
                    best = i;
            }
            taken[best] = true;
            while (k2 < VECTORS_BY_BYTES && found[k2] != (int64_t)(10 * best + 1))
                k2++;
            missed += k2 == VECTORS_BY_BYTES;
        }
    }
    CHECK(missed <= 5); /* of 500 */
    kept_release(k);
    int64_t found[VECTORS_BY_BYTES];
    k = vectors_finish(vectors_new(1, 1, STR("m"), D, 0));
    CHECK_INT(0, vectors_nearest(vectors_of(k), all, found));
    CHECK_INT(0, vectors_last_id(vectors_of(k)));
    kept_release(k);
    struct vectors *equal = vectors_new(1, 1, STR("m"), D, 0); /* all at one distance */
    for (size_t i = 0; i < 2 * VECTORS_BY_BITS; i++)
        vectors_add(equal, (int64_t)i + 1, all);
    k = vectors_finish(equal);
    CHECK_INT(VECTORS_BY_BYTES, vectors_nearest(vectors_of(k), all, found));
    kept_release(k);
    mem_free(all);
}

/* -- in the store -- */

static char dir[64], path[96];

static enum err run(struct store *s, struct store_req *r)
{
    enum err e = store_run(s, r);
    store_req_free(r);
    return e;
}

static enum err add_business(struct store *s, const char *id)
{
    struct business b = {.id = str_of(id),
                         .slug = str_of(id),
                         .name = str_of(id),
                         .time_zone = STR("UTC"),
                         .is_active = true};
    return run(s, store_req_business_put(&b));
}

static struct store *fresh(void)
{
    struct store *s = NULL;
    struct err_detail detail;
    snprintf(dir, sizeof(dir), "%s", "/tmp/callee-vectors-XXXXXX");
    if (!mkdtemp(dir))
        return NULL;
    snprintf(path, sizeof(path), "%s/callee.db", dir);
    if (store_open(&s, &(struct store_opts){.path = path}, &detail) != OK ||
        add_business(s, "a") != OK || add_business(s, "b") != OK)
        return NULL;
    return s;
}

static void done_with(struct store *s)
{
    store_close(s);
    unlink(path);
    rmdir(dir);
}

static enum err put(struct store *s, const char *business, const char *document, int64_t at,
                    const char *const *texts, size_t count)
{
    struct passage p[8] = {{.title = STR("")}};
    for (size_t i = 0; i < count; i++)
        p[i] = (struct passage){.title = STR("t"), .content = str_of(texts[i])};
    struct document d = {.id = str_of(document),
                         .business_id = str_of(business),
                         .name = str_of(document),
                         .created_at_ms = at};
    return run(s, store_req_document_put(&d, p, count));
}

/* The vector of a text: the same text always gets the same. */
static void embed(struct str text, float out[D])
{
    uint64_t own = seed;
    seed = 99;
    for (size_t i = 0; i < text.len; i++)
        seed = seed * 31 + (unsigned char)text.p[i];
    for (size_t i = 0; i < D; i++)
        out[i] = uniform();
    seed = own;
}

/* Gives a vector to each passage without one; how many there were, or -1. */
static int embed_missing(struct store *s, const char *model)
{
    struct store_req *r = store_req_vectors_missing(str_of(model), -1, 0);
    if (store_run(s, r) != OK)
        return -1;
    size_t count = r->passages_count;
    struct passage_vector v[STORE_VECTORS_PUT_MAX];
    float *space = mem_alloc((count + 1) * D * sizeof(*space));
    for (size_t i = 0; i < count; i++) {
        const struct passage *p = &r->passages[i];
        embed(p->content, space + i * D);
        v[i] = (struct passage_vector){p->business_id, p->id, p->created_at_ms, space + i * D};
    }
    enum err e = run(s, store_req_vectors_put(str_of(model), D, v, count));
    mem_free(space);
    store_req_free(r);
    return e == OK ? (int)count : -1;
}

/* The text nearest to one in a business, "" when there is none, NULL on an error or when a passage
 * of another business came. */
static const char *nearest(struct store *s, const char *business, const char *model,
                           const char *text)
{
    static char answer[64];
    float query[D];
    embed(str_of(text), query);
    struct store_req *r = store_req_search_vector(str_of(business), str_of(model), query, D, 5);
    bool ok = store_run(s, r) == OK;
    answer[0] = '\0';
    for (size_t i = 0; i < r->hits_count; i++) {
        ok = ok && str_eq(r->hits[i].passage.business_id, str_of(business));
        ok = ok && (i == 0 || r->hits[i - 1].score >= r->hits[i].score);
    }
    if (r->hits_count && r->hits[0].score > 0.999)
        ok = ok && str_copy(answer, sizeof(answer), r->hits[0].passage.content);
    store_req_free(r);
    return ok ? answer : NULL;
}

static bool is(const char *want, const char *got)
{
    if (!got || strcmp(want, got) != 0)
        fprintf(stderr, "want \"%s\", got %s\n", want, got ? got : "an error");
    return got && strcmp(want, got) == 0;
}

TEST(passages_are_found_by_vectors_and_stay_with_their_business)
{
    static const char *const of_a[] = {"boots of a", "hats of a", "equal"};
    static const char *const of_b[] = {"boots of b", "equal"};
    struct store *s = fresh();
    CHECK(s != NULL);
    CHECK(is("", nearest(s, "a", "m", "boots of a")));
    CHECK_INT(OK, put(s, "a", "d", 1, of_a, 3));
    CHECK_INT(OK, put(s, "b", "d", 1, of_b, 2));
    CHECK(is("", nearest(s, "a", "m", "boots of a")));
    CHECK_INT(5, embed_missing(s, "m"));
    CHECK_INT(0, embed_missing(s, "m"));
    for (int i = 0; i < 2; i++) { /* as vectors newer than memory, then from memory */
        CHECK(is("boots of a", nearest(s, "a", "m", "boots of a")));
        CHECK(is("equal", nearest(s, "a", "m", "equal")));
        CHECK(is("equal", nearest(s, "b", "m", "equal")));
        CHECK(is("", nearest(s, "b", "m", "boots of a")));
        CHECK(is("", nearest(s, "a", "m", "boots of b")));
        CHECK(is("", nearest(s, "a", "another model", "boots of a")));
    }
    CHECK_INT(ERR_NOTFOUND,
              run(s, store_req_search_vector(STR("c"), STR("m"), (float[]){1}, 1, 5)));
    CHECK_INT(ERR_INVALID, run(s, store_req_search_vector(STR("a"), STR("m"), (float[]){0}, 1, 5)));
    CHECK_INT(OK, run(s, store_req_search_vector(STR("a"), STR("m"), (float[]){1}, 1, 5)));
    CHECK_INT(5, embed_missing(s, "n")); /* another model takes the place of the first */
    CHECK(is("", nearest(s, "a", "m", "boots of a")));
    CHECK(is("boots of a", nearest(s, "a", "n", "boots of a")));
    CHECK_INT(OK, run(s, store_req_document_delete(STR("a"), STR("d"))));
    CHECK(is("", nearest(s, "a", "n", "equal")));
    CHECK(is("equal", nearest(s, "b", "n", "equal")));
    CHECK_INT(OK, run(s, store_req_check()));
    done_with(s);
}

TEST(texts_that_stay_keep_their_vectors_and_late_ones_are_left_out)
{
    static const char *const first[] = {"boots", "hats", "belts"};
    static const char *const second[] = {"belts", "saddles", "hats"};
    struct store *s = fresh();
    float v[D];
    CHECK(s != NULL);
    CHECK_INT(OK, put(s, "a", "d", 1, first, 3));
    CHECK_INT(3, embed_missing(s, "m"));
    CHECK(is("boots", nearest(s, "a", "m", "boots")));
    struct store_req *before = store_req_vectors_missing(STR("x"), -1, 0);
    CHECK_INT(OK, store_run(s, before));
    CHECK_INT(3, before->passages_count);
    CHECK_INT(OK, put(s, "a", "d", 2, second, 3));
    CHECK(is("", nearest(s, "a", "m", "boots")));
    CHECK(is("hats", nearest(s, "a", "m", "hats")));
    CHECK(is("belts", nearest(s, "a", "m", "belts")));
    CHECK(is("", nearest(s, "a", "m", "saddles")));

    /* What was made of the passages before comes too late: their ids have other texts now. */
    embed(STR("boots"), v);
    struct passage_vector late = {STR("a"), before->passages[0].id,
                                  before->passages[0].created_at_ms, v};
    CHECK_INT(OK, run(s, store_req_vectors_put(STR("m"), D, &late, 1)));
    CHECK(is("", nearest(s, "a", "m", "boots")));
    late.created_at_ms = 2;
    late.business_id = STR("b"); /* nor do ids lead into another business */
    CHECK_INT(OK, run(s, store_req_vectors_put(STR("m"), D, &late, 1)));
    CHECK(is("", nearest(s, "b", "m", "boots")));

    struct store_req *after = store_req_vectors_missing(STR("m"), before->knowledge_version, 0);
    CHECK_INT(OK, store_run(s, after));
    CHECK_INT(1, after->passages_count);
    CHECK(str_eq(after->passages[0].content, STR("saddles")));
    struct store_req *same = store_req_vectors_missing(STR("m"), after->knowledge_version, 0);
    CHECK_INT(OK, store_run(s, same));
    CHECK_INT(0, same->passages_count); /* nothing has changed: not even looked */
    store_req_free(same);
    same = store_req_vectors_missing(STR("m"), -1, after->last);
    CHECK_INT(OK, store_run(s, same));
    CHECK_INT(0, same->passages_count);
    store_req_free(same);
    store_req_free(after);
    store_req_free(before);
    CHECK_INT(1, embed_missing(s, "m"));
    CHECK(is("saddles", nearest(s, "a", "m", "saddles")));
    done_with(s);
}

TEST(vectors_that_come_later_are_found_before_and_after_memory_takes_them)
{
    struct store *s = fresh();
    char text[16], document[16];
    CHECK(s != NULL);
    const char *texts[1] = {text};
    for (int i = 0; i < STORE_VECTORS_TAIL_MAX + 20; i++) {
        snprintf(text, sizeof(text), "text %d", i);
        snprintf(document, sizeof(document), "d%d", i);
        CHECK_INT(OK, put(s, "a", document, 1, texts, 1));
    }
    CHECK(is("", nearest(s, "a", "m", "text 3")));
    CHECK_INT(STORE_VECTORS_PUT_MAX, embed_missing(s, "m"));
    CHECK(is("text 3", nearest(s, "a", "m", "text 3")));
    CHECK_INT(STORE_VECTORS_TAIL_MAX + 20 - STORE_VECTORS_PUT_MAX, embed_missing(s, "m"));
    CHECK(is("text 270", nearest(s, "a", "m", "text 270")));
    CHECK(is("text 3", nearest(s, "a", "m", "text 3")));
    done_with(s);
}
