/* A data folder copied while it is in use, and made again from the copy. */
#include "harness/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app_capture.h"
#include "journal/record.h"
#include "store/store.h"

static struct capture c;

struct place {
    char root[32], data[64], copy[64], again[64];
    struct store *store;
};

static void remove_all(const char *path)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    CHECK_INT(0, system(command));
}

static void put_file(const char *folder, const char *name, const void *bytes, size_t len)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fwrite(bytes, 1, len, f) == len);
    fclose(f);
}

/* The length, or -1 when it is not there. */
static long length_of(const char *folder, const char *name)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

/* One record, whole: as much of a journal as a check looks at. */
static void put_journal(const char *data, const char *name)
{
    static const char payload[] = "{\"said\":\"hello\"}";
    uint8_t record[RECORD_HEADER_BYTES + sizeof(payload)];
    struct journal_record r = {.type = JOURNAL_END, .at_us = 5};
    record_write_header(record, &r, str_n(payload, sizeof(payload)), STR_NONE);
    memcpy(record + RECORD_HEADER_BYTES, payload, sizeof(payload));
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/journals", data);
    put_file(folder, name, record, sizeof(record));
}

static void put_call(struct store *store, const char *id)
{
    struct call_row row = {.id = str_of(id),
                           .call_sid = STR("CA1"),
                           .channel = STR("twilio"),
                           .status = STR("completed"),
                           .started_at_ms = 1000};
    struct store_req *r = store_req_call_create(&row);
    CHECK_INT(OK, store_run(store, r));
    store_req_free(r);
}

static bool has_call(const char *data, const char *id)
{
    char path[128];
    struct err_detail why;
    struct store *store;
    snprintf(path, sizeof(path), "%s/callee.db", data);
    if (store_open(&store, &(struct store_opts){.path = path}, &why) != OK)
        return false;
    struct store_req *r = store_req_call_get(str_of(id));
    bool found = store_run(store, r) == OK;
    store_req_free(r);
    store_close(store);
    return found;
}

/* A data folder with one finished call, one in progress, and the store open as a server has it. */
static void place_open(struct place *p)
{
    char path[128];
    struct err_detail why;
    snprintf(p->root, sizeof(p->root), "/tmp/backup.XXXXXX");
    CHECK(mkdtemp(p->root) != NULL);
    snprintf(p->data, sizeof(p->data), "%s/data", p->root);
    snprintf(p->copy, sizeof(p->copy), "%s/copy", p->root);
    snprintf(p->again, sizeof(p->again), "%s/again", p->root);
    snprintf(path, sizeof(path), "%s/journals/segments", p->data);
    mkdir(p->data, 0700);
    snprintf(path, sizeof(path), "%s/journals", p->data);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/journals/segments", p->data);
    mkdir(path, 0700);
    put_journal(p->data, "one.jrn");
    put_file(path, "1-2-0.1.seg", "begun", 5);
    put_file(path, "1-2-0.lock", "", 0);
    put_file(p->data, "callee.conf", "loops = 1\n", 10);
    snprintf(path, sizeof(path), "%s/callee.db", p->data);
    CHECK_INT(OK, store_open(&p->store, &(struct store_opts){.path = path}, &why));
    put_call(p->store, "one");
}

static void place_close(struct place *p)
{
    store_close(p->store);
    remove_all(p->root);
}

TEST(a_backup_of_a_folder_in_use_can_be_restored)
{
    struct place p;
    place_open(&p);
    CAPTURE(&c, "backup", p.copy, "--data", p.data);
    CHECK_INT(0, c.code);
    CHECK(strstr(c.out, "1 journals (1 new)") != NULL);
    CHECK_INT(5, (int)length_of(p.copy, "journals/segments/1-2-0.1.seg"));
    CHECK_INT(-1, (int)length_of(p.copy, "journals/segments/1-2-0.lock"));
    CHECK_INT(-1, (int)length_of(p.copy, "callee.db-wal")); /* one file, whole */
    CAPTURE(&c, "restore", p.copy, "--data", p.again);
    CHECK_INT(0, c.code);
    CHECK(strstr(c.out, "1 journals are whole, 0 damaged") != NULL);
    CHECK(has_call(p.again, "one"));
    CHECK_INT((int)length_of(p.data, "journals/one.jrn"),
              (int)length_of(p.again, "journals/one.jrn"));
    CHECK_INT(5, (int)length_of(p.again, "journals/segments/1-2-0.1.seg"));
    CHECK_INT(10, (int)length_of(p.again, "callee.conf"));
    place_close(&p);
}

TEST(the_next_backup_copies_what_is_new_and_forgets_when_told)
{
    struct place p;
    place_open(&p);
    CAPTURE(&c, "backup", p.copy, "--data", p.data);
    CHECK_INT(0, c.code);
    char path[128];
    put_journal(p.data, "two.jrn");
    put_call(p.store, "two");
    snprintf(path, sizeof(path), "%s/journals/segments/1-2-0.1.seg", p.data);
    unlink(path); /* its call is finished */
    snprintf(path, sizeof(path), "%s/journals/one.jrn", p.data);
    unlink(path); /* somebody asked to be forgotten */
    CAPTURE(&c, "backup", p.copy, "--data", p.data);
    CHECK_INT(0, c.code);
    CHECK(strstr(c.out, "(1 new)") != NULL);
    CHECK_INT(-1, (int)length_of(p.copy, "journals/segments/1-2-0.1.seg"));
    CHECK(length_of(p.copy, "journals/one.jrn") > 0);
    CAPTURE(&c, "backup", p.copy, "--data", p.data, "--prune");
    CHECK_INT(0, c.code);
    CHECK(strstr(c.out, "1 journals (0 new), 1 deleted") != NULL);
    CHECK_INT(-1, (int)length_of(p.copy, "journals/one.jrn"));
    CAPTURE(&c, "restore", p.copy, "--data", p.again);
    CHECK_INT(0, c.code);
    CHECK(has_call(p.again, "two"));
    place_close(&p);
}

TEST(a_restore_refuses_what_it_could_spoil_or_not_trust)
{
    struct place p;
    place_open(&p);
    CAPTURE(&c, "backup", p.copy, "--data", p.data);
    CAPTURE(&c, "restore", p.copy, "--data", p.data); /* which has calls in it */
    CHECK_INT(2, c.code);
    CHECK(strstr(c.err, "is not empty") != NULL);
    CAPTURE(&c, "restore", p.data, "--data", p.again); /* no backup */
    CHECK_INT(2, c.code);
    CHECK(strstr(c.err, "no finished backup") != NULL);
    CHECK_INT(-1, (int)length_of(p.again, "."));
    CAPTURE(&c, "restore", "/nonexistent", "--data", p.again);
    CHECK_INT(2, c.code);
    CAPTURE(&c, "backup", p.copy, "--data", p.again); /* not there */
    CHECK_INT(2, c.code);
    CAPTURE(&c, "backup");
    CHECK_INT(2, c.code);
    char path[128];
    snprintf(path, sizeof(path), "%s/callee.db", p.copy);
    CHECK_INT(0, truncate(path, length_of(p.copy, "callee.db") / 2));
    CAPTURE(&c, "restore", p.copy, "--data", p.again);
    CHECK(c.code != 0);
    CHECK_INT(-1, (int)length_of(p.again, "callee.db"));
    place_close(&p);
}

TEST(a_damaged_journal_is_named_and_the_rest_restored)
{
    struct place p;
    place_open(&p);
    put_journal(p.data, "two.jrn");
    CAPTURE(&c, "backup", p.copy, "--data", p.data);
    char path[128];
    snprintf(path, sizeof(path), "%s/journals/two.jrn", p.copy);
    int fd = open(path, O_WRONLY);
    CHECK_INT(1, (int)pwrite(fd, "X", 1, RECORD_HEADER_BYTES + 3));
    close(fd);
    CAPTURE(&c, "restore", p.copy, "--check");
    CHECK_INT(1, c.code);
    CHECK(strstr(c.err, "two.jrn") != NULL && strstr(c.err, "one.jrn") == NULL);
    CAPTURE(&c, "restore", p.copy, "--data", p.again);
    CHECK_INT(1, c.code);
    CHECK(strstr(c.out, "1 journals are whole, 1 damaged") != NULL);
    CHECK(has_call(p.again, "one"));
    place_close(&p);
}
