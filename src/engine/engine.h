/*
 * engine.h - who thinks and speaks: the contract of every engine.
 *
 * An engine takes Realtime client events and gives Realtime server events, as JSON text in the GA
 * shape (proto/rt_event.h). A provider over WebSocket and the built-in local engine look the same
 * from here; only app/ names a driver.
 *
 *   Lifetime  driver->open opens; engine_close is idempotent, returns at once and exactly one
 *             on_closed follows from the loop, never from inside engine_close or open; the
 *             memory is freed after it. From any callback one may close the engine and use it
 *             until one returns.
 *   Order     on_open once (the engine accepts events), on_event in the engine's order, on_closed
 *             once, always, also when opening failed later than open().
 *   Bounds    engine_send refuses audio (ERR_LIMIT) when the engine has too much waiting; control
 *             events are never refused by an open engine.
 *   Thread    the loop's.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

enum engine_class { ENGINE_CONTROL, ENGINE_AUDIO };

struct engine_events {
    void (*on_open)(void *ctx);
    /* One server event; valid until return. */
    void (*on_event)(void *ctx, struct str json);
    /* `reason`: a sentence for the log and the journal; holds no secrets. */
    void (*on_closed)(void *ctx, enum err why, struct str reason);
    /* The engine will probably ask for this tool in a moment. Whoever can may run it beforehand and
     * give its output to engine_hint; nothing may come of it, and it is no part of the
     * conversation: only time is saved. May be NULL. */
    void (*on_guess)(void *ctx, struct str tool, struct str arguments);
};

/* The sentences a recogniser should expect. Immutable and shared; lives as long as the engine. */
struct engine_vocabulary {
    const struct str *sentences;
    size_t count;
    /* Identifies the contents: engines may cache what they build from them under this key. */
    const char *key;
};

struct engine_opts {
    struct loop *loop;
    const char *call_id;                        /* for the log; lives as long as the engine */
    const struct engine_vocabulary *vocabulary; /* may be NULL */
};

/* Base of every engine: drivers embed it as their first member. */
struct engine {
    const struct engine_ops *ops;
};

struct engine_ops {
    enum err (*send)(struct engine *e, struct str json, enum engine_class cls);
    void (*close)(struct engine *e);
    void (*hint)(struct engine *e, struct str output); /* NULL: it never guesses */
};

struct engine_driver {
    const char *name; /* "realtime", "local" */
    /* On an error nothing is called back; `detail` says why. */
    enum err (*open)(void *driver, const struct engine_opts *opts,
                     const struct engine_events *events, void *ctx, struct engine **out,
                     struct err_detail *detail);
    void *driver; /* passed to open: the driver's own configuration and shared state */
};

static inline enum err engine_send(struct engine *e, struct str json, enum engine_class cls)
{
    return e->ops->send(e, json, cls);
}

/* The output of the tool of the latest on_guess. */
static inline void engine_hint(struct engine *e, struct str output)
{
    if (e->ops->hint)
        e->ops->hint(e, output);
}

static inline void engine_close(struct engine *e)
{
    e->ops->close(e);
}

#endif
