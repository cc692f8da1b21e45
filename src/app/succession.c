#include "app/succession.h"

#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"

/* One process. */
struct watched {
    struct succession *owner;
    uv_poll_t poll;
    int fd;
};

struct succession {
    struct watched *of[GATE_PROCESSES_MAX]; /* NULL: it has ended */
    size_t count;
    loop_fn *on_gone;
    void *ctx;
};

enum err succession_find(struct gate_predecessor *out, const char *run_dir, bool takeover,
                         struct err_detail *detail)
{
    if (!gate_ask(run_dir, out) || out->about.draining || takeover)
        return OK;
    return err_explain(detail, ERR_IO,
                       "a server (instance %s) already uses this data folder: start with "
                       "--takeover to take its place without losing a call, or stop it first",
                       out->instance);
}

static void on_closed(uv_handle_t *handle)
{
    struct watched *p = handle->data;
    close(p->fd);
    mem_free(p);
}

static void on_ended(uv_poll_t *handle, int status, int events)
{
    struct watched *p = handle->data;
    struct succession *s = p->owner;
    (void)status;
    (void)events;
    for (size_t i = 0; i < s->count; i++)
        if (s->of[i] == p)
            s->of[i] = NULL;
    uv_close((uv_handle_t *)handle, on_closed);
    s->on_gone(s->ctx);
}

static struct watched *watch(struct succession *s, struct loop *l, pid_t pid)
{
    struct watched *p = mem_zalloc(sizeof(*p));
    *p = (struct watched){.owner = s, .fd = pidfd_open(pid, 0)};
    if (p->fd < 0 || uv_poll_init(loop_uv(l), &p->poll, p->fd) != 0) {
        LOG_WARN(NULL, "server.not_watched", "pid=%d err=\"%s\" next=\"its calls end with it\"",
                 (int)pid, strerrordesc_np(errno));
        if (p->fd >= 0)
            close(p->fd);
        mem_free(p);
        return NULL;
    }
    p->poll.data = p;
    uv_poll_start(&p->poll, UV_READABLE, on_ended);
    return p;
}

struct succession *succession_watch(struct loop *l, const struct gate_predecessor *before,
                                    loop_fn *on_gone, void *ctx)
{
    struct succession *s = mem_zalloc(sizeof(*s));
    *s = (struct succession){.count = before->pid_count, .on_gone = on_gone, .ctx = ctx};
    for (size_t i = 0; i < s->count; i++)
        s->of[i] = watch(s, l, before->pids[i]);
    return s;
}

void succession_close(struct succession *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        if (s->of[i])
            uv_close((uv_handle_t *)&s->of[i]->poll, on_closed);
    mem_free(s);
}
