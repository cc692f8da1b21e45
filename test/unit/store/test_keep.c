/* What is kept in memory of businesses: by version, bounded, alive while it is held; and stems. */
#include "harness/test.h"

#include "base/mem.h"
#include "store/keep.h"
#include "store/lexicon.h"

static int freed;

static void item_free(struct kept *k)
{
    freed++;
    mem_free(k);
}

/* Put into the keep and let go by its maker. */
static void put(struct keep *k, int64_t business, int64_t version, size_t bytes)
{
    struct kept *item = mem_zalloc(sizeof(*item));
    kept_init(item, business, KEPT_LEXICON, version, item_free);
    item->bytes = bytes;
    keep_put(k, item);
    kept_release(item);
}

static bool has(struct keep *k, int64_t business, int64_t version)
{
    struct kept *item = keep_get(k, business, KEPT_LEXICON, version);
    kept_release(item);
    return item != NULL;
}

TEST(newer_ones_replace_older_ones_and_the_least_used_makes_room)
{
    struct keep *k = keep_new(100);
    freed = 0;
    put(k, 1, 5, 40);
    CHECK(has(k, 1, 5) && !has(k, 1, 6) && !has(k, 2, 5));
    put(k, 1, 4, 40); /* of a reader that began earlier */
    CHECK(has(k, 1, 5) && freed == 1);
    put(k, 1, 6, 40);
    CHECK(!has(k, 1, 5) && has(k, 1, 6) && freed == 2);
    put(k, 2, 1, 40);
    CHECK(has(k, 1, 6)); /* now 2 is used longer ago */
    put(k, 3, 1, 40);
    CHECK(has(k, 1, 6) && !has(k, 2, 1) && has(k, 3, 1) && freed == 3);
    put(k, 4, 1, 101); /* larger than all room: not kept, and nobody goes for it */
    CHECK(!has(k, 4, 1) && has(k, 1, 6) && has(k, 3, 1) && freed == 4);
    struct kept *held = keep_get(k, 1, KEPT_LEXICON, 6);
    keep_free(k);
    CHECK_INT(5, freed);
    kept_release(held);
    CHECK_INT(6, freed);
}

static struct kept *lexicon(const char *const *terms, size_t count)
{
    struct lexicon *l = lexicon_new(1, 1, 7);
    for (size_t i = 0; i < count; i++)
        lexicon_add(l, str_of(terms[i]), (int64_t)i + 1);
    return lexicon_finish(l);
}

TEST(stems_are_known_and_nearly_known)
{
    static const char *const terms[] = {"boot", "boat", "leather", "leathern", "xy", "z"};
    struct kept *k = lexicon(terms, 6);
    const struct lexicon *l = lexicon_of(k);
    struct lexicon_near near[LEXICON_NEAR_MAX];
    CHECK_INT(7, lexicon_passages(l));
    CHECK_INT(1, lexicon_docs(l, STR("boot")));
    CHECK_INT(6, lexicon_docs(l, STR("z")));
    CHECK_INT(0, lexicon_docs(l, STR("boots")));
    CHECK_INT(0, lexicon_docs(l, STR("")));
    CHECK_INT(2, lexicon_nearest(l, STR("lether"), 0.5, near));
    CHECK(str_eq(near[0].term, STR("leather")) && near[0].dice > near[1].dice);
    CHECK(str_eq(near[1].term, STR("leathern")));
    CHECK_INT(0, lexicon_nearest(l, STR("saddle"), 0.5, near));
    CHECK_INT(0, lexicon_nearest(l, STR("xz"), 0.5, near)); /* too short to tell */
    kept_release(k);
    k = lexicon(terms, 0);
    CHECK_INT(0, lexicon_docs(lexicon_of(k), STR("boot")));
    CHECK_INT(0, lexicon_nearest(lexicon_of(k), STR("boot"), 0.5, near));
    kept_release(k);
}

TEST(many_stems_are_each_found_with_their_number)
{
    struct lexicon *made = lexicon_new(1, 1, 7);
    char term[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(term, sizeof(term), "t%dx", i * 7919);
        lexicon_add(made, str_of(term), i + 1);
    }
    struct kept *k = lexicon_finish(made);
    for (int i = 0; i < 20000; i++) {
        snprintf(term, sizeof(term), "t%dx", i * 7919);
        CHECK_INT(i + 1, lexicon_docs(lexicon_of(k), str_of(term)));
    }
    CHECK_INT(0, lexicon_docs(lexicon_of(k), STR("t1x")));
    CHECK(k->bytes > 20000 * 20);
    kept_release(k);
}
