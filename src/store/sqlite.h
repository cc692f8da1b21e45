/*
 * sqlite.h - the SQLite driver's inside: a connection, and a short way to run a statement.
 *
 *     struct sql q;
 *     sql_begin(&q, c, "SELECT name FROM business WHERE id = ?");
 *     sql_text(&q, id);
 *     if (sql_row(&q))
 *         name = sql_get_text(&q, 0, mem);
 *     return sql_end(&q, detail);
 *
 * Parameters are bound in order; a failure anywhere shows at sql_end.
 *
 *   Memory   bound strings are borrowed until sql_end. Results are copied into the arena given.
 *   Thread   a connection belongs to one thread at a time.
 *   Bounds   SQL_CACHE_MAX prepared statements a connection; sql_row fails with ERR_LIMIT once the
 *            arena last copied into is over its cap.
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/keep.h"
#include "store/store.h"

enum { SQL_CACHE_MAX = 64 };

struct store_conn {
    sqlite3 *db;
    size_t cached;
    struct {
        const char *sql; /* a literal: compared by address */
        sqlite3_stmt *statement;
    } cache[SQL_CACHE_MAX];
    Fts5Tokenizer *stemmer; /* the index's own */
    fts5_tokenizer stemmer_methods;
    struct rank_plan *plan; /* of the search that runs, or NULL; sqlite_rank.h */
    struct keep *keep;      /* the store's; NULL for the writer, which does not search */
};

struct sql {
    struct store_conn *conn;
    sqlite3_stmt *statement;
    const struct arena *mem; /* last copied into */
    int code;                /* SQLite's result code so far */
    int bound;
    bool cached;
    bool over;
};

/* `sql` is a literal; the statement is prepared once a connection. */
void sql_begin(struct sql *q, struct store_conn *c, const char *sql);
/* For text made at run time (table names); prepared each time. */
void sql_begin_once(struct sql *q, struct store_conn *c, const char *sql);
void sql_text(struct sql *q, struct str value);
void sql_int(struct sql *q, int64_t value);
void sql_blob(struct sql *q, const void *p, size_t len);
/* Runs to the next row; false at the end or on a failure. */
bool sql_row(struct sql *q);
struct str sql_get_text(struct sql *q, int column, struct arena *mem);
int64_t sql_get_int(struct sql *q, int column);
double sql_get_real(struct sql *q, int column);
/* The floats of a blob; false unless there are `count`. */
bool sql_get_floats(struct sql *q, int column, float *out, size_t count);
/* OK, or what went wrong. Required after every sql_begin. */
enum err sql_end(struct sql *q, struct err_detail *detail);
/* Runs a statement that yields no rows, and ends it. */
enum err sql_run(struct sql *q, struct err_detail *detail);
/* SQL without parameters. */
enum err sql_exec(struct store_conn *c, const char *sql, struct err_detail *detail);
/* Rows changed by the last statement. */
int64_t sql_changes(struct store_conn *c);

/* Room for one more item in an array that lives in an arena and grows by doubling. */
void *sql_grow(struct arena *mem, void *items, size_t count, size_t size);

/* Creates or upgrades the tables. `sqlite_schema.c`. */
enum err sqlite_migrate(struct store_conn *c, struct err_detail *detail);
/* A business's number in table names; ERR_NOTFOUND. */
enum err sqlite_business_n(struct store_conn *c, struct str id, int64_t *n,
                           struct err_detail *detail);
/* The same, and the version of its knowledge: another one after each change of its passages. */
enum err sqlite_business_version(struct store_conn *c, struct str id, int64_t *n, int64_t *version,
                                 struct err_detail *detail);
/* Search tables of a new business. */
enum err sqlite_search_create(struct store_conn *c, int64_t n, struct err_detail *detail);

/* The operations. `sqlite_business.c` */
enum err sqlite_business_get(struct store_conn *c, struct store_req *r);
enum err sqlite_businesses(struct store_conn *c, struct store_req *r);
enum err sqlite_business_put(struct store_conn *c, struct store_req *r);
enum err sqlite_number_put(struct store_conn *c, struct store_req *r);
enum err sqlite_config_put(struct store_conn *c, struct store_req *r);
/* `sqlite_passage.c` */
enum err sqlite_document_put(struct store_conn *c, struct store_req *r);
enum err sqlite_document_delete(struct store_conn *c, struct store_req *r);
enum err sqlite_passages_all(struct store_conn *c, struct store_req *r);
/* `sqlite_search.c` */
enum err sqlite_search(struct store_conn *c, struct store_req *r);
/* `sqlite_vector.c` */
enum err sqlite_search_vector(struct store_conn *c, struct store_req *r);
enum err sqlite_vectors_missing(struct store_conn *c, struct store_req *r);
enum err sqlite_vectors_put(struct store_conn *c, struct store_req *r);
/* Around the replacement of a document: sets aside the vectors of its passages; gives them to those
 * of the same text. */
enum err sqlite_vectors_set_aside(struct store_conn *c, const struct document *d,
                                  struct err_detail *detail);
enum err sqlite_vectors_give_back(struct store_conn *c, const struct document *d,
                                  struct err_detail *detail);
/* `sqlite_call.c` */
enum err sqlite_call_create(struct store_conn *c, struct store_req *r);
enum err sqlite_call_update(struct store_conn *c, struct store_req *r);
enum err sqlite_turn_put(struct store_conn *c, struct store_req *r);
enum err sqlite_tool_put(struct store_conn *c, struct store_req *r);
enum err sqlite_calls(struct store_conn *c, struct store_req *r);
enum err sqlite_spent(struct store_conn *c, struct store_req *r);
enum err sqlite_call_get(struct store_conn *c, struct store_req *r);

#endif
