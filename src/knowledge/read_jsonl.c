/* JSON lines: one passage a line. */
#include "base/js.h"
#include "base/limits.h"
#include "knowledge/read.h"

static struct str questions_of(struct gather *g, const json_t *value)
{
    if (json_is_string(value))
        return gather_keep(g, str_n(json_string_value(value), json_string_length(value)));
    struct buf text;
    buf_init(&text, KNOWLEDGE_LINE_BYTES_MAX);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *q = json_array_get(value, i);
        if (!json_is_string(q))
            continue;
        if (text.len)
            buf_put_byte(&text, '\n');
        buf_put(&text, json_string_value(q), json_string_length(q));
    }
    struct str kept = gather_keep(g, buf_str(&text));
    buf_fini(&text);
    return kept;
}

static struct str metadata_of(struct gather *g, const json_t *value)
{
    if (!json_is_object(value))
        return STR("");
    struct buf text;
    buf_init(&text, KNOWLEDGE_LINE_BYTES_MAX);
    js_write(&text, value);
    struct str kept = gather_keep(g, buf_str(&text));
    buf_fini(&text);
    return kept;
}

static struct str either(const json_t *object, const char *key, const char *other)
{
    struct str s = js_get_str(object, key);
    return str_trim(s.p ? s : js_get_str(object, other));
}

static void add_line(struct gather *g, struct str line, size_t number)
{
    json_t *object = NULL;
    struct err_detail why;
    if (line.len > KNOWLEDGE_LINE_BYTES_MAX) {
        gather_fail(g, ERR_LIMIT, "line %zu is longer than %d bytes", number,
                    KNOWLEDGE_LINE_BYTES_MAX);
        return;
    }
    if (js_parse(line, &object, &why) != OK) {
        gather_fail(g, ERR_INVALID, "line %zu: %s", number, why.text);
        return;
    }
    struct passage p = {
        .external_id = gather_keep(g, either(object, "id", "externalId")),
        .title = gather_keep(g, either(object, "title", "title")),
        .content = gather_keep(g, either(object, "content", "text")),
        .category = gather_keep(g, either(object, "category", "category")),
        .questions = questions_of(g, js_get(object, "questions")),
        .metadata = metadata_of(g, js_get(object, "metadata")),
    };
    if (p.title.len == 0 || p.content.len == 0)
        gather_fail(g, ERR_INVALID, "line %zu: \"title\" and \"content\" must be texts", number);
    else
        gather_add(g, &p);
    json_decref(object);
}

void read_jsonl(struct gather *g, struct str text)
{
    for (size_t number = 1; g->err == OK && text.p; number++) {
        struct str line = str_trim(str_take_until(&text, '\n'));
        if (line.len)
            add_line(g, line, number);
    }
}
