/*
 * The carrier asks the webhooks: form, signature, retries.
 *
 * Twilio documents how often and after which troubles it asks again, not how long it waits in
 * between; retry_wait_ms, doubled each time, is our assumption.
 */
#include "app/dial_ask.h"

#include "app/dial_private.h"
#include "proto/twilio_sig.h"

enum {
    CONNECT_MS = 5000,
    READ_MS = 15000,
    TOTAL_MS = 15000,
    OVERRIDE_MS_MIN = 100,
    CONNECT_MS_MAX = 10000,
    RETRIES_MAX = 5
};

/* -- overrides -- */

static void take_ms(struct str value, int64_t max, int64_t *out)
{
    uint64_t ms;
    if (str_to_u64(value, &ms) && ms >= OVERRIDE_MS_MIN && ms <= (uint64_t)max)
        *out = (int64_t)ms;
}

static void take_policy(struct dial_overrides *o, struct str list)
{
    o->on_connect = o->on_read = o->on_4xx = o->on_5xx = false;
    while (list.p && list.len) {
        struct str word = str_take_until(&list, ',');
        bool all = str_eq(word, STR("all"));
        o->on_connect |= all || str_eq(word, STR("ct"));
        o->on_read |= all || str_eq(word, STR("rt"));
        o->on_4xx |= all || str_eq(word, STR("4xx"));
        o->on_5xx |= all || str_eq(word, STR("5xx"));
    }
}

struct dial_overrides dial_overrides_parse(struct str *url)
{
    struct dial_overrides o = {.connect_ms = CONNECT_MS,
                               .read_ms = READ_MS,
                               .total_ms = TOTAL_MS,
                               .retries = 1,
                               .on_connect = true};
    size_t at = str_find(*url, STR("#"), 0);
    if (at == SIZE_MAX)
        return o;
    struct str rest = str_slice(*url, at + 1, url->len);
    *url = str_slice(*url, 0, at);
    while (rest.p && rest.len) {
        struct str value = str_take_until(&rest, '&');
        struct str key = str_take_until(&value, '=');
        uint64_t count;
        if (str_eq(key, STR("ct")))
            take_ms(value, CONNECT_MS_MAX, &o.connect_ms);
        else if (str_eq(key, STR("rt")))
            take_ms(value, READ_MS, &o.read_ms);
        else if (str_eq(key, STR("tt")))
            take_ms(value, TOTAL_MS, &o.total_ms);
        else if (str_eq(key, STR("rp")))
            take_policy(&o, value);
        else if (str_eq(key, STR("rc")) && str_to_u64(value, &count) && count <= RETRIES_MAX)
            o.retries = (unsigned)count;
    }
    return o;
}

/* -- one request -- */

static void put_encoded(struct buf *b, struct str text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char ch = (unsigned char)text.p[i];
        if (ch == ' ')
            buf_put_byte(b, '+');
        else if (memchr(plain, ch, sizeof(plain) - 1))
            buf_put_byte(b, ch);
        else
            buf_printf(b, "%%%02X", ch);
    }
}

void dial_form_add(struct dial_form *f, const char *name, const char *value)
{
    if (f->count < DIAL_FORM_PARAMS_MAX)
        f->params[f->count++] = (struct twilio_param){str_of(name), str_of(value)};
}

void dial_form_call(const struct dial_call *c, struct dial_form *f)
{
    const struct dial_opts *o = c->opts;
    dial_form_add(f, "CallSid", c->call_sid);
    dial_form_add(f, "AccountSid", o->account_sid);
    dial_form_add(f, "From", o->from);
    dial_form_add(f, "To", o->to);
    dial_form_add(f, "Caller", o->from);
    dial_form_add(f, "Called", o->to);
    dial_form_add(f, "CallStatus", c->call_status);
    dial_form_add(f, "ApiVersion", "2010-04-01");
    dial_form_add(f, "Direction", "inbound");
    dial_form_add(f, "CallerCity", "");
    dial_form_add(f, "CallerCountry", "US");
    dial_form_add(f, "StirVerstat", "TN-Validation-Passed-A");
}

enum err dial_post(struct dial_call *c, struct str url, const struct dial_form *f,
                   int64_t timeout_ms, http_done_fn *done)
{
    struct buf body, target;
    buf_init(&body, HTTP_BODY_BYTES_MAX);
    buf_init(&target, HTTP_HEAD_BYTES_MAX);
    for (size_t i = 0; i < f->count; i++) {
        if (i > 0)
            buf_put_byte(&body, '&');
        put_encoded(&body, f->params[i].name);
        buf_put_byte(&body, '=');
        put_encoded(&body, f->params[i].value);
    }
    dial_call_route(c, url, false, &target);
    char signature[64] = "X-Twilio-Signature: ";
    size_t at = strlen(signature);
    struct twilio_request r = {.url = url, .params = f->params, .param_count = f->count};
    bool sign = c->opts->token && c->opts->token[0] &&
                twilio_sig_compute(signature + at, str_of(c->opts->token), &r) == OK;
    const char *headers[] = {"Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
                             "User-Agent: TwilioProxy/1.1", sign ? signature : NULL, NULL};
    struct http_fetch_opts o = {.method = "POST",
                                .url = buf_str(&target),
                                .headers = headers,
                                .body = buf_str(&body),
                                .timeout_ms = (uint32_t)timeout_ms};
    enum err err = http_fetch(c->http, &o, done, c, &c->fetch);
    if (err != OK) {
        c->fetch = NULL;
        dial_call_fail(c, "cannot ask %.*s", STR_FMT(url));
    }
    buf_fini(&body);
    buf_fini(&target);
    return err;
}

/* -- the question, until it is answered -- */

static void take_document(struct dial_call *c, const struct http_result *r)
{
    struct err_detail why;
    if (c->has_doc)
        twiml_doc_fini(&c->doc);
    c->has_doc = twiml_parse(&c->doc, r->body, &why) == OK;
    if (!c->has_doc) {
        dial_call_fail(c, "the webhook's TwiML is wrong: %s", why.text);
        return;
    }
    c->verb = 0;
    dial_call_next_verb(c);
}

static bool worth_retrying(const struct dial_overrides *o, const struct http_result *r)
{
    if (r->err == ERR_TIMEOUT)
        return o->on_read;
    if (r->err != OK)
        return o->on_connect;
    return (r->status / 100 == 4 && o->on_4xx) || (r->status / 100 == 5 && o->on_5xx);
}

static void on_twiml(void *ctx, const struct http_result *r)
{
    struct dial_call *c = ctx;
    struct dial_question *q = &c->question;
    c->fetch = NULL;
    if (c->webhook_ms < 0)
        c->webhook_ms = dial_call_now_ms(c);
    if (r->err == OK && r->status == 200) {
        take_document(c, r);
        return;
    }
    int64_t wait_ms = (c->opts->retry_wait_ms ? c->opts->retry_wait_ms : DIAL_RETRY_WAIT_MS)
                      << (q->asked - 1);
    int64_t left_ms = q->overrides.total_ms - (dial_call_now_ms(c) - q->began_ms);
    if (q->asked <= q->overrides.retries && worth_retrying(&q->overrides, r) && left_ms > wait_ms) {
        loop_timer_set(c->retry, (uint64_t)wait_ms);
        return;
    }
    if (r->err != OK)
        dial_call_fail(c, "the webhook did not answer: %s", r->detail);
    else
        dial_call_fail(c, "the webhook answered HTTP %u", r->status);
}

static void ask_again(void *ctx)
{
    struct dial_call *c = ctx;
    struct dial_question *q = &c->question;
    struct dial_form f = {.count = 0};
    dial_form_call(c, &f);
    if (q->name)
        dial_form_add(&f, q->name, q->value);
    if (c->stream_sid[0])
        dial_form_add(&f, "StreamSid", c->stream_sid);
    int64_t left_ms = q->overrides.total_ms - (dial_call_now_ms(c) - q->began_ms);
    int64_t one_ms = q->overrides.connect_ms + q->overrides.read_ms;
    q->asked++;
    if (c->broken)
        c->breaks[c->break_count - 1].asked = q->asked;
    enum err err =
        dial_post(c, buf_str(&q->url), &f, one_ms < left_ms ? one_ms : left_ms, on_twiml);
    (void)err; /* the call has failed then */
}

void dial_ask(struct dial_call *c, struct str url, const char *name, const char *value)
{
    struct dial_question *q = &c->question;
    if (++c->documents > DIAL_DOCUMENTS_MAX) {
        dial_call_fail(c, "more than %d TwiML documents: they go in circles", DIAL_DOCUMENTS_MAX);
        return;
    }
    q->overrides = dial_overrides_parse(&url);
    q->name = name;
    q->value = value;
    q->asked = 0;
    q->began_ms = dial_call_now_ms(c);
    buf_reset(&q->url);
    dial_call_resolve(c, url, &q->url);
    ask_again(c);
}

void dial_ask_init(struct dial_call *c)
{
    buf_init(&c->question.url, HTTP_HEAD_BYTES_MAX);
    c->retry = loop_timer_new(c->loop, ask_again, c);
}

void dial_ask_stop(struct dial_call *c)
{
    if (c->fetch)
        http_fetch_cancel(c->fetch);
    c->fetch = NULL;
    loop_timer_cancel(c->retry);
}

void dial_ask_fini(struct dial_call *c)
{
    buf_fini(&c->question.url);
    loop_timer_free(c->retry);
}
