/* The SQLite driver: connections, statements, and which function runs which request. */
#include "store/sqlite.h"

#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/driver.h"
#include "store/sqlite_rank.h"

static enum err explain(struct store_conn *c, int code, struct err_detail *detail)
{
    const char *text = sqlite3_errmsg(c->db);
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return err_explain(detail, ERR_INVALID, "refused by the database: %s", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_explain(detail, ERR_TIMEOUT, "the database is busy with another process");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        LOG_ERROR(NULL, "store.damaged", "error=\"%s\" next=\"restore a backup\"", text);
        return err_explain(detail, ERR_IO,
                           "the database file is damaged or not a database (%s): restore a backup, "
                           "or move the file away to start with an empty one",
                           text);
    case SQLITE_FULL:
        return err_explain(detail, ERR_IO, "the disk is full");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return err_explain(detail, ERR_IO, "cannot open the database for writing: %s", text);
    default:
        return err_explain(detail, ERR_IO, "database: %s", text);
    }
}

void sql_begin(struct sql *q, struct store_conn *c, const char *sql)
{
    *q = (struct sql){.conn = c, .cached = true};
    for (size_t i = 0; i < c->cached; i++) {
        if (c->cache[i].sql == sql) {
            q->statement = c->cache[i].statement;
            return;
        }
    }
    ASSERT(c->cached < SQL_CACHE_MAX);
    q->code = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->statement, NULL);
    if (q->code != SQLITE_OK)
        return;
    c->cache[c->cached].sql = sql;
    c->cache[c->cached++].statement = q->statement;
}

void sql_begin_once(struct sql *q, struct store_conn *c, const char *sql)
{
    *q = (struct sql){.conn = c};
    q->code = sqlite3_prepare_v2(c->db, sql, -1, &q->statement, NULL);
}

void sql_text(struct sql *q, struct str value)
{
    q->bound++;
    if (q->code == SQLITE_OK)
        q->code = sqlite3_bind_text64(q->statement, q->bound, value.p ? value.p : "", value.len,
                                      SQLITE_STATIC, SQLITE_UTF8);
}

void sql_int(struct sql *q, int64_t value)
{
    q->bound++;
    if (q->code == SQLITE_OK)
        q->code = sqlite3_bind_int64(q->statement, q->bound, value);
}

void sql_blob(struct sql *q, const void *p, size_t len)
{
    q->bound++;
    if (q->code == SQLITE_OK)
        q->code = sqlite3_bind_blob64(q->statement, q->bound, p, len, SQLITE_STATIC);
}

bool sql_row(struct sql *q)
{
    if (q->code != SQLITE_OK && q->code != SQLITE_ROW)
        return false;
    if (q->mem && q->mem->over) {
        q->over = true;
        return false;
    }
    q->code = FAULT("store.step") ? SQLITE_FULL : sqlite3_step(q->statement);
    return q->code == SQLITE_ROW;
}

struct str sql_get_text(struct sql *q, int column, struct arena *mem)
{
    q->mem = mem;
    const char *p = (const char *)sqlite3_column_text(q->statement, column);
    size_t len = p ? (size_t)sqlite3_column_bytes(q->statement, column) : 0;
    return str_n(arena_strndup(mem, p, len), len);
}

int64_t sql_get_int(struct sql *q, int column)
{
    return sqlite3_column_int64(q->statement, column);
}

double sql_get_real(struct sql *q, int column)
{
    return sqlite3_column_double(q->statement, column);
}

bool sql_get_floats(struct sql *q, int column, float *out, size_t count)
{
    const void *p = sqlite3_column_blob(q->statement, column);
    size_t size = (size_t)sqlite3_column_bytes(q->statement, column);
    if (!p || size != count * sizeof(*out))
        return false;
    memcpy(out, p, size); /* which need not be aligned */
    return true;
}

enum err sql_end(struct sql *q, struct err_detail *detail)
{
    enum err e = OK;
    if (q->over || (q->mem && q->mem->over))
        e = err_explain(detail, ERR_LIMIT, "the result is too large");
    else if (q->code != SQLITE_OK && q->code != SQLITE_ROW && q->code != SQLITE_DONE)
        e = explain(q->conn, q->code, detail);
    if (q->cached && q->statement) {
        sqlite3_reset(q->statement);
        sqlite3_clear_bindings(q->statement);
    } else {
        sqlite3_finalize(q->statement);
    }
    q->statement = NULL;
    return e;
}

enum err sql_run(struct sql *q, struct err_detail *detail)
{
    while (sql_row(q))
        ;
    return sql_end(q, detail);
}

enum err sql_exec(struct store_conn *c, const char *sql, struct err_detail *detail)
{
    int code = FAULT("store.exec") ? SQLITE_IOERR : sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OK : explain(c, code, detail);
}

int64_t sql_changes(struct store_conn *c)
{
    return sqlite3_changes64(c->db);
}

void *sql_grow(struct arena *mem, void *items, size_t count, size_t size)
{
    bool full = (count & (count - 1)) == 0; /* 0, 1, 2, 4, 8 ... */
    if (!full)
        return items;
    void *grown = arena_alloc(mem, (count ? count * 2 : 1) * size);
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

/* FTS5 hands out its tokenizers through a statement (SQLite FTS5 documentation, section 7). */
static enum err open_stemmer(struct store_conn *c, struct err_detail *detail)
{
    fts5_api *api = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(c->db, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    void *context = NULL;
    const char *args[] = {"unicode61", "remove_diacritics", "2"};
    if (!api || api->xFindTokenizer(api, "porter", &context, &c->stemmer_methods) != SQLITE_OK ||
        c->stemmer_methods.xCreate(context, args, 3, &c->stemmer) != SQLITE_OK ||
        search_rank_register(c, api) != SQLITE_OK)
        return err_explain(detail, ERR_IO, "this SQLite is built without full text search (FTS5)");
    return OK;
}

static void conn_close(struct store_conn *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->cached; i++)
        sqlite3_finalize(c->cache[i].statement);
    if (c->stemmer)
        c->stemmer_methods.xDelete(c->stemmer);
    sqlite3_close(c->db);
    mem_free(c);
}

static enum err conn_open(const char *path, bool writer, struct keep *keep, struct store_conn **out,
                          struct err_detail *detail)
{
    struct store_conn *c = mem_zalloc(sizeof(*c));
    c->keep = keep;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &c->db, flags, NULL);
    if (FAULT("store.open"))
        code = SQLITE_CANTOPEN;
    enum err e = code == SQLITE_OK ? OK : explain(c, code, detail);
    if (e == OK) {
        sqlite3_busy_timeout(c->db, STORE_BUSY_MS);
        e = sql_exec(c,
                     "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;"
                     "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
                     detail);
    }
    if (e == OK && writer)
        e = sql_exec(c, "PRAGMA journal_mode = WAL", detail);
    if (e == OK && writer)
        e = sqlite_migrate(c, detail);
    if (e == OK && !writer)
        e = sql_exec(c, "PRAGMA query_only = ON", detail);
    if (e == OK)
        e = open_stemmer(c, detail);
    if (e != OK) {
        conn_close(c);
        return e;
    }
    *out = c;
    return OK;
}

static enum err conn_begin(struct store_conn *c, struct err_detail *detail)
{
    return sql_exec(c, "BEGIN IMMEDIATE", detail);
}

static enum err conn_commit(struct store_conn *c, struct err_detail *detail)
{
    enum err e = sql_exec(c, "COMMIT", detail);
    if (e != OK)
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

static enum err check(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c, "PRAGMA integrity_check(1)");
    struct str answer = sql_row(&q) ? sql_get_text(&q, 0, &r->mem) : STR("");
    enum err e = sql_end(&q, &r->detail);
    if (e == OK && !str_eq(answer, STR("ok")))
        e = err_explain(&r->detail, ERR_IO, "the database is damaged: %s", answer.p);
    return e;
}

static enum err dispatch(struct store_conn *c, struct store_req *r)
{
    switch (r->op) {
    case STORE_BUSINESS_BY_NUMBER:
    case STORE_BUSINESS_BY_ID:
        return sqlite_business_get(c, r);
    case STORE_BUSINESSES:
        return sqlite_businesses(c, r);
    case STORE_PASSAGES_ALL:
        return sqlite_passages_all(c, r);
    case STORE_SEARCH_TEXT:
        return sqlite_search(c, r);
    case STORE_SEARCH_VECTOR:
        return sqlite_search_vector(c, r);
    case STORE_VECTORS_MISSING:
        return sqlite_vectors_missing(c, r);
    case STORE_CALLS_LIST:
    case STORE_CALLS_OPEN:
        return sqlite_calls(c, r);
    case STORE_CALL_GET:
        return sqlite_call_get(c, r);
    case STORE_SPENT:
        return sqlite_spent(c, r);
    case STORE_CHECK:
        return check(c, r);
    case STORE_BUSINESS_PUT:
        return sqlite_business_put(c, r);
    case STORE_NUMBER_PUT:
        return sqlite_number_put(c, r);
    case STORE_CONFIG_PUT:
        return sqlite_config_put(c, r);
    case STORE_DOCUMENT_PUT:
        return sqlite_document_put(c, r);
    case STORE_DOCUMENT_DELETE:
        return sqlite_document_delete(c, r);
    case STORE_VECTORS_PUT:
        return sqlite_vectors_put(c, r);
    case STORE_CALL_CREATE:
        return sqlite_call_create(c, r);
    case STORE_CALL_UPDATE:
        return sqlite_call_update(c, r);
    case STORE_TURN_PUT:
        return sqlite_turn_put(c, r);
    case STORE_TOOL_PUT:
        return sqlite_tool_put(c, r);
    }
    return err_explain(&r->detail, ERR_INVALID, "no such operation");
}

/* A write stands inside a savepoint, so that a failure takes back its own statements only. A read
 * of several statements sees one state of the database. */
static enum err conn_exec(struct store_conn *c, struct store_req *r)
{
    enum err e = sql_exec(c, "SAVEPOINT request", &r->detail);
    if (e != OK)
        return e;
    e = dispatch(c, r);
    if (e != OK)
        sqlite3_exec(c->db, "ROLLBACK TO request", NULL, NULL, NULL);
    enum err released = sql_exec(c, "RELEASE request", e == OK ? &r->detail : NULL);
    return e != OK ? e : released;
}

const struct store_driver store_driver_sqlite = {
    .name = "sqlite",
    .open = conn_open,
    .close = conn_close,
    .begin = conn_begin,
    .commit = conn_commit,
    .exec = conn_exec,
};
