#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proto/twiml.h"

struct open_element {
    struct str name;
    int verb; /* TWIML_TOP for the root */
};

struct parser {
    const char *p, *end;
    char *out; /* where the next decoded byte goes; never more than there are source bytes */
    struct twiml_doc *doc;
    size_t attr_count;
    struct open_element open[TWIML_DEPTH_MAX];
    int depth;
    const char *problem; /* the first one */
};

static bool fail(struct parser *x, const char *problem)
{
    if (!x->problem)
        x->problem = problem;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool skip_space(struct parser *x)
{
    const char *from = x->p;
    while (x->p < x->end && is_space(*x->p))
        x->p++;
    return x->p > from;
}

static bool at(const struct parser *x, const char *literal)
{
    return str_starts(str_n(x->p, (size_t)(x->end - x->p)), str_of(literal));
}

static bool take(struct parser *x, const char *literal)
{
    if (!at(x, literal))
        return false;
    x->p += strlen(literal);
    return true;
}

static bool name_byte(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return true;
    return !first && ((c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':');
}

static bool take_name(struct parser *x, struct str *out)
{
    const char *from = x->p;
    while (x->p < x->end && name_byte(*x->p, x->p == from))
        x->p++;
    *out = str_n(from, (size_t)(x->p - from));
    return out->len > 0 || fail(x, "a name is missing");
}

/* -- characters ---------------------------------------------------------------------------------
 */

/* XML 1.0 section 2.2. */
static bool allowed(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xd800) ||
           (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c < 0x110000);
}

static void put_utf8(struct parser *x, uint32_t c)
{
    if (c < 0x80) {
        *x->out++ = (char)c;
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    *x->out++ = (char)(lead[more] | c >> 6 * more);
    while (more-- > 0)
        *x->out++ = (char)(0x80 | (c >> 6 * more & 0x3f));
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/* Behind "&#": digits and the ';'. */
static bool take_number_entity(struct parser *x)
{
    int base = take(x, "x") ? 16 : 10;
    uint32_t c = 0;
    const char *from = x->p;
    for (; x->p < x->end && digit_of(*x->p) < base; x->p++)
        c = c > 0x10ffff ? c : c * (uint32_t)base + (uint32_t)digit_of(*x->p);
    if (x->p == from || !take(x, ";") || !allowed(c))
        return fail(x, "a bad character reference");
    put_utf8(x, c);
    return true;
}

static bool take_entity(struct parser *x)
{
    static const struct {
        const char *name;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (take(x, named[i].name)) {
            *x->out++ = named[i].c;
            return true;
        }
    }
    if (take(x, "&#"))
        return take_number_entity(x);
    return fail(x, "an unknown entity");
}

/* Decodes up to (not over) `stop`. Line ends become '\n' (section 2.11); in attributes every white
 * space that is written as itself becomes a blank (section 3.3.3). */
static bool take_text(struct parser *x, char stop, struct str *out)
{
    const char *from = x->out;
    bool attribute = stop != '<';
    while (x->p < x->end && *x->p != stop) {
        unsigned char c = (unsigned char)*x->p;
        if (c == '&') {
            if (!take_entity(x))
                return false;
            continue;
        }
        if (c == '<')
            return fail(x, "'<' in an attribute");
        if (!attribute && at(x, "]]>"))
            return fail(x, "']]>' in text");
        if ((c < 0x20 && !is_space((char)c)) || at(x, "\xef\xbf\xbe") || at(x, "\xef\xbf\xbf"))
            return fail(x, "a forbidden character");
        x->p++;
        if (c == '\r') {
            take(x, "\n");
            c = '\n';
        }
        *x->out++ = attribute && is_space((char)c) ? ' ' : (char)c;
    }
    *out = str_n(from, (size_t)(x->out - from));
    return true;
}

/* -- markup -------------------------------------------------------------------------------------
 */

/* "<!--" has been taken. */
static bool skip_comment(struct parser *x)
{
    while (x->p < x->end && !at(x, "--"))
        x->p++;
    return take(x, "-->") || fail(x, "a comment that does not end");
}

/* White space and comments, outside the root and between elements. */
static bool skip_misc(struct parser *x)
{
    do {
        skip_space(x);
        if (take(x, "<!--") && !skip_comment(x))
            return false;
    } while (x->p < x->end && (is_space(*x->p) || at(x, "<!--")));
    return true;
}

static bool take_attribute(struct parser *x, struct twiml_verb *verb)
{
    struct str name, value;
    if (!take_name(x, &name))
        return false;
    skip_space(x);
    if (!take(x, "="))
        return fail(x, "an attribute without a value");
    skip_space(x);
    char quote = x->p < x->end ? *x->p : 0;
    if (quote != '"' && quote != '\'')
        return fail(x, "an attribute without quotes");
    x->p++;
    if (!take_text(x, quote, &value))
        return false;
    if (x->p == x->end)
        return fail(x, "an attribute that does not end");
    x->p++;
    for (size_t i = 0; i < verb->attr_count; i++)
        if (str_eq(verb->attrs[i].name, name))
            return fail(x, "an attribute given twice");
    if (x->attr_count == TWIML_ATTRS_MAX)
        return fail(x, "too many attributes");
    x->doc->attrs[x->attr_count++] = (struct twilio_param){name, value};
    verb->attr_count++;
    return true;
}

/* The '<' has been taken: name, attributes and '>' or '/>'. */
static bool take_start_tag(struct parser *x)
{
    struct twiml_verb verb = {.attrs = x->doc->attrs + x->attr_count, .parent = TWIML_TOP};
    bool root = x->depth == 0;
    if (!take_name(x, &verb.name))
        return false;
    if (root && !str_eq(verb.name, STR("Response")))
        return fail(x, "the root is not <Response>");
    if (x->depth == TWIML_DEPTH_MAX)
        return fail(x, "elements nested too deeply");
    while (skip_space(x) && x->p < x->end && *x->p != '>' && *x->p != '/')
        if (!take_attribute(x, &verb))
            return false;
    bool empty = take(x, "/>");
    if (!empty && !take(x, ">"))
        return fail(x, "a tag that does not end");
    int index = TWIML_TOP;
    if (!root) {
        if (x->doc->verb_count == TWIML_VERBS_MAX)
            return fail(x, "too many elements");
        verb.parent = x->open[x->depth - 1].verb;
        index = (int)x->doc->verb_count;
        x->doc->verbs[x->doc->verb_count++] = verb;
    }
    if (!empty)
        x->open[x->depth++] = (struct open_element){verb.name, index};
    return true;
}

/* The '</' has been taken. */
static bool take_end_tag(struct parser *x)
{
    struct str name;
    if (!take_name(x, &name))
        return false;
    skip_space(x);
    if (!take(x, ">"))
        return fail(x, "a tag that does not end");
    if (!str_eq(name, x->open[x->depth - 1].name))
        return fail(x, "an end tag that does not match");
    x->depth--;
    return true;
}

/* Text directly in the innermost open element. */
static bool take_content(struct parser *x)
{
    struct str text;
    int verb = x->open[x->depth - 1].verb;
    if (!take_text(x, '<', &text))
        return false;
    text = str_trim(text);
    if (text.len == 0)
        return true;
    if (verb == TWIML_TOP)
        return fail(x, "text outside of a verb");
    if (x->doc->verbs[verb].text.len > 0)
        return fail(x, "text in two pieces");
    x->doc->verbs[verb].text = text;
    return true;
}

static bool parse_document(struct parser *x)
{
    take(x, "\xef\xbb\xbf"); /* a byte order mark */
    if (take(x, "<?xml ")) {
        while (x->p < x->end && !at(x, "?>"))
            x->p++;
        if (!take(x, "?>"))
            return fail(x, "a declaration that does not end");
    }
    if (!skip_misc(x))
        return false;
    if (!take(x, "<"))
        return fail(x, "no element");
    if (!take_start_tag(x))
        return false;
    while (x->depth > 0) {
        bool ok;
        if (x->p == x->end)
            return fail(x, "an element that does not end");
        if (take(x, "<!--"))
            ok = skip_comment(x);
        else if (take(x, "</"))
            ok = take_end_tag(x);
        else if (take(x, "<"))
            ok = take_start_tag(x);
        else
            ok = take_content(x);
        if (!ok)
            return false;
    }
    return skip_misc(x) && (x->p == x->end || fail(x, "something behind the root"));
}

enum err twiml_parse(struct twiml_doc *out, struct str text, struct err_detail *detail)
{
    if (text.len == 0 || text.len > TWIML_BYTES_MAX)
        return err_explain(detail, ERR_INVALID, "TwiML: %zu bytes", text.len);
    if (!utf8_valid(text))
        return err_explain(detail, ERR_INVALID, "TwiML: not UTF-8");
    struct twiml_doc doc = {
        .verbs = mem_zalloc(TWIML_VERBS_MAX * sizeof(struct twiml_verb)),
        .attrs = mem_zalloc(TWIML_ATTRS_MAX * sizeof(struct twilio_param)),
        .source = mem_strndup(text.p, text.len),
        .bytes = mem_alloc(text.len),
    };
    struct parser x = {.p = doc.source, .out = doc.bytes, .doc = &doc};
    x.end = x.p + text.len;
    bool ok = parse_document(&x);
    ASSERT(x.out <= doc.bytes + text.len);
    if (!ok) {
        size_t offset = (size_t)(x.p - doc.source);
        twiml_doc_fini(&doc);
        return err_explain(detail, ERR_INVALID, "TwiML: %s at byte %zu", x.problem, offset);
    }
    *out = doc;
    return OK;
}

void twiml_doc_fini(struct twiml_doc *doc)
{
    mem_free(doc->verbs);
    mem_free(doc->attrs);
    mem_free(doc->bytes);
    mem_free(doc->source);
    *doc = (struct twiml_doc){0};
}

struct str twiml_attr(const struct twiml_verb *verb, const char *name)
{
    for (size_t i = 0; i < verb->attr_count; i++)
        if (str_eq(verb->attrs[i].name, str_of(name)))
            return verb->attrs[i].value;
    return STR_NONE;
}
