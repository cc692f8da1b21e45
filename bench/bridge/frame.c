#include "bridge/frame.h"

#include <string.h>

#include "base/base64.h"

static const char sign[] = "callee-bench"; /* 12 bytes: exactly FRAME_SIGN_CHARS characters */
_Static_assert(sizeof(sign) - 1 == FRAME_SIGN_BYTES, "the sign fills whole groups of base64");

static void put_u32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void make(uint8_t *out, uint32_t call, uint32_t number)
{
    memcpy(out, sign, FRAME_SIGN_BYTES);
    put_u32(out + FRAME_SIGN_BYTES, call);
    put_u32(out + FRAME_SIGN_BYTES + 4, number);
    uint32_t noise = number * 2654435761u + call;
    for (size_t i = FRAME_SIGN_BYTES + 8; i < FRAME_BYTES; i++) {
        noise = noise * 1664525u + 1013904223u;
        out[i] = (uint8_t)(0x10 + (noise >> 24) % 64); /* loud, by mu-law */
    }
}

void frame_write(char *out, uint32_t call, uint32_t number)
{
    uint8_t bytes[FRAME_BYTES];
    make(bytes, call, number);
    (void)base64_encode(out, bytes, sizeof(bytes));
}

void frame_write_reply(char *out)
{
    uint8_t bytes[FRAME_BYTES * FRAME_REPLY_FRAMES];
    for (uint32_t i = 0; i < FRAME_REPLY_FRAMES; i++)
        make(bytes + i * FRAME_BYTES, 0, i);
    (void)base64_encode(out, bytes, sizeof(bytes));
}

void frame_write_quiet(char *out, uint32_t number)
{
    uint8_t bytes[FRAME_BYTES];
    uint32_t noise = number;
    for (size_t i = 0; i < FRAME_BYTES; i++) {
        noise = noise * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)((noise >> 31 ? 0xfc : 0x7c) + (noise >> 24) % 4);
    }
    (void)base64_encode(out, bytes, sizeof(bytes));
}

bool frame_is_ours(struct str payload)
{
    char text[FRAME_SIGN_CHARS];
    (void)base64_encode(text, (const uint8_t *)sign, FRAME_SIGN_BYTES);
    return str_starts(payload, str_n(text, sizeof(text)));
}

bool frame_is_speech(const uint8_t *bytes)
{
    return memcmp(bytes, sign, FRAME_SIGN_BYTES) == 0;
}

bool frame_read(const uint8_t *bytes, uint32_t *call, uint32_t *number)
{
    uint8_t want[FRAME_BYTES];
    *call = get_u32(bytes + FRAME_SIGN_BYTES);
    *number = get_u32(bytes + FRAME_SIGN_BYTES + 4);
    make(want, *call, *number);
    return memcmp(bytes, want, sizeof(want)) == 0;
}
