/*
 * tts.h - the offline voices (flite), a sentence at a time.
 *
 * A voice of flite is an object with settings on it that says one sentence at a time. The process
 * keeps up to TTS_AT_ONCE of each voice; one more sentence waits some tens of milliseconds.
 *
 *   Units    mono int16 at TTS_HZ. Speed in permille, 1000 = natural.
 *   Memory   samples are the caller's: tts_audio_fini.
 *   Thread   any but the loop's: slt takes about a fiftieth of the time its speech lasts, kal16 a
 *            thousandth.
 *   Bounds   a sentence is cut at TTS_SENTENCE_BYTES_MAX.
 */
#ifndef SPEECH_TTS_H
#define SPEECH_TTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { TTS_HZ = 8000 };

/* slt: female, the default; kal16: male, robotic, nearly free; rms, awb: male. */
enum tts_voice { TTS_SLT, TTS_KAL16, TTS_RMS, TTS_AWB, TTS_VOICE_COUNT };

struct tts_audio {
    int16_t *samples;
    size_t count;
};

/* "slt", "kal16", "rms", "awb"; false for another name. */
bool tts_voice_find(struct str name, enum tts_voice *out);
const char *tts_voice_name(enum tts_voice voice);

/*
 * Says one sentence. Peaks stand at -6 dBFS; silence is trimmed to 40 ms before and 160 ms behind,
 * so that sentences can be joined. Numbers, money and times are read as a person would.
 * ERR_INVALID when there is nothing to say, ERR_IO when the voice cannot be loaded.
 */
enum err tts_say(enum tts_voice voice, struct str sentence, unsigned speed_permille,
                 struct tts_audio *out) MUST_CHECK;
/* NULL samples are fine. */
void tts_audio_fini(struct tts_audio *a);

#endif
