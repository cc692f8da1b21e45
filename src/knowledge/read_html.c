/* HTML by libxml2's SAX parser: constant memory, whatever the page. */
#include <libxml/HTMLparser.h>
#include <string.h>

#include "base/limits.h"
#include "knowledge/read.h"
#include "knowledge/unicode.h"

enum {
    DEPTH_MAX = 1u << 20,
    TITLE_BYTES_MAX = 4096,
    DECLARED_LOOK_BYTES = 1024,
    CHARSET_BYTES_MAX = 41
};

struct page {
    struct prose prose;
    unsigned skip;    /* how deep inside of something nobody reads */
    unsigned depth;   /* open elements since then */
    unsigned heading; /* 1..6 while inside of one; 7: <title> */
    bool first_cell;
    bool has_title;
    struct buf words; /* of the heading */
};

enum { HEADING_TITLE = 7 };

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0)
            return true;
    return false;
}

/* What a visitor does not read as the page's own text. */
static const char *const skipped[] = {
    "script", "style",  "noscript", "template", "nav",    "footer", "aside", "form",  "svg",
    "math",   "iframe", "object",   "select",   "button", "canvas", "audio", "video", NULL};
static const char *const blocks[] = {
    "p",       "div",   "section",    "article", "main",    "header",     "ul",
    "ol",      "li",    "dl",         "dt",      "dd",      "table",      "tr",
    "thead",   "tbody", "br",         "hr",      "pre",     "address",    "figure",
    "details", "body",  "figcaption", "caption", "summary", "blockquote", NULL};
/* They close themselves: no end follows. */
static const char *const empty[] = {"area",  "base",   "br",    "col",  "embed",
                                    "hr",    "img",    "link",  "meta", "input",
                                    "param", "source", "track", "wbr",  NULL};

static const char *attribute(const xmlChar **attributes, const char *name)
{
    for (size_t i = 0; attributes && attributes[i]; i += 2)
        if (strcasecmp((const char *)attributes[i], name) == 0)
            return attributes[i + 1] ? (const char *)attributes[i + 1] : "";
    return NULL;
}

static bool is_hidden(const xmlChar **attributes)
{
    const char *aria = attribute(attributes, "aria-hidden");
    const char *style = attribute(attributes, "style");
    return attribute(attributes, "hidden") || (aria && strcasecmp(aria, "true") == 0) ||
           (style && (strstr(style, "display:none") || strstr(style, "display: none") ||
                      strstr(style, "visibility:hidden") || strstr(style, "visibility: hidden")));
}

/* h1 to h6 as they are; the words of a folded-up answer head it. */
static unsigned heading_of(const char *name)
{
    if ((name[0] == 'h' || name[0] == 'H') && name[1] >= '1' && name[1] <= '6' && name[2] == '\0')
        return (unsigned)(name[1] - '0');
    if (strcasecmp(name, "summary") == 0)
        return PROSE_DEPTH;
    return strcasecmp(name, "title") == 0 ? HEADING_TITLE : 0;
}

static void on_start(void *ctx, const xmlChar *tag, const xmlChar **attributes)
{
    struct page *page = ctx;
    const char *name = (const char *)tag;
    if (is_one_of(name, empty)) {
        if (page->skip == 0 && (strcasecmp(name, "br") == 0 || strcasecmp(name, "hr") == 0))
            prose_break(&page->prose);
        return;
    }
    if (page->skip || is_one_of(name, skipped) || is_hidden(attributes)) {
        page->skip += page->skip < DEPTH_MAX;
        return;
    }
    unsigned heading = heading_of(name);
    if (heading && !page->heading) {
        page->heading = heading;
        buf_reset(&page->words);
    } else if (strcasecmp(name, "tr") == 0) {
        prose_break(&page->prose);
        page->first_cell = true;
    } else if (strcasecmp(name, "td") == 0 || strcasecmp(name, "th") == 0) {
        if (!page->first_cell)
            prose_text(&page->prose, STR(", "));
        page->first_cell = false;
    } else if (is_one_of(name, blocks)) {
        prose_break(&page->prose);
    }
}

static void end_heading(struct page *page)
{
    struct str words = str_trim(buf_str(&page->words));
    /* The page's <title> heads what stands before its first heading; h1 takes its place. */
    bool wanted = words.len && !(page->heading == HEADING_TITLE && page->has_title);
    if (wanted)
        prose_heading(&page->prose, page->heading == HEADING_TITLE ? 0 : page->heading - 1, words);
    page->has_title |= wanted;
    page->heading = 0;
}

static void on_end(void *ctx, const xmlChar *tag)
{
    struct page *page = ctx;
    const char *name = (const char *)tag;
    if (is_one_of(name, empty))
        return;
    if (page->skip) {
        page->skip--;
        return;
    }
    unsigned heading = heading_of(name);
    if (heading && heading == page->heading)
        end_heading(page);
    else if (is_one_of(name, blocks))
        prose_break(&page->prose);
}

static void on_characters(void *ctx, const xmlChar *text, int len)
{
    struct page *page = ctx;
    struct str s = str_n((const char *)text, len > 0 ? (size_t)len : 0);
    if (page->skip)
        return;
    if (page->heading)
        buf_put_str(&page->words, s);
    else
        prose_text(&page->prose, s);
}

/* What the page says of itself near its top: <meta charset="..."> or the http-equiv form. "" = it
 * does not. */
static void declared_charset(struct str bytes, char out[CHARSET_BYTES_MAX])
{
    struct str head = str_slice(bytes, 0, DECLARED_LOOK_BYTES), key = STR("charset=");
    out[0] = '\0';
    for (size_t i = 0; i + key.len < head.len; i++) {
        if (!str_eq_nocase(str_slice(head, i, i + key.len), key))
            continue;
        size_t from = i + key.len;
        if (head.p[from] == '"' || head.p[from] == '\'')
            from++;
        size_t to = from;
        while (to < head.len && !strchr("\"' ;/>\t\r\n", head.p[to]))
            to++;
        if (!str_copy(out, CHARSET_BYTES_MAX, str_slice(head, from, to)))
            out[0] = '\0';
        return;
    }
}

static void parse(struct page *page, struct str text)
{
    struct gather *g = page->prose.out;
    htmlSAXHandler sax = {.startElement = on_start,
                          .endElement = on_end,
                          .characters = on_characters,
                          .ignorableWhitespace = on_characters};
    htmlParserCtxtPtr parser =
        htmlCreatePushParserCtxt(&sax, page, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    if (!parser) {
        gather_fail(g, ERR_LIMIT, "no memory for the page");
        return;
    }
    htmlCtxtUseOptions(parser, HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                   HTML_PARSE_RECOVER | HTML_PARSE_IGNORE_ENC);
    for (size_t at = 0; at < text.len && g->err == OK; at += KNOWLEDGE_READ_BYTES) {
        struct str piece = str_slice(text, at, at + KNOWLEDGE_READ_BYTES);
        htmlParseChunk(parser, piece.p, (int)piece.len, 0);
    }
    htmlParseChunk(parser, "", 0, 1);
    htmlFreeParserCtxt(parser);
}

void read_html(struct gather *g, struct str bytes, const char *charset)
{
    char declared[CHARSET_BYTES_MAX];
    struct str text = STR("");
    declared_charset(bytes, declared);
    const char *known = charset && charset[0] ? charset : declared;
    g->err = unicode_text(g->mem, bytes, known, &text, g->detail);
    if (g->err != OK && known == declared) /* a page that names an encoding nobody knows */
        g->err = unicode_text(g->mem, bytes, NULL, &text, g->detail);
    if (g->err != OK)
        return;
    struct page page = {0};
    prose_init(&page.prose, g);
    buf_init(&page.words, TITLE_BYTES_MAX);
    parse(&page, text);
    if (page.heading)
        end_heading(&page);
    prose_end(&page.prose);
    buf_fini(&page.words);
}
