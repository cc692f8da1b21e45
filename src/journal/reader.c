#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/record.h"

struct journal_reader {
    const char *p;
    size_t len;
    size_t at;
    bool mapped;
};

struct journal_reader *journal_reader_new(struct str bytes)
{
    struct journal_reader *r = mem_zalloc(sizeof(*r));
    r->p = bytes.p;
    r->len = bytes.len;
    return r;
}

static enum err map_file(struct str *out, int fd, const char *path, struct err_detail *detail)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_explain(detail, ERR_IO, "cannot read %s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return err_explain(detail, ERR_INVALID, "%s is not a file", path);
    *out = STR_NONE;
    if (st.st_size == 0) /* which cannot be mapped */
        return OK;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_explain(detail, ERR_IO, "cannot map %s: %s", path, strerrordesc_np(errno));
    *out = str_n(p, (size_t)st.st_size);
    return OK;
}

enum err record_map_file(struct journal_reader **out, const char *path, struct err_detail *detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_explain(detail, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot open %s: %s",
                           path, strerrordesc_np(errno));
    struct str bytes;
    enum err err = map_file(&bytes, fd, path, detail);
    close(fd);
    if (err != OK)
        return err;
    *out = journal_reader_new(bytes);
    (*out)->mapped = bytes.len > 0;
    return OK;
}

enum err journal_reader_open(struct journal_reader **out, const char *path,
                             struct err_detail *detail)
{
    struct journal_reader *r;
    enum err err = record_map_file(&r, path, detail);
    if (err != OK)
        return err;
    struct journal_record record;
    size_t size;
    if (record_read(&record, &size, str_n(r->p, r->len)) == RECORD_BAD && size == 0) {
        journal_reader_close(r);
        return err_explain(detail, ERR_INVALID, "%s is not a journal", path);
    }
    *out = r;
    return OK;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    if (r->mapped)
        munmap((void *)(uintptr_t)r->p, r->len);
    mem_free(r);
}

enum err journal_reader_next(struct journal_reader *r, struct journal_record *out,
                             struct err_detail *detail)
{
    if (r->at == r->len)
        return err_explain(detail, ERR_NOTFOUND, "end of the journal");
    size_t size;
    switch (record_read(out, &size, str_n(r->p + r->at, r->len - r->at))) {
    case RECORD_GOOD:
        r->at += size;
        return OK;
    case RECORD_SHORT:
        return err_explain(detail, ERR_INVALID, "the record at byte %zu is cut short", r->at);
    case RECORD_BAD:
        break;
    }
    return err_explain(detail, ERR_INVALID, "the record at byte %zu is damaged", r->at);
}

bool journal_reader_skip(struct journal_reader *r)
{
    /* A crafted file could make every byte look like the start of a long record. */
    size_t budget = JOURNAL_RESYNC_BYTES;
    struct journal_record record;
    size_t at = r->at;
    while (at < r->len) {
        size_t size;
        enum record_state state = record_read(&record, &size, str_n(r->p + at, r->len - at));
        if (state == RECORD_GOOD) {
            r->at = at;
            return true;
        }
        if (state == RECORD_BAD) { /* of a short one nothing was checksummed */
            if (size > budget)
                return false;
            budget -= size;
        }
        at++;
    }
    return false;
}

void journal_reader_rewind(struct journal_reader *r)
{
    r->at = 0;
}

uint64_t journal_reader_offset(const struct journal_reader *r)
{
    return r->at;
}
