/*
 * driver.h - what a database must be able to do to stand behind store.h.
 *
 * The threads, the queue and the group commit are store.c's; a driver is connections that run one
 * request at a time. Private to store/.
 *
 *   Thread   a connection is used by one thread at a time, not always the same.
 */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include <stdbool.h>

#include "base/err.h"
#include "store/keep.h"
#include "store/store.h"

struct store_conn; /* the driver's */

struct store_driver {
    const char *name;
    /* A connection that may write creates and migrates the database first. `keep`: what all reading
     * connections share; it outlives them. */
    enum err (*open)(const char *path, bool writer, struct keep *keep, struct store_conn **out,
                     struct err_detail *detail);
    void (*close)(struct store_conn *c); /* NULL-safe */
    enum err (*begin)(struct store_conn *c, struct err_detail *detail);
    enum err (*commit)(struct store_conn *c, struct err_detail *detail); /* rolls back on failure */
    /* Fills r's results, or `detail`; what it returns becomes r->err. A write runs between begin
     * and commit, and leaves no trace when it fails. */
    enum err (*exec)(struct store_conn *c, struct store_req *r);
};

extern const struct store_driver store_driver_sqlite;

#endif
