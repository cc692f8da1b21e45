#include "llm/embed.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/embed_parse.h"
#include "llm/llm_private.h"

enum part_state { PART_WAITING, PART_ASKED, PART_READING, PART_DONE };

/* What goes into one request: texts [first, first + count). */
struct part {
    struct embed *embed;
    size_t first, count;
    enum part_state state;
    struct llm_request *request; /* PART_ASKED */
    struct reading *reading;     /* PART_READING */
};

/* An answer being read, perhaps on a worker. It outlives an ask that was cancelled meanwhile. */
struct reading {
    struct worker_job job;
    struct part *part; /* NULL: nobody wants it any more */
    struct buf body;
    size_t count, dimensions;
    struct embed_block block;
    enum err err;
    struct err_detail detail;
};

struct embed {
    struct llm *service;
    char *text; /* all texts, one behind the other */
    struct str *texts;
    size_t count;
    unsigned dimensions_asked;
    bool decimal;
    int64_t deadline_us;
    struct part *parts;
    size_t parts_count, parts_done;
    float *vectors;
    size_t dimensions; /* of them; 0 until the first answer */
    const struct llm_place *place;
    struct llm_usage usage;
    embed_done_fn *done;
    void *ctx;
};

/* -- estimates -- */

static size_t tokens_of(struct str text)
{
    size_t ascii = 0;
    for (size_t i = 0; i < text.len; i++)
        ascii += (unsigned char)text.p[i] < 0x80;
    return ascii / 3 + (text.len - ascii) + 1;
}

bool embed_text_ok(struct str text)
{
    return text.len > 0 && tokens_of(text) <= EMBED_TEXT_TOKENS_MAX && utf8_valid(text);
}

/* How many of `texts` fit into one request. At least one: a text's bound is below a request's. */
static size_t fit(const struct str *texts, size_t count)
{
    size_t tokens = 0, n = 0;
    while (n < count && n < EMBED_REQUEST_TEXTS) {
        tokens += tokens_of(texts[n]);
        if (tokens > EMBED_REQUEST_TOKENS_MAX)
            break;
        n++;
    }
    ASSERT(n > 0);
    return n;
}

/* -- the end -- */

static void drop_parts(struct embed *e)
{
    for (size_t i = 0; i < e->parts_count; i++) {
        struct part *p = &e->parts[i];
        if (p->request)
            llm_request_cancel(p->request);
        if (p->reading)
            p->reading->part = NULL;
    }
    e->parts_count = 0;
}

static void embed_free(struct embed *e)
{
    drop_parts(e);
    mem_free(e->vectors);
    mem_free(e->parts);
    mem_free(e->texts);
    mem_free(e->text);
    mem_free(e);
}

static void finish(struct embed *e, enum err err, const char *detail)
{
    struct embed_result result = {.err = err, .detail = err == OK ? NULL : detail};
    if (err == OK) {
        e->usage.cost_nanousd = llm_cost_nanousd(&e->place->prices, &e->usage);
        result.vectors = e->vectors;
        result.count = e->count;
        result.dimensions = e->dimensions;
        result.model = e->place->model;
        result.usage = e->usage;
    }
    drop_parts(e); /* the done function may close the service */
    e->done(e->ctx, &result);
    embed_free(e);
}

/* -- an answer -- */

static enum err go_on(struct embed *e);

static enum err take_block(struct part *p, const struct reading *r, struct err_detail *why)
{
    struct embed *e = p->embed;
    const size_t row = r->block.dimensions * sizeof(float);
    if (e->dimensions && e->dimensions != r->block.dimensions)
        return err_explain(why, ERR_INVALID, "embeddings of %zu and of %zu numbers", e->dimensions,
                           r->block.dimensions);
    if (!e->vectors)
        e->vectors = mem_alloc(e->count * row);
    e->dimensions = r->block.dimensions;
    memcpy(e->vectors + p->first * e->dimensions, r->block.vectors, p->count * row);
    e->usage.input_tokens += r->block.tokens;
    return OK;
}

static void reading_free(struct reading *r)
{
    if (r->err == OK)
        mem_free(r->block.vectors);
    buf_fini(&r->body);
    mem_free(r);
}

static void read_work(struct worker_job *job)
{
    struct reading *r = (struct reading *)job;
    r->err = embed_parse(buf_str(&r->body), r->count, r->dimensions, &r->block, &r->detail);
}

static void read_done(struct worker_job *job)
{
    struct reading *r = (struct reading *)job;
    struct part *p = r->part;
    if (!p) {
        reading_free(r);
        return;
    }
    struct embed *e = p->embed;
    struct err_detail detail = r->detail;
    enum err err = r->err;
    if (err == OK)
        err = take_block(p, r, &detail);
    p->reading = NULL;
    p->state = PART_DONE;
    reading_free(r);
    if (err == OK && ++e->parts_done < e->parts_count) {
        err = go_on(e);
        if (err == OK)
            return;
        err_explain(&detail, err, "no request can be made now: %s", err_name(err));
    }
    finish(e, err, detail.text);
}

static void read_answer(struct part *p, struct buf *body)
{
    struct embed *e = p->embed;
    struct llm *s = e->service;
    struct reading *r = mem_zalloc(sizeof(*r));
    r->job.work = read_work;
    r->job.done = read_done;
    r->part = p;
    r->body = *body;
    buf_init(body, 1);
    r->count = p->count;
    r->dimensions = e->dimensions_asked;
    p->state = PART_READING;
    p->reading = r;
    if (s->pool && r->body.len > LLM_DECODE_BYTES && worker_submit(s->pool, s->loop, &r->job) == OK)
        return;
    read_work(&r->job);
    read_done(&r->job);
}

static void on_answer(void *ctx, const struct llm_answer *a)
{
    struct part *p = ctx;
    struct embed *e = p->embed;
    p->request = NULL;
    if (a->err != OK) {
        finish(e, a->err, a->detail);
        return;
    }
    /* Vectors of two models say nothing to each other. */
    if (e->place && strcmp(e->place->model, a->place->model) != 0) {
        finish(e, ERR_UPSTREAM, "two models answered, one of each endpoint");
        return;
    }
    e->place = a->place;
    read_answer(p, a->body);
}

/* -- the asking -- */

static void put_request(struct buf *b, const struct part *p)
{
    const struct embed *e = p->embed;
    buf_put_str(b, STR(",\"input\":["));
    for (size_t i = 0; i < p->count; i++) {
        if (i)
            buf_put_byte(b, ',');
        buf_put_json(b, e->texts[p->first + i]);
    }
    buf_put_byte(b, ']');
    if (e->dimensions_asked)
        buf_printf(b, ",\"dimensions\":%u", e->dimensions_asked);
    if (!e->decimal)
        buf_put_str(b, STR(",\"encoding_format\":\"base64\""));
    buf_put_byte(b, '}');
}

static enum err ask(struct part *p)
{
    struct embed *e = p->embed;
    struct buf body;
    const int64_t left_us = e->deadline_us - loop_now_us(e->service->loop);
    /* JSON makes six bytes of a control character at most. */
    buf_init(&body, 6 * (size_t)EMBED_REQUEST_TOKENS_MAX * 3 + EMBED_REQUEST_TEXTS * 8 + 256);
    put_request(&body, p);
    ASSERT(buf_ok(&body));
    const struct llm_request_opts opts = {
        .path = "/embeddings",
        .body = buf_str(&body),
        .deadline_ms = left_us > 1000 ? (uint32_t)(left_us / 1000) : 1,
        .answer_max = EMBED_ANSWER_BYTES_MAX,
    };
    enum err err = llm_request_start(e->service, &opts, on_answer, p, &p->request);
    buf_fini(&body);
    if (err == OK)
        p->state = PART_ASKED;
    return err;
}

/* Keeps as many requests under way as may be. */
static enum err go_on(struct embed *e)
{
    size_t busy = 0;
    for (size_t i = 0; i < e->parts_count && busy < EMBED_REQUESTS_AT_ONCE; i++) {
        struct part *p = &e->parts[i];
        if (p->state == PART_WAITING) {
            enum err err = ask(p);
            if (err != OK)
                return err;
        }
        busy += p->state != PART_DONE;
    }
    return OK;
}

static void copy_texts(struct embed *e, const struct embed_ask *a)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < a->count; i++)
        len += a->texts[i].len;
    e->text = mem_alloc(len);
    e->texts = mem_alloc(a->count * sizeof(*e->texts));
    e->count = a->count;
    for (size_t i = 0; i < a->count; i++) {
        memcpy(e->text + at, a->texts[i].p, a->texts[i].len);
        e->texts[i] = str_n(e->text + at, a->texts[i].len);
        at += a->texts[i].len;
    }
}

static void cut_into_parts(struct embed *e)
{
    size_t next = 0;
    e->parts = mem_zalloc(e->count * sizeof(*e->parts));
    while (next < e->count) {
        struct part *p = &e->parts[e->parts_count++];
        p->embed = e;
        p->first = next;
        p->count = fit(e->texts + next, e->count - next);
        next += p->count;
    }
}

enum err embed_start(struct llm *s, const struct embed_ask *a, embed_done_fn *done, void *ctx,
                     struct embed **out)
{
    loop_assert_thread(s->loop);
    if (a->count > EMBED_TEXTS_MAX)
        return ERR_LIMIT;
    if (a->count == 0 || a->dimensions > EMBED_DIMENSIONS_MAX)
        return ERR_INVALID;
    for (size_t i = 0; i < a->count; i++)
        if (!embed_text_ok(a->texts[i]))
            return ERR_INVALID;
    struct embed *e = mem_zalloc(sizeof(*e));
    e->service = s;
    e->dimensions_asked = a->dimensions;
    e->decimal = a->decimal;
    e->deadline_us = loop_now_us(s->loop) + 1000 * (int64_t)a->deadline_ms;
    e->done = done;
    e->ctx = ctx;
    copy_texts(e, a);
    cut_into_parts(e);
    enum err err = go_on(e);
    if (err != OK) {
        embed_free(e);
        return err;
    }
    *out = e;
    return OK;
}

void embed_cancel(struct embed *e)
{
    loop_assert_thread(e->service->loop);
    embed_free(e);
}
