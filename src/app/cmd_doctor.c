/* `callee doctor`: is everything there that answering calls needs, and if not, what to do. */
#include <stdarg.h>
#include <stdio.h>

#include "app/commands.h"
#include "app/doctor.h"
#include "channel/twilio_rest.h"

static doctor_check_fn *const checks[] = {
    doctor_data,       doctor_database, doctor_descriptors, doctor_speech,  doctor_certificate,
    doctor_public_url, doctor_model,    doctor_session,     doctor_account, doctor_number,
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static const struct flag_row flag_rows[] = {
    {"number", FLAG_TEXT, offsetof(struct doctor, number), 0, 0, NULL, "NUMBER",
     "also look whether Twilio rings here when this number is called"},
};

static const char usage[] =
    "usage: callee doctor [--number +15055550100] [settings as for serve]\n\n"
    "Checks the data folder, speech data, certificate, public address, provider and Twilio\n"
    "account that these settings name, and says what to do. Exit code 1 if something fails.";

static void print_line(const char *verdict, const char *topic, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

static void print_line(const char *verdict, const char *topic, const char *fmt, va_list args)
{
    printf("%-5s %-12s ", verdict, topic);
    vprintf(fmt, args);
    printf("\n");
}

void doctor_ok(const struct doctor *d, const char *topic, const char *fmt, ...)
{
    (void)d;
    va_list args;
    va_start(args, fmt);
    print_line("ok", topic, fmt, args);
    va_end(args);
}

void doctor_warn(struct doctor *d, const char *topic, const char *advice, const char *fmt, ...)
{
    d->warnings++;
    va_list args;
    va_start(args, fmt);
    print_line("warn", topic, fmt, args);
    va_end(args);
    printf("%-18s -> %s\n", "", advice);
}

void doctor_fail(struct doctor *d, const char *topic, const char *advice, const char *fmt, ...)
{
    d->failures++;
    va_list args;
    va_start(args, fmt);
    print_line("fail", topic, fmt, args);
    va_end(args);
    printf("%-18s -> %s\n", "", advice);
}

static void run_checks(void *ctx)
{
    struct doctor *d = ctx;
    fflush(stdout);
    while (d->step < CHECKS) {
        if (checks[d->step++](d))
            return;
    }
    loop_stop(d->loop);
}

void doctor_next(struct doctor *d)
{
    loop_defer(d->loop, run_checks, d);
}

static int examine(struct doctor *d)
{
    struct err_detail why = {""};
    const char *ca = d->config->ca_file[0] ? d->config->ca_file : NULL;
    if (loop_open(&d->loop, 0) != OK)
        return command_failed("cannot make an event loop");
    if (tls_client_open(&d->tls, ca, &why) != OK || http_client_open(&d->http, d->loop, ca) != OK) {
        tls_client_close(d->tls);
        loop_close(d->loop);
        return command_usage("%s", why.text[0] ? why.text : "cannot make an HTTP client");
    }
    d->timer = NULL;
    doctor_next(d);
    loop_run(d->loop);
    twilio_rest_close(d->twilio);
    loop_timer_free(d->timer);
    http_client_close(d->http);
    loop_close(d->loop);
    tls_client_close(d->tls);
    printf("\n%u failed, %u to look at\n", d->failures, d->warnings);
    return d->failures > 0;
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor d = {0};
    struct app_config c;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &d};
    int code = config_start(&c, &args);
    if (code >= 0)
        return code;
    d.config = &c;
    code = examine(&d);
    config_fini(&c);
    return code;
}
