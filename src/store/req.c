/* Making requests: every argument is copied into the request's arena. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "store/store.h"

static struct store_req *make(enum store_op op)
{
    struct store_req *r = mem_zalloc(sizeof(*r));
    r->op = op;
    arena_init(&r->mem, STORE_RESULT_BYTES_MAX);
    return r;
}

/* A copy that is valid UTF-8 without NUL, so that one bad byte from a peer (a transcript, a header)
 * does not lose the row: offending bytes become '?'. */
static struct str copy(struct store_req *r, struct str s)
{
    char *p = arena_strndup(&r->mem, s.p, s.len);
    struct utf8_state state = {0};
    for (size_t i = 0; i < s.len; i++) {
        if (p[i] == '\0')
            p[i] = '?';
    }
    if (utf8_valid(str_n(p, s.len)))
        return str_n(p, s.len);
    size_t start = 0; /* of the character being read */
    for (size_t i = 0; i < s.len; i++) {
        if (!utf8_feed(&state, str_n(p + i, 1))) {
            p[start] = '?';
            state = (struct utf8_state){0};
            i = start;
            start = i + 1;
        } else if (utf8_done(&state)) {
            start = i + 1;
        }
    }
    for (size_t i = start; i < s.len; i++)
        p[i] = '?';
    return str_n(p, s.len);
}

void store_req_free(struct store_req *r)
{
    if (!r)
        return;
    arena_fini(&r->mem);
    mem_free(r);
}

struct store_req *store_req_business_by_number(struct str number)
{
    struct store_req *r = make(STORE_BUSINESS_BY_NUMBER);
    r->key = copy(r, number);
    return r;
}

struct store_req *store_req_business_by_id(struct str id_or_slug)
{
    struct store_req *r = make(STORE_BUSINESS_BY_ID);
    r->key = copy(r, id_or_slug);
    return r;
}

struct store_req *store_req_businesses(void)
{
    return make(STORE_BUSINESSES);
}

struct store_req *store_req_passages_all(struct str business_id)
{
    struct store_req *r = make(STORE_PASSAGES_ALL);
    r->business_id = copy(r, business_id);
    return r;
}

struct store_req *store_req_search_text(struct str business_id, const struct str *words,
                                        size_t count, size_t k)
{
    struct store_req *r = make(STORE_SEARCH_TEXT);
    r->business_id = copy(r, business_id);
    r->words_count = count < STORE_SEARCH_TERMS_MAX ? count : STORE_SEARCH_TERMS_MAX;
    r->words = arena_alloc(&r->mem, r->words_count * sizeof(*r->words));
    for (size_t i = 0; i < r->words_count; i++)
        r->words[i] = copy(r, words[i]);
    r->k = k < STORE_SEARCH_RESULTS_MAX ? k : STORE_SEARCH_RESULTS_MAX;
    return r;
}

static float *copy_vector(struct store_req *r, const float *vector)
{
    float *p = arena_alloc(&r->mem, r->dimensions * sizeof(*p));
    memcpy(p, vector, r->dimensions * sizeof(*p));
    return p;
}

struct store_req *store_req_search_vector(struct str business_id, struct str model,
                                          const float *vector, size_t dimensions, size_t k)
{
    struct store_req *r = make(STORE_SEARCH_VECTOR);
    ASSERT(dimensions > 0 && dimensions <= STORE_VECTOR_DIMENSIONS_MAX);
    r->business_id = copy(r, business_id);
    r->key = copy(r, model);
    r->dimensions = dimensions;
    r->vector = copy_vector(r, vector);
    r->k = k < STORE_SEARCH_RESULTS_MAX ? k : STORE_SEARCH_RESULTS_MAX;
    return r;
}

struct store_req *store_req_vectors_missing(struct str model, int64_t since_version, int64_t after)
{
    struct store_req *r = make(STORE_VECTORS_MISSING);
    r->key = copy(r, model);
    r->since_version = since_version;
    r->after = after;
    return r;
}

struct store_req *store_req_vectors_put(struct str model, size_t dimensions,
                                        const struct passage_vector *vectors, size_t count)
{
    struct store_req *r = make(STORE_VECTORS_PUT);
    ASSERT(dimensions > 0 && dimensions <= STORE_VECTOR_DIMENSIONS_MAX);
    ASSERT(count <= STORE_VECTORS_PUT_MAX);
    r->key = copy(r, model);
    r->dimensions = dimensions;
    r->vectors_count = count;
    r->vectors = arena_alloc(&r->mem, (count + 1) * sizeof(*r->vectors));
    for (size_t i = 0; i < count; i++)
        r->vectors[i] =
            (struct passage_vector){copy(r, vectors[i].business_id), copy(r, vectors[i].passage_id),
                                    vectors[i].created_at_ms, copy_vector(r, vectors[i].vector)};
    return r;
}

struct store_req *store_req_calls_list(const struct calls_page *page)
{
    struct store_req *r = make(STORE_CALLS_LIST);
    r->page = *page;
    r->page.business_id = copy(r, page->business_id);
    r->page.before_id = copy(r, page->before_id);
    if (r->page.limit == 0 || r->page.limit > STORE_LIST_MAX)
        r->page.limit = STORE_LIST_MAX;
    return r;
}

struct store_req *store_req_call_get(struct str id)
{
    struct store_req *r = make(STORE_CALL_GET);
    r->key = copy(r, id);
    return r;
}

struct store_req *store_req_calls_open(void)
{
    return make(STORE_CALLS_OPEN);
}

struct store_req *store_req_spent(int64_t since_ms)
{
    struct store_req *r = make(STORE_SPENT);
    r->since_ms = since_ms;
    return r;
}

struct store_req *store_req_check(void)
{
    return make(STORE_CHECK);
}

struct store_req *store_req_business_put(const struct business *b)
{
    struct store_req *r = make(STORE_BUSINESS_PUT);
    r->business = *b;
    r->business.id = copy(r, b->id);
    r->business.slug = copy(r, b->slug);
    r->business.name = copy(r, b->name);
    r->business.domain = copy(r, b->domain);
    r->business.time_zone = copy(r, b->time_zone);
    return r;
}

struct store_req *store_req_number_put(const struct phone_number *n)
{
    struct store_req *r = make(STORE_NUMBER_PUT);
    r->number = *n;
    r->number.number = copy(r, n->number);
    r->number.business_id = copy(r, n->business_id);
    return r;
}

struct store_req *store_req_config_put(struct str business_id, struct str key, struct str json,
                                       bool only_missing)
{
    struct store_req *r = make(STORE_CONFIG_PUT);
    r->business_id = copy(r, business_id);
    r->key = copy(r, key);
    r->json = copy(r, json);
    r->only_missing = only_missing;
    return r;
}

/* A passage without an id gets one that follows from what it is, so that importing again keeps it:
 * the first half of a SHA-256 in the form of a version 8 UUID (RFC 9562 section 5.8). */
static struct str derive_id(struct store_req *r, const struct passage *p)
{
    uint8_t digest[CRYPTO_SHA256_BYTES];
    size_t size = r->document.business_id.len + r->document.id.len + p->title.len + 32;
    char *seed = arena_alloc(&r->mem, size);
    int len = snprintf(seed, size, "%s\n%s\n%lld\n%s", r->document.business_id.p, r->document.id.p,
                       (long long)p->position, p->title.p);
    crypto_sha256(digest, str_n(seed, (size_t)len));
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80);
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    char hex[33];
    crypto_hex(hex, digest, 16);
    char *id = arena_alloc(&r->mem, 37);
    snprintf(id, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return str_of(id);
}

struct store_req *store_req_document_put(const struct document *d, const struct passage *passages,
                                         size_t count)
{
    struct store_req *r = make(STORE_DOCUMENT_PUT);
    r->document = *d;
    r->document.id = copy(r, d->id);
    r->document.business_id = copy(r, d->business_id);
    r->document.name = copy(r, d->name);
    r->passages_count = count;
    r->passages = arena_alloc(&r->mem, count * sizeof(*passages));
    for (size_t i = 0; i < count; i++) {
        struct passage *p = &r->passages[i];
        *p = (struct passage){.id = copy(r, passages[i].id),
                              .external_id = copy(r, passages[i].external_id),
                              .business_id = r->document.business_id,
                              .document_id = r->document.id,
                              .title = copy(r, passages[i].title),
                              .content = copy(r, passages[i].content),
                              .category = copy(r, passages[i].category),
                              .questions = copy(r, passages[i].questions),
                              .metadata = copy(r, passages[i].metadata),
                              .position = (int64_t)i,
                              .created_at_ms = d->created_at_ms};
        if (p->id.len == 0)
            p->id = derive_id(r, p);
    }
    return r;
}

struct store_req *store_req_document_delete(struct str business_id, struct str document_id)
{
    struct store_req *r = make(STORE_DOCUMENT_DELETE);
    r->business_id = copy(r, business_id);
    r->key = copy(r, document_id);
    return r;
}

static void copy_call(struct store_req *r, const struct call_row *c)
{
    r->call = *c;
    struct str *texts[] = {&r->call.id,          &r->call.call_sid, &r->call.channel,
                           &r->call.business_id, &r->call.from,     &r->call.agent_version,
                           &r->call.to,          &r->call.status,   &r->call.end_reason,
                           &r->call.engine,      &r->call.summary,  &r->call.outcome,
                           &r->call.journal};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = copy(r, *texts[i]);
}

struct store_req *store_req_call_create(const struct call_row *c)
{
    struct store_req *r = make(STORE_CALL_CREATE);
    copy_call(r, c);
    return r;
}

struct store_req *store_req_call_update(const struct call_row *c, unsigned set)
{
    struct store_req *r = make(STORE_CALL_UPDATE);
    copy_call(r, c);
    r->set = set;
    return r;
}

struct store_req *store_req_turn_put(const struct turn_row *t)
{
    struct store_req *r = make(STORE_TURN_PUT);
    r->turn = *t;
    r->turn.call_id = copy(r, t->call_id);
    r->turn.item_id = copy(r, t->item_id);
    r->turn.role = copy(r, t->role);
    r->turn.text = copy(r, t->text);
    return r;
}

struct store_req *store_req_tool_put(const struct tool_row *t)
{
    struct store_req *r = make(STORE_TOOL_PUT);
    r->tool = *t;
    r->tool.call_id = copy(r, t->call_id);
    r->tool.tool_call_id = copy(r, t->tool_call_id);
    r->tool.name = copy(r, t->name);
    r->tool.arguments = copy(r, t->arguments);
    r->tool.output = copy(r, t->output);
    return r;
}
