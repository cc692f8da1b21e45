#include "session/voiceq.h"

#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"

enum { SILENCE = 0xff }; /* mu-law */

struct voiceq_chunk {
    struct voiceq_chunk *next;
    uint32_t len;   /* bytes it stands for */
    uint32_t taken; /* of them, gone */
    bool decoded;   /* data is mu-law, not base64 */
    bool silent;    /* no data: it did not fit */
    size_t data_len;
    unsigned char data[];
};

enum err voiceq_put(struct voiceq *q, struct str base64, uint32_t len)
{
    enum err err = OK;
    if (base64_decoded_len(base64) != len)
        err = ERR_INVALID;
    else if (q->bytes + len > VOICEQ_BYTES_MAX)
        err = ERR_LIMIT;
    size_t keep = err == OK ? base64.len : 0;
    struct voiceq_chunk *c = mem_alloc(sizeof(*c) + keep);
    *c = (struct voiceq_chunk){.len = len, .silent = err != OK, .data_len = keep};
    if (keep)
        memcpy(c->data, base64.p, keep);
    if (q->last)
        q->last->next = c;
    else
        q->first = c;
    q->last = c;
    q->bytes += len;
    return err;
}

static void drop_first(struct voiceq *q)
{
    struct voiceq_chunk *c = q->first;
    q->first = c->next;
    if (!q->first)
        q->last = NULL;
    mem_free(c);
}

/* Base64 is four characters for three bytes, so decoding in place never overtakes the reading. */
static void decode(struct voiceq_chunk *c)
{
    if (c->decoded || c->silent)
        return;
    size_t n = 0;
    enum err err = base64_decode(c->data, &n, str_n((const char *)c->data, c->data_len));
    c->silent = err != OK || n != c->len;
    c->decoded = true;
}

static uint32_t copy_from(struct voiceq_chunk *c, uint8_t *to, uint32_t want)
{
    uint32_t left = c->len - c->taken;
    uint32_t n = want < left ? want : left;
    decode(c);
    if (c->silent)
        memset(to, SILENCE, n);
    else
        memcpy(to, c->data + c->taken, n);
    c->taken += n;
    return n;
}

void voiceq_take(struct voiceq *q, uint32_t len, uint32_t pad, struct buf *out)
{
    uint8_t raw[CALL_PLAY_BYTES_MAX + 160];
    ASSERT(len <= CALL_PLAY_BYTES_MAX && pad < 160);
    buf_reset(out);
    q->bytes -= len < q->bytes ? len : q->bytes;
    struct voiceq_chunk *c = q->first;
    if (c && c->len == len && c->taken == 0 && pad == 0 && !c->decoded && !c->silent) {
        buf_put(out, c->data, c->data_len);
        drop_first(q);
        return;
    }
    uint32_t got = 0;
    while (got < len && q->first) {
        got += copy_from(q->first, raw + got, len - got);
        if (q->first->taken == q->first->len)
            drop_first(q);
    }
    memset(raw + got, SILENCE, len + pad - got);
    size_t chars = base64_encoded_len(len + pad);
    char *to = buf_reserve(out, chars);
    ASSERT(to != NULL);
    buf_commit(out, base64_encode(to, raw, len + pad));
}

void voiceq_clear(struct voiceq *q)
{
    while (q->first)
        drop_first(q);
    q->bytes = 0;
}
