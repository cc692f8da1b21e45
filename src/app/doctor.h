/*
 * doctor.h - what `callee doctor` looks at, one check after another; for cmd_doctor.c and
 * doctor_*.c.
 *
 * A check prints its lines through doctor_ok / _warn / _fail. One that has to wait returns true and
 * calls doctor_next when it is done.
 *
 *   Thread   the loop's.
 */
#ifndef APP_DOCTOR_H
#define APP_DOCTOR_H

#include "app/config.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/tls.h"

struct twilio_rest;
struct ws;

struct doctor {
    struct loop *loop;
    struct http_client *http;
    struct tls_client *tls;
    const struct app_config *config;
    const char *number; /* whose voice URL is looked up; NULL = none */
    size_t step;
    unsigned warnings, failures;
    struct twilio_rest *twilio;
    struct ws *ws; /* to the provider */
    struct loop_timer *timer;
    bool settled; /* the provider has answered */
    bool key_good;
};

/* True: it will call doctor_next. */
typedef bool doctor_check_fn(struct doctor *d);

void doctor_next(struct doctor *d);

/* "ok    topic  text"; a warning and a failure also say what to do. */
void doctor_ok(const struct doctor *d, const char *topic, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_warn(struct doctor *d, const char *topic, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void doctor_fail(struct doctor *d, const char *topic, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* doctor_local.c: this machine */
bool doctor_data(struct doctor *d);
bool doctor_database(struct doctor *d);
bool doctor_descriptors(struct doctor *d);
bool doctor_speech(struct doctor *d);
bool doctor_certificate(struct doctor *d);
/* doctor_net.c: everybody else */
bool doctor_public_url(struct doctor *d);
bool doctor_model(struct doctor *d);
bool doctor_session(struct doctor *d);
bool doctor_account(struct doctor *d);
bool doctor_number(struct doctor *d);

#endif
