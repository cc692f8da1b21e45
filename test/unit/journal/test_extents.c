/* The pieces of a call: what was added comes back, in order, whatever the sizes. */
#include "harness/test.h"

#include "base/rng.h"
#include "journal/extents.h"

enum { PIECES = 5000, SEGMENTS = 4 };

static struct segment *segment_at(size_t i)
{
    static char names[SEGMENTS]; /* only their addresses count */
    return (struct segment *)(void *)&names[i];
}

TEST(pieces_come_back_in_their_order)
{
    static struct extent want[PIECES];
    struct extents e = {0};
    struct rng rng;
    size_t count = 0, firsts = 0;
    rng_init_seeded(&rng, 7);
    for (size_t s = 0; s < SEGMENTS; s++) {
        uint64_t offset = 0;
        for (int i = 0; i < 1200; i++) {
            uint64_t gap = rng_below(&rng, 4) ? rng_below(&rng, 1 << 17) : 0;
            uint64_t len = 1 + rng_below(&rng, i % 100 ? 4096 : 1 << 24);
            offset += gap;
            firsts += extents_add(&e, segment_at(s), offset, len);
            if (gap == 0 && i > 0)
                want[count - 1].len += len; /* behind the last: one piece */
            else
                want[count++] = (struct extent){segment_at(s), offset, len};
            offset += len;
        }
    }
    CHECK_INT(SEGMENTS, firsts);
    CHECK_INT(SEGMENTS, e.runs_count);
    CHECK_INT(count, e.count);
    CHECK(e.len < count * 7);
    struct extents_at at = {0};
    struct extent got;
    size_t same = 0;
    for (; extents_next(&e, &at, &got); same++)
        if (same >= count || got.segment != want[same].segment || got.offset != want[same].offset ||
            got.len != want[same].len)
            break;
    CHECK_INT(count, same);
    extents_fini(&e);
}

TEST(no_piece_and_one_piece)
{
    struct extents e = {0};
    struct extents_at at = {0};
    struct extent got;
    CHECK(!extents_next(&e, &at, &got));
    CHECK(extents_add(&e, segment_at(0), 12, 5));
    at = (struct extents_at){0};
    CHECK(extents_next(&e, &at, &got));
    CHECK_INT(12, got.offset);
    CHECK_INT(5, got.len);
    CHECK(!extents_next(&e, &at, &got));
    CHECK(!extents_next(&e, &at, &got));
    extents_fini(&e);
}
