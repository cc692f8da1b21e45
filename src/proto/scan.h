/*
 * scan.h - walks the members of a small, plain JSON object without building a tree.
 *
 * The per-frame messages (a Twilio media message, an append, an audio delta) arrive fifty times a
 * second a call and always look the same. The scanner reads exactly what they are made of: objects,
 * strings without escapes in ASCII, short whole numbers. Everything else is SCAN_UNUSUAL: the
 * caller then gives the text to the real parser. Whatever the scanner accepts is valid JSON with
 * the same meaning; duplicate keys are the caller's to notice, since it knows the few keys it
 * expects.
 *
 *   Memory   strings borrow from the text.
 *   Thread   any; the cursor belongs to its owner.
 *   Bounds   no recursion: entering an object is the caller's loop.
 */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

enum scan_kind {
    SCAN_UNUSUAL, /* leave it to the full parser */
    SCAN_STRING,
    SCAN_INT,
    SCAN_OBJECT, /* its '{' is taken; the next calls return its members, then its SCAN_END */
    SCAN_END,    /* the '}' of the object being read */
};

struct scan_member {
    struct str key;
    struct str text; /* SCAN_STRING */
    int64_t number;  /* SCAN_INT */
};

/* Whether the member's key is the literal; inline, since every member of every frame is asked. */
#define SCAN_KEY_IS(m, lit) \
    ((m).key.len == sizeof("" lit "") - 1 && memcmp((m).key.p, (lit), sizeof(lit) - 1) == 0)

/* Fields are private to scan.c. */
struct scan {
    const char *p, *end;
    bool first; /* no comma is due */
};

/* Takes the '{' that begins the text; false if there is none. */
bool scan_begin(struct scan *s, struct str text);
/* The next member of the object being read. After SCAN_UNUSUAL the cursor is worthless. */
enum scan_kind scan_next(struct scan *s, struct scan_member *m);
/* Nothing but white space is left. */
bool scan_done(struct scan *s);

/* How many leading bytes of `s` can stand in a JSON string as they are, and are ASCII. */
size_t scan_plain_len(struct str s);
/* As buf_put_json, at the speed of a copy for long plain strings such as base64. */
void scan_put_json(struct buf *b, struct str s);

#endif
