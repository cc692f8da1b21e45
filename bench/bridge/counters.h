/*
 * counters.h - what a server does for a frame, counted instead of timed: such figures repeat on a
 * busy machine, too.
 *
 * System calls come from the kernel's tracepoint (root, or kernel.perf_event_paranoid < 0 and a
 * readable tracefs); instructions of user code from valgrind's callgrind, under which the server has
 * to be running (stage.h), and which makes it fifty times slower.
 *
 *   Thread   one.
 */
#ifndef BENCH_BRIDGE_COUNTERS_H
#define BENCH_BRIDGE_COUNTERS_H

#include <stdint.h>

#include "base/err.h"
#include "bridge/child.h"

/* Zero-initialise. */
struct counters {
    int fds[CHILD_THREADS_MAX];
    unsigned count;
};

/* Begins to count the system calls of every thread the child has. ERR_DENIED when the kernel does
 * not let us. Undone by syscalls_close. */
enum err syscalls_open(struct counters *c, const struct child *child) MUST_CHECK;
/* So far. */
uint64_t syscalls_read(const struct counters *c);
void syscalls_close(struct counters *c);

/* Of a child under callgrind: begins to count anew. */
enum err instructions_zero(const struct child *child, struct err_detail *why) MUST_CHECK;
/* Executed since. `out_file` is where callgrind was told to write. */
enum err instructions_read(const struct child *child, const char *out_file, uint64_t *out,
                           struct err_detail *why) MUST_CHECK;

#endif
