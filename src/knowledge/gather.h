/*
 * gather.h - the passages of one file while it is read; private to knowledge/.
 *
 * Every reader (JSON lines, prose, tables) adds to a gather. The first failure stays: whatever is
 * added behind it is dropped, so that a reader driven by callbacks need not unwind.
 *
 *   Memory   passages and their texts live in the arena given; the list is freed by gather_take or
 *            gather_fini.
 *   Thread   the owner's.
 *   Bounds   STORE_DOCUMENT_PASSAGES_MAX passages; the arena's own cap.
 */
#ifndef KNOWLEDGE_GATHER_H
#define KNOWLEDGE_GATHER_H

#include "base/err.h"
#include "base/mem.h"
#include "store/model.h"

struct gather {
    struct arena *mem;
    struct err_detail *detail; /* may be NULL */
    struct passage *items;
    size_t count, room;
    enum err err; /* the first failure */
};

void gather_init(struct gather *g, struct arena *mem, struct err_detail *detail);
void gather_fini(struct gather *g);

/* A copy in the arena. */
struct str gather_keep(struct gather *g, struct str s);
/* The strings of `p` must live in the arena, or be static. */
void gather_add(struct gather *g, const struct passage *p);
/* Remembers the first failure with its sentence. */
void gather_fail(struct gather *g, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* All passages as one array in the arena; gives the list up. Returns g->err. */
enum err gather_take(struct gather *g, struct passage **out, size_t *count) MUST_CHECK;

#endif
