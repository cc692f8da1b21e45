#include "bridge/rig.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "bridge/rig_private.h"

/* -- waiting -- */

void rig_wake(struct rig *r)
{
    r->woken = true;
    uv_stop(loop_uv(r->loop));
}

static void on_late(void *ctx)
{
    struct rig *r = ctx;
    r->late = true;
    rig_wake(r);
}

bool rig_wait(struct rig *r, uint32_t ms)
{
    r->late = false;
    loop_timer_set(r->timer, ms);
    while (!r->woken)
        loop_run(r->loop);
    r->woken = false;
    loop_timer_cancel(r->timer);
    return !r->late;
}

void rig_failed(struct rig_line *line, const char *why)
{
    if (!line->failed)
        snprintf(line->failure, sizeof(line->failure), "%s", why);
    line->failed = true;
    rig_wake(line->rig);
}

struct str rig_text_after(struct str text, struct str before)
{
    size_t from = str_find(text, before, 0);
    if (from == SIZE_MAX)
        return STR_NONE;
    from += before.len;
    const char *end = memchr(text.p + from, '"', text.len - from);
    return end ? str_n(text.p + from, (size_t)(end - text.p) - from) : STR_NONE;
}

/* -- lines -- */

struct rig_line *rig_line_new(struct rig *r, const struct rig_line_opts *opts)
{
    ASSERT(r->line_count < RIG_LINES_MAX);
    struct rig_line *line = mem_zalloc(sizeof(*line));
    *line = (struct rig_line){.rig = r, .opts = *opts, .index = r->line_count};
    r->lines[r->line_count++] = line;
    return line;
}

void rig_line_url(const struct rig_line *line, char *out, size_t size)
{
    snprintf(out, size, "%s://127.0.0.1:%u/%u/v1/realtime", line->opts.tls ? "wss" : "ws",
             rig_provider_port(line->rig, line->opts.tls), line->index);
}

unsigned rig_line_calls(const struct rig_line *line)
{
    return line->count;
}

static enum err told(const struct rig_line *line, struct err_detail *detail)
{
    return line->failed ? err_explain(detail, ERR_UPSTREAM, "%s", line->failure) : OK;
}

/* A hundred at a time: no server's accept queue is the subject here. */
enum err rig_call(struct rig_line *line, uint16_t port, unsigned count, struct err_detail *detail)
{
    enum { AT_ONCE = 100 };
    line->calls = mem_realloc(line->calls, (line->count + count) * sizeof(struct call_end *));
    while (count > 0) {
        for (unsigned i = 0; i < AT_ONCE && count > 0; i++, count--) {
            enum err err = rig_dial(line, port, &line->calls[line->count], detail);
            if (err)
                return err;
            line->count++;
        }
        while (line->ready < line->count && !line->failed)
            if (!rig_wait(line->rig, RIG_WAIT_MS))
                return err_explain(detail, ERR_TIMEOUT, "only %u of %u calls were answered",
                                   line->ready, line->count);
    }
    return told(line, detail);
}

enum err rig_round(struct rig_line *line, uint32_t ms, struct err_detail *detail)
{
    ASSERT(line->flying == 0 && line->opts.talk == RIG_MIRROR);
    line->running = true;
    for (unsigned i = 0; i < line->count; i++)
        rig_send_frame(line->calls[i]);
    (void)rig_wait(line->rig, ms); /* nothing but a failure ends it sooner */
    line->running = false;
    if (!line->failed && line->flying && !rig_wait(line->rig, RIG_WAIT_MS))
        return err_explain(detail, ERR_TIMEOUT, "%u frames did not come back", line->flying);
    const struct rig_counts *c = &line->counts;
    if (!line->failed && c->lost + c->reordered + c->changed)
        return err_explain(detail, ERR_UPSTREAM, "%llu frames were lost, %llu late, %llu changed",
                           (unsigned long long)c->lost, (unsigned long long)c->reordered,
                           (unsigned long long)c->changed);
    return told(line, detail);
}

enum err rig_run(struct rig *r, uint32_t ms, struct err_detail *detail)
{
    (void)rig_wait(r, ms);
    for (unsigned i = 0; i < r->line_count; i++)
        if (r->lines[i]->failed)
            return told(r->lines[i], detail);
    return OK;
}

void rig_settle(struct rig *r)
{
    (void)rig_wait(r, RIG_SETTLE_MS);
}

struct rig_counts rig_counts(const struct rig_line *line)
{
    return line->counts;
}

struct samples *rig_times(struct rig_line *line)
{
    return &line->times;
}

struct samples *rig_lateness(struct rig_line *line)
{
    return &line->lateness;
}

void rig_check_quiet(struct rig_line *line)
{
    if (line->hanging_up && line->open == 0 && line->sessions == 0)
        rig_wake(line->rig);
}

void rig_expect_end(struct rig_line *line)
{
    rig_pace_stop(line);
    line->hanging_up = true;
}

void rig_hang_up(struct rig_line *line)
{
    rig_expect_end(line);
    for (unsigned i = 0; i < line->count; i++)
        if (line->calls[i]->ws)
            ws_close(line->calls[i]->ws, WS_CODE_NORMAL, STR("bye"));
    while (line->open || line->sessions)
        if (!rig_wait(line->rig, RIG_WAIT_MS))
            break;
    for (unsigned i = 0; i < line->count; i++)
        rig_call_free(line->calls[i]);
    mem_free(line->calls);
    line->calls = NULL;
    line->count = line->ready = line->flying = line->cursor = 0;
    line->hanging_up = line->failed = false;
}

/* -- the rig -- */

enum err rig_open(struct rig **out, struct loop *l, const char *cert, const char *key,
                  struct err_detail *detail)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    r->loop = l;
    buf_init(&r->out, RIG_MESSAGE_BYTES_MAX);
    frame_write_reply(r->reply);
    for (uint32_t i = 0; i < RIG_QUIET_FRAMES; i++)
        frame_write_quiet(r->quiet[i], i);
    enum err err = rig_provider_open(r, cert, key, detail);
    if (!err)
        err = rig_pace_open(r, detail);
    if (err) {
        mem_free(r);
        return err;
    }
    r->timer = loop_timer_new(l, on_late, r);
    *out = r;
    return OK;
}

static void on_provider_closed(void *ctx)
{
    struct rig *r = ctx;
    rig_wake(r);
}

void rig_close(struct rig *r)
{
    if (!r)
        return;
    rig_pace_close(r);
    for (int i = 0; i < 2; i++) {
        http_server_close(r->http[i], on_provider_closed, r);
        (void)rig_wait(r, RIG_WAIT_MS);
    }
    tls_server_close(r->tls);
    http_router_free(r->router);
    loop_timer_free(r->timer);
    for (unsigned i = 0; i < r->line_count; i++) {
        samples_fini(&r->lines[i]->times);
        samples_fini(&r->lines[i]->lateness);
        mem_free(r->lines[i]);
    }
    buf_fini(&r->out);
    mem_free(r);
}

uint16_t rig_provider_port(const struct rig *r, bool tls)
{
    return http_server_port(r->http[tls]);
}
