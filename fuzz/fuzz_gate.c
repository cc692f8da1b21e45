/* LAYER: net - messages of other processes at the gate, with descriptors, as a real peer sends them */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/gate.h"
#include "net/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INSTANCE "0a1b2c3d"
enum { FDS_MAX = 3, FD_LOOKED_AT = 64, TURNS_MAX = 100000 };

static struct {
    struct loop *loop;
    struct gate *gate;
    struct http_server *server;
    char dir[32];
    size_t sockets; /* open when nothing goes on */
} world;

static void answer(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    http_reply(ex, 200, "text/plain", STR("here"));
}

static size_t on_asked(void *ctx, int *fds, size_t max, struct gate_about *about)
{
    (void)ctx;
    ASSERT(max >= 1);
    fds[0] = http_server_listener(world.server);
    *about = (struct gate_about){.watchdog_us = 1};
    return 1;
}

static void on_successor(void *ctx, const char *instance)
{
    (void)ctx;
    ASSERT(strlen(instance) <= OWNER_INSTANCE_CHARS);
}

/* The sanitizers have pipes of their own. */
static size_t open_sockets(void)
{
    size_t count = 0;
    struct stat st;
    for (int fd = 0; fd < FD_LOOKED_AT; fd++)
        count += fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    return count;
}

static void turn(void)
{
    (void)uv_run(loop_uv(world.loop), UV_RUN_NOWAIT);
}

static void leave(void)
{
    char path[80];
    snprintf(path, sizeof(path), "%s/%s.sock", world.dir, INSTANCE);
    unlink(path);
    rmdir(world.dir);
}

static void open_world(void)
{
    static const struct gate_events events = {on_asked, on_successor};
    struct http_hub *hub = http_hub_new(INSTANCE);
    struct http_router *router = http_router_new();
    struct err_detail why;
    log_set_level(LOG_LEVEL_OFF);
    snprintf(world.dir, sizeof(world.dir), "/tmp/gate.XXXXXX");
    ASSERT(mkdtemp(world.dir));
    http_router_add(router, "GET", "/", NULL, answer, NULL);
    struct http_server_opts opts = {.host = "127.0.0.1", .router = router, .hub = hub};
    ASSERT(loop_open(&world.loop, 0) == OK);
    ASSERT(http_server_open(&world.server, world.loop, &opts, &why) == OK);
    ASSERT(gate_open(&world.gate, world.loop, world.dir, INSTANCE, hub, &events, NULL, &why) == OK);
    atexit(leave);
    turn();
    world.sockets = open_sockets();
}

/* The message with `fd_count` descriptors; the other ends of them come back. */
static void send_to_gate(int door, const uint8_t *data, size_t size, int ends[FDS_MAX],
                         size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control = {0};
    uint8_t *copy = mem_alloc(size);
    int given[FDS_MAX];
    memcpy(copy, data, size);
    struct iovec part = {copy, size};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    for (size_t i = 0; i < fd_count; i++) {
        int pair[2];
        ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
        given[i] = pair[0];
        ends[i] = pair[1];
    }
    if (fd_count) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), given, sizeof(int) * fd_count);
    }
    (void)sendmsg(door, &m, MSG_NOSIGNAL);
    for (size_t i = 0; i < fd_count; i++)
        close(given[i]);
    mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int ends[FDS_MAX];
    if (size < 1)
        return 0;
    if (!world.loop)
        open_world();
    size_t fd_count = data[0] % (FDS_MAX + 1);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s.sock", world.dir, INSTANCE);
    int door = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    ASSERT(connect(door, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0);
    send_to_gate(door, data + 1, size - 1, ends, fd_count);
    turn();
    turn();
    close(door);
    for (size_t i = 0; i < fd_count; i++)
        close(ends[i]);
    /* Whatever it was, nothing of it stays. */
    for (int i = 0; i < TURNS_MAX && open_sockets() != world.sockets; i++)
        turn();
    ASSERT(open_sockets() == world.sockets);
    return 0;
}
