/*
 * prose.h - running text with headings, cut into passages; private to knowledge/.
 *
 * A reader tells what it meets in order: headings, pieces of text, ends of paragraphs. Sections are
 * cut at sentence ends into passages of 80 to 150 words, each beginning with the last sentence of
 * the one before; a passage's title is the path of headings it stands under.
 *
 *     struct prose p;
 *     prose_init(&p, gather);
 *     prose_heading(&p, 0, STR("Returns"));
 *     prose_text(&p, STR("Use the free label."));
 *     prose_end(&p);
 *
 *   Memory   see gather.h.
 *   Thread   the owner's.
 *   Bounds   KNOWLEDGE_FILE_BYTES_MAX bytes of a section; a heading is cut at 200 bytes.
 */
#ifndef KNOWLEDGE_PROSE_H
#define KNOWLEDGE_PROSE_H

#include "base/buf.h"
#include "knowledge/gather.h"

enum { PROSE_DEPTH = 6 };

struct prose {
    struct gather *out;
    struct str headings[PROSE_DEPTH];
    struct buf section;  /* text of the section so far; '\n' ends a paragraph */
    struct buf metadata; /* JSON object of the passages to come, or empty */
};

void prose_init(struct prose *p, struct gather *out);
/* A heading ends the section. `depth` 0..PROSE_DEPTH-1; deeper ones are taken as the deepest. */
void prose_heading(struct prose *p, size_t depth, struct str heading);
/* White space collapses; a piece may end in the middle of a word. */
void prose_text(struct prose *p, struct str text);
/* The paragraph (list item, row) ends, and with it the sentence. */
void prose_break(struct prose *p);
/* The metadata of passages that are cut from now on: a page, a slide. */
void prose_metadata(struct prose *p, struct str json);
/* Cuts what is left and frees what the prose holds. To be called once. */
void prose_end(struct prose *p);

#endif
