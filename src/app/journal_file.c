#include "app/journal_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is on disk of a call that has not ended, as a file in memory. */
static enum err open_live(struct journal_reader **out, const char *journals, const char *id,
                          struct err_detail *detail)
{
    int fd = memfd_create("journal", MFD_CLOEXEC);
    if (fd < 0)
        return err_explain(detail, ERR_IO, "cannot make a file in memory: %s",
                           strerrordesc_np(errno));
    enum err err = journal_snapshot(journals, id, fd, detail);
    if (err == OK) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        err = journal_reader_open(out, path, detail);
    }
    close(fd);
    return err;
}

enum err journal_file_open(struct journal_reader **out, char *path, const char *name,
                           const char *data, struct err_detail *detail)
{
    char journals[JOURNAL_PATH_BYTES];
    int journals_len = snprintf(journals, sizeof(journals), "%s/journals", data);
    bool file = strchr(name, '/') || str_ends(str_of(name), STR(".jrn")) || access(name, F_OK) == 0;
    int len = file ? snprintf(path, JOURNAL_PATH_BYTES, "%s", name)
                   : snprintf(path, JOURNAL_PATH_BYTES, "%s/journals/%s.jrn", data, name);
    if (len >= JOURNAL_PATH_BYTES || journals_len >= JOURNAL_PATH_BYTES)
        return err_explain(detail, ERR_INVALID, "the name is too long");
    enum err err = journal_reader_open(out, path, detail);
    if (err != ERR_NOTFOUND || file)
        return err;
    err = open_live(out, journals, name, detail);
    if (err == ERR_NOTFOUND)
        return err_explain(detail, err, "there is no file and no call \"%.100s\" in %.120s", name,
                           journals);
    return err;
}

void journal_file_print(struct str text, int indent)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\n' && i + 1 < text.len)
            printf("\n%*s", indent, "");
        else if (c != '\n')
            putchar(c < ' ' || c == 0x7f ? '?' : c);
    }
}
