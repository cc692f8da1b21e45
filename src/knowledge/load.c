/* Files into the store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/js.h"
#include "base/limits.h"
#include "knowledge/import.h"
#include "net/web_page.h"

enum { PATH_BYTES_MAX = 4096, CHARSET_BYTES_MAX = 41 };

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

/* Bytes and what they are. */
struct source {
    struct str name, bytes;
    enum import_format format;
    char charset[CHARSET_BYTES_MAX];
};

static enum err open_file(struct arena *mem, const char *path, struct source *out,
                          struct err_detail *detail)
{
    const char *slash = strrchr(path, '/');
    out->name = str_of(slash ? slash + 1 : path);
    if (import_format_of(out->name, &out->format) != OK)
        return err_explain(detail, ERR_INVALID, "%s: can read %s", path,
                           "PDF, HTML, DOCX, Markdown, text, CSV and JSON lines");
    return read_file(mem, path, &out->bytes, detail);
}

/* The charset parameter of a media type (RFC 9110 section 8.3.1), or "". */
static void charset_of(struct str type, char out[CHARSET_BYTES_MAX])
{
    out[0] = '\0';
    while (type.p) {
        struct str part = str_trim(str_take_until(&type, ';'));
        if (part.len < 8 || !str_eq_nocase(str_slice(part, 0, 8), STR("charset=")))
            continue;
        struct str value = str_slice(part, 8, part.len);
        if (value.len >= 2 && value.p[0] == '"')
            value = str_slice(value, 1, value.len - 1);
        if (!str_copy(out, CHARSET_BYTES_MAX, value))
            out[0] = '\0';
    }
}

static enum err open_page(struct arena *mem, const struct import_opts *opts, struct source *out,
                          struct err_detail *detail)
{
    struct web_page page;
    struct web_page_opts web = {.url = str_of(opts->source),
                                .ca_file = opts->ca_file,
                                .allow_private = opts->allow_private};
    struct err_detail why = {""};
    enum err e = web_page_fetch(mem, &web, &page, &why);
    if (e != OK)
        return err_explain(detail, e, "%.100s: %s", opts->source, why.text);
    struct str path = page.url, whole = str_take_until(&path, '?');
    out->name = str_of(opts->source);
    out->bytes = page.body;
    charset_of(page.type, out->charset);
    /* "text/plain" and "octet-stream" are what servers say of files they do not know. */
    if (import_format_of_type(page.type, &out->format) != OK || out->format == IMPORT_TEXT) {
        enum import_format named;
        if (import_format_of(whole, &named) == OK)
            out->format = named;
        else if (import_format_of_type(page.type, &out->format) != OK)
            return err_explain(detail, ERR_INVALID,
                               "%.100s: cannot read what the server calls %.60s", opts->source,
                               page.type.len ? page.type.p : "nothing");
    }
    return OK;
}

static bool is_address(const char *source)
{
    struct str s = str_of(source);
    return str_eq_nocase(str_slice(s, 0, 7), STR("http://")) ||
           str_eq_nocase(str_slice(s, 0, 8), STR("https://"));
}

enum err knowledge_import(struct store *s, const struct import_opts *opts,
                          struct import_result *out, struct err_detail *detail)
{
    struct arena mem;
    struct source source = {0};
    struct passage *passages = NULL;
    struct err_detail why = {""};
    size_t count = 0;
    arena_init(&mem, KNOWLEDGE_IMPORT_BYTES_MAX);
    enum err e = is_address(opts->source) ? open_page(&mem, opts, &source, detail)
                                          : open_file(&mem, opts->source, &source, detail);
    if (e == OK) {
        e = import_parse(&mem, source.format, source.bytes, source.charset, &passages, &count,
                         &why);
        if (e == OK && count == 0)
            e = err_explain(&why, ERR_INVALID, "there is no text in it");
        if (e != OK)
            (void)err_explain(detail, e, "%.120s: %s", opts->source, why.text);
    }
    if (e == OK && !str_copy(out->document, sizeof(out->document), source.name))
        e = err_explain(detail, ERR_INVALID, "the name is longer than %zu bytes",
                        sizeof(out->document) - 1);
    if (e == OK) {
        struct document d = {.id = source.name,
                             .business_id = opts->business_id,
                             .name = source.name,
                             .created_at_ms = clock_wall_ms()};
        out->passages = count;
        e = run(s, store_req_document_put(&d, passages, count), detail);
    }
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
        struct import_result imported;
        e = knowledge_import(s, &(struct import_opts){.business_id = id, .source = path}, &imported,
                             detail);
    }
    if (e == OK && business_id && !str_copy(business_id, 64, id))
        e = err_explain(detail, ERR_INVALID, "the business's id is too long");
    json_decref(root);
    arena_fini(&mem);
    return e;
}
