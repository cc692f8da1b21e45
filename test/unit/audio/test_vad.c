/* Turns found in synthetic speech: bursts of loud frames over a quiet, a silent or a noisy line. */
#include "harness/test.h"

#include "audio/g711.h"
#include "audio/vad.h"
#include "base/rng.h"

/* One frame of noise whose peak is `level`. */
static void noise(int16_t *frame, struct rng *r, int level)
{
    for (int i = 0; i < VAD_FRAME_SAMPLES; i++)
        frame[i] = (int16_t)(level ? (int)rng_below(r, (uint32_t)(2 * level + 1)) - level : 0);
}

struct seen {
    int starts, stops;
    struct vad_result start, stop;
};

static void feed(struct vad *v, struct seen *s, struct rng *r, int level, int frames)
{
    int16_t pcm[VAD_FRAME_SAMPLES];
    uint8_t mu[VAD_FRAME_SAMPLES];
    for (int i = 0; i < frames; i++) {
        noise(pcm, r, level);
        g711_mulaw_encode_all(mu, pcm, VAD_FRAME_SAMPLES);
        struct vad_result res = vad_feed_mulaw(v, mu);
        if (res.event == VAD_START) {
            s->starts++;
            s->start = res;
        } else if (res.event == VAD_STOP) {
            s->stops++;
            s->stop = res;
        }
    }
}

TEST(a_turn_starts_and_stops_where_the_voice_did)
{
    struct vad v;
    struct seen s = {0};
    struct rng r;
    rng_init_seeded(&r, 1);
    vad_init(&v, NULL);
    feed(&v, &s, &r, 20, 50); /* 1 s of line noise */
    CHECK_INT(0, s.starts);
    feed(&v, &s, &r, 3000, 2);
    CHECK_INT(0, s.starts); /* not before the third frame */
    feed(&v, &s, &r, 3000, 48);
    CHECK_INT(1, s.starts);
    CHECK_INT(1000, s.start.voice_ms);
    CHECK_INT(700, s.start.at_ms);
    CHECK(vad_speaking(&v) && vad_voiced(&v));
    feed(&v, &s, &r, 20, 24);
    CHECK_INT(0, s.stops);
    CHECK(vad_speaking(&v) && !vad_voiced(&v));
    feed(&v, &s, &r, 20, 1); /* 500 ms of silence */
    CHECK_INT(1, s.stops);
    CHECK_INT(2000, s.stop.voice_ms);
    CHECK_INT(2500, s.stop.at_ms);
    CHECK_INT(2500, vad_now_ms(&v));
}

TEST(pauses_within_a_turn_do_not_end_it)
{
    struct vad v;
    struct seen s = {0};
    struct rng r;
    rng_init_seeded(&r, 2);
    vad_init(&v, &(struct vad_opts){.silence_ms = 700});
    feed(&v, &s, &r, 20, 25);
    for (int word = 0; word < 10; word++) {
        feed(&v, &s, &r, 2500, 15);
        feed(&v, &s, &r, 20, 30); /* 600 ms */
    }
    feed(&v, &s, &r, 20, 10);
    CHECK_INT(1, s.starts);
    CHECK_INT(1, s.stops);
}

TEST(clicks_and_steady_noise_are_not_speech)
{
    struct vad v;
    struct seen s = {0};
    struct rng r;
    rng_init_seeded(&r, 3);
    vad_init(&v, NULL);
    feed(&v, &s, &r, 0, 50); /* digital silence, then a line that hisses softly */
    feed(&v, &s, &r, 25, 100);
    for (int click = 0; click < 20; click++) {
        feed(&v, &s, &r, 8000, 1);
        feed(&v, &s, &r, 25, 7);
    }
    CHECK_INT(0, s.starts);
}

TEST(the_floor_learns_a_noisy_room)
{
    struct vad v;
    struct seen s = {0};
    struct rng r;
    rng_init_seeded(&r, 4);
    vad_init(&v, NULL);
    feed(&v, &s, &r, 20, 50);
    feed(&v, &s, &r, 400, 1500); /* 26 dB louder for good: first taken for speech, then learned */
    CHECK_INT(1, s.starts);
    CHECK_INT(1, s.stops);
    feed(&v, &s, &r, 4000, 25);
    CHECK_INT(2, s.starts);
    feed(&v, &s, &r, 400, 40);
    CHECK_INT(2, s.stops);
}

TEST(the_threshold_is_a_margin_over_the_floor)
{
    for (int strict = 0; strict < 2; strict++) {
        struct vad v;
        struct seen s = {0};
        struct rng r;
        rng_init_seeded(&r, 5);
        vad_init(&v, &(struct vad_opts){.threshold_permille = strict ? 1000 : 500});
        feed(&v, &s, &r, 200, 300);
        feed(&v, &s, &r, 800, 25); /* 12 dB over it */
        CHECK_INT(strict ? 0 : 1, s.starts);
    }
}

TEST(the_prefix_never_reaches_into_the_turn_before)
{
    struct vad v;
    struct seen s = {0};
    struct rng r;
    rng_init_seeded(&r, 6);
    vad_init(&v, &(struct vad_opts){.silence_ms = 100, .prefix_ms = 1000});
    feed(&v, &s, &r, 20, 10);
    feed(&v, &s, &r, 3000, 20);
    CHECK_INT(0, s.start.at_ms);
    feed(&v, &s, &r, 20, 8);
    CHECK_INT(1, s.stops);
    feed(&v, &s, &r, 3000, 5);
    CHECK_INT(2, s.starts);
    CHECK_INT(s.stop.at_ms, s.start.at_ms);
}

TEST(linear_and_mulaw_frames_agree)
{
    struct vad a, b;
    struct rng r;
    int16_t pcm[VAD_FRAME_SAMPLES];
    uint8_t mu[VAD_FRAME_SAMPLES];
    rng_init_seeded(&r, 7);
    vad_init(&a, NULL);
    vad_init(&b, NULL);
    for (int i = 0; i < 200; i++) {
        noise(pcm, &r, i / 50 % 2 ? 5000 : 60);
        g711_mulaw_encode_all(mu, pcm, VAD_FRAME_SAMPLES);
        g711_mulaw_decode_all(pcm, mu, VAD_FRAME_SAMPLES);
        CHECK_INT(vad_feed_mulaw(&b, mu).event, vad_feed(&a, pcm).event);
    }
}
