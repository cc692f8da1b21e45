/* What a supervisor hears from us, on a real datagram socket of its own. */
#include "harness/test.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/notify.h"
#include "base/limits.h"

struct supervisor {
    int fd;
    char dir[32], path[64];
};

static bool supervisor_open(struct supervisor *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(s->dir, sizeof(s->dir), "/tmp/notify.XXXXXX");
    if (!mkdtemp(s->dir))
        return false;
    snprintf(s->path, sizeof(s->path), "%s/socket", s->dir);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", s->path);
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return s->fd >= 0 && bind(s->fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0;
}

static void supervisor_close(struct supervisor *s)
{
    close(s->fd);
    unlink(s->path);
    rmdir(s->dir);
}

/* The next message, or "" when none comes within `wait_ms`. */
static const char *heard(struct supervisor *s, int wait_ms)
{
    static char text[256];
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    text[0] = '\0';
    if (poll(&p, 1, wait_ms) == 1) {
        ssize_t len = recv(s->fd, text, sizeof(text) - 1, 0);
        text[len < 0 ? 0 : len] = '\0';
    }
    return text;
}

TEST(a_message_arrives_as_one_datagram)
{
    struct supervisor s;
    CHECK(supervisor_open(&s));
    struct notify_env env = {.socket = s.path};
    struct notify *n = notify_new(&env);
    CHECK(n != NULL);
    CHECK_INT(OK, notify_send(n, "READY=1\nSTATUS=up"));
    CHECK(strcmp(heard(&s, 1000), "READY=1\nSTATUS=up") == 0);
    CHECK_INT(0, (int)notify_watchdog_us(n));
    supervisor_close(&s);
    CHECK_INT(ERR_IO, notify_send(n, "STOPPING=1")); /* nobody there any more */
    notify_free(n);
}

TEST(an_abstract_address_is_reached)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof(name), "@callee-test-%d", (int)getpid());
    memcpy(a.sun_path + 1, name + 1, strlen(name) - 1);
    struct supervisor s = {.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    CHECK_INT(0, bind(s.fd, (const struct sockaddr *)(const void *)&a, len));
    struct notify_env env = {.socket = name};
    struct notify *n = notify_new(&env);
    CHECK(n != NULL);
    CHECK_INT(OK, notify_send(n, "READY=1"));
    CHECK(strcmp(heard(&s, 1000), "READY=1") == 0);
    notify_free(n);
    close(s.fd);
}

TEST(without_a_usable_address_nothing_is_said)
{
    char long_path[200];
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[0] = '/';
    long_path[sizeof(long_path) - 1] = '\0';
    const char *const addresses[] = {NULL, "", "relative", "/", "@", long_path, "vsock:2:1"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct notify_env env = {.socket = addresses[i], .watchdog_usec = "1000000"};
        CHECK(notify_new(&env) == NULL);
    }
    CHECK_INT(OK, notify_send(NULL, "READY=1"));
    CHECK(notify_watch(NULL, NULL) == NULL);
    notify_watch_free(NULL);
    notify_free(NULL);
}

TEST(a_watchdog_of_another_process_is_not_ours)
{
    struct supervisor s;
    CHECK(supervisor_open(&s));
    char mine[16];
    snprintf(mine, sizeof(mine), "%d", (int)getpid());
    const struct {
        const char *usec, *pid;
        int64_t want;
    } cases[] = {{"2000000", mine, 2000000}, {"2000000", "1", 0}, {"2000000", NULL, 2000000},
                 {"soon", mine, 0},          {"-5", mine, 0},     {NULL, mine, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct notify_env env = {
            .socket = s.path, .watchdog_usec = cases[i].usec, .watchdog_pid = cases[i].pid};
        struct notify *n = notify_new(&env);
        CHECK_INT((int)cases[i].want, (int)notify_watchdog_us(n));
        notify_free(n);
    }
    supervisor_close(&s);
}

/* Counts what the supervisor hears until it was enough, then stops the loop. */
struct listener {
    struct supervisor *s;
    struct loop *loop;
    struct loop_timer *timer;
    unsigned count, enough, turns;
};

static void on_listen(void *ctx)
{
    struct listener *l = ctx;
    while (strcmp(heard(l->s, 0), "WATCHDOG=1") == 0)
        l->count++;
    l->turns++;
    if (l->count >= l->enough || l->turns >= 1000)
        loop_stop(l->loop);
    else
        loop_timer_set(l->timer, 2);
}

TEST(a_successor_speaks_for_itself_and_its_predecessor_is_silent)
{
    struct supervisor s;
    char ready[64];
    CHECK(supervisor_open(&s));
    struct notify_env env = {.socket = s.path}; /* nothing is said about a watchdog */
    struct notify *before = notify_new(&env), *after = notify_new(&env);
    notify_take_over(after, 0);
    CHECK_INT(0, (int)notify_watchdog_us(after));
    notify_take_over(after, 8000);
    CHECK_INT(8000, (int)notify_watchdog_us(after));
    notify_ready(after);
    snprintf(ready, sizeof(ready), "MAINPID=%d\nREADY=1", (int)getpid());
    CHECK(strcmp(heard(&s, 1000), ready) == 0);
    notify_silence(before);
    CHECK_INT(OK, notify_send(before, "STOPPING=1"));
    CHECK(strcmp(heard(&s, 0), "") == 0);
    notify_free(before);
    notify_free(after);
    supervisor_close(&s);
}

TEST(the_watchdog_is_fed_only_while_every_loop_turns)
{
    struct supervisor s;
    CHECK(supervisor_open(&s));
    struct notify_env env = {.socket = s.path, .watchdog_usec = "8000"};
    struct notify *n = notify_new(&env);
    struct loop *first, *second;
    CHECK_INT(OK, loop_open(&first, 0));
    CHECK_INT(OK, loop_open(&second, 1));
    struct notify_watch *a = notify_watch(n, first);
    struct listener l = {.s = &s, .loop = first, .enough = 5};
    l.timer = loop_timer_new(first, on_listen, &l);
    loop_timer_set(l.timer, 0);
    loop_run(first);
    CHECK_INT(5, (int)l.count);

    struct notify_watch *b = notify_watch(n, second); /* which never runs */
    l = (struct listener){.s = &s, .loop = first, .timer = l.timer, .enough = 2};
    loop_timer_set(l.timer, 0);
    loop_run(first);
    CHECK(l.turns >= 1000);
    CHECK(l.count <= 1); /* what was on the way */

    notify_watch_free(b); /* taken off: not waited for */
    l = (struct listener){.s = &s, .loop = first, .timer = l.timer, .enough = 5};
    loop_timer_set(l.timer, 0);
    loop_run(first);
    CHECK_INT(5, (int)l.count);
    notify_watch_free(a);
    loop_timer_free(l.timer);
    loop_close(second);
    loop_close(first);
    notify_free(n);
    supervisor_close(&s);
}
