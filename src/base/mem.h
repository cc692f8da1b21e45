/*
 * mem.h - allocation that cannot fail, and arenas.
 *
 * malloc failing means that the machine has failed us: the process aborts, so no caller carries an
 * error path for it. Three homes for memory: an arena that lives as long as a call, a scratch arena
 * reset after every event, and mem_alloc/mem_free for what comes and goes within a call.
 *
 *   Thread   mem_*: any. An arena belongs to one thread.
 *   Bounds   an arena knows its cap; going past it still serves the allocation but sets `over`,
 *            which the owner checks once per event and answers by ending that one call.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* `size` bytes, uninitialised / zeroed. Never NULL; size 0 gives a unique pointer. */
void *mem_alloc(size_t size) __attribute__((returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((returns_nonnull));
/* As realloc, but aborts instead of returning NULL. */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
/* NULL-safe. */
void mem_free(void *p);
/* A NUL-terminated copy of `len` bytes; free with mem_free. */
char *mem_strndup(const char *p, size_t len) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));

struct arena_block;

/* Value type; fields are private to mem.c except `over`. */
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out since init or reset */
    size_t cap;
    bool over; /* an allocation went past the cap; stays set until arena_reset */
};

/* An empty arena that means to hold at most `cap` bytes. Allocates nothing yet. */
void arena_init(struct arena *a, size_t cap);
/* Frees everything. The arena may be initialised again. */
void arena_fini(struct arena *a);
/* Forgets every allocation but keeps one block for reuse. */
void arena_reset(struct arena *a);
/* Zeroed memory aligned for any type, valid until reset or fini. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
/* A NUL-terminated copy of `len` bytes. */
char *arena_strndup(struct arena *a, const char *p, size_t len) __attribute__((returns_nonnull));

#endif
