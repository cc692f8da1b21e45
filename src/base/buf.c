#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"

enum { BUF_FIRST_BYTES = 128 };

static void buf_check(const struct buf *b)
{
    ASSERT(b->len <= b->cap);
    ASSERT(b->cap <= b->max + 1); /* one more for buf_cstr's NUL */
}

void buf_init(struct buf *b, size_t max)
{
    ASSERT(max > 0 && max < SIZE_MAX / 4);
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_release(struct buf *b)
{
    buf_fini(b);
}

bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

/* Room for `len` more bytes within `limit` in all. */
static bool grow(struct buf *b, size_t len, size_t limit)
{
    buf_check(b);
    if (len > limit - b->len)
        return false;
    size_t need = b->len + len;
    if (need <= b->cap)
        return true;
    if (FAULT("buf.grow"))
        return false;
    size_t cap = b->cap ? b->cap * 2 : BUF_FIRST_BYTES;
    if (cap < need)
        cap = need;
    if (cap > limit)
        cap = limit;
    b->p = mem_realloc(b->p, cap);
    b->cap = cap;
    return true;
}

enum err buf_append(struct buf *b, const void *p, size_t len)
{
    if (!grow(b, len, b->max))
        return ERR_LIMIT;
    if (len)
        memcpy(b->p + b->len, p, len);
    b->len += len;
    return OK;
}

void *buf_reserve(struct buf *b, size_t len)
{
    return grow(b, len, b->max) && b->p ? b->p + b->len : NULL;
}

void buf_commit(struct buf *b, size_t len)
{
    ASSERT(len <= b->cap - b->len);
    b->len += len;
}

void buf_consume(struct buf *b, size_t len)
{
    ASSERT(len <= b->len);
    if (len && len < b->len)
        memmove(b->p, b->p + len, b->len - len);
    b->len -= len;
}

/* What is at hand within the bound, as for nearly every piece of a message. */
static size_t room_of(const struct buf *b)
{
    return (b->cap < b->max ? b->cap : b->max) - b->len;
}

void buf_put(struct buf *b, const void *p, size_t len)
{
    if (b->failed)
        return;
    if (len == 0 || len > room_of(b)) {
        b->failed = buf_append(b, p, len) != OK;
        return;
    }
    memcpy(b->p + b->len, p, len);
    b->len += len;
}

void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.len);
}

void buf_put_byte(struct buf *b, unsigned char c)
{
    if (room_of(b) > 0 && !b->failed)
        b->p[b->len++] = (char)c;
    else
        buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    if ((size_t)n < sizeof(small)) {
        buf_put(b, small, (size_t)n);
        return;
    }
    char *big = mem_alloc((size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(big, (size_t)n + 1, fmt, args);
    va_end(args);
    buf_put(b, big, (size_t)n);
    mem_free(big);
}

void buf_put_json(struct buf *b, struct str s)
{
    size_t plain = 0; /* start of the run not yet copied */
    buf_put_byte(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(b, s.p + plain, i - plain);
        plain = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_put(b, "\\n", 2);
        else
            buf_printf(b, "\\u%04x", c);
    }
    if (s.len > plain)
        buf_put(b, s.p + plain, s.len - plain);
    buf_put_byte(b, '"');
}

struct str buf_str(const struct buf *b)
{
    return str_n(b->p, b->len);
}

const char *buf_cstr(struct buf *b)
{
    if (!grow(b, 1, b->max + 1))
        return "";
    b->p[b->len] = '\0';
    return b->p;
}
