#include "net/web_page.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "net/url.h"

/* -- addresses (RFC 6890 and the IANA registries it began) -- */

static bool v4_is_public(uint32_t a)
{
    static const struct {
        uint32_t base;
        unsigned bits;
    } blocks[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared with a carrier */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local: the metadata of clouds */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarks */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 4},  /* multicast */
        {0xf0000000, 4},  /* reserved, broadcast */
    };
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        if (a >> (32 - blocks[i].bits) == blocks[i].base >> (32 - blocks[i].bits))
            return false;
    return true;
}

static uint32_t v4_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool v6_is_public(const uint8_t *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return v4_is_public(v4_at(a + 12));
    if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 carries an IPv4 address */
        return v4_is_public(v4_at(a + 2));
    bool documentation = a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8;
    bool assignments = a[0] == 0x20 && a[1] == 0x01 && (a[2] & 0xfe) == 0; /* Teredo and others */
    return (a[0] & 0xe0) == 0x20 && !documentation && !assignments; /* 2000::/3, global unicast */
}

bool web_address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return v4_is_public(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        return v6_is_public(v6.sin6_addr.s6_addr);
    }
    return false;
}

/* -- the request -- */

struct fetch {
    const struct web_page_opts *opts;
    struct buf body;
    bool refused; /* an address that may not be asked */
};

/* Every connection passes here with the address it really goes to, redirects included. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *f = ctx;
    (void)purpose;
    if (!f->opts->allow_private && !web_address_is_public(&address->addr)) {
        f->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *p, size_t size, size_t count, void *ctx)
{
    struct fetch *f = ctx;
    buf_put(&f->body, p, size * count);
    return buf_ok(&f->body) ? size * count : 0;
}

static enum err judge(const struct fetch *f, CURLcode code, long status, struct err_detail *detail)
{
    if (f->refused)
        return err_explain(detail, ERR_DENIED,
                           "the address is not on the public internet and may not be asked");
    if (!buf_ok(&f->body))
        return err_explain(detail, ERR_LIMIT, "the page has more than %d bytes",
                           WEB_PAGE_BYTES_MAX);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_explain(detail, ERR_TIMEOUT, "no whole page within %d s",
                           WEB_PAGE_TIMEOUT_MS / 1000);
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        return err_explain(detail, ERR_NOTFOUND, "there is no such host");
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return err_explain(detail, ERR_DENIED, "nobody vouches for the certificate");
    if (code == CURLE_TOO_MANY_REDIRECTS)
        return err_explain(detail, ERR_UPSTREAM, "more than %d redirects", WEB_PAGE_REDIRECTS_MAX);
    if (code != CURLE_OK)
        return err_explain(detail, ERR_CLOSED, "the page cannot be fetched: %s",
                           curl_easy_strerror(code));
    if (status == 404 || status == 410)
        return err_explain(detail, ERR_NOTFOUND, "there is no such page (status %ld)", status);
    if (status != 200)
        return err_explain(detail, ERR_UPSTREAM, "the server answered with status %ld", status);
    return OK;
}

static void set_options(CURL *easy, struct fetch *f, const char *url)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)WEB_PAGE_REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)WEB_PAGE_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* inflated within the bound on the body */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "callee");
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    if (f->opts->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, f->opts->ca_file);
}

static struct str keep(struct arena *mem, const char *s)
{
    size_t len = s ? strlen(s) : 0;
    return str_n(arena_strndup(mem, s ? s : "", len), len);
}

enum err web_page_fetch(struct arena *mem, const struct web_page_opts *opts, struct web_page *out,
                        struct err_detail *detail)
{
    struct url url;
    enum err e = url_parse(opts->url, &url, detail);
    if (e != OK)
        return e;
    if (url.websocket)
        return err_explain(detail, ERR_INVALID, "a page's address begins with http or https");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_explain(detail, ERR_IO, "libcurl cannot start");
    struct fetch f = {.opts = opts};
    buf_init(&f.body, WEB_PAGE_BYTES_MAX);
    CURL *easy = curl_easy_init();
    e = ERR_IO;
    if (easy) {
        long status = 0;
        const char *type = NULL, *final = NULL;
        set_options(easy, &f, arena_strndup(mem, opts->url.p, opts->url.len));
        CURLcode code = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
        curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &final);
        e = judge(&f, code, status, detail);
        if (e == OK)
            *out = (struct web_page){
                .body =
                    str_n(arena_strndup(mem, f.body.len ? f.body.p : "", f.body.len), f.body.len),
                .type = keep(mem, type),
                .url = keep(mem, final)};
        curl_easy_cleanup(easy);
    }
    buf_fini(&f.body);
    curl_global_cleanup();
    return e;
}
