/* Twilio's HTTP requests: forms in, TwiML out. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "channel/twilio_private.h"
#include "proto/twiml.h"

/* A request that was admitted, with its parameters. */
struct webhook {
    struct arena arena;
    struct http_param *params;
    size_t count;
};

static struct str param(const struct webhook *w, const char *key)
{
    return http_form_get(w->params, w->count, key);
}

/* Reads the form and admits the request. False: answered. After true the caller calls
 * webhook_fini. A GET's parameters are in the URL, which the signature covers as a whole. */
static bool webhook_init(struct webhook *w, struct twilio_channel *t, struct http_exchange *ex)
{
    bool post = str_eq(http_method(ex), STR("POST"));
    *w = (struct webhook){0};
    arena_init(&w->arena, 2 * TWILIO_BODY_BYTES_MAX);
    struct str form = post ? http_body(ex) : http_query(ex);
    if (http_form_parse(&w->arena, form, &w->params, &w->count)) {
        LOG_WARN(NULL, "twilio.form_refused", "path=%.*s peer=%s", STR_FMT(http_path(ex)),
                 http_peer(ex));
        http_reply_problem(ex, 400, "Bad Request", "the form cannot be read");
    } else if (twilio_admit(t, ex, buf_str(&t->http_base), w->params, post ? w->count : 0)) {
        twilio_count(&t->count.webhooks, 1);
        return true;
    }
    arena_fini(&w->arena);
    return false;
}

static void webhook_fini(struct webhook *w)
{
    arena_fini(&w->arena);
}

static void reply_xml(struct http_exchange *ex, struct buf *xml)
{
    http_reply(ex, 200, "text/xml; charset=utf-8", buf_str(xml));
}

/* Twilio plays nothing but what a 200 says, so our own failures are 200 too. */
static void reply_sorry(struct http_exchange *ex)
{
    struct buf xml;
    buf_init(&xml, TWILIO_TWIML_BYTES_MAX);
    twiml_open(&xml);
    twiml_say(&xml, STR("An error occurred."), STR_NONE, STR_NONE);
    twiml_hangup(&xml);
    twiml_close(&xml);
    reply_xml(ex, &xml);
    buf_fini(&xml);
}

/* -- a question to the host, until it is answered -- */

struct question {
    struct twilio_channel *owner;
    struct http_exchange *ex; /* NULL once answered, or gone */
    struct loop_timer *timer;
    struct buf http_base, ws_base; /* the URLs to hand out */
    struct buf call_sid;           /* for the log */
};

static void on_gone(void *ctx)
{
    struct question *q = ctx;
    q->ex = NULL;
    loop_timer_cancel(q->timer);
}

static void on_late(void *ctx)
{
    struct question *q = ctx;
    LOG_ERROR(NULL, "twilio.answer_late", "call_sid=%s ms=%u next=\"told the caller\"",
              buf_cstr(&q->call_sid), (unsigned)q->owner->answer_timeout_ms);
    twilio_count(&q->owner->count.late_answers, 1);
    reply_sorry(q->ex);
    q->ex = NULL;
}

static void write_answer(struct buf *xml, struct question *q, const struct channel_answer *a)
{
    twiml_open(xml);
    if (a->verdict == CHANNEL_STREAM) {
        struct twilio_param token = {.name = STR("token"), .value = a->token};
        const char *slash = a->owner.len ? "/" : "";
        buf_printf(&q->http_base, TWILIO_PATH_RESUME "%s%.*s" TWILIO_RETRIES, slash,
                   STR_FMT(a->owner));
        buf_printf(&q->ws_base, TWILIO_PATH_STREAM "%s%.*s", slash, STR_FMT(a->owner));
        twiml_connect_stream(xml, &(struct twiml_stream){.action = buf_str(&q->http_base),
                                                         .url = buf_str(&q->ws_base),
                                                         .params = &token,
                                                         .param_count = 1});
    } else {
        if (a->text.len)
            twiml_say(xml, a->text, STR_NONE, STR_NONE);
        if (a->verdict == CHANNEL_TRANSFER && a->number.len)
            twiml_dial(xml, &(struct twiml_dial){.number = a->number});
        else
            twiml_hangup(xml);
    }
    twiml_close(xml);
}

/* The host's answer; the last that happens to a question. */
static void on_answer(void *ctx, const struct channel_answer *a)
{
    struct question *q = ctx;
    if (q->ex) {
        struct buf xml;
        buf_init(&xml, TWILIO_TWIML_BYTES_MAX);
        write_answer(&xml, q, a);
        if (buf_ok(&xml) && buf_ok(&q->http_base) && buf_ok(&q->ws_base)) {
            reply_xml(q->ex, &xml);
        } else {
            LOG_ERROR(NULL, "twilio.answer_too_long", "call_sid=%s next=\"told the caller\"",
                      buf_cstr(&q->call_sid));
            reply_sorry(q->ex);
        }
        buf_fini(&xml);
    }
    loop_timer_free(q->timer);
    buf_fini(&q->http_base);
    buf_fini(&q->ws_base);
    buf_fini(&q->call_sid);
    mem_free(q);
}

/* A Host header that can stand in a URL: only used when checks are off and no public URL is set. */
static bool is_authority(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
        if (!plain)
            return false;
    }
    return s.len > 0;
}

static struct question *question_new(struct twilio_channel *t, struct http_exchange *ex,
                                     struct str call_sid)
{
    struct question *q = mem_zalloc(sizeof(*q));
    q->owner = t;
    q->ex = ex;
    buf_init(&q->http_base, TWILIO_URL_BYTES_MAX);
    buf_init(&q->ws_base, TWILIO_URL_BYTES_MAX);
    buf_init(&q->call_sid, TWILIO_SID_BYTES_MAX);
    buf_put_str(&q->call_sid, str_slice(call_sid, 0, TWILIO_SID_BYTES_MAX - 1));
    struct str host = http_header(ex, "host");
    if (t->http_base.len) {
        buf_put_str(&q->http_base, buf_str(&t->http_base));
        buf_put_str(&q->ws_base, buf_str(&t->ws_base));
    } else if (is_authority(host)) {
        buf_printf(&q->http_base, "http://%.*s", STR_FMT(host));
        buf_printf(&q->ws_base, "ws://%.*s", STR_FMT(host));
    }
    http_on_gone(ex, on_gone, q);
    q->timer = loop_timer_new(http_loop(ex), on_late, q);
    loop_timer_set(q->timer, t->answer_timeout_ms);
    return q;
}

/* -- the routes -- */

/* A caller who withholds the number comes as a word or as one of the numbers that spell it on a
 * keypad (Twilio documentation, "Why am I getting calls from these strange numbers?"). */
static struct str caller_number(struct str from)
{
    static const char *const nobody[] = {"anonymous", "restricted", "unavailable",  "unknown",
                                         "private",   "+266696687", "+86282452253", "+7378742833",
                                         "+8656696",  "+2562533",   "266696687",    "7378742833"};
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
        if (str_eq_nocase(from, str_of(nobody[i])))
            return STR("");
    return from;
}

void twilio_on_voice(void *ctx, struct http_exchange *ex)
{
    struct twilio_channel *t = ctx;
    struct webhook w;
    if (!webhook_init(&w, t, ex))
        return;
    struct channel_call call = {.channel = STR("twilio"),
                                .carrier_id = param(&w, "CallSid"),
                                .from = caller_number(param(&w, "From")),
                                .to = param(&w, "To"),
                                .direction = param(&w, "Direction")};
    if (call.carrier_id.len == 0 || call.carrier_id.len >= TWILIO_SID_BYTES_MAX ||
        call.to.len == 0) {
        LOG_ERROR(NULL, "twilio.voice_incomplete",
                  "peer=%s call_sid_bytes=%zu to_bytes=%zu next=\"told the caller\"", http_peer(ex),
                  call.carrier_id.len, call.to.len);
        reply_sorry(ex);
    } else {
        struct loop *loop = http_loop(ex);
        struct question *q = question_new(t, ex, call.carrier_id);
        t->host->on_incoming(t->host_ctx, loop, &call, on_answer, q);
    }
    webhook_fini(&w);
}

void twilio_on_resume(void *ctx, struct http_exchange *ex)
{
    struct twilio_channel *t = ctx;
    struct webhook w;
    if (!webhook_init(&w, t, ex))
        return;
    struct str call_sid = param(&w, "CallSid");
    if (call_sid.len == 0 || call_sid.len >= TWILIO_SID_BYTES_MAX) {
        LOG_ERROR(NULL, "twilio.resume_incomplete", "peer=%s next=\"told the caller\"",
                  http_peer(ex));
        reply_sorry(ex);
    } else {
        struct loop *loop = http_loop(ex);
        struct question *q = question_new(t, ex, call_sid);
        t->host->on_stream_ended(t->host_ctx, loop, call_sid, on_answer, q);
    }
    webhook_fini(&w);
}

void twilio_on_status(void *ctx, struct http_exchange *ex)
{
    struct twilio_channel *t = ctx;
    struct webhook w;
    if (!webhook_init(&w, t, ex))
        return;
    struct str call_sid = param(&w, "CallSid"), status = param(&w, "CallStatus");
    uint64_t seconds = 0;
    bool told = str_to_u64(param(&w, "CallDuration"), &seconds) && seconds <= INT32_MAX;
    if (call_sid.len == 0 || call_sid.len >= TWILIO_SID_BYTES_MAX || status.len == 0) {
        LOG_WARN(NULL, "twilio.status_incomplete", "peer=%s", http_peer(ex));
        http_reply_problem(ex, 400, "Bad Request", "CallSid and CallStatus are needed");
    } else {
        t->host->on_status(t->host_ctx, http_loop(ex), call_sid, status,
                           told ? (int64_t)seconds : -1);
        http_reply(ex, 204, NULL, STR_NONE);
    }
    webhook_fini(&w);
}
