/* LAYER: llm - a stream of sound, bare or WAV: pieces make no difference */
#include "base/assert.h"
#include "base/mem.h"
#include "llm/sound_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t decode(struct str in, size_t step, int16_t *out, bool *good, uint32_t *rate_hz)
{
    struct sound_stream s;
    enum err err = OK;
    size_t total = 0, n = 0;
    sound_stream_init(&s, 24000);
    while (in.len && err == OK) {
        struct str piece = str_slice(in, 0, step);
        in = str_slice(in, step, in.len);
        do {
            err = sound_stream_next(&s, &piece, out + total, 16, &n);
            total += n;
        } while (err == OK && (piece.len || n == 16));
    }
    *good = err == OK;
    *rate_hz = s.rate_hz;
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_n((const char *)data, size);
    int16_t *one = mem_alloc((size + 16) * sizeof(*one));
    int16_t *other = mem_alloc((size + 16) * sizeof(*other));
    uint32_t hz[2];
    bool good[2];
    size_t n = decode(in, size + 1, one, &good[0], &hz[0]);
    for (size_t step = 1; step < 4; step++) {
        ASSERT(decode(in, step, other, &good[1], &hz[1]) == n);
        ASSERT(good[0] == good[1] && hz[0] == hz[1] && n * 2 <= size);
        ASSERT(n == 0 || memcmp(one, other, n * sizeof(*one)) == 0);
    }
    mem_free(one);
    mem_free(other);
    return 0;
}
