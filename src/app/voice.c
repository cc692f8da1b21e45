/* Sentence by sentence, because the synthesiser's pauses and bounds are those of sentences. */
#include "app/voice.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio/g711.h"
#include "audio/resample.h"
#include "audio/wav.h"
#include "base/limits.h"
#include "base/mem.h"
#include "speech/sentence.h"
#include "speech/tts.h"

enum { TONE_HZ = 440, TONE_CHAR_MS = 60, TONE_LEVEL = 6000 };

static bool is_tone(const char *name)
{
    return strcmp(name, "tone") == 0;
}

bool voice_known(const char *name)
{
    enum tts_voice voice;
    return is_tone(name) || tts_voice_find(str_of(name), &voice);
}

static void put_mulaw(struct buf *mulaw, const int16_t *samples, size_t count)
{
    uint8_t *out = buf_reserve(mulaw, count);
    if (!out)
        return;
    g711_mulaw_encode_all(out, samples, count);
    buf_commit(mulaw, count);
}

static void put_tone(struct buf *mulaw, size_t chars)
{
    size_t count = chars * TONE_CHAR_MS * 8;
    for (size_t i = 0; i < count && buf_ok(mulaw); i++) {
        double angle = 2.0 * 3.14159265358979 * TONE_HZ * (double)i / 8000.0;
        buf_put_byte(mulaw, g711_mulaw_encode((int16_t)(TONE_LEVEL * sin(angle))));
    }
}

enum err voice_say(const char *name, struct str text, struct buf *mulaw, struct err_detail *why)
{
    size_t before = mulaw->len;
    enum tts_voice voice = TTS_SLT;
    if (is_tone(name)) {
        put_tone(mulaw, text.len);
    } else if (!tts_voice_find(str_of(name), &voice)) {
        return err_explain(why, ERR_INVALID, "there is no voice \"%.40s\"", name);
    } else {
        struct str rest = text, sentence;
        while (sentence_next(&rest, &sentence)) {
            struct tts_audio audio;
            enum err err = tts_say(voice, sentence, 1000, &audio);
            if (err == ERR_INVALID)
                continue; /* punctuation alone */
            if (err != OK)
                return err_explain(why, err, "the voice %s cannot be loaded", name);
            put_mulaw(mulaw, audio.samples, audio.count);
            tts_audio_fini(&audio);
        }
    }
    if (!buf_ok(mulaw))
        return err_explain(why, ERR_INVALID, "a text of %zu characters is too long to say",
                           text.len);
    if (mulaw->len == before)
        return err_explain(why, ERR_INVALID, "there is nothing to say in \"%.40s\"", text.p);
    return OK;
}

static enum err read_all(const char *path, struct buf *b, struct err_detail *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_explain(why, ERR_INVALID, "cannot read %s: %s", path, strerror(errno));
    ssize_t got = 1;
    while (got > 0 && buf_ok(b)) {
        char *room = buf_reserve(b, 65536);
        if (!room)
            break;
        got = read(fd, room, 65536);
        buf_commit(b, got > 0 ? (size_t)got : 0);
    }
    int reason = errno;
    close(fd);
    if (got < 0)
        return err_explain(why, ERR_INVALID, "cannot read %s: %s", path, strerror(reason));
    if (got > 0)
        return err_explain(why, ERR_INVALID, "%s is too large", path);
    return OK;
}

static enum err convert(const char *path, struct str bytes, struct buf *mulaw,
                        struct err_detail *why)
{
    struct wav w;
    struct err_detail detail;
    if (wav_parse(&w, bytes, &detail) != OK)
        return err_explain(why, ERR_INVALID, "%s: %s", path, detail.text);
    if (!resample_rate_ok(w.rate_hz) || w.frames == 0)
        return err_explain(why, ERR_INVALID, "%s: %s", path,
                           w.frames ? "unusable sample rate" : "holds no audio");
    size_t count = resample_clip_len(w.frames, w.rate_hz, TTS_HZ);
    if (count > VOICE_BYTES_MAX)
        return err_explain(why, ERR_INVALID, "%s is too long", path);
    int16_t *in = mem_alloc(w.frames * sizeof(*in));
    int16_t *out = mem_alloc(count * sizeof(*out));
    wav_read_mono(&w, 0, in, w.frames);
    resample_clip(in, w.frames, w.rate_hz, out, TTS_HZ);
    put_mulaw(mulaw, out, count);
    mem_free(in);
    mem_free(out);
    return buf_ok(mulaw) ? OK : err_explain(why, ERR_INVALID, "%s is too long", path);
}

enum err voice_read_wav(const char *path, struct buf *mulaw, struct err_detail *why)
{
    struct buf bytes;
    buf_init(&bytes, VOICE_WAV_BYTES_MAX);
    enum err err = read_all(path, &bytes, why);
    if (err == OK)
        err = convert(path, buf_str(&bytes), mulaw, why);
    buf_fini(&bytes);
    return err;
}

int voice_level(const uint8_t *frame)
{
    int sum = 0;
    for (size_t i = 0; i < VOICE_FRAME_BYTES; i++)
        sum += abs(g711_mulaw_decode(frame[i]));
    return sum / VOICE_FRAME_BYTES;
}
