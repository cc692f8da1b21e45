/*
 * probe.h - looks whether an engine that failed can be reached again, so that no caller has to.
 *
 * One connection, closed as soon as it is open: no session is configured and nothing is paid for.
 * The part of the loop whose call opened the breaker looks, again and again until it is reached.
 *
 *   Lifetime  probes_init with the part; probes_close before the part goes, then wait until
 *             probes_idle (host_part_idle is told when the last has closed).
 *   Thread    the loop's.
 */
#ifndef SESSION_PROBE_H
#define SESSION_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "call/config.h"
#include "engine/engine.h"

struct host_part;

struct probe {
    struct host_part *part;
    uint32_t index; /* of the engine */
    struct loop_timer *timer;
    struct engine *engine; /* while it looks */
    bool reached;
};

struct probes {
    struct probe of[CALL_ENGINES_MAX];
    bool closing;
};

void probes_init(struct probes *p, struct host_part *part);
void probes_close(struct probes *p);
bool probes_idle(const struct probes *p);
/* The breaker of the engine was just opened by a call of this loop. */
void probes_arm(struct probes *p, uint32_t index);

#endif
