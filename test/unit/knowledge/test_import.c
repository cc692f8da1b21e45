/* Every kind of file to passages: what is kept, what is left out, and what a hostile one gets. */
#include "harness/test.h"

#include <stdlib.h>
#include <unistd.h>
#include <zip.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "knowledge/import.h"

enum { ARENA = 256 << 20, FILE_MAX = 128 << 20 };

struct result {
    struct arena mem;
    struct passage *p;
    size_t n;
    enum err err;
    struct err_detail why;
};

static void import_bytes(struct result *r, enum import_format format, struct str bytes,
                         const char *charset)
{
    *r = (struct result){0};
    arena_init(&r->mem, ARENA);
    r->err = import_parse(&r->mem, format, bytes, charset, &r->p, &r->n, &r->why);
}

static void import_text(struct result *r, enum import_format format, const char *text)
{
    import_bytes(r, format, str_of(text), NULL);
}

static bool is(struct str s, const char *text)
{
    if (!str_eq(s, str_of(text)))
        fprintf(stderr, "want \"%s\", got \"%.*s\"\n", text, STR_FMT(s));
    return str_eq(s, str_of(text));
}

TEST(csv_with_names_without_and_with_quotes)
{
    struct result r;
    import_text(&r, IMPORT_CSV,
                "id,Question,Answer,category\r\n"
                "17,\"Do you ship, \"\"fast\"\"?\",\"Yes.\r\nIn two days.\",shipping\r\n"
                ",,,\r\n"
                "18,When?,Always,\n");
    CHECK_INT(OK, r.err);
    CHECK_INT(2, r.n);
    CHECK(is(r.p[0].external_id, "17"));
    CHECK(is(r.p[0].title, "Do you ship, \"fast\"?"));
    CHECK(is(r.p[0].questions, "Do you ship, \"fast\"?"));
    CHECK(is(r.p[0].content, "Yes.\r\nIn two days."));
    CHECK(is(r.p[0].category, "shipping"));
    CHECK(is(r.p[1].content, "Always"));
    arena_fini(&r.mem);

    import_text(&r, IMPORT_CSV, "Do you repair boots?;Yes, all brands.\nHats?;No");
    CHECK_INT(OK, r.err);
    CHECK_INT(2, r.n);
    CHECK(is(r.p[0].content, "Yes, all brands."));
    CHECK(is(r.p[1].title, "Hats?"));
    arena_fini(&r.mem);

    import_text(&r, IMPORT_CSV, "question,answer\nWhy?,Because\nHow?\n");
    CHECK_INT(ERR_INVALID, r.err);
    CHECK(strstr(r.why.text, "line 3") != NULL);
    arena_fini(&r.mem);
    import_text(&r, IMPORT_CSV, "question,answer\nWhy?,\"Because\n");
    CHECK_INT(ERR_INVALID, r.err);
    CHECK(strstr(r.why.text, "line 2: the quotes") != NULL);
    arena_fini(&r.mem);
}

TEST(html_keeps_what_a_visitor_reads)
{
    struct result r;
    import_text(&r, IMPORT_HTML,
                "<!doctype html><html><head><title>Pecos &amp; Sons</title>"
                "<style>p{color:red}</style><script>alert('x')</script></head><body>"
                "<nav><a href=/>Home</a></nav><p>Welcome to the&nbsp;shop.</p>"
                "<h1>Returns</h1><p>Send it <b>back</b> in<br>30 days.</p><h2>Fees</h2>"
                "<table><tr><th>Country</th><th>Fee</th></tr><tr><td>USA</td><td>free</td></tr>"
                "</table><p style='display: none'>secret</p><div hidden>hidden</div>"
                "<details><summary>By courier?</summary>Yes, every day.</details>"
                "<script>document.write('evil')</script><footer>imprint</footer></body></html>");
    CHECK_INT(OK, r.err);
    CHECK_INT(4, r.n);
    CHECK(is(r.p[0].title, "Pecos & Sons"));
    CHECK(is(r.p[0].content, "Welcome to the\xc2\xa0shop."));
    CHECK(is(r.p[1].title, "Returns"));
    CHECK(is(r.p[1].content, "Send it back in 30 days."));
    CHECK(is(r.p[2].title, "Returns: Fees"));
    CHECK(is(r.p[2].content, "Country, Fee USA, free"));
    CHECK(is(r.p[3].title, "Returns: Fees: By courier?"));
    CHECK(is(r.p[3].content, "Yes, every day."));
    arena_fini(&r.mem);
}

TEST(encodings_declared_marked_and_guessed)
{
    struct result r;
    import_text(&r, IMPORT_HTML, "<meta charset=iso-8859-1><h1>Caf\xe9</h1><p>Cr\xe8me.</p>");
    CHECK(r.n == 1 && is(r.p[0].title, "Caf\xc3\xa9") && is(r.p[0].content, "Cr\xc3\xa8me."));
    arena_fini(&r.mem);
    import_text(&r, IMPORT_HTML, "<meta charset=klingon><p>Caf\xc3\xa9.</p>");
    CHECK(r.n == 1 && is(r.p[0].content, "Caf\xc3\xa9."));
    arena_fini(&r.mem);
    import_text(&r, IMPORT_TEXT, "Na\xefve \x93quotes\x94 from 1998.");
    CHECK(r.n == 1 && is(r.p[0].content, "Na\xc3\xafve \xe2\x80\x9cquotes\xe2\x80\x9d from 1998."));
    arena_fini(&r.mem);
    import_bytes(&r, IMPORT_TEXT, STR("\xff\xfeH\0e\0l\0l\0o\0.\0"), NULL);
    CHECK(r.n == 1 && is(r.p[0].content, "Hello."));
    arena_fini(&r.mem);
    import_bytes(&r, IMPORT_TEXT, STR("\0H\0e\0l\0l\0o\0.\0 \0Y\0o\0u\0."), NULL);
    CHECK(r.n == 1 && is(r.p[0].content, "Hello. You."));
    arena_fini(&r.mem);
    import_bytes(&r, IMPORT_TEXT, STR("\x83\x65\x83\x58\x83\x67."), "shift_jis");
    CHECK(r.n == 1 && is(r.p[0].content, "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88."));
    arena_fini(&r.mem);
    import_bytes(&r, IMPORT_TEXT,
                 STR("\x7f"
                     "ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\x3e\0\1"),
                 NULL);
    CHECK_INT(ERR_INVALID, r.err);
    arena_fini(&r.mem);
    import_bytes(&r, IMPORT_TEXT, STR("x"), "klingon");
    CHECK_INT(ERR_INVALID, r.err);
    CHECK(strstr(r.why.text, "klingon") != NULL);
    arena_fini(&r.mem);
}

TEST(markdown_tables_entities_and_no_html)
{
    struct result r;
    import_text(
        &r, IMPORT_MARKDOWN,
        "Fees\n====\n\n| Country | Fee |\n|---|---|\n| USA | free |\n| Canada | $9 |\n\n"
        "A &amp; B &#233; &#x1F600; &bogus; <b>bold</b>\n\n<script>\nalert(1)\n</script>\n");
    CHECK_INT(OK, r.err);
    CHECK_INT(1, r.n);
    CHECK(is(r.p[0].title, "Fees"));
    CHECK(is(r.p[0].content,
             "Country, Fee USA, free Canada, $9 A & B \xc3\xa9 \xf0\x9f\x98\x80 &bogus; bold"));
    arena_fini(&r.mem);
}

TEST(nothing_in_it_is_no_passage)
{
    static const enum import_format formats[] = {IMPORT_TEXT, IMPORT_MARKDOWN, IMPORT_HTML,
                                                 IMPORT_CSV, IMPORT_JSONL};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct result r;
        import_text(&r, formats[i], "");
        CHECK_INT(OK, r.err);
        CHECK_INT(0, r.n);
        arena_fini(&r.mem);
    }
    struct result r;
    import_text(&r, IMPORT_PDF, "");
    CHECK_INT(ERR_INVALID, r.err);
    arena_fini(&r.mem);
    import_text(&r, IMPORT_DOCX, "");
    CHECK_INT(ERR_INVALID, r.err);
    arena_fini(&r.mem);
}

/* -- Word -- */

static char dir[] = "/tmp/callee-import-XXXXXX";
static char file[64];

/* A DOCX of these members (name, text, name, text, ..., NULL) as bytes. */
static struct str docx_of(struct buf *out, const char *const *members)
{
    snprintf(file, sizeof(file), "%s/x.docx", dir);
    zip_t *zip = zip_open(file, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    for (size_t i = 0; members[i]; i += 2) {
        zip_source_t *s = zip_source_buffer(zip, members[i + 1], strlen(members[i + 1]), 0);
        zip_file_add(zip, members[i], s, ZIP_FL_OVERWRITE);
    }
    zip_close(zip);
    FILE *f = fopen(file, "rb");
    char piece[4096];
    size_t n;
    while (f && (n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_put(out, piece, n);
    if (f)
        fclose(f);
    unlink(file);
    return buf_str(out);
}

#define W "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\""

static const char styles[] =
    "<w:styles " W "><w:style w:styleId=\"berschrift1\"><w:name w:val=\"heading 1\"/></w:style>"
    "<w:style w:styleId=\"Normal\"><w:name w:val=\"Normal\"/></w:style></w:styles>";
static const char document[] =
    "<?xml version=\"1.0\"?><w:document " W "><w:body>"
    "<w:p><w:pPr><w:pStyle w:val=\"berschrift1\"/></w:pPr><w:r><w:t>Gar</w:t></w:r>"
    "<w:r><w:t>antie</w:t></w:r></w:p>"
    "<w:p><w:r><w:t xml:space=\"preserve\">Two </w:t></w:r><w:r><w:t>years.</w:t></w:r>"
    "<w:del><w:r><w:delText>Ten years.</w:delText><w:t>Nine</w:t></w:r></w:del></w:p>"
    "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Boots</w:t></w:r></w:p></w:tc>"
    "<w:tc><w:p><w:r><w:t>$90 &amp; up</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    "</w:body></w:document>";

TEST(word_documents)
{
    struct result r;
    struct buf bytes;
    buf_init(&bytes, FILE_MAX);
    CHECK(mkdtemp(dir) != NULL);
    import_bytes(&r, IMPORT_DOCX,
                 docx_of(&bytes, (const char *const[]){"word/styles.xml", styles,
                                                       "word/document.xml", document, NULL}),
                 NULL);
    CHECK_INT(OK, r.err);
    CHECK_INT(1, r.n);
    CHECK(is(r.p[0].title, "Garantie"));
    CHECK(is(r.p[0].content, "Two years. Boots , $90 & up"));
    arena_fini(&r.mem);

    buf_reset(&bytes);
    import_bytes(&r, IMPORT_DOCX,
                 docx_of(&bytes, (const char *const[]){"word/other.xml", "<a/>", NULL}), NULL);
    CHECK_INT(ERR_INVALID, r.err);
    CHECK(strstr(r.why.text, "word/document.xml") != NULL);
    arena_fini(&r.mem);

    static const char laughs[] =
        "<!DOCTYPE a [<!ENTITY b \"&c;&c;&c;\"><!ENTITY c \"&d;&d;&d;\"><!ENTITY d \"ha\">]>"
        "<w:document " W "><w:p><w:t>&b;</w:t></w:p></w:document>";
    buf_reset(&bytes);
    import_bytes(&r, IMPORT_DOCX,
                 docx_of(&bytes, (const char *const[]){"word/document.xml", laughs, NULL}), NULL);
    CHECK_INT(ERR_INVALID, r.err);
    arena_fini(&r.mem);
    buf_fini(&bytes);
    rmdir(dir);
}

TEST(a_zip_bomb_is_refused)
{
    struct result r;
    struct buf bytes;
    size_t size = (size_t)KNOWLEDGE_INFLATED_BYTES_MAX + 2;
    char *much = mem_alloc(size);
    memset(much, 'a', size - 1);
    much[size - 1] = '\0';
    snprintf(dir, sizeof(dir), "/tmp/callee-import-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    buf_init(&bytes, FILE_MAX);
    struct str bomb = docx_of(&bytes, (const char *const[]){"word/document.xml", much, NULL});
    CHECK(bomb.len < 1 << 20);
    int64_t start = clock_mono_us();
    import_bytes(&r, IMPORT_DOCX, bomb, NULL);
    CHECK_INT(ERR_LIMIT, r.err);
    CHECK(strstr(r.why.text, "unpacks to more than") != NULL);
    printf("zip bomb: %lld ms\n", (long long)((clock_mono_us() - start) / 1000));
    arena_fini(&r.mem);
    buf_fini(&bytes);
    mem_free(much);
    rmdir(dir);
}

/* -- PDF -- */

/* A PDF of one text object a page: enough for any reader (ISO 32000-1 section 7.5). */
static struct str pdf_of(struct buf *out, const char *const *pages, size_t count)
{
    size_t *offsets = mem_zalloc((2 * count + 4) * sizeof(*offsets));
    buf_put_str(out, STR("%PDF-1.4\n"));
    offsets[1] = out->len;
    buf_put_str(out, STR("1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"));
    offsets[2] = out->len;
    buf_put_str(out, STR("2 0 obj<</Type/Pages/Kids["));
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%zu 0 R ", 4 + 2 * i);
    buf_printf(out, "]/Count %zu>>endobj\n", count);
    offsets[3] = out->len;
    buf_put_str(out, STR("3 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"));
    for (size_t i = 0; i < count; i++) {
        offsets[4 + 2 * i] = out->len;
        buf_printf(out,
                   "%zu 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F "
                   "3 0 R>>>>/Contents %zu 0 R>>endobj\n",
                   4 + 2 * i, 5 + 2 * i);
        offsets[5 + 2 * i] = out->len;
        buf_printf(out, "%zu 0 obj<</Length %zu>>stream\n%s\nendstream endobj\n", 5 + 2 * i,
                   strlen(pages[i]), pages[i]);
    }
    size_t xref = out->len;
    buf_printf(out, "xref\n0 %zu\n0000000000 65535 f \n", 4 + 2 * count);
    for (size_t i = 1; i < 4 + 2 * count; i++)
        buf_printf(out, "%010zu 00000 n \n", offsets[i]);
    buf_printf(out, "trailer<</Size %zu/Root 1 0 R>>\nstartxref\n%zu\n%%%%EOF\n", 4 + 2 * count,
               xref);
    mem_free(offsets);
    return buf_str(out);
}

#define LINE(y, text) "BT /F 12 Tf 50 " #y " Td (" text ") Tj ET\n"

TEST(pdf_pages_without_their_running_heads)
{
    struct result r;
    struct buf bytes;
    static const char *const pages[] = {
        LINE(780, "Pecos Handbook") LINE(700, "Warranty") LINE(640, "Every boot has a war-")
            LINE(626, "ranty of two years.") LINE(40, "Page 1"),
        LINE(780, "Pecos Handbook") LINE(700, "Hats are not covered by it.") LINE(40, "Page 2"),
        LINE(780, "Pecos Handbook") LINE(700, "Belts are covered for one year.") LINE(40, "Page 3"),
    };
    buf_init(&bytes, FILE_MAX);
    import_bytes(&r, IMPORT_PDF, pdf_of(&bytes, pages, 3), NULL);
    CHECK_INT(OK, r.err);
    CHECK_INT(3, r.n);
    CHECK(is(r.p[0].title, "Warranty"));
    CHECK(is(r.p[0].content, "Every boot has a warranty of two years."));
    CHECK(is(r.p[0].metadata, "{\"page\":1}"));
    CHECK(is(r.p[1].content, "Hats are not covered by it."));
    CHECK(is(r.p[2].metadata, "{\"page\":3}"));
    arena_fini(&r.mem);

    import_bytes(&r, IMPORT_PDF, str_slice(buf_str(&bytes), 0, 60), NULL);
    CHECK_INT(ERR_INVALID, r.err);
    arena_fini(&r.mem);
    static const char *const blank[] = {""};
    buf_reset(&bytes);
    import_bytes(&r, IMPORT_PDF, pdf_of(&bytes, blank, 1), NULL);
    CHECK_INT(ERR_INVALID, r.err);
    CHECK(strstr(r.why.text, "no text") != NULL);
    arena_fini(&r.mem);
    buf_fini(&bytes);
}

TEST(a_pdf_of_ten_thousand_pages_ends_in_time)
{
    struct result r;
    struct buf bytes;
    size_t count = 10000;
    const char **pages = mem_alloc(count * sizeof(*pages));
    for (size_t i = 0; i < count; i++)
        pages[i] = LINE(700, "This page says that boots are made of leather.");
    buf_init(&bytes, FILE_MAX);
    struct str pdf = pdf_of(&bytes, pages, count);
    int64_t start = clock_mono_us();
    import_bytes(&r, IMPORT_PDF, pdf, NULL);
    printf("10,000 pages: %s, %zu passages, %lld ms\n", err_name(r.err), r.n,
           (long long)((clock_mono_us() - start) / 1000));
    CHECK(r.err == OK && r.n == count);
    CHECK(is(r.p[count - 1].metadata, "{\"page\":10000}"));
    arena_fini(&r.mem);
    buf_fini(&bytes);
    mem_free(pages);
}
