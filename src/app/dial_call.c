/*
 * The carrier: asks the webhook what to do, obeys the TwiML verb by verb, and reports the end.
 *
 * The server's public address (what it signs with and writes into TwiML) and the address it is
 * reached at may differ, as they do behind a proxy: signatures are made for the former, connections
 * go to the latter.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "app/dial_private.h"
#include "app/voice.h"
#include "base/clock.h"
#include "net/url.h"

enum { DEFAULT_MAX_MS = 120000 };

static void finish(struct dial_call *c);

int64_t dial_call_now_ms(const struct dial_call *c)
{
    return (loop_now_us(c->loop) - c->start_us) / 1000;
}

static const char *public_base(const struct dial_call *c)
{
    const char *base = c->opts->public_url;
    return base && base[0] ? base : c->opts->url;
}

void dial_call_resolve(const struct dial_call *c, struct str url, struct buf *out)
{
    if (str_starts(url, STR("/"))) {
        struct str base = str_of(public_base(c));
        buf_put_str(out, str_ends(base, STR("/")) ? str_slice(base, 0, base.len - 1) : base);
    }
    buf_put_str(out, url);
}

void dial_call_route(const struct dial_call *c, struct str url, bool websocket, struct buf *out)
{
    struct url to, public, reach;
    if (url_parse(url, &to, NULL) != OK || url_parse(str_of(public_base(c)), &public, NULL) != OK ||
        url_parse(str_of(c->opts->url), &reach, NULL) != OK ||
        !str_eq_nocase(to.host, public.host) || to.port != public.port) {
        buf_put_str(out, url);
        return;
    }
    buf_put_str(out, websocket ? STR("ws") : STR("http"));
    buf_put_str(out, reach.tls ? STR("s://") : STR("://"));
    buf_put_str(out, reach.authority);
    buf_put_str(out, to.target);
}

void dial_call_fail(struct dial_call *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!c->error[0])
        vsnprintf(c->error, sizeof(c->error), fmt, args);
    va_end(args);
    dial_call_end(c, DIAL_END_FAILED, "");
}

/* -- TwiML -- */

static void answer(struct dial_call *c)
{
    if (c->answered_us == 0)
        c->answered_us = loop_now_us(c->loop);
    c->call_status = "in-progress";
}

static void obey_say(struct dial_call *c, const struct twiml_verb *v)
{
    struct buf mulaw;
    struct err_detail why;
    answer(c);
    buf_init(&mulaw, VOICE_BYTES_MAX);
    if (c->say_count < DIAL_SAYS_MAX)
        c->says[c->say_count++] = mem_strndup(v->text.p ? v->text.p : "", v->text.len);
    dial_say(c, "carrier says: %.*s", STR_FMT(v->text));
    if (voice_say("kal16", v->text, &mulaw, &why) != OK)
        buf_reset(&mulaw);
    if (c->opts->keep_audio && mulaw.len > 0) {
        buf_put(&c->agent_audio, mulaw.p, mulaw.len);
        char *quiet = buf_reserve(&c->caller_audio, mulaw.len);
        if (quiet) {
            memset(quiet, 0xff, mulaw.len);
            buf_commit(&c->caller_audio, mulaw.len);
        }
    }
    loop_timer_set(c->wait, mulaw.len / 8);
    buf_fini(&mulaw);
}

static void obey_connect(struct dial_call *c, size_t index)
{
    const struct twiml_doc *d = &c->doc;
    struct str action = twiml_attr(&d->verbs[index], "action");
    mem_free(c->action);
    c->action = action.p ? mem_strndup(action.p, action.len) : NULL;
    for (size_t i = index + 1; i < d->verb_count; i++) {
        const struct twiml_verb *v = &d->verbs[i];
        if (v->parent != (int)index || !str_eq(v->name, STR("Stream")))
            continue;
        c->param_count = 0;
        for (size_t k = i + 1; k < d->verb_count && c->param_count < TWILIO_PARAMS_MAX; k++) {
            if (d->verbs[k].parent == (int)i && str_eq(d->verbs[k].name, STR("Parameter")))
                c->params[c->param_count++] = (struct twilio_param){
                    twiml_attr(&d->verbs[k], "name"), twiml_attr(&d->verbs[k], "value")};
        }
        answer(c);
        dial_stream_open(c, twiml_attr(v, "url"));
        return;
    }
    dial_call_fail(c, "the TwiML connects to nothing");
}

static void obey_dial(struct dial_call *c, const struct twiml_verb *v)
{
    struct str number = v->text;
    for (size_t i = c->verb; number.len == 0 && i < c->doc.verb_count; i++)
        number = c->doc.verbs[i].text; /* <Number>, <Sip>, <Client> stand in it */
    snprintf(c->transferred_to, sizeof(c->transferred_to), "%.*s", STR_FMT(number));
    answer(c);
    dial_say(c, "transferred to %s", c->transferred_to);
    struct str action = twiml_attr(v, "action");
    if (action.p)
        dial_ask(c, action, "DialCallStatus", "completed");
    else
        dial_call_end(c, DIAL_END_TRANSFER, "");
}

static void obey(struct dial_call *c, size_t index)
{
    const struct twiml_verb *v = &c->doc.verbs[index];
    uint64_t seconds = 1;
    if (str_eq(v->name, STR("Say"))) {
        obey_say(c, v);
    } else if (str_eq(v->name, STR("Pause"))) {
        answer(c);
        (void)str_to_u64(twiml_attr(v, "length"), &seconds);
        loop_timer_set(c->wait, (seconds < 600 ? seconds : 600) * 1000);
    } else if (str_eq(v->name, STR("Hangup"))) {
        dial_call_end(c, c->transferred_to[0] ? DIAL_END_TRANSFER : DIAL_END_AGENT, "hangup");
    } else if (str_eq(v->name, STR("Reject"))) {
        c->call_status = "busy";
        dial_call_end(c, DIAL_END_REJECT, "rejected");
    } else if (str_eq(v->name, STR("Redirect"))) {
        dial_ask(c, v->text, NULL, NULL);
    } else if (str_eq(v->name, STR("Connect"))) {
        obey_connect(c, index);
    } else if (str_eq(v->name, STR("Dial"))) {
        obey_dial(c, v);
    } else {
        dial_say(c, "(skipping <%.*s>)", STR_FMT(v->name));
        loop_timer_set(c->wait, 0);
    }
}

void dial_call_next_verb(struct dial_call *c)
{
    while (c->verb < c->doc.verb_count && c->doc.verbs[c->verb].parent != TWIML_TOP)
        c->verb++;
    if (c->verb == c->doc.verb_count)
        dial_call_end(c, c->transferred_to[0] ? DIAL_END_TRANSFER : DIAL_END_AGENT,
                      "end of the TwiML");
    else
        obey(c, c->verb++);
}

static void on_wait(void *ctx)
{
    struct dial_call *c = ctx;
    if (c->ended_by != DIAL_END_NONE)
        finish(c);
    else
        dial_call_next_verb(c);
}

/* Whether the server left or broke down shows in what it wants next. */
static void begin_break(struct dial_call *c)
{
    struct dial_break *last = c->break_count ? &c->breaks[c->break_count - 1] : NULL;
    if (last && last->heard_ms < 0) { /* before a word was heard: to the caller it is the same */
        last->stream_ms = -1;
        c->broken = true;
        return;
    }
    if (c->break_count == DIAL_BREAKS_MAX)
        return;
    int64_t now_ms = dial_call_now_ms(c);
    int64_t quiet_ms = c->last_audible_ms < 0 ? -1 : now_ms - c->last_audible_ms;
    c->breaks[c->break_count++] =
        (struct dial_break){.at_ms = now_ms, .quiet_ms = quiet_ms, .stream_ms = -1, .heard_ms = -1};
    c->broken = true;
}

void dial_call_stream_over(struct dial_call *c, bool by_server)
{
    if (!by_server || c->ended_by != DIAL_END_NONE) {
        dial_call_end(c, DIAL_END_CALLER, "");
        return;
    }
    if (!c->has_doc) { /* a stream without a webhook */
        dial_call_end(c, DIAL_END_AGENT, "the stream was closed");
        return;
    }
    if (c->action) {
        begin_break(c);
        dial_ask(c, str_of(c->action), NULL, NULL);
    } else {
        dial_call_next_verb(c);
    }
}

/* -- the end -- */

static void deliver_done(void *ctx)
{
    struct dial_call *c = ctx;
    c->on_done(c->ctx);
}

static void finish(struct dial_call *c)
{
    if (c->finished)
        return;
    c->finished = true;
    loop_timer_cancel(c->limit);
    loop_timer_cancel(c->wait);
    loop_defer(c->loop, deliver_done, c);
}

static void on_status(void *ctx, const struct http_result *r)
{
    struct dial_call *c = ctx;
    c->fetch = NULL;
    c->status_code = r->err == OK ? (int)r->status : -1;
    finish(c);
}

static void report_end(struct dial_call *c)
{
    const struct dial_opts *o = c->opts;
    const char *path = o->status_path ? o->status_path : "/api/twilio/status";
    if (!path[0] || o->stream_url) {
        finish(c);
        return;
    }
    char seconds[24], minutes[24], stamp[64];
    struct dial_form f = {.count = 0};
    struct buf url;
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    int64_t duration_s = c->answered_us ? (c->duration_ms + 999) / 1000 : 0;
    snprintf(seconds, sizeof(seconds), "%" PRId64, duration_s);
    snprintf(minutes, sizeof(minutes), "%" PRId64, (duration_s + 59) / 60);
    if (strcmp(c->call_status, "in-progress") == 0)
        c->call_status = "completed";
    else if (strcmp(c->call_status, "ringing") == 0)
        c->call_status = c->ended_by == DIAL_END_FAILED ? "failed" : "completed";
    dial_form_call(c, &f);
    dial_form_add(&f, "CallDuration", seconds);
    dial_form_add(&f, "Duration", minutes);
    dial_form_add(&f, "CallbackSource", "call-progress-events");
    dial_form_add(&f, "SequenceNumber", "0");
    dial_form_add(&f, "Timestamp", stamp);
    buf_init(&url, HTTP_HEAD_BYTES_MAX);
    dial_call_resolve(c, str_of(path), &url);
    if (dial_post(c, buf_str(&url), &f, DIAL_WEBHOOK_TIMEOUT_MS, on_status) != OK)
        finish(c);
    buf_fini(&url);
}

void dial_call_end(struct dial_call *c, enum dial_end by, const char *detail)
{
    if (c->ended_by == DIAL_END_NONE) {
        bool wanted = by == DIAL_END_AGENT || by == DIAL_END_TRANSFER;
        if (c->broken && wanted && !c->breaks[c->break_count - 1].resumed)
            c->break_count--; /* the server had ended the stream on purpose */
        c->broken = false;
        c->ended_by = by;
        snprintf(c->ended_detail, sizeof(c->ended_detail), "%s", detail);
    }
    if (c->closing)
        return;
    if (c->ws) { /* the stream first; it calls again when it is closed */
        dial_stream_hangup(c);
        return;
    }
    c->closing = true;
    dial_stream_stop(c);
    dial_ask_stop(c);
    loop_timer_cancel(c->wait);
    int64_t end_us = loop_now_us(c->loop);
    c->duration_ms = c->answered_us ? (end_us - c->answered_us) / 1000 : 0;
    report_end(c);
}

static void on_limit(void *ctx)
{
    struct dial_call *c = ctx;
    if (!c->error[0])
        snprintf(c->error, sizeof(c->error), "the call took longer than --max-seconds");
    dial_call_end(c, DIAL_END_CALLER, "too long");
}

void dial_call_hangup(struct dial_call *c)
{
    if (c->started && !c->finished)
        dial_call_end(c, DIAL_END_CALLER, "told to");
}

struct dial_call *dial_call_new(struct loop *l, struct http_client *http, struct tls_client *tls,
                                const struct dial_opts *opts, unsigned number, loop_fn *on_done,
                                void *ctx)
{
    struct dial_call *c = mem_zalloc(sizeof(*c));
    c->loop = l;
    c->http = http;
    c->tls = tls;
    c->opts = opts;
    c->number = number;
    c->on_done = on_done;
    c->ctx = ctx;
    c->webhook_ms = c->stream_open_ms = c->last_audible_ms = -1;
    c->call_status = "ringing";
    memcpy(c->call_sid, "CA", 2);
    rng_hex(loop_rng(l), c->call_sid + 2, 16);
    c->wait = loop_timer_new(l, on_wait, c);
    c->limit = loop_timer_new(l, on_limit, c);
    dial_ask_init(c);
    dial_playout_init(&c->playout);
    buf_init(&c->out, WS_MESSAGE_BYTES_MAX);
    buf_init(&c->caller_audio, (size_t)8000 * DIAL_SECONDS_MAX);
    buf_init(&c->agent_audio, (size_t)8000 * DIAL_SECONDS_MAX);
    return c;
}

void dial_call_start(struct dial_call *c)
{
    const struct dial_opts *o = c->opts;
    c->started = true;
    c->start_us = loop_now_us(c->loop);
    loop_timer_set(c->limit, (uint64_t)(o->max_ms > 0 ? o->max_ms : DEFAULT_MAX_MS));
    if (o->stream_url) {
        answer(c);
        dial_stream_open(c, str_of(o->stream_url));
        return;
    }
    dial_say(c, "ringing %s", o->to);
    dial_ask(c, str_of(o->path ? o->path : "/api/twilio/voice"), NULL, NULL);
}

void dial_call_free(struct dial_call *c)
{
    if (!c)
        return;
    dial_stream_fini(c);
    if (c->has_doc)
        twiml_doc_fini(&c->doc);
    loop_timer_free(c->wait);
    loop_timer_free(c->limit);
    dial_ask_fini(c);
    dial_playout_fini(&c->playout);
    buf_fini(&c->out);
    buf_fini(&c->caller_audio);
    buf_fini(&c->agent_audio);
    for (size_t i = 0; i < c->say_count; i++)
        mem_free(c->says[i]);
    mem_free(c->action);
    mem_free(c);
}
