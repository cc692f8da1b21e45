/*
 * golden.h - reading the files under test/golden.
 */
#ifndef TEST_GOLDEN_H
#define TEST_GOLDEN_H

#include <stdio.h>

#include "base/buf.h"

enum { GOLDEN_BYTES_MAX = 1 << 20 };

/* The contents of test/golden/<path>, in a buffer the caller inits; false when there is no file. */
static inline bool golden_read(struct buf *b, const char *path)
{
    char full[1024], block[4096];
    snprintf(full, sizeof(full), "%s/test/golden/%s", TEST_SOURCE_DIR, path);
    FILE *f = fopen(full, "rb");
    if (!f)
        return false;
    for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;)
        buf_put(b, block, n);
    fclose(f);
    return buf_ok(b);
}

#endif
