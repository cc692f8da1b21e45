/*
 * vad.h - turns by energy: is the caller speaking, and since when.
 *
 * A frame is voiced when its energy stands a margin (9 dB) above a noise floor that follows quiet
 * at once and noise slowly. Speech starts with 3 voiced frames among the last 6, so that a click
 * does not interrupt the agent, and stops after `silence_ms` without a voiced frame. Positions are
 * reported as the Realtime API reports them: a start reaches back by the prefix, a stop includes
 * the silence that ended it.
 *
 *   Units    frames of 20 ms at 8 kHz: 160 samples or mu-law codes. Positions: ms of audio fed.
 *   Memory   value type, embedded in its owner.
 *   Thread   the owner's. A frame costs about a quarter of a microsecond.
 */
#ifndef AUDIO_VAD_H
#define AUDIO_VAD_H

#include <stdbool.h>
#include <stdint.h>

enum { VAD_FRAME_SAMPLES = 160, VAD_FRAME_MS = 20 };

/* Zero means the default of server_vad. */
struct vad_opts {
    int64_t threshold_permille; /* 500 = 9 dB over the floor, 1000 = 18 dB; default 500 */
    int64_t prefix_ms;          /* default 300; -1 = none */
    int64_t silence_ms;         /* default 500 */
};

enum vad_event { VAD_NONE, VAD_START, VAD_STOP };

struct vad_result {
    enum vad_event event;
    int64_t at_ms;    /* start minus prefix (never before the last stop), or stop with silence */
    int64_t voice_ms; /* where the voice itself began, or ended */
};

/* Fields are private to vad.c. */
struct vad {
    double margin_db;
    double floor_db;
    int64_t prefix_ms, silence_ms;
    int64_t now_ms;       /* end of the last frame */
    int64_t voice_end_ms; /* end of the last voiced frame */
    int64_t last_stop_ms;
    uint32_t history; /* voiced bits of the last frames, newest lowest */
    bool started;     /* the floor has seen its first frame */
    bool speaking;
};

/* `opts` may be NULL for all defaults. */
void vad_init(struct vad *v, const struct vad_opts *opts);

/* Other settings from here on: the position and the noise floor stay, a running turn is forgotten.
 */
void vad_configure(struct vad *v, const struct vad_opts *opts);
/* A frame that is not looked at: time passes. */
void vad_skip(struct vad *v);

/* Takes one frame of VAD_FRAME_SAMPLES. */
struct vad_result vad_feed(struct vad *v, const int16_t *frame);
struct vad_result vad_feed_mulaw(struct vad *v, const uint8_t *frame);

/* Between a start and its stop. */
bool vad_speaking(const struct vad *v);
/* The last frame alone was voiced. */
bool vad_voiced(const struct vad *v);
/* Milliseconds since the end of the last voiced frame. */
int64_t vad_quiet_ms(const struct vad *v);
/* Milliseconds fed so far. */
int64_t vad_now_ms(const struct vad *v);

#endif
