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

#include "base/buf.h"
#include "base/limits.h"
#include "store/sqlite.h"
#include "store/sqlite_rank.h"

enum {
    TABLE_SQL_MAX = 512,
    NEAR_LENGTH_MIN = 3, /* shorter words have too few letter pairs to compare */
    CANDIDATES = 24      /* found by BM25, then ranked with more care */
};
#define WEAK_SHARE    0.5 /* of another word for a word in the score */
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
static bool word_of_stem(struct store_conn *c, const struct stem *stem, struct buf *out)
{
    static const char *const endings[] = {"", "e", "es", "s", "ed", "ing", "ion", "y"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char text[STEM_BYTES_MAX + 4];
        struct stem again;
        int len = snprintf(text, sizeof(text), "%.*s%s", (int)stem->len, stem->text, endings[i]);
        make_stem(c, str_n(text, (size_t)len), &again);
        if (again.tokens == 1 && search_stem_eq(&again, stem->text, stem->len)) {
            buf_put(out, text, (size_t)len);
            return true;
        }
    }
    return false;
}

/* -- nearest spelling -- */

/* Dice coefficient of the letter pairs of two words, each with a mark before its first letter,
 * which makes beginnings count for more: 2 * common / all. */
static double dice(const char *a, size_t a_len, const char *b, size_t b_len)
{
    bool used[STEM_BYTES_MAX] = {false};
    size_t common = 0;
    for (size_t i = 0; i < a_len; i++) {
        char a0 = i ? a[i - 1] : '^';
        for (size_t j = 0; j < b_len; j++) {
            char b0 = j ? b[j - 1] : '^';
            if (!used[j] && a[i] == b[j] && a0 == b0) {
                used[j] = true;
                common++;
                break;
            }
        }
    }
    return 2.0 * (double)common / (double)(a_len + b_len);
}

static uint64_t pairs_of(const char *p, size_t len)
{
    uint64_t bits = 0;
    unsigned char before = '^';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        bits |= UINT64_C(1) << ((before * 31u + c) * 0x9e3779b1u >> 26);
        before = c;
    }
    return bits;
}

static size_t bits_in(uint64_t bits)
{
    return (size_t)__builtin_popcountll(bits);
}

static void consider(struct word *w, const char *term, size_t len, uint64_t pairs)
{
    size_t n = w->stem.len;
    /* The most the two can have in common: a pair whose bit the other lacks is not in it, and a
     * pair that shares its bit with another of the word may be. Most terms end here. */
    size_t most = bits_in(w->pairs & pairs) + n - bits_in(w->pairs);
    if (2.0 * (double)(most < len ? most : len) < NEAR_DICE_MIN * (double)(len + n))
        return;
    double d = dice(w->stem.text, n, term, len);
    if (d < NEAR_DICE_MIN)
        return;
    size_t at = w->near_count;
    while (at > 0 && w->near[at - 1].dice < d)
        at--;
    if (at == NEAR_MAX)
        return;
    if (w->near_count < NEAR_MAX)
        w->near_count++;
    memmove(&w->near[at + 1], &w->near[at], (w->near_count - 1 - at) * sizeof(w->near[0]));
    w->near[at].dice = d;
    w->near[at].stem = (struct stem){.len = len, .tokens = 1};
    memcpy(w->near[at].stem.text, term, len);
}

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
           w->stem.len >= NEAR_LENGTH_MIN && !has_digit(&w->stem); /* 1973 is not nearly 1972 */
}

/* One pass over the vocabulary for all unknown words of a question. */
static enum err find_near(struct store_conn *c, int64_t n, struct word *words, size_t count,
                          struct err_detail *detail)
{
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        wanted += wants_near(&words[i]);
        words[i].pairs = pairs_of(words[i].stem.text, words[i].stem.len);
    }
    if (wanted == 0)
        return OK;
    char text[TABLE_SQL_MAX];
    snprintf(text, sizeof(text), "SELECT term FROM passage_vocab_%lld LIMIT %d", (long long)n,
             STORE_VOCABULARY_MAX);
    struct sql q;
    sql_begin_once(&q, c, text);
    while (sql_row(&q)) {
        const char *term = (const char *)sqlite3_column_text(q.statement, 0);
        size_t len = (size_t)sqlite3_column_bytes(q.statement, 0);
        if (!term || len < NEAR_LENGTH_MIN || len >= STEM_BYTES_MAX)
            continue;
        uint64_t pairs = pairs_of(term, len);
        for (size_t i = 0; i < count; i++) {
            if (wants_near(&words[i]))
                consider(&words[i], term, len, pairs);
        }
    }
    return sql_end(&q, detail);
}

/* -- the query -- */

static enum err find_known(struct store_conn *c, int64_t n, struct word *words, size_t count,
                           struct err_detail *detail)
{
    char text[TABLE_SQL_MAX];
    snprintf(text, sizeof(text), "SELECT doc FROM passage_vocab_%lld WHERE term = ?", (long long)n);
    for (size_t i = 0; i < count; i++) {
        if (words[i].phrase || words[i].stem.tokens != 1)
            continue;
        struct sql q;
        sql_begin_once(&q, c, text);
        sql_text(&q, str_n(words[i].stem.text, words[i].stem.len));
        words[i].known = sql_row(&q);
        words[i].docs = words[i].known ? sql_get_int(&q, 0) : 0;
        enum err e = sql_end(&q, detail);
        if (e != OK)
            return e;
    }
    for (size_t i = count; i-- > 1;) {
        if (words[i].weak && (words[i].known || words[i].meant))
            words[i - 1].meant = true;
    }
    return OK;
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

static void put_term(struct buf *match, const char *columns, const char *p, size_t len)
{
    if (match->len)
        buf_put_str(match, STR(" OR "));
    buf_put_str(match, str_of(columns));
    buf_put_byte(match, '"');
    buf_put(match, p, len);
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

/* The words joined by OR, with or without the other words for them; true if there were any. */
static bool build_match(struct store_conn *c, const struct word *words, size_t count, bool weak,
                        struct buf *match)
{
    bool any = false;
    struct buf text;
    buf_init(&text, STEM_BYTES_MAX + 4);
    for (size_t i = 0; i < count; i++) {
        const struct word *w = &words[i];
        if (w->weak && (!weak || !w->known || is_repeated(words, count, i)))
            continue;
        any = any || w->weak;
        if (w->phrase || w->known || w->near_count == 0)
            put_term(match, w->weak ? "{title questions} : " : "", w->text.p, w->text.len);
        for (size_t j = 0; j < w->near_count; j++) {
            buf_reset(&text);
            if (word_of_stem(c, &w->near[j].stem, &text))
                put_term(match, "", text.p, text.len);
        }
    }
    buf_fini(&text);
    return any;
}

/* -- searching -- */

/* Titles name the matter, callers' own phrasings come next (BM25 weights of the columns). */
#define WEIGHTS "bm25(2.0, 1.5, 1.0)"

static enum err run_match(struct store_conn *c, int64_t n, struct str match, struct store_req *r)
{
    char text[2 * TABLE_SQL_MAX];
    size_t most = r->k > CANDIDATES ? r->k : CANDIDATES;
    snprintf(text, sizeof(text),
             "SELECT p.id, p.business_id, p.document_id, p.title, p.content, p.category, "
             "p.questions, p.metadata, p.position, p.created_at, -f.rank, p.external_id "
             "FROM "
             "(SELECT rowid AS n, rank FROM passage_fts_%lld WHERE passage_fts_%lld MATCH ? "
             "AND rank MATCH '" WEIGHTS "' ORDER BY rank LIMIT ?) f "
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

/* The other words for a word count for half: the score found with them meets that without. */
static enum err weaken(struct store_conn *c, int64_t n, struct str match, struct store_req *r)
{
    char text[TABLE_SQL_MAX];
    double own[STORE_SEARCH_RESULTS_MAX] = {0};
    snprintf(text, sizeof(text),
             "SELECT p.id, -f.rank FROM (SELECT rowid AS n, rank FROM passage_fts_%lld WHERE "
             "passage_fts_%lld MATCH ? AND rank MATCH '" WEIGHTS "') f JOIN passage p ON p.n = f.n",
             (long long)n, (long long)n);
    struct sql q;
    sql_begin_once(&q, c, text);
    sql_text(&q, match);
    struct arena mem;
    arena_init(&mem, STORE_RESULT_BYTES_MAX);
    while (sql_row(&q)) {
        struct str id = sql_get_text(&q, 0, &mem);
        for (size_t i = 0; i < r->hits_count; i++) {
            if (str_eq(r->hits[i].passage.id, id))
                own[i] = sql_get_real(&q, 1);
        }
    }
    arena_fini(&mem);
    for (size_t i = 0; i < r->hits_count; i++)
        r->hits[i].score = WEAK_SHARE * r->hits[i].score + (1 - WEAK_SHARE) * own[i];
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

enum err sqlite_search(struct store_conn *c, struct store_req *r)
{
    int64_t n = 0;
    enum err e = sqlite_business_n(c, r->business_id, &n, &r->detail);
    if (e != OK)
        return e;
    struct word *words = arena_alloc(&r->mem, (r->words_count + 1) * sizeof(*words));
    size_t count = read_words(c, r, words);
    if (count == 0 || r->k == 0)
        return OK;
    e = find_known(c, n, words, count, &r->detail);
    if (e == OK)
        e = find_near(c, n, words, count, &r->detail);
    if (e != OK)
        return e;
    struct buf match;
    size_t most = (size_t)STORE_SEARCH_TERMS_MAX * (NEAR_MAX + 1) * (STEM_BYTES_MAX + 32);
    buf_init(&match, most);
    bool weak = build_match(c, words, count, true, &match);
    e = match.len ? run_match(c, n, buf_str(&match), r) : OK;
    buf_reset(&match);
    if (e == OK && weak) {
        build_match(c, words, count, false, &match);
        e = weaken(c, n, buf_str(&match), r);
    }
    buf_fini(&match);
    return e == OK ? search_rank(c, n, words, count, r) : e;
}
