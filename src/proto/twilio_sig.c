#include "proto/twilio_sig.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/mem.h"

static int compare_str(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_params(const void *a, const void *b)
{
    const struct twilio_param *x = a, *y = b;
    int order = compare_str(x->name, y->name);
    return order ? order : compare_str(x->value, y->value);
}

/* Name and value of every parameter in byte order; of a repeated name each distinct value once. */
static void put_params(struct buf *b, const struct twilio_request *r)
{
    if (r->param_count == 0)
        return;
    size_t bytes = r->param_count * sizeof(*r->params);
    struct twilio_param *sorted = mem_alloc(bytes);
    memcpy(sorted, r->params, bytes);
    qsort(sorted, r->param_count, sizeof(*sorted), compare_params);
    for (size_t i = 0; i < r->param_count; i++) {
        if (i && compare_params(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        buf_put_str(b, sorted[i].name);
        buf_put_str(b, sorted[i].value);
    }
    mem_free(sorted);
}

static void sign(char out[TWILIO_SIG_CHARS + 1], struct str auth_token, struct str message)
{
    uint8_t mac[CRYPTO_SHA1_BYTES];
    crypto_hmac_sha1(mac, auth_token, message);
    size_t n = base64_encode(out, mac, sizeof(mac));
    ASSERT(n == TWILIO_SIG_CHARS);
    out[n] = '\0';
}

enum err twilio_sig_compute(char out[TWILIO_SIG_CHARS + 1], struct str auth_token,
                            const struct twilio_request *request)
{
    struct buf message;
    if (request->param_count > TWILIO_FORM_PARAMS_MAX)
        return ERR_LIMIT;
    buf_init(&message, TWILIO_SIGNED_BYTES_MAX);
    buf_put_str(&message, request->url);
    if (!request->json)
        put_params(&message, request);
    bool ok = buf_ok(&message);
    if (ok)
        sign(out, auth_token, buf_str(&message));
    buf_fini(&message);
    return ok ? OK : ERR_LIMIT;
}

/* -- the forms of one URL -----------------------------------------------------------------------
 */

/* RFC 3986 section 3: scheme "://" [userinfo "@"] host [":" port] rest. */
struct url_parts {
    struct str before; /* scheme to host */
    struct str port;   /* with its ':'; empty when there is none */
    struct str path;   /* to the query; may be empty */
    struct str query;  /* with its '?'; may be empty */
    const char *default_port;
    bool websocket;
};

static size_t find_any(struct str s, size_t from, const char *set)
{
    while (from < s.len && !strchr(set, s.p[from]))
        from++;
    return from;
}

static bool split_url(struct url_parts *u, struct str url)
{
    size_t colon = str_find(url, STR("://"), 0);
    if (colon == SIZE_MAX)
        return false;
    struct str scheme = str_slice(url, 0, colon);
    u->websocket = str_eq_nocase(scheme, STR("wss")) || str_eq_nocase(scheme, STR("ws"));
    u->default_port =
        str_eq_nocase(scheme, STR("https")) || str_eq_nocase(scheme, STR("wss")) ? ":443" : ":80";
    size_t host = colon + 3, end = find_any(url, host, "/?#");
    for (size_t i = host; i < end; i++)
        if (url.p[i] == '@')
            host = i + 1;
    size_t port = end; /* the last ':' of the host, outside the brackets of an IPv6 address */
    for (size_t i = host; i < end; i++)
        port = url.p[i] == ']' ? end : url.p[i] == ':' ? i : port;
    size_t query = find_any(url, end, "?#");
    u->before = str_slice(url, 0, port);
    u->port = str_slice(url, port, end);
    u->path = str_slice(url, end, query);
    u->query = str_slice(url, query, url.len);
    return true;
}

/* True if the header signs the request under this form of its URL. */
static bool signs(struct str auth_token, const struct twilio_request *request, struct str url,
                  struct str header)
{
    char want[TWILIO_SIG_CHARS + 1];
    struct twilio_request form = *request;
    form.url = url;
    return twilio_sig_compute(want, auth_token, &form) == OK &&
           crypto_equal(str_n(want, TWILIO_SIG_CHARS), header);
}

static bool signs_any(struct str auth_token, const struct twilio_request *request,
                      struct str header)
{
    struct url_parts u = {0};
    struct buf url;
    bool valid = false;
    if (!split_url(&u, request->url))
        return false;
    const struct str ports[] = {u.port, STR(""), str_of(u.default_port)};
    struct str bare = u.path;
    bool had_slash = str_ends(bare, STR("/"));
    bare.len -= had_slash;
    buf_init(&url, TWILIO_SIGNED_BYTES_MAX);
    for (size_t p = 0; p < sizeof(ports) / sizeof(ports[0]); p++) {
        for (int with_slash = 0; with_slash < 2; with_slash++) {
            if (!u.websocket && with_slash != had_slash)
                continue; /* of http the path stands as it is */
            buf_reset(&url);
            buf_put_str(&url, u.before);
            buf_put_str(&url, ports[p]);
            buf_put_str(&url, bare);
            buf_put_str(&url, with_slash ? STR("/") : STR(""));
            buf_put_str(&url, u.query);
            /* No early end: the time must not tell which form was right. */
            valid |= buf_ok(&url) && signs(auth_token, request, buf_str(&url), header);
        }
    }
    buf_fini(&url);
    return valid;
}

/* The hash that the query carries is the body's. */
static bool body_matches(const struct twilio_request *request)
{
    static const struct str name = {"bodySHA256=", 11};
    uint8_t hash[CRYPTO_SHA256_BYTES];
    char hex[2 * CRYPTO_SHA256_BYTES + 1];
    struct str query = str_slice(request->url, find_any(request->url, 0, "?"), request->url.len);
    query = str_slice(query, 1, query.len);
    crypto_sha256(hash, request->body);
    crypto_hex(hex, hash, sizeof(hash));
    while (query.p) {
        struct str pair = str_take_until(&query, '&');
        if (str_starts(pair, name))
            return crypto_equal(str_slice(pair, name.len, pair.len), str_of(hex));
    }
    return false;
}

bool twilio_sig_valid(struct str auth_token, const struct twilio_request *request,
                      struct str header)
{
    if (auth_token.len == 0 || header.len != TWILIO_SIG_CHARS)
        return false;
    if (request->json && !body_matches(request))
        return false;
    return signs_any(auth_token, request, header);
}
