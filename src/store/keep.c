#include "store/keep.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/mem.h"

struct keep {
    pthread_mutex_t lock;
    struct kept *newest;
    size_t bytes, bytes_max;
    struct keep_claim *claims;
};

void kept_init(struct kept *k, int64_t business, enum kept_kind kind, int64_t version,
               void (*free)(struct kept *k))
{
    k->business = business;
    k->kind = kind;
    k->version = version;
    k->free = free;
    k->next = NULL;
    atomic_init(&k->holders, 1);
}

void kept_release(struct kept *k)
{
    if (!k)
        return;
    unsigned holders = atomic_fetch_sub(&k->holders, 1);
    ASSERT(holders > 0);
    if (holders == 1)
        k->free(k);
}

struct keep *keep_new(size_t bytes_max)
{
    struct keep *k = mem_zalloc(sizeof(*k));
    k->bytes_max = bytes_max;
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void keep_free(struct keep *k)
{
    if (!k)
        return;
    while (k->newest) {
        struct kept *item = k->newest;
        k->newest = item->next;
        kept_release(item);
    }
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
}

/* Where the thing of a business stands in the list, or NULL. */
static struct kept **find(struct keep *k, int64_t business, enum kept_kind kind)
{
    struct kept **at = &k->newest;
    while (*at && ((*at)->business != business || (*at)->kind != kind))
        at = &(*at)->next;
    return *at ? at : NULL;
}

static void push(struct keep *k, struct kept *item)
{
    item->next = k->newest;
    k->newest = item;
}

struct kept *keep_get(struct keep *k, int64_t business, enum kept_kind kind, int64_t version)
{
    struct kept *item = NULL;
    pthread_mutex_lock(&k->lock);
    struct kept **at = find(k, business, kind);
    if (at && (*at)->version == version) {
        item = *at;
        *at = item->next;
        push(k, item);
        atomic_fetch_add(&item->holders, 1);
    }
    pthread_mutex_unlock(&k->lock);
    return item;
}

/* Takes what is too much off the old end; returned as a list. */
static struct kept *shrink(struct keep *k)
{
    size_t bytes = 0;
    struct kept **at = &k->newest;
    while (*at && bytes + (*at)->bytes <= k->bytes_max) {
        bytes += (*at)->bytes;
        at = &(*at)->next;
    }
    struct kept *rest = *at;
    *at = NULL;
    k->bytes = bytes;
    return rest;
}

bool keep_claim(struct keep *k, struct keep_claim *claim)
{
    pthread_mutex_lock(&k->lock);
    const struct keep_claim *other = k->claims;
    while (other && (other->business != claim->business || other->kind != claim->kind))
        other = other->next;
    if (!other) {
        claim->next = k->claims;
        k->claims = claim;
    }
    pthread_mutex_unlock(&k->lock);
    return !other;
}

void keep_unclaim(struct keep *k, struct keep_claim *claim)
{
    pthread_mutex_lock(&k->lock);
    struct keep_claim **at = &k->claims;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    pthread_mutex_unlock(&k->lock);
}

void keep_put(struct keep *k, struct kept *item)
{
    struct kept *dropped = NULL;
    if (item->bytes > k->bytes_max)
        return;
    pthread_mutex_lock(&k->lock);
    struct kept **at = find(k, item->business, item->kind);
    /* A reader that began before the last change may come late: the newer one stays. */
    if (!at || (*at)->version <= item->version) {
        struct kept *older = at ? *at : NULL;
        if (older)
            *at = older->next;
        atomic_fetch_add(&item->holders, 1);
        push(k, item);
        dropped = shrink(k);
        if (older) {
            older->next = dropped;
            dropped = older;
        }
    }
    pthread_mutex_unlock(&k->lock);
    while (dropped) {
        struct kept *next = dropped->next;
        kept_release(dropped);
        dropped = next;
    }
}
