/*
 * BM25 as FTS5 computes it, with a factor for each phrase and without counting anew what is known:
 * its own bm25() looks every phrase of a query up twice, and knows no factors, which took a second
 * search. SQLite FTS5 documentation, sections 5.1.1 and 7.1.
 */
#include <math.h>

#include "store/sqlite_rank.h"

/* FTS5's own constants, and its least weight of a word that is in most passages. */
#define BM25_K1      1.2
#define BM25_B       0.75
#define BM25_IDF_MIN 1e-6

/* Titles name the matter, callers' own phrasings come next. */
static const double column_weights[] = {2.0, 1.5, 1.0};
enum { COLUMNS = sizeof(column_weights) / sizeof(column_weights[0]) };

static int count_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *ctx)
{
    (void)api;
    (void)fts;
    ++*(int64_t *)ctx;
    return SQLITE_OK;
}

/* Once a query: how rare each phrase is, and how long passages are. */
static int prepare(const Fts5ExtensionApi *api, Fts5Context *fts, struct rank_plan *p)
{
    sqlite3_int64 rows = 0, tokens = 0;
    int code = api->xRowCount(fts, &rows);
    if (code == SQLITE_OK)
        code = api->xColumnTotalSize(fts, -1, &tokens);
    /* FTS5 keeps a phrase without a token in it (a dash), so both count alike. */
    if (code == SQLITE_OK && api->xPhraseCount(fts) != (int)p->count)
        code = SQLITE_ERROR;
    for (size_t i = 0; code == SQLITE_OK && i < p->count; i++) {
        int64_t docs = p->phrases[i].docs;
        if (docs < 0) {
            docs = 0;
            code = api->xQueryPhrase(fts, (int)i, &docs, count_row);
        }
        double idf = log(((double)rows - (double)docs + 0.5) / ((double)docs + 0.5));
        p->phrases[i].worth = p->phrases[i].factor * (idf > 0 ? idf : BM25_IDF_MIN);
    }
    p->average = rows > 0 ? (double)tokens / (double)rows : 1;
    p->ready = code == SQLITE_OK;
    return code;
}

static int score_row(const Fts5ExtensionApi *api, Fts5Context *fts, struct rank_plan *p,
                     double *score)
{
    int found = 0, tokens = 0, code = p->ready ? SQLITE_OK : prepare(api, fts, p);
    for (size_t i = 0; i < p->count; i++)
        p->phrases[i].often = 0;
    if (code == SQLITE_OK)
        code = api->xInstCount(fts, &found);
    for (int i = 0; code == SQLITE_OK && i < found; i++) {
        int phrase, column, offset;
        code = api->xInst(fts, i, &phrase, &column, &offset);
        if (code == SQLITE_OK)
            p->phrases[phrase].often += column < COLUMNS ? column_weights[column] : 1;
    }
    if (code == SQLITE_OK)
        code = api->xColumnSize(fts, -1, &tokens);
    double length = BM25_K1 * (1 - BM25_B + BM25_B * tokens / p->average);
    *score = 0;
    for (size_t i = 0; i < p->count; i++) {
        double often = p->phrases[i].often;
        *score += p->phrases[i].worth * often * (BM25_K1 + 1) / (often + length);
    }
    return code;
}

static void rank_row(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *result,
                     int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    struct store_conn *c = api->xUserData(fts);
    double score;
    int code = c->plan ? score_row(api, fts, c->plan, &score) : SQLITE_MISUSE;
    if (code == SQLITE_OK)
        sqlite3_result_double(result, -score); /* as bm25(): the best come first */
    else
        sqlite3_result_error_code(result, code);
}

int search_rank_register(struct store_conn *c, fts5_api *api)
{
    return api->xCreateFunction(api, "callee_rank", c, rank_row, NULL);
}
