/*
 * frame.h - audio that can be told apart: 20 ms frames of which each says whose it is.
 *
 * A frame is 160 bytes of mu-law, far from silence: a sign that no other speech begins with, the
 * call, the frame's number within the call, and a filling that follows from the number. So one that
 * was lost, came twice, out of order or changed is noticed by looking at what came back.
 *
 *   Thread   any; no state.
 */
#ifndef BENCH_BRIDGE_FRAME_H
#define BENCH_BRIDGE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    FRAME_MS = 20,
    FRAME_BYTES = 160,
    FRAME_CHARS = 216, /* of its base64 */
    FRAME_SIGN_BYTES = 12,
    FRAME_SIGN_CHARS = 16,
    FRAME_REPLY_FRAMES = 10, /* 200 ms: one delta of a spoken answer */
    FRAME_REPLY_CHARS = 2136,
};
#define FRAME_HELLO UINT32_MAX /* the number of a frame that only says that a call is up */

/* Exactly FRAME_CHARS characters, no NUL. */
void frame_write(char *out, uint32_t call, uint32_t number);
/* 200 ms as one piece, FRAME_REPLY_CHARS characters. */
void frame_write_reply(char *out);
/* A frame of somebody who says nothing, on a line that is not quite quiet. */
void frame_write_quiet(char *out, uint32_t number);
/* Whether base64 text begins with the sign. */
bool frame_is_ours(struct str payload);
/* Whether 160 bytes begin with it. */
bool frame_is_speech(const uint8_t *bytes);
/* False when the 160 bytes are no frame, or not as they were written. */
bool frame_read(const uint8_t *bytes, uint32_t *call, uint32_t *number);

#endif
