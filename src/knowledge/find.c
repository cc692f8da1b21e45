/*
 * Words and meaning together. A find has up to two things under way: the search by words, which
 * every answer needs, and the question's vector or the search by it. It answers when both are
 * there, or at the deadline with what there is; and goes when nothing is under way any more.
 */
#include "knowledge/find.h"

#include "base/log.h"
#include "knowledge/fuse.h"
#include "knowledge/request.h"

struct find {
    struct knowledge *owner; /* NULL: it has closed, and nobody wants an answer */
    struct find *next;
    char *business_id, *question;
    size_t count;
    store_done_fn *done; /* NULL: answered */
    void *ctx;
    struct loop_timer *deadline;
    struct embed *embed;                /* under way */
    bool words_searched, near_searched; /* the store has the request */
    struct store_req *words, *near;     /* its answers */
    bool late;
};

static void unlink_find(struct find *f)
{
    struct find **at = &f->owner->finds;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->owner->finds_count--;
    f->owner = NULL;
}

static void find_free(struct find *f)
{
    if (f->owner)
        unlink_find(f);
    loop_timer_free(f->deadline);
    store_req_free(f->words);
    store_req_free(f->near);
    mem_free(f->business_id);
    mem_free(f->question);
    mem_free(f);
}

/* Answers if it is time to, and frees what has nothing under way. */
static void go_on(struct find *f)
{
    if (f->owner && f->done && f->words && (f->late || (!f->embed && !f->near_searched))) {
        struct store_req *r = f->words;
        store_done_fn *done = f->done;
        if (r->err == OK && f->near && f->near->err == OK)
            fuse_hits(r, f->near, f->count);
        else if (r->err == OK && r->hits_count > f->count)
            r->hits_count = f->count;
        f->words = NULL;
        f->done = NULL;
        done(f->ctx, r);
    }
    if (!f->embed && !f->words_searched && !f->near_searched && (!f->owner || !f->done))
        find_free(f);
}

static void on_words(void *ctx, struct store_req *r)
{
    struct find *f = ctx;
    f->words_searched = false;
    f->words = r;
    go_on(f);
}

static void on_near(void *ctx, struct store_req *r)
{
    struct find *f = ctx;
    f->near_searched = false;
    f->near = r;
    if (r->err != OK && r->err != ERR_AGAIN)
        LOG_WARN(NULL, "knowledge.by_words", "business=%s err=%s detail=\"%s\"", f->business_id,
                 err_name(r->err), r->detail.text);
    go_on(f);
}

static void search_by(struct find *f, const float *vector, size_t dimensions)
{
    const struct knowledge_opts *opts = &f->owner->opts;
    struct store_req *r = store_req_search_vector(str_of(f->business_id), f->owner->model, vector,
                                                  dimensions, KNOWLEDGE_FUSED);
    f->near_searched = store_submit(opts->store, opts->loop, r, on_near, f) == OK;
}

static void on_embedded(void *ctx, const struct embed_result *result)
{
    struct find *f = ctx;
    struct knowledge *k = f->owner;
    f->embed = NULL;
    if (result->err != OK) {
        LOG_WARN(NULL, "knowledge.not_embedded", "business=%s err=%s detail=\"%s\" next=words",
                 f->business_id, err_name(result->err), result->detail ? result->detail : "");
    } else if (str_eq(str_of(result->model), k->model) && result->dimensions > 0 &&
               result->dimensions <= STORE_VECTOR_DIMENSIONS_MAX) {
        asked_put(k, str_of(f->question), result->vectors, result->dimensions);
        if (!f->late)
            search_by(f, result->vectors, result->dimensions);
    }
    go_on(f);
}

static void on_deadline(void *ctx)
{
    struct find *f = ctx;
    f->late = true;
    go_on(f);
}

static void start_by_vector(struct find *f)
{
    struct knowledge *k = f->owner;
    struct str question = str_of(f->question);
    const struct asked *asked = asked_get(k, question);
    f->deadline = loop_timer_new(k->opts.loop, on_deadline, f);
    loop_timer_set(f->deadline, k->opts.deadline_ms);
    if (asked) {
        search_by(f, asked->vector, asked->dimensions);
        return;
    }
    struct embed_ask ask = {.texts = &question, .count = 1, .deadline_ms = KNOWLEDGE_EMBED_MS_MAX};
    if (!embed_text_ok(question) ||
        embed_start(k->opts.embedder, &ask, on_embedded, f, &f->embed) != OK)
        f->embed = NULL;
}

enum err knowledge_find(struct knowledge *k, struct str business_id, struct str question,
                        size_t count, store_done_fn *done, void *ctx)
{
    const struct knowledge_opts *opts = &k->opts;
    loop_assert_thread(opts->loop);
    question = str_trim(question);
    question = str_slice(question, 0, KNOWLEDGE_QUERY_BYTES_MAX);
    if (!opts->embedder || k->finds_count >= KNOWLEDGE_FINDS_MAX)
        return knowledge_search(opts->store, opts->loop, business_id, question, count, done, ctx);
    struct find *f = mem_zalloc(sizeof(*f));
    enum err e =
        store_submit(opts->store, opts->loop,
                     knowledge_request(business_id, question, KNOWLEDGE_FUSED), on_words, f);
    if (e != OK) {
        mem_free(f);
        return e;
    }
    *f = (struct find){.owner = k,
                       .next = k->finds,
                       .business_id = mem_strndup(business_id.p, business_id.len),
                       .question = mem_strndup(question.p, question.len),
                       .count = count,
                       .done = done,
                       .ctx = ctx,
                       .words_searched = true};
    k->finds = f;
    k->finds_count++;
    start_by_vector(f);
    return OK;
}

struct knowledge *knowledge_open(const struct knowledge_opts *opts)
{
    struct knowledge *k = mem_zalloc(sizeof(*k));
    k->opts = *opts;
    if (opts->embedder)
        k->model = str_of(llm_model(opts->embedder));
    if (opts->embedder && opts->fill)
        k->fill = fill_open(k);
    return k;
}

void knowledge_fill(struct knowledge *k)
{
    if (k->fill)
        fill_look(k->fill);
}

void knowledge_close(struct knowledge *k)
{
    if (!k)
        return;
    fill_close(k->fill);
    while (k->finds) {
        struct find *f = k->finds;
        if (f->embed)
            embed_cancel(f->embed);
        f->embed = NULL;
        loop_timer_free(f->deadline);
        f->deadline = NULL;
        unlink_find(f);
        go_on(f); /* goes when the store has answered what it has */
    }
    asked_free(k);
    mem_free(k);
}
