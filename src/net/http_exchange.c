#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_private.h"
#include "net/ws_accept.h"

enum { WS_KEY_RAW_BYTES = 16 }; /* RFC 6455 section 4.1, item 7 */

struct http_exchange *http_exchange_new(struct http_conn *hc, struct str text)
{
    struct http_exchange *ex = mem_zalloc(sizeof(*ex));
    ex->hc = hc;
    ex->loop = hc->loop;
    (void)str_copy(ex->peer, sizeof(ex->peer), str_of(conn_peer(hc->conn)));
    ex->text = mem_strndup(text.p, text.len);
    ex->text_len = text.len;
    buf_init(&ex->body, HTTP_BODY_BYTES_MAX);
    buf_init(&ex->fields, HTTP_REPLY_HEADERS_MAX);
    return ex;
}

void http_exchange_free(struct http_exchange *ex)
{
    mem_free(ex->text);
    buf_fini(&ex->body);
    buf_fini(&ex->fields);
    mem_free(ex);
}

/* One entry of X-Forwarded-For, the one before the last that was taken. False: there is none. */
static bool take_last(struct str *list, struct str *entry)
{
    if (!list->p)
        return false;
    size_t at = list->len;
    while (at > 0 && list->p[at - 1] != ',')
        at--;
    *entry = str_trim(str_slice(*list, at, list->len));
    *list = at ? str_slice(*list, 0, at - 1) : STR_NONE;
    return true;
}

void http_exchange_name_client(struct http_exchange *ex)
{
    struct http_server *s = ex->hc->server;
    struct str entry;
    if (!ex->hc->trusted)
        return;
    for (size_t i = ex->head.count; i-- > 0;) {
        if (!str_eq_nocase(ex->head.fields[i].name, STR("x-forwarded-for")))
            continue;
        struct str list = ex->head.fields[i].value;
        while (take_last(&list, &entry)) {
            struct address a;
            ex->named = address_parse(entry, &a);
            if (!ex->named) /* whoever is behind that one is unknown */
                return;
            (void)str_copy(ex->peer, sizeof(ex->peer), entry);
            if (!address_set_has(&s->trusted, &a))
                return;
        }
    }
}

static void say_gone(void *ctx)
{
    struct http_exchange *ex = ctx;
    if (!ex->answered)
        ex->gone_fn(ex->gone_ctx);
    http_exchange_free(ex);
}

void http_exchange_gone(struct http_exchange *ex)
{
    ex->hc = NULL;
    if (ex->gone_fn)
        say_gone(ex);
    /* Nobody asked to be told: the handler still holds the exchange until it answers. */
}

void http_on_gone(struct http_exchange *ex, loop_fn *fn, void *ctx)
{
    ASSERT(!ex->gone_fn);
    ex->gone_fn = fn;
    ex->gone_ctx = ctx;
    if (!ex->hc) {
        ex->gone_deferred = true;
        loop_defer(ex->loop, say_gone, ex);
    }
}

/* -- the request -- */

struct str http_method(const struct http_exchange *ex)
{
    return str_eq(ex->head.method, STR("HEAD")) ? STR("GET") : ex->head.method;
}

struct str http_target(const struct http_exchange *ex)
{
    return ex->head.target;
}

struct str http_path(const struct http_exchange *ex)
{
    return ex->head.path;
}

struct str http_query(const struct http_exchange *ex)
{
    return ex->head.query;
}

struct str http_header(const struct http_exchange *ex, const char *name)
{
    return http_head_get(&ex->head, str_of(name));
}

struct str http_body(const struct http_exchange *ex)
{
    return ex->body.p ? buf_str(&ex->body) : str_n("", 0);
}

const char *http_peer(const struct http_exchange *ex)
{
    return ex->peer;
}

bool http_peer_is_client(const struct http_exchange *ex)
{
    const struct http_head *h = &ex->head;
    return ex->named || !(http_head_count(h, STR("x-forwarded-for")) ||
                          http_head_count(h, STR("forwarded")) || http_head_count(h, STR("via")));
}

struct loop *http_loop(const struct http_exchange *ex)
{
    return ex->loop;
}

/* -- the answer -- */

/* Takes the exchange from its connection, to answer on it. NULL when the peer is gone: the exchange
 * is then dealt with. */
static struct http_conn *detach(struct http_exchange *ex)
{
    loop_assert_thread(ex->loop);
    struct http_conn *hc = ex->hc;
    if (hc) {
        ASSERT(hc->exchange == ex && hc->phase == HTTP_HANDLED);
        hc->exchange = NULL;
        return hc;
    }
    if (ex->gone_deferred)
        ex->answered = true; /* say_gone is on its way and frees */
    else
        http_exchange_free(ex);
    return NULL;
}

void http_reply(struct http_exchange *ex, unsigned status, const char *content_type,
                struct str body)
{
    ASSERT(status >= 200 && status < 600);
    struct http_conn *hc = detach(ex);
    if (!hc)
        return;
    bool bodiless = status == 204 || status == 304; /* RFC 9110 section 6.4.1 */
    struct http_answer a = {status, bodiless || !content_type ? NULL : content_type,
                            buf_str(&ex->fields), body};
    if (body.len > CONN_OUT_BYTES_CEILING / 4) {
        LOG_ERROR(NULL, "http.reply", "err=\"answer too large\" bytes=%zu", body.len);
        http_conn_problem(hc, 500, NULL, NULL, STR(""));
    } else {
        http_conn_answer(hc, &a);
    }
    http_exchange_free(ex);
}

void http_reply_problem(struct http_exchange *ex, unsigned status, const char *title,
                        const char *detail)
{
    ASSERT(status >= 400 && status < 600);
    struct http_conn *hc = detach(ex);
    if (!hc)
        return;
    http_conn_problem(hc, status, title, detail, buf_str(&ex->fields));
    http_exchange_free(ex);
}

static bool is_plain(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

void http_reply_header(struct http_exchange *ex, const char *name, const char *value)
{
    size_t len = strlen(name) + strlen(value) + 4;
    if (!is_plain(name) || !is_plain(value) || len > HTTP_REPLY_HEADERS_MAX - ex->fields.len) {
        LOG_ERROR(NULL, "http.header", "err=\"left out\" name=%s bytes=%zu", name, len);
        return;
    }
    buf_printf(&ex->fields, "%s: %s\r\n", name, value);
}

/* -- WebSocket -- */

/* What RFC 6455 section 4.2.1 asks of the request. Returns 0, or the status to refuse it with. */
static unsigned upgrade_fault(const struct http_exchange *ex, struct str *key)
{
    const struct http_head *h = &ex->head;
    uint8_t raw[WS_KEY_RAW_BYTES + 2]; /* base64 of 16 bytes decodes to at most that */
    size_t len = 0;
    if (!http_head_has_token(h, STR("upgrade"), STR("websocket")) ||
        !http_head_has_token(h, STR("connection"), STR("upgrade")))
        return 426;
    if (!str_eq(h->method, STR("GET")) || h->minor != 1 || h->chunked || h->length)
        return 400;
    if (!str_eq(http_head_get(h, STR("sec-websocket-version")), STR("13")))
        return 426;
    *key = http_head_get(h, STR("sec-websocket-key"));
    if (http_head_count(h, STR("sec-websocket-key")) != 1 ||
        base64_decoded_len(*key) != WS_KEY_RAW_BYTES || base64_decode(raw, &len, *key) != OK)
        return 400;
    return 0;
}

enum err http_upgrade(struct http_exchange *ex, const struct ws_opts *opts, const char *subprotocol,
                      const struct ws_events *events, void *ctx, struct ws **out)
{
    struct str key = STR_NONE;
    unsigned fault = upgrade_fault(ex, &key);
    struct http_conn *hc = detach(ex);
    if (!hc)
        return ERR_CLOSED;
    if (fault) {
        if (fault == 426)
            http_conn_problem(hc, 426, NULL, "This address speaks WebSocket, version 13.",
                              STR("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
        else
            http_conn_problem(hc, 400, NULL, "This is no valid WebSocket handshake.", STR(""));
        http_exchange_free(ex);
        return ERR_INVALID;
    }
    struct conn *c = hc->conn;
    conn_pause_reading(c, false);
    enum err err = ws_accept(c, key, subprotocol, opts, events, ctx, buf_str(&hc->in), out);
    http_exchange_free(ex);
    if (err == OK) {
        http_conn_hand_over(hc);
        return OK;
    }
    LOG_WARN(NULL, "http.upgrade", "peer=%s err=%s", conn_peer(c), err_name(err));
    conn_close(c);
    return ERR_CLOSED;
}
