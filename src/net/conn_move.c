#include "net/conn_move.h"

#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/conn_private.h"

static void free_released(void *ctx)
{
    mem_free(ctx);
}

bool conn_release(struct conn *c, struct conn_parcel *out)
{
    loop_assert_thread(c->loop);
    conn_uncork(c); /* the cork is the loop's */
    if (c->state != CONN_OPEN)
        return false;
    ASSERT(!c->cork && !c->timer && !c->dial);
    *out = (struct conn_parcel){
        .fd = c->sock->fd, .ssl = c->ssl, .out = c->out, .out_sent = c->out_sent};
    memcpy(out->peer, c->peer, sizeof(out->peer));
    /* uv_close takes the descriptor out of the loop's epoll at once, so that another may watch it
     * from now on; without a number it is not closed with the handle. */
    c->sock->fd = -1;
    conn_detach(c);
    c->ssl = NULL;
    buf_init(&c->out, CONN_OUT_BYTES_CEILING);
    c->out_sent = 0;
    c->state = CONN_CLOSED;
    loop_defer(c->loop, free_released, c); /* behind a deferred read, as at every end */
    return true;
}

enum err conn_adopt(struct loop *l, struct conn_parcel *p, const struct conn_events *events,
                    void *ctx, struct conn **out)
{
    loop_assert_thread(l);
    struct conn *c = conn_new(l, events, ctx, 0);
    int fd = p->fd;
    p->fd = -1;
    enum err err = conn_attach(c, fd);
    if (err != OK) {
        conn_parcel_fini(p);
        mem_free(c);
        return err;
    }
    c->ssl = p->ssl;
    c->out = p->out;
    c->out_sent = p->out_sent;
    memcpy(c->peer, p->peer, sizeof(c->peer));
    c->state = CONN_OPEN;
    *p = (struct conn_parcel){.fd = -1};
    conn_arm(c);
    if (c->ssl && SSL_has_pending(c->ssl))
        conn_receive_soon(c);
    *out = c;
    return OK;
}

void conn_parcel_fini(struct conn_parcel *p)
{
    SSL_free(p->ssl);
    p->ssl = NULL;
    buf_fini(&p->out);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}
