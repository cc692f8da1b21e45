/*
 * owner.h - the name of the place a call lives at: "<instance>.<loop>".
 *
 * A process draws an instance when it starts; its loops are numbered. The name is the last segment
 * of the addresses given to a carrier, so that whatever listener gets the connection knows where
 * it belongs.
 *
 *   Thread   any; pure.
 */
#ifndef NET_OWNER_H
#define NET_OWNER_H

#include <stdbool.h>

#include "base/rng.h"
#include "base/str.h"

enum {
    OWNER_INSTANCE_CHARS = 8,
    OWNER_TEXT_BYTES = OWNER_INSTANCE_CHARS + 1 + 3 + 1, /* with the NUL */
};

struct owner {
    char instance[OWNER_INSTANCE_CHARS + 1]; /* lower-case hexadecimal */
    unsigned loop;                           /* below LOOP_COUNT_MAX */
};

/* Draws an instance. It tells processes apart and is no secret. */
void owner_instance(struct rng *rng, char out[OWNER_INSTANCE_CHARS + 1]);
void owner_write(char out[OWNER_TEXT_BYTES], const char *instance, unsigned loop);
/* False, and nothing written, for anything that owner_write does not write. */
bool owner_parse(struct str text, struct owner *out);

#endif
