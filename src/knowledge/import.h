/*
 * import.h - making passages of files, and loading the demo business.
 *
 * JSON lines: one object a line with title, content and optionally category, questions (a list of
 * strings) and id. Markdown and plain text: cut at headings, then into passages of 80 to 150 words
 * at sentence ends with one sentence of overlap; the title is the path of headings. Importing a
 * file again replaces what it brought before, at once or not at all; passage ids derive from
 * business, document, title and position, so they stay.
 *
 *   Memory   passages live in the arena given.
 *   Thread   blocks on files and the store: commands and worker threads.
 *   Bounds   KNOWLEDGE_FILE_BYTES_MAX, STORE_DOCUMENT_PASSAGES_MAX.
 *   Errors   ERR_INVALID with the line at fault, ERR_IO when the file cannot be read, ERR_LIMIT.
 */
#ifndef KNOWLEDGE_IMPORT_H
#define KNOWLEDGE_IMPORT_H

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"

enum import_format { IMPORT_JSONL, IMPORT_MARKDOWN, IMPORT_TEXT };

/* By the name's ending: .jsonl .md .markdown .txt. ERR_INVALID for another. */
enum err import_format_of(struct str name, enum import_format *out) MUST_CHECK;

/* Cuts a text into passages (id, title, content, category, questions set). Pure but for `mem`. */
enum err import_parse(struct arena *mem, enum import_format format, struct str text,
                      struct passage **out, size_t *count, struct err_detail *detail) MUST_CHECK;

/* Reads `path` and replaces the document of that base name. *count (may be NULL) receives the
 * number of passages. */
enum err knowledge_import_file(struct store *s, struct str business_id, const char *path,
                               size_t *count, struct err_detail *detail) MUST_CHECK;

/* Loads NAME.json (business, numbers, config) and NAME.jsonl (passages) from a directory. May be
 * repeated: settings a person has changed since stay, passages are replaced. business_id (may be
 * NULL) receives the id, NUL-terminated. */
enum err knowledge_load_demo(struct store *s, const char *directory, const char *name,
                             char business_id[64], struct err_detail *detail) MUST_CHECK;

#endif
