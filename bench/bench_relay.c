/*
 * bench_relay TARGET_PORT - the floor that a bridge is measured against.
 *
 * Takes TCP connections on 127.0.0.1, opens one to TARGET_PORT for each, and copies what comes on
 * either to the other: one epoll loop, one read and one write a message, nothing looked at. Says
 * where it listens, and runs until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

static void take(int poll_fd, int listen_fd, uint16_t target)
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
    ends[1] = (struct end){.fd = out, .other = &ends[0]};
    watch(poll_fd, &ends[0]);
    watch(poll_fd, &ends[1]);
}

static void drop(struct end *end)
{
    close(end->fd);
    close(end->other->fd);
    end->fd = end->other->fd = -1;
}

/* The writing side blocks: with one message in flight it never has to. */
static void copy(struct end *end)
{
    static char bytes[READ_BYTES];
    if (end->fd < 0)
        return;
    ssize_t len = read(end->fd, bytes, sizeof(bytes));
    if (len < 0 && errno == EINTR)
        return;
    for (ssize_t sent = 0; sent < len;) {
        ssize_t n = write(end->other->fd, bytes + sent, (size_t)(len - sent));
        if (n <= 0) {
            len = -1;
            break;
        }
        sent += n;
    }
    if (len <= 0)
        drop(end);
}

int main(int argc, char **argv)
{
    uint64_t target = 0;
    uint16_t port = 0;
    if (argc != 2 || !str_to_u64(str_of(argv[1]), &target) || target == 0 || target > UINT16_MAX) {
        fprintf(stderr, "usage: bench_relay TARGET_PORT\n");
        return 2;
    }
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
                take(poll_fd, listen_fd, (uint16_t)target);
        }
    }
}
