/*
 * engines.h - who thinks and speaks, as configured: providers in order, the offline engine last.
 *
 *   Lifetime  engines_open fills in the host's list; engines_close after the loops are closed, also
 *             when engines_open failed halfway or (zeroed) was never called.
 *   Thread    the main thread.
 */
#ifndef APP_ENGINES_H
#define APP_ENGINES_H

#include "app/config.h"
#include "base/err.h"
#include "net/tls.h"
#include "session/host.h"

/* Zero-initialise. */
struct engines {
    struct engine_driver providers[CALL_ENGINES_MAX - 1], local;
    unsigned provider_count;
    bool has_local;
};

struct engines_opts {
    const struct app_config *config;
    struct tls_client *tls;
    struct worker_pool *live;
};

/* Whether a provider answers before the offline engine: it was asked for, or there is a key or an
 * address of one. */
bool engines_want_provider(const struct app_config *c);

/* Appends to env->engines. ERR_INVALID with a sentence when none could answer. */
enum err engines_open(struct engines *e, const struct engines_opts *o, struct host_env *env,
                      struct err_detail *detail) MUST_CHECK;
void engines_close(struct engines *e);

#endif
