/*
 * notify.h - tells the supervisor that started us how we are: sd_notify(3), without its library.
 *
 * A supervisor such as systemd puts the address of a datagram socket into NOTIFY_SOCKET; lines
 * like "READY=1" are sent there. With WATCHDOG_USEC it also wants "WATCHDOG=1" regularly and kills
 * a process that stops saying so: it is said only while every loop that was added still turns, so
 * one that hangs is found, too.
 *
 *   Lifetime  notify_free after the loops' timers are freed (notify_watch_free).
 *   Thread    notify_send: any. notify_watch, notify_watch_free: the loop's.
 *   Bounds    a message: NOTIFY_BYTES_MAX; LOOP_COUNT_MAX loops. notify_send waits NOTIFY_WAIT_MS
 *             at most for a supervisor that does not read; a watchdog turn never waits.
 *   Source    sd_notify(3), "Notes": AF_UNIX, SOCK_DGRAM, a leading '@' is an abstract address.
 */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include <stdint.h>

#include "base/err.h"
#include "net/loop.h"

struct notify;

struct notify_env {
    const char *socket;        /* NOTIFY_SOCKET; NULL or "" = no supervisor listens */
    const char *watchdog_usec; /* WATCHDOG_USEC; NULL = none */
    const char *watchdog_pid;  /* WATCHDOG_PID; NULL = whoever reads it */
};
/* The process's own environment. */
struct notify_env notify_env(void);

/* Borrows nothing. NULL, which every function takes, when nobody listens or the address is no
 * usable one (which is logged). */
struct notify *notify_new(const struct notify_env *env);
void notify_free(struct notify *n);

/* Sends `lines`, for example "READY=1\nSTATUS=2 calls", as one message. ERR_IO when it
 * could not be delivered. */
enum err notify_send(struct notify *n, const char *lines);

/* Says that this process, which may not be the one that was started, is ready. NULL-safe. */
void notify_ready(struct notify *n);
/* The process before us was watched so (0 = it was not; then the environment says): so are we.
 * Before the first notify_watch. NULL-safe. */
void notify_take_over(struct notify *n, int64_t watchdog_us);
/* Another process speaks from now on: nothing is sent any more. NULL-safe. */
void notify_silence(struct notify *n);

/* Microseconds within which the supervisor wants to hear something; 0 = never. */
int64_t notify_watchdog_us(const struct notify *n);
/* Counts the loop among those that must turn. NULL when there is no watchdog. */
struct notify_watch *notify_watch(struct notify *n, struct loop *loop);
/* NULL-safe. A loop that was taken off is not waited for any more. */
void notify_watch_free(struct notify_watch *w);

#endif
