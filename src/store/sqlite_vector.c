/* Vectors of passages: the database has them exactly, memory has what finds the nearest
 * (vectors.h). Those that came after memory was filled are few and compared one by one. */
#include <string.h>

#include "base/limits.h"
#include "store/sqlite.h"
#include "store/vector_math.h"
#include "store/vectors.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blobs are little-endian floats");

/* -- writing -- */

enum err sqlite_vectors_put(struct store_conn *c, struct store_req *r)
{
    float *unit = arena_alloc(&r->mem, r->dimensions * sizeof(*unit));
    enum err e = OK;
    for (size_t i = 0; e == OK && i < r->vectors_count; i++) {
        const struct passage_vector *v = &r->vectors[i];
        struct sql q;
        memcpy(unit, v->vector, r->dimensions * sizeof(*unit));
        if (!vector_normalise(unit, r->dimensions))
            continue;
        sql_begin(&q, c,
                  "INSERT OR REPLACE INTO passage_vector(passage_n, business_n, model, dimensions, "
                  "vector) SELECT p.n, b.n, ?, ?, ? FROM passage p JOIN business b "
                  "ON b.id = p.business_id "
                  "WHERE p.business_id = ? AND p.id = ? AND p.created_at = ?");
        sql_text(&q, r->key);
        sql_int(&q, (int64_t)r->dimensions);
        sql_blob(&q, unit, r->dimensions * sizeof(*unit));
        sql_text(&q, v->business_id);
        sql_text(&q, v->passage_id);
        sql_int(&q, v->created_at_ms);
        e = sql_run(&q, &r->detail);
    }
    return e;
}

enum err sqlite_vectors_set_aside(struct store_conn *c, const struct document *d,
                                  struct err_detail *detail)
{
    struct sql q;
    enum err e = sql_exec(c,
                          "CREATE TEMP TABLE IF NOT EXISTS aside(title TEXT, questions TEXT, "
                          "content TEXT, business_n INTEGER, model TEXT, dimensions INTEGER, "
                          "vector BLOB); DELETE FROM aside",
                          detail);
    if (e != OK)
        return e;
    sql_begin(&q, c,
              "INSERT INTO aside SELECT p.title, p.questions, p.content, v.business_n, v.model, "
              "v.dimensions, v.vector FROM passage p JOIN passage_vector v ON v.passage_n = p.n "
              "WHERE p.business_id = ? AND p.document_id = ?");
    sql_text(&q, d->business_id);
    sql_text(&q, d->id);
    return sql_run(&q, detail);
}

enum err sqlite_vectors_give_back(struct store_conn *c, const struct document *d,
                                  struct err_detail *detail)
{
    struct sql q;
    sql_begin(&q, c,
              "INSERT OR REPLACE INTO passage_vector(passage_n, business_n, model, dimensions, "
              "vector) SELECT p.n, a.business_n, a.model, a.dimensions, a.vector "
              "FROM passage p JOIN aside a "
              "ON a.content = p.content AND a.title = p.title AND a.questions = p.questions "
              "WHERE p.business_id = ? AND p.document_id = ?");
    sql_text(&q, d->business_id);
    sql_text(&q, d->id);
    enum err e = sql_run(&q, detail);
    return e == OK ? sql_exec(c, "DELETE FROM aside", detail) : e;
}

/* -- what is still to be made -- */

enum err sqlite_vectors_missing(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c, "SELECT coalesce(max(knowledge_version), 0) FROM business");
    r->knowledge_version = sql_row(&q) ? sql_get_int(&q, 0) : 0;
    enum err e = sql_end(&q, &r->detail);
    if (e != OK || r->since_version == r->knowledge_version)
        return e;
    sql_begin(&q, c,
              "SELECT p.n, p.id, p.business_id, p.title, p.questions, p.content, p.created_at "
              "FROM passage p LEFT JOIN passage_vector v ON v.passage_n = p.n AND v.model = ? "
              "WHERE p.n > ? AND v.id IS NULL ORDER BY p.n LIMIT ?");
    sql_text(&q, r->key);
    sql_int(&q, r->after);
    sql_int(&q, STORE_VECTORS_PUT_MAX);
    r->passages = arena_alloc(&r->mem, STORE_VECTORS_PUT_MAX * sizeof(*r->passages));
    while (r->passages_count < STORE_VECTORS_PUT_MAX && sql_row(&q)) {
        r->last = sql_get_int(&q, 0);
        r->passages[r->passages_count++] = (struct passage){
            .id = sql_get_text(&q, 1, &r->mem),
            .business_id = sql_get_text(&q, 2, &r->mem),
            .title = sql_get_text(&q, 3, &r->mem),
            .questions = sql_get_text(&q, 4, &r->mem),
            .content = sql_get_text(&q, 5, &r->mem),
            .created_at_ms = sql_get_int(&q, 6),
        };
    }
    return sql_end(&q, &r->detail);
}

/* -- memory -- */

static enum err count_after(struct store_conn *c, int64_t n, int64_t after, size_t *count,
                            struct err_detail *detail)
{
    struct sql q;
    sql_begin(&q, c, "SELECT count(*) FROM passage_vector WHERE business_n = ? AND id > ?");
    sql_int(&q, n);
    sql_int(&q, after);
    *count = sql_row(&q) ? (size_t)sql_get_int(&q, 0) : 0;
    return sql_end(&q, detail);
}

static enum err read_all(struct store_conn *c, int64_t n, const struct store_req *r,
                         struct vectors *v, struct err_detail *detail)
{
    struct sql q;
    sql_begin(&q, c,
              "SELECT id, vector FROM passage_vector WHERE business_n = ? AND model = ? "
              "AND dimensions = ? ORDER BY id");
    sql_int(&q, n);
    sql_text(&q, r->key);
    sql_int(&q, (int64_t)r->dimensions);
    while (sql_row(&q)) {
        float vector[STORE_VECTOR_DIMENSIONS_MAX];
        if (sql_get_floats(&q, 1, vector, r->dimensions))
            vectors_add(v, sql_get_int(&q, 0), vector);
    }
    return sql_end(&q, detail);
}

static enum err make(struct store_conn *c, int64_t n, int64_t version, struct store_req *r,
                     struct kept **out)
{
    struct keep_claim claim = {.business = n, .kind = KEPT_VECTORS};
    size_t count = 0;
    if (!keep_claim(c->keep, &claim))
        return err_explain(&r->detail, ERR_AGAIN, "the vectors are being read");
    enum err e = count_after(c, n, 0, &count, &r->detail);
    if (e == OK && count > STORE_KEEP_BYTES_MAX / (r->dimensions + r->dimensions / 8 + 16))
        e = err_explain(&r->detail, ERR_LIMIT, "%zu vectors are more than memory is given", count);
    if (e == OK) {
        struct vectors *v = vectors_new(n, version, r->key, r->dimensions, count);
        e = read_all(c, n, r, v, &r->detail);
        *out = vectors_finish(v);
        if (e == OK)
            keep_put(c->keep, *out);
    }
    if (e != OK && *out) {
        kept_release(*out);
        *out = NULL;
    }
    keep_unclaim(c->keep, &claim);
    return e;
}

/* What memory has of the business, made anew when it is of older passages or of another model, or
 * when too many vectors came since. */
static enum err get(struct store_conn *c, int64_t n, int64_t version, struct store_req *r,
                    struct kept **out)
{
    *out = keep_get(c->keep, n, KEPT_VECTORS, version);
    if (*out) {
        const struct vectors *v = vectors_of(*out);
        size_t newer = 0, most = STORE_VECTORS_TAIL_MAX;
        enum err e = count_after(c, n, vectors_last_id(v), &newer, &r->detail);
        most = vectors_count(v) / 64 > most ? vectors_count(v) / 64 : most;
        if (e == OK && newer <= most && vectors_is(v, r->key, r->dimensions))
            return OK;
        kept_release(*out);
        *out = NULL;
        if (e != OK)
            return e;
    }
    return make(c, n, version, r, out);
}

/* -- searching -- */

struct best {
    struct store_req *r;
    int64_t *ids;
};

static void consider(struct best *b, int64_t id, double score)
{
    struct store_req *r = b->r;
    size_t at = r->hits_count;
    while (at > 0 && r->hits[at - 1].score < score)
        at--;
    if (at == r->k)
        return;
    r->hits_count += r->hits_count < r->k;
    memmove(&r->hits[at + 1], &r->hits[at], (r->hits_count - 1 - at) * sizeof(*r->hits));
    memmove(&b->ids[at + 1], &b->ids[at], (r->hits_count - 1 - at) * sizeof(*b->ids));
    r->hits[at] = (struct passage_hit){.score = score};
    b->ids[at] = id;
}

/* Exactly, those found in memory. What has been removed since is not there any more. */
static enum err compare_found(struct store_conn *c, struct best *b, const int64_t *ids,
                              size_t count)
{
    struct store_req *r = b->r;
    float v[STORE_VECTOR_DIMENSIONS_MAX];
    enum err e = OK;
    for (size_t i = 0; e == OK && i < count; i++) {
        struct sql q;
        sql_begin(&q, c, "SELECT vector FROM passage_vector WHERE id = ?");
        sql_int(&q, ids[i]);
        if (sql_row(&q) && sql_get_floats(&q, 0, v, r->dimensions))
            consider(b, ids[i], (double)vector_dot(v, r->vector, r->dimensions));
        e = sql_end(&q, &r->detail);
    }
    return e;
}

static enum err compare_newer(struct store_conn *c, struct best *b, int64_t n, int64_t after)
{
    struct store_req *r = b->r;
    float v[STORE_VECTOR_DIMENSIONS_MAX];
    struct sql q;
    sql_begin(&q, c,
              "SELECT id, vector FROM passage_vector WHERE business_n = ? AND id > ? "
              "AND model = ? AND dimensions = ?");
    sql_int(&q, n);
    sql_int(&q, after);
    sql_text(&q, r->key);
    sql_int(&q, (int64_t)r->dimensions);
    while (sql_row(&q)) {
        if (sql_get_floats(&q, 1, v, r->dimensions))
            consider(b, sql_get_int(&q, 0), (double)vector_dot(v, r->vector, r->dimensions));
    }
    return sql_end(&q, &r->detail);
}

/* The passages of the hits. The business is asked for once more: whatever else may be wrong, nobody
 * gets a passage of another. */
static enum err read_hits(struct store_conn *c, const struct best *b)
{
    struct store_req *r = b->r;
    size_t count = 0;
    enum err e = OK;
    for (size_t i = 0; e == OK && i < r->hits_count; i++) {
        struct sql q;
        sql_begin(&q, c,
                  "SELECT p.id, p.business_id, p.document_id, p.title, p.content, p.category, "
                  "p.questions, p.metadata, p.position, p.created_at, p.external_id "
                  "FROM passage_vector v JOIN passage p ON p.n = v.passage_n "
                  "WHERE v.id = ? AND p.business_id = ?");
        sql_int(&q, b->ids[i]);
        sql_text(&q, r->business_id);
        if (sql_row(&q))
            r->hits[count++] =
                (struct passage_hit){.passage = {.id = sql_get_text(&q, 0, &r->mem),
                                                 .business_id = sql_get_text(&q, 1, &r->mem),
                                                 .document_id = sql_get_text(&q, 2, &r->mem),
                                                 .title = sql_get_text(&q, 3, &r->mem),
                                                 .content = sql_get_text(&q, 4, &r->mem),
                                                 .category = sql_get_text(&q, 5, &r->mem),
                                                 .questions = sql_get_text(&q, 6, &r->mem),
                                                 .metadata = sql_get_text(&q, 7, &r->mem),
                                                 .position = sql_get_int(&q, 8),
                                                 .created_at_ms = sql_get_int(&q, 9),
                                                 .external_id = sql_get_text(&q, 10, &r->mem)},
                                     .score = r->hits[i].score};
        e = sql_end(&q, &r->detail);
    }
    r->hits_count = count;
    return e;
}

enum err sqlite_search_vector(struct store_conn *c, struct store_req *r)
{
    int64_t n = 0, version = 0;
    enum err e = sqlite_business_version(c, r->business_id, &n, &version, &r->detail);
    if (e != OK)
        return e;
    if (!vector_normalise(r->vector, r->dimensions))
        return err_explain(&r->detail, ERR_INVALID, "the vector has no direction");
    if (r->k == 0)
        return OK;
    struct kept *kept = NULL;
    e = get(c, n, version, r, &kept);
    if (e != OK)
        return e;
    const struct vectors *v = vectors_of(kept);
    int64_t found[VECTORS_BY_BYTES];
    struct best b = {.r = r};
    r->hits = arena_alloc(&r->mem, (r->k + 1) * sizeof(*r->hits));
    b.ids = arena_alloc(&r->mem, (r->k + 1) * sizeof(*b.ids));
    size_t count = vectors_nearest(v, r->vector, found);
    e = compare_found(c, &b, found, count);
    if (e == OK)
        e = compare_newer(c, &b, n, vectors_last_id(v));
    kept_release(kept);
    return e == OK ? read_hits(c, &b) : e;
}
