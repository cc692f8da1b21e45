#include "base/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Small enough that an idle call costs one page, large enough that a busy one allocates rarely. */
enum { ARENA_BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_realloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q)
        out_of_memory(size);
    return q;
}

void mem_free(void *p)
{
    free(p);
}

char *mem_strndup(const char *p, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void arena_init(struct arena *a, size_t cap)
{
    ASSERT(cap > 0);
    *a = (struct arena){.cap = cap};
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_fini(struct arena *a)
{
    free_blocks(a->blocks);
    *a = (struct arena){.cap = a->cap};
}

void arena_reset(struct arena *a)
{
    if (a->used == 0) /* as after most steps: the block is not even looked at */
        return;
    if (a->blocks) {
        /* Keep the oldest block: it has the standard size, later ones may be giants. */
        struct arena_block *keep = a->blocks, *prev = NULL;
        while (keep->next) {
            prev = keep;
            keep = keep->next;
        }
        if (prev) {
            prev->next = NULL;
            free_blocks(a->blocks);
        }
        keep->used = 0;
        a->blocks = keep;
    }
    a->used = 0;
    a->over = false;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t align = alignof(max_align_t);
    ASSERT(size < SIZE_MAX / 2);
    size = (size + align - 1) & ~(align - 1);
    if (size == 0)
        size = align;
    a->used += size;
    if (a->used > a->cap)
        a->over = true;

    struct arena_block *b = a->blocks;
    if (!b || b->size - b->used < size) {
        size_t room = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
        b = mem_alloc(sizeof(*b) + room);
        *b = (struct arena_block){.next = a->blocks, .size = room};
        a->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += size;
    memset(p, 0, size);
    return p;
}

char *arena_strndup(struct arena *a, const char *p, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (len)
        memcpy(copy, p, len);
    return copy;
}
