#include "channel/twilio.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "channel/twilio_private.h"
#include "net/url.h"
#include "proto/twilio_sig.h"

static bool refuse(struct twilio_channel *t, struct http_exchange *ex, const char *why)
{
    twilio_count(&t->count.refused, 1);
    LOG_WARN(NULL, "twilio.signature_refused", "path=%.*s peer=%s why=\"%s\"",
             STR_FMT(http_path(ex)), http_peer(ex), why);
    http_reply_problem(ex, 403, "Forbidden", "the request is not signed by Twilio");
    return false;
}

bool twilio_admit(struct twilio_channel *t, struct http_exchange *ex, struct str base,
                  const struct http_param *params, size_t count)
{
    if (t->insecure)
        return true;
    if (t->token.len == 0)
        return refuse(t, ex, "no auth token is configured, so nothing can be checked");
    if (base.len == 0)
        return refuse(t, ex, "no public URL is configured, so nothing can be checked");
    struct str given = http_header(ex, "x-twilio-signature");
    if (given.len == 0)
        return refuse(t, ex, "the signature is missing");
    struct buf url;
    buf_init(&url, TWILIO_URL_BYTES_MAX + HTTP_HEAD_BYTES_MAX);
    buf_put_str(&url, base);
    buf_put_str(&url, http_target(ex));
    struct twilio_param *copy = mem_alloc((count + 1) * sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct twilio_param){.name = params[i].key, .value = params[i].value};
    struct twilio_request request = {.url = buf_str(&url), .params = copy, .param_count = count};
    bool right = buf_ok(&url) && twilio_sig_valid(buf_str(&t->token), &request, given);
    mem_free(copy);
    buf_fini(&url);
    return right || refuse(t, ex, "the signature is wrong for the public URL and the auth token");
}

/* "https://host/prefix/" gives "https://host/prefix" and "wss://host/prefix". */
static enum err take_public_url(struct twilio_channel *t, struct str text,
                                struct err_detail *detail)
{
    struct url url;
    while (str_ends(text, STR("/")))
        text.len--;
    enum err err = url_parse(text, &url, detail);
    if (err)
        return err;
    if (url.websocket || str_find(text, STR("?"), 0) != SIZE_MAX ||
        str_find(text, STR("#"), 0) != SIZE_MAX)
        return err_explain(detail, ERR_INVALID,
                           "the public URL must be https://host[:port] without a query");
    buf_put_str(&t->http_base, text);
    buf_put_str(&t->ws_base, url.tls ? STR("wss") : STR("ws"));
    buf_put_str(&t->ws_base, str_slice(text, url.scheme.len, text.len));
    if (!buf_ok(&t->http_base) || !buf_ok(&t->ws_base))
        return err_explain(detail, ERR_INVALID, "the public URL is too long");
    return OK;
}

static void add_routes(struct twilio_channel *t, struct http_router *router)
{
    static const struct http_route_opts form = {.body_max = TWILIO_BODY_BYTES_MAX};
    static const struct http_route_opts placed = {.body_max = TWILIO_BODY_BYTES_MAX,
                                                  .placed = true};
    static const struct http_route_opts owned = {
        .body_max = TWILIO_BODY_BYTES_MAX, .prefix = true, .owned = true};
    static const struct http_route_opts websocket = {
        .websocket = true, .prefix = true, .owned = true};
    static const struct {
        const char *path;
        const struct http_route_opts *opts;
        http_handler_fn *fn;
    } routes[] = {{TWILIO_PATH_VOICE, &placed, twilio_on_voice},
                  {TWILIO_PATH_STATUS, &form, twilio_on_status},
                  {TWILIO_PATH_RESUME, &owned, twilio_on_resume}};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        http_router_add(router, "POST", routes[i].path, routes[i].opts, routes[i].fn, t);
        http_router_add(router, "GET", routes[i].path, routes[i].opts, routes[i].fn, t);
    }
    http_router_add(router, "GET", TWILIO_PATH_STREAM, &websocket, twilio_on_stream, t);
}

enum err twilio_channel_open(struct twilio_channel **out, const struct twilio_channel_opts *opts,
                             struct err_detail *detail)
{
    const struct channel_host *host = opts->host;
    ASSERT(host && host->on_incoming && host->on_stream && host->on_stream_ended &&
           host->on_status);
    struct twilio_channel *t = mem_zalloc(sizeof(*t));
    buf_init(&t->http_base, TWILIO_URL_BYTES_MAX);
    buf_init(&t->ws_base, TWILIO_URL_BYTES_MAX);
    buf_init(&t->token, TWILIO_TOKEN_BYTES_MAX);
    t->insecure = opts->insecure_streams;
    t->answer_timeout_ms =
        opts->answer_timeout_ms ? opts->answer_timeout_ms : TWILIO_ANSWER_TIMEOUT_MS;
    t->start_timeout_ms = opts->start_timeout_ms ? opts->start_timeout_ms : TWILIO_START_TIMEOUT_MS;
    t->host = host;
    t->host_ctx = opts->host_ctx;
    buf_put_str(&t->token, str_trim(opts->auth_token));
    enum err err = OK;
    if (!buf_ok(&t->token))
        err = err_explain(detail, ERR_INVALID, "the Twilio auth token is too long");
    if (!err && opts->public_url.len)
        err = take_public_url(t, opts->public_url, detail);
    if (err) {
        twilio_channel_close(t);
        return err;
    }
    if (t->insecure)
        LOG_WARN(NULL, "twilio.insecure", "signatures and stream tokens are not checked");
    else if (t->token.len == 0 || t->http_base.len == 0)
        LOG_WARN(NULL, "twilio.closed", "every request from Twilio will be refused: set %s",
                 t->token.len == 0 ? "TWILIO_AUTH_TOKEN" : "CALLEE_PUBLIC_URL");
    add_routes(t, opts->router);
    *out = t;
    return OK;
}

void twilio_channel_close(struct twilio_channel *t)
{
    if (!t)
        return;
    if (t->token.p)
        explicit_bzero(t->token.p, t->token.len);
    buf_fini(&t->token);
    buf_fini(&t->http_base);
    buf_fini(&t->ws_base);
    mem_free(t);
}

void twilio_channel_counters(const struct twilio_channel *t, struct channel_counters *out)
{
    *out = (struct channel_counters){
        .refused = atomic_load(&t->count.refused),
        .webhooks = atomic_load(&t->count.webhooks),
        .late_answers = atomic_load(&t->count.late_answers),
        .streams = atomic_load(&t->count.streams),
        .bad_messages = atomic_load(&t->count.bad_messages),
        .other_streams = atomic_load(&t->count.other_streams),
        .sequence_gaps = atomic_load(&t->count.sequence_gaps),
        .audio_dropped = atomic_load(&t->count.audio_dropped),
    };
}
