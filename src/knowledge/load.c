/* Files into the store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/js.h"
#include "base/limits.h"
#include "knowledge/import.h"

enum { PATH_BYTES_MAX = 4096 };

/* The whole file in the arena. */
static enum err read_file(struct arena *mem, const char *path, struct str *out,
                          struct err_detail *detail)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return err_explain(detail, ERR_IO, "%s: %s", path, strerror(errno));
    struct buf bytes;
    buf_init(&bytes, KNOWLEDGE_FILE_BYTES_MAX);
    char part[8192];
    size_t len;
    while ((len = fread(part, 1, sizeof(part), f)) > 0)
        buf_put(&bytes, part, len);
    enum err e = OK;
    if (ferror(f))
        e = err_explain(detail, ERR_IO, "%s: %s", path, strerror(errno));
    else if (!buf_ok(&bytes))
        e = err_explain(detail, ERR_LIMIT, "%s: more than %d bytes", path,
                        KNOWLEDGE_FILE_BYTES_MAX);
    else
        *out = str_n(arena_strndup(mem, bytes.p, bytes.len), bytes.len);
    fclose(f);
    buf_fini(&bytes);
    return e;
}

/* Runs and frees. */
static enum err run(struct store *s, struct store_req *r, struct err_detail *detail)
{
    enum err e = store_run(s, r);
    if (e != OK && detail)
        *detail = r->detail;
    store_req_free(r);
    return e;
}

enum err knowledge_import_file(struct store *s, struct str business_id, const char *path,
                               size_t *count, struct err_detail *detail)
{
    const char *slash = strrchr(path, '/');
    struct str name = str_of(slash ? slash + 1 : path), text;
    struct passage *passages = NULL;
    size_t n = 0;
    enum import_format format;
    struct arena mem;
    struct err_detail why = {{0}};
    if (import_format_of(name, &format) != OK)
        return err_explain(detail, ERR_INVALID, "%s: can read .jsonl, .md and .txt", path);
    arena_init(&mem, (size_t)4 * KNOWLEDGE_FILE_BYTES_MAX);
    enum err e = read_file(&mem, path, &text, detail);
    if (e == OK) {
        e = import_parse(&mem, format, text, &passages, &n, &why);
        if (e != OK)
            (void)err_explain(detail, e, "%s: %s", path, why.text);
    }
    if (e == OK) {
        struct document d = {
            .id = name, .business_id = business_id, .name = name, .created_at_ms = clock_wall_ms()};
        e = run(s, store_req_document_put(&d, passages, n), detail);
    }
    if (e == OK && count)
        *count = n;
    arena_fini(&mem);
    return e;
}

/* -- a business in a file -- */

static enum err put_business(struct store *s, const json_t *root, struct str *id,
                             struct err_detail *detail)
{
    const json_t *object = js_get(root, "business");
    struct business b = {
        .id = js_get_str(object, "id"),
        .slug = js_get_str(object, "slug"),
        .name = js_get_str(object, "name"),
        .domain = js_get_str(object, "domain"),
        .time_zone = js_get_str(object, "time_zone"),
        .is_active = true,
        .created_at_ms = clock_wall_ms(),
    };
    *id = b.id;
    return run(s, store_req_business_put(&b), detail);
}

static enum err put_numbers(struct store *s, const json_t *root, struct str id,
                            struct err_detail *detail)
{
    const json_t *list = js_get(root, "numbers");
    enum err e = OK;
    for (size_t i = 0; e == OK && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct phone_number n = {str_of(json_string_value(item)), id, true};
        e = run(s, store_req_number_put(&n), detail);
    }
    return e;
}

static enum err put_config(struct store *s, json_t *root, struct str id, struct err_detail *detail)
{
    const char *key;
    json_t *value;
    enum err e = OK;
    struct buf text;
    buf_init(&text, KNOWLEDGE_LINE_BYTES_MAX);
    json_object_foreach(json_object_get(root, "config"), key, value)
    {
        struct err_detail why;
        buf_reset(&text);
        js_write(&text, value);
        e = business_config_check(str_of(key), buf_str(&text), &why);
        if (e != OK)
            (void)err_explain(detail, e, "%s: %s", key, why.text);
        else
            e = run(s, store_req_config_put(id, str_of(key), buf_str(&text), true), detail);
        if (e != OK)
            break;
    }
    buf_fini(&text);
    return e;
}

enum err knowledge_load_demo(struct store *s, const char *directory, const char *name,
                             char business_id[64], struct err_detail *detail)
{
    char path[PATH_BYTES_MAX];
    struct arena mem;
    struct str text, id = STR("");
    json_t *root = NULL;
    struct err_detail why = {{0}};
    arena_init(&mem, KNOWLEDGE_FILE_BYTES_MAX);
    snprintf(path, sizeof(path), "%s/%s.json", directory, name);
    enum err e = read_file(&mem, path, &text, detail);
    if (e == OK) {
        e = js_parse(text, &root, &why);
        if (e == OK)
            e = put_business(s, root, &id, &why);
        if (e == OK)
            e = put_numbers(s, root, id, &why);
        if (e == OK)
            e = put_config(s, root, id, &why);
        if (e != OK)
            (void)err_explain(detail, e, "%s: %s", path, why.text);
    }
    if (e == OK) {
        snprintf(path, sizeof(path), "%s/%s.jsonl", directory, name);
        e = knowledge_import_file(s, id, path, NULL, detail);
    }
    if (e == OK && business_id && !str_copy(business_id, 64, id))
        e = err_explain(detail, ERR_INVALID, "the business's id is too long");
    json_decref(root);
    arena_fini(&mem);
    return e;
}
