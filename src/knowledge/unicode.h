/*
 * unicode.h - text in whatever encoding to UTF-8; private to knowledge/.
 *
 *   Memory   results live in the arena given.
 *   Thread   any; no state.
 */
#ifndef KNOWLEDGE_UNICODE_H
#define KNOWLEDGE_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { UNICODE_MAX = 0x10ffff, UNICODE_BYTES_MAX = 4 };

/* Writes one character as UTF-8 (RFC 3629) and returns its bytes; 0 for what is no character a text
 * may hold: surrogates, control characters but tab and line ends, beyond UNICODE_MAX. */
size_t unicode_put(char out[UNICODE_BYTES_MAX], uint32_t code);

/* The name iconv and libxml2 know of the text's encoding: a byte order mark's, else `declared` (may
 * be NULL), else "UTF-8" if it is valid, else UTF-16 by its zero bytes, else "WINDOWS-1252". */
const char *unicode_charset(struct str bytes, const char *declared);

/* The text as UTF-8 without byte order mark and control characters; characters its encoding does
 * not know become U+FFFD. ERR_INVALID for binary data and encodings nobody knows. */
enum err unicode_text(struct arena *mem, struct str bytes, const char *declared, struct str *out,
                      struct err_detail *detail) MUST_CHECK;

#endif
