#include "journal/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"

static const char SEGMENTS[] = "segments";

static enum err explain(const char *doing, const char *what, struct err_detail *detail)
{
    return err_explain(detail, ERR_IO, "cannot %s %s: %s", doing, what, strerrordesc_np(errno));
}

enum err series_open_dirs(struct series *s, const char *dir, bool create, struct err_detail *detail)
{
    *s = (struct series){.dir_fd = -1, .segments_fd = -1, .lock_fd = -1};
    if (create && mkdir(dir, 0700) != 0 && errno != EEXIST)
        return explain("create the directory", dir, detail);
    s->dir_fd =
        FAULT_CALL("journal.open_dir", EMFILE, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (s->dir_fd < 0) {
        if (errno == ENOENT)
            return err_explain(detail, ERR_NOTFOUND, "there is no directory %s", dir);
        return explain("open the directory", dir, detail);
    }
    if (create && mkdirat(s->dir_fd, SEGMENTS, 0700) != 0 && errno != EEXIST) {
        enum err err = explain("create a directory in", dir, detail);
        series_close_dirs(s);
        return err;
    }
    s->segments_fd = openat(s->dir_fd, SEGMENTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->segments_fd < 0) {
        enum err err = errno == ENOENT
                           ? err_explain(detail, ERR_NOTFOUND, "there are no segments in %s", dir)
                           : explain("open the segments of", dir, detail);
        series_close_dirs(s);
        return err;
    }
    return OK;
}

static void lock_name(char out[SEGMENT_NAME_BYTES], const char *series)
{
    snprintf(out, SEGMENT_NAME_BYTES, "%s.lock", series);
}

/* Opens and locks the file, making sure that what was locked still has its name. */
static enum err take_lock(struct series *s, struct err_detail *detail)
{
    char name[SEGMENT_NAME_BYTES];
    lock_name(name, s->name);
    for (int i = 0; i < JOURNAL_LOCK_TRIES; i++) {
        int fd = FAULT_CALL("journal.lock", ENOSPC,
                            openat(s->segments_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (fd < 0)
            return explain("create the lock", name, detail);
        struct stat st;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            enum err err = errno == EWOULDBLOCK
                               ? err_explain(detail, ERR_AGAIN, "%s is in use", name)
                               : explain("lock", name, detail);
            close(fd);
            return err;
        }
        if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
            s->lock_fd = fd;
            return OK;
        }
        close(fd); /* removed between the open and the lock */
    }
    return err_explain(detail, ERR_AGAIN, "%s is in use", name);
}

enum err series_begin(struct series *s, unsigned loop_index, struct err_detail *detail)
{
    int64_t start_ms = clock_wall_ms();
    enum err err = ERR_AGAIN;
    for (int i = 0; i < JOURNAL_LOCK_TRIES && err == ERR_AGAIN; i++) {
        snprintf(s->name, sizeof(s->name), "%013lld-%ld-%u", (long long)start_ms + i,
                 (long)getpid(), loop_index);
        err = take_lock(s, detail);
    }
    return err == ERR_AGAIN ? ERR_IO : err;
}

enum err series_take(struct series *s, struct str name, struct err_detail *detail)
{
    if (!str_copy(s->name, sizeof(s->name), name))
        return err_explain(detail, ERR_INVALID, "the name of a segment is too long");
    return take_lock(s, detail);
}

void series_end(struct series *s, bool remove)
{
    if (s->lock_fd < 0)
        return;
    char name[SEGMENT_NAME_BYTES];
    lock_name(name, s->name);
    if (remove)
        unlinkat(s->segments_fd, name, 0);
    close(s->lock_fd);
    s->lock_fd = -1;
}

void series_close_dirs(struct series *s)
{
    if (s->segments_fd >= 0)
        close(s->segments_fd);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    s->segments_fd = -1;
    s->dir_fd = -1;
}

void segment_name(char out[SEGMENT_NAME_BYTES], const char *series, uint32_t number)
{
    snprintf(out, SEGMENT_NAME_BYTES, "%s.%06u.seg", series, number);
}

bool series_parse_lock_name(struct str name, struct str *series)
{
    *series = str_slice(name, 0, name.len > 5 ? name.len - 5 : 0);
    return str_ends(name, STR(".lock")) && series->len > 0 && series->len < SERIES_NAME_BYTES;
}

bool segment_parse_name(struct str name, struct str *series, uint32_t *number)
{
    if (!str_ends(name, STR(".seg")))
        return false;
    struct str rest = str_slice(name, 0, name.len - 4);
    *series = str_take_until(&rest, '.');
    uint64_t n;
    if (!rest.p || !str_to_u64(rest, &n) || n >= UINT32_MAX || series->len == 0 ||
        series->len >= SERIES_NAME_BYTES)
        return false;
    *number = (uint32_t)n;
    return true;
}
