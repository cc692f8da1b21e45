#include "llm/sound_stream.h"

#include "audio/resample.h"
#include "audio/wav.h"

enum { RIFF_BYTES = 12 };

void sound_stream_init(struct sound_stream *s, uint32_t bare_hz)
{
    *s = (struct sound_stream){.rate_hz = bare_hz, .left = UINT64_MAX};
}

static bool may_be_wav(const struct sound_stream *s)
{
    struct str head = str_n((const char *)s->head, s->head_len);
    return str_eq(str_slice(head, 0, 4), str_slice(STR("RIFF"), 0, s->head_len)) &&
           (s->head_len < RIFF_BYTES || str_eq(str_slice(head, 8, 12), STR("WAVE")));
}

static void begin(struct sound_stream *s, size_t at)
{
    s->begun = true;
    s->head_at = at;
}

/* Looks at the head so far. */
static enum err look(struct sound_stream *s)
{
    struct wav wav;
    if (!may_be_wav(s)) {
        begin(s, 0);
        return OK;
    }
    if (s->head_len < WAV_HEADER_BYTES ||
        wav_parse(&wav, str_n((const char *)s->head, s->head_len), NULL) != OK)
        return s->head_len < sizeof(s->head) ? OK : ERR_INVALID;
    if (wav.format != WAV_PCM16 || wav.channels != 1 || !resample_rate_ok(wav.rate_hz))
        return ERR_INVALID;
    const uint8_t *size = wav.data - 4;
    uint32_t bytes = (uint32_t)size[0] | (uint32_t)size[1] << 8 | (uint32_t)size[2] << 16 |
                     (uint32_t)size[3] << 24;
    /* A program that streams cannot know how much will come. */
    s->left = bytes == 0 || bytes == UINT32_MAX ? UINT64_MAX : bytes;
    s->rate_hz = wav.rate_hz;
    begin(s, (size_t)(wav.data - s->head));
    return OK;
}

static size_t samples_of(struct sound_stream *s, struct str *in, int16_t *out, size_t max)
{
    size_t n = 0, used = 0;
    while (used < in->len && n < max && s->left > 0) {
        uint8_t byte = (uint8_t)in->p[used++];
        s->left--;
        if (s->half)
            out[n++] = (int16_t)(uint16_t)(s->low | byte << 8);
        else
            s->low = byte;
        s->half = !s->half;
    }
    *in = str_slice(*in, s->left ? used : in->len, in->len);
    return n;
}

enum err sound_stream_next(struct sound_stream *s, struct str *in, int16_t *out, size_t max,
                           size_t *count)
{
    *count = 0;
    while (!s->begun && in->len) {
        s->head[s->head_len++] = (uint8_t)in->p[0];
        *in = str_slice(*in, 1, in->len);
        enum err err = look(s);
        if (err != OK)
            return err;
    }
    if (!s->begun)
        return OK;
    if (s->head_at < s->head_len) {
        struct str head = str_n((const char *)s->head + s->head_at, s->head_len - s->head_at);
        size_t before = head.len;
        *count = samples_of(s, &head, out, max);
        s->head_at += before - head.len;
        return OK;
    }
    *count = samples_of(s, in, out, max);
    return OK;
}
