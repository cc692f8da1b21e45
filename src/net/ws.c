#include "net/ws.h"

#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/ws_accept.h"
#include "net/ws_frame.h"
#include "net/ws_handshake.h"

enum ws_state {
    CONNECTING, /* client: TCP, TLS and the opening handshake */
    OPEN,
    CLOSING,  /* our close frame is out, the peer's is awaited; its messages are dropped */
    DRAINING, /* nothing is read any more; the conn's end is awaited */
};

struct ws {
    struct loop *loop;
    struct conn *conn;
    const struct ws_events *events;
    void *ctx;
    struct ws_opts opts; /* defaults filled in */
    bool client;
    enum ws_state state;

    struct loop_timer *timer; /* handshake, ping, pong or close, as the state says */
    int64_t heard_us;         /* last bytes from the peer */
    bool ping_sent;
    bool early_pending; /* a deferred call still holds the ws */
    bool conn_gone;
    uint64_t audio_dropped;
    struct ws_decoder decoder;

    struct buf handshake; /* client: the request, then the answer's head. server: early bytes */
    char accept[WS_ACCEPT_CHARS];
    char *subprotocols;

    /* What on_closed will say; the first to settle it wins. */
    bool settled;
    unsigned code;
    char reason[WS_REASON_BYTES_MAX];
    size_t reason_len;
};

static void settle(struct ws *w, unsigned code, struct str reason)
{
    if (w->settled)
        return;
    w->settled = true;
    w->code = code;
    w->reason_len = reason.len < sizeof(w->reason) ? reason.len : sizeof(w->reason);
    if (w->reason_len)
        memcpy(w->reason, reason.p, w->reason_len);
}

/* -- sending -- */

static size_t write_frame(struct ws *w, uint8_t *frame, enum ws_op op, struct str payload)
{
    uint8_t mask[4];
    if (w->client)
        rng_fill(loop_rng(w->loop), mask, sizeof(mask));
    const size_t head = ws_head_write(frame, op, payload.len, w->client ? mask : NULL);
    if (w->client)
        ws_mask(frame + head, (const uint8_t *)payload.p, payload.len, mask, 0);
    else if (payload.len)
        memcpy(frame + head, payload.p, payload.len);
    return head + payload.len;
}

/* Head and payload leave together or not at all. */
static enum err send_frame(struct ws *w, enum ws_op op, struct str payload)
{
    const size_t size_max = WS_HEAD_BYTES_MAX + payload.len;
    uint8_t *frame = conn_room(w->conn, size_max);
    if (frame) {
        conn_commit(w->conn, write_frame(w, frame, op, payload));
        return OK;
    }
    frame = mem_alloc(size_max);
    enum err err = conn_write(w->conn, frame, write_frame(w, frame, op, payload));
    mem_free(frame);
    return err;
}

static void send_close(struct ws *w, unsigned code, struct str reason)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t len = ws_close_write(payload, code, reason);
    /* A conn that takes no more is about to say so itself. */
    if (send_frame(w, WS_OP_CLOSE, str_n((const char *)payload, len)) != OK)
        conn_close(w->conn);
}

static void start_closing(struct ws *w, unsigned code, struct str reason)
{
    w->state = CLOSING;
    loop_timer_set(w->timer, w->opts.close_timeout_ms);
    send_close(w, code, reason);
}

/* Ends the connection for a fault of the peer: our code is the one that is reported. */
static void fail(struct ws *w, unsigned code, struct str why)
{
    if (w->state != OPEN && w->state != CLOSING)
        return;
    LOG_INFO(NULL, "ws.failed", "peer=%s code=%u why=\"%.*s\"", conn_peer(w->conn), code,
             STR_FMT(why));
    settle(w, code, why);
    if (w->state == OPEN)
        start_closing(w, code, why);
}

static enum err send_message(struct ws *w, enum ws_op op, struct str payload, enum ws_class cls)
{
    if (w->state != OPEN)
        return ERR_CLOSED;
    const size_t queued = conn_queued(w->conn);
    if (cls == WS_AUDIO && queued > w->opts.audio_out_max) {
        w->audio_dropped++;
        return ERR_LIMIT;
    }
    const bool fits = payload.len <= w->opts.control_out_max &&
                      queued + WS_HEAD_BYTES_MAX + payload.len <= w->opts.control_out_max;
    enum err err = fits ? send_frame(w, op, payload) : ERR_LIMIT;
    if (err == ERR_LIMIT && cls == WS_AUDIO) {
        w->audio_dropped++;
        return ERR_LIMIT;
    }
    if (err == ERR_LIMIT)
        fail(w, WS_CODE_POLICY, STR("output queue full"));
    return err == OK ? OK : ERR_CLOSED;
}

/* -- receiving -- */

static void on_close_frame(struct ws *w, const struct ws_item *item)
{
    settle(w, item->code, item->payload);
    if (w->state == OPEN)
        send_close(w, item->code, STR_NONE); /* section 5.5.1: the code is echoed */
    w->state = DRAINING;
    if (w->client) {
        /* The server closes TCP first (section 7.1.1): TIME_WAIT is its business. */
        loop_timer_set(w->timer, w->opts.close_timeout_ms);
    } else {
        loop_timer_cancel(w->timer);
        conn_finish(w->conn);
    }
}

/* The frames cannot be followed any more, so the peer's close frame is not awaited. */
static void on_fault(struct ws *w, const struct ws_item *item)
{
    fail(w, item->code, item->payload);
    w->state = DRAINING;
    loop_timer_cancel(w->timer);
    conn_finish(w->conn);
}

static void on_item(struct ws *w, const struct ws_item *item)
{
    switch (item->kind) {
    case WS_ITEM_TEXT:
        if (w->state == OPEN)
            w->events->on_text(w->ctx, item->payload);
        break;
    case WS_ITEM_BINARY:
        if (w->state != OPEN)
            break;
        if (w->events->on_binary)
            w->events->on_binary(w->ctx, item->payload);
        else
            fail(w, WS_CODE_UNSUPPORTED, STR("binary message"));
        break;
    case WS_ITEM_PING:
        if (w->state == OPEN)
            (void)!send_message(w, WS_OP_PONG, item->payload, WS_CONTROL);
        break;
    case WS_ITEM_CLOSE:
        on_close_frame(w, item);
        break;
    case WS_ITEM_FAULT:
        on_fault(w, item);
        break;
    case WS_ITEM_PONG: /* any byte heard counts, see on_timer */
    case WS_ITEM_NONE:
        break;
    }
}

static void take_frames(struct ws *w, uint8_t *p, size_t len)
{
    struct ws_item item;
    while (w->state == OPEN || w->state == CLOSING) {
        ws_decoder_next(&w->decoder, &p, &len, &item);
        if (item.kind == WS_ITEM_NONE)
            break;
        on_item(w, &item);
    }
}

static void become_open(struct ws *w)
{
    w->state = OPEN;
    w->heard_us = loop_now_us(w->loop);
    loop_timer_set(w->timer, w->opts.ping_interval_ms);
}

static void give_up(struct ws *w, struct str reason)
{
    settle(w, WS_CODE_ABNORMAL, reason);
    w->state = DRAINING;
    loop_timer_cancel(w->timer);
    conn_close(w->conn);
}

/* Client: takes the answer's head, then the frames that came in the same read. */
static void take_answer(struct ws *w, uint8_t *p, size_t len)
{
    struct buf *head = &w->handshake;
    const size_t before = head->len;
    const size_t room = head->max - before;
    const size_t taken = len < room ? len : room;
    buf_put(head, p, taken);
    size_t end = str_find(buf_str(head), STR("\r\n\r\n"), before < 3 ? 0 : before - 3);
    if (end == SIZE_MAX) {
        if (head->len == head->max)
            give_up(w, STR("the answer's head is too large"));
        return;
    }
    const size_t used = end + 4 - before;
    struct err_detail detail;
    enum err err =
        ws_answer_check(str_slice(buf_str(head), 0, end + 4), str_n(w->accept, sizeof(w->accept)),
                        str_of(w->subprotocols), &detail);
    buf_release(head);
    if (err != OK) {
        give_up(w, str_of(detail.text));
        return;
    }
    become_open(w);
    if (w->events->on_open)
        w->events->on_open(w->ctx);
    take_frames(w, p + used, len - used);
}

static void on_data(void *ctx, uint8_t *p, size_t len)
{
    struct ws *w = ctx;
    w->heard_us = loop_now_us(w->loop);
    w->ping_sent = false; /* whatever came, the peer lives */
    if (w->early_pending) {
        if (buf_append(&w->handshake, p, len) != OK)
            give_up(w, STR("too much data before the first message was taken"));
        return;
    }
    if (w->state == CONNECTING)
        take_answer(w, p, len);
    else
        take_frames(w, p, len);
}

/* -- time and the end -- */

static void on_timer(void *ctx)
{
    struct ws *w = ctx;
    if (w->state == CONNECTING) {
        give_up(w, STR("connecting timed out"));
        return;
    }
    if (w->state != OPEN) {
        give_up(w, STR("the close handshake timed out"));
        return;
    }
    const int64_t interval_us = (int64_t)w->opts.ping_interval_ms * 1000;
    const int64_t quiet_us = loop_now_us(w->loop) - w->heard_us;
    if (quiet_us < interval_us) {
        loop_timer_set(w->timer, (uint64_t)(interval_us - quiet_us + 999) / 1000);
    } else if (!w->ping_sent) {
        w->ping_sent = true;
        loop_timer_set(w->timer, w->opts.pong_timeout_ms);
        (void)!send_message(w, WS_OP_PING, STR_NONE, WS_CONTROL);
    } else {
        give_up(w, STR("the peer does not answer pings"));
    }
}

static void ws_free(struct ws *w)
{
    loop_timer_free(w->timer);
    ws_decoder_fini(&w->decoder);
    buf_fini(&w->handshake);
    mem_free(w->subprotocols);
    mem_free(w);
}

static void end(struct ws *w)
{
    w->events->on_closed(w->ctx, w->code, str_n(w->reason, w->reason_len));
    ws_free(w);
}

static void on_conn_closed(void *ctx, enum err why)
{
    struct ws *w = ctx;
    char text[64];
    struct buf reason;
    buf_init(&reason, sizeof(text));
    buf_printf(&reason, "%s: %s", w->state == CONNECTING ? "could not connect" : "connection lost",
               why == OK ? "closed by the peer" : err_name(why));
    settle(w, WS_CODE_ABNORMAL, buf_str(&reason));
    buf_fini(&reason);
    w->state = DRAINING;
    w->conn_gone = true;
    loop_timer_cancel(w->timer);
    if (!w->early_pending)
        end(w);
}

static void on_conn_open(void *ctx)
{
    struct ws *w = ctx;
    if (w->state != CONNECTING)
        return;
    enum err err = conn_write(w->conn, w->handshake.p, w->handshake.len);
    explicit_bzero(w->handshake.p, w->handshake.len); /* held an Authorization header */
    buf_reset(&w->handshake);
    if (err != OK)
        give_up(w, STR("the request could not be sent"));
}

static const struct conn_events conn_handlers = {
    .on_open = on_conn_open,
    .on_data = on_data,
    .on_closed = on_conn_closed,
};

/* -- opening -- */

static struct ws *ws_new(struct loop *l, const struct ws_opts *opts, const struct ws_events *events,
                         void *ctx, bool client)
{
    struct ws *w = mem_zalloc(sizeof(*w));
    struct ws_opts o = opts ? *opts : (struct ws_opts){0};
    ASSERT(events->on_text && events->on_closed);
    w->loop = l;
    w->events = events;
    w->ctx = ctx;
    w->opts = (struct ws_opts){
        .message_max = o.message_max ? o.message_max : WS_MESSAGE_BYTES_MAX,
        .audio_out_max = o.audio_out_max ? o.audio_out_max : WS_AUDIO_OUT_BYTES_MAX,
        .control_out_max = o.control_out_max ? o.control_out_max : WS_CONTROL_OUT_BYTES_MAX,
        .ping_interval_ms = o.ping_interval_ms ? o.ping_interval_ms : WS_PING_INTERVAL_MS,
        .pong_timeout_ms = o.pong_timeout_ms ? o.pong_timeout_ms : WS_PONG_TIMEOUT_MS,
        .close_timeout_ms = o.close_timeout_ms ? o.close_timeout_ms : WS_CLOSE_TIMEOUT_MS,
    };
    w->client = client;
    w->timer = loop_timer_new(l, on_timer, w);
    ws_decoder_init(&w->decoder, !client, w->opts.message_max);
    buf_init(&w->handshake, client ? WS_HANDSHAKE_BYTES_MAX : WS_EARLY_BYTES_MAX);
    return w;
}

static void deliver_early(void *ctx)
{
    struct ws *w = ctx;
    w->early_pending = false;
    take_frames(w, (uint8_t *)w->handshake.p, w->handshake.len);
    buf_release(&w->handshake);
    if (w->conn_gone)
        end(w);
}

enum err ws_accept(struct conn *c, struct str key, const char *subprotocol,
                   const struct ws_opts *opts, const struct ws_events *events, void *ctx,
                   struct str early, struct ws **out)
{
    if (early.len > WS_EARLY_BYTES_MAX)
        return ERR_LIMIT;
    struct buf answer;
    buf_init(&answer, WS_HANDSHAKE_BYTES_MAX);
    ws_answer_write(&answer, key, subprotocol);
    enum err err = buf_ok(&answer) ? conn_write(c, answer.p, answer.len) : ERR_LIMIT;
    buf_fini(&answer);
    if (err != OK)
        return err;
    struct ws *w = ws_new(conn_loop(c), opts, events, ctx, false);
    w->conn = c;
    conn_set_events(c, &conn_handlers, w);
    conn_set_out_max(c, w->opts.control_out_max + WS_CLOSE_ROOM_BYTES);
    become_open(w);
    if (early.len) {
        buf_put_str(&w->handshake, early);
        w->early_pending = true;
        loop_defer(w->loop, deliver_early, w);
    }
    *out = w;
    return OK;
}

static void write_request(struct ws *w, const struct url *url, const struct ws_connect_opts *opts)
{
    uint8_t nonce[WS_NONCE_BYTES];
    char key[WS_KEY_CHARS];
    rng_fill(loop_rng(w->loop), nonce, sizeof(nonce));
    base64_encode(key, nonce, sizeof(nonce));
    ws_accept_of(w->accept, str_n(key, sizeof(key)));
    ws_request_write(&w->handshake, url, str_n(key, sizeof(key)), opts->subprotocols,
                     opts->headers);
    if (opts->subprotocols.len)
        w->subprotocols = mem_strndup(opts->subprotocols.p, opts->subprotocols.len);
}

enum err ws_connect(struct loop *l, const struct ws_connect_opts *opts,
                    const struct ws_events *events, void *ctx, struct ws **out,
                    struct err_detail *detail)
{
    struct url url;
    enum err err = url_parse(opts->url, &url, detail);
    if (err != OK)
        return err;
    if (!url.websocket)
        return err_explain(detail, ERR_INVALID, "the URL does not start with ws:// or wss://");
    if (url.tls && !opts->tls)
        return err_explain(detail, ERR_INVALID, "wss:// needs TLS, which is not set up");
    if (!ws_headers_valid(opts->headers))
        return err_explain(detail, ERR_INVALID, "a request header is malformed");

    struct ws *w = ws_new(l, &opts->limits, events, ctx, true);
    const uint32_t timeout_ms = opts->timeout_ms ? opts->timeout_ms : CONN_CONNECT_TIMEOUT_MS;
    const struct conn_opts conn_opts = {
        .host = url.host,
        .port = url.port,
        .tls = url.tls ? opts->tls : NULL,
        .connect_timeout_ms = timeout_ms,
        .out_max = w->opts.control_out_max + WS_CLOSE_ROOM_BYTES + WS_HANDSHAKE_BYTES_MAX,
    };
    write_request(w, &url, opts);
    if (!buf_ok(&w->handshake))
        err = err_explain(detail, ERR_LIMIT, "the request's headers are too large");
    if (err == OK) {
        err = conn_connect(l, &conn_opts, &conn_handlers, w, &w->conn);
        if (err != OK)
            err_explain(detail, err, "could not start connecting: %s", err_name(err));
    }
    if (err != OK) {
        ws_free(w);
        return err;
    }
    loop_timer_set(w->timer, timeout_ms);
    *out = w;
    return OK;
}

/* -- the open connection -- */

enum err ws_send_text(struct ws *w, struct str text, enum ws_class cls)
{
    loop_assert_thread(w->loop);
    return send_message(w, WS_OP_TEXT, text, cls);
}

enum err ws_send_binary(struct ws *w, struct str data)
{
    loop_assert_thread(w->loop);
    return send_message(w, WS_OP_BINARY, data, WS_CONTROL);
}

void ws_close(struct ws *w, unsigned code, struct str reason)
{
    loop_assert_thread(w->loop);
    if (!ws_code_may_be_sent(code))
        code = WS_CODE_INTERNAL;
    if (w->state == CONNECTING)
        give_up(w, STR("closed before it was open"));
    else if (w->state == OPEN)
        start_closing(w, code, reason);
}

void ws_abort(struct ws *w)
{
    loop_assert_thread(w->loop);
    if (!w->conn_gone)
        give_up(w, STR("aborted"));
}

size_t ws_queued(const struct ws *w)
{
    return w->conn_gone ? 0 : conn_queued(w->conn);
}

uint64_t ws_audio_dropped(const struct ws *w)
{
    return w->audio_dropped;
}

struct loop *ws_loop(const struct ws *w)
{
    return w->loop;
}

const char *ws_peer(const struct ws *w)
{
    return w->conn_gone ? "" : conn_peer(w->conn);
}
