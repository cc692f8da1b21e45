/*
 * wiring.h - the server, put together: the one place that names concrete drivers.
 *
 *   Lifetime  server_open, server_run (returns after SIGINT/SIGTERM or server_stop), server_close.
 *   Thread    the main thread, which also runs loop 0.
 */
#ifndef APP_WIRING_H
#define APP_WIRING_H

#include "app/config.h"
#include "base/err.h"
#include "session/host.h"

struct server;

struct server_opts {
    const struct app_config *config;
    const struct host_observer *observer; /* may be NULL */
    void *observer_ctx;
    loop_fn *on_ready; /* once it listens and the supervisor knows; may be NULL */
    void *on_ready_ctx;
    const char *demo_dir; /* where the demo business's files are; used with config->demo */
};

/* Opens everything but serves nothing yet. ERR_INVALID for a configuration that cannot work; the
 * sentence in `detail` says what to change. */
enum err server_open(struct server **out, const struct server_opts *opts,
                     struct err_detail *detail) MUST_CHECK;
/* Listens, runs the loops until stopped, ends the calls, closes. Frees the server. */
enum err server_run(struct server *s, struct err_detail *detail) MUST_CHECK;

#endif
