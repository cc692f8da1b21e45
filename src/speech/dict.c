#include "speech/dict.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "speech/lts.h"

struct dict {
    void *map;
    struct str text;
};

enum err dict_open(struct dict **out, const char *path, struct err_detail *detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_explain(detail, errno == ENOENT ? ERR_NOTFOUND : ERR_IO,
                           "cannot read the pronouncing dictionary %s: %s", path, strerror(errno));
    struct stat st;
    void *map = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return err_explain(detail, ERR_IO, "cannot map the pronouncing dictionary %s", path);
    struct dict *d = mem_zalloc(sizeof(*d));
    d->map = map;
    d->text = str_n(map, (size_t)st.st_size);
    *out = d;
    return OK;
}

void dict_close(struct dict *d)
{
    if (!d)
        return;
    munmap(d->map, d->text.len);
    mem_free(d);
}

static size_t head_length(struct str line)
{
    size_t n = 0;
    while (n < line.len && line.p[n] != ' ' && line.p[n] != '\t' && line.p[n] != '(')
        n++;
    return n;
}

size_t dict_write(const struct dict *d, const struct lm *m, bool *skip, struct buf *out)
{
    size_t known = 0;
    for (uint32_t id = 0; id < m->word_count; id++)
        skip[id] = id >= 2;
    struct str rest = d->text;
    while (rest.p && rest.len > 0) {
        struct str line = str_take_until(&rest, '\n');
        uint32_t id = lm_find(m, str_slice(line, 0, head_length(line)));
        if (id == UINT32_MAX || id < 2)
            continue;
        buf_put_str(out, line);
        buf_put_byte(out, '\n');
        known += skip[id];
        skip[id] = false;
    }
    struct buf phones;
    buf_init(&phones, 1024);
    for (uint32_t id = 2; id < m->word_count; id++) {
        buf_reset(&phones);
        if (!skip[id] || !lts_pronounce(&phones, str_of(lm_word(m, id))) || !buf_ok(&phones))
            continue;
        buf_printf(out, "%s %s\n", lm_word(m, id), buf_cstr(&phones));
        skip[id] = false;
        known++;
    }
    buf_fini(&phones);
    return known;
}
