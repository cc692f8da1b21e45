#include "bridge/counters.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

enum { LINE_BYTES = 4096 };

/* -- system calls -- */

static bool tracepoint(uint64_t *id)
{
    static const char *const paths[] = {
        "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
        "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
    };
    char text[32];
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        FILE *f = fopen(paths[i], "re");
        bool good = f && fgets(text, sizeof(text), f) && str_to_u64(str_trim(str_of(text)), id);
        if (f)
            fclose(f);
        if (good)
            return true;
    }
    return false;
}

enum err syscalls_open(struct counters *c, const struct child *child)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr)};
    struct child_thread threads[CHILD_THREADS_MAX];
    uint64_t id;
    if (!tracepoint(&id))
        return ERR_DENIED;
    attr.config = id;
    size_t count = child_threads(child, threads);
    for (size_t i = 0; i < count; i++) {
        long fd = syscall(SYS_perf_event_open, &attr, threads[i].tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd < 0) {
            syscalls_close(c);
            return ERR_DENIED;
        }
        c->fds[c->count++] = (int)fd;
    }
    return OK;
}

uint64_t syscalls_read(const struct counters *c)
{
    uint64_t all = 0, one;
    for (unsigned i = 0; i < c->count; i++)
        if (read(c->fds[i], &one, sizeof(one)) == (ssize_t)sizeof(one))
            all += one;
    return all;
}

void syscalls_close(struct counters *c)
{
    for (unsigned i = 0; i < c->count; i++)
        close(c->fds[i]);
    c->count = 0;
}

/* -- instructions -- */

static enum err control(const struct child *child, const char *what, struct err_detail *why)
{
    char pid[16], command[32];
    char *argv[] = {(char[]){"callgrind_control"}, command, pid, NULL};
    int status = -1;
    snprintf(pid, sizeof(pid), "%d", (int)child->pid);
    snprintf(command, sizeof(command), "%s", what);
    pid_t ours = fork();
    if (ours == 0) {
        if (freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr))
            execvp(argv[0], argv);
        _exit(127);
    }
    if (ours < 0 || waitpid(ours, &status, 0) != ours || status != 0)
        return err_explain(why, ERR_IO, "callgrind_control %s: status %d (package valgrind)", what,
                           status);
    return OK;
}

enum err instructions_zero(const struct child *child, struct err_detail *why)
{
    return control(child, "--zero", why);
}

/* The last dump is the one with the highest number behind its name. */
enum err instructions_read(const struct child *child, const char *out_file, uint64_t *out,
                           struct err_detail *why)
{
    char path[LINE_BYTES], line[LINE_BYTES];
    enum err err = control(child, "--dump", why);
    if (err)
        return err;
    FILE *f = NULL, *next;
    for (unsigned number = 1;; number++, f = next) {
        snprintf(path, sizeof(path), "%s.%u", out_file, number);
        next = fopen(path, "re");
        if (!next)
            break;
        if (f)
            fclose(f);
    }
    bool found = false;
    while (f && !found && fgets(line, sizeof(line), f)) {
        struct str rest = str_of(line);
        found = str_starts(rest, STR("summary: ")) &&
                str_to_u64(str_trim(str_slice(rest, 9, rest.len)), out);
    }
    if (f)
        fclose(f);
    return found ? OK : err_explain(why, ERR_IO, "%s has no summary", out_file);
}
