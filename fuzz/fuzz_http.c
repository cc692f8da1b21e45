/* LAYER: net - requests as they arrive: heads, bodies in both framings, forms, in pieces */
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/http.h"
#include "net/http_chunk.h"
#include "net/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two ways through the same bytes must agree, whatever the pieces. */
static void chunks(struct str in, size_t step)
{
    struct http_chunk whole = {0}, pieces = {0};
    struct buf a, b;
    size_t used = 0, total = 0, n = 0;
    bool done = false, done_pieces = false;
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    enum err err = http_chunk_feed(&whole, in, &a, &used, &done), err_pieces = OK;
    while (total < in.len && err_pieces == OK && !done_pieces) {
        struct str piece = str_slice(in, total, total + step);
        err_pieces = http_chunk_feed(&pieces, piece, &b, &n, &done_pieces);
        ASSERT(n <= piece.len);
        total += n;
    }
    ASSERT(done == done_pieces && (err == OK) == (err_pieces == OK));
    if (err == OK)
        ASSERT(used == total && str_eq(buf_str(&a), buf_str(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

static void heads(struct str in, size_t step)
{
    static struct http_head head;
    size_t scanned = 0, len = 0, scanned_pieces = 0, len_pieces = 0;
    enum err err = http_parse_find_end(in, &scanned, &len), err_pieces = ERR_AGAIN;
    for (size_t have = 0; have < in.len && err_pieces == ERR_AGAIN;) {
        have = have + step < in.len ? have + step : in.len;
        err_pieces = http_parse_find_end(str_slice(in, 0, have), &scanned_pieces, &len_pieces);
    }
    ASSERT(err == err_pieces && (err != OK || len == len_pieces));
    if (err != OK)
        return;
    unsigned status = 0;
    char *copy = mem_strndup(in.p, len); /* its own bounds, so that the sanitizer sees them */
    if (http_parse_head(str_n(copy, len), &head, &status) != OK) {
        ASSERT(status >= 400 && status <= 505);
    } else {
        ASSERT(head.path.len && head.count <= HTTP_HEADERS_MAX && head.minor <= 1);
        ASSERT(!(head.chunked && head.length) &&
               (head.minor == 0 || http_head_get(&head, STR("host")).p));
        (void)http_head_has_token(&head, STR("connection"), STR("upgrade"));
    }
    mem_free(copy);
    if (len < in.len && step % 2)
        chunks(str_slice(in, len, in.len), step);
}

static void forms(struct str in)
{
    struct arena a;
    struct http_param *params;
    size_t count;
    arena_init(&a, 65536);
    if (http_form_parse(&a, in, &params, &count) == OK)
        ASSERT(count <= HTTP_PARAMS_MAX);
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] % 64 + 1u;
    struct str in = str_n((const char *)data + 1, size - 1);
    heads(in, step);
    chunks(in, step);
    forms(in);
    return 0;
}
