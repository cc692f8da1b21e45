/*
 * copy_file.h - a file copied so that it is there whole or not at all.
 *
 *   Thread   any; blocks.
 *   Bounds   a name in a folder: NAME_MAX.
 */
#ifndef APP_COPY_FILE_H
#define APP_COPY_FILE_H

#include <stdbool.h>

#include "base/err.h"

/* Copies `name` of one folder into another, readable by its owner alone: written beside it, synced,
 * renamed. A file of that name and length is left as it is when `keep_same_length`. `*copied` is
 * set when something was written. ERR_NOTFOUND when the file is gone, ERR_IO with a sentence. */
enum err copy_file(int from_dir, int to_dir, const char *name, bool keep_same_length, bool *copied,
                   struct err_detail *detail) MUST_CHECK;

#endif
