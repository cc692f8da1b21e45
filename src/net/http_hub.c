#include "net/http_hub.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_private.h"
#include "net/relay.h"

/* A relay, in the list of its loop. */
struct relayed {
    struct http_hub *hub;
    struct relay *relay;
    unsigned index;
    struct relayed *prev, *next;
};

/* A loop's place. `loop` is fixed before the loops run; the rest is that loop's alone. */
struct place {
    struct loop *loop;
    struct http_server *server;
    struct relayed *relays;
};

struct http_hub {
    char instance[OWNER_INSTANCE_CHARS + 1];
    struct place places[LOOP_COUNT_MAX];
    http_pass_fn *pass; /* NULL = there are no other processes */
    void *pass_ctx;
    http_pick_fn *pick; /* NULL = what begins stays where it came in */
    void *pick_ctx;
    char successor[OWNER_INSTANCE_CHARS + 1];
    atomic_bool has_successor; /* `successor` is written before it and not again */
    _Atomic uint64_t moved, passed, refused, turned[HTTP_TURNED_COUNT];
    atomic_size_t relayed;
};

struct http_hub *http_hub_new(const char *instance)
{
    struct http_hub *hub = mem_zalloc(sizeof(*hub));
    bool fits = str_copy(hub->instance, sizeof(hub->instance), str_of(instance));
    ASSERT(fits);
    return hub;
}

void http_hub_free(struct http_hub *hub)
{
    mem_free(hub);
}

void http_hub_join(struct http_hub *hub, struct http_server *s)
{
    unsigned index = loop_index(s->loop);
    ASSERT(index < LOOP_COUNT_MAX && !hub->places[index].server);
    hub->places[index] = (struct place){.loop = s->loop, .server = s};
}

void http_hub_leave(struct http_hub *hub, struct http_server *s)
{
    struct place *place = &hub->places[loop_index(s->loop)];
    ASSERT(place->server == s);
    place->server = NULL; /* `loop` stays: what is on its way is dropped there */
    for (struct relayed *r = place->relays; r; r = r->next)
        relay_close(r->relay); /* each leaves the list from the loop */
}

void http_hub_set_pass(struct http_hub *hub, http_pass_fn *fn, void *ctx)
{
    hub->pass = fn;
    hub->pass_ctx = ctx;
}

void http_hub_set_pick(struct http_hub *hub, http_pick_fn *pick, void *ctx)
{
    hub->pick = pick;
    hub->pick_ctx = ctx;
}

void http_hub_set_successor(struct http_hub *hub, const char *instance)
{
    if (atomic_load(&hub->has_successor))
        return;
    (void)str_copy(hub->successor, sizeof(hub->successor), str_of(instance));
    atomic_store(&hub->has_successor, true);
}

bool http_hub_elsewhere(const struct http_hub *hub, const struct http_server *from,
                        struct str owner_text, bool placed, struct owner *to)
{
    unsigned here = loop_index(from->loop);
    if (owner_text.p && owner_parse(owner_text, to)) {
        if (!str_eq(str_of(to->instance), str_of(hub->instance)))
            return hub->pass != NULL;
        return hub->places[to->loop].loop && hub->places[to->loop].loop != from->loop;
    }
    bool succeeded = hub->pass && atomic_load(&hub->has_successor);
    *to = (struct owner){.loop = here};
    if (succeeded)
        return str_copy(to->instance, sizeof(to->instance), str_of(hub->successor));
    if (!placed || !hub->pick)
        return false;
    to->loop = hub->pick(hub->pick_ctx);
    return to->loop != here && to->loop < LOOP_COUNT_MAX && hub->places[to->loop].loop &&
           str_copy(to->instance, sizeof(to->instance), str_of(hub->instance));
}

static void arrive(void *ctx)
{
    struct http_parcel *p = ctx;
    struct http_server *s = p->hub->places[p->index].server;
    if (s)
        http_conn_adopt(s, p, 0);
    else /* that loop is being stopped */
        http_parcel_free(p);
}

bool http_hub_take(struct http_hub *hub, unsigned index, struct http_parcel *p)
{
    if (index >= LOOP_COUNT_MAX || !hub->places[index].loop)
        index = 0;
    p->hub = hub;
    p->index = index;
    return loop_post(hub->places[index].loop, arrive, p) == OK;
}

void http_hub_send(struct http_hub *hub, struct http_server *from, const struct owner *to,
                   struct http_parcel *p)
{
    bool ours = str_eq(str_of(to->instance), str_of(hub->instance));
    enum http_passed passed;
    if (ours)
        passed = http_hub_take(hub, to->loop, p) ? HTTP_PASSED : HTTP_NOT_PASSED;
    else
        passed = hub->pass(hub->pass_ctx, from, to, p);
    switch (passed) {
    case HTTP_PASSED:
        atomic_fetch_add(ours ? &hub->moved : &hub->passed, 1);
        break;
    case HTTP_NO_OWNER:
        http_conn_adopt(from, p, 0);
        break;
    case HTTP_NOT_PASSED:
        atomic_fetch_add(&hub->refused, 1);
        LOG_ERROR(NULL, "http.not_moved", "peer=%s to=%s.%u next=\"answered 503\"", p->conn.peer,
                  to->instance, to->loop);
        http_conn_adopt(from, p, 503);
        break;
    }
}

static void relay_gone(void *ctx)
{
    struct relayed *r = ctx;
    struct place *place = &r->hub->places[r->index];
    if (r->prev)
        r->prev->next = r->next;
    else
        place->relays = r->next;
    if (r->next)
        r->next->prev = r->prev;
    atomic_fetch_sub(&r->hub->relayed, 1);
    mem_free(r);
}

void http_hub_relay(struct http_hub *hub, struct http_server *from, struct http_parcel *p, int fd)
{
    struct relayed *r = mem_zalloc(sizeof(*r));
    *r = (struct relayed){.hub = hub, .index = loop_index(from->loop)};
    enum err err = relay_open(&r->relay, from->loop, &p->conn, fd, relay_gone, r);
    http_parcel_free(p);
    if (err != OK) {
        LOG_ERROR(NULL, "http.not_relayed", "err=%s", err_name(err));
        mem_free(r);
        return;
    }
    struct place *place = &hub->places[r->index];
    r->next = place->relays;
    if (r->next)
        r->next->prev = r;
    place->relays = r;
    atomic_fetch_add(&hub->relayed, 1);
}

void http_hub_turned(struct http_hub *hub, enum http_turned how)
{
    if (hub)
        atomic_fetch_add(&hub->turned[how], 1);
}

void http_hub_counters(const struct http_hub *hub, struct http_hub_counters *out)
{
    *out = (struct http_hub_counters){.moved = atomic_load(&hub->moved),
                                      .passed = atomic_load(&hub->passed),
                                      .relayed = atomic_load(&hub->relayed),
                                      .refused = atomic_load(&hub->refused),
                                      .crowded = atomic_load(&hub->turned[HTTP_CROWDED]),
                                      .gave_way = atomic_load(&hub->turned[HTTP_GAVE_WAY]),
                                      .full = atomic_load(&hub->turned[HTTP_FULL])};
}
