#include "bridge/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { START_MS = 60000, STOP_MS = 20000, FILE_BYTES = 4096 };

static bool pin_self(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

bool child_go_first(void)
{
    struct sched_param first = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_RR, &first) == 0;
}

void child_leave_cpu(int cpu)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 2)
        return;
    CPU_CLR((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static void run(const struct child_opts *o, int out)
{
    int log = open(o->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (o->cpu >= 0 && !pin_self(o->cpu))
        _exit(126);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && log >= 0 && dup2(out, 1) == 1 && dup2(log, 2) == 2)
        execve(o->argv[0], o->argv, o->env);
    _exit(127);
}

/* The port of a line such as "callee 0.1.0 listens on http://127.0.0.1:40321". */
static uint16_t port_in(struct str text)
{
    while (text.p) {
        struct str line = str_take_until(&text, '\n');
        uint64_t port = 0;
        if (!text.p || str_find(line, STR(" listens on "), 0) == SIZE_MAX)
            continue; /* the last piece is not a whole line yet */
        while (str_find(line, STR(":"), 0) != SIZE_MAX)
            (void)str_take_until(&line, ':');
        if (str_to_u64(line, &port) && port <= UINT16_MAX)
            return (uint16_t)port;
    }
    return 0;
}

static enum err wait_for_port(struct child *c, struct err_detail *detail)
{
    char text[FILE_BYTES];
    size_t len = 0;
    int64_t until = clock_mono_us() + (int64_t)START_MS * 1000;
    while (len < sizeof(text)) {
        struct pollfd p = {.fd = c->out, .events = POLLIN};
        int64_t left_ms = (until - clock_mono_us()) / 1000;
        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0)
            return err_explain(detail, ERR_TIMEOUT, "not ready within %d s", START_MS / 1000);
        ssize_t n = read(c->out, text + len, sizeof(text) - len);
        if (n <= 0)
            return err_explain(detail, ERR_CLOSED, "ended before it was ready");
        len += (size_t)n;
        c->port = port_in(str_n(text, len));
        if (c->port)
            return OK;
    }
    return err_explain(detail, ERR_INVALID, "does not say where it listens");
}

enum err child_start(struct child *c, const struct child_opts *opts, struct err_detail *detail)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_explain(detail, ERR_IO, "no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        run(opts, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_explain(detail, ERR_IO, "no process: %s", strerror(errno));
    }
    *c = (struct child){.pid = pid, .out = ends[0]};
    enum err err = wait_for_port(c, detail);
    if (err)
        (void)child_stop(c);
    return err;
}

/* A file of /proc whole, NUL-terminated; empty when it cannot be read. */
static void read_proc(const struct child *c, const char *name, char text[FILE_BYTES])
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)c->pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, FILE_BYTES - 1);
    text[len > 0 ? len : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The number behind `key`, or 0. */
static int64_t number_after(const char *text, const char *key)
{
    uint64_t value = 0;
    struct str rest = str_of(strstr(text, key));
    if (!rest.p)
        return 0;
    rest = str_trim(str_slice(rest, strlen(key), rest.len));
    size_t digits = 0;
    while (digits < rest.len && rest.p[digits] >= '0' && rest.p[digits] <= '9')
        digits++;
    return str_to_u64(str_slice(rest, 0, digits), &value) ? (int64_t)value : 0;
}

/* Fields 14 and 15 of /proc/PID/stat, counted behind the name, which may hold anything. */
static void read_ticks(const struct child *c, struct child_usage *u)
{
    char text[FILE_BYTES];
    uint64_t ticks[2] = {0, 0};
    int64_t tick_ms = 1000 / sysconf(_SC_CLK_TCK);
    read_proc(c, "stat", text);
    struct str rest = str_of(strrchr(text, ')'));
    for (int field = 2; field <= 15 && rest.p; field++) {
        struct str word = str_take_until(&rest, ' ');
        if (field >= 14 && !str_to_u64(word, &ticks[field - 14]))
            return;
    }
    u->user_ms = (int64_t)ticks[0] * tick_ms;
    u->system_ms = (int64_t)ticks[1] * tick_ms;
}

struct child_usage child_usage(const struct child *c)
{
    struct child_usage u = {0};
    char text[FILE_BYTES], path[32];
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(c->pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
        u.cpu_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    snprintf(path, sizeof(path), "task/%d/schedstat", (int)c->pid);
    read_proc(c, path, text);
    u.main_ns = number_after(text, "");
    read_proc(c, "io", text);
    u.disk_written = number_after(text, "\nwrite_bytes:");
    read_ticks(c, &u);
    return u;
}

/* A mapping's first line in smaps, "start-end perms offset device inode path", names where its
 * figures belong; NULL for any other line. */
static int64_t *place_of(struct child_memory *m, const char *line)
{
    const char *dash = strchr(line, '-'), *colon = strchr(line, ':'), *path = strrchr(line, ' ');
    if (!dash || (colon && colon < dash) || !path)
        return NULL;
    if (strstr(path, "[heap]"))
        return &m->heap;
    if (strstr(path, "[stack]"))
        return &m->stacks;
    return path[1] == '/' ? &m->files : &m->mapped;
}

struct child_memory child_memory(const struct child *c)
{
    struct child_memory m = {0};
    int64_t *place = &m.mapped;
    char path[64], line[FILE_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/smaps", (int)c->pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        int64_t *found = place_of(&m, line);
        if (found) {
            place = found;
        } else if (strncmp(line, "Rss:", 4) == 0) {
            *place += number_after(line, "Rss:");
            m.rss += number_after(line, "Rss:");
        } else if (strncmp(line, "Pss:", 4) == 0) {
            m.pss += number_after(line, "Pss:");
        }
    }
    if (f)
        fclose(f);
    return m;
}

size_t child_threads(const struct child *c, struct child_thread out[CHILD_THREADS_MAX])
{
    char path[64], text[FILE_BYTES];
    size_t count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)c->pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && count < CHILD_THREADS_MAX && (e = readdir(dir));) {
        uint64_t tid;
        if (!str_to_u64(str_of(e->d_name), &tid))
            continue;
        snprintf(path, sizeof(path), "task/%d/schedstat", (int)tid);
        read_proc(c, path, text);
        out[count++] = (struct child_thread){(int)tid, number_after(text, "")};
    }
    if (dir)
        closedir(dir);
    return count;
}

bool child_stop(struct child *c)
{
    int status = -1;
    if (c->pid <= 0)
        return false;
    int fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)kill(c->pid, SIGTERM);
    if (fd < 0 || poll(&p, 1, STOP_MS) <= 0)
        (void)kill(c->pid, SIGKILL);
    pid_t ended = waitpid(c->pid, &status, 0);
    bool clean = ended == c->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (fd >= 0)
        close(fd);
    close(c->out);
    *c = (struct child){0};
    return clean;
}

void child_kill(struct child *c)
{
    if (c->pid > 0) {
        (void)kill(c->pid, SIGKILL);
        (void)child_stop(c);
    }
}
