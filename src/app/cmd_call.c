/* callee call: what the carrier is asked to do with a call, by hand: place, hang up, transfer. */
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/config.h"
#include "base/limits.h"
#include "channel/twilio_rest.h"
#include "net/http_client.h"
#include "proto/twiml.h"

static const char USAGE[] =
    "usage: callee call place --to NUMBER --from NUMBER [--ring SECONDS]\n"
    "       callee call hangup CALLSID\n"
    "       callee call transfer CALLSID NUMBER\n"
    "Asks Twilio over its REST API. place rings NUMBER from one of the account's own numbers and\n"
    "lets the business of that number talk; it needs the public URL under which this server is\n"
    "reached. Needs twilio_account_sid and twilio_auth_token.\n";

struct call_flags {
    const char *to, *from;
    int64_t ring_s;
};

struct run {
    struct loop *loop;
    int code;
};

static void on_done(void *ctx, const struct twilio_rest_result *r)
{
    struct run *run = ctx;
    if (r->err == OK) {
        struct str sid = js_get_str(r->json, "sid"), status = js_get_str(r->json, "status");
        printf("%.*s %.*s\n", STR_FMT(sid), STR_FMT(status));
        run->code = 0;
    } else {
        run->code = command_failed("%s", r->detail);
    }
    loop_stop(run->loop);
}

static enum err place(struct twilio_rest *rest, const struct app_config *c,
                      const struct call_flags *flags, struct run *run, struct err_detail *why)
{
    if (!flags->to || !flags->from)
        return err_explain(why, ERR_INVALID, "place needs --to and --from");
    if (c->public_url[0] == '\0')
        return err_explain(why, ERR_INVALID,
                           "place needs --public-url: Twilio asks there what to do");
    char url[CONFIG_VALUE_BYTES_MAX + 32], status[CONFIG_VALUE_BYTES_MAX + 32];
    snprintf(url, sizeof(url), "%s/api/twilio/voice", c->public_url);
    snprintf(status, sizeof(status), "%s/api/twilio/status", c->public_url);
    struct twilio_rest_call call = {.to = str_of(flags->to),
                                    .from = str_of(flags->from),
                                    .url = str_of(url),
                                    .status_callback = str_of(status),
                                    .ring_timeout_s = (uint32_t)flags->ring_s};
    return twilio_rest_place_call(rest, &call, on_done, run);
}

static enum err transfer(struct twilio_rest *rest, const char *sid, const char *number,
                         struct run *run)
{
    struct buf twiml;
    buf_init(&twiml, TWIML_BYTES_MAX);
    struct twiml_dial dial = {.number = str_of(number)};
    twiml_open(&twiml);
    twiml_dial(&twiml, &dial);
    twiml_close(&twiml);
    enum err err = twilio_rest_redirect(rest, str_of(sid), buf_str(&twiml), on_done, run);
    buf_fini(&twiml);
    return err;
}

static enum err ask(struct twilio_rest *rest, const struct app_config *c, const char **words,
                    size_t count, const struct call_flags *flags, struct run *run,
                    struct err_detail *why)
{
    enum err err = ERR_INVALID;
    if (count == 1 && strcmp(words[0], "place") == 0)
        err = place(rest, c, flags, run, why);
    else if (count == 2 && strcmp(words[0], "hangup") == 0)
        err = twilio_rest_hang_up(rest, str_of(words[1]), on_done, run);
    else if (count == 3 && strcmp(words[0], "transfer") == 0)
        err = transfer(rest, words[1], words[2], run);
    else
        return err_explain(why, err, "place, hangup CALLSID or transfer CALLSID NUMBER?");
    if (err != OK && why->text[0] == '\0')
        return err_explain(why, err, "that is no call or number Twilio could know");
    return err;
}

static int run_request(const struct app_config *c, const char **words, size_t count,
                       const struct call_flags *flags)
{
    struct run run = {.code = 1};
    struct http_client *http = NULL;
    struct twilio_rest *rest = NULL;
    struct err_detail why = {""};
    if (loop_open(&run.loop, 0) != OK)
        return command_failed("cannot make an event loop");
    enum err err = http_client_open(&http, run.loop, c->ca_file[0] ? c->ca_file : NULL);
    if (err == OK) {
        struct twilio_rest_opts opts = {.loop = run.loop,
                                        .http = http,
                                        .api_url = str_of(c->twilio_api_url),
                                        .account_sid = str_of(c->twilio_account_sid),
                                        .auth_token = str_of(c->twilio_auth_token)};
        err = twilio_rest_open(&rest, &opts, &why);
    }
    if (err == OK)
        err = ask(rest, c, words, count, flags, &run, &why);
    if (err == OK)
        loop_run(run.loop);
    else
        run.code = command_usage("%s", why.text);
    twilio_rest_close(rest);
    http_client_close(http);
    loop_close(run.loop);
    return run.code;
}

int cmd_call(int argc, char **argv)
{
    struct call_flags flags = {0};
    const struct flag_row rows[] = {
        {.name = "to",
         .type = FLAG_TEXT,
         .offset = offsetof(struct call_flags, to),
         .arg = "NUMBER",
         .help = "whom to ring"},
        {.name = "from",
         .type = FLAG_TEXT,
         .offset = offsetof(struct call_flags, from),
         .arg = "NUMBER",
         .help = "one of the account's own numbers"},
        {.name = "ring",
         .type = FLAG_INT,
         .offset = offsetof(struct call_flags, ring_s),
         .min = 5,
         .max = 600,
         .arg = "SECONDS",
         .help = "how long to let it ring (60)"},
    };
    const char *words[3];
    size_t count = 0;
    struct app_config config;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = USAGE,
                               .flags = rows,
                               .flag_count = sizeof(rows) / sizeof(rows[0]),
                               .opts = &flags,
                               .positionals = words,
                               .positional_max = 3,
                               .positional_count = &count};
    int code = config_start(&config, &args);
    if (code >= 0)
        return code;
    code = run_request(&config, words, count, &flags);
    config_fini(&config);
    return code;
}
