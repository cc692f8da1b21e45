#include "app/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 16 };

static enum err explain(const char *doing, const char *name, struct err_detail *detail)
{
    return err_explain(detail, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot %s %.200s: %s",
                       doing, name, strerrordesc_np(errno));
}

static enum err copy_bytes(int from, int to, const char *name, struct err_detail *detail)
{
    char bytes[COPY_BYTES];
    for (;;) {
        ssize_t got = read(from, bytes, sizeof(bytes));
        if (got == 0)
            return OK;
        if (got < 0)
            return explain("read", name, detail);
        for (ssize_t done = 0; done < got;) {
            ssize_t n = write(to, bytes + done, (size_t)(got - done));
            if (n < 0)
                return explain("write", name, detail);
            done += n;
        }
    }
}

static enum err copy_open(int from, int to_dir, const char *name, struct err_detail *detail)
{
    char temporary[NAME_MAX + 8];
    snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    int to = openat(to_dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return explain("create", temporary, detail);
    enum err err = copy_bytes(from, to, name, detail);
    if (err == OK && fsync(to) != 0)
        err = explain("sync", temporary, detail);
    if (close(to) != 0 && err == OK)
        err = explain("close", temporary, detail);
    if (err == OK && renameat(to_dir, temporary, to_dir, name) != 0)
        err = explain("rename", temporary, detail);
    if (err != OK)
        unlinkat(to_dir, temporary, 0);
    return err;
}

enum err copy_file(int from_dir, int to_dir, const char *name, bool keep_same_length, bool *copied,
                   struct err_detail *detail)
{
    struct stat have, want;
    int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return explain("open", name, detail);
    enum err err = OK;
    bool same = keep_same_length && fstat(from, &want) == 0 &&
                fstatat(to_dir, name, &have, AT_SYMLINK_NOFOLLOW) == 0 &&
                have.st_size == want.st_size;
    if (!same)
        err = copy_open(from, to_dir, name, detail);
    close(from);
    *copied = err == OK && !same;
    return err;
}
