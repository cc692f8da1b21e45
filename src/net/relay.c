#include "net/relay.h"

#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"

struct side {
    struct relay *relay;
    struct side *other;
    struct conn *conn; /* NULL once closed */
};

struct relay {
    struct side sides[2];
    loop_fn *on_gone;
    void *ctx;
};

static void on_open(void *ctx)
{
    (void)ctx;
}

static void on_data(void *ctx, uint8_t *p, size_t len)
{
    struct side *from = ctx, *to = from->other;
    if (!to->conn || conn_write(to->conn, p, len) != OK) {
        conn_close(from->conn); /* nobody is there to read it */
        return;
    }
    if (conn_queued(to->conn) > RELAY_QUEUE_BYTES_MAX / 2) {
        conn_want_drained(to->conn);
        conn_pause_reading(from->conn, true);
    }
}

static void on_drained(void *ctx)
{
    struct side *from = ((struct side *)ctx)->other;
    if (from->conn)
        conn_pause_reading(from->conn, false);
}

static void on_closed(void *ctx, enum err why)
{
    struct side *s = ctx;
    struct relay *r = s->relay;
    (void)why;
    s->conn = NULL;
    if (s->other->conn) {
        conn_finish(s->other->conn);
        return;
    }
    r->on_gone(r->ctx);
    mem_free(r);
}

enum err relay_open(struct relay **out, struct loop *l, struct conn_parcel *parcel, int fd,
                    loop_fn *on_gone, void *ctx)
{
    static const struct conn_events events = {on_open, on_data, on_drained, on_closed};
    struct relay *r = mem_zalloc(sizeof(*r));
    *r = (struct relay){.on_gone = on_gone, .ctx = ctx};
    for (int i = 0; i < 2; i++)
        r->sides[i] = (struct side){.relay = r, .other = &r->sides[1 - i]};
    enum err err =
        conn_accept(l, fd, NULL, RELAY_QUEUE_BYTES_MAX, &events, &r->sides[1], &r->sides[1].conn);
    if (err != OK) {
        conn_parcel_fini(parcel);
        mem_free(r);
        return err;
    }
    err = conn_adopt(l, parcel, &events, &r->sides[0], &r->sides[0].conn);
    if (err != OK) { /* on_closed of the other side ends it */
        conn_close(r->sides[1].conn);
        *out = r;
        return OK;
    }
    conn_set_out_max(r->sides[0].conn, RELAY_QUEUE_BYTES_MAX);
    *out = r;
    return OK;
}

void relay_close(struct relay *r)
{
    for (int i = 0; i < 2; i++)
        if (r->sides[i].conn)
            conn_close(r->sides[i].conn);
}
