/* Which reader a file gets. */
#include "knowledge/import.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "knowledge/read.h"
#include "knowledge/unicode.h"

enum err import_format_of(struct str name, enum import_format *out)
{
    static const struct {
        const char *ending;
        enum import_format format;
    } known[] = {
        {".jsonl", IMPORT_JSONL},       {".ndjson", IMPORT_JSONL}, {".md", IMPORT_MARKDOWN},
        {".markdown", IMPORT_MARKDOWN}, {".txt", IMPORT_TEXT},     {".csv", IMPORT_CSV},
        {".tsv", IMPORT_CSV},           {".html", IMPORT_HTML},    {".htm", IMPORT_HTML},
        {".xhtml", IMPORT_HTML},        {".docx", IMPORT_DOCX},    {".pdf", IMPORT_PDF}};
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

enum err import_format_of_type(struct str type, enum import_format *out)
{
    static const struct {
        const char *type;
        enum import_format format;
    } known[] = {
        {"text/html", IMPORT_HTML},
        {"application/xhtml+xml", IMPORT_HTML},
        {"text/plain", IMPORT_TEXT},
        {"text/markdown", IMPORT_MARKDOWN},
        {"text/csv", IMPORT_CSV},
        {"application/pdf", IMPORT_PDF},
        {"application/x-ndjson", IMPORT_JSONL},
        {"application/jsonl", IMPORT_JSONL},
        {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", IMPORT_DOCX},
    };
    struct str rest = type, plain = str_trim(str_take_until(&rest, ';'));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_eq_nocase(plain, str_of(known[i].type))) {
            *out = known[i].format;
            return OK;
        }
    }
    return ERR_INVALID;
}

/* JSON is UTF-8 (RFC 8259 section 8.1) and nothing else; other text is read as what it is. */
static void read_as_text(struct gather *g, enum import_format format, struct str bytes,
                         const char *charset)
{
    struct str text = bytes;
    if (format == IMPORT_JSONL && str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.len);
    if (format != IMPORT_JSONL)
        g->err = unicode_text(g->mem, bytes, charset, &text, g->detail);
    else if (!utf8_valid(text))
        gather_fail(g, ERR_INVALID, "the text is not UTF-8");
    if (g->err != OK)
        return;
    if (format == IMPORT_JSONL)
        read_jsonl(g, text);
    else if (format == IMPORT_CSV)
        read_csv(g, text);
    else if (format == IMPORT_MARKDOWN)
        read_markdown(g, text);
    else
        read_text(g, text);
}

enum err import_parse(struct arena *mem, enum import_format format, struct str bytes,
                      const char *charset, struct passage **out, size_t *count,
                      struct err_detail *detail)
{
    struct gather g;
    if (bytes.len > KNOWLEDGE_FILE_BYTES_MAX)
        return err_explain(detail, ERR_LIMIT, "more than %d bytes", KNOWLEDGE_FILE_BYTES_MAX);
    gather_init(&g, mem, detail);
    if (format == IMPORT_HTML)
        read_html(&g, bytes, charset);
    else if (format == IMPORT_DOCX)
        read_docx(&g, bytes);
    else if (format == IMPORT_PDF)
        read_pdf(&g, bytes);
    else
        read_as_text(&g, format, bytes, charset);
    return gather_take(&g, out, count);
}
