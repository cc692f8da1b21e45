#include "net/http_parse.h"

#include <string.h>

#ifdef HTTP_PARSE_LLHTTP
#include <llhttp.h>
typedef llhttp_t parser_t;
#else
#include <http_parser.h>
typedef http_parser parser_t;
#endif

#include "base/assert.h"

struct parse {
    struct http_head *head;
    bool overflow; /* more fields than HTTP_HEADERS_MAX */
};

/* The whole head goes through the library at once and holds no folded line, so each of these is one
 * piece. */
static int on_url(parser_t *p, const char *at, size_t len)
{
    struct parse *s = p->data;
    s->head->target = str_n(at, len);
    return 0;
}

static int on_field(parser_t *p, const char *at, size_t len)
{
    struct parse *s = p->data;
    if (s->head->count == HTTP_HEADERS_MAX) {
        s->overflow = true;
        return -1;
    }
    s->head->fields[s->head->count++] =
        (struct http_field){.name = str_n(at, len), .value = str_n(at, 0)};
    return 0;
}

static int on_value(parser_t *p, const char *at, size_t len)
{
    struct parse *s = p->data;
    if (s->head->count == 0)
        return -1;
    s->head->fields[s->head->count - 1].value = str_trim(str_n(at, len));
    return 0;
}

/* Runs the library over the head. False on a syntax error, with the status to answer. */
static bool run_library(struct str text, struct parse *s, unsigned *major, unsigned *status)
{
    parser_t p;
#ifdef HTTP_PARSE_LLHTTP
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
#else
    http_parser_settings settings;
    http_parser_settings_init(&settings);
#endif
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
#ifdef HTTP_PARSE_LLHTTP
    llhttp_init(&p, HTTP_REQUEST, &settings);
    p.data = s;
    llhttp_errno_t code = llhttp_execute(&p, text.p, text.len);
    bool ok = code == HPE_OK || code == HPE_PAUSED_UPGRADE;
    s->head->method = str_of(llhttp_method_name((llhttp_method_t)p.method));
#else
    http_parser_init(&p, HTTP_REQUEST);
    p.data = s;
    size_t used = http_parser_execute(&p, &settings, text.p, text.len);
    enum http_errno code = HTTP_PARSER_ERRNO(&p);
    bool ok = code == HPE_OK && used == text.len;
    s->head->method = str_of(http_method_str((enum http_method)p.method));
#endif
    *major = p.http_major;
    s->head->minor = p.http_minor;
    if (s->overflow)
        *status = 431;
    else if (code == HPE_INVALID_METHOD)
        *status = 501;
    else if (code == HPE_INVALID_VERSION)
        *status = 505;
    return ok;
}

enum err http_parse_find_end(struct str text, size_t *scanned, size_t *len)
{
    for (size_t i = *scanned; i < text.len; i++) {
        char c = text.p[i];
        bool after_cr = i > 0 && text.p[i - 1] == '\r';
        if (c == '\0' || after_cr != (c == '\n'))
            return ERR_INVALID;
        if (i >= HTTP_HEAD_BYTES_MAX)
            return ERR_LIMIT;
        if (c == '\n' && i >= 3 && text.p[i - 2] == '\n') {
            *len = i + 1;
            return OK;
        }
    }
    *scanned = text.len;
    return ERR_AGAIN;
}

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.p[i]))
            return false;
    return s.len > 0;
}

static bool is_field_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* The library as Debian builds it is lenient; what it lets through ends here. No line may begin
 * with white space: that would be a folded field (RFC 9112 section 5.2). */
static bool fields_are_strict(struct str text, const struct http_head *h)
{
    for (size_t i = 2; i < text.len; i++)
        if (text.p[i - 1] == '\n' && (text.p[i] == ' ' || text.p[i] == '\t'))
            return false;
    for (size_t i = 0; i < h->count; i++) {
        struct str name = h->fields[i].name;
        if (!is_token(name) || name.p[name.len] != ':' || !is_field_value(h->fields[i].value))
            return false;
    }
    return true;
}

/* Origin form, absolute form, or "*" (RFC 9112 section 3.2). */
static bool split_target(struct http_head *h)
{
    struct str t = h->target;
    for (size_t i = 0; i < t.len; i++)
        if ((unsigned char)t.p[i] <= 0x20 || (unsigned char)t.p[i] >= 0x7f || t.p[i] == '#')
            return false;
    size_t skip = str_starts(t, STR("http://")) ? 7 : str_starts(t, STR("https://")) ? 8 : 0;
    if (skip) {
        t = str_slice(t, skip, t.len);
        while (t.len && t.p[0] != '/' && t.p[0] != '?')
            t = str_slice(t, 1, t.len);
    }
    h->path = str_take_until(&t, '?');
    h->query = t.p ? t : str_n("", 0);
    if (skip && h->path.len == 0)
        h->path = STR("/");
    return (h->path.len && h->path.p[0] == '/') ||
           (str_eq(h->target, STR("*")) && str_eq(h->method, STR("OPTIONS")));
}

/* Exactly one Host in HTTP/1.1, and nothing in it that is no host (RFC 9112 section 3.2). */
static bool host_is_strict(const struct http_head *h)
{
    size_t count = http_head_count(h, STR("host"));
    if (count > 1 || (count == 0 && h->minor >= 1))
        return false;
    struct str host = http_head_get(h, STR("host"));
    for (size_t i = 0; i < host.len; i++)
        if (strchr(" \t/\\@,?#\"<>", host.p[i]))
            return false;
    return true;
}

/* Where the body ends (RFC 9112 section 6.3): one length or chunked, never both. */
static bool framing_is_strict(struct http_head *h, unsigned *status)
{
    size_t lengths = http_head_count(h, STR("content-length"));
    size_t codings = http_head_count(h, STR("transfer-encoding"));
    if (lengths > 1 || (lengths && codings) || (codings && h->minor == 0))
        return false;
    if (lengths && !str_to_u64(http_head_get(h, STR("content-length")), &h->length))
        return false;
    if (codings) {
        h->chunked = codings == 1 &&
                     str_eq_nocase(http_head_get(h, STR("transfer-encoding")), STR("chunked"));
        if (!h->chunked)
            *status = 501;
        return h->chunked;
    }
    return true;
}

enum err http_parse_head(struct str text, struct http_head *out, unsigned *status)
{
    struct parse s = {.head = out};
    unsigned major = 0;
    out->count = 0;
    out->length = 0;
    out->chunked = false;
    out->target = str_n("", 0);
    *status = 400;
    if (!run_library(text, &s, &major, status))
        return ERR_INVALID;
    if (major != 1 || out->minor > 1) {
        *status = 505;
        return ERR_INVALID;
    }
    if (!fields_are_strict(text, out) || !split_target(out) || !host_is_strict(out) ||
        !framing_is_strict(out, status))
        return ERR_INVALID;
    out->keep_alive = out->minor == 1
                          ? !http_head_has_token(out, STR("connection"), STR("close"))
                          : http_head_has_token(out, STR("connection"), STR("keep-alive"));
    struct str expect = http_head_get(out, STR("expect"));
    out->expects = expect.p && str_eq_nocase(expect, STR("100-continue")) && out->minor == 1;
    if (expect.p && !str_eq_nocase(expect, STR("100-continue"))) {
        *status = 417;
        return ERR_INVALID;
    }
    return OK;
}

struct str http_head_get(const struct http_head *h, struct str name)
{
    for (size_t i = 0; i < h->count; i++)
        if (str_eq_nocase(h->fields[i].name, name))
            return h->fields[i].value;
    return STR_NONE;
}

size_t http_head_count(const struct http_head *h, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++)
        count += str_eq_nocase(h->fields[i].name, name);
    return count;
}

bool http_head_has_token(const struct http_head *h, struct str name, struct str token)
{
    for (size_t i = 0; i < h->count; i++) {
        struct str list = h->fields[i].value;
        if (!str_eq_nocase(h->fields[i].name, name))
            continue;
        while (list.p)
            if (str_eq_nocase(str_trim(str_take_until(&list, ',')), token))
                return true;
    }
    return false;
}
