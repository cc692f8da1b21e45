/* application/x-www-form-urlencoded, as Twilio and browsers send it (WHATWG URL section 5.1). */
#include "base/limits.h"
#include "net/http.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* '+' is a space, %XX a byte. */
static enum err decode(struct arena *a, struct str in, struct str *out)
{
    char *p = arena_alloc(a, in.len + 1); /* decoding never grows */
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < in.len ? hex_value(in.p[i + 1]) : -1;
            int low = i + 2 < in.len ? hex_value(in.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ERR_INVALID;
            c = (char)(high << 4 | low);
            i += 2;
        }
        p[len++] = c;
    }
    *out = str_n(p, len);
    return OK;
}

enum err http_form_parse(struct arena *a, struct str form, struct http_param **params,
                         size_t *count)
{
    size_t max = 1, n = 0;
    for (size_t i = 0; i < form.len; i++)
        max += form.p[i] == '&';
    if (max > HTTP_PARAMS_MAX)
        return ERR_INVALID;
    struct http_param *list = arena_alloc(a, max * sizeof(*list));
    while (form.p) {
        struct str value = str_take_until(&form, '&');
        if (value.len == 0)
            continue;
        struct str key = str_take_until(&value, '=');
        if (decode(a, key, &list[n].key) != OK || decode(a, value, &list[n].value) != OK)
            return ERR_INVALID;
        n++;
    }
    *params = list;
    *count = n;
    return OK;
}

struct str http_form_get(const struct http_param *params, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(params[i].key, str_of(key)))
            return params[i].value;
    return STR_NONE;
}
