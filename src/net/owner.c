#include "net/owner.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"

void owner_instance(struct rng *rng, char out[OWNER_INSTANCE_CHARS + 1])
{
    rng_hex(rng, out, OWNER_INSTANCE_CHARS / 2);
}

void owner_write(char out[OWNER_TEXT_BYTES], const char *instance, unsigned loop)
{
    ASSERT(loop < LOOP_COUNT_MAX);
    int len = snprintf(out, OWNER_TEXT_BYTES, "%.*s.%u", OWNER_INSTANCE_CHARS, instance, loop);
    ASSERT(len > 0 && len < OWNER_TEXT_BYTES);
}

bool owner_parse(struct str text, struct owner *out)
{
    uint64_t loop;
    if (text.len < OWNER_INSTANCE_CHARS + 2 || text.len >= OWNER_TEXT_BYTES ||
        text.p[OWNER_INSTANCE_CHARS] != '.')
        return false;
    for (size_t i = 0; i < OWNER_INSTANCE_CHARS; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    struct str digits = str_slice(text, OWNER_INSTANCE_CHARS + 1, text.len);
    if (!str_to_u64(digits, &loop) || loop >= LOOP_COUNT_MAX ||
        (digits.len > 1 && digits.p[0] == '0'))
        return false;
    *out = (struct owner){.loop = (unsigned)loop};
    return str_copy(out->instance, sizeof(out->instance), str_slice(text, 0, OWNER_INSTANCE_CHARS));
}
