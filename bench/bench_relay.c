/*
 * bench_relay TARGET_PORT [CA_FILE] - the floor that a bridge is measured against.
 *
 * Takes TCP connections on 127.0.0.1, opens one to TARGET_PORT for each (with TLS if there is a
 * CA_FILE), and copies what comes on either to the other: one epoll loop, one read and one write a
 * message, nothing looked at. Says where it listens, and runs until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { EVENTS_MAX = 256, READ_BYTES = 65536, BACKLOG = 1024 };

/* One end of a relayed connection. Never freed: an event of the same batch may still name it. */
struct end {
    int fd; /* -1 once closed */
    SSL *ssl;
    struct end *other;
};

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    *port = ntohs(at.sin_port);
    return fd;
}

static void watch(int poll_fd, struct end *end)
{
    int on = 1;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = end};
    (void)setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, end->fd, &ev) != 0)
        perror("bench_relay: epoll_ctl");
}

/* The handshake blocks; afterwards the socket does not, since a record may hold no bytes for us. */
static SSL *shake_hands(SSL_CTX *tls, int fd)
{
    SSL *ssl = SSL_new(tls);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        fprintf(stderr, "bench_relay: no TLS\n");
        exit(1);
    }
    return ssl;
}

static void take(int poll_fd, int listen_fd, uint16_t target, SSL_CTX *tls)
{
    struct sockaddr_in to = loopback(target);
    int in = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (in < 0)
        return;
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (out < 0 || connect(out, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("bench_relay: connect");
        close(in);
        if (out >= 0)
            close(out);
        return;
    }
    struct end *ends = mem_zalloc(2 * sizeof(*ends));
    ends[0] = (struct end){.fd = in, .other = &ends[1]};
    ends[1] = (struct end){.fd = out, .ssl = tls ? shake_hands(tls, out) : NULL, .other = &ends[0]};
    watch(poll_fd, &ends[0]);
    watch(poll_fd, &ends[1]);
}

static void drop(struct end *end)
{
    close(end->fd);
    close(end->other->fd);
    end->fd = end->other->fd = -1;
}

/* Bytes read; 0 = none for now; -1 = the end. */
static ssize_t take_bytes(struct end *end, char *bytes, size_t size)
{
    if (end->ssl) {
        int len = SSL_read(end->ssl, bytes, (int)size);
        if (len > 0)
            return len;
        return SSL_get_error(end->ssl, len) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t len = read(end->fd, bytes, size);
    return len > 0 ? len : len < 0 && errno == EINTR ? 0 : -1;
}

/* Waits until everything is written: with one message in flight it never has to. */
static bool give_bytes(struct end *end, const char *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = end->ssl ? SSL_write(end->ssl, bytes + sent, (int)(len - sent))
                             : write(end->fd, bytes + sent, len - sent);
        if (n <= 0 && end->ssl && SSL_get_error(end->ssl, (int)n) == SSL_ERROR_WANT_WRITE) {
            struct pollfd p = {.fd = end->fd, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        } else if (n <= 0) {
            return false;
        } else {
            sent += (size_t)n;
        }
    }
    return true;
}

static void copy(struct end *end)
{
    static char bytes[READ_BYTES];
    bool more = end->fd >= 0;
    while (more) {
        ssize_t len = take_bytes(end, bytes, sizeof(bytes));
        if (len < 0 || (len > 0 && !give_bytes(end->other, bytes, (size_t)len))) {
            drop(end);
            return;
        }
        more = len > 0 && end->ssl && SSL_has_pending(end->ssl);
    }
}

static SSL_CTX *trust(const char *ca_file)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, ca_file) != 1) {
        fprintf(stderr, "bench_relay: %s is not usable\n", ca_file);
        exit(1);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

int main(int argc, char **argv)
{
    uint64_t target = 0;
    uint16_t port = 0;
    if (argc < 2 || argc > 3 || !str_to_u64(str_of(argv[1]), &target) || target == 0 ||
        target > UINT16_MAX) {
        fprintf(stderr, "usage: bench_relay TARGET_PORT [CA_FILE]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    SSL_CTX *tls = argc == 3 ? trust(argv[2]) : NULL;
    int listen_fd = listen_anywhere(&port), poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (listen_fd < 0 || poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &ev) != 0) {
        perror("bench_relay");
        return 1;
    }
    printf("bench_relay listens on tcp://127.0.0.1:%u\n", port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(poll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                copy(events[i].data.ptr);
            else
                take(poll_fd, listen_fd, (uint16_t)target, tls);
        }
    }
}
