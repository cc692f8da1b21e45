#include "journal/extents.h"

#include "base/assert.h"
#include "base/mem.h"

enum { NUMBER_BYTES_MAX = 10, FIRST_BYTES = 64, FIRST_RUNS = 1 };

static void put_number(struct extents *e, uint64_t n)
{
    do {
        e->bytes[e->len++] = (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
        n >>= 7;
    } while (n);
}

static uint64_t take_number(const struct extents *e, size_t *at)
{
    uint64_t n = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = e->bytes[(*at)++];
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return n;
    }
}

void extents_fini(struct extents *e)
{
    mem_free(e->bytes);
    mem_free(e->runs);
    *e = (struct extents){0};
}

/* The newest piece cannot grow any more. */
static void settle(struct extents *e)
{
    if (e->last == 0)
        return;
    if (e->cap - e->len < 2 * (size_t)NUMBER_BYTES_MAX) {
        e->cap = e->cap ? e->cap + e->cap / 2 : FIRST_BYTES;
        e->bytes = mem_realloc(e->bytes, e->cap);
    }
    put_number(e, e->offset - e->behind);
    put_number(e, e->last);
    e->behind = e->offset + e->last;
    e->last = 0;
}

bool extents_add(struct extents *e, struct segment *segment, uint64_t offset, uint64_t len)
{
    ASSERT(len > 0);
    bool same = e->runs_count && e->runs[e->runs_count - 1].segment == segment;
    if (same && e->last && e->offset + e->last == offset) {
        e->last += len;
        return false;
    }
    settle(e);
    ASSERT(!same || offset >= e->behind);
    if (!same) {
        if (e->runs_count == e->runs_cap) {
            e->runs_cap = e->runs_cap ? e->runs_cap * 2 : FIRST_RUNS;
            e->runs = mem_realloc(e->runs, e->runs_cap * sizeof(*e->runs));
        }
        e->runs[e->runs_count++] = (struct extents_run){.segment = segment, .from = e->len};
        e->behind = 0;
    }
    e->offset = offset;
    e->last = len;
    e->count++;
    return !same;
}

bool extents_next(const struct extents *e, struct extents_at *at, struct extent *out)
{
    for (; at->run < e->runs_count; at->run++, at->inside = false) {
        const struct extents_run *run = &e->runs[at->run];
        bool newest = at->run + 1 == e->runs_count;
        if (!at->inside) {
            at->inside = true;
            at->at = run->from;
            at->behind = 0;
        }
        out->segment = run->segment;
        if (at->at < (newest ? e->len : e->runs[at->run + 1].from)) {
            out->offset = at->behind + take_number(e, &at->at);
            out->len = take_number(e, &at->at);
            at->behind = out->offset + out->len;
            return true;
        }
        if (newest && e->last && !at->done) {
            at->done = true;
            out->offset = e->offset;
            out->len = e->last;
            return true;
        }
    }
    return false;
}
