#include "session/coalesce.h"

#include "base/assert.h"
#include "base/limits.h"

enum { BYTES_PER_MS = 8, THRESHOLD_PERMILLE = 300 }; /* 5 dB: rather sent too early than too late */

void coalesce_init(struct coalesce *c, uint32_t wait_ms, uint32_t hang_ms)
{
    ASSERT(wait_ms <= COALESCE_MS_MAX);
    *c = (struct coalesce){.wait_ms = wait_ms, .hang_ms = hang_ms, .quiet_ms = hang_ms};
    vad_init(&c->vad, &(struct vad_opts){.threshold_permille = THRESHOLD_PERMILLE});
    buf_init(&c->waiting, (size_t)COALESCE_MS_MAX * BYTES_PER_MS + VAD_FRAME_SAMPLES);
}

void coalesce_fini(struct coalesce *c)
{
    buf_fini(&c->waiting);
}

void coalesce_sent(struct coalesce *c)
{
    buf_reset(&c->waiting);
    c->due_us = 0;
}

enum coalesce_do coalesce_put(struct coalesce *c, const uint8_t *raw, uint32_t len, int64_t now_us)
{
    if (c->wait_ms == 0 || len != VAD_FRAME_SAMPLES || !raw)
        return COALESCE_PASS;
    (void)vad_feed_mulaw(&c->vad, raw);
    c->quiet_ms = vad_voiced(&c->vad) ? 0 : c->quiet_ms + VAD_FRAME_MS;
    if (c->quiet_ms < c->hang_ms)
        return COALESCE_PASS;
    if (buf_append(&c->waiting, raw, len) != OK)
        return COALESCE_PASS;
    if (c->due_us == 0)
        c->due_us = now_us + c->wait_ms * 1000;
    bool full = c->waiting.len + VAD_FRAME_SAMPLES > (size_t)c->wait_ms * BYTES_PER_MS;
    return full || now_us >= c->due_us ? COALESCE_SEND : COALESCE_WAIT;
}
