#include "channel/twilio_rest.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/url.h"

enum kind { KIND_IDEMPOTENT, KIND_PLACE_CALL, KIND_NUMBER };

struct request {
    struct twilio_rest *owner;
    struct request *prev, *next;
    enum kind kind;
    const char *method;
    struct buf url;
    struct buf body;
    struct http_fetch *fetch; /* while one runs */
    struct loop_timer *retry;
    bool retried;
    twilio_rest_fn *done;
    void *ctx;
};

struct twilio_rest {
    struct loop *loop;
    struct http_client *http;
    struct buf base;    /* "https://api.twilio.com/2010-04-01/Accounts/AC..." */
    struct buf userpwd; /* "AC...:token" */
    struct str token;   /* within userpwd */
    struct request *first;
    size_t count;
};

/* Letters and digits alone: what may stand in a path without escapes. */
static bool is_sid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return s.len > 0 && s.len <= TWILIO_SID_BYTES_MAX;
}

static void put_param(struct buf *b, const char *key, struct str value)
{
    buf_printf(b, "%s%s=", b->len ? "&" : "", key);
    url_put_escaped(b, value);
}

enum err twilio_rest_open(struct twilio_rest **out, const struct twilio_rest_opts *opts,
                          struct err_detail *detail)
{
    if (!is_sid(opts->account_sid))
        return err_explain(detail, ERR_INVALID,
                           "the Twilio account SID holds other than letters "
                           "and digits, or is missing");
    if (opts->auth_token.len == 0 || opts->auth_token.len > TWILIO_TOKEN_BYTES_MAX)
        return err_explain(detail, ERR_INVALID, "the Twilio auth token is missing or too long");
    ASSERT(opts->loop && opts->http);
    struct twilio_rest *t = mem_zalloc(sizeof(*t));
    t->loop = opts->loop;
    t->http = opts->http;
    buf_init(&t->base, REALTIME_URL_BYTES_MAX);
    struct str url = opts->api_url.len ? opts->api_url : STR(TWILIO_REST_URL);
    while (str_ends(url, STR("/")))
        url.len--;
    buf_put_str(&t->base, url);
    buf_put_str(&t->base, STR("/2010-04-01/Accounts/"));
    buf_put_str(&t->base, opts->account_sid);
    buf_init(&t->userpwd, TWILIO_SID_BYTES_MAX + 1 + TWILIO_TOKEN_BYTES_MAX);
    buf_put_str(&t->userpwd, opts->account_sid);
    buf_put_byte(&t->userpwd, ':');
    size_t at = t->userpwd.len;
    buf_put_str(&t->userpwd, opts->auth_token);
    t->token = str_n(t->userpwd.p + at, t->userpwd.len - at);
    if (!buf_ok(&t->base)) {
        twilio_rest_close(t);
        return err_explain(detail, ERR_INVALID, "the Twilio API URL is too long");
    }
    *out = t;
    return OK;
}

static void request_free(struct request *r)
{
    struct twilio_rest *t = r->owner;
    if (r->prev)
        r->prev->next = r->next;
    else
        t->first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    t->count--;
    loop_timer_free(r->retry);
    buf_fini(&r->url);
    buf_fini(&r->body);
    mem_free(r);
}

void twilio_rest_close(struct twilio_rest *t)
{
    if (!t)
        return;
    while (t->first) {
        if (t->first->fetch)
            http_fetch_cancel(t->first->fetch);
        request_free(t->first);
    }
    if (t->userpwd.p)
        explicit_bzero(t->userpwd.p, t->userpwd.len);
    buf_fini(&t->userpwd);
    buf_fini(&t->base);
    mem_free(t);
}

static void finish(struct request *r, const struct twilio_rest_result *result)
{
    twilio_rest_fn *done = r->done;
    void *ctx = r->ctx;
    if (result->err)
        LOG_WARN(NULL, "twilio.rest_failed", "status=%u code=%lld detail=\"%s\"", result->status,
                 (long long)result->code, result->detail);
    request_free(r);
    done(ctx, result); /* last: it may close the object */
}

static void on_fetched(void *ctx, const struct http_result *http);

static enum err start(struct request *r)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    struct twilio_rest *t = r->owner;
    return http_fetch(t->http,
                      &(struct http_fetch_opts){.method = r->method,
                                                .url = buf_str(&r->url),
                                                .headers = headers,
                                                .userpwd = buf_str(&t->userpwd),
                                                .body = buf_str(&r->body),
                                                .timeout_ms = TWILIO_REST_TIMEOUT_MS,
                                                .body_max = TWILIO_REST_BODY_BYTES_MAX},
                      on_fetched, r, &r->fetch);
}

static void on_retry(void *ctx)
{
    struct request *r = ctx;
    enum err err = start(r);
    if (err)
        finish(r, &(struct twilio_rest_result){.err = err, .detail = "too many requests at once"});
}

static bool should_retry(const struct request *r, const struct http_result *http)
{
    if (r->retried)
        return false;
    if (http->err == OK && http->status == 429)
        return true;
    if (r->kind == KIND_PLACE_CALL) /* it may have been placed: a second one would ring twice */
        return false;
    return http->err != OK || http->status >= 500;
}

/* The answer's sentence, without the token should Twilio, or what answers for it, repeat it. */
static void explain(const struct twilio_rest *t, char *out, size_t size, unsigned status,
                    int64_t code, struct str message)
{
    if (str_find(message, t->token, 0) != SIZE_MAX)
        message = STR("(withheld: it repeats the token)");
    if (message.len && code)
        snprintf(out, size, "Twilio answered %u, error %lld: %.*s", status, (long long)code,
                 STR_FMT(message));
    else
        snprintf(out, size, "Twilio answered %u%s%.*s", status, message.len ? ": " : "",
                 STR_FMT(message));
}

static void judge(struct request *r, const struct http_result *http, const json_t *json)
{
    char text[sizeof(struct err_detail)];
    struct twilio_rest_result result = {.status = http->status, .json = json, .detail = ""};
    if (http->status >= 200 && http->status < 300) {
        if (r->kind == KIND_NUMBER) {
            const json_t *list = js_get(json, "incoming_phone_numbers");
            result.json = list ? json_array_get(list, 0) : NULL;
        }
        result.err = result.json ? OK : ERR_UPSTREAM;
        result.detail = result.json ? "" : "Twilio's answer is no JSON";
        if (!result.json && r->kind == KIND_NUMBER && json) {
            result.err = ERR_NOTFOUND;
            result.detail = "the account has no such phone number";
        }
    } else {
        bool denied = http->status == 401 || http->status == 403;
        result.err = denied ? ERR_DENIED : http->status == 404 ? ERR_NOTFOUND : ERR_UPSTREAM;
        result.code = js_get_int(json, "code", 0);
        result.json = NULL;
        explain(r->owner, text, sizeof(text), http->status, result.code,
                js_get_str(json, "message"));
        result.detail = text;
    }
    finish(r, &result);
}

static void on_fetched(void *ctx, const struct http_result *http)
{
    struct request *r = ctx;
    r->fetch = NULL;
    if (should_retry(r, http)) {
        r->retried = true;
        r->retry = loop_timer_new(r->owner->loop, on_retry, r);
        loop_timer_set(r->retry, TWILIO_REST_RETRY_MS);
        return;
    }
    if (http->err) {
        finish(r, &(struct twilio_rest_result){.err = http->err, .detail = http->detail});
        return;
    }
    json_t *json = NULL;
    if (js_parse(http->body, &json, NULL))
        json = NULL;
    judge(r, http, json);
    json_decref(json);
}

static struct request *request_new(struct twilio_rest *t, enum kind kind, const char *method)
{
    struct request *r = mem_zalloc(sizeof(*r));
    r->owner = t;
    r->kind = kind;
    r->method = method;
    buf_init(&r->url, REALTIME_URL_BYTES_MAX + 256);
    buf_init(&r->body, TWILIO_REST_BODY_BYTES_MAX);
    buf_put_str(&r->url, buf_str(&t->base));
    r->next = t->first;
    if (t->first)
        t->first->prev = r;
    t->first = r;
    t->count++;
    return r;
}

static enum err submit(struct request *r, twilio_rest_fn *done, void *ctx)
{
    r->done = done;
    r->ctx = ctx;
    enum err err = buf_ok(&r->url) && buf_ok(&r->body) ? OK : ERR_INVALID;
    if (!err && r->owner->count > TWILIO_REST_REQUESTS_MAX)
        err = ERR_LIMIT;
    if (!err)
        err = start(r);
    if (err)
        request_free(r);
    return err;
}

static struct request *call_request(struct twilio_rest *t, struct str call_sid)
{
    if (!is_sid(call_sid))
        return NULL;
    struct request *r = request_new(t, KIND_IDEMPOTENT, "POST");
    buf_printf(&r->url, "/Calls/%.*s.json", STR_FMT(call_sid));
    return r;
}

enum err twilio_rest_hang_up(struct twilio_rest *t, struct str call_sid, twilio_rest_fn *done,
                             void *ctx)
{
    struct request *r = call_request(t, call_sid);
    if (!r)
        return ERR_INVALID;
    put_param(&r->body, "Status", STR("completed"));
    return submit(r, done, ctx);
}

enum err twilio_rest_redirect(struct twilio_rest *t, struct str call_sid, struct str twiml,
                              twilio_rest_fn *done, void *ctx)
{
    struct request *r = call_request(t, call_sid);
    if (!r)
        return ERR_INVALID;
    put_param(&r->body, "Twiml", twiml);
    return submit(r, done, ctx);
}

enum err twilio_rest_place_call(struct twilio_rest *t, const struct twilio_rest_call *call,
                                twilio_rest_fn *done, void *ctx)
{
    static const char *const events[] = {"initiated", "ringing", "answered", "completed"};
    if (call->to.len == 0 || call->from.len == 0 || call->url.len == 0)
        return ERR_INVALID;
    struct request *r = request_new(t, KIND_PLACE_CALL, "POST");
    buf_put_str(&r->url, STR("/Calls.json"));
    put_param(&r->body, "To", call->to);
    put_param(&r->body, "From", call->from);
    put_param(&r->body, "Url", call->url);
    if (call->ring_timeout_s)
        buf_printf(&r->body, "&Timeout=%u", (unsigned)call->ring_timeout_s);
    if (call->status_callback.len) {
        put_param(&r->body, "StatusCallback", call->status_callback);
        for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
            put_param(&r->body, "StatusCallbackEvent", str_of(events[i]));
    }
    return submit(r, done, ctx);
}

enum err twilio_rest_account(struct twilio_rest *t, twilio_rest_fn *done, void *ctx)
{
    struct request *r = request_new(t, KIND_IDEMPOTENT, "GET");
    buf_put_str(&r->url, STR(".json"));
    return submit(r, done, ctx);
}

enum err twilio_rest_number(struct twilio_rest *t, struct str number, twilio_rest_fn *done,
                            void *ctx)
{
    struct request *r = request_new(t, KIND_NUMBER, "GET");
    buf_put_str(&r->url, STR("/IncomingPhoneNumbers.json?PhoneNumber="));
    url_put_escaped(&r->url, number);
    return submit(r, done, ctx);
}
