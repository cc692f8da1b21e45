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

struct child_usage {
    int64_t cpu_ns;       /* all threads */
    int64_t main_ns;      /* the first thread: the server's first loop */
    int64_t user_ms;      /* of the process; the kernel counts them in ticks of 10 ms */
    int64_t system_ms;    /* likewise */
    int64_t disk_written; /* bytes handed to the disk */
};

/* Runs argv[0] with its standard error in `log_path` and waits for the line on its standard output
 * that ends in ":PORT". `env` is its whole environment. */
enum err child_start(struct child *c, char *const argv[], char *const env[], const char *log_path,
                     struct err_detail *detail) MUST_CHECK;
struct child_usage child_usage(const struct child *c);
int64_t child_memory_kb(const struct child *c);
/* SIGTERM, SIGKILL if that does not do, and waits. True when it ended by itself with status 0. Safe
 * on a child that was never started. */
bool child_stop(struct child *c);

#endif
