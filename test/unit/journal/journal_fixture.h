/*
 * journal_fixture.h - a directory that is removed, a loop that runs until told, and a call's file
 * as a list of records. Included by the tests of the journal, one each.
 */
#ifndef JOURNAL_FIXTURE_H
#define JOURNAL_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "journal/past.h"

enum { PATH_BYTES = 512 };

struct fixture {
    char dir[PATH_BYTES];
    struct loop *loop;
    struct journal *journal;
    bool closed;
};

static inline void fixture_stop(void *ctx)
{
    struct fixture *f = ctx;
    loop_stop(f->loop);
}

static inline void fixture_closed(void *ctx)
{
    struct fixture *f = ctx;
    f->closed = true;
    loop_stop(f->loop);
}

static inline bool fixture_init(struct fixture *f)
{
    *f = (struct fixture){0};
    /* A file system in memory where there is one: these tests sync thousands of times. */
    const char *base = getenv("TMPDIR");
    if (!base)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(f->dir, sizeof(f->dir), "%s/callee-journal-XXXXXX", base);
    return mkdtemp(f->dir) != NULL;
}

static inline bool fixture_open(struct fixture *f)
{
    struct err_detail detail;
    f->closed = false;
    if (loop_open(&f->loop, 0) != OK)
        return false;
    if (journal_open(&f->journal, f->loop, f->dir, &detail) == OK)
        return true;
    fprintf(stderr, "journal_open: %s\n", detail.text);
    return false;
}

static inline void fixture_close(struct fixture *f)
{
    journal_close(f->journal, fixture_closed, f);
    while (!f->closed)
        loop_run(f->loop);
    loop_close(f->loop);
}

/* Runs the loop until all of the call is on disk. */
static inline void fixture_sync(struct fixture *f, struct journal_call *jc)
{
    journal_barrier(jc, fixture_stop, f);
    loop_run(f->loop);
}

static inline void fixture_path(const struct fixture *f, char out[PATH_BYTES], const char *name)
{
    snprintf(out, PATH_BYTES, "%.300s/%.200s", f->dir, name);
}

/* Files in the directory (or its segments) whose names end so; the last one's name in `out`. */
static inline int fixture_count(const struct fixture *f, const char *under, const char *suffix,
                                char out[PATH_BYTES])
{
    char path[PATH_BYTES];
    fixture_path(f, path, under);
    DIR *d = opendir(path);
    int count = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (!str_ends(str_of(e->d_name), str_of(suffix)))
            continue;
        count++;
        if (out)
            snprintf(out, PATH_BYTES, "%.200s/%.255s", path, e->d_name);
    }
    if (d)
        closedir(d);
    return count;
}

static inline void fixture_empty(const struct fixture *f, const char *under)
{
    char path[PATH_BYTES];
    fixture_path(f, path, under);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

static inline void fixture_fini(struct fixture *f)
{
    char path[PATH_BYTES];
    fixture_path(f, path, "segments");
    fixture_empty(f, "segments");
    rmdir(path);
    fixture_empty(f, ".");
    rmdir(f->dir);
}

/* The bytes of a file; NULL when it cannot be read. mem_free. */
static inline char *fixture_read(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return NULL;
    char *p = mem_alloc((size_t)st.st_size + 1);
    ssize_t n = read(fd, p, (size_t)st.st_size);
    close(fd);
    *len = n > 0 ? (size_t)n : 0;
    return p;
}

static inline bool fixture_write(const char *path, const char *p, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, p, len) == (ssize_t)len;
    if (fd >= 0)
        close(fd);
    return ok;
}

static inline struct str fixture_head(char *out, size_t size, const char *id)
{
    snprintf(out, size, "{\"format\":1,\"callId\":\"%s\",\"wallMs\":1000}", id);
    return str_of(out);
}

static inline struct journal_call *fixture_begin(struct fixture *f, const char *id)
{
    char head[256];
    return journal_call_begin(f->journal, id, fixture_head(head, sizeof(head), id),
                              clock_mono_us());
}

typedef void recovered_fn(void *ctx, const struct past_call *call);

/* Files every call that dead processes left; tells of each. */
static inline enum err fixture_recover(const char *dir, recovered_fn *fn, void *ctx)
{
    struct past *past;
    struct err_detail why = {""};
    enum err err = past_open(&past, dir, false, &why);
    if (err != OK)
        return err;
    for (size_t i = 0; i < past_count(past) && err == OK; i++) {
        struct past_call *call = past_at(past, i);
        if (call->alive || call->filed)
            continue;
        err = past_file(past, call, &why);
        if (err == OK && fn)
            fn(ctx, call);
    }
    past_close(past);
    return err;
}

#endif
