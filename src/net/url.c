#include "net/url.h"

static bool take_scheme(struct str *text, struct url *u)
{
    static const struct {
        struct str name;
        uint16_t port;
        bool tls, websocket;
    } schemes[] = {
        {{"https", 5}, 443, true, false},
        {{"http", 4}, 80, false, false},
        {{"wss", 3}, 443, true, true},
        {{"ws", 2}, 80, false, true},
    };
    size_t end = str_find(*text, STR("://"), 0);
    if (end == SIZE_MAX)
        return false;
    u->scheme = str_slice(*text, 0, end);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!str_eq_nocase(u->scheme, schemes[i].name))
            continue;
        u->port = schemes[i].port;
        u->tls = schemes[i].tls;
        u->websocket = schemes[i].websocket;
        *text = str_slice(*text, end + 3, text->len);
        return true;
    }
    return false;
}

/* host, host:port, [v6] or [v6]:port. */
static bool split_authority(struct url *u)
{
    struct str a = u->authority;
    struct str port = STR_NONE;
    if (a.len && a.p[0] == '[') {
        size_t close = str_find(a, STR("]"), 0);
        if (close == SIZE_MAX)
            return false;
        u->host = str_slice(a, 1, close);
        struct str rest = str_slice(a, close + 1, a.len);
        if (rest.len && rest.p[0] != ':')
            return false;
        if (rest.len)
            port = str_slice(rest, 1, rest.len);
    } else {
        size_t colon = str_find(a, STR(":"), 0);
        u->host = str_slice(a, 0, colon);
        if (colon != SIZE_MAX)
            port = str_slice(a, colon + 1, a.len);
    }
    if (u->host.len == 0)
        return false;
    if (port.p) {
        uint64_t n;
        if (!str_to_u64(port, &n) || n == 0 || n > UINT16_MAX)
            return false;
        u->port = (uint16_t)n;
    }
    return true;
}

enum err url_parse(struct str text, struct url *out, struct err_detail *detail)
{
    struct url u = {0};
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= 0x20 || c >= 0x7f)
            return err_explain(detail, ERR_INVALID,
                               "the URL holds a space, control or non-ASCII character");
    }
    if (!take_scheme(&text, &u))
        return err_explain(detail, ERR_INVALID,
                           "the URL does not start with http://, https://, ws:// or wss://");
    size_t end = 0;
    while (end < text.len && text.p[end] != '/' && text.p[end] != '?' && text.p[end] != '#')
        end++;
    u.authority = str_slice(text, 0, end);
    size_t fragment = str_find(text, STR("#"), end);
    u.target = str_slice(text, end, fragment);
    if (str_find(u.authority, STR("@"), 0) != SIZE_MAX)
        return err_explain(detail, ERR_INVALID, "the URL must not hold a user name or password");
    if (!split_authority(&u))
        return err_explain(detail, ERR_INVALID, "the URL has no usable host and port");
    *out = u;
    return OK;
}

void url_put_escaped(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            buf_put_byte(b, c);
        else
            buf_printf(b, "%%%02X", c);
    }
}
