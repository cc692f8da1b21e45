#include "api/api.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

struct api {
    struct api_opts opts;
};

static void on_health(void *ctx, struct http_exchange *ex)
{
    const struct api *a = ctx;
    struct host_counters c;
    host_counters(a->opts.host, &c);
    struct buf b;
    buf_init(&b, API_ANSWER_BYTES_MAX);
    bool storing = !store_failing(a->opts.store), well = storing && !c.journal.failing;
    buf_printf(&b, "{\"status\":\"%s\",\"version\":",
               c.draining ? "draining"
               : well     ? "ok"
                          : "degraded");
    buf_put_json(&b, str_of(a->opts.version));
    buf_printf(&b, ",\"uptimeMs\":%lld,\"engine\":",
               (long long)((clock_mono_us() - a->opts.started_us) / 1000));
    buf_put_json(&b, str_of(a->opts.engine));
    buf_printf(&b,
               ",\"calls\":{\"live\":%zu,\"total\":%llu},\"journal\":\"%s\",\"store\":\"%s\"}\n",
               c.calls_live, (unsigned long long)c.calls_total,
               c.journal.failing ? "failing" : "ok", storing ? "ok" : "failing");
    http_reply(ex, well && !c.draining ? 200 : 503, "application/json", buf_str(&b));
    buf_fini(&b);
}

static void metric(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
    buf_printf(b, "# HELP callee_%s %s\n# TYPE callee_%s %s\ncallee_%s %llu\n", name, help, name,
               type, name, (unsigned long long)v);
}

static void write_engines(struct buf *b, const struct host_counters *c)
{
    buf_put_str(b,
                STR("# HELP callee_engine_up 0 while calls pass the engine by: it keeps failing.\n"
                    "# TYPE callee_engine_up gauge\n"));
    for (uint32_t i = 0; i < c->engine_count; i++)
        buf_printf(b, "callee_engine_up{engine=\"%s\"} %d\n", c->engines[i].name, c->engines[i].up);
    buf_put_str(b, STR("# HELP callee_engine_sessions Sessions open with the engine.\n"
                       "# TYPE callee_engine_sessions gauge\n"));
    for (uint32_t i = 0; i < c->engine_count; i++)
        buf_printf(b, "callee_engine_sessions{engine=\"%s\"} %u\n", c->engines[i].name,
                   c->engines[i].sessions);
}

static bool is_loopback(struct str address)
{
    return str_starts(address, STR("127.")) || str_eq(address, STR("::1")) ||
           str_starts(address, STR("::ffff:127."));
}

/* Whether the request was made on this machine. A proxy on this machine makes everybody look so:
 * one that is trusted names the client, and behind one that is not nobody is taken for local. */
static bool is_local(const struct http_exchange *ex)
{
    return http_peer_is_client(ex) && is_loopback(str_of(http_peer(ex)));
}

static void put_channel(struct buf *b, const struct api *a)
{
    struct channel_counters c;
    a->opts.channel_counters(a->opts.channel, &c);
    metric(b, "channel_webhooks_total", "counter", "Requests of the carrier served.", c.webhooks);
    metric(b, "channel_refused_total", "counter", "Wrong signatures and stream tokens.", c.refused);
    metric(b, "channel_late_answers_total", "counter", "Calls not answered in time.",
           c.late_answers);
    metric(b, "channel_streams_total", "counter", "Audio streams started.", c.streams);
    metric(b, "channel_bad_messages_total", "counter", "Malformed messages on streams.",
           c.bad_messages);
    metric(b, "channel_other_streams_total", "counter", "Messages with another stream's id.",
           c.other_streams);
    metric(b, "channel_sequence_gaps_total", "counter", "Messages that never came.",
           c.sequence_gaps);
    metric(b, "channel_audio_dropped_total", "counter", "Messages not sent: too much waited.",
           c.audio_dropped);
}

/* Prometheus text format 0.0.4. */
static void on_metrics(void *ctx, struct http_exchange *ex)
{
    const struct api *a = ctx;
    if (!a->opts.metrics_public && !is_local(ex)) {
        http_reply_problem(ex, 403, "Forbidden", "Metrics are served to this machine only.");
        return;
    }
    struct host_counters c;
    host_counters(a->opts.host, &c);
    struct buf b;
    buf_init(&b, API_ANSWER_BYTES_MAX);
    metric(&b, "calls_live", "gauge", "Calls in progress.", c.calls_live);
    metric(&b, "calls_total", "counter", "Calls begun.", c.calls_total);
    metric(&b, "calls_refused_total", "counter", "Calls refused by the admission limit.",
           c.calls_refused);
    metric(&b, "calls_failed_total", "counter", "Calls that ran out of engines.", c.calls_failed);
    metric(&b, "turns_total", "counter", "Turns of callers, of ended calls.", c.turns);
    metric(&b, "interruptions_total", "counter", "Answers cut by callers, of ended calls.",
           c.interruptions);
    metric(&b, "engine_rollovers_total", "counter",
           "Engine sessions replaced before their limit, of ended calls.", c.rollovers);
    metric(&b, "engine_failures_total", "counter", "Engine sessions lost, of ended calls.",
           c.engine_failures);
    write_engines(&b, &c);
    metric(&b, "audio_dropped_ms_total", "counter", "Audio dropped because too late.",
           c.dropped_ms);
    metric(&b, "journal_records_total", "counter", "Journal records written.", c.journal.records);
    metric(&b, "journal_bytes_total", "counter", "Journal bytes written.", c.journal.bytes);
    metric(&b, "journal_sync_us_max", "gauge", "Longest sync of the journal.",
           (uint64_t)c.journal.sync_us_max);
    metric(&b, "journal_audio_dropped_total", "counter", "Audio payloads not kept: slow disk.",
           c.journal.audio_dropped);
    metric(&b, "journal_records_lost_total", "counter", "Records not kept at all.",
           c.journal.records_lost);
    metric(&b, "journal_failing", "gauge", "1 while the journal cannot be written.",
           c.journal.failing);
    struct http_hub_counters hub;
    http_hub_counters(a->opts.hub, &hub);
    metric(&b, "http_connections_moved_total", "counter", "Connections taken to their call's loop.",
           hub.moved);
    metric(&b, "http_connections_passed_total", "counter",
           "Connections given to another process of the same data.", hub.passed);
    metric(&b, "http_connections_relayed", "gauge",
           "TLS connections whose call lives in another process.", hub.relayed);
    metric(&b, "draining", "gauge", "1 while no new calls are taken.", c.draining);
    metric(&b, "http_connections_not_moved_total", "counter",
           "Connections answered 503 because their call's loop took no more.", hub.refused);
    metric(&b, "http_connections_crowded_total", "counter",
           "Connections closed because their address had enough without a request.", hub.crowded);
    metric(&b, "http_connections_gave_way_total", "counter",
           "Connections without a request closed because the server was full.", hub.gave_way);
    metric(&b, "http_connections_full_total", "counter",
           "Connections turned away because all others were in use.", hub.full);
    metric(&b, "store_failing", "gauge", "1 while the database cannot be written.",
           store_failing(a->opts.store));
    metric(&b, "store_queue", "gauge", "Writes waiting for the database.",
           store_queued(a->opts.store));
    metric(&b, "workers_live_queue", "gauge", "Jobs a listener waits for.",
           worker_pool_queued(a->opts.live));
    metric(&b, "workers_back_queue", "gauge", "Jobs in the background.",
           worker_pool_queued(a->opts.back));
    put_channel(&b, a);
    http_reply(ex, 200, "text/plain; version=0.0.4", buf_str(&b));
    buf_fini(&b);
}

static const char PAGE_HEAD[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>callee</title>"
    "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;"
    "margin:3rem auto;padding:0 1rem}code{padding:.1em .3em;border-radius:.25em;"
    "background:color-mix(in srgb,currentColor 10%,transparent);overflow-wrap:anywhere}"
    "h1{margin-bottom:0}</style></head><body><main><h1>callee</h1>";

static void on_page(void *ctx, struct http_exchange *ex)
{
    const struct api *a = ctx;
    struct host_counters c;
    host_counters(a->opts.host, &c);
    struct buf b;
    buf_init(&b, API_ANSWER_BYTES_MAX);
    buf_put_str(&b, str_of(PAGE_HEAD));
    buf_printf(&b, "<p>The server is up. Calls in progress: %zu. Calls so far: %llu.</p>",
               c.calls_live, (unsigned long long)c.calls_total);
    if (strcmp(a->opts.engine, "local") == 0)
        buf_put_str(&b, STR("<p><strong>The offline engine is answering.</strong> It understands "
                            "questions about what the business has written down, spoken plainly in "
                            "English, and reads the answers out. It does not understand free "
                            "conversation, names or numbers, and it mishears. It is for trying "
                            "callee, for tests and as the last fall-back; set "
                            "<code>OPENAI_API_KEY</code> for a real phone line.</p>"));
    if (a->opts.phone[0])
        buf_printf(&b,
                   "<p>Place a simulated call, in a terminal that has this server's settings: "
                   "<code>callee dial --to %s --say \"What are your opening hours?\"</code></p>",
                   a->opts.phone);
    buf_put_str(&b, STR("<p><a href=\"/api/health\">Health</a> · <a href=\"/metrics\">Metrics</a>"
                        "</p></main></body></html>\n"));
    http_reply(ex, 200, "text/html; charset=utf-8", buf_str(&b));
    buf_fini(&b);
}

struct api *api_open(const struct api_opts *opts)
{
    struct api *a = mem_zalloc(sizeof(*a));
    a->opts = *opts;
    http_router_add(opts->router, "GET", "/api/health", NULL, on_health, a);
    http_router_add(opts->router, "GET", "/metrics", NULL, on_metrics, a);
    http_router_add(opts->router, "GET", "/", NULL, on_page, a);
    return a;
}

void api_close(struct api *a)
{
    mem_free(a);
}
