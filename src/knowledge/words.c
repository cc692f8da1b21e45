/* Questions to words. */
#include <string.h>

#include "base/limits.h"
#include "knowledge/knowledge.h"

/* Words that say nothing about the matter, sorted; the pieces of contractions among them. Leaving
 * them out makes a search twenty times faster and no worse. */
static const char *const stop_words[] = {
    "a",       "about",      "after",     "again",      "ain",     "all",     "also",   "am",
    "an",      "and",        "any",       "anyone",     "are",     "aren",    "as",     "at",
    "be",      "because",    "been",      "before",     "being",   "between", "both",   "but",
    "by",      "can",        "cannot",    "could",      "couldn",  "did",     "didn",   "do",
    "does",    "doesn",      "doing",     "don",        "during",  "each",    "er",     "few",
    "for",     "from",       "further",   "had",        "hadn",    "has",     "hasn",   "have",
    "haven",   "having",     "he",        "hello",      "her",     "here",    "hers",   "herself",
    "hey",     "hi",         "him",       "himself",    "his",     "how",     "i",      "if",
    "in",      "into",       "is",        "isn",        "it",      "its",     "itself", "just",
    "let",     "like",       "may",       "maybe",      "me",      "might",   "more",   "most",
    "mustn",   "my",         "myself",    "need",       "no",      "nor",     "not",    "of",
    "off",     "oh",         "okay",      "on",         "once",    "only",    "or",     "other",
    "ought",   "our",        "ours",      "ourselves",  "out",     "over",    "own",    "please",
    "same",    "shan",       "she",       "should",     "shouldn", "so",      "some",   "such",
    "tell",    "than",       "thank",     "thanks",     "that",    "the",     "their",  "theirs",
    "them",    "themselves", "then",      "there",      "these",   "they",    "this",   "those",
    "through", "to",         "too",       "uh",         "um",      "under",   "until",  "up",
    "very",    "want",       "was",       "wasn",       "we",      "were",    "weren",  "what",
    "when",    "where",      "which",     "while",      "who",     "whom",    "why",    "will",
    "with",    "won",        "wondering", "would",      "wouldn",  "yeah",    "yes",    "you",
    "your",    "yours",      "yourself",  "yourselves",
};

static bool is_stop_word(struct str w)
{
    size_t low = 0, high = sizeof(stop_words) / sizeof(stop_words[0]);
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *s = stop_words[middle];
        size_t len = strlen(s);
        int order = memcmp(w.p, s, w.len < len ? w.len : len);
        if (order == 0 && w.len == len)
            return true;
        if (order < 0 || (order == 0 && w.len < len))
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* What stands behind an apostrophe and is no word of its own. */
static bool is_contraction(struct str w)
{
    static const char *const tails[] = {"s", "t", "d", "m", "ll", "re", "ve", "em"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        if (str_eq(w, str_of(tails[i])))
            return true;
    }
    return false;
}

enum kind { SPACE, LETTER, APOSTROPHE, JOINER };

/* The kind of the character at `i` and its length. Beyond ASCII only the punctuation blocks of
 * Latin-1 (U+0080..00BF) and general punctuation (U+2000..206F) are not letters. */
static enum kind kind_at(struct str s, size_t i, size_t *len)
{
    unsigned char c = (unsigned char)s.p[i];
    *len = 1;
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return LETTER;
    if (c == '\'')
        return APOSTROPHE;
    if (c < 0x80)
        return c != '\0' && strchr("&/+-.,:@#_", c) ? JOINER : SPACE;
    if (c == 0xc2 && s.len - i >= 2) {
        *len = 2;
        return SPACE;
    }
    if (c == 0xe2 && s.len - i >= 3 && ((unsigned char)s.p[i + 1] & 0xfe) == 0x80) {
        *len = 3;
        bool quote = s.p[i + 1] == (char)0x80 && s.p[i + 2] == (char)0x99;
        return quote ? APOSTROPHE : SPACE;
    }
    return LETTER;
}

struct words {
    struct arena *mem;
    struct str *items;
    size_t count;
};

static void add(struct words *w, struct str word)
{
    if (word.len == 0 || word.len >= STORE_SEARCH_WORD_BYTES_MAX ||
        w->count == STORE_SEARCH_WORDS_MAX)
        return;
    for (size_t i = 0; i < w->count; i++) {
        if (str_eq(w->items[i], word))
            return;
    }
    w->items[w->count++] = str_n(arena_strndup(w->mem, word.p, word.len), word.len);
}

/* One run of characters without a space: "boots", "what's", "refund-policy", "24/7". Parts that
 * stand together are searched together too, as a phrase; that is how AT&T is found. */
static void add_chunk(struct words *w, struct str chunk)
{
    char phrase[STORE_SEARCH_WORD_BYTES_MAX];
    struct str parts[8];
    size_t count = 0, phrase_len = 0;
    bool phrase_fits = true;
    enum kind before = SPACE;
    for (size_t i = 0; i < chunk.len && count < 8;) {
        size_t len, start = i;
        enum kind k = kind_at(chunk, i, &len);
        if (k != LETTER) {
            before = k;
            i += len;
            continue;
        }
        while (i < chunk.len && kind_at(chunk, i, &len) == LETTER)
            i += len;
        struct str part = str_slice(chunk, start, i);
        if (before == APOSTROPHE && count > 0 && is_contraction(part))
            continue;
        parts[count++] = part;
        phrase_fits = phrase_fits && phrase_len + part.len + 1 < sizeof(phrase);
        if (phrase_fits) {
            if (phrase_len)
                phrase[phrase_len++] = ' ';
            memcpy(phrase + phrase_len, part.p, part.len);
            phrase_len += part.len;
        }
    }
    if (count > 1 && phrase_fits)
        add(w, str_n(phrase, phrase_len));
    for (size_t i = 0; i < count; i++) {
        if (!is_stop_word(parts[i]) && (count == 1 || parts[i].len > 1))
            add(w, parts[i]);
    }
}

size_t knowledge_words(struct arena *mem, struct str question, struct str *out)
{
    struct words w = {mem, out, 0};
    size_t n = question.len < KNOWLEDGE_QUERY_BYTES_MAX ? question.len : KNOWLEDGE_QUERY_BYTES_MAX;
    char *lower = arena_strndup(mem, question.p, n);
    for (size_t i = 0; i < n; i++) {
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] - 'A' + 'a');
    }
    struct str text = str_n(lower, n);
    for (size_t i = 0; i < n;) {
        size_t len, start = i;
        if (kind_at(text, i, &len) == SPACE) {
            i += len;
            continue;
        }
        while (i < n && kind_at(text, i, &len) != SPACE)
            i += len;
        add_chunk(&w, str_slice(text, start, i));
    }
    return w.count;
}
