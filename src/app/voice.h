/*
 * voice.h - words as telephone audio, for the commands that play a person or an agent.
 *
 *   Units    mu-law at 8 kHz: 8 bytes a millisecond.
 *   Thread   any; takes 1 to 50 ms a sentence, so not on a loop that serves real calls.
 *   Bounds   VOICE_BYTES_MAX a text.
 */
#ifndef APP_VOICE_H
#define APP_VOICE_H

#include "base/buf.h"
#include "base/err.h"

/* Whether voice_say knows the name: "slt", "kal16", "rms", "awb", or "tone". */
bool voice_known(const char *name);

/* Appends the text as speech; "tone" gives a steady 440 Hz of 60 ms a character instead, which
 * costs nothing and lasts exactly as long as one can calculate. ERR_INVALID with a sentence for an
 * unknown voice, a text without words or one longer than the bound. */
enum err voice_say(const char *name, struct str text, struct buf *mulaw,
                   struct err_detail *why) MUST_CHECK;

/* A WAVE file of any rate and channel count. ERR_INVALID with a sentence. */
enum err voice_read_wav(const char *path, struct buf *mulaw, struct err_detail *why) MUST_CHECK;

/* How loud a 20 ms frame of 160 codes is: the mean of |sample|. */
int voice_level(const uint8_t *frame);
/* Level from which a frame counts as audible speech: about -45 dBFS. */
enum { VOICE_AUDIBLE = 120, VOICE_FRAME_BYTES = 160, VOICE_FRAME_MS = 20 };

#endif
