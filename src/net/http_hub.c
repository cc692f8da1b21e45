#include "net/http_hub.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_private.h"

/* A loop's place. `loop` is fixed before the loops run; `server` is that loop's alone. */
struct place {
    struct loop *loop;
    struct http_server *server;
};

struct http_hub {
    char instance[OWNER_INSTANCE_CHARS + 1];
    struct place places[LOOP_COUNT_MAX];
    _Atomic uint64_t moved, refused;
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
}

bool http_hub_elsewhere(const struct http_hub *hub, const struct http_server *from,
                        struct str owner_text, unsigned *index)
{
    struct owner owner;
    if (!owner_parse(owner_text, &owner) || !str_eq(str_of(owner.instance), str_of(hub->instance)))
        return false;
    if (!hub->places[owner.loop].loop || hub->places[owner.loop].loop == from->loop)
        return false;
    *index = owner.loop;
    return true;
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

void http_hub_send(struct http_hub *hub, struct http_server *from, unsigned index,
                   struct http_parcel *p)
{
    p->hub = hub;
    p->index = index;
    if (loop_post(hub->places[index].loop, arrive, p) == OK) {
        atomic_fetch_add(&hub->moved, 1);
        return;
    }
    atomic_fetch_add(&hub->refused, 1);
    LOG_ERROR(NULL, "http.not_moved", "peer=%s loop=%u next=\"answered 503\"", p->conn.peer, index);
    http_conn_adopt(from, p, 503);
}

void http_hub_counters(const struct http_hub *hub, struct http_hub_counters *out)
{
    *out = (struct http_hub_counters){.moved = atomic_load(&hub->moved),
                                      .refused = atomic_load(&hub->refused)};
}
