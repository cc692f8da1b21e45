/* LAYER: audio - WAVE files: nothing outside the bytes is read, what is read can be written */
#include "audio/wav.h"
#include "base/assert.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wav w, again;
    struct err_detail why;
    if (wav_parse(&w, str_n((const char *)data, size), &why) != OK)
        return 0;
    ASSERT(w.frames <= size && w.channels > 0 && w.rate_hz > 0);
    int16_t *pcm = mem_alloc(w.frames * sizeof(*pcm) + 1);
    wav_read_channel(&w, w.channels - 1, 0, pcm, w.frames);
    wav_read_mono(&w, 0, pcm, w.frames);
    struct buf b;
    buf_init(&b, 2 * size + 64);
    wav_write_header(&b, w.rate_hz, 1, w.frames);
    wav_write_samples(&b, pcm, w.frames);
    ASSERT(buf_ok(&b) && wav_parse(&again, buf_str(&b), &why) == OK);
    ASSERT(again.frames == w.frames && again.rate_hz == w.rate_hz);
    for (size_t i = 0; i < again.frames; i++) {
        int16_t s;
        wav_read_channel(&again, 0, i, &s, 1);
        ASSERT(s == pcm[i]);
    }
    buf_fini(&b);
    mem_free(pcm);
    return 0;
}
