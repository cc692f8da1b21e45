#include "audio/wav.h"

#include <string.h>

#include "audio/g711.h"
#include "base/assert.h"

/* Format tags of the fmt chunk (Microsoft mmreg.h). */
enum { TAG_PCM = 1, TAG_ALAW = 6, TAG_MULAW = 7, TAG_EXTENSIBLE = 0xfffe };
enum { FMT_BYTES_MIN = 16, FMT_EXTENSIBLE_BYTES = 40, FMT_SUBFORMAT_AT = 24 };

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static size_t sample_bytes(enum wav_format format)
{
    return format == WAV_PCM16 ? 2 : 1;
}

static enum err parse_fmt(struct wav *w, const uint8_t *p, size_t len, struct err_detail *detail)
{
    if (len < FMT_BYTES_MIN)
        return err_explain(detail, ERR_INVALID, "WAV: fmt chunk of %zu bytes", len);
    unsigned tag = get16(p), bits = get16(p + 14);
    if (tag == TAG_EXTENSIBLE && len >= FMT_EXTENSIBLE_BYTES)
        tag = get16(p + FMT_SUBFORMAT_AT);
    w->channels = get16(p + 2);
    w->rate_hz = get32(p + 4);
    if (tag == TAG_PCM && bits == 16)
        w->format = WAV_PCM16;
    else if (tag == TAG_PCM && bits == 8)
        w->format = WAV_PCM8;
    else if (tag == TAG_MULAW && bits == 8)
        w->format = WAV_MULAW;
    else if (tag == TAG_ALAW && bits == 8)
        w->format = WAV_ALAW;
    else
        return err_explain(detail, ERR_INVALID,
                           "WAV: coding %u with %u bits; 8 or 16-bit PCM, mu-law or A-law expected",
                           tag, bits);
    if (w->channels == 0 || w->rate_hz == 0)
        return err_explain(detail, ERR_INVALID, "WAV: no channels or no sample rate");
    return OK;
}

enum err wav_parse(struct wav *out, struct str bytes, struct err_detail *detail)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.len < 12 || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVE", 4) != 0)
        return err_explain(detail, ERR_INVALID, "not a RIFF WAVE file");
    struct wav w = {0};
    size_t at = 12;
    while (bytes.len - at >= 8) {
        const uint8_t *id = p + at;
        size_t size = get32(id + 4), left = bytes.len - at - 8;
        const uint8_t *body = id + 8;
        if (memcmp(id, "fmt ", 4) == 0) {
            enum err err = parse_fmt(&w, body, size < left ? size : left, detail);
            if (err)
                return err;
        } else if (memcmp(id, "data", 4) == 0) {
            if (w.channels == 0)
                return err_explain(detail, ERR_INVALID, "WAV: data before its format");
            /* 0 as the last chunk and 0xffffffff come from programs that could not seek back. */
            size_t len = size == 0 || size > left ? left : size;
            w.data = body;
            w.frames = len / (sample_bytes(w.format) * w.channels);
            *out = w;
            return OK;
        }
        if (size >= left)
            break;
        at += 8 + size + (size & 1 && size < left ? 1 : 0);
    }
    return err_explain(detail, ERR_INVALID, "WAV: no data chunk");
}

static int16_t sample_at(const struct wav *w, size_t index)
{
    const uint8_t *p = w->data + index * sample_bytes(w->format);
    switch (w->format) {
    case WAV_PCM16:
        return (int16_t)get16(p);
    case WAV_PCM8:
        return (int16_t)((*p - 128) * 256);
    case WAV_MULAW:
        return g711_mulaw_decode(*p);
    case WAV_ALAW:
        return g711_alaw_decode(*p);
    }
    return 0;
}

void wav_read_channel(const struct wav *w, unsigned channel, size_t first, int16_t *out,
                      size_t count)
{
    ASSERT(channel < w->channels);
    ASSERT(first <= w->frames && count <= w->frames - first);
    for (size_t i = 0; i < count; i++)
        out[i] = sample_at(w, (first + i) * w->channels + channel);
}

void wav_read_mono(const struct wav *w, size_t first, int16_t *out, size_t count)
{
    ASSERT(first <= w->frames && count <= w->frames - first);
    for (size_t i = 0; i < count; i++) {
        int64_t sum = 0;
        for (unsigned c = 0; c < w->channels; c++)
            sum += sample_at(w, (first + i) * w->channels + c);
        out[i] = (int16_t)(sum / (int64_t)w->channels);
    }
}

static void put16(struct buf *b, uint32_t x)
{
    uint8_t p[2] = {(uint8_t)x, (uint8_t)(x >> 8)};
    buf_put(b, p, 2);
}

static void put32(struct buf *b, uint32_t x)
{
    put16(b, x);
    put16(b, x >> 16);
}

void wav_write_header(struct buf *b, uint32_t rate_hz, unsigned channels, uint64_t frames)
{
    ASSERT(rate_hz > 0 && channels > 0 && channels <= UINT16_MAX / 2);
    uint32_t frame_bytes = channels * 2;
    uint64_t most = (UINT32_MAX - WAV_HEADER_BYTES) / frame_bytes;
    uint32_t data = frames > most ? UINT32_MAX : (uint32_t)frames * frame_bytes;
    buf_put(b, "RIFF", 4);
    put32(b, data == UINT32_MAX ? UINT32_MAX : data + WAV_HEADER_BYTES - 8);
    buf_put(b, "WAVEfmt ", 8);
    put32(b, FMT_BYTES_MIN);
    put16(b, TAG_PCM);
    put16(b, channels);
    put32(b, rate_hz);
    put32(b, rate_hz * frame_bytes);
    put16(b, frame_bytes);
    put16(b, 16);
    buf_put(b, "data", 4);
    put32(b, data);
}

void wav_write_samples(struct buf *b, const int16_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put16(b, (uint16_t)samples[i]);
}
