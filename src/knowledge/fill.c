/*
 * Vectors for passages that have none, made in the background: a look every few seconds, which
 * costs nothing while no passages change, and then batch after batch. Whoever imported them, in
 * this process or another, need not know.
 */
#include "base/buf.h"
#include "base/log.h"
#include "knowledge/find.h"

enum { TRIES_MAX = 5 }; /* of one batch, before the rest gets its turn */

struct fill {
    struct knowledge *owner; /* NULL: closed, goes when the store has answered */
    struct loop_timer *timer;
    struct embed *embed;
    struct store_req *batch; /* being embedded */
    bool asked;              /* the store has a request */
    int64_t since, seen;     /* versions: of the last whole pass, at the beginning of this one */
    int64_t after;           /* passages up to here have had their turn in this pass */
    unsigned tries;          /* of this batch */
    bool skipped;            /* a batch of this pass, which therefore was not whole */
    uint32_t wait_ms;        /* after a failure */
    uint16_t place[STORE_VECTORS_PUT_MAX]; /* in the batch, of each text embedded */
    size_t count;
};

static void look_in(struct fill *f, uint32_t ms)
{
    loop_timer_set(f->timer, ms);
}

/* The batch is left for later. */
static void failed(struct fill *f, const char *what, enum err e, const char *detail)
{
    f->wait_ms = f->wait_ms ? 2 * f->wait_ms : KNOWLEDGE_FILL_LOOK_MS;
    if (f->wait_ms > KNOWLEDGE_FILL_WAIT_MS_MAX)
        f->wait_ms = KNOWLEDGE_FILL_WAIT_MS_MAX;
    LOG_WARN(NULL, "knowledge.not_filled", "%s err=%s detail=\"%s\" next=again ms=%u", what,
             err_name(e), detail ? detail : "", f->wait_ms);
    if (f->batch && ++f->tries == TRIES_MAX) {
        f->after = f->batch->last;
        f->tries = 0;
        f->skipped = true;
    }
    store_req_free(f->batch);
    f->batch = NULL;
    look_in(f, f->wait_ms);
}

static void on_put(void *ctx, struct store_req *r)
{
    struct fill *f = ctx;
    f->asked = false;
    if (!f->owner) {
        store_req_free(r);
        mem_free(f);
        return;
    }
    if (r->err != OK) {
        failed(f, "the store", r->err, r->detail.text);
    } else {
        LOG_INFO(NULL, "knowledge.filled", "passages=%zu model=%s", r->vectors_count,
                 f->owner->model.p);
        f->after = f->batch->last;
        f->tries = 0;
        f->wait_ms = 0;
        store_req_free(f->batch);
        f->batch = NULL;
        look_in(f, 0);
    }
    store_req_free(r);
}

static void put(struct fill *f, const float *vectors, size_t dimensions)
{
    struct passage_vector v[STORE_VECTORS_PUT_MAX];
    const struct knowledge_opts *opts = &f->owner->opts;
    for (size_t i = 0; i < f->count; i++) {
        const struct passage *p = &f->batch->passages[f->place[i]];
        v[i] = (struct passage_vector){p->business_id, p->id, p->created_at_ms,
                                       vectors + i * dimensions};
    }
    enum err e =
        store_submit(opts->store, opts->loop,
                     store_req_vectors_put(f->owner->model, dimensions, v, f->count), on_put, f);
    f->asked = e == OK;
    if (e != OK)
        failed(f, "the store", e, NULL);
}

static void on_embedded(void *ctx, const struct embed_result *result)
{
    struct fill *f = ctx;
    f->embed = NULL;
    if (result->err != OK)
        failed(f, "the model", result->err, result->detail);
    else if (!str_eq(str_of(result->model), f->owner->model) || result->count != f->count ||
             result->dimensions > STORE_VECTOR_DIMENSIONS_MAX)
        failed(f, "the model", ERR_INVALID, "its vectors cannot be used");
    else
        put(f, result->vectors, result->dimensions);
}

/* What the model reads of a passage; cut between characters. */
static struct str text_of(struct store_req *r, const struct passage *p)
{
    struct buf b;
    buf_init(&b, 3u * KNOWLEDGE_FILE_BYTES_MAX);
    const struct str parts[] = {p->title, p->questions, p->content};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len && b.len)
            buf_put_byte(&b, '\n');
        buf_put_str(&b, parts[i]);
    }
    size_t len = b.len < KNOWLEDGE_EMBED_BYTES_MAX ? b.len : KNOWLEDGE_EMBED_BYTES_MAX;
    while (len > 0 && len < b.len && ((unsigned char)b.p[len] & 0xc0) == 0x80)
        len--;
    struct str text = str_n(arena_strndup(&r->mem, b.p ? b.p : "", len), len);
    buf_fini(&b);
    return text;
}

static void embed_batch(struct fill *f, struct store_req *r)
{
    struct str texts[STORE_VECTORS_PUT_MAX];
    f->batch = r;
    f->count = 0;
    for (size_t i = 0; i < r->passages_count; i++) {
        texts[f->count] = text_of(r, &r->passages[i]);
        f->place[f->count] = (uint16_t)i;
        f->count += embed_text_ok(texts[f->count]);
    }
    if (f->count == 0) { /* nothing in them that a model could read */
        f->after = r->last;
        f->batch = NULL;
        store_req_free(r);
        look_in(f, 0);
        return;
    }
    struct embed_ask ask = {
        .texts = texts, .count = f->count, .deadline_ms = KNOWLEDGE_FILL_MS_MAX};
    enum err e = embed_start(f->owner->opts.embedder, &ask, on_embedded, f, &f->embed);
    if (e != OK) {
        f->embed = NULL;
        failed(f, "the model", e, NULL);
    }
}

static void on_missing(void *ctx, struct store_req *r)
{
    struct fill *f = ctx;
    f->asked = false;
    if (!f->owner) {
        store_req_free(r);
        mem_free(f);
        return;
    }
    if (f->after == 0 && r->err == OK)
        f->seen = r->knowledge_version;
    if (r->err != OK) {
        failed(f, "the store", r->err, r->detail.text);
    } else if (r->passages_count) {
        embed_batch(f, r);
        return;
    } else { /* the end of a pass */
        if (!f->skipped)
            f->since = f->seen;
        f->after = 0;
        look_in(f, f->skipped ? KNOWLEDGE_FILL_WAIT_MS_MAX : KNOWLEDGE_FILL_LOOK_MS);
        f->skipped = false;
    }
    store_req_free(r);
}

void fill_look(struct fill *f)
{
    const struct knowledge_opts *opts = &f->owner->opts;
    if (f->asked || f->embed)
        return;
    loop_timer_cancel(f->timer);
    enum err e =
        store_submit(opts->store, opts->loop,
                     store_req_vectors_missing(f->owner->model, f->since, f->after), on_missing, f);
    f->asked = e == OK;
    if (e != OK)
        look_in(f, KNOWLEDGE_FILL_LOOK_MS);
}

static void on_timer(void *ctx)
{
    fill_look(ctx);
}

struct fill *fill_open(struct knowledge *k)
{
    struct fill *f = mem_zalloc(sizeof(*f));
    *f = (struct fill){.owner = k, .since = -1};
    f->timer = loop_timer_new(k->opts.loop, on_timer, f);
    look_in(f, 0);
    return f;
}

void fill_close(struct fill *f)
{
    if (!f)
        return;
    if (f->embed)
        embed_cancel(f->embed);
    store_req_free(f->batch);
    f->batch = NULL;
    loop_timer_free(f->timer);
    f->timer = NULL;
    f->owner = NULL;
    if (!f->asked)
        mem_free(f);
}
