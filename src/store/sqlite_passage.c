/* Documents and passages. The full text index of a business mirrors its passages: it keeps no text
 * of its own (an external content table), so rows must be taken out with exactly the text that was
 * put in, before the passages themselves go. */
#include <stdio.h>

#include "base/limits.h"
#include "store/sqlite.h"

enum { TABLE_SQL_MAX = 512 };

static enum err drop_document(struct store_conn *c, int64_t n, struct str business,
                              struct str document, struct err_detail *detail)
{
    char text[TABLE_SQL_MAX];
    snprintf(text, sizeof(text),
             "INSERT INTO passage_fts_%lld(passage_fts_%lld, rowid, title, questions, content) "
             "SELECT 'delete', n, title, questions, content FROM passage "
             "WHERE business_id = ? AND document_id = ?",
             (long long)n, (long long)n);
    struct sql q;
    sql_begin(&q, c,
              "UPDATE business SET knowledge_version = "
              "(SELECT max(knowledge_version) + 1 FROM business) WHERE id = ?");
    sql_text(&q, business);
    enum err e = sql_run(&q, detail);
    if (e != OK)
        return e;
    sql_begin_once(&q, c, text);
    sql_text(&q, business);
    sql_text(&q, document);
    e = sql_run(&q, detail);
    if (e != OK)
        return e;
    sql_begin(&q, c, "DELETE FROM knowledge_document WHERE business_id = ? AND id = ?");
    sql_text(&q, business);
    sql_text(&q, document);
    return sql_run(&q, detail);
}

static enum err insert_passage(struct store_conn *c, const struct passage *p,
                               struct err_detail *detail)
{
    struct sql q;
    sql_begin(&q, c,
              "INSERT INTO passage(id, business_id, document_id, title, content, category, "
              "questions, metadata, position, created_at, external_id) "
              "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    sql_text(&q, p->id);
    sql_text(&q, p->business_id);
    sql_text(&q, p->document_id);
    sql_text(&q, p->title);
    sql_text(&q, p->content);
    sql_text(&q, p->category);
    sql_text(&q, p->questions);
    sql_text(&q, p->metadata);
    sql_int(&q, p->position);
    sql_int(&q, p->created_at_ms);
    sql_text(&q, p->external_id);
    return sql_run(&q, detail);
}

static enum err index_document(struct store_conn *c, int64_t n, const struct document *d,
                               struct err_detail *detail)
{
    char text[TABLE_SQL_MAX];
    snprintf(text, sizeof(text),
             "INSERT INTO passage_fts_%lld(rowid, title, questions, content) "
             "SELECT n, title, questions, content FROM passage "
             "WHERE business_id = ? AND document_id = ?",
             (long long)n);
    struct sql q;
    sql_begin_once(&q, c, text);
    sql_text(&q, d->business_id);
    sql_text(&q, d->id);
    return sql_run(&q, detail);
}

enum err sqlite_document_put(struct store_conn *c, struct store_req *r)
{
    const struct document *d = &r->document;
    if (r->passages_count > STORE_DOCUMENT_PASSAGES_MAX)
        return err_explain(&r->detail, ERR_LIMIT, "a document has at most %d passages",
                           STORE_DOCUMENT_PASSAGES_MAX);
    int64_t n = 0;
    enum err e = sqlite_business_n(c, d->business_id, &n, &r->detail);
    if (e == OK)
        e = sqlite_vectors_set_aside(c, d, &r->detail);
    if (e == OK)
        e = drop_document(c, n, d->business_id, d->id, &r->detail);
    if (e != OK)
        return e;
    struct sql q;
    sql_begin(&q, c,
              "INSERT INTO knowledge_document(business_id, id, name, created_at) "
              "VALUES(?, ?, ?, ?)");
    sql_text(&q, d->business_id);
    sql_text(&q, d->id);
    sql_text(&q, d->name);
    sql_int(&q, d->created_at_ms);
    e = sql_run(&q, &r->detail);
    for (size_t i = 0; e == OK && i < r->passages_count; i++)
        e = insert_passage(c, &r->passages[i], &r->detail);
    if (e == OK)
        e = index_document(c, n, d, &r->detail);
    return e == OK ? sqlite_vectors_give_back(c, d, &r->detail) : e;
}

enum err sqlite_document_delete(struct store_conn *c, struct store_req *r)
{
    int64_t n = 0;
    enum err e = sqlite_business_n(c, r->business_id, &n, &r->detail);
    if (e == OK)
        e = drop_document(c, n, r->business_id, r->key, &r->detail);
    if (e == OK && sql_changes(c) == 0)
        e = err_explain(&r->detail, ERR_NOTFOUND, "no such document");
    return e;
}

enum err sqlite_passages_all(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    int64_t n;
    enum err e = sqlite_business_version(c, r->business_id, &n, &r->knowledge_version, &r->detail);
    if (e != OK && e != ERR_NOTFOUND) /* nobody has no passages */
        return e;
    sql_begin(&q, c,
              "SELECT id, business_id, document_id, title, content, category, questions, metadata, "
              "position, created_at, external_id FROM passage WHERE business_id = ? "
              "ORDER BY document_id, position LIMIT ?");
    sql_text(&q, r->business_id);
    sql_int(&q, STORE_PASSAGES_MAX);
    while (sql_row(&q)) {
        r->passages = sql_grow(&r->mem, r->passages, r->passages_count, sizeof(*r->passages));
        r->passages[r->passages_count++] = (struct passage){
            .id = sql_get_text(&q, 0, &r->mem),
            .business_id = sql_get_text(&q, 1, &r->mem),
            .document_id = sql_get_text(&q, 2, &r->mem),
            .title = sql_get_text(&q, 3, &r->mem),
            .content = sql_get_text(&q, 4, &r->mem),
            .category = sql_get_text(&q, 5, &r->mem),
            .questions = sql_get_text(&q, 6, &r->mem),
            .metadata = sql_get_text(&q, 7, &r->mem),
            .position = sql_get_int(&q, 8),
            .created_at_ms = sql_get_int(&q, 9),
            .external_id = sql_get_text(&q, 10, &r->mem),
        };
    }
    return sql_end(&q, &r->detail);
}
