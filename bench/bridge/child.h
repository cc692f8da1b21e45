/*
 * child.h - a server under measurement: started, watched from outside, stopped.
 *
 * The child dies with us. What it costs is read from the kernel's account of its process, so it
 * need not cooperate.
 *
 *   Units    CPU: nanoseconds of all threads since the start. Memory: KB.
 *   Thread   one; blocks while the child starts and stops.
 */
#ifndef BENCH_BRIDGE_CHILD_H
#define BENCH_BRIDGE_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Fields are private but for `port` and `pid`. Zero-initialise. */
struct child {
    pid_t pid; /* 0 = none */
    int out;   /* its standard output */
    uint16_t port;
};

struct child_opts {
    char *const *argv;    /* argv[0] is the program's path */
    char *const *env;     /* its whole environment */
    const char *log_path; /* its standard error */
    int cpu;              /* pinned to this one; -1: anywhere */
};

struct child_usage {
    int64_t cpu_ns;       /* all threads */
    int64_t main_ns;      /* the first thread: the server's first loop */
    int64_t user_ms;      /* of the process; the kernel counts them in ticks of 10 ms */
    int64_t system_ms;    /* likewise */
    int64_t disk_written; /* bytes handed to the disk */
};

/* Where a process's memory is, KB. */
struct child_memory {
    int64_t rss;
    int64_t pss;    /* pages shared with others count in part */
    int64_t heap;   /* resident of [heap], which malloc grows for the first thread */
    int64_t mapped; /* resident of other anonymous memory: large blocks, other threads' heaps */
    int64_t stacks; /* of the first thread */
    int64_t files;  /* resident of files: program, libraries, database */
};

enum { CHILD_THREADS_MAX = 64 };
struct child_thread {
    int tid;
    int64_t cpu_ns;
};

/* Starts the program and waits for the line on its standard output that ends in ":PORT". */
enum err child_start(struct child *c, const struct child_opts *opts,
                     struct err_detail *detail) MUST_CHECK;
struct child_usage child_usage(const struct child *c);
struct child_memory child_memory(const struct child *c);
/* In the order of their numbers; returns how many. */
size_t child_threads(const struct child *c, struct child_thread out[CHILD_THREADS_MAX]);
/* Schedules this process, and those it starts from now on, before ordinary ones (SCHED_RR). False
 * when the kernel does not allow it. */
bool child_go_first(void);
/* Moves this process away from that CPU, if there is another one. */
void child_leave_cpu(int cpu);
/* SIGTERM, SIGKILL if that does not do, and waits. True when it ended by itself with status 0. Safe
 * on a child that was never started. */
bool child_stop(struct child *c);
/* SIGKILL, and waits. */
void child_kill(struct child *c);

#endif
