#include "session/voiceq.h"

#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"

enum { SILENCE = 0xff }; /* mu-law */

struct voiceq_block {
    struct voiceq_block *next;
    uint32_t len;   /* bytes it stands for */
    uint32_t taken; /* of them, gone */
    uint32_t size;  /* of data; 0 = silence: it did not fit */
    uint8_t data[];
};

static struct voiceq_block *add_block(struct voiceq *q, uint32_t size, uint32_t len)
{
    struct voiceq_block *b = mem_alloc(sizeof(*b) + size);
    *b = (struct voiceq_block){.size = size, .len = len};
    if (q->last)
        q->last->next = b;
    else
        q->first = b;
    q->last = b;
    return b;
}

static void add_bytes(struct voiceq *q, const uint8_t *p, uint32_t len)
{
    while (len > 0) {
        struct voiceq_block *b = q->last;
        if (!b || b->len >= b->size) /* full, or silence */
            b = add_block(q, VOICEQ_BLOCK_BYTES, 0);
        uint32_t n = b->size - b->len;
        n = n < len ? n : len;
        memcpy(b->data + b->len, p, n);
        b->len += n;
        p += n;
        len -= n;
    }
}

enum err voiceq_put(struct voiceq *q, struct str base64, uint32_t len)
{
    enum err err = OK;
    voiceq_keep(q);
    if (base64_decoded_len(base64) != len)
        err = ERR_INVALID;
    else if (q->bytes + len > VOICEQ_BYTES_MAX)
        err = ERR_LIMIT;
    if (err == OK) {
        q->lent = base64;
        q->lent_len = len;
    } else {
        add_block(q, 0, len);
    }
    q->bytes += len;
    return err;
}

/* Decoded a part at a time: each stands for whole bytes, as base64 is four characters for three. */
void voiceq_keep(struct voiceq *q)
{
    enum { PART_CHARS = 1024 };
    uint8_t raw[PART_CHARS / 4 * 3];
    struct str text = q->lent;
    uint32_t left = q->lent_len;
    q->lent = STR_NONE;
    q->lent_len = 0;
    while (left > 0) {
        struct str part = str_slice(text, 0, PART_CHARS);
        size_t n = 0;
        if (base64_decode(raw, &n, part) != OK || n > left) {
            add_block(q, 0, left);
            return;
        }
        add_bytes(q, raw, (uint32_t)n);
        left -= (uint32_t)n;
        text = str_slice(text, part.len, text.len);
    }
}

static void drop_first(struct voiceq *q)
{
    struct voiceq_block *b = q->first;
    q->first = b->next;
    if (!q->first)
        q->last = NULL;
    mem_free(b);
}

static uint32_t copy_from(struct voiceq_block *b, uint8_t *to, uint32_t want)
{
    uint32_t left = b->len - b->taken;
    uint32_t n = want < left ? want : left;
    if (b->size == 0)
        memset(to, SILENCE, n);
    else
        memcpy(to, b->data + b->taken, n);
    b->taken += n;
    return n;
}

struct str voiceq_take(struct voiceq *q, uint32_t len, uint32_t pad, struct buf *out)
{
    uint8_t raw[CALL_PLAY_BYTES_MAX + 160];
    ASSERT(len <= CALL_PLAY_BYTES_MAX && pad < 160);
    q->bytes -= len < q->bytes ? len : q->bytes;
    if (!q->first && q->lent_len == len && pad == 0) {
        struct str whole = q->lent;
        q->lent = STR_NONE;
        q->lent_len = 0;
        return whole;
    }
    voiceq_keep(q);
    uint32_t got = 0;
    while (got < len && q->first) {
        got += copy_from(q->first, raw + got, len - got);
        if (q->first->taken == q->first->len)
            drop_first(q);
    }
    memset(raw + got, SILENCE, len + pad - got);
    buf_reset(out);
    FAULTS_OFF();
    char *to = buf_reserve(out, base64_encoded_len(len + pad));
    FAULTS_ON();
    ASSERT(to != NULL);
    buf_commit(out, base64_encode(to, raw, len + pad));
    return buf_str(out);
}

void voiceq_clear(struct voiceq *q)
{
    while (q->first)
        drop_first(q);
    *q = (struct voiceq){0};
}
