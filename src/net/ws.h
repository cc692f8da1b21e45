/*
 * ws.h - WebSocket (RFC 6455), server and client side, over a conn.
 *
 *   Lifetime  ws_connect or http_upgrade open. ws_close starts the close handshake, is idempotent
 *             and returns at once; exactly one on_closed follows from the loop, never from inside
 *             ws_close; the memory is freed after it. From any callback one may close the ws and
 *             keep using it until one returns.
 *   Order     on_open (client: after the handshake; server: not called, it is open when handed
 *             over), messages in order, on_closed once. No message follows ws_close.
 *   Bounds    a message: opts.message_max; fragments count together. Output: WS_AUDIO messages are
 *             refused (ERR_LIMIT, counted) when more than opts.audio_out_max bytes wait; WS_CONTROL
 *             is never refused: past opts.control_out_max the connection is closed with 1008.
 *   Alive     a ping after WS_PING_INTERVAL_MS without a byte from the peer; no byte within
 *             WS_PONG_TIMEOUT_MS of it closes with 1006.
 *   Codes     peer's protocol fault 1002, bad UTF-8 1007, too large 1009; each also in on_closed.
 *   Thread    the loop's.
 */
#ifndef NET_WS_H
#define NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"

struct ws;

enum ws_class {
    WS_CONTROL, /* never dropped */
    WS_AUDIO,   /* dropped when too late to matter */
};

enum {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_UNSUPPORTED = 1003,
    WS_CODE_NONE = 1005,     /* never sent: the peer's close frame had no code */
    WS_CODE_ABNORMAL = 1006, /* never sent: the connection broke without a close frame */
    WS_CODE_INVALID_DATA = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL = 1011,
};

struct ws_events {
    void (*on_open)(void *ctx); /* client side only; may be NULL on the server side */
    /* Valid UTF-8, valid until return. */
    void (*on_text)(void *ctx, struct str text);
    /* NULL: a binary message closes with 1003. */
    void (*on_binary)(void *ctx, struct str data);
    /* `code`: the peer's, or ours if we failed it, or 1006; `reason` is valid until return. For a
     * handshake refused by the peer the code is WS_CODE_ABNORMAL and the reason says e.g. "HTTP
     * 401". */
    void (*on_closed)(void *ctx, unsigned code, struct str reason);
};

struct ws_opts {
    size_t message_max;        /* 0 = WS_MESSAGE_BYTES_MAX */
    size_t audio_out_max;      /* 0 = WS_AUDIO_OUT_BYTES_MAX */
    size_t control_out_max;    /* 0 = WS_CONTROL_OUT_BYTES_MAX */
    uint32_t ping_interval_ms; /* 0 = WS_PING_INTERVAL_MS */
    uint32_t pong_timeout_ms;  /* 0 = WS_PONG_TIMEOUT_MS */
    uint32_t close_timeout_ms; /* 0 = WS_CLOSE_TIMEOUT_MS */
};

struct ws_connect_opts {
    struct str url;          /* ws://host[:port]/path?query or wss:// */
    struct str headers;      /* extra header lines, each ended by CRLF; never logged */
    struct str subprotocols; /* comma separated, or empty */
    struct tls_client *tls;  /* needed for wss */
    uint32_t timeout_ms;     /* DNS to 101; 0 = CONN_CONNECT_TIMEOUT_MS */
    struct ws_opts limits;
};

/* ERR_INVALID with a sentence for a URL that cannot be used. */
enum err ws_connect(struct loop *l, const struct ws_connect_opts *opts,
                    const struct ws_events *events, void *ctx, struct ws **out,
                    struct err_detail *detail) MUST_CHECK;

/* One text message. ERR_LIMIT (WS_AUDIO only) or ERR_CLOSED; nothing was sent then. */
enum err ws_send_text(struct ws *w, struct str text, enum ws_class cls) MUST_CHECK;
/* One binary message, WS_CONTROL. For tests and the scripted provider's faults. */
enum err ws_send_binary(struct ws *w, struct str data) MUST_CHECK;
/* `reason` is cut at 123 bytes and left out when it is not UTF-8. A code that must not be sent
 * (1005, 1006, unknown) becomes 1011. */
void ws_close(struct ws *w, unsigned code, struct str reason);
/* Drops the connection without a close handshake (faults, shutdown). on_closed follows. */
void ws_abort(struct ws *w);

size_t ws_queued(const struct ws *w);
/* Audio messages refused so far. */
uint64_t ws_audio_dropped(const struct ws *w);
struct loop *ws_loop(const struct ws *w);
const char *ws_peer(const struct ws *w);

#endif
