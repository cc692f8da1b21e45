#include "proto/jsonw.h"

#include <inttypes.h>

#include "proto/scan.h"

struct jsonw jsonw_open(struct buf *b)
{
    buf_put_byte(b, '{');
    return (struct jsonw){b, false};
}

struct jsonw jsonw_object(struct jsonw *parent, const char *key)
{
    jsonw_key(parent, key);
    return jsonw_open(parent->b);
}

void jsonw_close(struct jsonw *w)
{
    buf_put_byte(w->b, '}');
}

void jsonw_key(struct jsonw *w, const char *key)
{
    buf_put_str(w->b, w->any ? STR(",\"") : STR("\""));
    buf_put_str(w->b, str_of(key));
    buf_put_str(w->b, STR("\":"));
    w->any = true;
}

void jsonw_str(struct jsonw *w, const char *key, struct str value)
{
    if (!value.p)
        return;
    jsonw_key(w, key);
    scan_put_json(w->b, value);
}

void jsonw_str_or_null(struct jsonw *w, const char *key, struct str value)
{
    if (value.p)
        jsonw_str(w, key, value);
    else
        jsonw_literal(w, key, "null");
}

void jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
    jsonw_key(w, key);
    buf_printf(w->b, "%" PRId64, value);
}

void jsonw_permille(struct jsonw *w, const char *key, int64_t value)
{
    jsonw_key(w, key);
    buf_printf(w->b, "%" PRId64, value / 1000);
    int rest = (int)(value % 1000), digits = 3;
    if (rest == 0)
        return;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    buf_printf(w->b, ".%0*d", digits, rest);
}

void jsonw_literal(struct jsonw *w, const char *key, const char *json)
{
    jsonw_key(w, key);
    buf_put_str(w->b, str_of(json));
}
