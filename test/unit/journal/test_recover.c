/* What a crash leaves: torn tails at every byte, flipped bits, processes killed in mid-write and in
 * mid-copy, segments of a process that still lives. */
#include "harness/test.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/log.h"
#include "call/call.h"
#include "journal_fixture.h"

/* A segment of two calls as a dead process would leave it; mem_free. */
static char *make_segment(struct fixture *f, size_t *len, char name[PATH_BYTES])
{
    if (!fixture_init(f) || !fixture_open(f))
        return NULL;
    struct journal_call *a = fixture_begin(f, "a"), *b = fixture_begin(f, "b");
    for (int i = 0; i < 3; i++) {
        journal_append(a, JOURNAL_INPUT + CALL_IN_MARK, i, STR("first part,"), STR(" second"));
        fixture_sync(f, a);
        journal_append(b, JOURNAL_EFFECTS, i, STR("effects of b"), STR_NONE);
        fixture_sync(f, b);
    }
    char path[PATH_BYTES];
    char *bytes = fixture_count(f, "segments", ".seg", path) == 1 ? fixture_read(path, len) : NULL;
    snprintf(name, PATH_BYTES, "segments/%s", strrchr(path, '/') + 1);
    journal_call_end(a, STR("{}"), 0, NULL, NULL);
    journal_call_end(b, STR("{}"), 0, NULL, NULL);
    fixture_close(f);
    fixture_empty(f, ".");
    return bytes;
}

struct tally {
    int calls;
    int64_t last_at_us;
    int64_t first_at_us; /* smallest of the last times */
    int ended;
};

static void on_recovered(void *ctx, const struct past_call *call)
{
    struct tally *t = ctx;
    t->calls++;
    t->ended += call->end.p != NULL;
    if (t->calls == 1 || call->last_at_us < t->first_at_us)
        t->first_at_us = call->last_at_us;
    t->last_at_us = call->last_at_us;
}

/* Good records in one file; -1 when it is missing or has damage. */
static int records_in(const struct fixture *f, const char *name)
{
    char path[PATH_BYTES];
    fixture_path(f, path, name);
    struct journal_reader *r;
    if (journal_reader_open(&r, path, NULL) != OK)
        return -1;
    struct journal_record rec;
    int count = 0;
    enum err err;
    while ((err = journal_reader_next(r, &rec, NULL)) == OK)
        count++;
    journal_reader_close(r);
    return err == ERR_NOTFOUND ? count : -1;
}

TEST(a_segment_torn_at_any_byte_gives_every_whole_record)
{
    struct fixture f;
    size_t len;
    char name[PATH_BYTES], path[PATH_BYTES];
    char *bytes = make_segment(&f, &len, name);
    CHECK(bytes && len > 300);
    fixture_path(&f, path, name);
    log_set_level(LOG_LEVEL_OFF);
    for (size_t cut = 0; cut <= len; cut++) {
        CHECK(fixture_write(path, bytes, cut));
        struct journal_reader *r = journal_reader_new(str_n(bytes, cut));
        struct journal_record rec;
        int want[2] = {0, 0};
        while (journal_reader_next(r, &rec, NULL) == OK)
            want[rec.call]++;
        journal_reader_close(r);
        struct tally t = {0};
        CHECK_INT(OK, fixture_recover(f.dir, on_recovered, &t));
        CHECK_INT((want[0] > 0) + (want[1] > 0), t.calls);
        CHECK_INT(want[0] ? want[0] : -1, records_in(&f, "a.jrn"));
        CHECK_INT(want[1] ? want[1] : -1, records_in(&f, "b.jrn"));
        CHECK_INT(0, t.ended);
        CHECK_INT(2, fixture_count(&f, "segments", "", NULL));
        fixture_empty(&f, ".");
    }
    log_set_level(LOG_LEVEL_INFO);
    mem_free(bytes);
    fixture_fini(&f);
}

TEST(a_flipped_bit_costs_its_record_alone_and_never_passes)
{
    struct fixture f;
    size_t len;
    char name[PATH_BYTES];
    char *bytes = make_segment(&f, &len, name);
    CHECK(bytes);
    char *bad = mem_alloc(len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        memcpy(bad, bytes, len);
        bad[bit / 8] = (char)((unsigned char)bad[bit / 8] ^ (1u << bit % 8));
        struct journal_reader *good = journal_reader_new(str_n(bytes, len));
        struct journal_reader *r = journal_reader_new(str_n(bad, len));
        struct journal_record want, got;
        int missing = 0;
        while (journal_reader_next(good, &want, NULL) == OK) {
            uint64_t end = journal_reader_offset(good);
            uint64_t start = end - 32 - want.payload.len;
            if (bit / 8 >= start && bit / 8 < end) {
                struct err_detail detail = {""};
                CHECK_INT(ERR_INVALID, journal_reader_next(r, &got, &detail));
                char number[32];
                snprintf(number, sizeof(number), "byte %llu ", (unsigned long long)start);
                CHECK(strstr(detail.text, number) != NULL);
                CHECK_INT(end < len, journal_reader_skip(r));
                missing++;
                continue;
            }
            CHECK_INT(OK, journal_reader_next(r, &got, NULL));
            CHECK_INT(want.sequence, got.sequence);
            CHECK(str_eq(want.payload, got.payload));
        }
        CHECK_INT(1, missing);
        journal_reader_close(good);
        journal_reader_close(r);
    }
    mem_free(bad);
    mem_free(bytes);
    fixture_fini(&f);
}

TEST(damage_in_the_middle_keeps_what_is_around_it)
{
    struct fixture f;
    size_t len;
    char name[PATH_BYTES], path[PATH_BYTES];
    char *bytes = make_segment(&f, &len, name);
    CHECK(bytes);
    fixture_path(&f, path, name);
    size_t at = str_find(str_n(bytes, len), STR("first part"), 0);
    bytes[at] ^= 1;
    CHECK(fixture_write(path, bytes, len));
    log_set_level(LOG_LEVEL_OFF);
    struct tally t = {0};
    CHECK_INT(OK, fixture_recover(f.dir, on_recovered, &t));
    log_set_level(LOG_LEVEL_INFO);
    CHECK_INT(2, t.calls);
    CHECK_INT(3, records_in(&f, "a.jrn"));
    CHECK_INT(4, records_in(&f, "b.jrn"));
    mem_free(bytes);
    fixture_fini(&f);
}

TEST(a_call_with_a_file_is_not_done_again_and_a_half_copy_is)
{
    struct fixture f;
    size_t len;
    char name[PATH_BYTES], path[PATH_BYTES];
    char *bytes = make_segment(&f, &len, name);
    CHECK(bytes);
    fixture_path(&f, path, name);
    CHECK(fixture_write(path, bytes, len));
    fixture_path(&f, path, "a.jrn");
    CHECK(fixture_write(path, "mine", 4));
    fixture_path(&f, path, "b.jrn.tmp");
    CHECK(fixture_write(path, "half of it", 10));
    struct tally t = {0};
    log_set_level(LOG_LEVEL_OFF);
    CHECK_INT(OK, fixture_recover(f.dir, on_recovered, &t));
    log_set_level(LOG_LEVEL_INFO);
    CHECK_INT(1, t.calls);
    CHECK_INT(4, records_in(&f, "b.jrn"));
    fixture_path(&f, path, "a.jrn");
    char *mine = fixture_read(path, &len);
    CHECK(mine && len == 4);
    CHECK_INT(0, fixture_count(&f, ".", ".tmp", NULL));
    mem_free(mine);
    mem_free(bytes);
    fixture_fini(&f);
}

TEST(segments_of_a_living_process_are_left_alone_but_can_be_looked_at)
{
    struct fixture f;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *jc = fixture_begin(&f, "alive");
    fixture_sync(&f, jc);
    struct tally t = {0};
    CHECK_INT(OK, fixture_recover(f.dir, on_recovered, &t));
    CHECK_INT(0, t.calls);
    CHECK_INT(1, fixture_count(&f, "segments", ".seg", NULL));
    char path[PATH_BYTES];
    fixture_path(&f, path, "look");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(OK, journal_snapshot(f.dir, "alive", fd, NULL));
    CHECK_INT(ERR_NOTFOUND, journal_snapshot(f.dir, "nobody", fd, NULL));
    close(fd);
    CHECK_INT(1, records_in(&f, "look"));
    journal_call_end(jc, STR("{}"), 0, NULL, NULL);
    fixture_close(&f);
    CHECK_INT(2, records_in(&f, "alive.jrn"));
    fixture_fini(&f);
}

TEST(recovery_of_nothing_is_fine)
{
    struct fixture f;
    CHECK(fixture_init(&f));
    CHECK_INT(OK, fixture_recover(f.dir, NULL, NULL));
    char path[PATH_BYTES];
    fixture_path(&f, path, "never");
    CHECK_INT(OK, fixture_recover(path, NULL, NULL));
    fixture_fini(&f);
}

/* -- kill -9 -- */

enum { KILL_CALLS = 10 };

struct victim {
    struct fixture *f;
    struct journal_call *calls[KILL_CALLS];
    struct loop_timer *timer;
    int pipe;
    int ticks;
    uint32_t ids;
    bool ending; /* calls end and new ones begin all the time */
};

static void victim_say(void *ctx)
{
    struct victim *v = ctx;
    if (write(v->pipe, "x", 1) != 1)
        _exit(3);
}

static void victim_begin(struct victim *v, int i)
{
    char id[32];
    snprintf(id, sizeof(id), "k%u", v->ids++);
    v->calls[i] = fixture_begin(v->f, id);
}

static void victim_tick(void *ctx)
{
    struct victim *v = ctx;
    char frame[250];
    memset(frame, v->ticks, sizeof(frame));
    for (int i = 0; i < KILL_CALLS; i++)
        journal_append(v->calls[i], JOURNAL_INPUT + CALL_IN_MARK, clock_mono_us(),
                       str_n(frame, sizeof(frame)), STR_NONE);
    if (v->ending) {
        int i = v->ticks % KILL_CALLS;
        journal_call_end(v->calls[i], STR("{}"), clock_mono_us(), victim_say, v);
        victim_begin(v, i);
    } else {
        victim_say(v);
    }
    v->ticks++;
    loop_timer_set(v->timer, v->ending ? 1 : 20);
}

/* Starts a process that records until it is killed; says a byte each tick or each copied call. */
static pid_t start_victim(struct fixture *f, bool ending, int *from)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0) {
        close(ends[1]);
        *from = ends[0];
        return pid;
    }
    close(ends[0]);
    struct victim v = {.f = f, .pipe = ends[1], .ending = ending};
    if (!fixture_open(f))
        _exit(2);
    for (int i = 0; i < KILL_CALLS; i++)
        victim_begin(&v, i);
    v.timer = loop_timer_new(f->loop, victim_tick, &v);
    loop_timer_set(v.timer, 0);
    loop_run(f->loop);
    _exit(4);
}

/* Kills it after so many bytes; the time of death, or -1. */
static int64_t kill_after(pid_t pid, int from, int bytes)
{
    char c;
    for (int i = 0; i < bytes; i++)
        if (read(from, &c, 1) != 1)
            return -1;
    int64_t now_us = clock_mono_us();
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    close(from);
    return WIFSIGNALED(status) ? now_us : -1;
}

TEST(a_killed_process_loses_at_most_a_quarter_of_a_second)
{
    log_set_level(LOG_LEVEL_OFF);
    int64_t worst_us = 0;
    for (int round = 0; round < 8; round++) {
        struct fixture f;
        int from;
        CHECK(fixture_init(&f));
        pid_t pid = start_victim(&f, false, &from);
        CHECK(pid > 0);
        int64_t died_us = kill_after(pid, from, 15 + round * 3);
        CHECK(died_us > 0);
        struct tally t = {0};
        CHECK_INT(OK, fixture_recover(f.dir, on_recovered, &t));
        CHECK_INT(KILL_CALLS, t.calls);
        CHECK_INT(0, t.ended);
        if (died_us - t.first_at_us > worst_us)
            worst_us = died_us - t.first_at_us;
        for (int i = 0; i < KILL_CALLS; i++) {
            char name[32];
            snprintf(name, sizeof(name), "k%d.jrn", i);
            CHECK(records_in(&f, name) > 5);
        }
        CHECK_INT(2, fixture_count(&f, "segments", "", NULL));
        fixture_fini(&f);
    }
    log_set_level(LOG_LEVEL_INFO);
    printf("worst loss %lld ms\n", (long long)(worst_us / 1000));
    CHECK(worst_us <= 250000);
}

TEST(a_process_killed_while_copying_leaves_every_call_whole)
{
    log_set_level(LOG_LEVEL_OFF);
    for (int round = 0; round < 8; round++) {
        struct fixture f;
        int from;
        CHECK(fixture_init(&f));
        pid_t pid = start_victim(&f, true, &from);
        CHECK(pid > 0);
        int copied = 3 + round * 7;
        CHECK(kill_after(pid, from, copied) > 0);
        CHECK(fixture_count(&f, ".", ".jrn", NULL) >= copied);
        struct tally t = {0};
        CHECK_INT(OK, fixture_recover(f.dir, on_recovered, &t));
        CHECK(t.calls > 0);
        int files = fixture_count(&f, ".", ".jrn", NULL);
        for (int i = 0; i < files; i++) { /* ids are given in order: none is missing */
            char name[32];
            snprintf(name, sizeof(name), "k%d.jrn", i);
            CHECK(records_in(&f, name) >= 1);
        }
        CHECK_INT(0, fixture_count(&f, ".", ".tmp", NULL));
        CHECK_INT(2, fixture_count(&f, "segments", "", NULL));
        fixture_fini(&f);
    }
    log_set_level(LOG_LEVEL_INFO);
}
