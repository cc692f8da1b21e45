/*
 * jsonw.h - writes the members of a JSON object in the order they are given.
 *
 * For messages built by hand: no tree, the same bytes every time. A value that a message may lack
 * is a string with p == NULL, which is skipped.
 *
 *   Memory   a cursor over the caller's buffer, which remembers whether anything did not fit.
 *   Thread   the buffer's owner.
 */
#ifndef PROTO_JSONW_H
#define PROTO_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Fields are private to jsonw.c. */
struct jsonw {
    struct buf *b;
    bool any; /* a comma is due */
};

/* Begins an object: '{'. */
struct jsonw jsonw_open(struct buf *b);
/* Begins an object that is member `key` of `parent`, which waits until it is closed. */
struct jsonw jsonw_object(struct jsonw *parent, const char *key);
void jsonw_close(struct jsonw *w);

/* The key and colon of a member whose value the caller appends. `key` needs no escapes. */
void jsonw_key(struct jsonw *w, const char *key);
/* Skipped when value.p is NULL. */
void jsonw_str(struct jsonw *w, const char *key, struct str value);
/* Written as null when value.p is NULL. */
void jsonw_str_or_null(struct jsonw *w, const char *key, struct str value);
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
/* Thousandths (>= 0) as a decimal number in its shortest form: 500 is 0.5, 1000 is 1. */
void jsonw_permille(struct jsonw *w, const char *key, int64_t value);
/* `json` as it is: true, null, [] ... */
void jsonw_literal(struct jsonw *w, const char *key, const char *json);

#endif
