#include "net/ws_handshake.h"

#include "base/base64.h"
#include "base/crypto.h"

void ws_accept_of(char out[WS_ACCEPT_CHARS], struct str key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WS_KEY_CHARS + sizeof(guid)];
    uint8_t digest[CRYPTO_SHA1_BYTES];
    key = str_slice(key, 0, WS_KEY_CHARS);
    if (key.len)
        memcpy(text, key.p, key.len);
    memcpy(text + key.len, guid, sizeof(guid) - 1);
    crypto_sha1(digest, str_n(text, key.len + sizeof(guid) - 1));
    base64_encode(out, digest, sizeof(digest));
}

void ws_answer_write(struct buf *out, struct str key, const char *subprotocol)
{
    char accept[WS_ACCEPT_CHARS];
    ws_accept_of(accept, key);
    buf_put_str(out, STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: "));
    buf_put(out, accept, sizeof(accept));
    if (subprotocol)
        buf_printf(out, "\r\nSec-WebSocket-Protocol: %s", subprotocol);
    buf_put_str(out, STR("\r\n\r\n"));
}

bool ws_headers_valid(struct str headers)
{
    while (headers.len) {
        size_t end = str_find(headers, STR("\r\n"), 0);
        if (end == SIZE_MAX || end == 0)
            return false;
        for (size_t i = 0; i < end; i++) {
            unsigned char c = (unsigned char)headers.p[i];
            if ((c < 0x20 && c != '\t') || c == 0x7f)
                return false;
        }
        size_t colon = str_find(str_slice(headers, 0, end), STR(":"), 0);
        if (colon == SIZE_MAX || colon == 0)
            return false;
        headers = str_slice(headers, end + 2, headers.len);
    }
    return true;
}

void ws_request_write(struct buf *out, const struct url *url, struct str key,
                      struct str subprotocols, struct str headers)
{
    buf_put_str(out, STR("GET "));
    if (url->target.len == 0 || url->target.p[0] != '/')
        buf_put_byte(out, '/');
    buf_put_str(out, url->target);
    buf_put_str(out, STR(" HTTP/1.1\r\nHost: "));
    buf_put_str(out, url->authority);
    buf_put_str(out, STR("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "));
    buf_put_str(out, key);
    buf_put_str(out, STR("\r\n"));
    if (subprotocols.len) {
        buf_put_str(out, STR("Sec-WebSocket-Protocol: "));
        buf_put_str(out, subprotocols);
        buf_put_str(out, STR("\r\n"));
    }
    buf_put_str(out, headers);
    buf_put_str(out, STR("\r\n"));
}

/* A comma separated list holds the token. */
static bool list_holds(struct str list, struct str token, bool any_case)
{
    while (list.p) {
        struct str item = str_trim(str_take_until(&list, ','));
        if (any_case ? str_eq_nocase(item, token) : str_eq(item, token))
            return true;
    }
    return false;
}

static enum err check_status(struct str *head, struct err_detail *detail)
{
    struct str line = str_take_until(head, '\n');
    uint64_t status;
    if (!str_starts(line, STR("HTTP/1.1 ")) || !str_to_u64(str_slice(line, 9, 12), &status) ||
        (line.len > 12 && line.p[12] != ' ' && line.p[12] != '\r'))
        return err_explain(detail, ERR_INVALID, "the answer is not HTTP/1.1");
    if (status != 101)
        return err_explain(detail, ERR_UPSTREAM, "HTTP %u", (unsigned)status);
    return OK;
}

enum err ws_answer_check(struct str head, struct str accept, struct str subprotocols,
                         struct err_detail *detail)
{
    bool upgrade = false, connection = false, accepted = false;
    enum err err = check_status(&head, detail);
    if (err != OK)
        return err;
    while (head.p) {
        struct str value = str_take_until(&head, '\n');
        if (str_trim(value).len == 0)
            break;
        struct str name = str_take_until(&value, ':');
        if (!value.p)
            return err_explain(detail, ERR_INVALID, "the answer holds a malformed header");
        value = str_trim(value);
        if (str_eq_nocase(name, STR("Upgrade"))) {
            upgrade = str_eq_nocase(value, STR("websocket"));
        } else if (str_eq_nocase(name, STR("Connection"))) {
            connection = connection || list_holds(value, STR("upgrade"), true);
        } else if (str_eq_nocase(name, STR("Sec-WebSocket-Accept"))) {
            accepted = str_eq(value, accept);
        } else if (str_eq_nocase(name, STR("Sec-WebSocket-Extensions"))) {
            return err_explain(detail, ERR_INVALID, "the server chose an extension not offered");
        } else if (str_eq_nocase(name, STR("Sec-WebSocket-Protocol"))) {
            if (!list_holds(subprotocols, value, false))
                return err_explain(detail, ERR_INVALID,
                                   "the server chose a subprotocol not offered");
        }
    }
    if (!upgrade || !connection)
        return err_explain(detail, ERR_INVALID, "the answer does not upgrade to WebSocket");
    if (!accepted)
        return err_explain(detail, ERR_INVALID, "Sec-WebSocket-Accept does not match");
    return OK;
}
