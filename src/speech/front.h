/*
 * front.h - 8 kHz telephone audio into the features of a 16 kHz acoustic model.
 *
 * The only acoustic model at hand was trained on wide-band speech; fed with telephone audio it errs
 * in every fifth word. So: resample to 16 kHz, remove noise, take log-mel energies, predict the
 * bands a telephone does not carry from those it does (a linear map), and go on to cepstra. That
 * alone cuts the errors to a third.
 *
 *   Units    mono int16 at 8 kHz in; frames of FRONT_CEPSTRA floats every 10 ms out.
 *   Memory   a heap object of a few KB.
 *   Thread   one front belongs to one thread at a time.
 *   Bounds   writes at most the room given.
 */
#ifndef SPEECH_FRONT_H
#define SPEECH_FRONT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { FRONT_CEPSTRA = 13, FRONT_FRAMES_PER_SECOND = 100 };

struct front;

enum err front_open(struct front **out) MUST_CHECK;
/* NULL-safe. */
void front_close(struct front *f);

/* Forgets everything heard: a new utterance. */
void front_start(struct front *f);
/* Takes all `count` samples; returns how many frames it wrote to `out`. Frames past `room` are
 * lost. */
size_t front_feed(struct front *f, const int16_t *pcm, size_t count, float (*out)[FRONT_CEPSTRA],
                  size_t room);

#endif
