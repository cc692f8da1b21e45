#include "knowledge/text.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The word that ends with the dot at `dot`. */
static bool is_abbreviation(struct str s, size_t dot)
{
    static const char *const known[] = {"dr", "mr", "mrs", "ms",  "st",  "no",  "inc", "co",
                                        "jr", "sr", "vs",  "etc", "ave", "e.g", "i.e"};
    size_t from = dot;
    while (from > 0 && !is_space(s.p[from - 1]))
        from--;
    struct str word = str_slice(s, from, dot);
    if (word.len <= 1)
        return word.len == 1 && !(word.p[0] >= '0' && word.p[0] <= '9');
    if (word.len == 3 && word.p[1] == '.') /* a.m, p.m, U.S */
        return true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_eq_nocase(word, str_of(known[i])))
            return true;
    }
    return false;
}

bool text_take_sentence(struct str *rest, struct str *sentence)
{
    *rest = str_trim(*rest);
    if (rest->len == 0)
        return false;
    size_t end = 0;
    for (; end < rest->len; end++) {
        char c = rest->p[end];
        if (c == '\n')
            break;
        bool mark = c == '.' || c == '!' || c == '?';
        bool before_space = end + 1 == rest->len || is_space(rest->p[end + 1]);
        if (mark && before_space && !(c == '.' && is_abbreviation(*rest, end))) {
            end++;
            break;
        }
    }
    *sentence = str_trim(str_slice(*rest, 0, end));
    *rest = str_slice(*rest, end, rest->len);
    return true;
}

size_t text_count_words(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += !is_space(text.p[i]) && (i == 0 || is_space(text.p[i - 1]));
    return count;
}

struct str text_first_words(struct str text, size_t words)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool starts = !is_space(text.p[i]) && (i == 0 || is_space(text.p[i - 1]));
        if (starts && count++ == words)
            return str_trim(str_slice(text, 0, i));
    }
    return text;
}
