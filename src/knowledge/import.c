/* Files to passages. */
#include "knowledge/import.h"

#include <string.h>

#include "base/js.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "knowledge/text.h"

enum {
    PASSAGE_WORDS_MIN = 80,
    PASSAGE_WORDS_MAX = 150,
    HEADING_DEPTH = 6,
    HEADING_BYTES_MAX = 200
};

struct importer {
    struct arena *mem;
    struct err_detail *detail;
    struct passage *items;
    size_t count, room;
    /* Headings and running text of Markdown and plain text. */
    struct str headings[HEADING_DEPTH];
    struct buf section; /* cleaned text of the section so far */
};

static struct str keep(struct importer *im, struct str s)
{
    return str_n(arena_strndup(im->mem, s.p, s.len), s.len);
}

static enum err add(struct importer *im, const struct passage *p)
{
    if (im->count == STORE_DOCUMENT_PASSAGES_MAX)
        return err_explain(im->detail, ERR_LIMIT, "more than %d passages",
                           STORE_DOCUMENT_PASSAGES_MAX);
    if (im->count == im->room) {
        im->room = im->room ? im->room * 2 : 64;
        im->items = mem_realloc(im->items, im->room * sizeof(*im->items));
    }
    im->items[im->count++] = *p;
    return OK;
}

/* -- JSON lines -- */

static struct str questions_of(struct importer *im, const json_t *value)
{
    if (json_is_string(value))
        return keep(im, str_n(json_string_value(value), json_string_length(value)));
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
    struct str kept = keep(im, buf_str(&text));
    buf_fini(&text);
    return kept;
}

static struct str metadata_of(struct importer *im, const json_t *value)
{
    if (!json_is_object(value))
        return STR("");
    struct buf text;
    buf_init(&text, KNOWLEDGE_LINE_BYTES_MAX);
    js_write(&text, value);
    struct str kept = keep(im, buf_str(&text));
    buf_fini(&text);
    return kept;
}

static enum err add_line(struct importer *im, struct str line, size_t number)
{
    json_t *object = NULL;
    struct err_detail why;
    if (line.len > KNOWLEDGE_LINE_BYTES_MAX)
        return err_explain(im->detail, ERR_LIMIT, "line %zu is longer than %d bytes", number,
                           KNOWLEDGE_LINE_BYTES_MAX);
    if (js_parse(line, &object, &why) != OK)
        return err_explain(im->detail, ERR_INVALID, "line %zu: %s", number, why.text);
    struct passage p = {
        .id = keep(im, js_get_str(object, "id")),
        .title = keep(im, str_trim(js_get_str(object, "title"))),
        .content = keep(im, str_trim(js_get_str(object, "content"))),
        .category = keep(im, str_trim(js_get_str(object, "category"))),
        .questions = questions_of(im, js_get(object, "questions")),
        .metadata = metadata_of(im, js_get(object, "metadata")),
    };
    enum err e = OK;
    if (p.title.len == 0 || p.content.len == 0)
        e = err_explain(im->detail, ERR_INVALID,
                        "line %zu: \"title\" and \"content\" must be texts", number);
    else
        e = add(im, &p);
    json_decref(object);
    return e;
}

static enum err parse_jsonl(struct importer *im, struct str text)
{
    enum err e = OK;
    for (size_t number = 1; e == OK && text.p; number++) {
        struct str line = str_trim(str_take_until(&text, '\n'));
        if (line.len)
            e = add_line(im, line, number);
    }
    return e;
}

/* -- prose -- */

/* "Returns: Refunds: By card", the way down to where the text stands. */
static struct str title_of(struct importer *im)
{
    struct buf text;
    buf_init(&text, (size_t)HEADING_DEPTH * (HEADING_BYTES_MAX + 2));
    for (size_t i = 0; i < HEADING_DEPTH; i++) {
        if (im->headings[i].len == 0)
            continue;
        if (text.len)
            buf_put_str(&text, STR(": "));
        buf_put_str(&text, im->headings[i]);
    }
    struct str title = text.len ? keep(im, buf_str(&text)) : STR("");
    buf_fini(&text);
    return title;
}

static enum err add_prose(struct importer *im, struct str title, struct str content)
{
    if (content.len == 0)
        return OK;
    struct passage p = {.title = title, .content = keep(im, content)};
    if (title.len == 0) /* text before any heading is called by how it begins */
        p.title = keep(im, text_first_words(content, 6));
    return add(im, &p);
}

/* Cuts the section into passages at sentence ends; each begins with the last sentence of the one
 * before, unless that alone would fill it. */
static enum err end_section(struct importer *im)
{
    struct str rest = buf_str(&im->section), title = title_of(im), sentence, last = STR("");
    struct buf passage;
    size_t words = 0, fresh = 0; /* in the passage; of them not in the one before */
    enum err e = OK;
    buf_init(&passage, KNOWLEDGE_FILE_BYTES_MAX);
    while (e == OK && text_take_sentence(&rest, &sentence)) {
        struct str piece = text_first_words(sentence, PASSAGE_WORDS_MAX);
        if (piece.len < sentence.len) /* no end in sight: cut, and go on behind it */
            rest = str_n(piece.p + piece.len, (size_t)(rest.p + rest.len - piece.p) - piece.len);
        size_t n = text_count_words(piece);
        if (fresh && words + n > PASSAGE_WORDS_MAX) {
            e = add_prose(im, title, buf_str(&passage));
            buf_reset(&passage);
            words = text_count_words(last);
            fresh = 0;
            if (words + n > PASSAGE_WORDS_MAX || words > PASSAGE_WORDS_MIN / 2)
                words = 0;
            else
                buf_put_str(&passage, last);
        }
        if (passage.len)
            buf_put_byte(&passage, ' ');
        buf_put_str(&passage, piece);
        words += n;
        fresh += n;
        last = piece;
    }
    if (e == OK && fresh)
        e = add_prose(im, title, buf_str(&passage));
    buf_fini(&passage);
    buf_reset(&im->section);
    return e;
}

/* At most `max` bytes, whole characters. */
static struct str cut(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return str_slice(s, 0, max);
}

static enum err begin_section(struct importer *im, size_t depth, struct str heading)
{
    enum err e = end_section(im);
    im->headings[depth] = keep(im, cut(heading, HEADING_BYTES_MAX));
    for (size_t i = depth + 1; i < HEADING_DEPTH; i++)
        im->headings[i] = STR("");
    return e;
}

/* The words of a line of Markdown without its marks: emphasis, code, list signs, quotes; of a link
 * its text. */
static void put_plain(struct buf *out, struct str line)
{
    line = str_trim(line);
    while (line.len && strchr(">-+*|", line.p[0]) && (line.len == 1 || line.p[1] == ' '))
        line = str_trim(str_slice(line, 1, line.len));
    for (size_t i = 0; i < line.len; i++) {
        char c = line.p[i];
        if (c == ']' && i + 1 < line.len && line.p[i + 1] == '(') {
            size_t close = str_find(line, STR(")"), i);
            i = close == SIZE_MAX ? line.len : close;
        } else if (c == '|') {
            buf_put_byte(out, ' ');
        } else if (!strchr("*_`[]", c) || c == '\0') {
            buf_put_byte(out, (unsigned char)c);
        }
    }
}

/* Depth 0..5 of "# Title" to "###### Title"; false for other lines. */
static bool is_heading(struct str line, size_t *depth, struct str *heading)
{
    size_t marks = 0;
    while (marks < line.len && line.p[marks] == '#')
        marks++;
    if (marks == 0 || marks > HEADING_DEPTH || marks == line.len || line.p[marks] != ' ')
        return false;
    *depth = marks - 1;
    *heading = str_trim(str_slice(line, marks, line.len));
    while (heading->len && heading->p[heading->len - 1] == '#')
        *heading = str_trim(str_slice(*heading, 0, heading->len - 1));
    return heading->len > 0;
}

/* In plain text a heading is a short line on its own that ends like no sentence. */
static bool is_title_line(struct str line, struct str before, struct str after)
{
    if (line.len == 0 || line.len > 80 || str_trim(before).len || str_trim(after).len)
        return false;
    return !strchr(".!?,;:", line.p[line.len - 1]) && text_count_words(line) <= 10;
}

static enum err parse_prose(struct importer *im, bool markdown, struct str text)
{
    struct str before = STR("");
    enum err e = OK;
    bool code = false;
    buf_init(&im->section, KNOWLEDGE_FILE_BYTES_MAX);
    while (e == OK && text.p) {
        struct str line = str_trim(str_take_until(&text, '\n')), heading, peek = text;
        struct str after = peek.p ? str_take_until(&peek, '\n') : STR("");
        size_t depth = 0;
        if (markdown && str_starts(line, STR("```")))
            code = !code;
        else if (markdown && !code && is_heading(line, &depth, &heading))
            e = begin_section(im, depth, heading);
        else if (!markdown && is_title_line(line, before, after))
            e = begin_section(im, 0, line);
        else if (line.len == 0)
            buf_put_byte(&im->section, '\n'); /* a paragraph ends, and with it the sentence */
        else if (markdown) {
            bool item = (line.p[0] == '-' || line.p[0] == '*') && line.len > 1 && line.p[1] == ' ';
            buf_put_byte(&im->section, item || line.p[0] == '|' ? '\n' : ' ');
            put_plain(&im->section, line);
        } else {
            buf_put_byte(&im->section, ' ');
            buf_put_str(&im->section, line);
        }
        before = line;
    }
    if (e == OK)
        e = end_section(im);
    buf_fini(&im->section);
    return e;
}

/* -- public -- */

enum err import_format_of(struct str name, enum import_format *out)
{
    static const struct {
        const char *ending;
        enum import_format format;
    } known[] = {{".jsonl", IMPORT_JSONL},
                 {".md", IMPORT_MARKDOWN},
                 {".markdown", IMPORT_MARKDOWN},
                 {".txt", IMPORT_TEXT}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct str ending = str_of(known[i].ending);
        if (name.len > ending.len &&
            str_eq_nocase(str_slice(name, name.len - ending.len, name.len), ending)) {
            *out = known[i].format;
            return OK;
        }
    }
    return ERR_INVALID;
}

enum err import_parse(struct arena *mem, enum import_format format, struct str text,
                      struct passage **out, size_t *count, struct err_detail *detail)
{
    struct importer im = {.mem = mem, .detail = detail};
    for (size_t i = 0; i < HEADING_DEPTH; i++)
        im.headings[i] = STR("");
    if (text.len > KNOWLEDGE_FILE_BYTES_MAX)
        return err_explain(detail, ERR_LIMIT, "more than %d bytes", KNOWLEDGE_FILE_BYTES_MAX);
    if (str_starts(text, STR("\xef\xbb\xbf"))) /* a byte order mark */
        text = str_slice(text, 3, text.len);
    if (!utf8_valid(text))
        return err_explain(detail, ERR_INVALID, "the text is not UTF-8");
    enum err e = format == IMPORT_JSONL ? parse_jsonl(&im, text)
                                        : parse_prose(&im, format == IMPORT_MARKDOWN, text);
    if (e == OK) {
        *out = arena_alloc(mem, im.count * sizeof(**out));
        if (im.count)
            memcpy(*out, im.items, im.count * sizeof(**out));
        *count = im.count;
    }
    mem_free(im.items);
    return e;
}
