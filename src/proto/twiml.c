#include "proto/twiml.h"

#include <inttypes.h>

#include "base/utf8.h"

/* -- escaping -----------------------------------------------------------------------------------
 */

/* Bytes of the character at `at`, which is *allowed unless it is no UTF-8 or none of XML 1.0's
 * (section 2.2). */
static size_t char_len(struct str s, size_t at, bool *allowed)
{
    unsigned char c = (unsigned char)s.p[at];
    if (c < 0x80) {
        *allowed = c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
        return 1;
    }
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    struct str one = str_slice(s, at, at + n);
    bool valid = utf8_valid(one);
    *allowed = valid && !str_eq(one, STR("\xef\xbf\xbe")) && !str_eq(one, STR("\xef\xbf\xbf"));
    return valid ? n : 1;
}

/* What a character becomes; NULL if it stands for itself. The same choices as Twilio's own library
 * makes, so that documents compare equal. */
static const char *entity(char c, bool attribute)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '\r':
        return "&#xD;";
    case '>':
        return attribute ? NULL : "&gt;";
    case '"':
        return attribute ? "&quot;" : NULL;
    case '\t':
        return attribute ? "&#x9;" : NULL;
    case '\n':
        return attribute ? "&#xA;" : NULL;
    default:
        return NULL;
    }
}

static void put_escaped(struct buf *b, struct str s, bool attribute)
{
    for (size_t i = 0; i < s.len;) {
        bool allowed;
        size_t n = char_len(s, i, &allowed);
        const char *e = entity(s.p[i], attribute);
        if (!allowed)
            buf_put_str(b, STR("\xef\xbf\xbd"));
        else if (e)
            buf_put_str(b, str_of(e));
        else
            buf_put(b, s.p + i, n);
        i += n;
    }
}

static void put(struct buf *b, const char *literal)
{
    buf_put_str(b, str_of(literal));
}

static void put_attr(struct buf *b, const char *name, struct str value)
{
    if (!value.p)
        return;
    buf_printf(b, " %s=\"", name);
    put_escaped(b, value, true);
    buf_put_byte(b, '"');
}

static void put_number(struct buf *b, const char *name, int64_t value)
{
    if (value > 0)
        buf_printf(b, " %s=\"%" PRId64 "\"", name, value);
}

/* -- verbs --------------------------------------------------------------------------------------
 */

void twiml_open(struct buf *b)
{
    put(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>");
}

void twiml_close(struct buf *b)
{
    put(b, "</Response>");
}

void twiml_connect_stream(struct buf *b, const struct twiml_stream *s)
{
    put(b, "<Connect");
    put_attr(b, "action", s->action);
    put(b, "><Stream");
    put_attr(b, "url", s->url);
    put_attr(b, "statusCallback", s->status_callback);
    put(b, s->param_count ? ">" : "/>");
    for (size_t i = 0; i < s->param_count; i++) {
        put(b, "<Parameter");
        put_attr(b, "name", s->params[i].name);
        put_attr(b, "value", s->params[i].value);
        put(b, "/>");
    }
    put(b, s->param_count ? "</Stream></Connect>" : "</Connect>");
}

void twiml_say(struct buf *b, struct str text, struct str voice, struct str language)
{
    put(b, "<Say");
    put_attr(b, "voice", voice);
    put_attr(b, "language", language);
    put(b, ">");
    put_escaped(b, text, false);
    put(b, "</Say>");
}

void twiml_dial(struct buf *b, const struct twiml_dial *d)
{
    put(b, "<Dial");
    put_attr(b, "action", d->action);
    put_number(b, "timeout", d->timeout_s);
    put_attr(b, "callerId", d->caller_id);
    put(b, "><Number>");
    put_escaped(b, d->number, false);
    put(b, "</Number></Dial>");
}

void twiml_hangup(struct buf *b)
{
    put(b, "<Hangup/>");
}

void twiml_reject(struct buf *b, struct str reason)
{
    put(b, "<Reject");
    put_attr(b, "reason", reason);
    put(b, "/>");
}

void twiml_pause(struct buf *b, int64_t length_s)
{
    put(b, "<Pause");
    put_number(b, "length", length_s);
    put(b, "/>");
}

void twiml_redirect(struct buf *b, struct str url)
{
    put(b, "<Redirect>");
    put_escaped(b, url, false);
    put(b, "</Redirect>");
}
