/* Tables of questions and answers (RFC 4180). */
#include <string.h>

#include "base/limits.h"
#include "knowledge/read.h"

enum { ROWS_LOOKED_AT = 20 };

enum column {
    COLUMN_NONE,
    COLUMN_QUESTION,
    COLUMN_ANSWER,
    COLUMN_TITLE,
    COLUMN_CATEGORY,
    COLUMN_ID
};

struct csv {
    struct str rest;
    size_t line; /* of the row that was read last */
    size_t next_line;
    char separator;
    struct buf text; /* the row's fields, unquoted, one behind the other */
    size_t ends[KNOWLEDGE_COLUMNS_MAX];
    size_t count;
    bool torn; /* the text ended inside of quotes */
};

static bool at_line_end(const struct csv *c, size_t at)
{
    return at >= c->rest.len || c->rest.p[at] == '\n' ||
           (c->rest.p[at] == '\r' && at + 1 < c->rest.len && c->rest.p[at + 1] == '\n');
}

static size_t take_quoted(struct csv *c, size_t at)
{
    for (at++; at < c->rest.len; at++) {
        char ch = c->rest.p[at];
        if (ch == '"' && at + 1 < c->rest.len && c->rest.p[at + 1] == '"')
            at++;
        else if (ch == '"')
            return at + 1;
        c->next_line += ch == '\n';
        buf_put_byte(&c->text, (unsigned char)ch);
    }
    c->torn = true;
    return at;
}

static size_t take_field(struct csv *c, size_t at)
{
    if (at < c->rest.len && c->rest.p[at] == '"')
        at = take_quoted(c, at);
    while (!at_line_end(c, at) && c->rest.p[at] != c->separator)
        buf_put_byte(&c->text, (unsigned char)c->rest.p[at++]);
    if (c->count < KNOWLEDGE_COLUMNS_MAX)
        c->ends[c->count++] = c->text.len;
    return at;
}

/* False at the end of the text. */
static bool next_row(struct csv *c)
{
    if (c->rest.len == 0)
        return false;
    buf_reset(&c->text);
    c->count = 0;
    c->line = c->next_line;
    size_t at = take_field(c, 0);
    while (!at_line_end(c, at))
        at = take_field(c, at + 1);
    if (at < c->rest.len) {
        at += c->rest.p[at] == '\r' ? 2 : 1;
        c->next_line++;
    }
    c->rest = str_slice(c->rest, at, c->rest.len);
    return true;
}

static struct str field(const struct csv *c, size_t i)
{
    if (i >= c->count)
        return STR("");
    size_t from = i ? c->ends[i - 1] : 0;
    return str_trim(str_slice(buf_str(&c->text), from, c->ends[i]));
}

/* How many of the first rows have as many fields as the first, if that is more than one. */
static size_t rows_alike(struct str text, char separator)
{
    struct csv c = {.rest = text, .separator = separator};
    size_t alike = 0, fields = 0;
    buf_init(&c.text, KNOWLEDGE_LINE_BYTES_MAX);
    for (size_t row = 0; row < ROWS_LOOKED_AT && next_row(&c); row++) {
        if (row == 0)
            fields = c.count;
        alike += fields > 1 && c.count == fields;
    }
    buf_fini(&c.text);
    return alike;
}

/* The one by which the rows are most alike. Commas are common in prose, so they come last. */
static char separator_of(struct str text)
{
    static const char known[] = {'\t', ';', ','};
    size_t most = 0;
    char best = ',';
    for (size_t k = 0; k < sizeof(known); k++) {
        size_t alike = rows_alike(text, known[k]);
        if (alike > most) {
            most = alike;
            best = known[k];
        }
    }
    return best;
}

static enum column column_of(struct str name)
{
    static const struct {
        const char *name;
        enum column column;
    } known[] = {
        {"question", COLUMN_QUESTION}, {"questions", COLUMN_QUESTION}, {"q", COLUMN_QUESTION},
        {"answer", COLUMN_ANSWER},     {"answers", COLUMN_ANSWER},     {"a", COLUMN_ANSWER},
        {"content", COLUMN_ANSWER},    {"text", COLUMN_ANSWER},        {"title", COLUMN_TITLE},
        {"topic", COLUMN_TITLE},       {"category", COLUMN_CATEGORY},  {"id", COLUMN_ID},
        {"externalid", COLUMN_ID}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq_nocase(name, str_of(known[i].name)))
            return known[i].column;
    return COLUMN_NONE;
}

/* Reads the first row as names. False: it is a row like the others. */
static bool read_header(const struct csv *c, enum column *columns)
{
    bool answer = false, subject = false;
    for (size_t i = 0; i < c->count; i++) {
        columns[i] = column_of(field(c, i));
        answer |= columns[i] == COLUMN_ANSWER;
        subject |= columns[i] == COLUMN_QUESTION || columns[i] == COLUMN_TITLE;
    }
    return answer && subject;
}

static void add_row(struct gather *g, const struct csv *c, const enum column *columns)
{
    struct str by[COLUMN_ID + 1] = {0};
    bool any = false;
    for (size_t i = 0; i < c->count; i++) {
        any |= field(c, i).len > 0;
        if (by[columns[i]].len == 0)
            by[columns[i]] = field(c, i);
    }
    if (!any)
        return;
    struct str title = by[COLUMN_TITLE].len ? by[COLUMN_TITLE] : by[COLUMN_QUESTION];
    if (title.len == 0 || by[COLUMN_ANSWER].len == 0) {
        gather_fail(g, ERR_INVALID, "line %zu: a question and an answer are needed", c->line);
        return;
    }
    struct passage p = {.external_id = gather_keep(g, by[COLUMN_ID]),
                        .title = gather_keep(g, title),
                        .content = gather_keep(g, by[COLUMN_ANSWER]),
                        .category = gather_keep(g, by[COLUMN_CATEGORY]),
                        .questions = gather_keep(g, by[COLUMN_QUESTION])};
    gather_add(g, &p);
}

void read_csv(struct gather *g, struct str text)
{
    struct csv c = {.rest = text, .next_line = 1, .separator = separator_of(text)};
    enum column columns[KNOWLEDGE_COLUMNS_MAX] = {COLUMN_QUESTION, COLUMN_ANSWER};
    buf_init(&c.text, KNOWLEDGE_LINE_BYTES_MAX);
    bool first = true;
    while (g->err == OK && next_row(&c)) {
        if (c.torn)
            gather_fail(g, ERR_INVALID, "line %zu: the quotes are not closed", c.line);
        else if (!buf_ok(&c.text))
            gather_fail(g, ERR_LIMIT, "line %zu is longer than %d bytes", c.line,
                        KNOWLEDGE_LINE_BYTES_MAX);
        else if (!first || !read_header(&c, columns)) {
            if (first)
                memcpy(columns, (enum column[]){COLUMN_QUESTION, COLUMN_ANSWER},
                       2 * sizeof(columns[0]));
            for (size_t i = 2; first && i < KNOWLEDGE_COLUMNS_MAX; i++)
                columns[i] = COLUMN_NONE;
            add_row(g, &c, columns);
        }
        first = false;
    }
    buf_fini(&c.text);
}
