#include "journal/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/str.h"

int copy_write_all(int fd, const void *p, size_t len, uint64_t offset)
{
    const char *at = p;
    while (len > 0) {
        ssize_t n = FAULT_CALL("journal.write", ENOSPC, pwrite(fd, at, len, (off_t)offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static enum err explain(const struct copy *c, const char *doing, int error,
                        struct err_detail *detail)
{
    return err_explain(detail, ERR_IO, "cannot %s %s: %s", doing, c->name, strerrordesc_np(error));
}

enum err copy_begin(struct copy *c, int dir_fd, const char *id, struct err_detail *detail)
{
    *c = (struct copy){.dir_fd = dir_fd, .fd = -1};
    snprintf(c->name, sizeof(c->name), "%s.jrn", id);
    snprintf(c->tmp, sizeof(c->tmp), "%s.jrn.tmp", id);
    buf_init(&c->bytes, JOURNAL_COPY_BYTES);
    c->fd = FAULT_CALL("copy.open", EMFILE,
                       openat(dir_fd, c->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (c->fd >= 0)
        return OK;
    enum err err = explain(c, "create", errno, detail);
    copy_end(c);
    return err;
}

void copy_begin_fd(struct copy *c, int fd)
{
    *c = (struct copy){.dir_fd = -1, .fd = fd, .name = "the copy"};
    buf_init(&c->bytes, JOURNAL_COPY_BYTES);
}

static enum err flush(struct copy *c, struct err_detail *detail)
{
    const char *at = c->bytes.p;
    size_t left = c->bytes.len;
    while (left > 0) {
        ssize_t n = FAULT_CALL("copy.write", ENOSPC, write(c->fd, at, left));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return explain(c, "write", n < 0 ? errno : ENOSPC, detail);
        at += n;
        left -= (size_t)n;
    }
    buf_reset(&c->bytes);
    return OK;
}

enum err copy_add(struct copy *c, int fd, uint64_t offset, uint64_t len, struct err_detail *detail)
{
    while (len > 0) {
        size_t want = JOURNAL_COPY_BYTES - c->bytes.len;
        if (want == 0) {
            enum err err = flush(c, detail);
            if (err != OK)
                return err;
            continue;
        }
        if (want > len)
            want = (size_t)len;
        FAULTS_OFF();
        void *room = buf_reserve(&c->bytes, want);
        FAULTS_ON();
        ssize_t n = FAULT_CALL("copy.read", EIO, pread(fd, room, want, (off_t)offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* 0: the segment was cut by somebody else */
            return explain(c, "read a segment for", n < 0 ? errno : EIO, detail);
        buf_commit(&c->bytes, (size_t)n);
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return OK;
}

enum err copy_commit(struct copy *c, struct err_detail *detail)
{
    enum err err = flush(c, detail);
    if (err != OK || c->dir_fd < 0)
        return err;
    if (FAULT_CALL("copy.sync", EIO, fsync(c->fd)) != 0)
        return explain(c, "sync", errno, detail);
    if (FAULT_CALL("copy.rename", EACCES, renameat(c->dir_fd, c->tmp, c->dir_fd, c->name)) != 0)
        return explain(c, "name", errno, detail);
    c->tmp[0] = '\0';
    if (FAULT_CALL("copy.sync_dir", EIO, fsync(c->dir_fd)) != 0)
        return explain(c, "sync the directory of", errno, detail);
    return OK;
}

void copy_end(struct copy *c)
{
    if (c->dir_fd >= 0) {
        if (c->fd >= 0)
            close(c->fd);
        if (c->tmp[0])
            unlinkat(c->dir_fd, c->tmp, 0);
    }
    buf_fini(&c->bytes);
    *c = (struct copy){.dir_fd = -1, .fd = -1};
}
