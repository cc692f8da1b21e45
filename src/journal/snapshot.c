#include "journal/journal.h"
#include "journal/past.h"
#include "journal/record.h"

enum err journal_snapshot(const char *dir, const char *call_id, int fd, struct err_detail *detail)
{
    struct past *past;
    enum err err = past_open(&past, dir, true, detail);
    if (err != OK)
        return err;
    char id[JOURNAL_ID_BYTES_MAX + 1];
    record_clean_id(id, str_of(call_id));
    const struct past_call *call = NULL;
    for (size_t i = 0; i < past_count(past) && !call; i++)
        if (str_eq(str_of(past_at(past, i)->id), str_of(id)))
            call = past_at(past, i);
    if (call) {
        struct copy c;
        copy_begin_fd(&c, fd);
        err = past_copy(call, &c, detail);
        if (err == OK)
            err = copy_commit(&c, detail);
        copy_end(&c);
    } else {
        err = err_explain(detail, ERR_NOTFOUND, "no call %s in %s", call_id, dir);
    }
    past_close(past);
    return err;
}
