#include "knowledge/prose.h"

#include "base/limits.h"
#include "knowledge/text.h"

enum {
    PASSAGE_WORDS_MIN = 80,
    PASSAGE_WORDS_MAX = 150,
    TITLE_WORDS = 6, /* of a passage that stands under no heading */
    HEADING_BYTES_MAX = 200,
    METADATA_BYTES_MAX = 512,
};

void prose_init(struct prose *p, struct gather *out)
{
    *p = (struct prose){.out = out};
    for (size_t i = 0; i < PROSE_DEPTH; i++)
        p->headings[i] = STR("");
    buf_init(&p->section, KNOWLEDGE_FILE_BYTES_MAX);
    buf_init(&p->metadata, METADATA_BYTES_MAX);
}

/* "Returns: Refunds: By card", the way down to where the text stands. */
static struct str title_of(struct prose *p)
{
    struct buf text;
    buf_init(&text, (size_t)PROSE_DEPTH * (HEADING_BYTES_MAX + 2));
    for (size_t i = 0; i < PROSE_DEPTH; i++) {
        if (p->headings[i].len == 0)
            continue;
        if (text.len)
            buf_put_str(&text, STR(": "));
        buf_put_str(&text, p->headings[i]);
    }
    struct str title = text.len ? gather_keep(p->out, buf_str(&text)) : STR("");
    buf_fini(&text);
    return title;
}

static void add(struct prose *p, struct str title, struct str content)
{
    if (content.len == 0)
        return;
    struct passage passage = {.title = title,
                              .content = gather_keep(p->out, content),
                              .metadata = gather_keep(p->out, buf_str(&p->metadata))};
    if (title.len == 0) /* text before any heading is called by how it begins */
        passage.title = gather_keep(p->out, text_first_words(content, TITLE_WORDS));
    gather_add(p->out, &passage);
}

/* The next sentence; one without an end in sight is cut at PASSAGE_WORDS_MAX words. */
static bool take_piece(struct str *rest, struct str *piece)
{
    struct str sentence;
    if (!text_take_sentence(rest, &sentence))
        return false;
    *piece = text_first_words(sentence, PASSAGE_WORDS_MAX);
    if (piece->len < sentence.len) {
        const char *end = rest->p + rest->len;
        *rest = str_n(piece->p + piece->len, (size_t)(end - piece->p) - piece->len);
    }
    return true;
}

/* Cuts the section into passages at sentence ends; each begins with the last sentence of the one
 * before, unless that alone would fill it. */
static void cut_section(struct prose *p)
{
    struct str rest = buf_str(&p->section), title = title_of(p), piece, last = STR("");
    struct buf passage;
    size_t words = 0, fresh = 0; /* in the passage; of them not in the one before */
    buf_init(&passage, KNOWLEDGE_FILE_BYTES_MAX);
    while (p->out->err == OK && take_piece(&rest, &piece)) {
        size_t n = text_count_words(piece);
        if (fresh && words + n > PASSAGE_WORDS_MAX) {
            add(p, title, buf_str(&passage));
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
    if (fresh)
        add(p, title, buf_str(&passage));
    buf_fini(&passage);
    buf_reset(&p->section);
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

void prose_heading(struct prose *p, size_t depth, struct str heading)
{
    cut_section(p);
    if (depth >= PROSE_DEPTH)
        depth = PROSE_DEPTH - 1;
    p->headings[depth] = gather_keep(p->out, cut(str_trim(heading), HEADING_BYTES_MAX));
    for (size_t i = depth + 1; i < PROSE_DEPTH; i++)
        p->headings[i] = STR("");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

void prose_text(struct prose *p, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        size_t from = i;
        if (is_space(text.p[i])) {
            while (i < text.len && is_space(text.p[i]))
                i++;
            char last = p->section.len ? p->section.p[p->section.len - 1] : '\n';
            if (last != ' ' && last != '\n')
                buf_put_byte(&p->section, ' ');
            continue;
        }
        while (i < text.len && !is_space(text.p[i]))
            i++;
        buf_put(&p->section, text.p + from, i - from);
    }
    if (!buf_ok(&p->section))
        gather_fail(p->out, ERR_LIMIT, "more than %d bytes of text", KNOWLEDGE_FILE_BYTES_MAX);
}

void prose_break(struct prose *p)
{
    if (p->section.len && p->section.p[p->section.len - 1] != '\n')
        buf_put_byte(&p->section, '\n');
}

void prose_metadata(struct prose *p, struct str json)
{
    cut_section(p);
    buf_reset(&p->metadata);
    buf_put_str(&p->metadata, json);
}

void prose_end(struct prose *p)
{
    cut_section(p);
    buf_fini(&p->section);
    buf_fini(&p->metadata);
}
