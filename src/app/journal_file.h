/*
 * journal_file.h - what `callee journal` and `callee replay` share: finding a journal and printing
 * what strangers have said.
 *
 *   Thread   the main thread.
 */
#ifndef APP_JOURNAL_FILE_H
#define APP_JOURNAL_FILE_H

#include "base/err.h"
#include "base/str.h"
#include "journal/journal.h"

enum { JOURNAL_PATH_BYTES = 4096 };

/*
 * Opens `name`: a file, or the id of a call under `data` (DATA/journals), which may still be in
 * progress. `path` (JOURNAL_PATH_BYTES) becomes the file, or where it will be. Errors as
 * journal_reader_open, with a sentence.
 */
enum err journal_file_open(struct journal_reader **out, char *path, const char *name,
                           const char *data, struct err_detail *detail) MUST_CHECK;

/* To stdout, with '?' for every control character but line breaks, which become a line break and
 * `indent` spaces. */
void journal_file_print(struct str text, int indent);

#endif
