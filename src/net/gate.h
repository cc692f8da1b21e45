/*
 * gate.h - the door between the processes that serve one data folder.
 *
 * Each listens on <dir>/<instance>.sock (Unix, SOCK_SEQPACKET; the folder is the user's alone, and
 * a peer of another user is sent away). A successor gets the listening sockets themselves, so that
 * no connection waiting in them is lost; a connection whose call lives in another process goes
 * there as its descriptor (SCM_RIGHTS), with the bytes that were read of it. A TLS session cannot
 * move: it stays, and what it carries goes through a socket pair (net/relay.h).
 *
 *   Lifetime  gate_open/gate_close on one loop, gate_free at the end. gate_ask and gate_succeed:
 *             before the loops run.
 *   Thread    gate_open, gate_close and the events: the loop's. Passing a connection on: any.
 *   Bounds    GATE_MESSAGE_BYTES_MAX a message, GATE_BACKLOG of them waiting: then a connection is
 *             answered 503 by who has it. Nothing here blocks but gate_ask and gate_succeed, for
 *             GATE_WAIT_MS.
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"
#include "net/http_hub.h"
#include "net/loop.h"

struct gate;

/* What a process says of itself to who asks for its sockets. */
struct gate_about {
    bool draining;       /* it serves no new calls any more */
    int64_t watchdog_us; /* what its supervisor demands; 0 = nothing */
};

struct gate_events {
    /* A successor asks for the listening sockets: writes at most `max` and returns how many; they
     * stay ours. */
    size_t (*on_asked)(void *ctx, int *fds, size_t max, struct gate_about *about);
    /* The successor listens now. */
    void (*on_successor)(void *ctx, const char *instance);
};

/* Listens, and makes the hub send connections of other instances through their gates. */
enum err gate_open(struct gate **out, struct loop *l, const char *dir, const char *instance,
                   struct http_hub *hub, const struct gate_events *events, void *ctx,
                   struct err_detail *detail) MUST_CHECK;
/* Stops listening and removes the socket; connections still go out through it. Idempotent,
 * NULL-safe. */
void gate_close(struct gate *g);
/* After the loops are closed. NULL-safe. */
void gate_free(struct gate *g);

/* Whether a process of that instance listens on its gate now. */
bool gate_lives(const char *dir, const char *instance);

struct gate_predecessor {
    char instance[OWNER_INSTANCE_CHARS + 1];
    struct gate_about about;
    int fds[LOOP_COUNT_MAX]; /* ours to close */
    size_t fd_count;
    pid_t pids[GATE_PROCESSES_MAX]; /* of every process that serves the folder, also without one */
    size_t pid_count;               /* that has sockets to give */
};
/* Looks for a process that serves `dir` and has listening sockets to give; false = there is none.
 * Sockets of dead processes are removed. */
bool gate_ask(const char *dir, struct gate_predecessor *out);
/* Tells it that `instance` listens now. */
enum err gate_succeed(const char *dir, const char *predecessor, const char *instance) MUST_CHECK;

#endif
