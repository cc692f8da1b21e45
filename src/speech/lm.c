#include "speech/lm.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"

enum { ORDER = 3, BEGIN = 0, END = 1, SLOTS_FIRST = 1024 };
#define NONE UINT32_MAX

static const double LM_DISCOUNT = 0.5;

struct lm_gram {
    uint32_t w[ORDER]; /* NONE behind the end of the sentence */
    uint32_t count;
};

/* One n-gram of the model: counted, then its probability and back-off weight. */
struct node {
    uint32_t w[ORDER];
    double count;
    double p;
    double backoff;
};

struct model {
    struct node *n[ORDER]; /* uni-, bi- and trigrams, each sorted by words */
    size_t count[ORDER];
};

static uint32_t hash(struct str s)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h;
}

const char *lm_word(const struct lm *m, uint32_t id)
{
    ASSERT(id < m->word_count);
    return m->text.p + m->word_offset[id];
}

static uint32_t find_slot(const struct lm *m, struct str word)
{
    uint32_t i = hash(word) & (m->slot_count - 1);
    while (m->slots[i] != 0 && !str_eq(str_of(lm_word(m, m->slots[i] - 1)), word))
        i = (i + 1) & (m->slot_count - 1);
    return i;
}

uint32_t lm_find(const struct lm *m, struct str word)
{
    uint32_t id = m->slots[find_slot(m, word)];
    return id == 0 ? NONE : id - 1;
}

static void rehash(struct lm *m)
{
    mem_free(m->slots);
    m->slot_count = m->slot_count ? m->slot_count * 2 : SLOTS_FIRST;
    m->slots = mem_zalloc(m->slot_count * sizeof(*m->slots));
    for (uint32_t id = 0; id < m->word_count; id++)
        m->slots[find_slot(m, str_of(lm_word(m, id)))] = id + 1;
}

static uint32_t intern(struct lm *m, struct str word)
{
    uint32_t slot = find_slot(m, word);
    if (m->slots[slot] != 0)
        return m->slots[slot] - 1;
    if (m->word_count >= LM_WORDS_MAX) {
        m->full = true;
        return NONE;
    }
    if (m->word_count == m->word_cap) {
        m->word_cap = m->word_cap ? m->word_cap * 2 : 256;
        m->word_offset = mem_realloc(m->word_offset, m->word_cap * sizeof(*m->word_offset));
    }
    m->word_offset[m->word_count] = (uint32_t)m->text.len;
    FAULTS_OFF();
    buf_put_str(&m->text, word);
    buf_put_byte(&m->text, '\0');
    FAULTS_ON();
    ASSERT(buf_ok(&m->text));
    m->slots[slot] = ++m->word_count;
    if (m->word_count * 2 > m->slot_count)
        rehash(m);
    return m->word_count - 1;
}

void lm_init(struct lm *m)
{
    *m = (struct lm){0};
    buf_init(&m->text, (size_t)LM_WORDS_MAX * (LM_WORD_BYTES_MAX + 1));
    rehash(m);
    intern(m, STR("<s>"));
    intern(m, STR("</s>"));
}

void lm_fini(struct lm *m)
{
    buf_fini(&m->text);
    mem_free(m->word_offset);
    mem_free(m->slots);
    mem_free(m->grams);
    *m = (struct lm){0};
}

static void push(struct lm *m, const uint32_t w[ORDER], uint32_t weight)
{
    if (m->gram_count == m->gram_cap) {
        m->gram_cap = m->gram_cap ? m->gram_cap * 2 : 1024;
        m->grams = mem_realloc(m->grams, m->gram_cap * sizeof(*m->grams));
    }
    m->grams[m->gram_count++] = (struct lm_gram){{w[0], w[1], w[2]}, weight};
}

void lm_add(struct lm *m, struct str words, uint32_t weight)
{
    ASSERT(weight > 0);
    uint32_t w[ORDER] = {NONE, NONE, BEGIN};
    size_t taken = 0;
    while (words.p) {
        struct str word = str_take_until(&words, ' ');
        if (word.len == 0)
            continue;
        uint32_t id = NONE;
        if (word.len <= LM_WORD_BYTES_MAX && m->gram_count + 2 < LM_TOKENS_MAX)
            id = intern(m, word);
        else
            m->full = true;
        if (id == NONE)
            continue;
        w[0] = w[1];
        w[1] = w[2];
        w[2] = id;
        if (w[0] != NONE)
            push(m, w, weight);
        taken++;
    }
    if (taken == 0)
        return;
    /* Positions near the end: (before last, last, </s>), (last, </s>, -), (</s>, -, -). */
    const uint32_t tail[5] = {w[1], w[2], END, NONE, NONE};
    for (size_t i = 0; i < ORDER; i++) {
        if (tail[i] != NONE)
            push(m, tail + i, weight);
    }
}

static int compare_words(const uint32_t *a, const uint32_t *b, size_t order)
{
    for (size_t i = 0; i < order; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

static int compare_grams(const void *a, const void *b)
{
    return compare_words(((const struct lm_gram *)a)->w, ((const struct lm_gram *)b)->w, ORDER);
}

/* A copy of the grams, sorted, with the skipped words closed up. */
static struct lm_gram *sorted_grams(const struct lm *m, const bool *skip, size_t *count)
{
    struct lm_gram *g = mem_alloc((m->gram_count + 1) * sizeof(*g));
    size_t n = 0;
    for (size_t i = 0; i < m->gram_count; i++) {
        struct lm_gram x = m->grams[i];
        bool skipped = skip && skip[x.w[0]];
        if (skipped)
            continue;
        /* A word that cannot be recognised ends the history: what follows is unknown. */
        for (size_t k = 1; k < ORDER; k++) {
            if (x.w[k - 1] == NONE || (skip && x.w[k] != NONE && skip[x.w[k]]))
                x.w[k] = NONE;
        }
        g[n++] = x;
    }
    qsort(g, n, sizeof(*g), compare_grams);
    *count = n;
    return g;
}

static struct node *find_node(const struct model *md, size_t order, const uint32_t *w)
{
    size_t low = 0, high = md->count[order - 1];
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = compare_words(w, md->n[order - 1][mid].w, order);
        if (c == 0)
            return &md->n[order - 1][mid];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static void count_nodes(struct model *md, const struct lm_gram *g, size_t gram_count)
{
    for (size_t order = 1; order <= ORDER; order++) {
        struct node *n = mem_zalloc((gram_count + 1) * sizeof(*n));
        size_t count = 0;
        for (size_t i = 0; i < gram_count; i++) {
            if (g[i].w[order - 1] == NONE)
                continue;
            if (count == 0 || compare_words(n[count - 1].w, g[i].w, order) != 0) {
                memcpy(n[count].w, g[i].w, sizeof(n[count].w));
                count++;
            }
            n[count - 1].count += g[i].count;
        }
        md->n[order - 1] = n;
        md->count[order - 1] = count;
    }
}

/*
 * p(w | h) = (c(hw) - D) / c(h) for what was seen; the mass left over is spread by the shorter
 * model, so the back-off weight of h is (1 - sum of seen p) / (1 - sum of their shorter p).
 */
static void discount(struct model *md, size_t order)
{
    struct node *n = md->n[order - 1];
    size_t count = md->count[order - 1];
    for (size_t i = 0; i < count;) {
        double total = 0, seen = 0, lower = 0;
        size_t end = i;
        for (; end < count && compare_words(n[end].w, n[i].w, order - 1) == 0; end++)
            total += n[end].count;
        for (size_t k = i; k < end; k++) {
            n[k].p = (n[k].count - LM_DISCOUNT) / total;
            seen += n[k].p;
            const struct node *shorter = find_node(md, order - 1, n[k].w + 1);
            ASSERT(shorter);
            lower += shorter->p;
        }
        struct node *history = find_node(md, order - 1, n[i].w);
        ASSERT(history);
        history->backoff = (1 - seen) / (1 - lower > 1e-6 ? 1 - lower : 1e-6);
        i = end;
    }
}

static void estimate(struct model *md)
{
    double total = 0;
    for (size_t i = 0; i < md->count[0]; i++) {
        if (md->n[0][i].w[0] != BEGIN)
            total += md->n[0][i].count;
    }
    for (size_t i = 0; i < md->count[0]; i++)
        md->n[0][i].p = md->n[0][i].w[0] == BEGIN ? 0 : md->n[0][i].count / total;
    discount(md, 2);
    discount(md, 3);
}

static double log_or(double value, double floor_log)
{
    return value > 1e-9 ? log10(value) : floor_log;
}

static void write_model(const struct lm *m, const struct model *md, struct buf *out)
{
    buf_put_str(out, STR("\\data\\\n"));
    for (size_t o = 0; o < ORDER; o++)
        buf_printf(out, "ngram %zu=%zu\n", o + 1, md->count[o]);
    for (size_t o = 0; o < ORDER; o++) {
        buf_printf(out, "\n\\%zu-grams:\n", o + 1);
        for (size_t i = 0; i < md->count[o]; i++) {
            const struct node *n = &md->n[o][i];
            bool begin = o == 0 && n->w[0] == BEGIN;
            buf_printf(out, "%.4f", begin ? -99.0 : log_or(n->p, -9.0));
            for (size_t k = 0; k <= o; k++)
                buf_printf(out, " %s", lm_word(m, n->w[k]));
            if (o + 1 < ORDER)
                buf_printf(out, " %.4f", n->backoff > 0 ? fmin(log_or(n->backoff, -9.0), 2) : 0.0);
            buf_put_byte(out, '\n');
        }
    }
    buf_put_str(out, STR("\n\\end\\\n"));
}

enum err lm_write_arpa(const struct lm *m, const bool *skip, struct buf *out)
{
    size_t gram_count;
    struct lm_gram *g = sorted_grams(m, skip, &gram_count);
    struct model md = {0};
    count_nodes(&md, g, gram_count);
    bool empty = md.count[0] <= 2; /* the sentence marks alone */
    if (!empty) {
        estimate(&md);
        write_model(m, &md, out);
    }
    for (size_t o = 0; o < ORDER; o++)
        mem_free(md.n[o]);
    mem_free(g);
    if (empty)
        return ERR_INVALID;
    return buf_ok(out) ? OK : ERR_LIMIT;
}
