#include "engine/realtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/url.h"
#include "net/ws.h"
#include "proto/rt_beta.h"

enum { KEEP_BYTES = 64 << 10 }; /* of a translation's buffer, between messages */

struct realtime_driver {
    struct buf url;
    struct buf headers; /* holds the key */
    struct str key;     /* within headers: what no reason may repeat */
    enum realtime_shape shape;
    struct tls_client *tls;
    uint32_t connect_timeout_ms;
};

struct realtime {
    struct engine base;
    const struct realtime_driver *driver;
    const struct engine_events *events;
    void *ctx;
    const char *call_id;
    struct ws *ws;
    int64_t opened_us;
    bool connected; /* the WebSocket is open */
    bool ready;     /* on_open was called */
    bool closing;   /* engine_close was called */
    uint64_t ignored_binary;
    enum realtime_shape shape;      /* REALTIME_AUTO until session.created told */
    struct loop_timer *shape_timer; /* while it is not known */
    struct buf in, out;             /* translations; two, as on_event may send */
};

static struct realtime *realtime_of(struct engine *e)
{
    return (struct realtime *)e; /* `base` is the first member */
}

static void buf_done(struct buf *b)
{
    if (b->cap > KEEP_BYTES)
        buf_release(b);
    else
        buf_reset(b);
}

static enum err send_beta(struct realtime *r, struct str json)
{
    buf_reset(&r->out);
    enum err err = rt_beta_from_ga(&r->out, json, NULL);
    if (err)
        return err;
    if (!buf_ok(&r->out))
        return ERR_LIMIT;
    struct str lines = buf_str(&r->out);
    while (!err && lines.len)
        err = ws_send_text(r->ws, str_take_until(&lines, '\n'), WS_CONTROL);
    buf_done(&r->out);
    return err;
}

static enum err realtime_send(struct engine *e, struct str json, enum engine_class cls)
{
    struct realtime *r = realtime_of(e);
    if (r->closing)
        return ERR_CLOSED;
    if (!r->ready)
        return ERR_AGAIN;
    if (cls == ENGINE_AUDIO) /* input_audio_buffer.append is the same in both shapes */
        return ws_send_text(r->ws, json, WS_AUDIO);
    if (r->shape == REALTIME_BETA)
        return send_beta(r, json);
    return ws_send_text(r->ws, json, WS_CONTROL);
}

static void realtime_close(struct engine *e)
{
    struct realtime *r = realtime_of(e);
    if (r->closing)
        return;
    r->closing = true;
    loop_timer_cancel(r->shape_timer);
    ws_close(r->ws, WS_CODE_NORMAL, STR("done"));
}

static void become_ready(struct realtime *r)
{
    r->ready = true;
    loop_timer_cancel(r->shape_timer);
    LOG_DEBUG(r->call_id, "realtime.open", "ms=%" PRId64 " shape=%s",
              (loop_now_us(ws_loop(r->ws)) - r->opened_us) / 1000,
              r->shape == REALTIME_BETA ? "beta" : "ga");
    r->events->on_open(r->ctx);
}

static void on_shape_unknown(void *ctx)
{
    struct realtime *r = ctx;
    r->shape = REALTIME_GA;
    become_ready(r);
}

static void on_ws_open(void *ctx)
{
    struct realtime *r = ctx;
    if (r->closing)
        return;
    r->connected = true;
    if (r->shape == REALTIME_AUTO)
        loop_timer_set(r->shape_timer, REALTIME_SHAPE_WAIT_MS);
    else
        become_ready(r);
}

/* The beta's session is flat: its audio format is a string beside the modalities. */
static bool is_beta_session(struct str text)
{
    json_t *root = NULL;
    if (js_parse(text, &root, NULL))
        return false;
    const json_t *session = js_get(root, "session");
    bool beta = js_get(session, "modalities") || js_get(session, "input_audio_format");
    json_decref(root);
    return beta;
}

/* Delivers the one or two events that a beta message stands for. */
static void deliver_beta(struct realtime *r, struct str text)
{
    buf_reset(&r->in);
    if (rt_beta_to_ga(&r->in, text, NULL) || !buf_ok(&r->in)) {
        r->events->on_event(r->ctx, text); /* what is no event is the call's to count */
        return;
    }
    struct str lines = buf_str(&r->in);
    while (lines.len && !r->closing)
        r->events->on_event(r->ctx, str_take_until(&lines, '\n'));
    buf_done(&r->in);
}

static void on_ws_text(void *ctx, struct str text)
{
    struct realtime *r = ctx;
    if (r->closing)
        return;
    if (!r->ready) {
        r->shape = is_beta_session(text) ? REALTIME_BETA : REALTIME_GA;
        become_ready(r);
        if (r->closing)
            return;
    }
    if (r->shape == REALTIME_BETA)
        deliver_beta(r, text);
    else
        r->events->on_event(r->ctx, text);
}

static void on_ws_binary(void *ctx, struct str data)
{
    struct realtime *r = ctx;
    (void)data;
    if (r->ignored_binary++ == 0)
        LOG_WARN(r->call_id, "realtime.binary_ignored",
                 "the provider sent a binary message; the Realtime API has none");
}

/* A provider may quote the key back at us in its close reason. */
static struct str without_key(const struct realtime_driver *d, struct str reason)
{
    if (d->key.len >= REALTIME_SECRET_BYTES_MIN && str_find(reason, d->key, 0) != SIZE_MAX)
        return STR("(withheld: it repeats the key)");
    return reason;
}

static enum err explain_close(const struct realtime *r, unsigned code, struct str reason, char *out,
                              size_t size)
{
    reason = without_key(r->driver, reason);
    if (r->closing) {
        snprintf(out, size, "closed");
        return OK;
    }
    if (!r->connected) {
        if (!str_starts(reason, STR("HTTP "))) {
            snprintf(out, size, "provider not reached: %.*s", STR_FMT(reason));
            return ERR_UPSTREAM;
        }
        snprintf(out, size, "provider refused: %.*s", STR_FMT(reason));
        bool denied = str_starts(reason, STR("HTTP 401")) || str_starts(reason, STR("HTTP 403"));
        return denied ? ERR_DENIED : ERR_UPSTREAM;
    }
    if (code == WS_CODE_ABNORMAL) {
        snprintf(out, size, "connection lost%s%.*s", reason.len ? ": " : "", STR_FMT(reason));
        return ERR_UPSTREAM;
    }
    snprintf(out, size, "closed %u%s%.*s", code, reason.len ? " " : "", STR_FMT(reason));
    return code == 3000 ? ERR_DENIED : ERR_UPSTREAM; /* 3000: the API refused the key */
}

static void realtime_free(struct realtime *r)
{
    loop_timer_free(r->shape_timer);
    buf_fini(&r->in);
    buf_fini(&r->out);
    mem_free(r);
}

static void on_ws_closed(void *ctx, unsigned code, struct str reason)
{
    struct realtime *r = ctx;
    char text[REALTIME_REASON_BYTES_MAX];
    enum err why = explain_close(r, code, reason, text, sizeof(text));
    r->closing = true;
    if (ws_audio_dropped(r->ws) || r->ignored_binary)
        LOG_WARN(r->call_id, "realtime.lost", "audio_dropped=%" PRIu64 " binary_ignored=%" PRIu64,
                 ws_audio_dropped(r->ws), r->ignored_binary);
    r->events->on_closed(r->ctx, why, str_of(text));
    realtime_free(r);
}

static enum err realtime_open(void *driver, const struct engine_opts *opts,
                              const struct engine_events *events, void *ctx, struct engine **out,
                              struct err_detail *detail)
{
    static const struct engine_ops ops = {.send = realtime_send, .close = realtime_close};
    static const struct ws_events ws_events = {.on_open = on_ws_open,
                                               .on_text = on_ws_text,
                                               .on_binary = on_ws_binary,
                                               .on_closed = on_ws_closed};
    const struct realtime_driver *d = driver;
    ASSERT(opts->loop && events->on_open && events->on_event && events->on_closed);
    struct realtime *r = mem_zalloc(sizeof(*r));
    *r = (struct realtime){.base.ops = &ops,
                           .driver = d,
                           .events = events,
                           .ctx = ctx,
                           .call_id = opts->call_id,
                           .shape = d->shape,
                           .opened_us = loop_now_us(opts->loop)};
    buf_init(&r->in, 2 * REALTIME_MESSAGE_BYTES_MAX);
    buf_init(&r->out, 2 * REALTIME_MESSAGE_BYTES_MAX);
    r->shape_timer = loop_timer_new(opts->loop, on_shape_unknown, r);
    enum err err = ws_connect(
        opts->loop,
        &(struct ws_connect_opts){.url = buf_str(&d->url),
                                  .headers = buf_str(&d->headers),
                                  .tls = d->tls,
                                  .timeout_ms = d->connect_timeout_ms,
                                  .limits = {.message_max = REALTIME_MESSAGE_BYTES_MAX,
                                             .audio_out_max = REALTIME_AUDIO_OUT_BYTES_MAX}},
        &ws_events, r, &r->ws, detail);
    if (err) {
        realtime_free(r);
        return err;
    }
    *out = &r->base;
    return OK;
}

/* True when the query has the parameter, whatever its value. */
static bool query_has(struct str target, struct str name)
{
    str_take_until(&target, '?');
    while (target.p) {
        struct str pair = str_take_until(&target, '&');
        if (str_eq(str_take_until(&pair, '='), name))
            return true;
    }
    return false;
}

static enum err build_url(struct buf *b, const struct realtime_opts *opts,
                          struct err_detail *detail)
{
    struct str text = opts->url.len ? opts->url : STR(REALTIME_URL);
    struct url url;
    enum err err = url_parse(text, &url, detail);
    if (err)
        return err;
    if (!url.websocket)
        return err_explain(detail, ERR_INVALID,
                           "the provider's URL must start with ws:// or wss://");
    if (url.tls && !opts->tls)
        return err_explain(detail, ERR_INVALID,
                           "wss needs certificates to check the provider with");
    buf_put_str(b, str_slice(text, 0, str_find(text, STR("#"), 0)));
    if (opts->model.len && !query_has(url.target, STR("model"))) {
        bool more = str_find(url.target, STR("?"), 0) != SIZE_MAX;
        buf_put_str(b, more ? STR("&model=") : STR("?model="));
        url_put_escaped(b, opts->model);
    }
    if (!buf_ok(b))
        return err_explain(detail, ERR_INVALID, "the provider's URL is longer than %d bytes",
                           REALTIME_URL_BYTES_MAX);
    return OK;
}

static enum err build_headers(struct realtime_driver *d, const struct realtime_opts *opts,
                              struct err_detail *detail)
{
    struct str key = str_trim(opts->api_key);
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.p[i] <= 0x20 || (unsigned char)key.p[i] >= 0x7f)
            return err_explain(detail, ERR_INVALID,
                               "the provider's key holds a character no key has");
    if (key.len > REALTIME_KEY_BYTES_MAX)
        return err_explain(detail, ERR_INVALID, "the provider's key is longer than %d bytes",
                           REALTIME_KEY_BYTES_MAX);
    FAULTS_OFF();
    if (d->shape == REALTIME_BETA)
        buf_put_str(&d->headers, STR("OpenAI-Beta: realtime=v1\r\n"));
    if (key.len) {
        buf_put_str(&d->headers, STR("Authorization: Bearer "));
        size_t at = d->headers.len;
        buf_put_str(&d->headers, key);
        buf_put_str(&d->headers, STR("\r\n"));
        d->key = str_n(d->headers.p + at, key.len);
    }
    FAULTS_ON();
    ASSERT(buf_ok(&d->headers));
    return OK;
}

enum err realtime_driver_open(const struct realtime_opts *opts, struct engine_driver *out,
                              struct err_detail *detail)
{
    struct realtime_driver *d = mem_zalloc(sizeof(*d));
    buf_init(&d->url, REALTIME_URL_BYTES_MAX);
    buf_init(&d->headers, REALTIME_KEY_BYTES_MAX + 128);
    d->shape = opts->shape;
    d->tls = opts->tls;
    d->connect_timeout_ms =
        opts->connect_timeout_ms ? opts->connect_timeout_ms : REALTIME_CONNECT_TIMEOUT_MS;
    *out = (struct engine_driver){.name = "realtime", .open = realtime_open, .driver = d};
    enum err err = build_url(&d->url, opts, detail);
    if (!err)
        err = build_headers(d, opts, detail);
    if (err)
        realtime_driver_close(out);
    return err;
}

void realtime_driver_close(struct engine_driver *driver)
{
    struct realtime_driver *d = driver->driver;
    if (d) {
        if (d->headers.p)
            explicit_bzero(d->headers.p, d->headers.len);
        buf_fini(&d->url);
        buf_fini(&d->headers);
        mem_free(d);
    }
    *driver = (struct engine_driver){0};
}
