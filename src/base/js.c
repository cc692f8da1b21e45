#include "base/js.h"
#include "base/fault.h"

#include <string.h>

#include "base/limits.h"

/* Nesting is bounded before jansson sees the text: its own limit (2048) recurses on our stack. */
static bool depth_ok(struct str text)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

enum err js_parse(struct str text, json_t **out, struct err_detail *detail)
{
    if (!depth_ok(text))
        return err_explain(detail, ERR_INVALID, "JSON nested deeper than %d", JSON_DEPTH_MAX);
    json_error_t error;
    json_t *root = json_loadb(text.p ? text.p : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root && FAULT("js.parse")) {
        json_decref(root);
        return err_explain(detail, ERR_INVALID, "invalid JSON: made to fail");
    }
    if (!root)
        return err_explain(detail, ERR_INVALID, "invalid JSON at line %d column %d: %s", error.line,
                           error.column, error.text);
    *out = root;
    return OK;
}

const json_t *js_get(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_null(value) ? NULL : value;
}

struct str js_get_str(const json_t *obj, const char *key)
{
    const json_t *value = js_get(obj, key);
    if (!json_is_string(value))
        return STR_NONE;
    return str_n(json_string_value(value), json_string_length(value));
}

int64_t js_get_int(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *value = js_get(obj, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool js_get_bool(const json_t *obj, const char *key, bool fallback)
{
    const json_t *value = js_get(obj, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static int append(const char *p, size_t len, void *ctx)
{
    buf_put(ctx, p, len);
    return buf_ok(ctx) ? 0 : -1;
}

void js_write(struct buf *b, const json_t *value)
{
    if (json_dump_callback(value, append, b, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        b->failed = true;
}
