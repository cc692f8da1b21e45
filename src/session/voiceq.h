/*
 * voiceq.h - the bytes of speech a call has accepted and not yet sent.
 *
 * The call core decides by lengths; this queue holds what the lengths stand for. A piece of base64
 * that is taken whole in the step that put it goes out as that same text, without a copy; what has
 * to wait is kept as mu-law, a quarter less than its text; docs/decisions/0008 says why no smaller.
 *
 *   Units    bytes of mu-law.
 *   Memory   blocks of VOICEQ_BLOCK_BYTES, freed as they empty.
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

struct voiceq_block;

/* Fields are private to voiceq.c. Zero-initialise. */
struct voiceq {
    struct voiceq_block *first, *last;
    struct str lent; /* put last, behind the blocks, still the giver's text */
    uint32_t lent_len;
    uint32_t bytes;
};

/* Lends the text until voiceq_keep. ERR_LIMIT: full, ERR_INVALID: not `len` bytes of base64; either
 * way `len` bytes count as queued (silence). */
enum err voiceq_put(struct voiceq *q, struct str base64, uint32_t len) MUST_CHECK;
/* Copies what is lent: to be called before the text goes away. */
void voiceq_keep(struct voiceq *q);
/* Takes `len` bytes off the front, with `pad` of silence behind them, as base64: a text that was
 * lent, or written to `out`. Missing bytes become silence. Valid as long as either. */
struct str voiceq_take(struct voiceq *q, uint32_t len, uint32_t pad, struct buf *out);
void voiceq_clear(struct voiceq *q);

#endif
