#include "speech/front.h"

#include <cmd_ln.h>
#include <math.h>
#include <pocketsphinx.h>

#include "audio/resample.h"
#include "base/assert.h"
#include "base/mem.h"

enum {
    LOW_BANDS = 19, /* mel bands below 4 kHz, which a telephone carries */
    BANDS = 25,
    TELEPHONE_HZ = 8000,
    MODEL_HZ = 16000,
    CHUNK_SAMPLES = 800, /* 100 ms at 8 kHz: bounds the arrays on the stack */
    CHUNK_FRAMES = 16,   /* what 100 ms can complete, with what was left over */
};

/* One row for each missing band: weights of the lower bands, then a constant. Trained by least
 * squares on wide-band speech of speakers that no test of ours uses. */
static const float bwe[BANDS - LOW_BANDS][LOW_BANDS + 1] = {
    {-0.13057f, -0.08107f, -0.01774f, 0.14496f,  -0.17113f, 0.18206f,  0.06926f,
     -0.06322f, -0.02069f, -0.02677f, -0.03349f, 0.06670f,  -0.00883f, 0.01700f,
     0.09140f,  -0.09415f, 0.22456f,  -0.27894f, 1.10612f,  -0.10115f},
    {0.09450f, -0.47062f, 0.17626f, 0.00866f,  -0.05432f, 0.14470f, -0.12250f,
     0.06033f, -0.02086f, 0.04856f, -0.15103f, 0.15777f,  0.05487f, -0.02586f,
     0.17147f, -0.32403f, 0.20537f, 0.00741f,  0.91664f,  0.58709f},
    {0.07389f, -0.44165f, 0.12200f, -0.12626f, 0.05331f, 0.10628f, -0.15124f,
     0.04842f, 0.08527f,  0.09979f, -0.20163f, 0.17791f, 0.01776f, 0.00668f,
     0.19000f, -0.34204f, 0.19308f, 0.10572f,  0.77598f, 0.88600f},
    {0.13892f,  -0.44714f, 0.01298f, -0.01964f, -0.00241f, 0.07887f,  -0.13763f,
     -0.01198f, 0.15195f,  0.13428f, -0.15419f, 0.14226f,  -0.00411f, 0.02284f,
     0.35992f,  -0.57040f, 0.19833f, 0.11471f,  0.74789f,  1.08022f},
    {0.23037f, -0.55825f, 0.10229f, -0.00762f, -0.03419f, 0.11186f, -0.24292f,
     0.02704f, 0.08734f,  0.17380f, -0.10427f, 0.09486f,  0.04331f, -0.08840f,
     0.45398f, -0.66666f, 0.22366f, 0.12631f,  0.76359f,  1.16031f},
    {0.22224f, -0.48400f, 0.06264f, 0.09399f, -0.03774f, -0.09108f, -0.32303f,
     0.13880f, 0.11481f,  0.17814f, 0.01654f, -0.02890f, 0.13298f,  -0.27899f,
     0.55188f, -0.64195f, 0.20876f, 0.16358f, 0.68021f,  1.45919f},
};

struct front {
    fe_t *fe;
    struct resample *up;
    uint32_t dither;
    float dct[FRONT_CEPSTRA][BANDS]; /* DCT-II with the model's lifter folded in */
};

/* The front end up to log-mel energies; the bands of the acoustic model's feat.params. */
static fe_t *fe_open(void)
{
    cmd_ln_t *config =
        cmd_ln_init(NULL, ps_args(), TRUE, "-logspec", "yes", "-lowerf", "130", "-upperf", "6800",
                    "-nfilt", "25", "-transform", "dct", "-lifter", "0", "-dither", "no",
                    "-remove_noise", "yes", "-remove_silence", "no", NULL);
    if (!config)
        return NULL;
    fe_t *fe = fe_init_auto_r(config);
    cmd_ln_free_r(config);
    return fe;
}

enum err front_open(struct front **out)
{
    struct front *f = mem_zalloc(sizeof(*f));
    f->fe = fe_open();
    if (!f->fe) {
        mem_free(f);
        return ERR_IO;
    }
    for (int c = 0; c < FRONT_CEPSTRA; c++) {
        double lifter = 1 + 11 * sin(c * M_PI / 22); /* -lifter 22 */
        for (int j = 0; j < BANDS; j++) {
            double cosine =
                c ? cos(c * M_PI / BANDS * (j + 0.5)) * sqrt(2.0 / BANDS) : sqrt(1.0 / BANDS);
            f->dct[c][j] = (float)(cosine * lifter);
        }
    }
    f->up = resample_new(TELEPHONE_HZ, MODEL_HZ);
    *out = f;
    return OK;
}

void front_close(struct front *f)
{
    if (!f)
        return;
    resample_free(f->up);
    fe_free(f->fe);
    mem_free(f);
}

void front_start(struct front *f)
{
    resample_free(f->up);
    f->up = resample_new(TELEPHONE_HZ, MODEL_HZ);
    f->dither = 1;
    fe_start_stream(f->fe);
    fe_start_utt(f->fe);
}

/* Plus or minus one, so that digital silence has a logarithm; a fixed sequence, so that the same
 * audio always gives the same text. */
static void dither(struct front *f, int16_t *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        f->dither = f->dither * 1664525u + 1013904223u;
        int v = s[i] + (int)((f->dither >> 16) % 3) - 1;
        s[i] = (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
    }
}

static void cepstrum(const struct front *f, float mel[BANDS], float out[FRONT_CEPSTRA])
{
    for (int i = 0; i < BANDS - LOW_BANDS; i++) {
        float v = bwe[i][LOW_BANDS];
        for (int j = 0; j < LOW_BANDS; j++)
            v += bwe[i][j] * mel[j];
        mel[LOW_BANDS + i] = v;
    }
    for (int c = 0; c < FRONT_CEPSTRA; c++) {
        float v = 0;
        for (int j = 0; j < BANDS; j++)
            v += f->dct[c][j] * mel[j];
        out[c] = v;
    }
}

static size_t feed_chunk(struct front *f, const int16_t *pcm, size_t count,
                         float (*out)[FRONT_CEPSTRA], size_t room)
{
    int16_t wide[2 * CHUNK_SAMPLES + 64];
    ASSERT(resample_out_max(f->up, count) <= sizeof(wide) / sizeof(wide[0]));
    size_t left = resample_run(f->up, pcm, count, wide);
    dither(f, wide, left);
    const int16 *p = wide;
    size_t written = 0;
    while (left > 0) {
        mfcc_t mel[CHUNK_FRAMES][BANDS];
        mfcc_t *rows[CHUNK_FRAMES];
        for (int i = 0; i < CHUNK_FRAMES; i++)
            rows[i] = mel[i];
        int32 frames = CHUNK_FRAMES;
        if (fe_process_frames(f->fe, &p, &left, rows, &frames, NULL) < 0)
            break;
        for (int32 i = 0; i < frames && written < room; i++)
            cepstrum(f, mel[i], out[written++]);
        if (frames == 0)
            break;
    }
    return written;
}

size_t front_feed(struct front *f, const int16_t *pcm, size_t count, float (*out)[FRONT_CEPSTRA],
                  size_t room)
{
    size_t written = 0;
    while (count > 0) {
        size_t n = count < CHUNK_SAMPLES ? count : CHUNK_SAMPLES;
        written += feed_chunk(f, pcm, n, out + written, room - written);
        pcm += n;
        count -= n;
    }
    return written;
}
