/* Words that mean the same. */
#include "harness/test.h"

#include "base/synonyms.h"

static bool means(const char *word, const char *other)
{
    struct str out[SYNONYMS_MAX];
    size_t count = synonyms_of(str_of(word), out, SYNONYMS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(out[i], str_of(other)))
            return true;
    }
    return false;
}

TEST(words_and_their_forms_have_other_words)
{
    CHECK(means("shut", "close"));
    CHECK(means("kids", "children"));
    CHECK(means("parcel", "package"));
    CHECK(means("mending", "repair"));
    CHECK(means("shops", "store"));
    CHECK(!means("parcel", "hat"));
    CHECK(!means("shut", "shut"));
}

TEST(a_word_behind_the_sign_brings_nothing)
{
    CHECK(means("thanksgiving", "holiday"));
    CHECK(!means("sixty", "senior"));
}

TEST(unknown_words_and_no_room_give_none)
{
    struct str out[1];
    CHECK_INT(0, synonyms_of(STR("xylophone"), out, 1));
    CHECK_INT(0, synonyms_of(STR(""), out, 1));
    CHECK_INT(0, synonyms_of(STR("shut"), out, 0));
    CHECK_INT(1, synonyms_of(STR("parcel"), out, 1));
}
