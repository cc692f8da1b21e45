#include "app/wiring.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "app/call_defaults.h"
#include "app/certs.h"
#include "app/drain.h"
#include "app/engines.h"
#include "app/notify.h"
#include "app/retrieval.h"
#include "app/succession.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "channel/twilio.h"
#include "knowledge/import.h"
#include "net/gate.h"
#include "net/http.h"
#include "net/http_hub.h"
#include "net/owner.h"
#include "session/recover.h"

enum { SIGNALS = 3, LIVE_THREADS = 2, BACK_THREADS = 2, PATH_BYTES = 4096 };

/* One loop with its listener. Loop 0 runs on the main thread, the others on their own. */
struct lane {
    struct server *server;
    struct loop *loop;
    struct http_server *http;
    uv_thread_t thread;
    uv_signal_t signals[SIGNALS]; /* loop 0 only */
    unsigned signals_open;
    struct retrieval retrieval;
    struct notify_watch *watch; /* NULL without a supervisor's watchdog */
    bool part_open, stopping, threaded;
};

struct server {
    const struct app_config *config;
    struct server_opts opts;
    struct worker_pool *live, *back;
    struct store *store;
    struct tls_client *tls_client;
    struct tls_server *tls_server;
    char instance[OWNER_INSTANCE_CHARS + 1];
    struct http_hub *hub;
    struct http_router *router;
    struct engines engines;
    struct host *host;
    struct recovery *recovery;
    struct succession *succession; /* the processes before us, while we are the newest */
    struct twilio_channel *twilio;
    struct api *api;
    struct certs *certs; /* NULL without TLS */
    struct gate *gate;
    struct gate_predecessor before;           /* without sockets: there is none */
    struct drain *drain;                      /* once it has begun */
    char successor[OWNER_INSTANCE_CHARS + 1]; /* who listens now; "" = we do */
    struct notify *notify;                    /* NULL without a supervisor that listens */
    struct lane lanes[LOOP_COUNT_MAX];
    unsigned lane_count;
    uint16_t port;
    int64_t started_us;
    char journal_dir[PATH_BYTES], run_dir[PATH_BYTES], demo_id[64];
};

/* -- storage -- */

static enum err open_store(struct server *s, struct err_detail *detail)
{
    char path[PATH_BYTES];
    if (mkdir(s->config->data, 0700) != 0 && errno != EEXIST)
        return err_explain(detail, ERR_IO, "cannot make the data folder %s: %s", s->config->data,
                           strerror(errno));
    snprintf(path, sizeof(path), "%s/callee.db", s->config->data);
    snprintf(s->journal_dir, sizeof(s->journal_dir), "%s/journals", s->config->data);
    snprintf(s->run_dir, sizeof(s->run_dir), "%s/run", s->config->data);
    enum err err = succession_find(&s->before, s->run_dir, s->config->takeover, detail);
    if (err != OK)
        return err;
    struct store_opts opts = {.path = path, .pool = s->back};
    return store_open(&s->store, &opts, detail);
}

/* -- routes -- */

static enum err open_channels(struct server *s, struct err_detail *detail)
{
    const struct app_config *c = s->config;
    if (c->insecure_streams && (!config_is_loopback(c->listen_host) || c->public_url[0]))
        return err_explain(detail, ERR_INVALID,
                           "--insecure-streams turns the checks off and is only for a server on "
                           "this machine: listen on 127.0.0.1 and set no public URL");
    struct twilio_channel_opts opts = {
        .router = s->router,
        .public_url = str_of(c->public_url),
        .auth_token = str_of(c->twilio_auth_token),
        .insecure_streams = c->insecure_streams,
        .host = host_channel_host(),
        .host_ctx = s->host,
    };
    return twilio_channel_open(&s->twilio, &opts, detail);
}

static void channel_counters(const void *driver, struct channel_counters *out)
{
    const struct server *s = driver;
    twilio_channel_counters(s->twilio, out);
}

static enum err open_tls(struct server *s, struct err_detail *detail)
{
    const struct app_config *c = s->config;
    enum err err = tls_client_open(&s->tls_client, c->ca_file[0] ? c->ca_file : NULL, detail);
    if (err == OK && c->tls_cert[0])
        err = tls_server_open(&s->tls_server, c->tls_cert, c->tls_key, detail);
    return err;
}

static unsigned next_loop(void *ctx)
{
    return host_next_loop(ctx);
}

static enum err open_host(struct server *s, const struct server_opts *opts,
                          struct err_detail *detail)
{
    const struct app_config *c = s->config;
    struct host_env env = {
        .store = s->store,
        .live = s->live,
        .journal_dir = s->journal_dir,
        .instance = s->instance,
        .max_calls = (uint32_t)c->max_calls,
        .caps = {.business_calls = c->max_calls_per_business,
                 .caller_calls = c->max_calls_per_caller,
                 .business_day_nanousd = c->max_spend_day_business_microusd * 1000},
        .day_nanousd = c->max_spend_day_microusd * 1000,
        .busy_words = c->busy_words,
        .spent_words = c->spent_words,
        .recording = c->recording,
        .no_journal = !c->journal,
        .coalesce_ms = (uint32_t)c->coalesce_silence_ms,
        .prompt_voice = TTS_SLT,
        .default_business = c->insecure_streams ? s->demo_id : "",
        .observer = opts->observer,
        .observer_ctx = opts->observer_ctx,
    };
    call_defaults(c, &env.defaults);
    struct engines_opts engines = {.config = c, .tls = s->tls_client, .live = s->live};
    enum err err = engines_open(&s->engines, &engines, &env, detail);
    if (err == OK)
        err = host_open(&s->host, &env, detail);
    if (err != OK)
        return err;
    http_hub_set_pick(s->hub, next_loop, s->host);
    struct api_opts api = {
        .router = s->router,
        .host = s->host,
        .metrics_public = c->metrics_public,
        .started_us = s->started_us,
        .version = CALLEE_VERSION,
        .engine = env.engines[0].call.name,
        .phone = c->demo ? "+15055550100" : "",
        .live = s->live,
        .back = s->back,
        .store = s->store,
        .channel_counters = channel_counters,
        .channel = s,
        .hub = s->hub,
    };
    s->api = api_open(&api);
    return open_channels(s, detail);
}

/* -- opening and closing -- */

static void server_free(struct server *s)
{
    /* Streams, sessions and their work are gone by now; what they used goes in reverse order. The
     * pools first: what still runs in them may use the store. */
    recovery_stop(s->recovery);
    twilio_channel_close(s->twilio);
    api_close(s->api);
    worker_pool_close(s->live);
    worker_pool_close(s->back);
    store_close(s->store);
    for (unsigned i = 0; i < s->lane_count; i++)
        if (s->lanes[i].loop)
            loop_close(s->lanes[i].loop);
    engines_close(&s->engines);
    host_close(s->host);
    gate_free(s->gate);
    http_hub_free(s->hub);
    http_router_free(s->router);
    tls_server_close(s->tls_server);
    tls_client_close(s->tls_client);
    notify_free(s->notify);
    mem_free(s);
}

enum err server_open(struct server **out, const struct server_opts *opts, struct err_detail *detail)
{
    struct server *s = mem_zalloc(sizeof(*s));
    s->config = opts->config;
    s->opts = *opts;
    s->started_us = clock_mono_us();
    struct rng rng;
    rng_init_system(&rng);
    owner_instance(&rng, s->instance);
    s->hub = http_hub_new(s->instance);
    s->router = http_router_new();
    struct notify_env supervisor = notify_env();
    s->notify = notify_new(&supervisor);
    enum err err = worker_pool_open(&s->live, "live", LIVE_THREADS, WORKER_LIVE_QUEUE_MAX);
    if (err == OK)
        err = worker_pool_open(&s->back, "back", BACK_THREADS, WORKER_BACK_QUEUE_MAX);
    if (err == OK)
        err = open_tls(s, detail);
    if (err == OK)
        err = open_store(s, detail);
    if (err == OK && opts->config->demo)
        err = knowledge_load_demo(s->store, opts->demo_dir, "pecos", s->demo_id, detail);
    if (err == OK)
        err = open_host(s, opts, detail);
    if (err != OK) {
        server_free(s);
        return err;
    }
    *out = s;
    return OK;
}

/* -- running -- */

static void lane_done(struct lane *lane)
{
    if (!lane->part_open && !lane->http && lane->signals_open == 0)
        loop_stop(lane->loop);
}

static void on_signal_closed(uv_handle_t *handle)
{
    struct lane *lane = handle->data;
    lane->signals_open--;
    lane_done(lane);
}

static void on_http_closed(void *ctx)
{
    struct lane *lane = ctx;
    lane->http = NULL;
    lane_done(lane);
}

/* Connections of others' calls are not taken any more; ours are all over. */
static void close_gate(struct server *s)
{
    gate_close(s->gate);
    certs_free(s->certs);
    s->certs = NULL;
    drain_free(s->drain);
    s->drain = NULL;
    succession_close(s->succession);
    s->succession = NULL;
}

static void on_part_closed(void *ctx)
{
    struct lane *lane = ctx;
    lane->part_open = false;
    if (lane == &lane->server->lanes[0])
        close_gate(lane->server);
    retrieval_close(&lane->retrieval);
    if (lane->http)
        http_server_close(lane->http, on_http_closed, lane);
    for (unsigned i = 0; i < SIGNALS && lane->signals_open; i++)
        if (lane->signals[i].data && !uv_is_closing((uv_handle_t *)&lane->signals[i]))
            uv_close((uv_handle_t *)&lane->signals[i], on_signal_closed);
    lane_done(lane);
}

static void stop_lane(void *ctx)
{
    struct lane *lane = ctx;
    if (lane->stopping)
        return;
    lane->stopping = true;
    notify_watch_free(lane->watch);
    lane->watch = NULL;
    if (!lane->part_open)
        on_part_closed(lane);
    else
        host_part_close(lane->server->host, lane->loop, on_part_closed, lane);
}

static void stop_all(void *ctx)
{
    struct server *s = ctx;
    for (unsigned i = 0; i < s->lane_count; i++)
        if (i == 0) /* we are on it: its mailbox cannot be too full */
            loop_defer(s->lanes[0].loop, stop_lane, &s->lanes[0]);
        else if (loop_post(s->lanes[i].loop, stop_lane, &s->lanes[i]) != OK)
            LOG_ERROR(NULL, "server.not_stopped", "loop=%u; signal again", i);
}

/* A successor finds what we leave, as after a crash. Everything is on disk but the last moment, and
 * nothing that is closed politely would leave the calls resumable: so at once. */
static bool leave_calls(void *ctx)
{
    struct server *s = ctx;
    if (!s->successor[0] || !gate_lives(s->run_dir, s->successor))
        return false;
    LOG_INFO(NULL, "server.left", "to=%s", s->successor);
    _exit(0);
}

static void start_draining(struct server *s)
{
    if (s->drain || s->lanes[0].stopping)
        return;
    struct host_counters c;
    host_counters(s->host, &c);
    LOG_INFO(NULL, "server.draining", "calls=%zu limit_ms=%lld", c.calls_live,
             (long long)s->config->drain_limit_ms);
    (void)notify_send(s->notify, "STOPPING=1");
    host_drain(s->host, s->config->drain_forward_number);
    s->drain = drain_new(&(struct drain_opts){.loop = s->lanes[0].loop,
                                              .host = s->host,
                                              .hub = s->hub,
                                              .limit_ms = s->config->drain_limit_ms,
                                              .on_limit = leave_calls,
                                              .on_done = stop_all,
                                              .ctx = s});
}

/* SIGTERM lets the calls end; SIGINT, or any second signal, ends them. A process with a successor
 * is about to end anyway: a supervisor that stops all of ours may say so more than once. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct server *s = ((struct lane *)handle->data)->server;
    if (number == SIGHUP) {
        if (s->certs)
            certs_reload(s->certs);
        return;
    }
    LOG_INFO(NULL, "server.stopping", "signal=%d", number);
    if (number == SIGTERM && !s->drain) {
        start_draining(s);
        return;
    }
    if (number == SIGTERM && s->successor[0])
        return;
    (void)notify_send(s->notify, "STOPPING=1");
    stop_all(s);
}

static size_t on_asked(void *ctx, int *fds, size_t max, struct gate_about *about)
{
    struct server *s = ctx;
    size_t count = 0;
    *about = (struct gate_about){.draining = s->drain != NULL,
                                 .watchdog_us = notify_watchdog_us(s->notify)};
    if (s->successor[0] || s->lanes[0].stopping)
        return 0;
    for (unsigned i = 0; i < s->lane_count && count < max; i++)
        fds[count++] = http_server_listener(s->lanes[i].http);
    return count;
}

static void stop_listening(void *ctx)
{
    struct lane *lane = ctx;
    if (lane->http)
        http_server_stop_listening(lane->http);
}

static void on_successor(void *ctx, const char *instance)
{
    struct server *s = ctx;
    if (s->successor[0])
        return;
    (void)str_copy(s->successor, sizeof(s->successor), str_of(instance));
    notify_silence(s->notify); /* the supervisor listens to it now */
    succession_close(s->succession);
    s->succession = NULL;
    LOG_INFO(NULL, "server.succeeded", "by=%s", instance);
    http_hub_set_successor(s->hub, instance);
    for (unsigned i = 0; i < s->lane_count; i++)
        if (loop_post(s->lanes[i].loop, stop_listening, &s->lanes[i]) != OK)
            LOG_ERROR(NULL, "server.still_listens", "loop=%u next=\"its connections go on\"", i);
    start_draining(s);
}

static const struct gate_events gate_events = {.on_asked = on_asked, .on_successor = on_successor};

static enum err open_lane(struct server *s, unsigned index, struct err_detail *detail)
{
    struct lane *lane = &s->lanes[index];
    lane->server = s;
    enum err err = loop_open(&lane->loop, index);
    if (err != OK)
        return err_explain(detail, err, "cannot make an event loop");
    s->lane_count = index + 1;
    struct http_server_opts opts = {
        .host = s->config->listen_host,
        .port = index ? s->port : (uint16_t)s->config->listen_port,
        .tls = s->tls_server,
        .router = s->router,
        .hub = s->hub,
        .trusted_proxies = s->config->trusted_proxies,
        .shared = index > 0,
        .listener = index < s->before.fd_count ? s->before.fds[index] : 0,
    };
    err = http_server_open(&lane->http, lane->loop, &opts, detail);
    if (err != OK)
        return err;
    s->port = http_server_port(lane->http);
    struct retrieval_opts retrieval = {.config = s->config,
                                       .loop = lane->loop,
                                       .store = s->store,
                                       .pool = s->back,
                                       .fill = index == 0};
    err = retrieval_open(&lane->retrieval, &retrieval, detail);
    if (err != OK)
        return err;
    err = host_part_open(s->host, lane->loop, detail);
    lane->part_open = err == OK;
    if (err == OK)
        host_part_use(s->host, lane->loop, lane->retrieval.knowledge);
    if (err == OK)
        lane->watch = notify_watch(s->notify, lane->loop);
    return err;
}

static void watch_signals(struct lane *lane)
{
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    for (unsigned i = 0; i < SIGNALS; i++) {
        if (numbers[i] == SIGHUP && !lane->server->certs) /* it means what it always means */
            continue;
        if (uv_signal_init(loop_uv(lane->loop), &lane->signals[i]) != 0)
            continue;
        lane->signals[i].data = lane;
        lane->signals_open++;
        uv_signal_start(&lane->signals[i], on_signal, numbers[i]);
    }
}

static void run_lane(void *ctx)
{
    struct lane *lane = ctx;
    loop_run(lane->loop);
}

static void say_ready(const struct server *s)
{
    printf("callee %s listens on http%s://%s:%u\n", CALLEE_VERSION, s->tls_server ? "s" : "",
           s->config->listen_host, s->port);
    fflush(stdout);
    notify_ready(s->notify);
    LOG_INFO(NULL, "server.ready", "ms=%lld loops=%u instance=%s",
             (long long)((clock_mono_us() - s->started_us) / 1000), s->lane_count, s->instance);
    if (s->opts.on_ready)
        s->opts.on_ready(s->opts.on_ready_ctx);
}

/* What it did not finish is found as after a crash; mostly there is nothing. */
static void on_predecessor_gone(void *ctx)
{
    struct server *s = ctx;
    recovery_again(s->recovery);
}

enum err server_run(struct server *s, struct err_detail *detail)
{
    enum err err = OK;
    notify_take_over(s->notify, s->before.about.watchdog_us);
    /* A listening socket that nobody serves would strand its connections: a loop for each. */
    size_t loops = (size_t)s->config->loops;
    if (loops < s->before.fd_count)
        loops = s->before.fd_count;
    for (unsigned i = 0; i < loops && err == OK; i++)
        err = open_lane(s, i, detail);
    if (err == OK)
        err = gate_open(&s->gate, s->lanes[0].loop, s->run_dir, s->instance, s->hub, &gate_events,
                        s, detail);
    if (err == OK)
        err = recovery_start(&s->recovery, s->host, s->store, s->journal_dir, detail);
    if (err == OK && s->before.fd_count &&
        gate_succeed(s->run_dir, s->before.instance, s->instance) != OK)
        LOG_WARN(NULL, "server.not_succeeded", "instance=%s next=\"it goes on beside us\"",
                 s->before.instance);
    if (err == OK) {
        if (s->tls_server)
            s->certs =
                certs_new(s->lanes[0].loop, s->tls_server, s->config->tls_cert, s->config->tls_key);
        watch_signals(&s->lanes[0]);
        say_ready(s);
    }
    if (err == OK)
        s->succession = succession_watch(s->lanes[0].loop, &s->before, on_predecessor_gone, s);
    for (unsigned i = 0; i < s->lane_count && err != OK; i++) /* close what did open */
        loop_defer(s->lanes[i].loop, stop_lane, &s->lanes[i]);
    for (unsigned i = 1; i < s->lane_count; i++)
        s->lanes[i].threaded =
            s->lanes[i].loop && uv_thread_create(&s->lanes[i].thread, run_lane, &s->lanes[i]) == 0;
    if (s->lane_count && s->lanes[0].loop)
        loop_run(s->lanes[0].loop);
    for (unsigned i = 1; i < s->lane_count; i++)
        if (s->lanes[i].threaded)
            uv_thread_join(&s->lanes[i].thread);
    server_free(s);
    return err;
}
