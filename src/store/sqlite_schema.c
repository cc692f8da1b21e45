/*
 * The tables, as numbered migrations: a database records how many it has seen in user_version, and
 * start-up runs the rest, each in its own transaction. A migration that has been released is never
 * edited; a change is a new one.
 */
#include <stdio.h>

#include "store/sqlite.h"

static const char *const migrations[] = {
    /* 1: businesses, knowledge, calls. Search tables are made per business (sqlite_search.c). */
    "CREATE TABLE business("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE CHECK(id <> ''),"
    " slug TEXT NOT NULL UNIQUE CHECK(slug <> ''), name TEXT NOT NULL CHECK(name <> ''),"
    " domain TEXT NOT NULL, time_zone TEXT NOT NULL, is_active INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE phone_number("
    " number TEXT PRIMARY KEY CHECK(number <> ''),"
    " business_id TEXT NOT NULL REFERENCES business(id) ON DELETE CASCADE,"
    " is_active INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE configuration("
    " business_id TEXT NOT NULL REFERENCES business(id) ON DELETE CASCADE,"
    " key TEXT NOT NULL CHECK(key <> ''), value TEXT NOT NULL,"
    " PRIMARY KEY(business_id, key)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE knowledge_document("
    " business_id TEXT NOT NULL REFERENCES business(id) ON DELETE CASCADE,"
    " id TEXT NOT NULL CHECK(id <> ''), name TEXT NOT NULL, created_at INTEGER NOT NULL,"
    " PRIMARY KEY(business_id, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE passage("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL CHECK(id <> ''), business_id TEXT NOT NULL,"
    " document_id TEXT NOT NULL, title TEXT NOT NULL, content TEXT NOT NULL,"
    " category TEXT NOT NULL, questions TEXT NOT NULL, metadata TEXT NOT NULL,"
    " position INTEGER NOT NULL, created_at INTEGER NOT NULL, UNIQUE(business_id, id),"
    " FOREIGN KEY(business_id, document_id) REFERENCES knowledge_document(business_id, id)"
    " ON DELETE CASCADE) STRICT;"
    "CREATE INDEX passage_document ON passage(business_id, document_id, position);"
    /* A call outlives its business, so there is no reference. */
    "CREATE TABLE call("
    " id TEXT PRIMARY KEY CHECK(id <> ''), call_sid TEXT NOT NULL, channel TEXT NOT NULL,"
    " business_id TEXT NOT NULL, agent_version TEXT NOT NULL, from_ TEXT NOT NULL,"
    " to_ TEXT NOT NULL, status TEXT NOT NULL, end_reason TEXT NOT NULL, engine TEXT NOT NULL,"
    " summary TEXT NOT NULL, outcome TEXT NOT NULL, journal TEXT NOT NULL,"
    " started_at INTEGER NOT NULL, answered_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,"
    " duration_ms INTEGER NOT NULL, cost_microusd INTEGER NOT NULL, tokens_in INTEGER NOT NULL,"
    " tokens_out INTEGER NOT NULL, recorded INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX call_newest ON call(started_at, id);"
    "CREATE INDEX call_of_business ON call(business_id, started_at, id);"
    "CREATE INDEX call_by_sid ON call(call_sid) WHERE call_sid <> '';"
    "CREATE INDEX call_open ON call(started_at) WHERE ended_at = 0;"
    "CREATE TABLE call_turn("
    " call_id TEXT NOT NULL REFERENCES call(id) ON DELETE CASCADE,"
    " item_id TEXT NOT NULL CHECK(item_id <> ''), seq INTEGER NOT NULL, role TEXT NOT NULL,"
    " text TEXT NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,"
    " heard_ms INTEGER NOT NULL, interrupted INTEGER NOT NULL, turn_end_ms INTEGER NOT NULL,"
    " engine_first_ms INTEGER NOT NULL, carrier_first_ms INTEGER NOT NULL,"
    " heard_first_ms INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL,"
    " cost_microusd INTEGER NOT NULL, PRIMARY KEY(call_id, item_id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE call_tool("
    " call_id TEXT NOT NULL REFERENCES call(id) ON DELETE CASCADE,"
    " tool_call_id TEXT NOT NULL CHECK(tool_call_id <> ''), name TEXT NOT NULL,"
    " arguments TEXT NOT NULL, output TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " took_ms INTEGER NOT NULL, ok INTEGER NOT NULL,"
    " PRIMARY KEY(call_id, tool_call_id)) STRICT, WITHOUT ROWID;",
    /* What the source of a passage calls it. */
    "ALTER TABLE passage ADD COLUMN external_id TEXT NOT NULL DEFAULT '';",
    /* Another one after each change of a business's passages, by whichever process. */
    "ALTER TABLE business ADD COLUMN knowledge_version INTEGER NOT NULL DEFAULT 0;",
    /* A vector of each passage, of the model used last, as little-endian floats. Ids only rise, so
     * that those newer than what is in memory can be told. */
    "CREATE TABLE passage_vector("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " passage_n INTEGER NOT NULL UNIQUE REFERENCES passage(n) ON DELETE CASCADE,"
    " business_n INTEGER NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL,"
    " vector BLOB NOT NULL) STRICT;"
    "CREATE INDEX passage_vector_of_business ON passage_vector(business_n, id);",
};
enum { MIGRATIONS = sizeof(migrations) / sizeof(migrations[0]) };

static enum err version_of(struct store_conn *c, int64_t *version, struct err_detail *detail)
{
    struct sql q;
    sql_begin_once(&q, c, "PRAGMA user_version");
    if (sql_row(&q))
        *version = sql_get_int(&q, 0);
    return sql_end(&q, detail);
}

enum err sqlite_migrate(struct store_conn *c, struct err_detail *detail)
{
    int64_t version = 0;
    enum err e = version_of(c, &version, detail);
    if (e != OK)
        return e;
    if (version > MIGRATIONS)
        return err_explain(detail, ERR_INVALID,
                           "the database was written by a newer callee (its version %lld, ours "
                           "%d): use that one, or another data directory",
                           (long long)version, (int)MIGRATIONS);
    while (version < MIGRATIONS) {
        /* Another process may be migrating: look again once the lock is ours. */
        e = sql_exec(c, "BEGIN IMMEDIATE", detail);
        if (e != OK)
            return e;
        e = version_of(c, &version, detail);
        if (e == OK && version < MIGRATIONS) {
            char set[64];
            snprintf(set, sizeof(set), "PRAGMA user_version = %lld", (long long)version + 1);
            e = sql_exec(c, migrations[version], detail);
            if (e == OK)
                e = sql_exec(c, set, detail);
            version++;
        }
        if (e == OK)
            e = sql_exec(c, "COMMIT", detail);
        if (e != OK) {
            (void)sql_exec(c, "ROLLBACK", NULL);
            return e;
        }
    }
    return OK;
}
