/* The checks of everybody else: our own public address, the provider, Twilio. */
#include <stdio.h>

#include "app/doctor.h"
#include "base/js.h"
#include "base/limits.h"
#include "channel/twilio_rest.h"
#include "engine/realtime.h"
#include "net/url.h"
#include "net/ws.h"

enum { ADDRESS_BYTES = 2048, SESSION_TIMEOUT_MS = 10000 };

static const char *provider_url(const struct doctor *d)
{
    return d->config->provider_url[0] ? d->config->provider_url : REALTIME_URL;
}

static bool uses_provider(const struct doctor *d)
{
    const struct app_config *c = d->config;
    if (strcmp(c->engine, "local") == 0)
        return false;
    return strcmp(c->engine, "realtime") == 0 || c->openai_api_key[0] || c->provider_url[0];
}

/* -- the public address -- */

static void on_health(void *ctx, const struct http_result *r)
{
    struct doctor *d = ctx;
    const char *advice = "start the server; point DNS, proxy or tunnel at it";
    if (r->err != OK)
        doctor_fail(d, "public_url", advice, "%s: %s", d->config->public_url, r->detail);
    else if (r->status != 200)
        doctor_fail(d, "public_url", advice, "%s/api/health answers HTTP %u", d->config->public_url,
                    r->status);
    else
        doctor_ok(d, "public_url", "%s reaches a callee", d->config->public_url);
    doctor_next(d);
}

bool doctor_public_url(struct doctor *d)
{
    const struct app_config *c = d->config;
    char url[ADDRESS_BYTES];
    struct url parts;
    if (!c->public_url[0]) {
        doctor_warn(d, "public_url", "set public_url to take real calls",
                    "not set: only this machine can call");
        return false;
    }
    if (url_parse(str_of(c->public_url), &parts, NULL) == OK && !parts.tls)
        doctor_fail(d, "public_url", "use https: Twilio opens streams over TLS alone",
                    "%s is not https", c->public_url);
    snprintf(url, sizeof(url), "%s/api/health", c->public_url);
    struct http_fetch_opts o = {.method = "GET", .url = str_of(url)};
    if (http_fetch(d->http, &o, on_health, d, NULL) == OK)
        return true;
    doctor_fail(d, "public_url", "check its spelling", "%s cannot be asked", c->public_url);
    return false;
}

/* -- the provider -- */

static void on_model(void *ctx, const struct http_result *r)
{
    struct doctor *d = ctx;
    const char *model = d->config->provider_model;
    if (r->err != OK)
        doctor_fail(d, "provider", "check provider_url and the way out of this network",
                    "not reached: %s", r->detail);
    else if (r->status == 401 || r->status == 403)
        doctor_fail(d, "provider", "set OPENAI_API_KEY to a key of this provider",
                    "the key was refused (HTTP %u)", r->status);
    else if (r->status == 404)
        doctor_warn(d, "provider", "set provider_model to one the key may use",
                    "model %s is not listed for this key", model);
    else if (r->status != 200)
        doctor_warn(d, "provider", "some providers list no models; see the next line",
                    "GET /models/%s answers HTTP %u", model, r->status);
    else
        doctor_ok(d, "provider", "the key may use %s", model);
    d->key_good = r->err == OK && r->status != 401 && r->status != 403;
    doctor_next(d);
}

/* wss://host/v1/realtime becomes https://host/v1/models/MODEL. */
static bool models_url(const struct doctor *d, char out[ADDRESS_BYTES])
{
    struct url u;
    if (url_parse(str_of(provider_url(d)), &u, NULL) != OK)
        return false;
    struct str path = u.target;
    path = str_take_until(&path, '?');
    size_t at = str_find(path, STR("/realtime"), 0);
    if (at == SIZE_MAX)
        return false;
    int n = snprintf(out, ADDRESS_BYTES, "%s://%.*s%.*s/models/%s", u.tls ? "https" : "http",
                     STR_FMT(u.authority), (int)at, path.p, d->config->provider_model);
    return n > 0 && n < ADDRESS_BYTES;
}

bool doctor_model(struct doctor *d)
{
    const struct app_config *c = d->config;
    char url[ADDRESS_BYTES], bearer[CONFIG_VALUE_BYTES_MAX + 32];
    d->key_good = true;
    if (!uses_provider(d)) {
        doctor_ok(d, "provider", "none is used: the offline engine answers");
        return false;
    }
    if (!c->openai_api_key[0] && !c->provider_url[0]) {
        d->key_good = false;
        doctor_fail(d, "provider", "set OPENAI_API_KEY, or engine = local", "there is no key");
        return false;
    }
    if (!models_url(d, url))
        return false; /* a provider with paths of its own: the session tells */
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", c->openai_api_key);
    const char *headers[] = {c->openai_api_key[0] ? bearer : NULL, NULL};
    struct http_fetch_opts o = {.method = "GET", .url = str_of(url), .headers = headers};
    if (http_fetch(d->http, &o, on_model, d, NULL) == OK)
        return true;
    doctor_fail(d, "provider", "check provider_url", "it cannot be asked");
    return false;
}

/* The audio format of the telephone is asked for in a real session, which then ends unused. */
static const char session_update[] =
    "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"output_modalities\":["
    "\"audio\"]"
    ",\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcmu\"},\"turn_detection\":null},"
    "\"output\":{\"format\":{\"type\":\"audio/pcmu\"}}}}}";

static void settle(struct doctor *d)
{
    d->settled = true;
    loop_timer_cancel(d->timer);
    ws_close(d->ws, WS_CODE_NORMAL, STR_NONE);
}

static void on_session_text(void *ctx, struct str text)
{
    struct doctor *d = ctx;
    json_t *root;
    if (d->settled || js_parse(text, &root, NULL) != OK)
        return;
    struct str type = js_get_str(root, "type");
    if (str_eq(type, STR("session.created"))) {
        if (ws_send_text(d->ws, str_of(session_update), WS_CONTROL) != OK)
            ws_close(d->ws, WS_CODE_NORMAL, STR_NONE);
    } else if (str_eq(type, STR("session.updated"))) {
        doctor_ok(d, "session", "opened, and telephone audio (audio/pcmu) accepted");
        settle(d);
    } else if (str_eq(type, STR("error"))) {
        struct str message = js_get_str(js_get(root, "error"), "message");
        doctor_fail(d, "session", "check provider_model and provider_url", "refused: %.*s",
                    (int)(message.len < 200 ? message.len : 200), message.p ? message.p : "");
        settle(d);
    }
    json_decref(root);
}

static void on_session_timeout(void *ctx)
{
    struct doctor *d = ctx;
    doctor_fail(d, "session", "try again, then ask the provider", "no answer within %d s",
                SESSION_TIMEOUT_MS / 1000);
    d->settled = true;
    ws_abort(d->ws);
}

static void on_session_closed(void *ctx, unsigned code, struct str reason)
{
    struct doctor *d = ctx;
    if (!d->settled)
        doctor_fail(d, "session", "check the key, provider_model and provider_url",
                    "closed (%u) %.*s", code, STR_FMT(reason));
    d->ws = NULL;
    loop_timer_cancel(d->timer);
    doctor_next(d);
}

static const struct ws_events session_events = {.on_text = on_session_text,
                                                .on_closed = on_session_closed};

bool doctor_session(struct doctor *d)
{
    const struct app_config *c = d->config;
    char url[ADDRESS_BYTES], header[CONFIG_VALUE_BYTES_MAX + 32] = "";
    struct err_detail why;
    if (!uses_provider(d) || !d->key_good)
        return false;
    const char *base = provider_url(d);
    bool names_model = strstr(base, "model=") != NULL;
    snprintf(url, sizeof(url), "%s%s%s", base,
             names_model         ? ""
             : strchr(base, '?') ? "&model="
                                 : "?model=",
             names_model ? "" : c->provider_model);
    if (c->openai_api_key[0])
        snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", c->openai_api_key);
    struct ws_connect_opts o = {.url = str_of(url), .headers = str_of(header), .tls = d->tls};
    d->timer = loop_timer_new(d->loop, on_session_timeout, d);
    if (ws_connect(d->loop, &o, &session_events, d, &d->ws, &why) != OK) {
        doctor_fail(d, "session", "check provider_url", "%s", why.text);
        return false;
    }
    loop_timer_set(d->timer, SESSION_TIMEOUT_MS);
    return true;
}

/* -- Twilio -- */

static void on_account(void *ctx, const struct twilio_rest_result *r)
{
    struct doctor *d = ctx;
    struct str status = r->err == OK ? js_get_str(r->json, "status") : STR_NONE;
    if (r->err == ERR_DENIED)
        doctor_fail(d, "twilio", "copy both again from Twilio's console",
                    "account SID or auth token refused");
    else if (r->err != OK)
        doctor_fail(d, "twilio", "check twilio_api_url and the way out of this network", "%s",
                    r->detail);
    else if (!str_eq(status, STR("active")))
        doctor_fail(d, "twilio", "see Twilio's console", "the account is %.*s", STR_FMT(status));
    else
        doctor_ok(d, "twilio", "the account is active");
    doctor_next(d);
}

bool doctor_account(struct doctor *d)
{
    const struct app_config *c = d->config;
    struct err_detail why;
    if (!c->twilio_auth_token[0] || !c->twilio_account_sid[0]) {
        if (c->insecure_streams)
            doctor_warn(d, "twilio", "fine for trying callee on this machine",
                        "checks are off (insecure_streams)");
        else
            doctor_warn(d, "twilio", "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
                        "not set: every call will be refused");
        return false;
    }
    struct twilio_rest_opts o = {.loop = d->loop,
                                 .http = d->http,
                                 .api_url = str_of(c->twilio_api_url),
                                 .account_sid = str_of(c->twilio_account_sid),
                                 .auth_token = str_of(c->twilio_auth_token)};
    if (twilio_rest_open(&d->twilio, &o, &why) != OK) {
        doctor_fail(d, "twilio", "copy it again from Twilio's console", "%s", why.text);
        return false;
    }
    if (twilio_rest_account(d->twilio, on_account, d) == OK)
        return true;
    doctor_fail(d, "twilio", "check twilio_api_url", "it cannot be asked");
    return false;
}

static void on_number(void *ctx, const struct twilio_rest_result *r)
{
    struct doctor *d = ctx;
    char want[ADDRESS_BYTES];
    snprintf(want, sizeof(want), "%s/api/twilio/voice", d->config->public_url);
    struct str url = r->err == OK ? js_get_str(r->json, "voice_url") : STR_NONE;
    if (r->err == ERR_NOTFOUND)
        doctor_fail(d, "number", "buy it, or check its spelling (+ and country code)",
                    "%s is not a number of this account", d->number);
    else if (r->err != OK)
        doctor_fail(d, "number", "try again", "%s", r->detail);
    else if (!str_eq(url, str_of(want)))
        doctor_fail(d, "number", "set the number's voice webhook to that address (POST)",
                    "%s rings at \"%.*s\", not at %s", d->number,
                    (int)(url.len < 200 ? url.len : 200), url.p ? url.p : "", want);
    else
        doctor_ok(d, "number", "%s rings here", d->number);
    doctor_next(d);
}

bool doctor_number(struct doctor *d)
{
    if (!d->number || !d->twilio)
        return false;
    if (twilio_rest_number(d->twilio, str_of(d->number), on_number, d) == OK)
        return true;
    doctor_fail(d, "number", "write it with + and country code", "\"%.40s\" is no number",
                d->number);
    return false;
}
