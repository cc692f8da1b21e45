/* A call that outlives the processes it runs in: one file, one sequence. */
#include "harness/test.h"

#include "base/limits.h"
#include "base/log.h"
#include "call/call.h"
#include "journal/past.h"
#include "journal/tape.h"
#include "journal_fixture.h"

/* The segments as they are on disk now, put back when the journal has tidied up: what a process
 * leaves that dies here. */
struct remains {
    char path[4][PATH_BYTES];
    char *bytes[4];
    size_t len[4];
    int count;
};

static void die(struct fixture *f, struct journal_call *jc, struct remains *r)
{
    fixture_sync(f, jc);
    char under[PATH_BYTES];
    fixture_path(f, under, "segments");
    DIR *d = opendir(under);
    r->count = 0;
    for (struct dirent *e = readdir(d); e && r->count < 4; e = readdir(d)) {
        if (!str_ends(str_of(e->d_name), STR(".seg")))
            continue;
        int i = r->count++;
        snprintf(r->path[i], PATH_BYTES, "%.200s/%.255s", under, e->d_name);
        r->bytes[i] = fixture_read(r->path[i], &r->len[i]);
    }
    closedir(d);
    journal_call_end(jc, STR("{}"), 0, NULL, NULL);
    fixture_close(f);
    fixture_empty(f, ".");
    for (int i = 0; i < r->count; i++) {
        fixture_write(r->path[i], r->bytes[i], r->len[i]);
        mem_free(r->bytes[i]);
    }
}

static void mark(struct journal_call *jc, uint32_t number)
{
    struct buf b;
    buf_init(&b, 1000);
    struct call_input in = {.type = CALL_IN_MARK, .number = number};
    call_input_write(&b, &in, true);
    journal_append(jc, JOURNAL_INPUT + CALL_IN_MARK, number, buf_str(&b), STR_NONE);
    buf_fini(&b);
}

/* Takes the one call over into a new journal. */
static struct journal_call *go_on(struct fixture *f, struct past **past)
{
    if (past_open(past, f->dir, false, NULL) != OK || past_count(*past) != 1 || !fixture_open(f))
        return NULL;
    struct past_call *call = past_at(*past, 0);
    if (call->gap || call->alive || call->filed)
        return NULL;
    struct journal_call *jc =
        journal_call_resume(f->journal, call->id, past_hold(call), call->next_sequence, 100);
    past_close(*past);
    return jc;
}

/* Marks 1, 2, ... `last` in the call's file, in one sequence. */
static bool whole(const struct fixture *f, uint32_t last)
{
    char path[PATH_BYTES];
    struct journal_reader *r;
    struct tape tape;
    struct tape_step step;
    fixture_path(f, path, "x.jrn");
    if (journal_reader_open(&r, path, NULL) != OK)
        return false;
    tape_init(&tape, r);
    bool good = tape_next(&tape, &step) && step.kind == TAPE_HEAD;
    uint32_t next = 1;
    while (good && tape_next(&tape, &step) && step.kind == TAPE_INPUT) {
        struct call_input in;
        struct rt_event event;
        good = !step.gap &&
               call_input_read(&in, &event, CALL_IN_MARK, 0, step.record.payload) == OK &&
               in.number == next++;
    }
    good = good && step.kind == TAPE_END && !step.gap && next == last + 1;
    journal_reader_close(r);
    return good;
}

TEST(past_call_goes_on_in_one_file_through_two_deaths)
{
    struct fixture f;
    struct remains r;
    struct past *past;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *other = fixture_begin(&f, "other"); /* so that numbers differ */
    struct journal_call *jc = fixture_begin(&f, "x");
    journal_call_end(other, STR("{}"), 0, NULL, NULL);
    mark(jc, 1);
    mark(jc, 2);
    die(&f, jc, &r);
    CHECK_INT(1, r.count);
    CHECK_INT(OK, past_open(&past, f.dir, false, NULL));
    CHECK_INT(2, past_count(past));
    CHECK_INT(OK, past_file(past, past_at(past, 0), NULL)); /* "other" */
    past_close(past);
    CHECK_INT(1, fixture_count(&f, "segments", ".seg", NULL)); /* x has no file: it stays */
    fixture_empty(&f, ".");

    struct fixture second = f;
    CHECK_INT(OK, past_open(&past, f.dir, false, NULL));
    struct past_call *call = past_at(past, 1);
    CHECK_INT(3, call->next_sequence);
    CHECK(fixture_open(&second));
    jc = journal_call_resume(second.journal, "x", past_hold(call), call->next_sequence, 100);
    CHECK_INT(OK, past_file(past, past_at(past, 0), NULL));
    past_close(past);
    CHECK_INT(1, fixture_count(&f, "segments", ".seg", NULL)); /* held */
    mark(jc, 3);
    die(&second, jc, &r);
    CHECK_INT(2, r.count);

    CHECK_INT(OK, past_open(&past, f.dir, false, NULL));
    CHECK_INT(OK, past_file(past, past_at(past, 0), NULL));
    CHECK_INT(5, past_at(past, 1)->next_sequence);
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    CHECK_INT(OK, past_read(past_at(past, 1), &bytes, NULL));
    CHECK(bytes.len > 0);
    buf_fini(&bytes);
    past_close(past);
    fixture_empty(&f, ".");
    CHECK_INT(OK, past_open(&past, f.dir, false, NULL));
    CHECK_INT(OK, past_file(past, past_at(past, 0), NULL));
    CHECK(fixture_open(&second));
    call = past_at(past, 1);
    jc = journal_call_resume(second.journal, "x", past_hold(call), call->next_sequence, 200);
    past_close(past);
    mark(jc, 4);
    journal_call_end(jc, STR("{}"), 300, NULL, NULL);
    fixture_close(&second);
    CHECK(whole(&f, 4));
    CHECK_INT(0, fixture_count(&f, "segments", ".seg", NULL));
    fixture_fini(&f);
}

TEST(past_call_that_is_going_on_is_seen_whole_and_is_nobody_elses)
{
    struct fixture f;
    struct remains r;
    struct past *past;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *jc = fixture_begin(&f, "x");
    mark(jc, 1);
    die(&f, jc, &r);
    jc = go_on(&f, &past);
    CHECK(jc != NULL);
    mark(jc, 2);
    fixture_sync(&f, jc);
    CHECK_INT(OK, past_open(&past, f.dir, false, NULL));
    CHECK_INT(1, past_count(past));
    CHECK(past_at(past, 0)->alive);
    past_close(past);
    char path[PATH_BYTES];
    fixture_path(&f, path, "x.jrn"); /* a snapshot, as `callee journal` takes it */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(OK, journal_snapshot(f.dir, "x", fd, NULL));
    close(fd);
    struct journal_reader *reader;
    CHECK_INT(OK, journal_reader_open(&reader, path, NULL));
    struct journal_record rec;
    int count = 0;
    while (journal_reader_next(reader, &rec, NULL) == OK)
        CHECK_INT(count++, rec.sequence);
    CHECK_INT(4, count); /* head, mark, resumed, mark */
    journal_reader_close(reader);
    unlink(path);
    journal_call_end(jc, STR("{}"), 300, NULL, NULL);
    fixture_close(&f);
    CHECK(whole(&f, 2));
    fixture_fini(&f);
}
