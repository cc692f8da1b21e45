#include "speech/lts.h"

#include <flite/flite.h>

#include "base/limits.h"

/* Defined by libflite_cmulex, which has no header. */
cst_lexicon *cmu_lex_init(void);

static const char *letter_phones(char c)
{
    static const char *const names[26] = {"EY",
                                          "B IY",
                                          "S IY",
                                          "D IY",
                                          "IY",
                                          "EH F",
                                          "JH IY",
                                          "EY CH",
                                          "AY",
                                          "JH EY",
                                          "K EY",
                                          "EH L",
                                          "EH M",
                                          "EH N",
                                          "OW",
                                          "P IY",
                                          "K Y UW",
                                          "AA R",
                                          "EH S",
                                          "T IY",
                                          "Y UW",
                                          "V IY",
                                          "D AH B AH L Y UW",
                                          "EH K S",
                                          "W AY",
                                          "Z IY"};
    return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

static bool spell(struct buf *out, struct str word)
{
    bool any = false;
    for (size_t i = 0; i < word.len; i++) {
        const char *phones = letter_phones(word.p[i]);
        if (!phones)
            continue;
        if (any)
            buf_put_byte(out, ' ');
        buf_put_str(out, str_of(phones));
        any = true;
    }
    return any;
}

/* The lexicon writes "ax0" and "ey1"; the recogniser knows 39 phones in capitals. */
static bool put_phone(struct buf *out, struct str phone, bool first)
{
    char name[4];
    size_t n = 0;
    for (size_t i = 0; i < phone.len && n < 3; i++) {
        if (phone.p[i] >= 'a' && phone.p[i] <= 'z')
            name[n++] = (char)(phone.p[i] - ('a' - 'A'));
    }
    struct str p = str_n(name, n);
    if (n == 0 || str_eq(p, STR("PAU")))
        return false;
    if (str_eq(p, STR("AX")))
        p = STR("AH");
    if (!first)
        buf_put_byte(out, ' ');
    buf_put_str(out, p);
    return true;
}

bool lts_pronounce(struct buf *out, struct str word)
{
    char name[LM_WORD_BYTES_MAX + 1];
    size_t vowels = 0;
    if (word.len == 0 || !str_copy(name, sizeof(name), word))
        return false;
    for (size_t i = 0; i < word.len; i++)
        vowels += strchr("aeiouy", word.p[i]) != NULL;
    if (vowels == 0)
        return spell(out, word);
    cst_lexicon *lex = cmu_lex_init();
    cst_val *phones = lex_lookup(lex, name, NULL, NULL);
    bool any = false;
    for (const cst_val *v = phones; v; v = val_cdr(v))
        any |= put_phone(out, str_of(val_string(val_car(v))), !any);
    delete_val(phones);
    return any;
}
