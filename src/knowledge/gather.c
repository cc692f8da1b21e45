#include "knowledge/gather.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

enum { ROOM_FIRST = 64 };

void gather_init(struct gather *g, struct arena *mem, struct err_detail *detail)
{
    *g = (struct gather){.mem = mem, .detail = detail};
}

void gather_fini(struct gather *g)
{
    mem_free(g->items);
    g->items = NULL;
    g->count = g->room = 0;
}

struct str gather_keep(struct gather *g, struct str s)
{
    return str_n(arena_strndup(g->mem, s.p ? s.p : "", s.len), s.len);
}

void gather_fail(struct gather *g, enum err err, const char *fmt, ...)
{
    if (g->err != OK)
        return;
    g->err = err;
    if (!g->detail)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(g->detail->text, sizeof(g->detail->text), fmt, args);
    va_end(args);
}

void gather_add(struct gather *g, const struct passage *p)
{
    if (g->err != OK)
        return;
    if (g->count == STORE_DOCUMENT_PASSAGES_MAX) {
        gather_fail(g, ERR_LIMIT, "more than %d passages; split the document",
                    STORE_DOCUMENT_PASSAGES_MAX);
        return;
    }
    if (g->mem->over) {
        gather_fail(g, ERR_LIMIT, "the text is too large; split the document");
        return;
    }
    if (g->count == g->room) {
        g->room = g->room ? g->room * 2 : ROOM_FIRST;
        g->items = mem_realloc(g->items, g->room * sizeof(*g->items));
    }
    g->items[g->count++] = *p;
}

enum err gather_take(struct gather *g, struct passage **out, size_t *count)
{
    enum err e = g->err;
    if (e == OK) {
        *out = arena_alloc(g->mem, g->count * sizeof(**out));
        if (g->count)
            memcpy(*out, g->items, g->count * sizeof(**out));
        *count = g->count;
    }
    gather_fini(g);
    return e;
}
