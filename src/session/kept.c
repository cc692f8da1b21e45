#include "session/kept.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FIRST_BYTES = 1600, SHRINK_BYTES = 16384 };

void kept_fini(struct kept *k)
{
    mem_free(k->p);
    *k = (struct kept){0};
}

void kept_read(const struct kept *k, uint32_t at, uint8_t *out, uint32_t len)
{
    ASSERT(at <= k->len && len <= k->len - at);
    if (len == 0)
        return;
    uint32_t from = k->first + at;
    from = from < k->cap ? from : from - k->cap;
    uint32_t n = len < k->cap - from ? len : k->cap - from;
    memcpy(out, k->p + from, n);
    memcpy(out + n, k->p, len - n);
}

static void resize(struct kept *k, uint32_t cap)
{
    ASSERT(cap >= k->len);
    uint8_t *p = mem_alloc(cap);
    kept_read(k, 0, p, k->len);
    mem_free(k->p);
    *k = (struct kept){.p = p, .cap = cap, .len = k->len};
}

void kept_put(struct kept *k, const uint8_t *p, uint32_t len)
{
    if (len > k->cap - k->len) {
        uint32_t need = k->len + len, cap = k->cap ? 2 * k->cap : FIRST_BYTES;
        resize(k, cap > need ? cap : need);
    }
    if (len == 0)
        return;
    uint32_t to = k->first + k->len;
    to = to < k->cap ? to : to - k->cap;
    uint32_t n = len < k->cap - to ? len : k->cap - to;
    memcpy(k->p + to, p, n);
    memcpy(k->p, p + n, len - n);
    k->len += len;
}

void kept_trim(struct kept *k, uint32_t most)
{
    if (k->len <= most)
        return;
    uint32_t gone = k->len - most;
    k->first = k->first + gone < k->cap ? k->first + gone : k->first + gone - k->cap;
    k->len = most;
    if (most == 0)
        kept_fini(k);
    else if (k->cap > SHRINK_BYTES && most <= k->cap / 4)
        resize(k, most > FIRST_BYTES ? most : FIRST_BYTES);
}
