/* LAYER: net - WebSocket frames in any pieces, the opening handshake's answer, URLs */
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "net/url.h"
#include "net/ws.h"
#include "net/ws_frame.h"
#include "net/ws_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t h, const void *p, size_t len)
{
    const uint8_t *c = p;
    for (size_t i = 0; i < len; i++)
        h = (h ^ c[i]) * 0x100000001b3u;
    return h;
}

/* A digest of all items; must not depend on how the bytes were cut. */
static uint64_t decode(bool masked, const uint8_t *data, size_t size, size_t step)
{
    struct ws_decoder d;
    uint64_t h = 0xcbf29ce484222325u;
    bool faulted = false;
    ws_decoder_init(&d, masked, 300);
    for (size_t i = 0; i < size; i += step) {
        size_t n = size - i < step ? size - i : step;
        uint8_t *copy = mem_alloc(n);
        memcpy(copy, data + i, n);
        uint8_t *p = copy;
        size_t left = n;
        for (;;) {
            struct ws_item item;
            ws_decoder_next(&d, &p, &left, &item);
            ASSERT(p + left == copy + n);
            if (item.kind == WS_ITEM_NONE)
                break;
            ASSERT(!faulted);
            faulted = item.kind == WS_ITEM_FAULT;
            ASSERT(item.kind != WS_ITEM_TEXT || utf8_valid(item.payload));
            ASSERT(item.payload.len <= 300);
            ASSERT(item.kind != WS_ITEM_CLOSE || item.code == WS_CODE_NONE ||
                   ws_code_may_be_sent(item.code));
            h = mix(h, &item.kind, sizeof(item.kind));
            h = mix(h, &item.code, sizeof(item.code));
            h = mix(h, item.payload.p, item.payload.len);
        }
        ASSERT(left == 0);
        mem_free(copy);
    }
    ws_decoder_fini(&d);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const bool masked = data[0] & 1;
    const size_t step = 1 + data[1] % 16;
    struct str text = str_n((const char *)data + 2, size - 2);
    uint64_t whole = decode(masked, data + 2, size - 2, size);
    ASSERT(whole == decode(masked, data + 2, size - 2, step));

    struct url u;
    if (url_parse(text, &u, NULL) == OK)
        ASSERT(u.host.len > 0 && u.port > 0);
    (void)ws_headers_valid(text);
    enum err err = ws_answer_check(text, STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), STR("a, b"), NULL);
    ASSERT(err == OK || err == ERR_INVALID || err == ERR_UPSTREAM);
    return 0;
}
