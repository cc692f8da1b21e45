#include "llm/embed_parse.h"

#include <float.h>
#include <math.h>

#include "base/base64.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/mem.h"

static size_t length_of(const json_t *vector)
{
    if (json_is_string(vector))
        return base64_decoded_len(str_n(json_string_value(vector), json_string_length(vector))) /
               sizeof(float);
    return json_array_size(vector); /* 0 for anything else */
}

static float float_of(const uint8_t *p)
{
    uint32_t bits =
        (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static bool read_base64(const json_t *vector, float *out, size_t dimensions)
{
    struct str text = str_n(json_string_value(vector), json_string_length(vector));
    size_t len = base64_decoded_len(text);
    if (len != dimensions * sizeof(float))
        return false;
    uint8_t *bytes = mem_alloc(len);
    bool ok = base64_decode(bytes, &len, text) == OK && len == dimensions * sizeof(float);
    for (size_t i = 0; ok && i < dimensions; i++) {
        out[i] = float_of(bytes + i * sizeof(float));
        ok = isfinite(out[i]);
    }
    mem_free(bytes);
    return ok;
}

static bool read_decimal(const json_t *vector, float *out, size_t dimensions)
{
    if (json_array_size(vector) != dimensions)
        return false;
    for (size_t i = 0; i < dimensions; i++) {
        const json_t *number = json_array_get(vector, i);
        double value = json_number_value(number);
        if (!json_is_number(number) || !(fabs(value) <= FLT_MAX))
            return false;
        out[i] = (float)value;
    }
    return true;
}

static enum err read_all(const json_t *data, size_t count, struct embed_block *b,
                         struct err_detail *why)
{
    bool *seen = mem_zalloc(count);
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        const json_t *entry = json_array_get(data, i);
        const json_t *vector = js_get(entry, "embedding");
        int64_t index = js_get_int(entry, "index", -1);
        if (index < 0 || index >= (int64_t)count || seen[index]) {
            err = err_explain(why, ERR_INVALID, "embedding %zu has no index of its own", i);
            break;
        }
        seen[index] = true;
        float *to = b->vectors + (size_t)index * b->dimensions;
        if (!(json_is_string(vector) ? read_base64(vector, to, b->dimensions)
                                     : read_decimal(vector, to, b->dimensions)))
            err = err_explain(why, ERR_INVALID, "embedding %zu is not %zu finite numbers", i,
                              b->dimensions);
    }
    mem_free(seen);
    return err;
}

enum err embed_parse(struct str body, size_t count, size_t dimensions, struct embed_block *out,
                     struct err_detail *why)
{
    json_t *root;
    enum err err = js_parse(body, &root, why);
    if (err != OK)
        return err;
    const json_t *data = js_get(root, "data");
    struct embed_block b = {.tokens = js_get_int(js_get(root, "usage"), "prompt_tokens", 0)};
    b.dimensions = length_of(js_get(json_array_get(data, 0), "embedding"));
    if (json_array_size(data) != count || count == 0)
        err = err_explain(why, ERR_INVALID, "%zu embeddings came for %zu texts",
                          json_array_size(data), count);
    else if (b.dimensions == 0 || b.dimensions > EMBED_DIMENSIONS_MAX)
        err = err_explain(why, ERR_INVALID, "an embedding of %zu numbers", b.dimensions);
    else if (dimensions && b.dimensions != dimensions)
        err = err_explain(why, ERR_INVALID, "an embedding of %zu numbers, not %zu", b.dimensions,
                          dimensions);
    if (b.tokens < 0 || b.tokens > LLM_TOKENS_MAX)
        b.tokens = 0;
    if (err == OK) {
        b.vectors = mem_alloc(count * b.dimensions * sizeof(float));
        err = read_all(data, count, &b, why);
        if (err != OK)
            mem_free(b.vectors);
    }
    json_decref(root);
    if (err == OK)
        *out = b;
    return err;
}
