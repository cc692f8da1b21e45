/*
 * twilio_world.h - a Twilio channel on a real server, a host that records, and a carrier beside it.
 * Signatures are made here from the documented recipe, not by the code under test.
 */
#ifndef TEST_TWILIO_WORLD_H
#define TEST_TWILIO_WORLD_H

#include "base/base64.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "channel/twilio.h"
#include "net/conn.h"
#include "net/http.h"

#define PUBLIC "https://voice.example.com"
#define TOKEN  "0123456789abcdef0123456789abcdef"

struct world {
    struct loop *loop;
    struct loop_timer *guard;
    struct http_router *router;
    struct http_server *server;
    struct twilio_channel *twilio;
    uint16_t port;
    bool late; /* the guard had to end a run */

    /* the host */
    struct buf told; /* what it was told, one line each */
    struct channel_answer answer;
    bool hold; /* answer later */
    channel_answer_fn *held_fn;
    void *held_ctx;
    enum err stream_err;
    struct channel *ch;
    bool closed;
    void (*on_stream)(struct world *w);
    void (*on_audio)(struct world *w);

    /* the carrier over HTTP */
    struct conn *http;
    struct buf request, response;
    unsigned status;
    struct str body; /* within response */

    /* the carrier over WebSocket */
    struct ws *ws;
    const char *const *script; /* texts sent on open, NULL-terminated */
    bool then_close;
    struct buf heard;
    bool ws_closed;
    unsigned code;
    char reason[128];
    void (*on_text)(struct world *w, struct str text);
};

/* -- host -- */

static void host_answer(struct world *w, channel_answer_fn *answer, void *ctx)
{
    if (w->hold) {
        w->held_fn = answer;
        w->held_ctx = ctx;
        loop_stop(w->loop);
    } else {
        answer(ctx, &w->answer);
    }
}

static void host_incoming(void *host, struct loop *l, const struct channel_call *call,
                          channel_answer_fn *answer, void *ctx)
{
    struct world *w = host;
    (void)l;
    buf_printf(&w->told, "incoming %.*s %.*s %.*s %.*s %.*s\n", STR_FMT(call->channel),
               STR_FMT(call->carrier_id), STR_FMT(call->from), STR_FMT(call->to),
               STR_FMT(call->direction));
    host_answer(w, answer, ctx);
}

static void host_stream_ended(void *host, struct loop *l, struct str carrier_id,
                              channel_answer_fn *answer, void *ctx)
{
    struct world *w = host;
    (void)l;
    buf_printf(&w->told, "ended %.*s\n", STR_FMT(carrier_id));
    host_answer(w, answer, ctx);
}

static void host_status(void *host, struct loop *l, struct str carrier_id, struct str status,
                        int64_t duration_s)
{
    struct world *w = host;
    (void)l;
    buf_printf(&w->told, "status %.*s %.*s %d\n", STR_FMT(carrier_id), STR_FMT(status),
               (int)duration_s);
}

static void ch_audio(void *ctx, struct str payload, uint32_t len, uint32_t timestamp_ms)
{
    struct world *w = ctx;
    buf_printf(&w->told, "audio %.*s %u %u\n", STR_FMT(payload), len, timestamp_ms);
    if (w->on_audio)
        w->on_audio(w);
}

static void ch_mark(void *ctx, uint32_t number)
{
    buf_printf(&((struct world *)ctx)->told, "mark %u\n", number);
}

static void ch_dtmf(void *ctx, char digit)
{
    buf_printf(&((struct world *)ctx)->told, "dtmf %c\n", digit);
}

static void stop_if_over(struct world *w)
{
    if (w->ws_closed && (!w->ch || w->closed))
        loop_stop(w->loop);
}

static void ch_closed(void *ctx, struct str reason)
{
    struct world *w = ctx;
    buf_printf(&w->told, "closed %.*s\n", STR_FMT(reason));
    w->closed = true;
    stop_if_over(w);
}

static enum err host_stream(void *host, struct loop *l, struct str token,
                            const struct channel_call *call, struct channel *ch,
                            const struct channel_events **events, void **events_ctx)
{
    static const struct channel_events table = {ch_audio, ch_mark, ch_dtmf, ch_closed};
    struct world *w = host;
    (void)l;
    buf_printf(&w->told, "stream [%.*s] %.*s\n", STR_FMT(token), STR_FMT(call->carrier_id));
    if (w->stream_err)
        return w->stream_err;
    w->ch = ch;
    *events = &table;
    *events_ctx = w;
    if (w->on_stream)
        w->on_stream(w);
    return OK;
}

/* -- the world -- */

static void guard_fired(void *ctx)
{
    struct world *w = ctx;
    w->late = true;
    loop_stop(w->loop);
}

static void world_open(struct world *w, const struct twilio_channel_opts *changes)
{
    static const struct channel_host host = {host_incoming, host_stream, host_stream_ended,
                                             host_status};
    *w = (struct world){0};
    log_set_level(LOG_LEVEL_OFF);
    buf_init(&w->told, 1 << 20);
    buf_init(&w->request, 1 << 20);
    buf_init(&w->response, 1 << 20);
    buf_init(&w->heard, 1 << 20);
    if (loop_open(&w->loop, 0))
        return;
    w->guard = loop_timer_new(w->loop, guard_fired, w);
    loop_timer_set(w->guard, 10000);
    w->router = http_router_new();
    struct twilio_channel_opts opts = {.public_url = STR(PUBLIC), .auth_token = STR(TOKEN)};
    if (changes)
        opts = *changes;
    opts.router = w->router;
    opts.host = &host;
    opts.host_ctx = w;
    struct err_detail detail = {""};
    if (twilio_channel_open(&w->twilio, &opts, &detail) ||
        http_server_open(&w->server, w->loop,
                         &(struct http_server_opts){.host = "127.0.0.1", .router = w->router},
                         &detail))
        fprintf(stderr, "world: %s\n", detail.text);
    else
        w->port = http_server_port(w->server);
}

static void world_stopped(void *ctx)
{
    loop_stop(ctx);
}

static void world_close(struct world *w)
{
    if (w->server) {
        http_server_close(w->server, world_stopped, w->loop);
        loop_run(w->loop);
    }
    loop_timer_free(w->guard);
    twilio_channel_close(w->twilio);
    http_router_free(w->router);
    loop_close(w->loop);
    buf_fini(&w->told);
    buf_fini(&w->request);
    buf_fini(&w->response);
    buf_fini(&w->heard);
}

static inline struct channel_counters counters(const struct world *w)
{
    struct channel_counters c;
    twilio_channel_counters(w->twilio, &c);
    return c;
}

/* `signed_text`: the URL, then each key and value in the order of the keys. */
static inline void sign(char out[32], const char *token, const char *signed_text)
{
    uint8_t mac[CRYPTO_SHA1_BYTES];
    crypto_hmac_sha1(mac, str_of(token), str_of(signed_text));
    out[base64_encode(out, mac, sizeof(mac))] = '\0';
}

/* -- HTTP -- */

static void http_opened(void *ctx)
{
    struct world *w = ctx;
    if (conn_write(w->http, w->request.p, w->request.len))
        conn_close(w->http);
}

static void http_data(void *ctx, uint8_t *p, size_t len)
{
    buf_put(&((struct world *)ctx)->response, p, len);
}

static void http_closed(void *ctx, enum err why)
{
    (void)why;
    loop_stop(((struct world *)ctx)->loop);
}

/* One request on a connection of its own; runs the loop until the answer is whole (or, when the
 * host holds its answer, until it was asked). */
static inline void fetch(struct world *w, const char *method, const char *target,
                         const char *signature, const char *form)
{
    static const struct conn_events events = {
        .on_open = http_opened, .on_data = http_data, .on_closed = http_closed};
    buf_reset(&w->request);
    buf_reset(&w->response);
    w->status = 0;
    buf_printf(&w->request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n", method,
               target, w->port);
    if (signature)
        buf_printf(&w->request, "x-TWILIO-signature: %s\r\n", signature);
    if (form)
        buf_printf(&w->request,
                   "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n",
                   strlen(form));
    buf_printf(&w->request, "\r\n%s", form ? form : "");
    if (conn_connect(w->loop, &(struct conn_opts){.host = STR("127.0.0.1"), .port = w->port},
                     &events, w, &w->http))
        return;
    loop_run(w->loop);
    struct str all = buf_str(&w->response);
    uint64_t status = 0;
    if (str_to_u64(str_slice(all, 9, 12), &status))
        w->status = (unsigned)status;
    size_t head = str_find(all, STR("\r\n\r\n"), 0);
    w->body = head == SIZE_MAX ? STR_NONE : str_slice(all, head + 4, all.len);
}

/* -- WebSocket -- */

static void carrier_open(void *ctx)
{
    struct world *w = ctx;
    for (size_t i = 0; w->script && w->script[i]; i++) {
        enum err err = strcmp(w->script[i], "BINARY") == 0
                           ? ws_send_binary(w->ws, STR("\1\2\3"))
                           : ws_send_text(w->ws, str_of(w->script[i]), WS_CONTROL);
        if (err)
            break;
    }
    if (w->then_close)
        ws_close(w->ws, WS_CODE_NORMAL, STR("bye"));
}

static void carrier_text(void *ctx, struct str text)
{
    struct world *w = ctx;
    buf_printf(&w->heard, "%.*s\n", STR_FMT(text));
    if (w->on_text)
        w->on_text(w, text);
}

static void carrier_closed(void *ctx, unsigned code, struct str reason)
{
    struct world *w = ctx;
    w->ws_closed = true;
    w->code = code;
    str_copy(w->reason, sizeof(w->reason), reason);
    stop_if_over(w);
}

/* Connects a stream with a signature over `signed_url` (NULL = none), runs the script until the
 * carrier's side and the host's are both over. */
static inline void stream(struct world *w, const char *path, const char *signed_url,
                          const char *const *script)
{
    static const struct ws_events events = {
        .on_open = carrier_open, .on_text = carrier_text, .on_closed = carrier_closed};
    char url[128], headers[128] = "", signature[32];
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u%s", w->port, path);
    if (signed_url) {
        sign(signature, TOKEN, signed_url);
        snprintf(headers, sizeof(headers), "X-Twilio-Signature: %s\r\n", signature);
    }
    w->script = script;
    struct err_detail detail;
    if (!ws_connect(w->loop,
                    &(struct ws_connect_opts){.url = str_of(url), .headers = str_of(headers)},
                    &events, w, &w->ws, &detail))
        loop_run(w->loop);
}

#define STREAM_PATH "/api/twilio/stream"
#define STREAM_URL  "wss://voice.example.com" STREAM_PATH

#define CONNECTED "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}"
#define START_WITH(params)                                                                \
    "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"accountSid\":\"AC0\","    \
    "\"streamSid\":\"MZ1\",\"callSid\":\"CA2\",\"tracks\":[\"inbound\"],\"mediaFormat\":" \
    "{\"encoding\":\"audio/"                                                              \
    "x-mulaw\",\"sampleRate\":8000,\"channels\":1},\"customParameters\":" params          \
    "},\"streamSid\":\"MZ1\"}"
#define START START_WITH("{\"token\":\"t1\"}")
#define MEDIA(seq, at, payload)                                                             \
    "{\"event\":\"media\",\"sequenceNumber\":\"" seq "\",\"media\":{\"track\":\"inbound\"," \
    "\"chunk\":\"1\",\"timestamp\":\"" at "\",\"payload\":\"" payload "\"},\"streamSid\":\"MZ1\"}"
#define MARK(seq, name)                                                                  \
    "{\"event\":\"mark\",\"sequenceNumber\":\"" seq "\",\"streamSid\":\"MZ1\",\"mark\":" \
    "{\"name\":\"" name "\"}}"
#define DTMF(seq, digit)                                                                 \
    "{\"event\":\"dtmf\",\"sequenceNumber\":\"" seq "\",\"streamSid\":\"MZ1\",\"dtmf\":" \
    "{\"track\":\"inbound_track\",\"digit\":\"" digit "\"}}"
#define STOP(seq)                                                                          \
    "{\"event\":\"stop\",\"sequenceNumber\":\"" seq "\",\"stop\":{\"accountSid\":\"AC0\"," \
    "\"callSid\":\"CA2\"},\"streamSid\":\"MZ1\"}"

#endif
