#include "app/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed(const char *what)
{
    fprintf(stderr, "callee: cannot %s: %s\n", what, strerrordesc_np(errno));
    return 1;
}

static int wait_for(pid_t pid, int fd)
{
    char word;
    ssize_t n;
    int status;
    do
        n = read(fd, &word, 1);
    while (n < 0 && errno == EINTR);
    close(fd);
    if (n == 1)
        return 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return failed("wait for the server");
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

int detach_fork(int *fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return failed("make a pipe");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return failed("make a process");
    if (pid > 0) {
        close(ends[1]);
        return wait_for(pid, ends[0]);
    }
    close(ends[0]);
    setsid();
    *fd = ends[1];
    return -1;
}

void detach_done(int fd)
{
    (void)!write(fd, "", 1); /* who waits may have been killed */
    close(fd);
}
