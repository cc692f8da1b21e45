/*
 * js.h - reading and writing JSON through jansson, with the checks every caller would repeat.
 *
 * jansson rejects duplicate keys only when asked, loses NULs in strings and recurses on nesting;
 * js_parse asks, refuses and bounds. (Prefix js_, because json_ belongs to the library.)
 *
 *   Ownership  js_parse hands a new reference to the caller: json_decref.
 *   Thread     any; a json_t belongs to one thread.
 */
#ifndef BASE_JS_H
#define BASE_JS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* One whole JSON text (any value). ERR_INVALID with line and column in `detail` (may be NULL). */
enum err js_parse(struct str text, json_t **out, struct err_detail *detail) MUST_CHECK;

/* Member `key` of an object, NULL when absent, when it is JSON null, or when `obj` is no object. */
const json_t *js_get(const json_t *obj, const char *key);
/* Borrowed from `obj`; STR_NONE (p == NULL) when absent or not a string. */
struct str js_get_str(const json_t *obj, const char *key);
/* `fallback` when absent or not a whole number. */
int64_t js_get_int(const json_t *obj, const char *key, int64_t fallback);
bool js_get_bool(const json_t *obj, const char *key, bool fallback);

/* Appends the compact text of `value` with keys in insertion order. */
void js_write(struct buf *b, const json_t *value);

#endif
