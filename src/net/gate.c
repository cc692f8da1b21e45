#include "net/gate.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "net/http_private.h"

enum kind { ASK = '?', GIVEN = '=', SUCCEED = '!', UNDERSTOOD = '.', CONNECTION = 'C' };

/* The first bytes of a message. The processes are builds of one machine, so a struct will do; its
 * size tells another version apart. */
struct head {
    char kind;
    struct gate_about about;
    char instance[OWNER_INSTANCE_CHARS + 1];
    unsigned loop;
    size_t in_len, out_len;
    char peer[INET6_ADDRSTRLEN];
};

/* One connected peer that has not said its word yet. */
struct visitor {
    uv_poll_t poll;
    int fd;
    struct gate *gate; /* NULL once the gate is closed */
    struct visitor *prev, *next;
};

struct gate {
    struct loop *loop;
    uv_poll_t poll;
    int fd;
    struct http_hub *hub;
    const struct gate_events *events;
    void *ctx;
    struct visitor *visitors;
    char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static bool address_of(struct sockaddr_un *a, const char *dir, const char *instance)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s.sock", dir, instance);
    return len > 0 && (size_t)len < sizeof(a->sun_path);
}

/* -- messages -- */

/* One datagram with descriptors; false when it was not sent whole. */
static bool send_message(int fd, struct iovec *parts, size_t part_count, const int *fds,
                         size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * LOOP_COUNT_MAX)];
    } control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = part_count};
    if (fd_count) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        ASSERT(c);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) >= 0;
}

/* Bytes of a datagram or -1 with errno; a cut one is -1 too. Descriptors are the caller's. */
static ssize_t receive_message(int fd, void *p, size_t size, int *fds, size_t *fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * LOOP_COUNT_MAX)];
    } control = {0};
    struct iovec part = {p, size};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    *fd_count = 0;
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        *fd_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), *fd_count * sizeof(int));
    }
    if (n >= 0 && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        errno = EMSGSIZE;
        return -1;
    }
    return n;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* -- what others want of us -- */

static void visitor_gone(uv_handle_t *handle)
{
    struct visitor *v = handle->data;
    close(v->fd);
    mem_free(v);
}

static void visitor_close(struct visitor *v)
{
    if (v->prev)
        v->prev->next = v->next;
    else
        v->gate->visitors = v->next;
    if (v->next)
        v->next->prev = v->prev;
    uv_close((uv_handle_t *)&v->poll, visitor_gone);
}

static void give_listeners(struct gate *g, int fd)
{
    struct head h = {.kind = GIVEN};
    int fds[LOOP_COUNT_MAX];
    size_t count = g->events->on_asked(g->ctx, fds, LOOP_COUNT_MAX, &h.about);
    if (!send_message(fd, &(struct iovec){&h, sizeof(h)}, 1, fds, count))
        LOG_ERROR(NULL, "gate.not_given", "err=\"%s\"", strerrordesc_np(errno));
}

/* A connection of one of our calls. Takes `fd`. */
static void take_connection(struct gate *g, const struct head *h, const char *bytes, int fd)
{
    struct http_parcel *p = mem_zalloc(sizeof(*p));
    p->conn.fd = fd;
    memcpy(p->conn.peer, h->peer, sizeof(p->conn.peer));
    p->conn.peer[sizeof(p->conn.peer) - 1] = '\0';
    buf_init(&p->in, HTTP_HEAD_BYTES_MAX + LOOP_READ_BYTES);
    buf_init(&p->conn.out, CONN_OUT_BYTES_CEILING);
    buf_put(&p->in, bytes, h->in_len);
    buf_put(&p->conn.out, bytes + h->in_len, h->out_len);
    if (!buf_ok(&p->in) || !http_hub_take(g->hub, h->loop, p)) {
        LOG_ERROR(NULL, "gate.not_taken", "peer=%s", p->conn.peer);
        http_parcel_free(p);
    }
}

static void on_visitor(uv_poll_t *handle, int status, int events)
{
    struct visitor *v = handle->data;
    struct gate *g = v->gate;
    int fds[LOOP_COUNT_MAX];
    size_t fd_count = 0;
    struct head h;
    (void)events;
    char *bytes = mem_alloc(GATE_MESSAGE_BYTES_MAX);
    ssize_t n =
        status < 0 ? 0 : receive_message(v->fd, bytes, GATE_MESSAGE_BYTES_MAX, fds, &fd_count);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        mem_free(bytes);
        return;
    }
    if (n >= (ssize_t)sizeof(h)) {
        memcpy(&h, bytes, sizeof(h));
        size_t rest = (size_t)n - sizeof(h);
        h.instance[OWNER_INSTANCE_CHARS] = '\0';
        if (h.kind == ASK) {
            give_listeners(g, v->fd);
        } else if (h.kind == SUCCEED) {
            h.kind = UNDERSTOOD;
            (void)send_message(v->fd, &(struct iovec){&h, sizeof(h)}, 1, NULL, 0);
            g->events->on_successor(g->ctx, h.instance);
        } else if (h.kind == CONNECTION && fd_count == 1 && h.in_len <= rest &&
                   h.out_len == rest - h.in_len) {
            take_connection(g, &h, bytes + sizeof(h), fds[0]);
            fd_count = 0;
        }
    }
    close_all(fds, fd_count);
    mem_free(bytes);
    visitor_close(v);
}

static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void on_knock(uv_poll_t *handle, int status, int events)
{
    struct gate *g = handle->data;
    (void)events;
    int fd;
    while (status >= 0 && (fd = accept4(g->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct visitor *v = mem_zalloc(sizeof(*v));
        if (!is_ours(fd) || uv_poll_init(loop_uv(g->loop), &v->poll, fd) != 0) {
            close(fd);
            mem_free(v);
            continue;
        }
        v->fd = fd;
        v->gate = g;
        v->poll.data = v;
        v->next = g->visitors;
        if (v->next)
            v->next->prev = v;
        g->visitors = v;
        uv_poll_start(&v->poll, UV_READABLE, on_visitor);
    }
}

/* -- what we want of others -- */

static int knock(const char *dir, const char *instance, int flags)
{
    struct sockaddr_un a;
    if (!address_of(&a, dir, instance)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

/* Sends the parcel's connection, or one end of a pair of sockets for it: `fd`. */
static bool pass_descriptor(const char *dir, const struct owner *to, const struct http_parcel *p,
                            int fd)
{
    const struct buf *out = &p->conn.out;
    bool plain = !p->conn.ssl; /* what is unsent of a TLS session stays with it */
    struct head h = {.kind = CONNECTION, .loop = to->loop, .in_len = p->in.len};
    h.out_len = plain ? out->len - p->conn.out_sent : 0;
    memcpy(h.peer, p->conn.peer, sizeof(h.peer));
    if (sizeof(h) + h.in_len + h.out_len > GATE_MESSAGE_BYTES_MAX) {
        errno = EMSGSIZE;
        return false;
    }
    struct iovec parts[] = {{&h, sizeof(h)},
                            {p->in.p, h.in_len},
                            {h.out_len ? out->p + p->conn.out_sent : NULL, h.out_len}};
    int door = knock(dir, to->instance, SOCK_NONBLOCK);
    if (door < 0)
        return false;
    bool sent = send_message(door, parts, 3, &fd, 1);
    int saved = errno;
    close(door);
    errno = saved;
    return sent;
}

/* Nobody there: the call's process is dead. Else it is there and takes no more. */
static enum http_passed not_passed(void)
{
    return errno == ECONNREFUSED || errno == ENOENT ? HTTP_NO_OWNER : HTTP_NOT_PASSED;
}

static enum http_passed pass(void *ctx, struct http_server *from, const struct owner *to,
                             struct http_parcel *p)
{
    struct gate *g = ctx;
    if (!p->conn.ssl) {
        if (!pass_descriptor(g->dir, to, p, p->conn.fd))
            return not_passed();
        http_parcel_free(p); /* our copy of the descriptor */
        return HTTP_PASSED;
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return HTTP_NOT_PASSED;
    bool sent = pass_descriptor(g->dir, to, p, pair[1]);
    enum http_passed why = sent ? HTTP_PASSED : not_passed();
    close(pair[1]);
    if (!sent) {
        close(pair[0]);
        return why;
    }
    http_hub_relay(g->hub, from, p, pair[0]);
    return HTTP_PASSED;
}

/* -- open and close -- */

enum err gate_open(struct gate **out, struct loop *l, const char *dir, const char *instance,
                   struct http_hub *hub, const struct gate_events *events, void *ctx,
                   struct err_detail *detail)
{
    struct sockaddr_un a;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_explain(detail, ERR_IO, "cannot make the folder %s: %s", dir,
                           strerrordesc_np(errno));
    if (!address_of(&a, dir, instance))
        return err_explain(detail, ERR_INVALID, "the path of the data folder is too long: %s", dir);
    struct gate *g = mem_zalloc(sizeof(*g));
    *g = (struct gate){.loop = l, .hub = hub, .events = events, .ctx = ctx};
    (void)str_copy(g->dir, sizeof(g->dir), str_of(dir));
    (void)str_copy(g->path, sizeof(g->path), str_of(a.sun_path));
    g->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (g->fd < 0 || bind(g->fd, (const struct sockaddr *)&a, sizeof(a)) != 0 ||
        listen(g->fd, GATE_BACKLOG) != 0 || uv_poll_init(loop_uv(l), &g->poll, g->fd) != 0) {
        enum err err = err_explain(detail, ERR_IO, "cannot listen on %s: %s", a.sun_path,
                                   strerrordesc_np(errno));
        if (g->fd >= 0)
            close(g->fd);
        mem_free(g);
        return err;
    }
    g->poll.data = g;
    uv_poll_start(&g->poll, UV_READABLE, on_knock);
    http_hub_set_pass(hub, pass, g);
    *out = g;
    return OK;
}

static void on_gate_closed(uv_handle_t *handle)
{
    struct gate *g = handle->data;
    close(g->fd);
    g->fd = -1;
}

void gate_close(struct gate *g)
{
    if (!g || uv_is_closing((uv_handle_t *)&g->poll))
        return;
    unlink(g->path);
    while (g->visitors)
        visitor_close(g->visitors);
    uv_close((uv_handle_t *)&g->poll, on_gate_closed);
}

void gate_free(struct gate *g)
{
    ASSERT(!g || g->fd < 0);
    mem_free(g);
}

/* -- at the start -- */

/* One question and its answer, with a limit of time. */
static bool talk(const char *dir, const char *instance, struct head *h, int *fds, size_t *fd_count,
                 pid_t *pid)
{
    struct timeval limit = {.tv_sec = GATE_WAIT_MS / 1000, .tv_usec = GATE_WAIT_MS % 1000 * 1000};
    int fd = knock(dir, instance, 0);
    if (fd < 0)
        return false;
    struct ucred who = {0};
    socklen_t len = sizeof(who);
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len); /* of who called listen() */
    *pid = who.pid;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    bool ok = send_message(fd, &(struct iovec){h, sizeof(*h)}, 1, NULL, 0) &&
              receive_message(fd, h, sizeof(*h), fds, fd_count) == (ssize_t)sizeof(*h);
    close(fd);
    return ok;
}

bool gate_ask(const char *dir, struct gate_predecessor *out)
{
    DIR *d = opendir(dir);
    bool found = false;
    size_t seen = 0;
    *out = (struct gate_predecessor){.fd_count = 0};
    for (struct dirent *e; d && seen < GATE_PROCESSES_MAX && (e = readdir(d));) {
        struct str name = str_of(e->d_name);
        char instance[OWNER_INSTANCE_CHARS + 1];
        int fds[LOOP_COUNT_MAX];
        size_t fd_count = 0;
        pid_t pid;
        struct head h = {.kind = ASK};
        seen++;
        if (name.len != OWNER_INSTANCE_CHARS + 5 || !str_ends(name, STR(".sock")))
            continue;
        (void)str_copy(instance, sizeof(instance), str_slice(name, 0, OWNER_INSTANCE_CHARS));
        if (!talk(dir, instance, &h, fds, &fd_count, &pid)) {
            struct sockaddr_un a;
            if (errno == ECONNREFUSED && address_of(&a, dir, instance))
                unlink(a.sun_path);
            close_all(fds, fd_count);
            continue;
        }
        out->pids[out->pid_count++] = pid;
        if (fd_count == 0)
            continue;
        close_all(out->fds, out->fd_count);
        memcpy(out->fds, fds, sizeof(fds));
        memcpy(out->instance, instance, sizeof(instance));
        out->fd_count = fd_count;
        out->about = h.about;
        found = true;
    }
    if (d)
        closedir(d);
    return found;
}

bool gate_lives(const char *dir, const char *instance)
{
    int fd = knock(dir, instance, SOCK_NONBLOCK);
    bool lives = fd >= 0 || errno == EAGAIN; /* its backlog is full */
    if (fd >= 0)
        close(fd);
    return lives;
}

enum err gate_succeed(const char *dir, const char *predecessor, const char *instance)
{
    struct head h = {.kind = SUCCEED};
    int fds[LOOP_COUNT_MAX];
    size_t fd_count = 0;
    pid_t pid;
    (void)str_copy(h.instance, sizeof(h.instance), str_of(instance));
    bool ok = talk(dir, predecessor, &h, fds, &fd_count, &pid) && h.kind == UNDERSTOOD;
    close_all(fds, fd_count);
    return ok ? OK : ERR_IO;
}
