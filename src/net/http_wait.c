/* Connections that wait for their peer: idle ones, and those whose request is not whole. They are
 * what a hostile peer can have many of at no cost, so they are bounded for each address and give
 * way, oldest first, when the server is full. */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/http_private.h"

struct http_site {
    struct address address;
    size_t count;
    struct http_site **bucket, *next;
};

/* FNV-1a from a secret start, so that nobody can choose addresses that meet in one bucket. */
static struct http_site **bucket_of(struct http_wait *w, const struct address *site)
{
    uint64_t h = w->seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < ADDRESS_BYTES; i++)
        h = (h ^ site->b[i]) * 0x100000001b3u;
    return &w->buckets[(h ^ h >> 32) % HTTP_SITE_BUCKETS];
}

static struct http_site *find(struct http_site *first, const struct address *site)
{
    while (first && memcmp(&first->address, site, sizeof(*site)) != 0)
        first = first->next;
    return first;
}

bool http_wait_crowded(struct http_server *s, const struct address *peer)
{
    struct address site = address_of_site(peer);
    const struct http_site *found = find(*bucket_of(&s->wait, &site), &site);
    return found && found->count >= s->peer_max;
}

void http_wait_count(struct http_conn *hc, const struct address *peer)
{
    struct address site = address_of_site(peer);
    struct http_site **bucket = bucket_of(&hc->server->wait, &site);
    http_wait_uncount(hc); /* which may free what would be found */
    struct http_site *found = find(*bucket, &site);
    if (!found) {
        found = mem_zalloc(sizeof(*found));
        *found = (struct http_site){.address = site, .bucket = bucket, .next = *bucket};
        *bucket = found;
    }
    found->count++;
    hc->site = found;
}

void http_wait_uncount(struct http_conn *hc)
{
    struct http_site *site = hc->site;
    hc->site = NULL;
    if (!site || --site->count > 0)
        return;
    struct http_site **at = site->bucket;
    while (*at != site)
        at = &(*at)->next;
    *at = site->next;
    mem_free(site);
}

void http_wait_begin(struct http_conn *hc)
{
    struct http_queue *q = &hc->server->wait.queues[hc->trusted];
    http_wait_end(hc);
    hc->waiting = true;
    hc->older = q->newest;
    if (q->newest)
        q->newest->newer = hc;
    else
        q->oldest = hc;
    q->newest = hc;
}

void http_wait_end(struct http_conn *hc)
{
    struct http_queue *q = &hc->server->wait.queues[hc->trusted];
    http_wait_uncount(hc);
    if (!hc->waiting)
        return;
    *(hc->older ? &hc->older->newer : &q->oldest) = hc->newer;
    *(hc->newer ? &hc->newer->older : &q->newest) = hc->older;
    hc->older = hc->newer = NULL;
    hc->waiting = false;
}

struct http_conn *http_wait_oldest(const struct http_server *s)
{
    const struct http_wait *w = &s->wait;
    return w->queues[false].oldest ? w->queues[false].oldest : w->queues[true].oldest;
}

void http_wait_check(const struct http_server *s)
{
    ASSERT(!s->wait.queues[false].oldest && !s->wait.queues[true].oldest);
    for (size_t i = 0; i < HTTP_SITE_BUCKETS; i++)
        ASSERT(!s->wait.buckets[i]);
}
