/*
 * rng.h - random bytes, injected.
 *
 * Production code is given a system generator (getrandom, refilled in bulk because client masks
 * need four bytes a frame); tests and the simulator give a seeded one, so that even a WebSocket key
 * is golden.
 *
 *   Memory   value type, embedded in its owner.
 *   Thread   one generator belongs to one thread.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

enum { RNG_POOL_BYTES = 1024 };

/* Fields are private to rng.c. */
struct rng {
    uint64_t state; /* seeded generators only */
    int seeded;
    size_t left; /* unused bytes at the end of pool */
    unsigned char pool[RNG_POOL_BYTES];
};

/* A cryptographically secure generator. */
void rng_init_system(struct rng *r);
/* A reproducible one (splitmix64); never for anything a peer could profit from guessing. */
void rng_init_seeded(struct rng *r, uint64_t seed);

void rng_fill(struct rng *r, void *out, size_t len);
uint32_t rng_u32(struct rng *r);
/* Uniform enough in [0, bound); bound > 0. */
uint32_t rng_below(struct rng *r, uint32_t bound);
/* `bytes` random bytes as lower-case hex, NUL-terminated; `out` holds 2 * bytes + 1. */
void rng_hex(struct rng *r, char *out, size_t bytes);

#endif
