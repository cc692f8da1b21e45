#include "app/notify.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "session/host.h"

enum { TURNS_PER_PERIOD = 4 }; /* a late turn or a lost datagram does not bring the watchdog */

struct notify_watch {
    struct notify *notify;
    struct loop_timer *timer;
    atomic_bool used;
    atomic_uint turns;
};

struct notify {
    int fd;
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t watchdog_us;
    atomic_bool silent;
    struct notify_watch watches[LOOP_COUNT_MAX];
    atomic_uint said[LOOP_COUNT_MAX]; /* turns of each when "WATCHDOG=1" was last sent */
    atomic_flag asking;
};

struct notify_env notify_env(void)
{
    return (struct notify_env){.socket = getenv("NOTIFY_SOCKET"),
                               .watchdog_usec = getenv("WATCHDOG_USEC"),
                               .watchdog_pid = getenv("WATCHDOG_PID")};
}

static int64_t watchdog_us(const struct notify_env *env)
{
    int64_t us, pid;
    if (!env->watchdog_usec || !str_to_i64(str_of(env->watchdog_usec), &us) || us <= 0)
        return 0;
    if (env->watchdog_pid &&
        (!str_to_i64(str_of(env->watchdog_pid), &pid) || pid != (int64_t)getpid()))
        return 0;
    return us;
}

struct notify *notify_new(const struct notify_env *env)
{
    if (!env->socket || !env->socket[0])
        return NULL;
    size_t len = strlen(env->socket);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool usable = (env->socket[0] == '/' || env->socket[0] == '@') && len > 1 &&
                  len < sizeof(address.sun_path);
    int fd = usable ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0) {
        LOG_WARN(NULL, "notify.off", "why=\"NOTIFY_SOCKET cannot be used\"");
        return NULL;
    }
    memcpy(address.sun_path, env->socket, len);
    if (env->socket[0] == '@')
        address.sun_path[0] = '\0';
    /* What is said once must arrive, but a supervisor that hangs must not hang us. */
    struct timeval wait = {.tv_usec = NOTIFY_WAIT_MS * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    struct notify *n = mem_zalloc(sizeof(*n));
    n->fd = fd;
    n->address = address;
    /* An abstract address is as long as it is said to be; a path ends with its NUL. */
    n->address_len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (env->socket[0] == '/'));
    n->watchdog_us = watchdog_us(env);
    return n;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < LOOP_COUNT_MAX; i++)
        ASSERT(!atomic_load(&n->watches[i].used));
    close(n->fd);
    mem_free(n);
}

static enum err send_lines(struct notify *n, const char *lines, int flags)
{
    size_t len = strlen(lines);
    ASSERT(len > 0 && len <= NOTIFY_BYTES_MAX);
    if (atomic_load(&n->silent))
        return OK;
    ssize_t sent = sendto(n->fd, lines, len, flags | MSG_NOSIGNAL,
                          (const struct sockaddr *)(const void *)&n->address, n->address_len);
    return sent == (ssize_t)len ? OK : ERR_IO;
}

enum err notify_send(struct notify *n, const char *lines)
{
    return n ? send_lines(n, lines, 0) : OK;
}

void notify_ready(struct notify *n)
{
    char lines[64];
    snprintf(lines, sizeof(lines), "MAINPID=%ld\nREADY=1", (long)getpid());
    if (notify_send(n, lines) != OK)
        LOG_WARN(NULL, "notify.lost", "the supervisor does not know that the server is ready");
}

void notify_take_over(struct notify *n, int64_t watchdog_us)
{
    if (n && watchdog_us > 0)
        n->watchdog_us = watchdog_us;
}

void notify_silence(struct notify *n)
{
    if (n)
        atomic_store(&n->silent, true);
}

int64_t notify_watchdog_us(const struct notify *n)
{
    return n ? n->watchdog_us : 0;
}

/* Whether every loop has turned since "WATCHDOG=1" was last said; if so, that becomes now. */
static bool all_turned(struct notify *n)
{
    for (unsigned i = 0; i < LOOP_COUNT_MAX; i++)
        if (atomic_load(&n->watches[i].used) &&
            atomic_load(&n->watches[i].turns) == atomic_load(&n->said[i]))
            return false;
    for (unsigned i = 0; i < LOOP_COUNT_MAX; i++)
        atomic_store(&n->said[i], atomic_load(&n->watches[i].turns));
    return true;
}

static void on_turn(void *ctx)
{
    struct notify_watch *w = ctx;
    struct notify *n = w->notify;
    atomic_fetch_add(&w->turns, 1);
    if (!atomic_flag_test_and_set(&n->asking)) { /* another loop that asks now speaks for us */
        if (all_turned(n))
            (void)send_lines(n, "WATCHDOG=1", MSG_DONTWAIT);
        atomic_flag_clear(&n->asking);
    }
    loop_timer_set(w->timer, (uint64_t)(n->watchdog_us / 1000 / TURNS_PER_PERIOD));
}

struct notify_watch *notify_watch(struct notify *n, struct loop *loop)
{
    if (notify_watchdog_us(n) == 0)
        return NULL;
    unsigned i = loop_index(loop);
    ASSERT(i < LOOP_COUNT_MAX);
    struct notify_watch *w = &n->watches[i];
    ASSERT(!atomic_load(&w->used));
    w->notify = n;
    w->timer = loop_timer_new(loop, on_turn, w);
    atomic_store(&w->used, true);
    loop_timer_set(w->timer, 0);
    return w;
}

void notify_watch_free(struct notify_watch *w)
{
    if (!w)
        return;
    loop_timer_free(w->timer);
    w->timer = NULL;
    atomic_store(&w->used, false);
}
