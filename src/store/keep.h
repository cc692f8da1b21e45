/*
 * keep.h - what a driver keeps in memory of each business, shared by its connections.
 *
 * A thing is made of what the database held at one version of a business's knowledge and never
 * changed afterwards, so readers share it without a lock; it goes when the last of them lets go.
 * The least recently used ones make room. Private to store/.
 *
 *     struct kept *k = keep_get(keep, n, KEPT_LEXICON, version);
 *     if (!k) {
 *         k = ... make one ...;                 -- the maker holds it
 *         keep_put(keep, k);                    -- and the keep does, too
 *     }
 *     ... use it ...
 *     kept_release(k);
 *
 *   Memory   things are counted: one for each holder.
 *   Thread   any; one lock for the list alone.
 *   Bounds   `bytes_max` for all; a larger thing is not kept.
 */
#ifndef STORE_KEEP_H
#define STORE_KEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kept_kind { KEPT_LEXICON, KEPT_VECTORS };

/* The first member of what is kept. */
struct kept {
    int64_t business; /* its number */
    enum kept_kind kind;
    int64_t version;
    size_t bytes;
    void (*free)(struct kept *k); /* on the thread of the last holder */
    /* private */
    atomic_uint holders;
    struct kept *next; /* used longer ago */
};

struct keep;

struct keep *keep_new(size_t bytes_max);
void keep_free(struct keep *k); /* NULL-safe; what is still held stays with its holders */

/* The caller becomes a holder. NULL when there is none of that version. */
struct kept *keep_get(struct keep *k, int64_t business, enum kept_kind kind, int64_t version);
/* Offers a thing, which takes the place of one of the same version or an older one. */
void keep_put(struct keep *k, struct kept *item);

/* The right to make a thing that takes long; the claimant's memory. */
struct keep_claim {
    int64_t business;
    enum kept_kind kind;
    struct keep_claim *next; /* private */
};
/* False while another has it. */
bool keep_claim(struct keep *k, struct keep_claim *claim);
void keep_unclaim(struct keep *k, struct keep_claim *claim);

/* The maker becomes the first holder. */
void kept_init(struct kept *k, int64_t business, enum kept_kind kind, int64_t version,
               void (*free)(struct kept *k));
void kept_release(struct kept *k); /* NULL-safe */

#endif
