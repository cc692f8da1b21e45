/* Plain text: paragraphs, and headings by how they stand. */
#include <string.h>

#include "knowledge/read.h"
#include "knowledge/text.h"

enum { TITLE_BYTES_MAX = 80, TITLE_WORDS_MAX = 10 };

/* A heading is a short line on its own that ends like no sentence. */
static bool is_title_line(struct str line, struct str before, struct str after)
{
    if (line.len == 0 || line.len > TITLE_BYTES_MAX || str_trim(before).len || str_trim(after).len)
        return false;
    bool ends_like_a_sentence = strchr(".!?,;:", line.p[line.len - 1]) != NULL;
    return !ends_like_a_sentence && text_count_words(line) <= TITLE_WORDS_MAX;
}

/* "infor-" before a line that goes on in lower case. */
static bool is_split_word(struct str line, struct str after)
{
    if (line.len < 3 || line.p[line.len - 1] != '-' || after.len == 0)
        return false;
    char before = line.p[line.len - 2], next = after.p[0];
    return before >= 'a' && before <= 'z' && next >= 'a' && next <= 'z';
}

void read_paragraphs(struct prose *p, struct str text)
{
    struct str before = STR("");
    while (p->out->err == OK && text.p) {
        struct str line = str_trim(str_take_until(&text, '\n')), peek = text;
        struct str after = peek.p ? str_trim(str_take_until(&peek, '\n')) : STR("");
        if (line.len == 0) {
            prose_break(p);
        } else if (is_title_line(line, before, after)) {
            prose_heading(p, 0, line);
        } else if (is_split_word(line, after)) {
            prose_text(p, str_slice(line, 0, line.len - 1));
        } else {
            prose_text(p, line);
            prose_text(p, STR(" "));
        }
        before = line;
    }
}

void read_text(struct gather *g, struct str text)
{
    struct prose p;
    prose_init(&p, g);
    read_paragraphs(&p, text);
    prose_end(&p);
}
