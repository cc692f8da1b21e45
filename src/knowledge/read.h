/*
 * read.h - one reader a format: bytes of a file to passages; private to knowledge/.
 *
 * A reader adds to the gather and reports failures there. Text is UTF-8 unless the reader says
 * otherwise; markup is never trusted: no reader fetches anything, runs scripts or follows
 * references.
 *
 *   Thread   any worker or command; read_pdf starts a child process and waits for it.
 *   Bounds   base/limits.h, section knowledge.
 */
#ifndef KNOWLEDGE_READ_H
#define KNOWLEDGE_READ_H

#include "knowledge/gather.h"
#include "knowledge/prose.h"

/* One object a line: title, content (or text), and optionally id, category, questions, metadata. */
void read_jsonl(struct gather *g, struct str text);
/* RFC 4180, separated by comma, semicolon or tab. A first row that names columns (question, answer,
 * title, category, id) is used; without one the first two columns are question and answer. */
void read_csv(struct gather *g, struct str text);
/* Paragraphs; a short line of its own is a heading. */
void read_text(struct gather *g, struct str text);
/* The same into a prose that goes on: a page of a longer text. */
void read_paragraphs(struct prose *p, struct str text);
/* CommonMark with GitHub's tables (md4c). Raw HTML is left out. */
void read_markdown(struct gather *g, struct str text);
/* `charset`: declared by the carrier, or NULL: the document's own word, else UTF-8 if it is valid,
 * else windows-1252. Scripts, styles, navigation and hidden parts are left out (libxml2). */
void read_html(struct gather *g, struct str bytes, const char *charset);
/* Office Open XML text (libzip, libxml2): paragraphs, headings by style, tables by row. */
void read_docx(struct gather *g, struct str bytes);
/* Through pdftotext of poppler-utils, as a child with bounded time and memory. Passages know their
 * page ({"page":N}). */
void read_pdf(struct gather *g, struct str bytes);

#endif
