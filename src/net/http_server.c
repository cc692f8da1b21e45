#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_private.h"

static void on_listener(uv_poll_t *handle, int status, int events);

static void start_accepting(void *ctx)
{
    struct http_server *s = ctx;
    int rc = uv_poll_start(&s->poll, UV_READABLE, on_listener);
    ASSERT(rc == 0);
}

/* Without this a listener that is ready and cannot be served keeps the loop spinning. */
static void pause_accepting(struct http_server *s, int code)
{
    LOG_ERROR(NULL, "http.accept", "err=\"%s\" next=\"trying again in %d ms\"",
              strerrordesc_np(code), HTTP_ACCEPT_PAUSE_MS);
    uv_poll_stop(&s->poll);
    loop_timer_set(s->pause, HTTP_ACCEPT_PAUSE_MS);
}

/* One that waits for its peer makes room for one that may have something to say. */
static bool make_room(struct http_server *s)
{
    if (s->count < s->connections_max)
        return true;
    struct http_conn *oldest = http_wait_oldest(s);
    if (oldest) {
        http_conn_give_way(oldest);
        http_hub_turned(s->hub, HTTP_GAVE_WAY);
    }
    return oldest != NULL;
}

static void admit(struct http_server *s, int fd, const struct sockaddr_storage *from)
{
    struct address peer;
    bool known = address_from((const struct sockaddr *)from, &peer);
    if (known && !address_set_has(&s->trusted, &peer) && http_wait_crowded(s, &peer)) {
        char text[INET6_ADDRSTRLEN];
        http_hub_turned(s->hub, HTTP_CROWDED);
        address_print(&peer, text);
        LOG_WARN(NULL, "http.crowded", "peer=%s connections=%zu next=\"closed\"", text,
                 s->peer_max);
        close(fd);
        return;
    }
    bool room = make_room(s);
    if (!room)
        http_hub_turned(s->hub, HTTP_FULL);
    if (!room && s->count >= s->connections_max + HTTP_REJECTS_MAX) {
        LOG_WARN(NULL, "http.full", "connections=%zu", s->count);
        close(fd);
        return;
    }
    http_conn_open(s, fd, known ? &peer : NULL, !room);
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
    struct http_server *s = handle->data;
    (void)events;
    if (status < 0) {
        pause_accepting(s, -status);
        return;
    }
    for (unsigned i = 0; i < HTTP_ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof(from);
        int fd = FAULT_CALL(
            "http.accept", EMFILE,
            accept4(s->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            pause_accepting(s, errno);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0) /* that peer is gone already; the next may be there */
            continue;
        admit(s, fd, &from);
    }
}

/* Fills in the address; false when `host` is none. */
static bool parse_address(const char *host, uint16_t port, struct sockaddr_storage *out,
                          socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof(*v6);
        return true;
    }
    return false;
}

/* SO_REUSEPORT would let a second process take half of the connections without a word. Without it
 * bind(2) tells whether anybody listens there. */
static bool in_use(const struct sockaddr *address, socklen_t len)
{
    int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool used = bind(fd, address, len) != 0 && errno == EADDRINUSE;
    close(fd);
    return used;
}

/* Peers that vanish without a word. Set on the listener: Linux gives every accepted socket the same
 * options, which saves five system calls for each. */
static void set_keepalive(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, CONN_KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, CONN_KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, CONN_KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, CONN_UNACKED_MS},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof(options[i].value));
}

/* A listening socket, or -1 with errno. */
static int open_listener(const struct sockaddr *address, socklen_t len, bool shared)
{
    int on = 1, off = 0;
    if (!shared && in_use(address, len)) {
        errno = EADDRINUSE;
        return -1;
    }
    int fd = FAULT_CALL("http.socket", EMFILE,
                        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, address, len) == 0 &&
        FAULT_CALL("http.listen", EADDRINUSE, listen(fd, HTTP_BACKLOG)) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET ? ((const struct sockaddr_in *)&a)->sin_port
                                        : ((const struct sockaddr_in6 *)&a)->sin6_port);
}

enum err http_server_open(struct http_server **out, struct loop *l,
                          const struct http_server_opts *opts, struct err_detail *detail)
{
    loop_assert_thread(l);
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (!parse_address(opts->host, opts->port, &address, &len))
        return err_explain(detail, ERR_INVALID, "\"%s\" is no address to listen on.", opts->host);
    const char *proxies = opts->trusted_proxies ? opts->trusted_proxies : "";
    struct address_set trusted;
    if (!address_set_parse(str_of(proxies), &trusted))
        return err_explain(detail, ERR_INVALID,
                           "trusted_proxies: \"%s\" is no list of addresses and blocks.", proxies);
    int fd = opts->listener;
    if (fd <= 0)
        fd = open_listener((const struct sockaddr *)&address, len, opts->shared);
    if (fd < 0)
        return err_explain(detail, ERR_IO, "Cannot listen on %s port %u: %s.", opts->host,
                           opts->port, strerrordesc_np(errno));
    struct http_server *s = mem_zalloc(sizeof(*s));
    int rc = FAULT("http.poll") ? UV_ENOMEM : uv_poll_init(loop_uv(l), &s->poll, fd);
    if (rc != 0) {
        close(fd);
        mem_free(s);
        return err_explain(detail, ERR_IO, "Cannot watch the listening socket: %s.",
                           uv_strerror(rc));
    }
    set_keepalive(fd);
    s->loop = l;
    s->router = opts->router;
    s->tls = opts->tls;
    s->connections_max = opts->connections_max ? opts->connections_max : HTTP_CONNECTIONS_MAX;
    s->peer_max = opts->peer_max ? opts->peer_max : HTTP_CONNECTIONS_PER_PEER;
    s->trusted = trusted;
    rng_fill(loop_rng(l), &s->wait.seed, sizeof(s->wait.seed));
    s->head_timeout_ms = opts->head_timeout_ms ? opts->head_timeout_ms : HTTP_HEAD_TIMEOUT_MS;
    s->body_timeout_ms = opts->body_timeout_ms ? opts->body_timeout_ms : HTTP_BODY_TIMEOUT_MS;
    s->idle_timeout_ms = opts->idle_timeout_ms ? opts->idle_timeout_ms : HTTP_IDLE_TIMEOUT_MS;
    s->fd = fd;
    s->port = port_of(fd);
    s->poll.data = s;
    s->pause = loop_timer_new(l, start_accepting, s);
    s->hub = opts->hub;
    if (s->hub)
        http_hub_join(s->hub, s);
    start_accepting(s);
    *out = s;
    return OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

size_t http_server_connections(const struct http_server *s)
{
    return s->count;
}

static void end(void *ctx)
{
    struct http_server *s = ctx;
    if (s->on_closed)
        s->on_closed(s->on_closed_ctx);
    http_wait_check(s);
    mem_free(s);
}

static void end_when_empty(struct http_server *s)
{
    if (s->closing && s->listener_closed && s->count == 0)
        loop_defer(s->loop, end, s);
}

void http_server_released(struct http_server *s)
{
    ASSERT(s->count > 0);
    s->count--;
    if (s->closing)
        end_when_empty(s);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;
    s->listener_closed = true;
    end_when_empty(s);
}

int http_server_listener(const struct http_server *s)
{
    return s->fd;
}

void http_server_stop_listening(struct http_server *s)
{
    loop_assert_thread(s->loop);
    if (s->fd < 0)
        return;
    loop_timer_free(s->pause);
    s->pause = NULL;
    uv_close((uv_handle_t *)&s->poll, on_listener_closed);
    close(s->fd); /* libuv stopped watching it in uv_close */
    s->fd = -1;
}

void http_server_close(struct http_server *s, loop_fn *on_closed, void *ctx)
{
    loop_assert_thread(s->loop);
    ASSERT(!s->closing);
    s->closing = true;
    s->on_closed = on_closed;
    s->on_closed_ctx = ctx;
    if (s->hub)
        http_hub_leave(s->hub, s);
    bool listened = s->fd >= 0;
    http_server_stop_listening(s);
    for (struct http_conn *hc = s->first; hc; hc = hc->next)
        conn_close(hc->conn); /* each leaves the list when it reports its end */
    if (!listened)
        end_when_empty(s);
}
