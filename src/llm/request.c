#include "base/assert.h"
#include "base/clock.h"
#include "base/js.h"
#include "base/log.h"
#include "base/mem.h"
#include "llm/llm_private.h"
#include "llm/retry.h"

struct llm_request {
    struct llm *service;
    struct http_fetch *fetch; /* NULL between two tries */
    struct loop_timer *timer; /* a wait, or the end of a request that failed while it began */
    const char *path, *accept;
    char *boundary;
    struct buf rest; /* of the body, behind the model */
    struct buf body; /* of the answer */
    http_data_fn *data;
    llm_answer_fn *done;
    void *ctx;
    int64_t begun_us, deadline_us;

    struct llm_place *place; /* being tried */
    bool probing;            /* ... although its breaker is open */
    bool begun;              /* a piece of a streamed answer was handed over */
    struct {
        unsigned tries;
        bool dead; /* another try is of no use */
        int64_t not_before_us;
    } at[LLM_ENDPOINTS_MAX];

    /* How the last try failed. */
    enum err err;
    unsigned status;
    struct err_detail detail;
};

static void request_free(struct llm_request *r)
{
    loop_timer_free(r->timer);
    buf_fini(&r->rest);
    buf_fini(&r->body);
    mem_free(r->boundary);
    mem_free(r);
}

static void leave_service(struct llm_request *r)
{
    ASSERT(r->service->running > 0);
    r->service->running--;
}

static void finish(struct llm_request *r, enum err err)
{
    leave_service(r); /* which the done function may close */
    const struct llm_answer a = {
        .err = err,
        .status = r->status,
        .body = err == OK ? &r->body : NULL,
        .place = err == OK ? r->place : NULL,
        .detail = err == OK ? NULL : r->detail.text,
    };
    r->done(r->ctx, &a);
    request_free(r);
}

/* -- one try -- */

static void put_body(struct buf *b, const struct llm_request *r)
{
    struct str model = str_of(r->place->model);
    if (r->boundary) {
        buf_printf(b, "--%s\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n",
                   r->boundary);
        buf_put_str(b, model);
        buf_put_str(b, STR("\r\n"));
    } else {
        buf_put_str(b, STR("{\"model\":"));
        buf_put_json(b, model);
    }
    buf_put_str(b, buf_str(&r->rest));
}

static void on_http_data(void *ctx, struct str piece)
{
    struct llm_request *r = ctx;
    r->begun = true;
    if (r->data)
        r->data(r->ctx, piece); /* may cancel: nothing of `r` is used behind this */
    else
        buf_put_str(&r->body, piece);
}

static void on_http_done(void *ctx, const struct http_result *result);

static enum err try_place(struct llm_request *r, uint32_t timeout_ms, size_t answer_max)
{
    struct llm *s = r->service;
    char url[LLM_URL_BYTES_MAX + 64], type[160], auth[LLM_KEY_BYTES_MAX + 32], accept[64];
    const char *headers[4] = {type};
    size_t count = 1;
    struct buf body;
    int len = snprintf(url, sizeof(url), "%s%s", r->place->url, r->path);
    snprintf(type, sizeof(type),
             r->boundary ? "Content-Type: multipart/form-data; boundary=%s"
                         : "Content-Type: application/json",
             r->boundary ? r->boundary : "");
    if (r->accept) {
        snprintf(accept, sizeof(accept), "Accept: %s", r->accept);
        headers[count++] = accept;
    }
    if (r->place->key[0]) {
        snprintf(auth, sizeof(auth), "Authorization: Bearer %s", r->place->key);
        headers[count++] = auth;
    }
    buf_init(&body, r->rest.len + 2 * LLM_URL_BYTES_MAX);
    put_body(&body, r);
    ASSERT(buf_ok(&body));
    const struct http_fetch_opts opts = {.method = "POST",
                                         .url = str_n(url, (size_t)len),
                                         .headers = headers,
                                         .body = buf_str(&body),
                                         .timeout_ms = timeout_ms,
                                         .body_max = answer_max,
                                         .data = on_http_data};
    buf_reset(&r->body);
    enum err err = http_fetch(s->http, &opts, on_http_done, r, &r->fetch);
    explicit_bzero(auth, sizeof(auth));
    buf_fini(&body);
    return err;
}

/* The endpoint to try next, or NULL; *at_us tells when. */
static struct llm_place *choose(struct llm_request *r, int64_t now_us, int64_t *at_us)
{
    struct llm *s = r->service;
    struct llm_place *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct llm_place *p = &s->places[i];
        if (r->at[i].dead || r->at[i].tries > s->retries)
            continue;
        /* A breaker that is open lets one request through when its time has come. */
        if (!breaker_allows(&p->breaker) &&
            (p->breaker.probing || breaker_wait_ms(&p->breaker, now_us) > 1))
            continue;
        if (!best || r->at[i].not_before_us < *at_us) {
            best = p;
            *at_us = r->at[i].not_before_us;
        }
    }
    return best;
}

/* How many endpoints could still follow a failure of this one without a wait. */
static unsigned untried(const struct llm_request *r)
{
    unsigned count = 0;
    for (size_t i = 0; i < r->service->count; i++)
        count += r->at[i].tries == 0 && breaker_allows(&r->service->places[i].breaker);
    return count;
}

static void explain_passed_by(struct llm_request *r)
{
    const struct llm_place *p = &r->service->places[0];
    r->err =
        err_explain(&r->detail, ERR_UPSTREAM, "%s is left alone for a while: %s", p->host, p->last);
}

/* Sees to the next try. False when there is none; `err` and `detail` say why. */
static bool go_on(struct llm_request *r)
{
    struct llm *s = r->service;
    const int64_t now_us = loop_now_us(s->loop);
    int64_t at_us = 0;
    struct llm_place *p = choose(r, now_us, &at_us);
    if (!p || at_us >= r->deadline_us || now_us >= r->deadline_us) {
        if (r->err == OK)
            explain_passed_by(r);
        return false;
    }
    if (at_us > now_us) {
        loop_timer_set(r->timer, (uint64_t)(at_us - now_us + 999) / 1000);
        return true;
    }
    r->place = p;
    r->probing = !breaker_allows(&p->breaker) && breaker_begin_probe(&p->breaker);
    r->at[p - s->places].tries++;
    /* Each endpoint that could follow has its share of the time that is left. */
    const int64_t share_us = (r->deadline_us - now_us) / (1 + untried(r));
    const uint32_t timeout_ms = (uint32_t)(share_us / 1000);
    enum err err = try_place(r, timeout_ms ? timeout_ms : 1, r->body.max);
    if (err == OK)
        return true;
    if (r->probing)
        breaker_drop_probe(&p->breaker);
    r->probing = false;
    r->err = err_explain(&r->detail, err, "no request to %s can be made now: %s", p->host,
                         err_name(err));
    return false;
}

/* -- how it ended -- */

/* The sentence in an error body, if it can be shown: OpenAI's repeats part of a wrong key. */
static struct str message_of(const json_t *error, const struct llm_place *p, unsigned status)
{
    struct str message = js_get_str(error, "message");
    if (status == 401 || status == 403 || !message.p)
        return STR_NONE;
    if (p->key[0] && str_find(message, str_of(p->key), 0) != SIZE_MAX)
        return STR_NONE;
    for (size_t i = 0; i < message.len; i++)
        if ((unsigned char)message.p[i] < 0x20)
            return STR_NONE;
    return str_slice(message, 0, 120);
}

static enum err err_of_status(unsigned status)
{
    return status == 401 || status == 403 ? ERR_DENIED : ERR_UPSTREAM;
}

static void explain_status(struct llm_request *r, const struct http_result *result,
                           const json_t *error)
{
    struct str message = message_of(error, r->place, result->status);
    r->err = err_of_status(result->status);
    if (message.p)
        err_explain(&r->detail, r->err, "%s answered %u: %.*s", r->place->host, result->status,
                    STR_FMT(message));
    else
        err_explain(&r->detail, r->err, "%s answered %u%s", r->place->host, result->status,
                    r->err == ERR_DENIED ? ": the key is not accepted" : "");
}

static void tell_breaker(struct llm_request *r, bool reached, bool blamed)
{
    struct llm_place *p = r->place;
    const int64_t now_us = loop_now_us(r->service->loop);
    if (r->probing) {
        r->probing = false;
        breaker_probed(&p->breaker, !blamed, now_us);
        if (!blamed)
            LOG_INFO(NULL, "llm.back", "host=%s", p->host);
    } else if (blamed) {
        (void)str_copy(p->last, sizeof(p->last),
                       str_slice(str_of(r->detail.text), 0, sizeof(p->last) - 1));
        if (breaker_failed(&p->breaker, now_us))
            LOG_WARN(NULL, "llm.passed_by", "host=%s for_ms=%llu next=\"one request will try it\"",
                     p->host, (unsigned long long)breaker_wait_ms(&p->breaker, now_us));
    }
    if (reached)
        breaker_worked(&p->breaker);
}

static void failed(struct llm_request *r, const struct http_result *result)
{
    struct llm *s = r->service;
    json_t *body = NULL;
    struct llm_failure f = {.err = result->err, .status = result->status};
    r->status = result->status;
    if (result->err == OK) {
        if (result->body.len > LLM_ERROR_BYTES_MAX || js_parse(result->body, &body, NULL) != OK)
            body = NULL;
        const json_t *error = js_get(body, "error");
        f.should_retry = http_result_header(result, "x-should-retry");
        f.after_ms = http_result_header(result, "retry-after-ms");
        f.after_seconds = http_result_header(result, "retry-after");
        f.code = js_get_str(error, "code");
        explain_status(r, result, error);
    } else {
        r->err = err_explain(&r->detail, result->err, "%s", result->detail);
        if (r->err == ERR_NOTFOUND || r->err == ERR_INVALID) /* no such host; no HTTP */
            r->err = ERR_CLOSED;
    }
    const size_t i = (size_t)(r->place - s->places);
    LOG_INFO(NULL, "llm.failed", "host=%s path=%s err=%s status=%u try=%u", r->place->host, r->path,
             err_name(r->err), r->status, r->at[i].tries);
    tell_breaker(r, false, llm_retry_blames_endpoint(&f));
    r->at[i].dead = !llm_retry_allowed(&f);
    r->at[i].not_before_us =
        loop_now_us(s->loop) + 1000 * (int64_t)llm_retry_wait_ms(&f, r->at[i].tries,
                                                                 rng_u32(loop_rng(s->loop)),
                                                                 clock_wall_ms());
    json_decref(body);
    if ((r->begun && r->data) || !go_on(r))
        finish(r, r->err);
}

static void on_http_done(void *ctx, const struct http_result *result)
{
    struct llm_request *r = ctx;
    r->fetch = NULL;
    if (result->err != OK || result->status < 200 || result->status > 299) {
        failed(r, result);
        return;
    }
    r->status = result->status;
    tell_breaker(r, true, false);
    finish(r, OK);
}

static void on_timer(void *ctx)
{
    struct llm_request *r = ctx;
    if (!go_on(r))
        finish(r, r->err);
}

enum err llm_request_start(struct llm *s, const struct llm_request_opts *opts, llm_answer_fn *done,
                           void *ctx, struct llm_request **out)
{
    loop_assert_thread(s->loop);
    ASSERT(opts->deadline_ms > 0);
    struct llm_request *r = mem_zalloc(sizeof(*r));
    s->running++;
    r->service = s;
    r->timer = loop_timer_new(s->loop, on_timer, r);
    r->path = opts->path;
    r->accept = opts->accept;
    r->boundary = opts->boundary ? mem_strdup(opts->boundary) : NULL;
    r->data = opts->data;
    r->done = done;
    r->ctx = ctx;
    r->begun_us = loop_now_us(s->loop);
    r->deadline_us = r->begun_us + 1000 * (int64_t)opts->deadline_ms;
    buf_init(&r->rest, opts->body.len);
    buf_put_str(&r->rest, opts->body);
    buf_init(&r->body, opts->answer_max);
    if (!go_on(r)) {
        enum err err = r->err;
        if (err == ERR_LIMIT || err == ERR_CLOSED || err == ERR_IO) {
            leave_service(r);
            request_free(r);
            return err;
        }
        /* Every endpoint is passed by, which is said from the loop. */
        loop_timer_set(r->timer, 0);
    }
    *out = r;
    return OK;
}

struct str llm_request_header(const struct llm_request *r, const char *name)
{
    return r->fetch ? http_fetch_header(r->fetch, name) : STR_NONE;
}

void llm_request_cancel(struct llm_request *r)
{
    loop_assert_thread(r->service->loop);
    if (r->fetch)
        http_fetch_cancel(r->fetch);
    if (r->probing)
        breaker_drop_probe(&r->place->breaker);
    leave_service(r);
    request_free(r);
}
