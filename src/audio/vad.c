#include "audio/vad.h"

#include <math.h>

#include "audio/g711.h"
#include "base/assert.h"

/* Start: 3 voiced frames of the last 6. */
enum { START_FRAMES = 3, START_WINDOW = 6 };
enum { THRESHOLD_PERMILLE = 500, PREFIX_MS = 300, SILENCE_MS = 500 };

/* dB of mean square. A quiet line measures 10 to 25, speech 45 to 75. */
static const double MARGIN_DB_AT_1000 = 18.0;
static const double FLOOR_DB_MIN = 20.0;   /* digital silence must not make line noise loud */
static const double FLOOR_DB_FIRST = 35.0; /* a call that opens with speech */
static const double FALL_PER_FRAME = 0.3;
static const double RISE_PER_FRAME = 0.02, RISE_DB_MAX = 0.03; /* at most 1.5 dB a second */

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value < 0 ? 0 : value;
}

void vad_init(struct vad *v, const struct vad_opts *opts)
{
    struct vad_opts o = opts ? *opts : (struct vad_opts){0};
    double threshold = (double)or_default(o.threshold_permille, THRESHOLD_PERMILLE);
    *v = (struct vad){
        .margin_db = MARGIN_DB_AT_1000 * threshold / 1000,
        .prefix_ms = or_default(o.prefix_ms, PREFIX_MS),
        .silence_ms = or_default(o.silence_ms, SILENCE_MS),
    };
}

void vad_configure(struct vad *v, const struct vad_opts *opts)
{
    struct vad old = *v;
    vad_init(v, opts);
    v->floor_db = old.floor_db;
    v->started = old.started;
    v->now_ms = old.now_ms;
    v->last_stop_ms = old.now_ms;
}

void vad_skip(struct vad *v)
{
    v->now_ms += VAD_FRAME_MS;
}

/* One frame's energy moves the floor and is judged against it. */
static bool judge(struct vad *v, double energy_db)
{
    if (!v->started) {
        v->started = true;
        v->floor_db = fmin(energy_db, FLOOR_DB_FIRST);
    }
    double above = energy_db - v->floor_db;
    v->floor_db += above < 0 ? FALL_PER_FRAME * above : fmin(RISE_DB_MAX, RISE_PER_FRAME * above);
    v->floor_db = fmax(v->floor_db, FLOOR_DB_MIN);
    return energy_db > v->floor_db + v->margin_db;
}

static struct vad_result step(struct vad *v, uint64_t square_sum)
{
    struct vad_result r = {VAD_NONE, 0, 0};
    bool voiced = judge(v, 10 * log10((double)square_sum / VAD_FRAME_SAMPLES + 1));
    v->now_ms += VAD_FRAME_MS;
    v->history = v->history << 1 | (voiced ? 1u : 0u);
    if (voiced)
        v->voice_end_ms = v->now_ms;
    if (!v->speaking) {
        uint32_t window = v->history & ((1u << START_WINDOW) - 1);
        if (__builtin_popcount(window) < START_FRAMES)
            return r;
        int oldest = 31 - __builtin_clz(window); /* frames ago that the first of them came */
        v->speaking = true;
        r.event = VAD_START;
        r.voice_ms = v->now_ms - (oldest + 1) * VAD_FRAME_MS;
        r.at_ms = r.voice_ms - v->prefix_ms;
        if (r.at_ms < v->last_stop_ms)
            r.at_ms = v->last_stop_ms;
    } else if (v->now_ms - v->voice_end_ms >= v->silence_ms && !voiced) {
        v->speaking = false;
        v->history = 0;
        v->last_stop_ms = v->now_ms;
        r = (struct vad_result){VAD_STOP, v->now_ms, v->voice_end_ms};
    }
    ASSERT(r.event != VAD_START || (r.at_ms <= r.voice_ms && r.voice_ms < v->now_ms));
    return r;
}

struct vad_result vad_feed(struct vad *v, const int16_t *frame)
{
    uint64_t sum = 0;
    for (int i = 0; i < VAD_FRAME_SAMPLES; i++)
        sum += (uint64_t)((int32_t)frame[i] * frame[i]);
    return step(v, sum);
}

struct vad_result vad_feed_mulaw(struct vad *v, const uint8_t *frame)
{
    uint64_t sum = 0;
    for (int i = 0; i < VAD_FRAME_SAMPLES; i++) {
        int32_t s = g711_mulaw_decode(frame[i]);
        sum += (uint64_t)(s * s);
    }
    return step(v, sum);
}

bool vad_speaking(const struct vad *v)
{
    return v->speaking;
}

bool vad_voiced(const struct vad *v)
{
    return v->history & 1;
}

int64_t vad_quiet_ms(const struct vad *v)
{
    return v->now_ms - v->voice_end_ms;
}

int64_t vad_now_ms(const struct vad *v)
{
    return v->now_ms;
}
