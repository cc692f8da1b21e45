#include "session/vocab.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "knowledge/knowledge.h"

struct entry {
    struct worker_job job; /* first */
    bool orphan;           /* its cache is gone: it goes when its job comes back */
    struct store *store;
    struct entry *next;
    char *business_id;
    char *key; /* of the vocabulary: the business and its version */
    struct arena mem;
    struct knowledge_sentences sentences;
    struct engine_vocabulary vocabulary;
    enum err err;
    bool ready;
    bool deferred;  /* answer_waits is on its way */
    bool answering; /* inside of answer_waits */
    bool retired;   /* a newer one is read instead: goes when nobody holds it */
    unsigned holders;
    struct vocab_wait *waits;
};

struct vocab_wait {
    struct vocab_wait *next;
    vocab_done_fn *done;
    void *ctx;
};

struct vocabs {
    struct loop *loop;
    struct worker_pool *pool;
    struct store *store;
    struct entry *entries;
    unsigned count;
};

struct vocabs *vocabs_open(struct loop *l, struct worker_pool *pool, struct store *store)
{
    struct vocabs *v = mem_zalloc(sizeof(*v));
    *v = (struct vocabs){.loop = l, .pool = pool, .store = store};
    return v;
}

static void entry_free(struct entry *e)
{
    while (e->waits) {
        struct vocab_wait *w = e->waits;
        e->waits = w->next;
        mem_free(w);
    }
    arena_fini(&e->mem);
    mem_free(e->key);
    mem_free(e->business_id);
    mem_free(e);
}

static void free_if_done(struct entry *e)
{
    if (e->retired && e->holders == 0 && !e->deferred && !e->answering)
        entry_free(e);
}

void vocabs_close(struct vocabs *v)
{
    if (!v)
        return;
    while (v->entries) {
        struct entry *e = v->entries;
        v->entries = e->next;
        e->orphan = true;
        if (e->ready)
            entry_free(e);
    }
    mem_free(v);
}

/* Worker thread. */
static void read_sentences(struct worker_job *job)
{
    struct entry *e = (struct entry *)job;
    e->err = knowledge_vocabulary(e->store, str_of(e->business_id), &e->mem, &e->sentences);
}

static void answer_waits(void *ctx)
{
    struct entry *e = ctx;
    e->deferred = false;
    e->answering = true;
    while (e->waits) {
        struct vocab_wait *w = e->waits;
        e->waits = w->next;
        const struct engine_vocabulary *vocabulary = e->vocabulary.count ? &e->vocabulary : NULL;
        e->holders += vocabulary != NULL;
        w->done(w->ctx, vocabulary);
        mem_free(w);
    }
    e->answering = false;
    free_if_done(e);
}

static void on_read(struct worker_job *job)
{
    struct entry *e = (struct entry *)job;
    if (e->orphan) {
        entry_free(e);
        return;
    }
    e->ready = true;
    if (e->err == OK) {
        size_t size = strlen(e->business_id) + 24;
        e->key = mem_alloc(size);
        snprintf(e->key, size, "%s@%lld", e->business_id, (long long)e->sentences.version);
        e->vocabulary = (struct engine_vocabulary){
            .sentences = e->sentences.items, .count = e->sentences.count, .key = e->key};
    } else {
        LOG_WARN(NULL, "vocabulary.unreadable", "business=%s err=%s", e->business_id,
                 err_name(e->err));
    }
    answer_waits(e);
}

static struct entry *find_or_make(struct vocabs *v, const char *business_id)
{
    for (struct entry *e = v->entries; e; e = e->next)
        if (strcmp(e->business_id, business_id) == 0)
            return e;
    struct entry *e = mem_zalloc(sizeof(*e));
    *e = (struct entry){
        .store = v->store, .business_id = mem_strdup(business_id), .next = v->entries};
    e->job = (struct worker_job){.work = read_sentences, .done = on_read};
    arena_init(&e->mem, SESSION_VOCABULARY_BYTES_MAX);
    v->entries = e;
    v->count++;
    if (v->count > SESSION_VOCABULARIES_MAX || worker_submit(v->pool, v->loop, &e->job) != OK) {
        LOG_WARN(NULL, "vocabulary.not_read", "business=%s", business_id);
        e->ready = true;
    }
    return e;
}

struct vocab_wait *vocabs_get(struct vocabs *v, const char *business_id, vocab_done_fn *done,
                              void *ctx)
{
    struct entry *e = find_or_make(v, business_id);
    struct vocab_wait *w = mem_zalloc(sizeof(*w));
    *w = (struct vocab_wait){.next = e->waits, .done = done, .ctx = ctx};
    e->waits = w;
    if (e->ready && !e->deferred) {
        e->deferred = true;
        loop_defer(v->loop, answer_waits, e);
    }
    return w;
}

void vocabs_release(struct vocabs *v, const struct engine_vocabulary *vocabulary)
{
    loop_assert_thread(v->loop);
    if (!vocabulary)
        return;
    size_t at = offsetof(struct entry, vocabulary);
    struct entry *e = (struct entry *)(uintptr_t)((const char *)vocabulary - at);
    ASSERT(e->holders > 0);
    e->holders--;
    free_if_done(e);
}

void vocabs_note(struct vocabs *v, const char *business_id, int64_t version)
{
    struct entry **at = &v->entries;
    while (*at && strcmp((*at)->business_id, business_id) != 0)
        at = &(*at)->next;
    struct entry *e = *at;
    if (!e || !e->ready || e->sentences.version >= version)
        return;
    *at = e->next;
    v->count--;
    e->retired = true;
    free_if_done(e);
}
