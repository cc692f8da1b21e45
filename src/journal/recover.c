#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "journal/record.h"
#include "journal/scan.h"

/* What the directory of segments holds: one scan a series. */
struct found {
    struct series series; /* its name and lock; the directories are the owner's */
    struct scan scan;
    struct found *next;
};

typedef void recovered_fn(void *ctx, const struct journal_recovered *call);

static struct found *found_of(struct found **list, const struct series *dirs, struct str name)
{
    struct found **at = list;
    while (*at && !str_eq(str_of((*at)->series.name), name))
        at = &(*at)->next;
    if (!*at) {
        struct found *f = mem_zalloc(sizeof(*f));
        f->series = *dirs;
        if (!str_copy(f->series.name, sizeof(f->series.name), name)) {
            mem_free(f);
            return NULL;
        }
        scan_init(&f->scan, &f->series);
        *at = f;
    }
    return *at;
}

static enum err list_segments(struct found **out, const struct series *dirs,
                              struct err_detail *detail)
{
    int fd = openat(dirs->segments_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        enum err err =
            err_explain(detail, ERR_IO, "cannot list the segments: %s", strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return err;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct str series;
        uint32_t number;
        bool segment = segment_parse_name(str_of(e->d_name), &series, &number);
        /* A lock alone is what an idle process leaves when it is killed. */
        if (!segment && !series_parse_lock_name(str_of(e->d_name), &series))
            continue;
        struct found *f = found_of(out, dirs, series);
        if (f && segment && !scan_add_segment(&f->scan, number))
            LOG_ERROR(NULL, "journal.recover", "series=%s err=\"too many segments\"",
                      f->series.name);
    }
    closedir(d);
    return OK;
}

static void free_found(struct found *list)
{
    while (list) {
        struct found *f = list;
        list = f->next;
        series_end(&f->series, false);
        scan_fini(&f->scan);
        mem_free(f);
    }
}

static bool has_file(const struct series *series, const struct scan_call *call)
{
    char name[JOURNAL_ID_BYTES_MAX + 8];
    snprintf(name, sizeof(name), "%s.jrn", call->id);
    return faccessat(series->dir_fd, name, F_OK, 0) == 0;
}

static enum err recover_call(const struct scan *scan, const struct scan_call *call, const char *dir,
                             recovered_fn *fn, void *ctx, struct err_detail *detail)
{
    struct copy c;
    enum err err = copy_begin(&c, scan->series->dir_fd, call->id, detail);
    if (err != OK)
        return err;
    err = scan_copy(scan, call, &c, detail);
    if (err == OK)
        err = copy_commit(&c, detail);
    copy_end(&c);
    if (err != OK)
        return err;
    if (call->gap)
        LOG_WARN(call->id, "journal.gap", "next=\"records are missing from its file\"");
    struct buf path;
    buf_init(&path, 8192);
    buf_printf(&path, "%s/%s.jrn", dir, call->id);
    struct journal_recovered r = {
        .call_id = call->id,
        .path = buf_cstr(&path),
        .last_at_us = call->last_at_us,
        .head = str_of(call->head),
        .end = str_of(call->end),
    };
    if (fn)
        fn(ctx, &r);
    buf_fini(&path);
    return OK;
}

static void remove_segments(const struct scan *scan)
{
    for (size_t i = 0; i < scan->numbers_count; i++) {
        char name[SEGMENT_NAME_BYTES];
        segment_name(name, scan->series->name, scan->numbers[i]);
        unlinkat(scan->series->segments_fd, name, 0);
    }
}

static enum err recover_series(struct found *f, const char *dir, recovered_fn *fn, void *ctx,
                               struct err_detail *detail)
{
    enum err err = series_take(&f->series, str_of(f->series.name), detail);
    if (err != OK)
        return err == ERR_AGAIN ? OK : err;
    err = scan_run(&f->scan, detail);
    size_t recovered = 0;
    for (size_t i = 0; i < f->scan.calls_count && err == OK; i++) {
        const struct scan_call *call = &f->scan.calls[i];
        if (!call->head || has_file(&f->series, call))
            continue;
        err = recover_call(&f->scan, call, dir, fn, ctx, detail);
        recovered++;
    }
    if (err != OK)
        return err;
    remove_segments(&f->scan);
    series_end(&f->series, true);
    if (recovered > 0)
        LOG_INFO(NULL, "journal.recovered-calls", "series=%s calls=%zu", f->series.name, recovered);
    return OK;
}

enum err journal_recover(const char *dir, recovered_fn *fn, void *ctx, struct err_detail *detail)
{
    struct series dirs;
    enum err err = series_open_dirs(&dirs, dir, false, detail);
    if (err == ERR_NOTFOUND)
        return OK; /* nothing was ever recorded here */
    if (err != OK)
        return err;
    struct found *list = NULL;
    err = list_segments(&list, &dirs, detail);
    for (struct found *f = list; f && err == OK; f = f->next)
        err = recover_series(f, dir, fn, ctx, detail);
    free_found(list);
    series_close_dirs(&dirs);
    return err;
}

static const struct scan_call *find_call(const struct scan *scan, const char *id)
{
    for (size_t i = 0; i < scan->calls_count; i++)
        if (scan->calls[i].head && str_eq(str_of(scan->calls[i].id), str_of(id)))
            return &scan->calls[i];
    return NULL;
}

enum err journal_snapshot(const char *dir, const char *call_id, int fd, struct err_detail *detail)
{
    struct series dirs;
    enum err err = series_open_dirs(&dirs, dir, false, detail);
    if (err != OK)
        return err;
    char id[JOURNAL_ID_BYTES_MAX + 1];
    record_clean_id(id, str_of(call_id));
    struct found *list = NULL;
    const struct scan_call *call = NULL;
    err = list_segments(&list, &dirs, detail);
    for (struct found *f = list; f && err == OK && !call; f = f->next) {
        err = scan_run(&f->scan, detail);
        call = find_call(&f->scan, id);
        if (err != OK || !call)
            continue;
        struct copy c;
        copy_begin_fd(&c, fd);
        err = scan_copy(&f->scan, call, &c, detail);
        if (err == OK)
            err = copy_commit(&c, detail);
        copy_end(&c);
    }
    if (err == OK && !call)
        err = err_explain(detail, ERR_NOTFOUND, "no call %s in %s", call_id, dir);
    free_found(list);
    series_close_dirs(&dirs);
    return err;
}
