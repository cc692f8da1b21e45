/* Vocabularies: read once, read again after another process changed the passages, held meanwhile. */
#include "harness/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "session/vocab.h"

struct world {
    struct loop *loop;
    struct worker_pool *pool;
    struct store *store, *other; /* the other process's */
    struct vocabs *vocabs;
    char dir[64], path[96];
    int step;
    const struct engine_vocabulary *first, *again, *newer;
    bool ok;
};

static const struct business pecos = {.id = {"b1", 2},
                                      .slug = {"b1", 2},
                                      .name = {"Pecos", 5},
                                      .time_zone = {"UTC", 3},
                                      .is_active = true};

static enum err run(struct store *s, struct store_req *r)
{
    enum err e = store_run(s, r);
    store_req_free(r);
    return e;
}

static enum err import(struct store *s, const char *text)
{
    struct document d = {.id = STR("d"), .business_id = STR("b1"), .name = STR("d")};
    struct passage p = {.title = STR("Boots"), .content = str_of(text)};
    return run(s, store_req_document_put(&d, &p, 1));
}

static int64_t version(struct store *s)
{
    struct store_req *r = store_req_business_by_id(STR("b1"));
    int64_t v = store_run(s, r) == OK ? r->business.knowledge_version : -1;
    store_req_free(r);
    return v;
}

static bool speaks_of(const struct engine_vocabulary *v, const char *sentence)
{
    for (size_t i = 0; v && i < v->count; i++) {
        if (str_eq(v->sentences[i], str_of(sentence)))
            return true;
    }
    return false;
}

static void on_vocabulary(void *ctx, const struct engine_vocabulary *v)
{
    struct world *w = ctx;
    switch (w->step++) {
    case 0:
        w->first = v;
        vocabs_note(w->vocabs, "b1", version(w->store)); /* nothing has changed */
        vocabs_get(w->vocabs, "b1", on_vocabulary, w);
        return;
    case 1:
        w->again = v;
        if (import(w->other, "They are made of felt.") == OK)
            vocabs_note(w->vocabs, "b1", version(w->store));
        vocabs_get(w->vocabs, "b1", on_vocabulary, w);
        return;
    default:
        w->newer = v;
        /* What is held stays as it was. */
        w->ok = w->first && w->first == w->again && w->newer && w->newer != w->first &&
                speaks_of(w->first, "They are made of leather.") &&
                speaks_of(w->newer, "They are made of felt.") &&
                !speaks_of(w->newer, "They are made of leather.") &&
                strcmp(w->first->key, w->newer->key) != 0;
        vocabs_release(w->vocabs, w->first);
        vocabs_release(w->vocabs, w->again);
        vocabs_release(w->vocabs, w->newer);
        loop_stop(w->loop);
    }
}

static void start(void *ctx)
{
    struct world *w = ctx;
    vocabs_get(w->vocabs, "b1", on_vocabulary, w);
}

TEST(a_vocabulary_is_read_again_when_passages_have_changed)
{
    struct err_detail detail;
    struct world w = {0};
    snprintf(w.dir, sizeof(w.dir), "%s", "/tmp/callee-vocab-XXXXXX");
    CHECK(mkdtemp(w.dir) != NULL);
    snprintf(w.path, sizeof(w.path), "%s/callee.db", w.dir);
    struct store_opts opts = {.path = w.path};
    CHECK_INT(OK, loop_open(&w.loop, 0));
    CHECK_INT(OK, worker_pool_open(&w.pool, "test", 2, 16));
    CHECK_INT(OK, store_open(&w.store, &opts, &detail));
    CHECK_INT(OK, store_open(&w.other, &opts, &detail));
    CHECK_INT(OK, run(w.store, store_req_business_put(&pecos)));
    CHECK_INT(OK, import(w.store, "They are made of leather."));
    w.vocabs = vocabs_open(w.loop, w.pool, w.store);
    loop_defer(w.loop, start, &w);
    loop_run(w.loop);
    CHECK_INT(3, w.step);
    CHECK(w.ok);
    vocabs_close(w.vocabs);
    worker_pool_close(w.pool);
    store_close(w.store);
    store_close(w.other);
    loop_close(w.loop);
    unlink(w.path);
    rmdir(w.dir);
}
