/*
 * Full text search: one FTS5 table per business, so that a small business does not pay for a large
 * one (0.2 ms against 10 and more for a shared table filtered by a join).
 *
 * Words are joined by OR and ranked by BM25. FTS5 stems them (Porter) as it did the passages. A
 * word whose stem the business has never used stands for the nearest stems in its vocabulary, by
 * the Dice coefficient of their letter pairs; that is what makes misheard and misspelt words work.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "store/sqlite.h"
#include "store/sqlite_rank.h"

enum {
    TABLE_SQL_MAX = 512,
    CANDIDATES = 24 /* found by BM25, then ranked with more care */
};
#define WEAK_SHARE    0.5 /* what another word for a word counts in the score */
#define NEAR_DICE_MIN 0.5

enum err sqlite_search_create(struct store_conn *c, int64_t n, struct err_detail *detail)
{
    char text[TABLE_SQL_MAX];
    snprintf(text, sizeof(text),
             "CREATE VIRTUAL TABLE IF NOT EXISTS passage_fts_%lld USING fts5(title, questions, "
             "content, content='passage', content_rowid='n', "
             "tokenize='porter unicode61 remove_diacritics 2');"
             "CREATE VIRTUAL TABLE IF NOT EXISTS passage_vocab_%lld USING "
             "fts5vocab('passage_fts_%lld', 'row')",
             (long long)n, (long long)n, (long long)n);
    return sql_exec(c, text, detail);
}

/* -- stems -- */

static int take_stem(void *ctx, int flags, const char *token, int len, int start, int end)
{
    (void)flags;
    (void)start;
    (void)end;
    struct stem *s = ctx;
    s->tokens++;
    s->len = len < STEM_BYTES_MAX ? (size_t)len : 0;
    memcpy(s->text, token, s->len);
    return SQLITE_OK;
}

static void make_stem(struct store_conn *c, struct str word, struct stem *out)
{
    *out = (struct stem){.len = 0};
    if (word.len < STEM_BYTES_MAX)
        c->stemmer_methods.xTokenize(c->stemmer, out, FTS5_TOKENIZE_QUERY, word.p, (int)word.len,
                                     take_stem);
}

/* A word whose stem is `stem`. A query is stemmed again, and the stem of a stem may be another
 * ("purchas" gives "purcha"), so an ending that Porter takes off is put on where needed. */
static bool word_of_stem(struct store_conn *c, struct str stem, struct buf *out)
{
    static const char *const endings[] = {"", "e", "es", "s", "ed", "ing", "ion", "y"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char text[STEM_BYTES_MAX + 4];
        struct stem again;
        int len = snprintf(text, sizeof(text), "%.*s%s", STR_FMT(stem), endings[i]);
        make_stem(c, str_n(text, (size_t)len), &again);
        if (again.tokens == 1 && search_stem_eq(&again, stem.p, stem.len)) {
            buf_put(out, text, (size_t)len);
            return true;
        }
    }
    return false;
}

/* -- nearest spelling -- */

static bool has_digit(const struct stem *s)
{
    for (size_t i = 0; i < s->len; i++) {
        if (s->text[i] >= '0' && s->text[i] <= '9')
            return true;
    }
    return false;
}

static bool wants_near(const struct word *w)
{
    return !w->weak && !w->meant && !w->phrase && !w->known && w->stem.tokens == 1 &&
           !has_digit(&w->stem); /* 1973 is not nearly 1972 */
}

static void find_near(const struct lexicon *l, struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct word *w = &words[i];
        if (wants_near(w))
            w->near_count =
                lexicon_nearest(l, str_n(w->stem.text, w->stem.len), NEAR_DICE_MIN, w->near);
    }
}

/* -- the query -- */

static void find_known(const struct lexicon *l, struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct word *w = &words[i];
        if (w->phrase || w->stem.tokens != 1)
            continue;
        w->docs = lexicon_docs(l, str_n(w->stem.text, w->stem.len));
        w->known = w->docs > 0;
    }
    for (size_t i = count; i-- > 1;) {
        if (words[i].weak && (words[i].known || words[i].meant))
            words[i - 1].meant = true;
    }
}

/* Letters, digits and anything beyond ASCII; a space makes a phrase. Nothing else gets between the
 * quotes, so no word can be FTS5 syntax. */
static bool word_ok(struct str w, bool *phrase)
{
    bool any = false;
    *phrase = false;
    for (size_t i = 0; i < w.len; i++) {
        unsigned char ch = (unsigned char)w.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch >= 0x80;
        if (ch == ' ')
            *phrase = true;
        else if (letter || (ch >= '0' && ch <= '9'))
            any = true;
        else
            return false;
    }
    return any && w.len < STORE_SEARCH_WORD_BYTES_MAX;
}

static void put_term(struct buf *match, struct rank_plan *plan, const char *columns,
                     struct str word, int64_t docs)
{
    ASSERT(plan->count < SEARCH_PHRASES_MAX);
    plan->phrases[plan->count].factor = columns[0] ? WEAK_SHARE : 1;
    plan->phrases[plan->count++].docs = docs;
    if (match->len)
        buf_put_str(match, STR(" OR "));
    buf_put_str(match, str_of(columns));
    buf_put_byte(match, '"');
    buf_put_str(match, word);
    buf_put_byte(match, '"');
}

static bool is_repeated(const struct word *words, size_t count, size_t i)
{
    for (size_t k = 0; k < count; k++) {
        bool other = words[k].weak ? k < i : k != i;
        if (other && !words[k].phrase &&
            search_stem_eq(&words[k].stem, words[i].stem.text, words[i].stem.len))
            return true;
    }
    return false;
}

/* The words joined by OR. Another word for a word is looked for in titles and questions, so it is
 * not known how often it is there; nor is a phrase. */
static void build_match(struct store_conn *c, const struct lexicon *lexicon,
                        const struct word *words, size_t count, struct buf *match,
                        struct rank_plan *plan)
{
    struct buf text;
    buf_init(&text, STEM_BYTES_MAX + 4);
    for (size_t i = 0; i < count; i++) {
        const struct word *w = &words[i];
        if (w->weak && (!w->known || is_repeated(words, count, i)))
            continue;
        if (w->phrase || w->known || w->near_count == 0)
            put_term(match, plan, w->weak ? "{title questions} : " : "", w->text,
                     w->weak || !w->known ? -1 : w->docs);
        for (size_t j = 0; j < w->near_count; j++) {
            buf_reset(&text);
            if (word_of_stem(c, w->near[j].term, &text))
                put_term(match, plan, "", buf_str(&text), lexicon_docs(lexicon, w->near[j].term));
        }
    }
    buf_fini(&text);
}

/* -- searching -- */

static enum err run_match(struct store_conn *c, int64_t n, struct str match, struct store_req *r)
{
    char text[2 * TABLE_SQL_MAX];
    size_t most = r->k > CANDIDATES ? r->k : CANDIDATES;
    snprintf(text, sizeof(text),
             "SELECT p.id, p.business_id, p.document_id, p.title, p.content, p.category, "
             "p.questions, p.metadata, p.position, p.created_at, -f.rank, p.external_id "
             "FROM "
             "(SELECT rowid AS n, rank FROM passage_fts_%lld WHERE passage_fts_%lld MATCH ? "
             "AND rank MATCH 'callee_rank()' ORDER BY rank LIMIT ?) f "
             "JOIN passage p ON p.n = f.n ORDER BY f.rank, p.n",
             (long long)n, (long long)n);
    struct sql q;
    sql_begin_once(&q, c, text);
    sql_text(&q, match);
    sql_int(&q, (int64_t)most);
    r->hits = arena_alloc(&r->mem, most * sizeof(*r->hits));
    while (r->hits_count < most && sql_row(&q)) {
        r->hits[r->hits_count++] = (struct passage_hit){
            .passage = {.id = sql_get_text(&q, 0, &r->mem),
                        .business_id = sql_get_text(&q, 1, &r->mem),
                        .document_id = sql_get_text(&q, 2, &r->mem),
                        .title = sql_get_text(&q, 3, &r->mem),
                        .content = sql_get_text(&q, 4, &r->mem),
                        .category = sql_get_text(&q, 5, &r->mem),
                        .questions = sql_get_text(&q, 6, &r->mem),
                        .metadata = sql_get_text(&q, 7, &r->mem),
                        .position = sql_get_int(&q, 8),
                        .created_at_ms = sql_get_int(&q, 9),
                        .external_id = sql_get_text(&q, 11, &r->mem)},
            .score = sql_get_real(&q, 10),
        };
    }
    return sql_end(&q, &r->detail);
}

/* The request's terms. One that is there already says nothing more. */
static size_t read_words(struct store_conn *c, const struct store_req *r, struct word *words)
{
    size_t count = 0;
    for (size_t i = 0; i < r->words_count; i++) {
        struct word *w = &words[count];
        *w = (struct word){.text = r->words[i]};
        w->weak = str_starts(w->text, STR("~"));
        if (w->weak)
            w->text = str_slice(w->text, 1, w->text.len);
        if (!word_ok(w->text, &w->phrase))
            continue;
        if (!w->phrase)
            make_stem(c, w->text, &w->stem);
        count++;
    }
    return count;
}

/* -- the business's stems -- */

static enum err read_lexicon(struct store_conn *c, int64_t n, struct lexicon *l,
                             struct err_detail *detail)
{
    char text[TABLE_SQL_MAX];
    struct sql q;
    snprintf(text, sizeof(text), "SELECT term, doc FROM passage_vocab_%lld", (long long)n);
    sql_begin_once(&q, c, text);
    while (sql_row(&q)) {
        const char *term = (const char *)sqlite3_column_text(q.statement, 0);
        size_t len = (size_t)sqlite3_column_bytes(q.statement, 0);
        if (term)
            lexicon_add(l, str_n(term, len), sql_get_int(&q, 1));
    }
    return sql_end(&q, detail);
}

/* The one at hand, or a new one. */
static enum err get_lexicon(struct store_conn *c, int64_t n, int64_t version, struct kept **out,
                            struct err_detail *detail)
{
    char text[TABLE_SQL_MAX];
    struct sql q;
    *out = keep_get(c->keep, n, KEPT_LEXICON, version);
    if (*out)
        return OK;
    snprintf(text, sizeof(text), "SELECT count(*) FROM passage_fts_%lld_docsize", (long long)n);
    sql_begin_once(&q, c, text);
    int64_t passages = sql_row(&q) ? sql_get_int(&q, 0) : 0;
    enum err e = sql_end(&q, detail);
    if (e != OK)
        return e;
    struct lexicon *l = lexicon_new(n, version, passages);
    e = read_lexicon(c, n, l, detail);
    *out = lexicon_finish(l);
    if (e == OK) {
        keep_put(c->keep, *out);
        return OK;
    }
    kept_release(*out);
    *out = NULL;
    return e;
}

static enum err search(struct store_conn *c, int64_t n, const struct lexicon *lexicon,
                       struct word *words, size_t count, struct store_req *r)
{
    find_known(lexicon, words, count);
    find_near(lexicon, words, count);
    struct buf match;
    size_t most = (size_t)SEARCH_PHRASES_MAX * (STEM_BYTES_MAX + 32);
    buf_init(&match, most);
    c->plan = arena_alloc(&r->mem, sizeof(*c->plan));
    build_match(c, lexicon, words, count, &match, c->plan);
    enum err e = match.len ? run_match(c, n, buf_str(&match), r) : OK;
    c->plan = NULL;
    buf_fini(&match);
    if (e == OK)
        search_rank(c, lexicon, words, count, r);
    return e;
}

enum err sqlite_search(struct store_conn *c, struct store_req *r)
{
    int64_t n = 0, version = 0;
    enum err e = sqlite_business_version(c, r->business_id, &n, &version, &r->detail);
    if (e != OK)
        return e;
    struct word *words = arena_alloc(&r->mem, (r->words_count + 1) * sizeof(*words));
    size_t count = read_words(c, r, words);
    if (count == 0 || r->k == 0)
        return OK;
    struct kept *lexicon = NULL;
    e = get_lexicon(c, n, version, &lexicon, &r->detail);
    if (e == OK)
        e = search(c, n, lexicon_of(lexicon), words, count, r);
    kept_release(lexicon);
    return e;
}
