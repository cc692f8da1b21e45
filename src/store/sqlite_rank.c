#include "store/sqlite_rank.h"

#include <math.h>
#include <string.h>

enum { STEMS_MAX = 400 }; /* different ones of a passage that are looked at */
/* Chosen on questions nobody had written into the passages. */
#define WEAK_STRENGTH   0.6 /* of another word for a word */
#define UNKNOWN_WEIGHT  1.0 /* of a word the business has never used */
#define LIKENESS_WEIGHT 8.0
#define LIKENESS_POWER  2.0

bool search_stem_eq(const struct stem *a, const char *text, size_t len)
{
    return a->len == len && a->text[0] == text[0] && memcmp(a->text, text, len) == 0;
}

/* -- how much of the question a passage answers -- */

/* The unique stems of a text. */
struct stems {
    struct stem *items;
    size_t count;
};

static int collect_token(void *ctx, int flags, const char *token, int len, int start, int end)
{
    (void)flags;
    (void)start;
    (void)end;
    struct stems *s = ctx;
    if (len <= 0 || len >= STEM_BYTES_MAX || s->count == STEMS_MAX)
        return SQLITE_OK;
    for (size_t i = 0; i < s->count; i++) {
        if (search_stem_eq(&s->items[i], token, (size_t)len))
            return SQLITE_OK;
    }
    struct stem *stem = &s->items[s->count++];
    stem->len = (size_t)len;
    memcpy(stem->text, token, stem->len);
    return SQLITE_OK;
}

static void collect(struct store_conn *c, struct str text, struct stems *s)
{
    c->stemmer_methods.xTokenize(c->stemmer, s, FTS5_TOKENIZE_DOCUMENT, text.p, (int)text.len,
                                 collect_token);
}

static bool has_term(const struct stems *s, struct str term)
{
    for (size_t i = 0; i < s->count; i++) {
        if (search_stem_eq(&s->items[i], term.p, term.len))
            return true;
    }
    return false;
}

static bool has_stem(const struct stems *s, const struct stem *stem)
{
    return has_term(s, str_n(stem->text, stem->len));
}

/* How well a text speaks of the word: itself, a near spelling, another word for it, or not. */
static double strength(const struct word *w, const struct word *end, const struct stems *s)
{
    if (w->known && has_stem(s, &w->stem))
        return 1;
    for (size_t j = 0; j < w->near_count; j++) {
        if (has_term(s, w->near[j].term))
            return w->near[j].dice;
    }
    for (const struct word *other = w + 1; other < end && other->weak; other++) {
        if (other->known && has_stem(s, &other->stem))
            return WEAK_STRENGTH;
    }
    return 0;
}

static void count_matches(struct store_conn *c, const struct word *words, size_t count,
                          struct stems *s, struct passage_hit *hit)
{
    s->count = 0;
    collect(c, hit->passage.title, s);
    collect(c, hit->passage.questions, s);
    collect(c, hit->passage.content, s);
    for (size_t i = 0; i < count; i++) {
        if (words[i].phrase || words[i].weak)
            continue;
        hit->expected++;
        hit->matched += strength(&words[i], words + count, s) > 0;
    }
}

/* -- which of a passage's own questions is like the one asked -- */

struct asking {
    struct store_conn *c;
    const struct lexicon *lexicon;
    const struct word *words;
    size_t count;
    struct stems stems;
};

static double idf_of(const struct asking *a, int64_t docs)
{
    return log(((double)lexicon_passages(a->lexicon) + 1) / ((double)docs + 0.5));
}

static double stem_idf(const struct asking *a, const struct stem *stem)
{
    return idf_of(a, lexicon_docs(a->lexicon, str_n(stem->text, stem->len)));
}

/* What a word of the question weighs: rare ones more. Nobody knows what an unknown one means. */
static double weight(const struct asking *a, const struct word *w)
{
    int64_t docs = w->known ? w->docs : 0;
    const struct word *end = a->words + a->count;
    for (const struct word *other = w + 1; !w->known && other < end && other->weak; other++)
        docs = other->docs > docs ? other->docs : docs;
    return docs > 0 ? idf_of(a, docs) : UNKNOWN_WEIGHT;
}

/* 0 to 1: the weight of what both say against that of what either says. */
static double likeness(struct asking *a, struct str line)
{
    double both = 0, asked = 0, line_all = 0;
    a->stems.count = 0;
    collect(a->c, line, &a->stems);
    for (size_t i = 0; i < a->count; i++) {
        const struct word *w = &a->words[i];
        if (w->phrase || w->weak)
            continue;
        double worth = weight(a, w);
        asked += worth;
        both += worth * strength(w, a->words + a->count, &a->stems);
    }
    if (both <= 0)
        return 0;
    for (size_t i = 0; i < a->stems.count; i++)
        line_all += stem_idf(a, &a->stems.items[i]);
    double like = both / sqrt(asked * (line_all > both ? line_all : both));
    return like < 1 ? like : 1;
}

static double best_likeness(struct asking *a, const struct passage *p)
{
    struct str rest = p->questions;
    double best = likeness(a, p->title);
    while (rest.p) {
        struct str line = str_take_until(&rest, '\n');
        double like = line.len ? likeness(a, line) : 0;
        best = like > best ? like : best;
    }
    return best;
}

/* A question that is nearly the same outweighs any number of words in prose. */
static double likeness_factor(struct asking *a, const struct passage *p)
{
    return 1 + LIKENESS_WEIGHT * pow(best_likeness(a, p), LIKENESS_POWER);
}

/* Orders the candidates anew and keeps the `k` best. */
void search_rank(struct store_conn *c, const struct lexicon *lexicon, const struct word *words,
                 size_t count, struct store_req *r)
{
    struct asking a = {.c = c, .lexicon = lexicon, .words = words, .count = count};
    a.stems.items = arena_alloc(&r->mem, STEMS_MAX * sizeof(*a.stems.items));
    /* Without callers' phrasings there is nothing that BM25 has not seen already. */
    bool phrased = false;
    for (size_t i = 0; i < r->hits_count; i++)
        phrased = phrased || r->hits[i].passage.questions.len > 0;
    for (size_t i = 0; phrased && i < r->hits_count; i++)
        r->hits[i].score *= likeness_factor(&a, &r->hits[i].passage);
    for (size_t i = 1; i < r->hits_count; i++) {
        struct passage_hit hit = r->hits[i];
        size_t at = i;
        for (; at > 0 && r->hits[at - 1].score < hit.score; at--)
            r->hits[at] = r->hits[at - 1];
        r->hits[at] = hit;
    }
    r->hits_count = r->hits_count < r->k ? r->hits_count : r->k;
    for (size_t i = 0; i < r->hits_count; i++)
        count_matches(c, words, count, &a.stems, &r->hits[i]);
}
