/* Copies of a database file that may be in use, and whether a copy is whole. */
#include <sqlite3.h>
#include <string.h>

#include "base/limits.h"
#include "store/store.h"

static enum err give_up(sqlite3 *db, const char *doing, const char *path, int code,
                        struct err_detail *detail)
{
    enum err err = code == SQLITE_BUSY || code == SQLITE_LOCKED ? ERR_AGAIN : ERR_IO;
    return err_explain(detail, err, "cannot %s %.200s: %.200s", doing, path,
                       db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

/* Neither created nor migrated: it may be another version's, and in use. */
static enum err open_file(sqlite3 **db, const char *path, int flags, struct err_detail *detail)
{
    int code = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return give_up(*db, "open", path, code, detail);
    sqlite3_busy_timeout(*db, STORE_BUSY_MS);
    return OK;
}

enum err store_file_copy(const char *from, const char *to, struct err_detail *detail)
{
    sqlite3 *source = NULL, *copy = NULL;
    enum err err = open_file(&source, from, SQLITE_OPEN_READWRITE, detail);
    if (err == OK)
        err = open_file(&copy, to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, detail);
    if (err == OK) {
        sqlite3_backup *b = sqlite3_backup_init(copy, "main", source, "main");
        /* All pages in one read transaction: one moment of the database, writers not stopped. */
        int code = b ? sqlite3_backup_step(b, -1) : SQLITE_ERROR;
        int ended = b ? sqlite3_backup_finish(b) : sqlite3_errcode(copy);
        if (code != SQLITE_DONE)
            err = give_up(copy, "copy", from, ended ? ended : code, detail);
        /* So that the copy is one file, which can be read where nothing can be written. */
        if (err == OK)
            code = sqlite3_exec(copy, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        if (err == OK && code != SQLITE_OK)
            err = give_up(copy, "write", to, code, detail);
    }
    sqlite3_close(copy);
    sqlite3_close(source);
    return err;
}

enum err store_file_check(const char *path, struct err_detail *detail)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    enum err err = open_file(&db, path, SQLITE_OPEN_READONLY, detail);
    if (err == OK) {
        int code = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &q, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_step(q);
        const char *answer = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
        if (!answer)
            err = give_up(db, "read", path, code, detail);
        else if (strcmp(answer, "ok") != 0)
            err = err_explain(detail, ERR_INVALID, "%.200s is damaged: %.200s", path, answer);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return err;
}
