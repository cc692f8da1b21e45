#include "journal/past.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/scan.h"

/* One process's segments of one loop; goes with the last who needs it. */
struct past_series {
    struct series series; /* with directories of its own */
    struct scan scan;
    struct past_series *next;
    bool taken, look_only;
    _Atomic unsigned refs;
    _Atomic bool keep; /* a call in it has no file: the segments stay */
};

struct past_part {
    struct past_series *series;
    const struct scan_call *call;
};

struct past_hold {
    size_t count;
    struct past_part parts[];
};

struct past {
    struct series dirs;
    struct past_series *series;
    struct past_part *parts; /* of all calls, each call's together */
    size_t part_count;
    struct past_call *calls;
    size_t call_count;
};

/* -- series -- */

static void remove_segments(const struct scan *scan)
{
    for (size_t i = 0; i < scan->numbers_count; i++) {
        char name[SEGMENT_NAME_BYTES];
        segment_name(name, scan->series->name, scan->numbers[i]);
        unlinkat(scan->series->segments_fd, name, 0);
    }
}

static void series_release(struct past_series *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    bool remove = s->taken && !atomic_load(&s->keep);
    if (remove)
        remove_segments(&s->scan);
    series_end(&s->series, remove);
    series_close_dirs(&s->series);
    scan_fini(&s->scan);
    mem_free(s);
}

/* By name, which begins with the time of the process's start; NULL when it cannot be. */
static struct past_series *series_of(struct past *p, struct str name)
{
    struct past_series **at = &p->series;
    while (*at && strcmp((*at)->series.name, name.p) < 0 &&
           !str_eq(str_of((*at)->series.name), name))
        at = &(*at)->next;
    if (*at && str_eq(str_of((*at)->series.name), name))
        return *at;
    struct past_series *s = mem_zalloc(sizeof(*s));
    s->series = (struct series){.dir_fd = fcntl(p->dirs.dir_fd, F_DUPFD_CLOEXEC, 0),
                                .segments_fd = fcntl(p->dirs.segments_fd, F_DUPFD_CLOEXEC, 0),
                                .lock_fd = -1};
    scan_init(&s->scan, &s->series);
    atomic_init(&s->refs, 1);
    if (s->series.dir_fd < 0 || s->series.segments_fd < 0 ||
        !str_copy(s->series.name, sizeof(s->series.name), name)) {
        series_release(s);
        return NULL;
    }
    s->next = *at;
    *at = s;
    return s;
}

static enum err list_segments(struct past *p, struct err_detail *detail)
{
    int fd = openat(p->dirs.segments_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        enum err err =
            err_explain(detail, ERR_IO, "cannot list the segments: %s", strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return err;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char name[SERIES_NAME_BYTES];
        struct str series;
        uint32_t number;
        bool segment = segment_parse_name(str_of(e->d_name), &series, &number);
        /* A lock alone is what an idle process leaves when it is killed. */
        if (!segment && !series_parse_lock_name(str_of(e->d_name), &series))
            continue;
        struct past_series *s =
            str_copy(name, sizeof(name), series) ? series_of(p, str_of(name)) : NULL;
        if (s && segment && !scan_add_segment(&s->scan, number))
            LOG_ERROR(NULL, "journal.recover", "series=%s err=\"too many segments\"", name);
    }
    closedir(d);
    return OK;
}

static enum err read_series(struct past_series *s, bool look_only, struct err_detail *detail)
{
    s->look_only = look_only;
    if (!look_only) {
        enum err err = series_take(&s->series, str_of(s->series.name), detail);
        if (err != OK && err != ERR_AGAIN)
            return err;
        s->taken = err == OK;
    }
    return scan_run(&s->scan, detail);
}

/* -- calls -- */

static int by_call(const void *a, const void *b)
{
    const struct past_part *x = a, *y = b;
    int ids = strcmp(x->call->id, y->call->id);
    if (ids != 0)
        return ids;
    return (x->call->first > y->call->first) - (x->call->first < y->call->first);
}

static bool has_file(const struct past *p, const char *id)
{
    char name[JOURNAL_ID_BYTES_MAX + 8];
    snprintf(name, sizeof(name), "%s.jrn", id);
    return faccessat(p->dirs.dir_fd, name, F_OK, 0) == 0;
}

static struct past_call join(const struct past *p, const struct past_part *parts, size_t count)
{
    struct past_call c = {.id = parts[0].call->id,
                          .head = str_of(parts[0].call->head),
                          .end = STR_NONE,
                          .parts = parts,
                          .part_count = count};
    for (size_t i = 0; i < count; i++) {
        const struct scan_call *part = parts[i].call;
        c.gap |= part->gap || part->first != c.next_sequence;
        c.next_sequence = part->sequence;
        c.last_at_us = part->last_at_us;
        if (part->end)
            c.end = str_of(part->end);
        c.alive |= !parts[i].series->taken && !parts[i].series->look_only;
    }
    c.filed = has_file(p, c.id);
    return c;
}

static void collect(struct past *p)
{
    size_t most = 0;
    for (struct past_series *s = p->series; s; s = s->next)
        most += s->scan.calls_count;
    p->parts = mem_zalloc((most + 1) * sizeof(*p->parts));
    p->calls = mem_zalloc((most + 1) * sizeof(*p->calls));
    for (struct past_series *s = p->series; s; s = s->next)
        for (size_t i = 0; i < s->scan.calls_count; i++)
            if (s->scan.calls[i].id[0])
                p->parts[p->part_count++] = (struct past_part){s, &s->scan.calls[i]};
    if (p->part_count > 1)
        qsort(p->parts, p->part_count, sizeof(*p->parts), by_call);
    for (size_t at = 0, end; at < p->part_count; at = end) {
        for (end = at + 1; end < p->part_count; end++)
            if (strcmp(p->parts[end].call->id, p->parts[at].call->id) != 0)
                break;
        if (p->parts[at].call->head) /* else its beginning is gone: it has its file */
            p->calls[p->call_count++] = join(p, &p->parts[at], end - at);
    }
}

enum err past_open(struct past **out, const char *dir, bool look_only, struct err_detail *detail)
{
    struct past *p = mem_zalloc(sizeof(*p));
    enum err err = series_open_dirs(&p->dirs, dir, false, detail);
    if (err == ERR_NOTFOUND) { /* nothing was ever recorded here */
        *out = p;
        return OK;
    }
    if (err == OK)
        err = list_segments(p, detail);
    for (struct past_series *s = p->series; s && err == OK; s = s->next)
        err = read_series(s, look_only, detail);
    if (err != OK) {
        for (struct past_series *s = p->series; s; s = s->next)
            atomic_store(&s->keep, true);
        past_close(p);
        return err;
    }
    collect(p);
    *out = p;
    return OK;
}

void past_close(struct past *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->call_count; i++)
        for (size_t k = 0; k < p->calls[i].part_count; k++)
            if (!p->calls[i].filed && !p->calls[i].done)
                atomic_store(&p->calls[i].parts[k].series->keep, true);
    while (p->series) {
        struct past_series *s = p->series;
        p->series = s->next;
        series_release(s);
    }
    series_close_dirs(&p->dirs);
    mem_free(p->calls);
    mem_free(p->parts);
    mem_free(p);
}

size_t past_count(const struct past *p)
{
    return p->call_count;
}

struct past_call *past_at(struct past *p, size_t i)
{
    ASSERT(i < p->call_count);
    return &p->calls[i];
}

/* -- records -- */

static enum err copy_parts(const struct past_part *parts, size_t count, struct copy *out,
                           struct err_detail *detail)
{
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++)
        err = scan_copy(&parts[i].series->scan, parts[i].call, out, detail);
    return err;
}

enum err past_copy(const struct past_call *call, struct copy *out, struct err_detail *detail)
{
    return copy_parts(call->parts, call->part_count, out, detail);
}

enum err past_read(const struct past_call *call, struct buf *out, struct err_detail *detail)
{
    enum err err = OK;
    for (size_t i = 0; i < call->part_count && err == OK; i++)
        err = scan_read(&call->parts[i].series->scan, call->parts[i].call, out, detail);
    return err;
}

enum err past_file(struct past *p, struct past_call *call, struct err_detail *detail)
{
    struct copy c;
    enum err err = copy_begin(&c, p->dirs.dir_fd, call->id, detail);
    if (err != OK)
        return err;
    err = past_copy(call, &c, detail);
    if (err == OK)
        err = copy_commit(&c, detail);
    copy_end(&c);
    if (err == OK && call->gap)
        LOG_WARN(call->id, "journal.gap", "next=\"records are missing from its file\"");
    call->filed |= err == OK;
    return err;
}

/* -- holds -- */

struct past_hold *past_hold(struct past_call *call)
{
    struct past_hold *h = mem_zalloc(sizeof(*h) + call->part_count * sizeof(h->parts[0]));
    h->count = call->part_count;
    for (size_t i = 0; i < h->count; i++) {
        h->parts[i] = call->parts[i];
        atomic_fetch_add(&h->parts[i].series->refs, 1);
    }
    call->done = true;
    return h;
}

enum err past_hold_copy(const struct past_hold *h, struct copy *out, struct err_detail *detail)
{
    return copy_parts(h->parts, h->count, out, detail);
}

void past_hold_release(struct past_hold *h, bool filed)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->count; i++) {
        if (!filed)
            atomic_store(&h->parts[i].series->keep, true);
        series_release(h->parts[i].series);
    }
    mem_free(h);
}
