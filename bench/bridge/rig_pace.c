/* Real time: a timer of the kernel's, since a loop's own timers may come 2 ms late. */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bridge/rig_private.h"

enum { FRAME_US = FRAME_MS * 1000 };

static void pace_line(struct rig_line *line, int64_t now_us)
{
    /* All have the same period and began one after the other, so the next due one is known. */
    for (unsigned sent = 0; sent < line->count; sent++) {
        struct call_end *c = line->calls[line->cursor];
        if (c->next_us > now_us)
            return;
        samples_put(&line->lateness, (uint32_t)(now_us - c->next_us));
        c->next_us += FRAME_US;
        line->cursor = (line->cursor + 1) % line->count;
        if (!c->ws)
            continue;
        if (line->opts.talk == RIG_TURNS)
            rig_echo_due(c, now_us);
        rig_send_frame(c);
    }
}

static void on_tick(uv_poll_t *poll, int status, int events)
{
    struct rig *r = poll->data;
    uint64_t ticks;
    (void)status;
    (void)events;
    if (read(r->tick_fd, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
        return;
    int64_t now_us = clock_mono_us();
    for (unsigned i = 0; i < r->line_count; i++)
        if (r->lines[i]->pacing)
            pace_line(r->lines[i], now_us);
    rig_turns_tick(r, now_us);
}

void rig_pace(struct rig_line *line, bool talking)
{
    int64_t now_us = clock_mono_us();
    line->cursor = 0;
    for (unsigned i = 0; i < line->count; i++) {
        line->calls[i]->next_us = now_us + (int64_t)i * FRAME_US / line->count;
        if (talking && !line->calls[i]->phased) /* so that at any time as many speak */
            line->calls[i]->cycle =
                -RIG_GREETING_FRAMES - (int32_t)(i * RIG_CYCLE_FRAMES / line->count);
        line->calls[i]->phased |= talking;
    }
    line->pacing = line->count > 0;
    line->talking = talking;
}

void rig_pace_stop(struct rig_line *line)
{
    line->pacing = line->talking = false;
}

void rig_drain(struct rig_line *line, uint32_t ms)
{
    int64_t until_us = clock_mono_us() + (int64_t)ms * 1000;
    for (;;) {
        uint64_t missing = 0;
        for (unsigned i = 0; i < line->count; i++)
            missing += line->calls[i]->sent - line->calls[i]->back;
        if (missing == 0)
            return;
        if (clock_mono_us() >= until_us) {
            line->counts.lost += missing;
            for (unsigned i = 0; i < line->count; i++)
                line->calls[i]->back = line->calls[i]->sent;
            return;
        }
        (void)rig_wait(line->rig, 10);
    }
}

enum err rig_pace_open(struct rig *r, struct err_detail *detail)
{
    struct itimerspec every = {.it_interval.tv_nsec = RIG_TICK_US * 1000,
                               .it_value.tv_nsec = RIG_TICK_US * 1000};
    r->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (r->tick_fd < 0 || timerfd_settime(r->tick_fd, 0, &every, NULL) != 0)
        return err_explain(detail, ERR_IO, "no timer: %s", strerror(errno));
    r->ticker = mem_zalloc(sizeof(*r->ticker));
    r->ticker->data = r;
    if (uv_poll_init(loop_uv(r->loop), r->ticker, r->tick_fd) != 0 ||
        uv_poll_start(r->ticker, UV_READABLE, on_tick) != 0)
        return err_explain(detail, ERR_IO, "the timer cannot be watched");
    return OK;
}

static void on_ticker_closed(uv_handle_t *handle)
{
    struct rig *r = handle->data;
    close(r->tick_fd);
    mem_free(r->ticker);
    r->ticker = NULL;
    rig_wake(r);
}

void rig_pace_close(struct rig *r)
{
    uv_close((uv_handle_t *)r->ticker, on_ticker_closed);
    while (r->ticker)
        (void)rig_wait(r, RIG_WAIT_MS);
}
