/* LAYER: net - URLs: the parts lie within the text, in order; what is escaped reads back as it was */
#include "base/assert.h"
#include "base/limits.h"
#include "net/http.h"
#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(struct str part, struct str text)
{
    return part.len == 0 || (part.p >= text.p && part.p + part.len <= text.p + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct url u;
    struct err_detail why;
    struct buf b;
    buf_init(&b, 1 << 20);
    if (url_parse(text, &u, &why) == OK) {
        ASSERT(u.host.len > 0 && u.port > 0);
        ASSERT(within(u.scheme, text) && within(u.authority, text) && within(u.target, text));
        ASSERT(within(u.host, u.authority));
        ASSERT(u.target.len == 0 || u.target.p[0] == '/' || u.target.p[0] == '?');
        struct url again;
        buf_printf(&b, "%.*s://%.*s%.*s", STR_FMT(u.scheme), STR_FMT(u.authority),
                   STR_FMT(u.target));
        ASSERT(url_parse(buf_str(&b), &again, &why) == OK);
        ASSERT(str_eq(again.host, u.host) && again.port == u.port && again.tls == u.tls);
        ASSERT(str_eq(again.target, u.target) && again.websocket == u.websocket);
        buf_reset(&b);
    }
    struct arena mem;
    struct http_param *params;
    size_t count = 0;
    arena_init(&mem, 1 << 20);
    buf_put_byte(&b, 'k');
    buf_put_byte(&b, '=');
    url_put_escaped(&b, text);
    if (size < 65536 && http_form_parse(&mem, buf_str(&b), &params, &count) == OK) {
        ASSERT(count == 1 && str_eq(params[0].value, text));
    }
    arena_fini(&mem);
    buf_fini(&b);
    return 0;
}
