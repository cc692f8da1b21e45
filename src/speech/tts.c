#include "speech/tts.h"

#include <flite/flite.h>
#include <pthread.h>
#include <stdlib.h>

#include "audio/resample.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "speech/normalise.h"

/* The voices' libraries have no headers. What register_* made first it returns ever after, by way
 * of these variables; emptied, it makes another one that shares nothing but constants. */
extern cst_voice *cmu_us_slt_cg, *cmu_us_kal16_diphone, *cmu_us_rms_cg, *cmu_us_awb_cg;
cst_voice *register_cmu_us_slt(const char *voxdir);
cst_voice *register_cmu_us_kal16(const char *voxdir);
cst_voice *register_cmu_us_rms(const char *voxdir);
cst_voice *register_cmu_us_awb(const char *voxdir);

enum {
    PEAK = 16384,      /* -6 dBFS */
    GAIN_MAX = 8,      /* a whisper stays one */
    QUIET = PEAK / 64, /* 36 dB below the peak is silence */
    LEAD_SAMPLES = 40 * TTS_HZ / 1000,
    TRAIL_SAMPLES = 160 * TTS_HZ / 1000,
};

static const struct {
    const char *name;
    cst_voice *(*open)(const char *voxdir);
    cst_voice **opened;
} voices[TTS_VOICE_COUNT] = {
    [TTS_SLT] = {"slt", register_cmu_us_slt, &cmu_us_slt_cg},
    [TTS_KAL16] = {"kal16", register_cmu_us_kal16, &cmu_us_kal16_diphone},
    [TTS_RMS] = {"rms", register_cmu_us_rms, &cmu_us_rms_cg},
    [TTS_AWB] = {"awb", register_cmu_us_awb, &cmu_us_awb_cg},
};

/* flite's voices are process-wide objects; so must be what guards them. */
static pthread_once_t flite_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static struct {
    cst_voice *voice; /* NULL until it is needed */
    bool out;
} throats[TTS_VOICE_COUNT][TTS_AT_ONCE];

static void init_flite(void)
{
    flite_init();
}

bool tts_voice_find(struct str name, enum tts_voice *out)
{
    for (int v = 0; v < TTS_VOICE_COUNT; v++) {
        if (str_eq_nocase(name, str_of(voices[v].name))) {
            *out = (enum tts_voice)v;
            return true;
        }
    }
    return false;
}

const char *tts_voice_name(enum tts_voice voice)
{
    ASSERT(voice < TTS_VOICE_COUNT);
    return voices[voice].name;
}

/* Waits until one is free. The first one of all builds the lexicon that they share. */
static int borrow(enum tts_voice voice)
{
    int i = 0;
    pthread_mutex_lock(&lock);
    while (throats[voice][i].out) {
        if (++i == TTS_AT_ONCE) {
            pthread_cond_wait(&returned, &lock);
            i = 0;
        }
    }
    throats[voice][i].out = true;
    if (!throats[voice][i].voice) {
        *voices[voice].opened = NULL;
        throats[voice][i].voice = voices[voice].open(NULL);
    }
    pthread_mutex_unlock(&lock);
    return i;
}

static void give_back(enum tts_voice voice, int i)
{
    pthread_mutex_lock(&lock);
    throats[voice][i].out = false;
    pthread_cond_broadcast(&returned);
    pthread_mutex_unlock(&lock);
}

static cst_wave *synthesise(enum tts_voice voice, const char *text, unsigned speed_permille)
{
    pthread_once(&flite_once, init_flite);
    int i = borrow(voice);
    cst_voice *v = throats[voice][i].voice;
    cst_wave *wave = NULL;
    if (v) {
        flite_feat_set_float(v->features, "duration_stretch", 1000.0f / (float)speed_permille);
        wave = flite_text_to_wave(text, v);
    }
    give_back(voice, i);
    return wave;
}

static int loudest(const int16_t *s, size_t count)
{
    int peak = 0;
    for (size_t i = 0; i < count; i++) {
        if (abs(s[i]) > peak)
            peak = abs(s[i]);
    }
    return peak;
}

static void level(int16_t *s, size_t count)
{
    int peak = loudest(s, count);
    if (peak == 0)
        return;
    int32_t gain = PEAK * 256 / peak;
    if (gain > GAIN_MAX * 256)
        gain = GAIN_MAX * 256;
    for (size_t i = 0; i < count; i++)
        s[i] = (int16_t)(s[i] * gain / 256);
}

/* Moves what is heard to the front. */
static size_t trim(int16_t *s, size_t count)
{
    size_t first = 0, end = count;
    while (first < count && abs(s[first]) < QUIET)
        first++;
    while (end > first && abs(s[end - 1]) < QUIET)
        end--;
    if (first == end)
        return 0;
    first = first > LEAD_SAMPLES ? first - LEAD_SAMPLES : 0;
    end = end + TRAIL_SAMPLES < count ? end + TRAIL_SAMPLES : count;
    memmove(s, s + first, (end - first) * sizeof(*s));
    return end - first;
}

enum err tts_say(enum tts_voice voice, struct str sentence, unsigned speed_permille,
                 struct tts_audio *out)
{
    ASSERT(voice < TTS_VOICE_COUNT && speed_permille > 0);
    struct buf text;
    buf_init(&text, (size_t)TTS_SENTENCE_BYTES_MAX * 8);
    normalise_speech(&text, str_slice(sentence, 0, TTS_SENTENCE_BYTES_MAX));
    if (!buf_ok(&text) || text.len == 0) {
        buf_fini(&text);
        return ERR_INVALID;
    }
    cst_wave *wave = synthesise(voice, buf_cstr(&text), speed_permille);
    buf_fini(&text);
    if (!wave)
        return ERR_IO;
    uint32_t rate = (uint32_t)cst_wave_sample_rate(wave);
    size_t in_count = (size_t)cst_wave_num_samples(wave);
    size_t count = resample_clip_len(in_count, rate, TTS_HZ);
    int16_t *samples = mem_alloc((count + 1) * sizeof(*samples));
    resample_clip(cst_wave_samples(wave), in_count, rate, samples, TTS_HZ);
    delete_wave(wave);
    level(samples, count);
    *out = (struct tts_audio){samples, trim(samples, count)};
    return OK;
}

void tts_audio_fini(struct tts_audio *a)
{
    mem_free(a->samples);
    *a = (struct tts_audio){0};
}
