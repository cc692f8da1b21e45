/*
 * twiml.h - TwiML, the XML that tells Twilio what to do with a call: writing what we answer,
 * reading what a simulated carrier is answered.
 *
 * Both are the small part of XML 1.0 that TwiML uses (Twilio documentation, "TwiML for Programmable
 * Voice"): elements, attributes, text, the five named and the numeric entities, comments. There are
 * no DTDs, no CDATA, no namespaces; the reader refuses them, so there is nothing to expand or
 * fetch.
 *
 *   Memory   the writer appends to the caller's buffer. A parsed document owns its strings.
 *   Thread   any; a document belongs to one thread.
 *   Bounds   TWIML_BYTES_MAX, TWIML_DEPTH_MAX, TWIML_VERBS_MAX and TWIML_ATTRS_MAX
 *            (base/limits.h); a larger document is refused.
 */
#ifndef PROTO_TWIML_H
#define PROTO_TWIML_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/twilio_msg.h"

/* -- writing ------------------------------------------------------------------------------------
 */

/* In all of these an absent string (p == NULL) or a number of 0 leaves its attribute out. Text is
 * escaped; characters that XML 1.0 forbids, and bytes that are no UTF-8, become U+FFFD. */

struct twiml_stream {
    struct str action; /* of <Connect>: asked when the stream has ended */
    struct str url;    /* wss://..., without a query */
    struct str status_callback;
    const struct twilio_param *params;
    size_t param_count;
};

struct twiml_dial {
    struct str number;
    struct str action;
    struct str caller_id;
    int64_t timeout_s;
};

/* The XML declaration and <Response>; then verbs in order, then twiml_close. */
void twiml_open(struct buf *b);
void twiml_close(struct buf *b);

void twiml_connect_stream(struct buf *b, const struct twiml_stream *s);
void twiml_say(struct buf *b, struct str text, struct str voice, struct str language);
void twiml_dial(struct buf *b, const struct twiml_dial *d);
void twiml_hangup(struct buf *b);
/* `reason`: "rejected" or "busy". */
void twiml_reject(struct buf *b, struct str reason);
void twiml_pause(struct buf *b, int64_t length_s);
void twiml_redirect(struct buf *b, struct str url);

/* -- reading ------------------------------------------------------------------------------------
 */

enum { TWIML_TOP = -1 };

/* An element below <Response>. */
struct twiml_verb {
    struct str name;
    struct str text; /* what stands directly in it, trimmed; empty if nothing does */
    int parent;      /* index of the verb it stands in, or TWIML_TOP */
    const struct twilio_param *attrs;
    size_t attr_count;
};

struct twiml_doc {
    struct twiml_verb *verbs; /* in the order of the document, parents first */
    size_t verb_count;
    struct twilio_param *attrs; /* private: of all verbs */
    char *source;               /* private: the text, which names point into */
    char *bytes;                /* private: decoded text, which values point into */
};

/* ERR_INVALID with a sentence in `detail` (may be NULL): not well-formed, outside the subset or the
 * bounds, or the root is not <Response>. On error nothing is owned. */
enum err twiml_parse(struct twiml_doc *out, struct str text, struct err_detail *detail) MUST_CHECK;
void twiml_doc_fini(struct twiml_doc *doc);
/* The value of an attribute; p == NULL when the verb does not have it. */
struct str twiml_attr(const struct twiml_verb *verb, const char *name);

#endif
