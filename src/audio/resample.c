#include "audio/resample.h"

#include <speex/speex_resampler.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

enum { QUALITY = 3, CHUNK_SAMPLES = 4096 };

struct resample {
    SpeexResamplerState *state; /* NULL when the rates are equal */
    uint32_t in_hz, out_hz;
};

bool resample_rate_ok(uint32_t rate_hz)
{
    return rate_hz >= RESAMPLE_HZ_MIN && rate_hz <= RESAMPLE_HZ_MAX;
}

struct resample *resample_new(uint32_t in_hz, uint32_t out_hz)
{
    ASSERT(resample_rate_ok(in_hz) && resample_rate_ok(out_hz));
    struct resample *r = mem_zalloc(sizeof(*r));
    r->in_hz = in_hz;
    r->out_hz = out_hz;
    if (in_hz != out_hz) {
        int err = 0;
        r->state = speex_resampler_init(1, in_hz, out_hz, QUALITY, &err);
        ASSERT(r->state && err == RESAMPLER_ERR_SUCCESS);
    }
    return r;
}

void resample_free(struct resample *r)
{
    if (!r)
        return;
    if (r->state)
        speex_resampler_destroy(r->state);
    mem_free(r);
}

/* A phase left over from earlier input can add one sample. */
size_t resample_out_max(const struct resample *r, size_t count)
{
    return (size_t)((uint64_t)count * r->out_hz / r->in_hz) + 2;
}

size_t resample_run(struct resample *r, const int16_t *in, size_t count, int16_t *out)
{
    if (!r->state) {
        if (count)
            memcpy(out, in, count * sizeof(*in));
        return count;
    }
    size_t room = resample_out_max(r, count), done = 0;
    while (count > 0) {
        spx_uint32_t took = count < CHUNK_SAMPLES ? (spx_uint32_t)count : CHUNK_SAMPLES;
        spx_uint32_t wrote = room - done < UINT32_MAX ? (spx_uint32_t)(room - done) : UINT32_MAX;
        int err = speex_resampler_process_int(r->state, 0, in, &took, out + done, &wrote);
        ASSERT(err == RESAMPLER_ERR_SUCCESS && took > 0);
        in += took;
        count -= took;
        done += wrote;
    }
    return done;
}

size_t resample_clip_len(size_t count, uint32_t in_hz, uint32_t out_hz)
{
    return (size_t)(((uint64_t)count * out_hz + in_hz / 2) / in_hz);
}

void resample_clip(const int16_t *in, size_t count, uint32_t in_hz, int16_t *out, uint32_t out_hz)
{
    static const int16_t silence[64];
    struct resample *r = resample_new(in_hz, out_hz);
    size_t want = resample_clip_len(count, in_hz, out_hz), done = 0;
    if (!r->state) {
        resample_run(r, in, count, out);
        resample_free(r);
        return;
    }
    speex_resampler_skip_zeros(r->state);
    while (done < want) {
        /* Behind the clip the filter is fed silence until its delay has come out. */
        const int16_t *from = count ? in : silence;
        spx_uint32_t took = count ? (count < CHUNK_SAMPLES ? (spx_uint32_t)count : CHUNK_SAMPLES)
                                  : sizeof(silence) / sizeof(silence[0]);
        spx_uint32_t wrote = want - done < UINT32_MAX ? (spx_uint32_t)(want - done) : UINT32_MAX;
        int err = speex_resampler_process_int(r->state, 0, from, &took, out + done, &wrote);
        ASSERT(err == RESAMPLER_ERR_SUCCESS && (took > 0 || wrote > 0));
        if (count) {
            in += took;
            count -= took;
        }
        done += wrote;
    }
    resample_free(r);
}
