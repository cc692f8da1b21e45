/* Lengths and levels: a tone stays a tone of the same loudness at every pair of rates we use. */
#include "harness/test.h"

#include <math.h>

#include "audio/resample.h"
#include "base/mem.h"

static double rms(const int16_t *s, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)s[i] * s[i];
    return sqrt(sum / (double)n);
}

static int16_t *tone(size_t n, uint32_t rate, double hz)
{
    int16_t *s = mem_alloc(n * sizeof(*s));
    for (size_t i = 0; i < n; i++)
        s[i] = (int16_t)lrint(8000 * sin(2 * 3.14159265358979 * hz * (double)i / rate));
    return s;
}

TEST(a_stream_gives_steady_lengths)
{
    const uint32_t pairs[][2] = {{8000, 16000}, {16000, 8000},  {8000, 24000},
                                 {24000, 8000}, {48000, 24000}, {8000, 8000}};
    for (size_t p = 0; p < 6; p++) {
        struct resample *r = resample_new(pairs[p][0], pairs[p][1]);
        size_t in = pairs[p][0] / 50, want = pairs[p][1] / 50;
        int16_t *from = tone(in, pairs[p][0], 400), *to = mem_alloc(sizeof(*to) * (want + 2));
        bool steady = resample_out_max(r, in) <= want + 2;
        for (int frame = 0; frame < 50; frame++)
            steady = resample_run(r, from, in, to) == want && steady;
        mem_free(from);
        mem_free(to);
        resample_free(r);
        CHECK(steady);
    }
}

TEST(a_clip_keeps_its_length_its_place_and_its_loudness)
{
    const uint32_t pairs[][2] = {{8000, 16000}, {16000, 8000}, {22050, 8000},
                                 {44100, 8000}, {8000, 24000}, {48000, 16000}};
    for (size_t p = 0; p < 6; p++) {
        uint32_t a = pairs[p][0], b = pairs[p][1];
        size_t n = a / 2 + 7, want = resample_clip_len(n, a, b);
        int16_t *from = tone(n, a, 440), *to = mem_alloc(sizeof(*to) * want);
        int16_t *same = tone(want, b, 440);
        resample_clip(from, n, a, to, b);
        double loud = rms(to + 200, want - 400), worst = 0;
        for (size_t i = 200; i < want - 200; i++) /* the same tone, sample for sample */
            worst = fmax(worst, fabs((double)to[i] - same[i]));
        mem_free(from);
        mem_free(to);
        mem_free(same);
        CHECK(fabs(loud - 8000 / sqrt(2)) < 60);
        CHECK(worst < 150);
    }
}

TEST(what_the_narrow_side_cannot_carry_is_filtered_out)
{
    int16_t *from = tone(24000, 24000, 6000), *to = mem_alloc(sizeof(*to) * 8000);
    resample_clip(from, 24000, 24000, to, 8000);
    double left = rms(to + 200, 7600);
    mem_free(from);
    mem_free(to);
    CHECK(left < 60); /* 40 dB below the tone; without a filter it folds back to 2 kHz in full */
}

TEST(short_and_empty_clips_work)
{
    int16_t in[3] = {1000, 1000, 1000}, out[6];
    resample_clip(in, 0, 8000, out, 16000);
    CHECK_INT(6, resample_clip_len(3, 8000, 16000));
    resample_clip(in, 3, 8000, out, 16000);
    CHECK_INT(0, resample_clip_len(1, 48000, 8000));
    CHECK(!resample_rate_ok(0) && !resample_rate_ok(4000000000u) && resample_rate_ok(44100));
}
