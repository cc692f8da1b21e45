#include "store/lexicon.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

enum { NEAR_LENGTH_MIN = 3 }; /* shorter words have too few letter pairs to compare */

struct lexeme {
    uint32_t at, docs;
    uint8_t len;
};

struct lexicon {
    struct kept kept; /* first: a struct kept is cast back to its lexicon */
    int64_t passages;
    size_t count, room;
    struct lexeme *items;
    uint64_t *pairs; /* of each, which letter pairs it has, folded into 64 bits */
    struct buf text; /* all stems, one behind the other */
    uint32_t *slots; /* open addressing: index of a lexeme and one, 0 = free */
    size_t slots_count;
};

static void lexicon_free(struct kept *k)
{
    struct lexicon *l = (struct lexicon *)k;
    buf_fini(&l->text);
    mem_free(l->items);
    mem_free(l->pairs);
    mem_free(l->slots);
    mem_free(l);
}

struct lexicon *lexicon_new(int64_t business, int64_t version, int64_t passages)
{
    struct lexicon *l = mem_zalloc(sizeof(*l));
    kept_init(&l->kept, business, KEPT_LEXICON, version, lexicon_free);
    l->passages = passages;
    buf_init(&l->text, (size_t)STORE_VOCABULARY_MAX * LEXICON_TERM_BYTES_MAX);
    return l;
}

static uint64_t pairs_of(struct str s)
{
    uint64_t bits = 0;
    unsigned char before = '^';
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bits |= UINT64_C(1) << ((before * 31u + c) * 0x9e3779b1u >> 26);
        before = c;
    }
    return bits;
}

void lexicon_add(struct lexicon *l, struct str term, int64_t docs)
{
    if (term.len == 0 || term.len >= LEXICON_TERM_BYTES_MAX || l->count == STORE_VOCABULARY_MAX)
        return;
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 1024;
        l->items = mem_realloc(l->items, l->room * sizeof(*l->items));
        l->pairs = mem_realloc(l->pairs, l->room * sizeof(*l->pairs));
    }
    l->pairs[l->count] = pairs_of(term);
    l->items[l->count++] = (struct lexeme){.at = (uint32_t)l->text.len,
                                           .len = (uint8_t)term.len,
                                           .docs = (uint32_t)(docs < UINT32_MAX ? docs : 0)};
    buf_put_str(&l->text, term);
}

static struct str term_of(const struct lexicon *l, size_t i)
{
    return str_n(l->text.p + l->items[i].at, l->items[i].len);
}

/* FNV-1a. */
static size_t hash(struct str s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

struct kept *lexicon_finish(struct lexicon *l)
{
    ASSERT(buf_ok(&l->text) && !l->slots);
    l->slots_count = 16;
    while (l->slots_count < 2 * l->count)
        l->slots_count *= 2;
    l->slots = mem_zalloc(l->slots_count * sizeof(*l->slots));
    for (size_t i = 0; i < l->count; i++) {
        size_t at = hash(term_of(l, i)) & (l->slots_count - 1);
        while (l->slots[at])
            at = (at + 1) & (l->slots_count - 1);
        l->slots[at] = (uint32_t)(i + 1);
    }
    l->kept.bytes = sizeof(*l) + l->text.cap + l->slots_count * sizeof(*l->slots) +
                    l->room * (sizeof(*l->items) + sizeof(*l->pairs));
    return &l->kept;
}

const struct lexicon *lexicon_of(const struct kept *k)
{
    ASSERT(k->kind == KEPT_LEXICON);
    return (const struct lexicon *)k;
}

int64_t lexicon_passages(const struct lexicon *l)
{
    return l->passages;
}

int64_t lexicon_docs(const struct lexicon *l, struct str stem)
{
    size_t at = hash(stem) & (l->slots_count - 1);
    for (; l->slots[at]; at = (at + 1) & (l->slots_count - 1)) {
        size_t i = l->slots[at] - 1;
        if (str_eq(term_of(l, i), stem))
            return l->items[i].docs;
    }
    return 0;
}

/* 2 * common pairs / all pairs. */
static double dice(struct str a, struct str b)
{
    bool used[LEXICON_TERM_BYTES_MAX] = {false};
    size_t common = 0;
    for (size_t i = 0; i < a.len; i++) {
        char a0 = i ? a.p[i - 1] : '^';
        for (size_t j = 0; j < b.len; j++) {
            char b0 = j ? b.p[j - 1] : '^';
            if (!used[j] && a.p[i] == b.p[j] && a0 == b0) {
                used[j] = true;
                common++;
                break;
            }
        }
    }
    return 2.0 * (double)common / (double)(a.len + b.len);
}

static size_t bits_in(uint64_t bits)
{
    return (size_t)__builtin_popcountll(bits);
}

static void consider(struct lexicon_near near[LEXICON_NEAR_MAX], size_t *count,
                     struct lexicon_near found)
{
    size_t at = *count;
    while (at > 0 && near[at - 1].dice < found.dice)
        at--;
    if (at == LEXICON_NEAR_MAX)
        return;
    if (*count < LEXICON_NEAR_MAX)
        ++*count;
    memmove(&near[at + 1], &near[at], (*count - 1 - at) * sizeof(near[0]));
    near[at] = found;
}

size_t lexicon_nearest(const struct lexicon *l, struct str stem, double least,
                       struct lexicon_near out[LEXICON_NEAR_MAX])
{
    size_t count = 0, n = stem.len;
    if (n < NEAR_LENGTH_MIN || n >= LEXICON_TERM_BYTES_MAX)
        return 0;
    uint64_t pairs = pairs_of(stem);
    size_t shared = n - bits_in(pairs); /* pairs of the stem that share their bit with another */
    for (size_t i = 0; i < l->count; i++) {
        /* The most the two can have in common: a pair whose bit the other lacks is not in it. Most
         * terms end here. */
        size_t len = l->items[i].len, most = bits_in(pairs & l->pairs[i]) + shared;
        most = most < len ? most : len;
        if (len < NEAR_LENGTH_MIN || 2.0 * (double)most < least * (double)(len + n))
            continue;
        struct lexicon_near found = {term_of(l, i), 0};
        found.dice = dice(stem, found.term);
        if (found.dice >= least)
            consider(out, &count, found);
    }
    return count;
}
