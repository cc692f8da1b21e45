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

enum {
    TABLE_SQL_MAX = 512,
    STEM_BYTES_MAX = STORE_SEARCH_WORD_BYTES_MAX,
    NEAR_MAX = 2,       /* spellings an unknown word may stand for */
    NEAR_LENGTH_MIN = 3 /* shorter words have too few letter pairs to compare */
};
#define NEAR_DICE_MIN 0.5

/* A text of the index's own form of a word. */
struct stem {
    char text[STEM_BYTES_MAX];
    size_t len;
    size_t tokens; /* how many tokens the word was; only one can be looked up */
};

struct near {
    struct stem stem;
    double dice;
};

struct word {
    struct str text;
    struct stem stem;
    uint64_t pairs; /* which letter pairs the stem has, folded into 64 bits */
    bool phrase;
    bool known;
    struct near near[NEAR_MAX]; /* best first */
    size_t near_count;
};

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

static bool stem_eq(const struct stem *a, const char *text, size_t len)
{
    return a->len == len && memcmp(a->text, text, len) == 0;
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
        if (again.tokens == 1 && stem_eq(&again, stem->text, stem->len)) {
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
    return !w->phrase && !w->known && w->stem.tokens == 1 && w->stem.len >= NEAR_LENGTH_MIN &&
           !has_digit(&w->stem); /* 1973 is not nearly 1972 */
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
    snprintf(text, sizeof(text), "SELECT 1 FROM passage_vocab_%lld WHERE term = ?", (long long)n);
    for (size_t i = 0; i < count; i++) {
        if (words[i].phrase || words[i].stem.tokens != 1)
            continue;
        struct sql q;
        sql_begin_once(&q, c, text);
        sql_text(&q, str_n(words[i].stem.text, words[i].stem.len));
        words[i].known = sql_row(&q);
        enum err e = sql_end(&q, detail);
        if (e != OK)
            return e;
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

static void put_term(struct buf *match, const char *p, size_t len)
{
    if (match->len)
        buf_put_str(match, STR(" OR "));
    buf_put_byte(match, '"');
    buf_put(match, p, len);
    buf_put_byte(match, '"');
}

static void build_match(struct store_conn *c, const struct word *words, size_t count,
                        struct buf *match)
{
    struct buf text;
    buf_init(&text, STEM_BYTES_MAX + 4);
    for (size_t i = 0; i < count; i++) {
        const struct word *w = &words[i];
        if (w->phrase || w->known || w->near_count == 0)
            put_term(match, w->text.p, w->text.len);
        for (size_t j = 0; j < w->near_count; j++) {
            buf_reset(&text);
            if (word_of_stem(c, &w->near[j].stem, &text))
                put_term(match, text.p, text.len);
        }
    }
    buf_fini(&text);
}

/* -- how much of the question a passage answers -- */

struct counting {
    const struct word *words;
    size_t count;
    bool seen[STORE_SEARCH_WORDS_MAX];
};

static int count_token(void *ctx, int flags, const char *token, int len, int start, int end)
{
    (void)flags;
    (void)start;
    (void)end;
    struct counting *k = ctx;
    for (size_t i = 0; i < k->count; i++) {
        const struct word *w = &k->words[i];
        if (k->seen[i] || w->phrase)
            continue;
        k->seen[i] = w->known && stem_eq(&w->stem, token, (size_t)len);
        for (size_t j = 0; j < w->near_count && !k->seen[i]; j++)
            k->seen[i] = stem_eq(&w->near[j].stem, token, (size_t)len);
    }
    return SQLITE_OK;
}

static void count_matches(struct store_conn *c, const struct word *words, size_t count,
                          struct passage_hit *hit)
{
    struct counting k = {.words = words, .count = count};
    const struct str parts[] = {hit->passage.title, hit->passage.questions, hit->passage.content};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        c->stemmer_methods.xTokenize(c->stemmer, &k, FTS5_TOKENIZE_DOCUMENT, parts[i].p,
                                     (int)parts[i].len, count_token);
    for (size_t i = 0; i < count; i++) {
        if (words[i].phrase)
            continue;
        hit->expected++;
        hit->matched += k.seen[i];
    }
}

/* Titles name the matter, callers' own phrasings come next (BM25 weights of the columns). */
#define WEIGHTS "bm25(2.0, 1.5, 1.0)"

static enum err run_match(struct store_conn *c, int64_t n, struct str match, struct store_req *r)
{
    char text[2 * TABLE_SQL_MAX];
    snprintf(text, sizeof(text),
             "SELECT p.id, p.business_id, p.document_id, p.title, p.content, p.category, "
             "p.questions, p.metadata, p.position, p.created_at, -f.rank FROM "
             "(SELECT rowid AS n, rank FROM passage_fts_%lld WHERE passage_fts_%lld MATCH ? "
             "AND rank MATCH '" WEIGHTS "' ORDER BY rank LIMIT ?) f "
             "JOIN passage p ON p.n = f.n ORDER BY f.rank, p.n",
             (long long)n, (long long)n);
    struct sql q;
    sql_begin_once(&q, c, text);
    sql_text(&q, match);
    sql_int(&q, (int64_t)r->k);
    r->hits = arena_alloc(&r->mem, r->k * sizeof(*r->hits));
    while (r->hits_count < r->k && sql_row(&q)) {
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
                        .created_at_ms = sql_get_int(&q, 9)},
            .score = sql_get_real(&q, 10),
        };
    }
    return sql_end(&q, &r->detail);
}

enum err sqlite_search(struct store_conn *c, struct store_req *r)
{
    int64_t n = 0;
    enum err e = sqlite_business_n(c, r->business_id, &n, &r->detail);
    if (e != OK)
        return e;
    struct word *words = arena_alloc(&r->mem, (r->words_count + 1) * sizeof(*words));
    size_t count = 0;
    for (size_t i = 0; i < r->words_count; i++) {
        struct word *w = &words[count];
        w->text = r->words[i];
        if (!word_ok(w->text, &w->phrase))
            continue;
        if (!w->phrase)
            make_stem(c, w->text, &w->stem);
        count++;
    }
    if (count == 0 || r->k == 0)
        return OK;
    e = find_known(c, n, words, count, &r->detail);
    if (e == OK)
        e = find_near(c, n, words, count, &r->detail);
    if (e != OK)
        return e;
    struct buf match;
    buf_init(&match, (size_t)STORE_SEARCH_WORDS_MAX * (NEAR_MAX + 1) * (STEM_BYTES_MAX + 16));
    build_match(c, words, count, &match);
    e = match.len ? run_match(c, n, buf_str(&match), r) : OK;
    buf_fini(&match);
    for (size_t i = 0; e == OK && i < r->hits_count; i++)
        count_matches(c, words, count, &r->hits[i]);
    return e;
}
