/* Office Open XML text (ECMA-376 part 1, WordprocessingML): word/document.xml in a ZIP archive. */
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/limits.h"
#include "knowledge/read.h"

enum { STYLES_MAX = 512, STYLE_BYTES_MAX = 64, TITLE_BYTES_MAX = 4096 };

struct style {
    char id[STYLE_BYTES_MAX];
    unsigned level; /* 1..6 */
};

struct docx {
    struct prose prose;
    struct style styles[STYLES_MAX]; /* those that are headings */
    size_t style_count;
    /* word/styles.xml */
    char style_id[STYLE_BYTES_MAX];
    /* word/document.xml */
    unsigned heading; /* of the paragraph, 0 = none */
    struct buf paragraph;
    bool in_text, in_cell, first_cell, deleted;
};

/* -- the archive -- */

/* A member whole, inflated to at most KNOWLEDGE_INFLATED_BYTES_MAX. p == NULL: it is not there, or
 * failed (then g->err says so). */
static struct str read_member(struct gather *g, zip_t *zip, const char *name)
{
    zip_file_t *file = zip_fopen(zip, name, 0);
    if (!file)
        return STR_NONE;
    struct buf bytes;
    char piece[KNOWLEDGE_READ_BYTES];
    zip_int64_t n;
    buf_init(&bytes, KNOWLEDGE_INFLATED_BYTES_MAX);
    while (buf_ok(&bytes) && (n = zip_fread(file, piece, sizeof(piece))) > 0)
        buf_put(&bytes, piece, (size_t)n);
    if (!buf_ok(&bytes))
        gather_fail(g, ERR_LIMIT, "%s unpacks to more than %d bytes", name,
                    KNOWLEDGE_INFLATED_BYTES_MAX);
    else if (zip_file_get_error(file)->zip_err != ZIP_ER_OK)
        gather_fail(g, ERR_INVALID, "%s is damaged", name);
    struct str out = g->err == OK ? gather_keep(g, buf_str(&bytes)) : STR_NONE;
    if (g->mem->over) {
        gather_fail(g, ERR_LIMIT, "%s is too large", name);
        out = STR_NONE;
    }
    buf_fini(&bytes);
    zip_fclose(file);
    return out;
}

/* -- XML -- */

/* Attribute `name`, whatever its namespace prefix. */
static struct str attribute(const xmlChar **attributes, int count, const char *name)
{
    for (int i = 0; i < count; i++) { /* name, prefix, URI, value, end: libxml2's SAX2 */
        const xmlChar **a = attributes + (size_t)i * 5;
        if (strcmp((const char *)a[0], name) == 0)
            return str_n((const char *)a[3], (size_t)(a[4] - a[3]));
    }
    return STR_NONE;
}

/* No entity of a document's own is ever needed, and every one is a way to be fooled. */
static void refuse_doctype(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    xmlParserCtxtPtr parser = ctx;
    (void)name;
    (void)id;
    (void)system;
    xmlStopParser(parser);
}

static bool parse(struct gather *g, struct docx *d, struct str xml, startElementNsSAX2Func start,
                  endElementNsSAX2Func end, charactersSAXFunc characters)
{
    xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
                         .internalSubset = refuse_doctype,
                         .startElementNs = start,
                         .endElementNs = end,
                         .characters = characters};
    xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(&sax, NULL, NULL, 0, NULL);
    if (!parser)
        return false;
    parser->_private = d;
    xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    for (size_t at = 0; at < xml.len && g->err == OK; at += KNOWLEDGE_READ_BYTES) {
        struct str piece = str_slice(xml, at, at + KNOWLEDGE_READ_BYTES);
        if (xmlParseChunk(parser, piece.p, (int)piece.len, 0) != XML_ERR_OK)
            break;
    }
    if (g->err == OK)
        xmlParseChunk(parser, "", 0, 1);
    bool ok = parser->wellFormed == 1 && !parser->disableSAX;
    xmlFreeParserCtxt(parser);
    return ok;
}

static struct docx *docx_of(void *ctx)
{
    return ((xmlParserCtxtPtr)ctx)->_private;
}

/* -- word/styles.xml: which styles are headings, in whatever language they are named -- */

static void add_style(struct docx *d, unsigned level)
{
    if (d->style_count == STYLES_MAX || d->style_id[0] == '\0' || level == 0)
        return;
    struct style *s = &d->styles[d->style_count++];
    memcpy(s->id, d->style_id, sizeof(s->id));
    s->level = level <= PROSE_DEPTH ? level : PROSE_DEPTH;
}

/* "heading 2" is Word's own name for it, also where people see another. */
static unsigned level_of_name(struct str name)
{
    uint64_t level = 0;
    if (str_eq_nocase(name, STR("title")))
        return 1;
    if (name.len > 8 && str_eq_nocase(str_slice(name, 0, 8), STR("heading ")) &&
        str_to_u64(str_slice(name, 8, name.len), &level) && level >= 1 && level <= 9)
        return (unsigned)level;
    return 0;
}

static void on_style(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **ns, int count, int defaulted,
                     const xmlChar **attributes)
{
    struct docx *d = docx_of(ctx);
    const char *tag = (const char *)name;
    (void)prefix;
    (void)uri;
    (void)namespaces;
    (void)ns;
    (void)defaulted;
    if (strcmp(tag, "style") == 0) {
        if (!str_copy(d->style_id, sizeof(d->style_id), attribute(attributes, count, "styleId")))
            d->style_id[0] = '\0';
    } else if (strcmp(tag, "name") == 0) {
        add_style(d, level_of_name(attribute(attributes, count, "val")));
    }
}

static unsigned level_of_style(const struct docx *d, struct str id)
{
    for (size_t i = 0; i < d->style_count; i++)
        if (str_eq(str_of(d->styles[i].id), id))
            return d->styles[i].level;
    return 0;
}

/* -- word/document.xml -- */

static void on_element(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                       int namespaces, const xmlChar **ns, int count, int defaulted,
                       const xmlChar **attributes)
{
    struct docx *d = docx_of(ctx);
    const char *tag = (const char *)name;
    (void)prefix;
    (void)uri;
    (void)namespaces;
    (void)ns;
    (void)defaulted;
    if (strcmp(tag, "p") == 0) {
        d->heading = 0;
        buf_reset(&d->paragraph);
    } else if (strcmp(tag, "pStyle") == 0) {
        d->heading = level_of_style(d, attribute(attributes, count, "val"));
    } else if (strcmp(tag, "t") == 0) {
        d->in_text = !d->deleted;
    } else if (strcmp(tag, "del") == 0 || strcmp(tag, "instrText") == 0) {
        d->deleted = true;
    } else if (strcmp(tag, "tab") == 0 || strcmp(tag, "br") == 0 || strcmp(tag, "cr") == 0) {
        buf_put_byte(&d->paragraph, ' ');
    } else if (strcmp(tag, "noBreakHyphen") == 0) {
        buf_put_byte(&d->paragraph, '-');
    } else if (strcmp(tag, "tr") == 0) {
        prose_break(&d->prose);
        d->first_cell = true;
    } else if (strcmp(tag, "tc") == 0) {
        d->in_cell = true;
        if (!d->first_cell)
            prose_text(&d->prose, STR(", "));
        d->first_cell = false;
    }
}

static void end_paragraph(struct docx *d)
{
    struct str text = str_trim(buf_str(&d->paragraph));
    if (d->heading && text.len && !d->in_cell) {
        prose_heading(&d->prose, d->heading - 1, text);
    } else {
        prose_text(&d->prose, text);
        if (d->in_cell)
            prose_text(&d->prose, STR(" "));
        else
            prose_break(&d->prose);
    }
    buf_reset(&d->paragraph);
}

static void on_element_end(void *ctx, const xmlChar *name, const xmlChar *prefix,
                           const xmlChar *uri)
{
    struct docx *d = docx_of(ctx);
    const char *tag = (const char *)name;
    (void)prefix;
    (void)uri;
    if (strcmp(tag, "p") == 0)
        end_paragraph(d);
    else if (strcmp(tag, "t") == 0)
        d->in_text = false;
    else if (strcmp(tag, "del") == 0 || strcmp(tag, "instrText") == 0)
        d->deleted = false;
    else if (strcmp(tag, "tc") == 0)
        d->in_cell = false;
    else if (strcmp(tag, "tr") == 0)
        prose_break(&d->prose);
}

static void on_characters(void *ctx, const xmlChar *text, int len)
{
    struct docx *d = docx_of(ctx);
    if (d->in_text && len > 0)
        buf_put(&d->paragraph, text, (size_t)len);
    if (!buf_ok(&d->paragraph))
        gather_fail(d->prose.out, ERR_LIMIT, "a paragraph of more than %d bytes",
                    KNOWLEDGE_LINE_BYTES_MAX);
}

static void read_archive(struct gather *g, struct docx *d, zip_t *zip)
{
    struct str styles = read_member(g, zip, "word/styles.xml");
    if (styles.p)
        (void)parse(g, d, styles, on_style, NULL, NULL); /* without it there are no headings */
    struct str document = g->err == OK ? read_member(g, zip, "word/document.xml") : STR_NONE;
    if (!document.p)
        gather_fail(g, ERR_INVALID, "this is no Word document: it has no word/document.xml");
    else if (!parse(g, d, document, on_element, on_element_end, on_characters))
        gather_fail(g, ERR_INVALID, "word/document.xml is damaged");
}

void read_docx(struct gather *g, struct str bytes)
{
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(bytes.p, bytes.len, 0, &why);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &why) : NULL;
    zip_error_fini(&why);
    if (!zip) {
        zip_source_free(source);
        gather_fail(g, ERR_INVALID, "this is no Word document: the archive cannot be read");
        return;
    }
    struct docx *d = mem_zalloc(sizeof(*d));
    prose_init(&d->prose, g);
    buf_init(&d->paragraph, KNOWLEDGE_LINE_BYTES_MAX);
    if (zip_get_num_entries(zip, 0) > KNOWLEDGE_ARCHIVE_FILES_MAX)
        gather_fail(g, ERR_LIMIT, "an archive of more than %d files", KNOWLEDGE_ARCHIVE_FILES_MAX);
    else
        read_archive(g, d, zip);
    prose_end(&d->prose);
    buf_fini(&d->paragraph);
    mem_free(d);
    zip_discard(zip);
}
