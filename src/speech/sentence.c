#include "speech/sentence.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The word that ends just before `dot` takes a dot without ending a sentence. */
static bool is_abbreviation(struct str text, size_t dot)
{
    static const char *const titles[] = {"mr", "mrs", "ms",   "dr",  "st",    "vs",
                                         "eg", "ie",  "no",   "inc", "jr",    "sr",
                                         "mt", "co",  "dept", "etc", "approx"};
    size_t start = dot;
    while (start > 0 && is_letter(text.p[start - 1]))
        start--;
    struct str word = str_slice(text, start, dot);
    if (word.len == 1 && word.p[0] >= 'A' && word.p[0] <= 'Z' && word.p[0] != 'I')
        return true;
    /* "No." ends a sentence when it is one: an answer, not "No. 7". */
    if (str_eq_nocase(word, STR("no")))
        return dot + 2 < text.len && text.p[dot + 2] >= '0' && text.p[dot + 2] <= '9';
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (str_eq_nocase(word, str_of(titles[i])))
            return true;
    }
    return false;
}

/* Index behind the sentence that starts at 0. */
static size_t sentence_end(struct str t)
{
    for (size_t i = 0; i < t.len; i++) {
        char c = t.p[i];
        if (c == '\n')
            return i + 1;
        if (c != '.' && c != '!' && c != '?')
            continue;
        size_t end = i + 1;
        while (end < t.len && (t.p[end] == '.' || t.p[end] == '!' || t.p[end] == '?' ||
                               t.p[end] == '"' || t.p[end] == '\'' || t.p[end] == ')'))
            end++;
        if (end == t.len)
            return end;
        if (!is_space(t.p[end]) || (c == '.' && is_abbreviation(t, i)))
            continue;
        size_t next = end;
        while (next < t.len && is_space(t.p[next]))
            next++;
        if (next == t.len || !(t.p[next] >= 'a' && t.p[next] <= 'z'))
            return end;
    }
    return t.len;
}

bool sentence_next(struct str *rest, struct str *out)
{
    while (rest->len > 0) {
        size_t end = sentence_end(*rest);
        struct str s = str_trim(str_slice(*rest, 0, end));
        *rest = str_slice(*rest, end, rest->len);
        if (s.len > 0) {
            *out = s;
            return true;
        }
    }
    return false;
}

size_t sentence_words(struct str text)
{
    size_t words = 0;
    bool in_word = false;
    for (size_t i = 0; i < text.len; i++) {
        bool space = is_space(text.p[i]);
        words += !space && !in_word;
        in_word = !space;
    }
    return words;
}
