/* Words and meaning together, against a real HTTP server that embeds texts by a rule of the test's:
 * fusion, slow and failing models, questions remembered, vectors made in the background. */
#include "harness/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "knowledge/fuse.h"
#include "knowledge/knowledge.h"
#include "unit/llm/llm_world.h"

enum { DEADLINE_MS = 300, PATIENT_MS = 20000 };

struct lab {
    struct world *w;
    struct store *store;
    struct worker_pool *pool;
    struct knowledge *knowledge;
    char dir[64], path[96];
    /* of the last question */
    enum err err;
    size_t count;
    char titles[8][32];
    bool foreign, answered;
    int64_t took_us, began_us;
    const char *question, *business;
    int looks;
};

static unsigned embedded; /* texts, by all fakes */

/* The meaning of a text, as far as the test goes: footwear, headwear, or neither. */
static void mean(const char *text, double out[3])
{
    out[0] = strstr(text, "boot") || strstr(text, "cobbler") || strstr(text, "footwear") ? 1 : 0.01;
    out[1] = strstr(text, "hat") || strstr(text, "milliner") ? 1 : 0.01;
    out[2] = 0.1;
}

/* An answer to a request for embeddings. */
static char *embed(struct str body)
{
    json_t *root = NULL, *input;
    struct buf b;
    buf_init(&b, 1 << 20);
    if (js_parse(body, &root, NULL) != OK)
        abort();
    input = json_object_get(root, "input");
    buf_put_str(&b, STR("{\"object\":\"list\",\"model\":\"m0\",\"data\":["));
    for (size_t i = 0; i < json_array_size(input); i++) {
        double v[3];
        mean(json_string_value(json_array_get(input, i)), v);
        buf_printf(&b, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":[%g,%g,%g]}",
                   i ? "," : "", i, v[0], v[1], v[2]);
        embedded++;
    }
    buf_put_str(&b, STR("],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}"));
    json_decref(root);
    char *text = strndup(b.p, b.len);
    buf_fini(&b);
    return text;
}

static enum err run(struct store *s, struct store_req *r)
{
    enum err e = store_run(s, r);
    store_req_free(r);
    return e;
}

static enum err import(struct lab *lab, const char *business, const char *const *texts,
                       size_t count)
{
    struct business b = {.id = str_of(business),
                         .slug = str_of(business),
                         .name = str_of(business),
                         .time_zone = STR("UTC"),
                         .is_active = true};
    enum err e = run(lab->store, store_req_business_put(&b));
    struct passage p[8] = {{.title = STR("")}};
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_of(texts[i]);
        p[i].title = str_take_until(&rest, ':');
        p[i].content = str_trim(rest);
    }
    struct document d = {.id = STR("d"), .business_id = b.id, .name = STR("d"), .created_at_ms = 1};
    return e == OK ? run(lab->store, store_req_document_put(&d, p, count)) : e;
}

static bool lab_open(struct lab *lab, uint32_t deadline_ms, bool fill, unsigned retries)
{
    struct err_detail detail;
    *lab = (struct lab){.w = world_new(1, retries)};
    embedded = 0;
    snprintf(lab->dir, sizeof(lab->dir), "%s", "/tmp/callee-find-XXXXXX");
    if (!mkdtemp(lab->dir) || worker_pool_open(&lab->pool, "test", 2, 64) != OK)
        return false;
    snprintf(lab->path, sizeof(lab->path), "%s/callee.db", lab->dir);
    struct store_opts opts = {.path = lab->path, .pool = lab->pool};
    static const char *const texts[] = {"Repairs: Our cobbler mends old soles.",
                                        "Millinery: The milliner shapes felt.",
                                        "Parking: The lot is behind the building."};
    static const char *const foreign[] = {"Rivals: Another cobbler, and boots."};
    if (store_open(&lab->store, &opts, &detail) != OK || import(lab, "a", texts, 3) != OK ||
        import(lab, "b", foreign, 1) != OK)
        return false;
    lab->knowledge = knowledge_open(&(struct knowledge_opts){.loop = lab->w->loop,
                                                             .store = lab->store,
                                                             .embedder = lab->w->service,
                                                             .deadline_ms = deadline_ms,
                                                             .fill = fill});
    return true;
}

/* Vectors for all passages, as the background would make them. */
static bool give_vectors(struct lab *lab)
{
    struct store_req *r = store_req_vectors_missing(STR("m0"), -1, 0);
    struct passage_vector v[8];
    float space[8][3];
    bool ok = store_run(lab->store, r) == OK && r->passages_count <= 8;
    for (size_t i = 0; ok && i < r->passages_count; i++) {
        double m[3];
        mean(r->passages[i].content.p, m);
        for (size_t k = 0; k < 3; k++)
            space[i][k] = (float)m[k];
        v[i] = (struct passage_vector){r->passages[i].business_id, r->passages[i].id,
                                       r->passages[i].created_at_ms, space[i]};
    }
    ok = ok && run(lab->store, store_req_vectors_put(STR("m0"), 3, v, r->passages_count)) == OK;
    store_req_free(r);
    return ok;
}

static bool lab_close(struct lab *lab)
{
    knowledge_close(lab->knowledge);
    worker_pool_close(lab->pool);
    store_close(lab->store);
    bool ok = world_free(lab->w);
    unlink(lab->path);
    rmdir(lab->dir);
    return ok;
}

static void on_found(void *ctx, struct store_req *r)
{
    struct lab *lab = ctx;
    lab->answered = true;
    lab->err = r->err;
    lab->count = r->hits_count;
    lab->foreign = false;
    lab->took_us = loop_now_us(lab->w->loop) - lab->began_us;
    for (size_t i = 0; i < r->hits_count && i < 8; i++) {
        lab->foreign |= !str_eq(r->hits[i].passage.business_id, str_of(lab->business));
        (void)str_copy(lab->titles[i], sizeof(lab->titles[i]), r->hits[i].passage.title);
    }
    store_req_free(r);
    loop_stop(lab->w->loop);
}

static void start(void *ctx)
{
    struct lab *lab = ctx;
    lab->began_us = loop_now_us(lab->w->loop);
    if (knowledge_find(lab->knowledge, str_of(lab->business), str_of(lab->question), 3, on_found,
                       lab) != OK)
        loop_stop(lab->w->loop);
}

static bool ask(struct lab *lab, const char *business, const char *question)
{
    lab->business = business;
    lab->question = question;
    lab->answered = false;
    loop_defer(lab->w->loop, start, lab);
    return net_test_run(lab->w->loop) && lab->answered && lab->err == OK && !lab->foreign;
}

TEST(ranks_are_fused_and_equal_ones_keep_the_order_of_the_words)
{
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct passage_hit words[3], near[3];
    for (size_t i = 0; i < 3; i++) {
        words[i] = (struct passage_hit){.passage.id = str_of(ids[i]), .matched = 1, .expected = 2};
        near[i] = (struct passage_hit){.passage.id = str_of(ids[3 - i])};
    }
    struct store_req *r = store_req_businesses();
    struct store_req vectors = {.hits = near, .hits_count = 3};
    r->hits = words;
    r->hits_count = 3;
    fuse_hits(r, &vectors, 4); /* words a b c, vectors d c b */
    CHECK_INT(4, r->hits_count);
    CHECK(str_eq(r->hits[0].passage.id, STR("b"))); /* 2 and 3, as c: b came first by words */
    CHECK(str_eq(r->hits[1].passage.id, STR("c")));
    CHECK(str_eq(r->hits[2].passage.id, STR("a")));
    CHECK(str_eq(r->hits[3].passage.id, STR("d")));
    CHECK(r->hits[2].score == 1 / 61.0 && r->hits[2].matched == 1);
    CHECK(r->hits[3].matched == 0 && r->hits[3].expected == 2);
    fuse_hits(r, &vectors, 1);
    CHECK_INT(1, r->hits_count);
    store_req_free(r);
}

TEST(what_words_do_not_find_meaning_does)
{
    struct lab lab;
    CHECK(lab_open(&lab, PATIENT_MS, false, 0));
    lab.w->fakes[0].answer_fn = embed;
    CHECK(ask(&lab, "a", "who repairs footwear")); /* there are no vectors yet */
    CHECK(lab.count >= 1 && strcmp(lab.titles[0], "Repairs") == 0);
    CHECK(give_vectors(&lab));
    CHECK(ask(&lab, "a", "boots and shoes, please"));
    CHECK(lab.count == 3 && strcmp(lab.titles[0], "Repairs") == 0);
    CHECK(ask(&lab, "a", "a hat"));
    CHECK(lab.count == 3 && strcmp(lab.titles[0], "Millinery") == 0);
    CHECK(ask(&lab, "a", "where is the lot")); /* words outweigh what means nothing here */
    CHECK(strcmp(lab.titles[0], "Parking") == 0);
    CHECK(ask(&lab, "b", "a hat")); /* nothing is near it there, but the only passage comes */
    CHECK(lab.count == 1 && strcmp(lab.titles[0], "Rivals") == 0);
    unsigned before = embedded;
    CHECK(ask(&lab, "a", "a hat")); /* asked before: no request */
    CHECK(strcmp(lab.titles[0], "Millinery") == 0);
    CHECK(ask(&lab, "b", "a hat"));
    CHECK_INT(before, embedded);
    CHECK(lab_close(&lab));
}

TEST(a_slow_model_costs_the_deadline_and_a_failing_one_nothing)
{
    struct lab lab;
    CHECK(lab_open(&lab, DEADLINE_MS, false, 0));
    CHECK(give_vectors(&lab));
    will_answer(&lab.w->fakes[0], (struct answer){.body = NULL}); /* never */
    CHECK(ask(&lab, "a", "parking for my hat"));
    CHECK(lab.count == 1 && strcmp(lab.titles[0], "Parking") == 0);
    CHECK(lab.took_us >= DEADLINE_MS * 1000);
    CHECK(lab.took_us < KNOWLEDGE_EMBED_MS_MAX * 1000);
    CHECK_INT(1, lab.w->fakes[0].asked);
    CHECK(lab_close(&lab)); /* with the request still under way */

    CHECK(lab_open(&lab, PATIENT_MS, false, 0));
    CHECK(give_vectors(&lab));
    will_answer(&lab.w->fakes[0], (struct answer){.status = 401, .body = "{\"error\":{}}"});
    CHECK(ask(&lab, "a", "parking for my hat"));
    CHECK(lab.count == 1 && strcmp(lab.titles[0], "Parking") == 0);
    CHECK(lab.took_us < PATIENT_MS * 1000);
    CHECK(lab_close(&lab));
}

/* Looks until each passage has its vector. */
static void look(void *ctx)
{
    struct lab *lab = ctx;
    struct store_req *r = store_req_vectors_missing(STR("m0"), -1, 0);
    bool filled = store_run(lab->store, r) == OK && r->passages_count == 0;
    store_req_free(r);
    if (filled || ++lab->looks == 5000)
        loop_stop(lab->w->loop);
    else
        loop_defer(lab->w->loop, look, lab);
}

static bool filled(struct lab *lab)
{
    lab->looks = 0;
    loop_defer(lab->w->loop, look, lab);
    return net_test_run(lab->w->loop) && lab->looks < 5000;
}

TEST(passages_get_their_vectors_in_the_background)
{
    static const char *const more[] = {"Caps: No hat without a peak.", "Repairs: None."};
    struct lab lab;
    CHECK(lab_open(&lab, PATIENT_MS, true, 0));
    lab.w->fakes[0].answer_fn = embed;
    CHECK(filled(&lab));
    CHECK_INT(4, embedded);
    CHECK(ask(&lab, "a", "boots, please"));
    CHECK(strcmp(lab.titles[0], "Repairs") == 0);
    CHECK_INT(OK, import(&lab, "b", more, 2));
    knowledge_fill(lab.knowledge);
    CHECK(filled(&lab));
    CHECK_INT(7, embedded); /* the question and two passages */
    CHECK(ask(&lab, "b", "a milliner"));
    CHECK(strcmp(lab.titles[0], "Caps") == 0);
    CHECK(lab_close(&lab));
}

TEST(closing_in_the_middle_leaves_nothing)
{
    struct lab lab;
    CHECK(lab_open(&lab, PATIENT_MS, true, 0));
    will_answer(&lab.w->fakes[0], (struct answer){.body = NULL});
    lab.business = "a";
    lab.question = "boots";
    loop_defer(lab.w->loop, start, &lab);
    loop_defer(lab.w->loop, look, &lab); /* a few turns of the loop; nothing is ever filled */
    lab.looks = 4990;
    CHECK(net_test_run(lab.w->loop));
    CHECK(!lab.answered);
    CHECK(lab_close(&lab));
    CHECK(!lab.answered);
}
