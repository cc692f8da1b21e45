/* Markdown by md4c: its blocks and spans become headings, paragraphs and words. */
#include <libxml/HTMLparser.h>
#include <md4c.h>

#include "base/limits.h"
#include "knowledge/read.h"
#include "knowledge/unicode.h"

enum { ENTITY_BYTES_MAX = 40, HEADING_TEXT_MAX = 4096 };

struct markdown {
    struct prose prose;
    unsigned heading; /* 1..6 while inside of one */
    struct buf title; /* its words */
    bool first_cell;
};

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct markdown *m = ctx;
    if (type == MD_BLOCK_H) {
        m->heading = ((const MD_BLOCK_H_DETAIL *)detail)->level;
        buf_reset(&m->title);
    } else if (type == MD_BLOCK_TR) {
        prose_break(&m->prose);
        m->first_cell = true;
    } else if (type == MD_BLOCK_TD || type == MD_BLOCK_TH) {
        if (!m->first_cell)
            prose_text(&m->prose, STR(", "));
        m->first_cell = false;
    } else {
        prose_break(&m->prose);
    }
    return m->prose.out->err != OK;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct markdown *m = ctx;
    (void)detail;
    if (type == MD_BLOCK_H) {
        if (m->title.len)
            prose_heading(&m->prose, m->heading - 1, buf_str(&m->title));
        m->heading = 0;
    } else if (type != MD_BLOCK_TD && type != MD_BLOCK_TH) {
        prose_break(&m->prose);
    }
    return m->prose.out->err != OK;
}

static int on_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    (void)type;
    (void)detail;
    (void)ctx;
    return 0;
}

static void put(struct markdown *m, struct str text)
{
    if (m->heading)
        buf_put_str(&m->title, text);
    else
        prose_text(&m->prose, text);
}

/* "&amp;", "&#38;" and "&#x26;"; what is none of them stays as it is written. */
static void put_entity(struct markdown *m, struct str entity)
{
    char name[ENTITY_BYTES_MAX], bytes[UNICODE_BYTES_MAX];
    uint64_t code = 0;
    struct str inside = str_slice(entity, 1, entity.len - 1);
    if (str_starts(inside, STR("#x")) || str_starts(inside, STR("#X"))) {
        for (size_t i = 2; i < inside.len && code <= UNICODE_MAX; i++) {
            unsigned char c = (unsigned char)inside.p[i];
            code = code * 16 + (c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10u);
        }
    } else if (str_starts(inside, STR("#"))) {
        if (!str_to_u64(str_slice(inside, 1, inside.len), &code))
            code = 0;
    } else if (str_copy(name, sizeof(name), inside)) {
        const htmlEntityDesc *known = htmlEntityLookup((const xmlChar *)name);
        code = known ? known->value : 0;
    }
    size_t len = code <= UNICODE_MAX ? unicode_put(bytes, (uint32_t)code) : 0;
    put(m, len ? str_n(bytes, len) : entity);
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *ctx)
{
    struct markdown *m = ctx;
    struct str s = str_n(text, size);
    if (type == MD_TEXT_BR || type == MD_TEXT_SOFTBR)
        put(m, STR(" "));
    else if (type == MD_TEXT_ENTITY && size > 2)
        put_entity(m, s);
    else if (type != MD_TEXT_HTML && type != MD_TEXT_NULLCHAR)
        put(m, s);
    return m->prose.out->err != OK;
}

void read_markdown(struct gather *g, struct str text)
{
    struct markdown m = {0};
    MD_PARSER parser = {.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS,
                        .enter_block = enter_block,
                        .leave_block = leave_block,
                        .enter_span = on_span,
                        .leave_span = on_span,
                        .text = on_text};
    prose_init(&m.prose, g);
    buf_init(&m.title, HEADING_TEXT_MAX);
    int rc = md_parse(text.p, (MD_SIZE)text.len, &parser, &m);
    if (rc != 0 && g->err == OK)
        gather_fail(g, ERR_INVALID, "the Markdown cannot be read");
    prose_end(&m.prose);
    buf_fini(&m.title);
}
