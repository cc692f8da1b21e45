/*
 * import.h - making passages of files and web pages, and loading the demo business.
 *
 * JSON lines: one object a line with title, content and optionally category, questions (a list of
 * strings), id and metadata. CSV: questions and answers. Markdown, HTML, DOCX, PDF and plain text:
 * cut at headings, then into passages of 80 to 150 words at sentence ends with one sentence of
 * overlap; the title is the path of headings. Importing a document again replaces what it brought
 * before, at once or not at all; passage ids derive from business, document, title and position, so
 * they stay. Each passage remembers where it came from: document, the id it had there, page.
 *
 *   Memory   passages live in the arena given.
 *   Thread   blocks on files, a child process and the store: commands and worker threads.
 *   Bounds   KNOWLEDGE_FILE_BYTES_MAX, KNOWLEDGE_INFLATED_BYTES_MAX, KNOWLEDGE_CHILD_*,
 *            STORE_DOCUMENT_PASSAGES_MAX.
 *   Errors   ERR_INVALID with the line at fault, ERR_IO when the file cannot be read, ERR_LIMIT,
 *            ERR_TIMEOUT.
 */
#ifndef KNOWLEDGE_IMPORT_H
#define KNOWLEDGE_IMPORT_H

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"

enum import_format {
    IMPORT_JSONL,
    IMPORT_MARKDOWN,
    IMPORT_TEXT,
    IMPORT_CSV,
    IMPORT_HTML,
    IMPORT_DOCX,
    IMPORT_PDF,
};

/* By the name's ending: .jsonl .ndjson .md .markdown .txt .csv .tsv .html .htm .xhtml .docx .pdf.
 * ERR_INVALID for another. */
enum err import_format_of(struct str name, enum import_format *out) MUST_CHECK;
/* By a media type as in Content-Type. */
enum err import_format_of_type(struct str type, enum import_format *out) MUST_CHECK;

/* Cuts a file into passages (external_id, title, content, category, questions, metadata set).
 * `charset`: of the Content-Type, or NULL. */
enum err import_parse(struct arena *mem, enum import_format format, struct str bytes,
                      const char *charset, struct passage **out, size_t *count,
                      struct err_detail *detail) MUST_CHECK;

struct import_opts {
    struct str business_id;
    const char *source;  /* path of a file, or an http(s) address */
    const char *ca_file; /* for https; NULL = the system's roots */
    bool allow_private;  /* addresses that are not on the public internet may be asked */
};
struct import_result {
    size_t passages;
    char document[256]; /* name under which it was stored */
};
/* Imports a file or a web page as a document: named like the file, or by its address. A source
 * without any text is ERR_INVALID: what was known of it before stays. */
enum err knowledge_import(struct store *s, const struct import_opts *opts,
                          struct import_result *out, struct err_detail *detail) MUST_CHECK;

/* Loads NAME.json (business, numbers, config) and NAME.jsonl (passages) from a directory. May be
 * repeated: settings a person has changed since stay, passages are replaced. business_id (may be
 * NULL) receives the id, NUL-terminated. */
enum err knowledge_load_demo(struct store *s, const char *directory, const char *name,
                             char business_id[64], struct err_detail *detail) MUST_CHECK;

#endif
