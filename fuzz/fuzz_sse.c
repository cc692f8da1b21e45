/* LAYER: llm - server-sent events of a chat: pieces make no difference, any answer is survived */
#include "base/assert.h"
#include "base/mem.h"
#include "llm/chat_reply.h"
#include "llm/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_BYTES_MAX = 300 };

/* Writes each event's data behind a mark; '!' ends what was too large. */
static void events(struct str all, size_t step, struct buf *out)
{
    struct sse s;
    struct str data;
    enum err err = OK;
    sse_init(&s, EVENT_BYTES_MAX);
    while (all.len && err != ERR_LIMIT) {
        struct str in = str_slice(all, 0, step);
        all = str_slice(all, step, all.len);
        while ((err = sse_next(&s, &in, &data)) == OK) {
            buf_put_byte(out, '[');
            buf_put_str(out, data);
        }
        ASSERT(err == ERR_LIMIT || in.len == 0);
    }
    if (err == ERR_LIMIT)
        buf_put_byte(out, '!');
    sse_fini(&s);
}

static void answer(struct str in)
{
    struct chat_reply r;
    struct sse s;
    struct str data;
    struct err_detail why;
    size_t grown;
    enum err err = OK;
    chat_reply_init(&r);
    sse_init(&s, EVENT_BYTES_MAX * 10);
    while (err == OK && sse_next(&s, &in, &data) == OK)
        err = chat_reply_take_chunk(&r, data, &grown, &why);
    ASSERT(r.calls_count <= CHAT_CALLS_MAX && r.usage.input_tokens >= r.usage.cached_tokens);
    if (chat_reply_check(&r, &why) == OK)
        ASSERT(r.finished);
    sse_fini(&s);
    chat_reply_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size);
    struct buf whole, pieces;
    buf_init(&whole, 4 * size + 16);
    buf_init(&pieces, 4 * size + 16);
    events(all, size + 1, &whole);
    for (size_t step = 1; step < 4; step++) {
        buf_reset(&pieces);
        events(all, step, &pieces);
        ASSERT(buf_ok(&whole) && buf_ok(&pieces));
        ASSERT(str_eq(buf_str(&whole), buf_str(&pieces)));
    }
    buf_fini(&whole);
    buf_fini(&pieces);
    answer(all);

    struct chat_reply r;
    struct err_detail why;
    chat_reply_init(&r);
    if (chat_reply_take_body(&r, all, &why) == OK)
        ASSERT(r.finished);
    chat_reply_fini(&r);
    return 0;
}
