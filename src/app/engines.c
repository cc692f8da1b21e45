#include "app/engines.h"

#include <string.h>

#include "base/log.h"
#include "engine/local.h"
#include "engine/realtime.h"

static struct call_prices prices(const struct app_config *c)
{
    return (struct call_prices){
        .text_in = c->price_text_in,
        .audio_in = c->price_audio_in,
        .cached_text_in = c->price_cached_text_in,
        .cached_audio_in = c->price_cached_audio_in,
        .text_out = c->price_text_out,
        .audio_out = c->price_audio_out,
        .transcription_in = c->price_transcription_in,
    };
}

bool engines_want_provider(const struct app_config *c)
{
    if (strcmp(c->engine, "local") == 0)
        return false;
    return strcmp(c->engine, "realtime") == 0 || c->openai_api_key[0] || c->provider_url[0];
}

static enum err open_provider(struct engines *e, struct host_env *env, const char *name,
                              const struct realtime_opts *opts, struct call_engine call,
                              struct err_detail *detail)
{
    struct engine_driver *driver = &e->providers[e->provider_count];
    enum err err = realtime_driver_open(opts, driver, detail);
    if (err != OK)
        return err;
    e->provider_count++;
    call.name = name;
    env->engines[env->engine_count++] = (struct host_engine){.driver = driver, .call = call};
    return OK;
}

/* A provider behind the first, if there is one. */
static enum err open_further(struct engines *e, const struct engines_opts *o, struct host_env *env,
                             const char *name, const struct provider_settings *p,
                             struct err_detail *detail)
{
    const struct app_config *c = o->config;
    if (!p->url[0])
        return OK;
    struct call_engine call = {.model = p->model, .voice = p->voice, .prices = prices(c)};
    if (p->prices[0] && !config_prices(str_of(p->prices), &call.prices))
        return ERR_INVALID; /* config_load has refused it before */
    struct realtime_opts opts = {
        .url = str_of(p->url),
        .model = str_of(p->model),
        .api_key = str_of(p->key),
        .shape = p->beta ? REALTIME_BETA : REALTIME_AUTO,
        .tls = o->tls,
        .connect_timeout_ms = (uint32_t)c->connect_timeout_ms,
    };
    return open_provider(e, env, name, &opts, call, detail);
}

static enum err open_providers(struct engines *e, const struct engines_opts *o,
                               struct host_env *env, struct err_detail *detail)
{
    const struct app_config *c = o->config;
    struct realtime_opts opts = {
        .url = str_of(c->provider_url),
        .model = str_of(c->provider_model),
        .api_key = str_of(c->openai_api_key),
        .shape = c->provider_beta ? REALTIME_BETA : REALTIME_AUTO,
        .tls = o->tls,
        .connect_timeout_ms = (uint32_t)c->connect_timeout_ms,
    };
    struct call_engine call = {.model = c->provider_model, .voice = "", .prices = prices(c)};
    enum err err = open_provider(e, env, "realtime", &opts, call, detail);
    if (err == OK)
        err = open_further(e, o, env, "realtime2", &c->provider2, detail);
    if (err == OK)
        err = open_further(e, o, env, "realtime3", &c->provider3, detail);
    return err;
}

enum err engines_open(struct engines *e, const struct engines_opts *o, struct host_env *env,
                      struct err_detail *detail)
{
    const struct app_config *c = o->config;
    enum err err = engines_want_provider(c) ? open_providers(e, o, env, detail) : OK;
    if (err != OK)
        return err;
    if (c->max_local_calls == 0)
        return env->engine_count ? OK
                                 : err_explain(detail, ERR_INVALID,
                                               "max_local_calls = 0 leaves no engine to answer: "
                                               "set a provider, or allow the offline engine");
    struct local_opts local = {.live = o->live};
    err = local_driver_open(&local, &e->local, detail);
    if (err != OK && env->engine_count == 0)
        return err;
    if (err != OK) { /* only the last fall-back is missing */
        LOG_WARN(NULL, "engine.local_missing", "why=\"%s\"", detail->text);
        return OK;
    }
    e->has_local = true;
    env->engines[env->engine_count++] =
        (struct host_engine){.driver = &e->local,
                             .call = {.name = "local", .model = "", .voice = "", .endless = true},
                             .max_calls = (uint32_t)c->max_local_calls};
    return OK;
}

void engines_close(struct engines *e)
{
    for (unsigned i = 0; i < e->provider_count; i++)
        realtime_driver_close(&e->providers[i]);
    if (e->has_local)
        local_driver_close(&e->local);
}
