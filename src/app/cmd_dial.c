/* `callee dial`: the command line of the simulated caller, and its event loop. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/dial.h"
#include "app/voice.h"
#include "audio/g711.h"
#include "base/limits.h"

enum { AFTER_WORDS_BYTES = 8 * 100 };

/* Utterances are made before the call, because synthesis takes longer than a frame. */
struct dial_flags {
    struct dial_opts opts;
    struct dial_step steps[DIAL_STEPS_MAX];
    struct buf audio[DIAL_STEPS_MAX];
    bool from_file[DIAL_STEPS_MAX];
    size_t count;
    int64_t interrupt_ms; /* of the next utterance; -1 = none */
    const char *token;
    const char *voice;
    const char *save;
    int64_t calls, spread_ms, max_seconds;
    bool json;
};

static enum err add_step(struct dial_flags *f, struct dial_step step, struct err_detail *why)
{
    if (f->count == DIAL_STEPS_MAX)
        return err_explain(why, ERR_INVALID, "a call has at most %d steps", DIAL_STEPS_MAX);
    step.interrupt_ms = step.kind == DIAL_SAY ? f->interrupt_ms : -1;
    if (step.kind == DIAL_SAY)
        f->interrupt_ms = -1;
    buf_init(&f->audio[f->count], VOICE_BYTES_MAX);
    f->steps[f->count++] = step;
    return OK;
}

static enum err take_say(void *opts, const struct flag_row *row, const char *value,
                         struct err_detail *why)
{
    struct dial_flags *f = opts;
    if (f->count < DIAL_STEPS_MAX)
        f->from_file[f->count] = strcmp(row->name, "wav") == 0;
    return add_step(f, (struct dial_step){.kind = DIAL_SAY, .text = value}, why);
}

static enum err take_dtmf(void *opts, const struct flag_row *row, const char *value,
                          struct err_detail *why)
{
    (void)row;
    if (!value[0] || strspn(value, "0123456789*#ABCD") != strlen(value))
        return err_explain(why, ERR_INVALID, "--dtmf takes digits 0-9 * # A-D, not \"%.40s\"",
                           value);
    return add_step(opts, (struct dial_step){.kind = DIAL_DTMF, .text = value}, why);
}

static enum err take_ms(void *opts, const struct flag_row *row, const char *value,
                        struct err_detail *why)
{
    struct dial_flags *f = opts;
    int64_t ms;
    if (!flags_parse_ms(str_of(value), &ms) || ms > 3600000)
        return err_explain(why, ERR_INVALID, "--%s takes a time in ms, not \"%.40s\"", row->name,
                           value);
    if (strcmp(row->name, "interrupt-after") == 0) {
        f->interrupt_ms = ms;
        return OK;
    }
    return add_step(f, (struct dial_step){.kind = DIAL_PAUSE, .text = "", .pause_ms = ms}, why);
}

#define AT(m)   offsetof(struct dial_flags, m)
#define OPT(m)  offsetof(struct dial_flags, opts.m)
#define TALK(m) offsetof(struct dial_flags, opts.talk.m)

static const struct flag_row flag_rows[] = {
    {"url", FLAG_TEXT, OPT(url), 0, 0, NULL, "URL", "the server (http://127.0.0.1:8080)"},
    {"stream-url", FLAG_TEXT, OPT(stream_url), 0, 0, NULL, "URL",
     "no webhook: open this media stream at once"},
    {"path", FLAG_TEXT, OPT(path), 0, 0, NULL, "PATH", "voice webhook (/api/twilio/voice)"},
    {"status-path", FLAG_TEXT, OPT(status_path), 0, 0, NULL, "PATH",
     "status callback (/api/twilio/status); empty: none"},
    {"token", FLAG_TEXT, AT(token), 0, 0, NULL, "TOKEN",
     "auth token to sign with (twilio_auth_token)"},
    {"from", FLAG_TEXT, OPT(from), 0, 0, NULL, "NUMBER", "caller (+15055550199)"},
    {"to", FLAG_TEXT, OPT(to), 0, 0, NULL, "NUMBER", "number called (+15055550100)"},
    {"say", FLAG_FN, 0, 0, 0, take_say, "TEXT", "say this when the agent has finished; repeatable"},
    {"wav", FLAG_FN, 0, 0, 0, take_say, "FILE", "play this recording as an utterance; repeatable"},
    {"dtmf", FLAG_FN, 0, 0, 0, take_dtmf, "DIGITS", "press these keys"},
    {"pause", FLAG_FN, 0, 0, 0, take_ms, "MS", "stay silent"},
    {"interrupt-after", FLAG_FN, 0, 0, 0, take_ms, "MS",
     "the next utterance starts MS after the agent began to speak"},
    {"voice", FLAG_TEXT, AT(voice), 0, 0, NULL, "VOICE",
     "caller's voice: rms (default), slt, awb, kal16, tone"},
    {"settle", FLAG_MS, TALK(settle_ms), 100, 60000, NULL, "MS",
     "silence after which the agent has finished (700)"},
    {"first-settle", FLAG_MS, TALK(first_settle_ms), 100, 60000, NULL, "MS",
     "the same for the opening, which may have several parts (1500)"},
    {"patience", FLAG_MS, TALK(patience_ms), 100, 600000, NULL, "MS", "for an answer (15000)"},
    {"hangup-after", FLAG_MS, OPT(hangup_ms), 0, 14400000, NULL, "MS",
     "hang up then, whatever was said"},
    {"max-seconds", FLAG_INT, AT(max_seconds), 1, DIAL_SECONDS_MAX, NULL, "N",
     "a longer call has failed (120)"},
    {"rtt", FLAG_MS, OPT(rtt_ms), 0, 5000, NULL, "MS", "round trip of the simulated network (0)"},
    {"jitter", FLAG_MS, OPT(jitter_ms), 0, 5000, NULL, "MS",
     "extra delay of caller audio, at most"},
    {"retry-wait", FLAG_MS, OPT(retry_wait_ms), 1, 15000, NULL, "MS",
     "before a webhook is asked again; doubled each time (250)"},
    {"calls", FLAG_INT, AT(calls), 1, DIAL_CALLS_MAX, NULL, "N", "so many calls at once (1)"},
    {"spread", FLAG_MS, AT(spread_ms), 0, 60000, NULL, "MS", "between the starts of calls (0)"},
    {"save", FLAG_TEXT, AT(save), 0, 0, NULL, "FILE",
     "stereo WAVE file: left the caller, right the agent as heard"},
    {"json", FLAG_SWITCH, AT(json), 0, 0, NULL, NULL, "one JSON object a call, nothing else"},
};

static const char usage[] =
    "usage: callee dial [--to NUMBER] [--say TEXT]... [--wav FILE]... [--json]\n\n"
    "Places a call as Twilio does: signed webhook, TwiML, media stream in real time, marks echoed\n"
    "when played. Steps (--say, --wav, --dtmf, --pause) happen in their order. Exit code 0: the\n"
    "call went as scripted.";

struct running {
    struct loop *loop;
    struct dial_flags *flags;
    struct dial_call **calls;
    struct loop_timer *timer;
    size_t started, done;
    uv_signal_t signals[2];
};

static enum err prepare_steps(struct dial_flags *f, struct err_detail *why)
{
    for (size_t i = 0; i < f->count; i++) {
        struct dial_step *s = &f->steps[i];
        struct buf *mulaw = &f->audio[i];
        if (s->kind != DIAL_SAY)
            continue;
        enum err err = f->from_file[i] ? voice_read_wav(s->text, mulaw, why)
                                       : voice_say(f->voice, str_of(s->text), mulaw, why);
        if (err != OK)
            return err;
        /* Whole frames, and a breath behind the last word. */
        size_t odd = mulaw->len % VOICE_FRAME_BYTES;
        size_t pad = AFTER_WORDS_BYTES + (odd ? VOICE_FRAME_BYTES - odd : 0);
        char *quiet = buf_reserve(mulaw, pad);
        if (quiet) {
            memset(quiet, G711_MULAW_SILENCE, pad);
            buf_commit(mulaw, pad);
        }
        s->audio = (const uint8_t *)mulaw->p;
        s->audio_len = mulaw->len;
    }
    f->opts.talk.steps = f->steps;
    f->opts.talk.step_count = f->count;
    return OK;
}

static void stop_if_done(struct running *r)
{
    if (r->done < (size_t)r->flags->calls)
        return;
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&r->signals[i], NULL);
    loop_stop(r->loop);
}

static void on_done(void *ctx)
{
    struct running *r = ctx;
    r->done++;
    stop_if_done(r);
}

static void on_start(void *ctx)
{
    struct running *r = ctx;
    do {
        dial_call_start(r->calls[r->started++]);
    } while (r->flags->spread_ms == 0 && r->started < (size_t)r->flags->calls);
    if (r->started < (size_t)r->flags->calls)
        loop_timer_set(r->timer, (uint64_t)r->flags->spread_ms);
}

static void on_signal(uv_signal_t *h, int number)
{
    (void)number;
    struct running *r = h->data;
    for (size_t i = 0; i < (size_t)r->flags->calls; i++)
        dial_call_hangup(r->calls[i]);
    if (r->started < (size_t)r->flags->calls) { /* the rest is not placed any more */
        loop_timer_cancel(r->timer);
        r->done += (size_t)r->flags->calls - r->started;
        r->started = (size_t)r->flags->calls;
        stop_if_done(r);
    }
}

/* Prints what came of the calls; the exit code. */
static int report(const struct running *r)
{
    const struct dial_flags *f = r->flags;
    int64_t good = 0;
    for (int64_t i = 0; i < f->calls; i++) {
        struct buf b;
        good += dial_call_ok(r->calls[i]);
        buf_init(&b, 4 << 20);
        dial_call_json(r->calls[i], &b);
        if (f->json)
            printf("%s\n", buf_cstr(&b));
        else
            dial_call_print(r->calls[i]);
        buf_fini(&b);
    }
    struct err_detail why;
    if (f->save && dial_call_wav(r->calls[0], f->save, &why) != OK)
        return command_failed("%s", why.text);
    if (f->calls > 1 && !f->json)
        printf("%" PRId64 " of %" PRId64 " calls completed\n", good, f->calls);
    return good == f->calls ? 0 : 1;
}

static int run(struct dial_flags *f, const struct app_config *c)
{
    struct running r = {.flags = f};
    struct err_detail why = {""};
    struct http_client *http = NULL;
    struct tls_client *tls = NULL;
    const char *ca = c->ca_file[0] ? c->ca_file : NULL;
    if (loop_open(&r.loop, 0) != OK)
        return command_failed("cannot make an event loop");
    if (tls_client_open(&tls, ca, &why) != OK || http_client_open(&http, r.loop, ca) != OK) {
        tls_client_close(tls);
        loop_close(r.loop);
        return command_failed("%s", why.text[0] ? why.text : "cannot make an HTTP client");
    }
    static const int numbers[2] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(loop_uv(r.loop), &r.signals[i]);
        r.signals[i].data = &r;
        uv_signal_start(&r.signals[i], on_signal, numbers[i]);
    }
    r.calls = mem_alloc(sizeof(struct dial_call *) * (size_t)f->calls);
    for (unsigned i = 0; i < f->calls; i++)
        r.calls[i] = dial_call_new(r.loop, http, tls, &f->opts, i + 1, on_done, &r);
    r.timer = loop_timer_new(r.loop, on_start, &r);
    loop_timer_set(r.timer, 0);
    loop_run(r.loop);
    int code = report(&r);
    for (unsigned i = 0; i < f->calls; i++)
        dial_call_free(r.calls[i]);
    mem_free(r.calls);
    loop_timer_free(r.timer);
    http_client_close(http);
    loop_close(r.loop);
    tls_client_close(tls);
    return code;
}

static int prepare_and_run(struct dial_flags *f, const struct app_config *c)
{
    struct err_detail why;
    f->opts.public_url = c->public_url;
    f->opts.token = f->token ? f->token : c->twilio_auth_token;
    f->opts.account_sid =
        c->twilio_account_sid[0] ? c->twilio_account_sid : "AC00000000000000000000000000000000";
    f->opts.max_ms = f->max_seconds * 1000;
    f->opts.keep_audio = f->save != NULL;
    f->opts.print = !f->json;
    f->opts.many = f->calls > 1;
    if (!voice_known(f->voice))
        return command_usage("--voice: there is no voice \"%.40s\"", f->voice);
    if (f->interrupt_ms >= 0)
        return command_usage("--interrupt-after needs an utterance behind it");
    if (f->save && f->calls > 1)
        return command_usage("--save takes one call, not several");
    if (prepare_steps(f, &why) != OK)
        return command_usage("%s", why.text);
    return run(f, c);
}

int cmd_dial(int argc, char **argv)
{
    struct dial_flags *f = mem_zalloc(sizeof(*f));
    *f = (struct dial_flags){.opts = {.url = "http://127.0.0.1:8080",
                                      .from = "+15055550199",
                                      .to = "+15055550100",
                                      .hangup_ms = -1},
                             .interrupt_ms = -1,
                             .voice = "rms",
                             .calls = 1,
                             .max_seconds = 120};
    struct app_config c;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = f};
    int code = config_start(&c, &args);
    if (code < 0) {
        code = prepare_and_run(f, &c);
        config_fini(&c);
    }
    for (size_t i = 0; i < f->count; i++)
        buf_fini(&f->audio[i]);
    mem_free(f);
    return code;
}
