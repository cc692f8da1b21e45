/* LAYER: llm - an answer to /embeddings: whatever is accepted is finite and as large as was said */
#include <math.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "llm/embed_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = str_n((const char *)data, size);
    for (size_t count = 1; count <= 2; count++) {
        struct embed_block b;
        struct err_detail why;
        if (embed_parse(body, count, 0, &b, &why) != OK)
            continue;
        ASSERT(b.dimensions > 0 && b.dimensions <= EMBED_DIMENSIONS_MAX && b.tokens >= 0);
        for (size_t i = 0; i < count * b.dimensions; i++)
            ASSERT(isfinite(b.vectors[i]));
        mem_free(b.vectors);
    }
    return 0;
}
