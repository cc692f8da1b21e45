#include "app/certs.h"

#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

/* What tells one state of a file from another. */
struct print {
    struct timespec changed;
    ino_t inode;
    off_t size;
};

struct certs {
    struct tls_server *tls;
    const char *files[2];
    struct print prints[2]; /* when they were last read, well or not */
    struct loop_timer *timer;
};

static struct print look_at(const char *file)
{
    struct stat st;
    if (stat(file, &st) != 0)
        return (struct print){.size = -1};
    return (struct print){.changed = st.st_mtim, .inode = st.st_ino, .size = st.st_size};
}

static bool same(const struct print *a, const struct print *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->inode == b->inode && a->size == b->size;
}

void certs_reload(struct certs *c)
{
    struct err_detail why = {""};
    for (int i = 0; i < 2; i++)
        c->prints[i] = look_at(c->files[i]);
    if (tls_server_reload(c->tls, &why) == OK)
        LOG_INFO(NULL, "tls.reloaded", "cert=%s", c->files[0]);
    else
        LOG_ERROR(NULL, "tls.not_reloaded", "why=\"%s\" next=\"the old certificate stays\"",
                  why.text);
}

static void on_timer(void *ctx)
{
    struct certs *c = ctx;
    bool changed = false;
    for (int i = 0; i < 2; i++) {
        struct print now = look_at(c->files[i]);
        changed |= !same(&now, &c->prints[i]);
    }
    if (changed)
        certs_reload(c);
    loop_timer_set(c->timer, CERTS_LOOK_MS);
}

struct certs *certs_new(struct loop *l, struct tls_server *tls, const char *cert_file,
                        const char *key_file)
{
    struct certs *c = mem_zalloc(sizeof(*c));
    *c = (struct certs){.tls = tls, .files = {cert_file, key_file}};
    for (int i = 0; i < 2; i++)
        c->prints[i] = look_at(c->files[i]);
    c->timer = loop_timer_new(l, on_timer, c);
    loop_timer_set(c->timer, CERTS_LOOK_MS);
    return c;
}

void certs_free(struct certs *c)
{
    if (!c)
        return;
    loop_timer_free(c->timer);
    mem_free(c);
}
