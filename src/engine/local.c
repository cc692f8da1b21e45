/* The driver, and the life of a session: opening, events out, closing. */
#include "engine/local.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/local_impl.h"

static struct local_engine *engine_of(struct engine *base)
{
    return (struct local_engine *)(void *)base;
}

/* -- events out -- */

static void drop_events(struct local_engine *e)
{
    while (e->first) {
        struct local_event *ev = e->first;
        e->first = ev->next;
        mem_free(ev);
    }
    e->last = NULL;
    e->event_bytes = 0;
}

static void engine_free(struct local_engine *e)
{
    drop_events(e);
    loop_timer_free(e->retry);
    local_answer_fini(e);
    local_guess_fini(e);
    local_input_fini(e);
    local_ear_fini(e);
    local_items_free(e);
    local_reply_fini(&e->reply);
    buf_fini(&e->said);
    buf_fini(&e->told);
    buf_fini(&e->output);
    json_decref(e->session);
    mem_free(e->call_id);
    mem_free(e);
}

bool local_release(struct local_engine *e)
{
    ASSERT(e->held > 0);
    e->held--;
    if (!e->closing)
        return true;
    if (e->held == 0) {
        e->events.on_closed(e->ctx, e->why, e->why == OK ? STR("closed") : STR("overrun"));
        engine_free(e);
    }
    return false;
}

static void close_engine(struct local_engine *e, enum err why)
{
    if (e->closing)
        return;
    e->closing = true;
    e->why = why;
    drop_events(e);
    loop_timer_cancel(e->retry);
}

static void release_deferred(void *ctx)
{
    (void)local_release(ctx);
}

static void end(struct local_engine *e, enum err why)
{
    if (e->closing)
        return;
    close_engine(e, why);
    e->held++;
    loop_defer(e->loop, release_deferred, e);
}

static void flush(void *ctx)
{
    struct local_engine *e = ctx;
    e->flushing = false;
    while (e->first && !e->closing) {
        struct local_event *ev = e->first;
        e->first = ev->next;
        if (!e->first)
            e->last = NULL;
        e->event_bytes -= ev->len;
        e->events.on_event(e->ctx, str_n(ev->text, ev->len));
        mem_free(ev);
    }
    (void)local_release(e);
}

void local_emit_text(struct local_engine *e, struct str json)
{
    if (e->closing)
        return;
    if (e->event_bytes + json.len > LOCAL_EVENTS_BYTES_MAX) {
        LOG_ERROR(e->call_id, "local.overrun", "bytes=%zu next=\"closed\"", e->event_bytes);
        end(e, ERR_LIMIT);
        return;
    }
    struct local_event *ev = mem_alloc(sizeof(*ev) + json.len);
    ev->next = NULL;
    ev->len = json.len;
    memcpy(ev->text, json.p, json.len);
    if (e->last)
        e->last->next = ev;
    else
        e->first = ev;
    e->last = ev;
    e->event_bytes += json.len;
    if (!e->flushing) {
        e->flushing = true;
        e->held++;
        loop_defer(e->loop, flush, e);
    }
}

void local_next_event_id(struct local_engine *e, char out[LOCAL_ID_BYTES])
{
    snprintf(out, LOCAL_ID_BYTES, "event_%s_%" PRIu64, e->tag, ++e->event_ids);
}

void local_id(struct local_engine *e, char out[LOCAL_ID_BYTES], const char *prefix)
{
    snprintf(out, LOCAL_ID_BYTES, "%s_%s_%" PRIu64, prefix, e->tag, ++e->ids);
}

void local_emit(struct local_engine *e, struct rt_event *ev)
{
    char id[LOCAL_ID_BYTES];
    struct buf b;
    local_next_event_id(e, id);
    ev->event_id = str_of(id);
    buf_init(&b, LOCAL_EVENT_BYTES_MAX);
    rt_event_write(&b, ev);
    if (buf_ok(&b))
        local_emit_text(e, buf_str(&b));
    else
        LOG_WARN(e->call_id, "local.event_too_long", "type=%s", rt_type_name(ev->type));
    buf_fini(&b);
}

void local_refuse(struct local_engine *e, const char *code, struct str event_id, const char *param,
                  const char *fmt, ...)
{
    char message[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    struct rt_event ev = {.type = RT_ERROR,
                          .error = {.type = STR("invalid_request_error"),
                                    .code = str_of(code),
                                    .message = str_of(message),
                                    .param = str_of(param),
                                    .event_id = event_id}};
    local_emit(e, &ev);
}

static void on_retry(void *ctx)
{
    struct local_engine *e = ctx;
    local_ear_pump(e);
    local_speak_pump(e);
}

void local_retry(struct local_engine *e)
{
    if (!e->closing && !loop_timer_is_set(e->retry))
        loop_timer_set(e->retry, LOCAL_RETRY_MS);
}

/* -- the engine's operations -- */

static enum err engine_op_send(struct engine *base, struct str json, enum engine_class cls)
{
    struct local_engine *e = engine_of(base);
    struct rt_event ev;
    struct err_detail detail;
    (void)cls;
    loop_assert_thread(e->loop);
    if (e->closing)
        return ERR_CLOSED;
    if (!e->opened)
        return ERR_AGAIN;
    if (rt_event_parse(&ev, json, &detail) != OK) {
        local_refuse(e, "invalid_event", STR_NONE, NULL, "%s", detail.text);
        return OK;
    }
    local_session_take(e, &ev);
    rt_event_fini(&ev);
    return OK;
}

static void engine_op_close(struct engine *base)
{
    struct local_engine *e = engine_of(base);
    loop_assert_thread(e->loop);
    end(e, OK);
}

static void engine_op_hint(struct engine *base, struct str output)
{
    struct local_engine *e = engine_of(base);
    loop_assert_thread(e->loop);
    if (!e->closing)
        local_guess_hint(e, output);
}

static const struct engine_ops local_ops = {
    .send = engine_op_send, .close = engine_op_close, .hint = engine_op_hint};

static void on_opened(void *ctx)
{
    struct local_engine *e = ctx;
    if (!e->closing) {
        e->opened = true;
        e->events.on_open(e->ctx);
        if (!e->closing) {
            local_session_announce(e, "session.created");
            local_ear_pump(e); /* makes the vocabulary ready while the greeting is spoken */
        }
    }
    (void)local_release(e);
}

static enum err local_open(void *driver, const struct engine_opts *opts,
                           const struct engine_events *events, void *ctx, struct engine **out,
                           struct err_detail *detail)
{
    (void)detail;
    struct local_engine *e = mem_zalloc(sizeof(*e));
    e->base.ops = &local_ops;
    e->driver = driver;
    e->loop = opts->loop;
    e->events = *events;
    e->ctx = ctx;
    e->call_id = mem_strdup(opts->call_id ? opts->call_id : "");
    e->voice = e->driver->voice;
    rng_hex(loop_rng(e->loop), e->tag, 4);
    e->retry = loop_timer_new(e->loop, on_retry, e);
    buf_init(&e->said, LOCAL_TEXT_BYTES_MAX);
    buf_init(&e->told, LOCAL_TEXT_BYTES_MAX);
    buf_init(&e->output, LOCAL_EVENT_BYTES_MAX);
    local_reply_init(&e->reply);
    local_ear_init(e, opts->vocabulary);
    local_input_init(e);
    local_answer_init(e);
    local_guess_init(e);
    local_session_init(e);
    e->held++;
    loop_defer(e->loop, on_opened, e);
    *out = &e->base;
    return OK;
}

/* -- the driver -- */

enum err local_driver_open(const struct local_opts *opts, struct engine_driver *out,
                           struct err_detail *detail)
{
    enum tts_voice voice = TTS_SLT;
    if (opts->voice && !tts_voice_find(str_of(opts->voice), &voice))
        return err_explain(detail, ERR_INVALID,
                           "unknown offline voice '%s': slt, kal16, rms or awb", opts->voice);
    struct stt *stt;
    struct stt_opts stt_opts = {.model_dir = opts->model_dir, .decoders_max = opts->decoders_max};
    enum err err = stt_open(&stt, &stt_opts, detail);
    if (err != OK)
        return err;
    struct local_driver *d = mem_zalloc(sizeof(*d));
    d->stt = stt;
    d->pool = opts->live;
    d->voice = voice;
    pthread_mutex_init(&d->lock, NULL);
    local_sounds_init(&d->sounds);
    *out = (struct engine_driver){.name = "local", .open = local_open, .driver = d};
    return OK;
}

void local_driver_close(struct engine_driver *driver)
{
    struct local_driver *d = driver->driver;
    if (!d)
        return;
    LOG_INFO(NULL, "local.sounds", "hits=%" PRIu64 " misses=%" PRIu64 " kept=%zu bytes=%zu",
             d->sounds.hits, d->sounds.misses, d->sounds.count, d->sounds.bytes);
    local_models_free(d);
    local_sounds_fini(&d->sounds);
    stt_close(d->stt);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    driver->driver = NULL;
}
