/*
 * voiceq.h - the bytes of speech a call has accepted and not yet sent.
 *
 * The call core decides by lengths; this queue holds what the lengths stand for. Audio stays base64
 * text as it arrived; a piece that is taken whole goes out as that same text, any other is decoded.
 *
 *   Units    bytes of mu-law.
 *   Memory   copies what is put in.
 *   Bounds   VOICEQ_BYTES_MAX bytes; what does not fit is replaced by silence when it is taken and
 *            counted by the caller (voiceq_put tells).
 *   Thread   the session's loop.
 */
#ifndef SESSION_VOICEQ_H
#define SESSION_VOICEQ_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct voiceq_chunk;

/* Fields are private to voiceq.c. Zero-initialise. */
struct voiceq {
    struct voiceq_chunk *first, *last;
    uint32_t bytes;
};

/* ERR_LIMIT: full, ERR_INVALID: not base64; either way `len` bytes count as queued (silence). */
enum err voiceq_put(struct voiceq *q, struct str base64, uint32_t len) MUST_CHECK;
/* Takes `len` bytes off the front, appends `pad` of silence, and writes base64 to `out` (reset
 * first). Missing bytes become silence. */
void voiceq_take(struct voiceq *q, uint32_t len, uint32_t pad, struct buf *out);
void voiceq_clear(struct voiceq *q);

#endif
