/* Written text into spoken words, sentences, and the language model made of them. */
#include "harness/test.h"

#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "speech/dict.h"
#include "speech/lm.h"
#include "speech/lts.h"
#include "speech/normalise.h"
#include "speech/sentence.h"

static bool says(const char *written, const char *spoken)
{
    struct buf b;
    buf_init(&b, 4096);
    normalise_words(&b, str_of(written));
    bool same = str_eq(buf_str(&b), str_of(spoken));
    if (!same)
        fprintf(stderr, "  '%s' gives '%s'\n", written, buf_cstr(&b));
    buf_fini(&b);
    return same;
}

TEST(words_are_lower_case_and_keep_their_apostrophes)
{
    CHECK(says("  I'm SURE, it\xe2\x80\x99s 'fine'!", "i'm sure it's fine"));
    CHECK(says("Caf\xc3\xa9 Espa\xc3\xb1ol \xe2\x98\x83", "cafe espanol"));
    CHECK(says("follow-up Q&A", "follow up q and a"));
    CHECK(says("", ""));
    CHECK(says("\xc3", "")); /* cut in the middle of a letter */
}

TEST(numbers_money_and_times_are_read_as_people_read_them)
{
    CHECK(says("Open 9-5.", "open nine to five"));
    CHECK(says("8:30 a.m. to 6:05pm", "eight thirty a m to six oh five p m"));
    CHECK(says("9:00", "nine"));
    CHECK(says("$12.50", "twelve dollars and fifty cents"));
    CHECK(says("$1,450", "one thousand four hundred fifty dollars"));
    CHECK(says("$0.99", "ninety nine cents"));
    CHECK(says("$0", "zero dollars"));
    CHECK(says("\xc2\xa3"
               "5 or \xe2\x82\xac"
               "1",
               "five pounds or one euro"));
    CHECK(says("1999 and 2005 and 1905",
               "nineteen ninety nine and two thousand five and nineteen oh five"));
    CHECK(says("87501", "eight seven five zero one"));
    CHECK(says("007", "zero zero seven"));
    CHECK(says("21st 40th 12th 100th 13th",
               "twenty first fortieth twelfth one hundredth thirteenth"));
    CHECK(says("3.5% of 1,000,001", "three point five percent of one million one"));
    CHECK(says("24/7", "twenty four seven"));
    CHECK(says("99999999999999999999",
               "nine nine nine nine nine nine nine nine nine nine nine nine "
               "nine nine nine nine nine nine nine nine"));
}

TEST(speech_keeps_the_punctuation_that_shapes_a_voice)
{
    struct buf b;
    buf_init(&b, 256);
    normalise_speech(&b, STR("**Yes**, it's $5. OK?"));
    CHECK(str_eq(buf_str(&b), STR("Yes, it's five dollars. OK?")));
    buf_fini(&b);
}

TEST(sentences_end_where_a_reader_would_pause)
{
    struct str rest = STR("Mr. Lee is in. Call at 9 a.m. on Monday! Is it No. 7?\n- First\n\n"
                          "\"Quoted.\" J. Doe said no. Then left");
    const char *const want[] = {
        "Mr. Lee is in.", "Call at 9 a.m. on Monday!", "Is it No. 7?", "- First",
        "\"Quoted.\"",    "J. Doe said no.",           "Then left"};
    struct str s;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        CHECK(sentence_next(&rest, &s));
        CHECK(str_eq(s, str_of(want[i])));
    }
    CHECK(!sentence_next(&rest, &s));
    CHECK_INT(3, sentence_words(STR(" one  two\nthree ")));
}

/* Reads "log word ... [backoff]" lines of one order; sums the probability behind a history. */
static double mass(const char *arpa, const char *section, const char *history)
{
    const char *p = strstr(arpa, section);
    double sum = 0;
    size_t n = strlen(history);
    for (p = strchr(p, '\n') + 1; *p && *p != '\n'; p = strchr(p, '\n') + 1) {
        char *end;
        double log = strtod(p, &end);
        if (strncmp(end + 1, history, n) == 0 && (n == 0 || end[1 + n] == ' ') && log > -90)
            sum += pow(10, log);
    }
    return sum;
}

TEST(the_language_model_counts_and_leaves_mass_for_the_unseen)
{
    struct lm m;
    struct buf b;
    lm_init(&m);
    buf_init(&b, 65536);
    lm_add(&m, STR("a b"), 3);
    lm_add(&m, STR("a c d"), 1);
    lm_add(&m, STR(""), 1);
    CHECK_INT(OK, lm_write_arpa(&m, NULL, &b));
    const char *arpa = buf_cstr(&b);
    CHECK(strstr(arpa, "ngram 1=6\nngram 2=6\nngram 3=5\n"));
    CHECK(fabs(mass(arpa, "\\1-grams:", "") - 1) < 0.001);
    /* Behind "a": b three times, c once, half a count of each given away. */
    CHECK(fabs(mass(arpa, "\\2-grams:", "a") - 0.75) < 0.001);
    CHECK(fabs(mass(arpa, "\\3-grams:", "<s> a") - 0.75) < 0.001);
    lm_fini(&m);
    buf_fini(&b);
}

TEST(a_skipped_word_breaks_the_sentence_and_is_not_written)
{
    struct lm m;
    struct buf b;
    bool skip[8] = {false};
    lm_init(&m);
    buf_init(&b, 65536);
    lm_add(&m, STR("one xyzzy two three"), 1);
    skip[lm_find(&m, STR("xyzzy"))] = true;
    CHECK_INT(UINT32_MAX, lm_find(&m, STR("nobody")));
    CHECK_INT(OK, lm_write_arpa(&m, skip, &b));
    const char *arpa = buf_cstr(&b);
    CHECK(!strstr(arpa, "xyzzy") && !strstr(arpa, "one two") &&
          strstr(arpa, " two three\n") == NULL);
    CHECK(strstr(arpa, " two three </s>\n"));
    for (uint32_t i = 2; i < m.word_count; i++)
        skip[i] = true;
    buf_reset(&b);
    CHECK_INT(ERR_INVALID, lm_write_arpa(&m, skip, &b));
    lm_fini(&m);
    buf_fini(&b);
}

TEST(the_language_model_keeps_its_bounds)
{
    struct lm m;
    char word[LM_WORD_BYTES_MAX + 2];
    lm_init(&m);
    memset(word, 'a', sizeof(word));
    lm_add(&m, str_n(word, sizeof(word)), 1);
    CHECK(m.full);
    CHECK_INT(2, m.word_count);
    for (unsigned i = 0; i < LM_WORDS_MAX + 10; i++) {
        int n = snprintf(word, sizeof(word), "w%u", i);
        lm_add(&m, str_n(word, (size_t)n), 1);
    }
    CHECK_INT(LM_WORDS_MAX, m.word_count);
    lm_fini(&m);
}

TEST(words_outside_the_dictionary_get_a_pronunciation)
{
    struct buf b;
    buf_init(&b, 256);
    CHECK(lts_pronounce(&b, STR("usps")) == true);
    CHECK(str_eq(buf_str(&b), STR("Y UW EH S P IY EH S")) == false); /* "u" is a vowel: read */
    buf_reset(&b);
    CHECK(lts_pronounce(&b, STR("tv")));
    CHECK(str_eq(buf_str(&b), STR("T IY V IY")));
    buf_reset(&b);
    CHECK(!lts_pronounce(&b, STR("_")));
    CHECK(!lts_pronounce(&b, STR("")));
    CHECK_INT(0, b.len);
    CHECK(lts_pronounce(&b, STR("zorbitronic")));
    CHECK(str_starts(buf_str(&b), STR("Z AO R B")) || str_starts(buf_str(&b), STR("Z AA R B")));
    buf_fini(&b);
}

TEST(the_dictionary_is_cut_to_the_words_of_the_model)
{
    struct dict *d;
    struct err_detail detail;
    CHECK_INT(ERR_NOTFOUND, dict_open(&d, "/nonexistent.dict", &detail));
    CHECK(strstr(detail.text, "/nonexistent.dict"));
    CHECK_INT(OK, dict_open(&d, "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict", NULL));
    struct lm m;
    struct buf b;
    lm_init(&m);
    buf_init(&b, 65536);
    lm_add(&m, STR("the _ zorbitronic"), 1);
    bool skip[5];
    CHECK_INT(2, dict_write(d, &m, skip, &b));
    CHECK(skip[lm_find(&m, STR("_"))] && !skip[lm_find(&m, STR("the"))] && !skip[0] && !skip[1]);
    CHECK(strstr(buf_cstr(&b), "the DH AH\n") && strstr(b.p, "the(2) DH IY\n"));
    CHECK(strstr(b.p, "zorbitronic Z "));
    lm_fini(&m);
    buf_fini(&b);
    dict_close(d);
}
