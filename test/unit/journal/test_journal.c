/* What the writer promises: every record once and in order, barriers after the sync, files of their
 * own for ended calls, nothing left behind; and what it does when the disk does not work. */
#include "harness/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/rng.h"
#include "call/call.h"
#include "journal_fixture.h"

/* Reads a call's file and checks that it is head, `count` numbered records, end. */
static bool file_is_whole(const struct fixture *f, const char *id, uint32_t count)
{
    char name[PATH_BYTES], path[PATH_BYTES];
    snprintf(name, sizeof(name), "%s.jrn", id);
    fixture_path(f, path, name);
    struct journal_reader *r;
    struct err_detail detail = {""};
    if (journal_reader_open(&r, path, &detail) != OK) {
        fprintf(stderr, "%s\n", detail.text);
        return false;
    }
    struct journal_record rec;
    uint32_t n = 0;
    bool ok = true;
    while (ok && journal_reader_next(r, &rec, &detail) == OK) {
        uint16_t type = n == 0 ? JOURNAL_HEAD : n == count + 1 ? JOURNAL_END : JOURNAL_INPUT + 3;
        ok = rec.sequence == n && rec.type == type;
        uint32_t value;
        if (ok && type == JOURNAL_INPUT + 3) {
            memcpy(&value, rec.payload.p, 4);
            ok = rec.payload.len >= 4 && value == n;
            for (size_t i = 4; i < rec.payload.len; i++)
                ok &= rec.payload.p[i] == (char)n;
        }
        n++;
    }
    journal_reader_close(r);
    if (!ok || n != count + 2)
        fprintf(stderr, "%s: %u records, %s\n", id, n, detail.text);
    return ok && n == count + 2;
}

static void append_number(struct journal_call *jc, uint32_t number, size_t filler)
{
    char *p = mem_alloc(filler + 1);
    memset(p, (char)number, filler);
    journal_append(jc, JOURNAL_INPUT + 3, clock_mono_us(), str_n((char *)&number, 4),
                   str_n(p, filler));
    mem_free(p);
}

TEST(an_ended_call_has_its_own_file_and_no_segment_stays)
{
    struct fixture f;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *jc = fixture_begin(&f, "c1");
    for (uint32_t i = 1; i <= 300; i++)
        append_number(jc, i, i);
    journal_call_end(jc, STR("{}"), clock_mono_us(), fixture_stop, &f);
    loop_run(f.loop);
    CHECK(file_is_whole(&f, "c1", 300));
    char path[PATH_BYTES];
    struct stat st;
    fixture_path(&f, path, "c1.jrn");
    CHECK(stat(path, &st) == 0);
    CHECK_INT(0600, st.st_mode & 0777);
    fixture_close(&f);
    CHECK_INT(0, fixture_count(&f, "segments", "", NULL) - 2); /* "." and ".." */
    CHECK_INT(0, fixture_count(&f, ".", ".tmp", NULL));
    fixture_fini(&f);
}

TEST(many_calls_at_once_with_records_of_all_sizes)
{
    enum { CALLS = 40, ROUNDS = 60 };
    struct fixture f;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct rng rng;
    rng_init_seeded(&rng, 7);
    struct journal_call *calls[CALLS];
    char id[32];
    for (int c = 0; c < CALLS; c++) {
        snprintf(id, sizeof(id), "call-%d", c);
        calls[c] = fixture_begin(&f, id);
    }
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        for (int c = 0; c < CALLS; c++)
            append_number(calls[c], i, rng_below(&rng, 50) == 0 ? 150000 : rng_below(&rng, 600));
        fixture_sync(&f, calls[rng_below(&rng, CALLS)]);
    }
    for (int c = 0; c < CALLS; c++)
        journal_call_end(calls[c], STR("{}"), clock_mono_us(), NULL, NULL);
    struct journal_health h = journal_health(f.journal);
    CHECK_INT(CALLS * (ROUNDS + 2), h.records);
    CHECK(!h.failing && h.audio_dropped == 0 && h.records_lost == 0 && h.syncs > 0);
    fixture_close(&f);
    for (int c = 0; c < CALLS; c++) {
        snprintf(id, sizeof(id), "call-%d", c);
        CHECK(file_is_whole(&f, id, ROUNDS));
    }
    CHECK_INT(2, fixture_count(&f, "segments", "", NULL));
    fixture_fini(&f);
}

TEST(a_call_may_span_segments_and_old_segments_go_first)
{
    enum { RECORDS = 150 };
    struct fixture f;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *long_call = fixture_begin(&f, "long");
    struct journal_call *short_call = fixture_begin(&f, "short");
    for (uint32_t i = 1; i <= RECORDS; i++) {
        append_number(long_call, i, 1 << 20);
        if (i <= 10)
            append_number(short_call, i, 100);
        if (i % 8 == 0)
            fixture_sync(&f, long_call);
    }
    CHECK_INT(3, fixture_count(&f, "segments", ".seg", NULL));
    journal_call_end(long_call, STR("{}"), clock_mono_us(), fixture_stop, &f);
    loop_run(f.loop);
    CHECK(file_is_whole(&f, "long", RECORDS));
    fixture_sync(&f, short_call);
    journal_call_end(short_call, STR("{}"), clock_mono_us(), NULL, NULL);
    fixture_close(&f);
    CHECK(file_is_whole(&f, "short", 10));
    CHECK_INT(2, fixture_count(&f, "segments", "", NULL));
    fixture_fini(&f);
}

struct ordered {
    struct fixture *f;
    struct journal_call *jc;
    int number, *last;
    uint64_t syncs;
    bool on_disk;
};

static void on_barrier(void *ctx)
{
    struct ordered *o = ctx;
    *o->last = *o->last == o->number - 1 ? o->number : -1;
    o->syncs = journal_health(o->f->journal).syncs;
    /* What was appended before the barrier is in the file, whatever the page cache says of it. */
    char path[PATH_BYTES];
    size_t len = 0;
    if (fixture_count(o->f, "segments", ".seg", path) == 1) {
        char want[32];
        snprintf(want, sizeof(want), "before-%d.", o->number);
        char *p = fixture_read(path, &len);
        o->on_disk = p && str_find(str_n(p, len), str_of(want), 0) != SIZE_MAX;
        mem_free(p);
    }
    if (o->number == 20)
        loop_stop(o->f->loop);
}

TEST(barriers_come_in_order_after_the_bytes_and_never_from_inside)
{
    struct fixture f;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *a = fixture_begin(&f, "a"), *b = fixture_begin(&f, "b");
    int last = 0;
    struct ordered o[21];
    for (int i = 1; i <= 20; i++) {
        char text[32];
        snprintf(text, sizeof(text), "before-%d.", i);
        struct journal_call *jc = i % 3 ? a : b;
        journal_append(jc, JOURNAL_EFFECTS, clock_mono_us(), str_of(text), STR_NONE);
        o[i] = (struct ordered){.f = &f, .jc = jc, .number = i, .last = &last};
        journal_barrier(jc, on_barrier, &o[i]);
        CHECK_INT(0, last);
    }
    loop_run(f.loop);
    CHECK_INT(20, last);
    /* The first barrier sent a batch on its way; the others' bytes are in the next. */
    for (int i = 1; i <= 20; i++) {
        CHECK(o[i].on_disk);
        CHECK_INT(i == 1 ? 1 : 2, o[i].syncs);
    }
    /* Nothing pending: still not from inside, but at once. */
    uint64_t syncs = journal_health(f.journal).syncs;
    int again = 19;
    o[20].last = &again;
    journal_barrier(a, on_barrier, &o[20]);
    CHECK_INT(19, again);
    loop_run(f.loop);
    CHECK_INT(20, again);
    CHECK_INT(syncs, journal_health(f.journal).syncs);
    journal_call_end(a, STR("{}"), 0, NULL, NULL);
    journal_call_end(b, STR("{}"), 0, NULL, NULL);
    fixture_close(&f);
    fixture_fini(&f);
}

static void end_late(void *ctx)
{
    journal_call_end(ctx, STR("{}"), clock_mono_us(), NULL, NULL);
}

TEST(closing_waits_for_calls_that_still_run)
{
    struct fixture f;
    CHECK(fixture_init(&f) && fixture_open(&f));
    struct journal_call *jc = fixture_begin(&f, "late");
    append_number(jc, 1, 10);
    struct loop_timer *t = loop_timer_new(f.loop, end_late, jc);
    loop_timer_set(t, 20);
    journal_close(f.journal, fixture_closed, &f);
    loop_run(f.loop);
    CHECK(f.closed);
    loop_timer_free(t);
    loop_close(f.loop);
    CHECK(file_is_whole(&f, "late", 1));
    fixture_fini(&f);
}

/* Runs `fn` in a process of its own, where limits may be set; its result is the exit code. */
static int in_child(int (*fn)(struct fixture *), struct fixture *f)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn(f));
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void limit_files(rlim_t bytes)
{
    struct rlimit lim;
    getrlimit(RLIMIT_FSIZE, &lim);
    lim.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &lim);
}

static void check_failing(void *ctx)
{
    struct fixture *f = ctx;
    if (journal_health(f->journal).failing)
        limit_files(RLIM_INFINITY); /* the disk has room again */
}

#define CHILD_CHECK(cond)                                              \
    do {                                                               \
        if (!(cond)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond); \
            return 1;                                                  \
        }                                                              \
    } while (0)

static int full_disk_child(struct fixture *f)
{
    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_LEVEL_OFF);
    CHILD_CHECK(fixture_open(f));
    limit_files(30000);
    struct journal_call *jc = fixture_begin(f, "full");
    for (uint32_t i = 1; i <= 100; i++)
        append_number(jc, i, 1000);
    /* The barrier may fire only when the bytes are on disk, which is after the limit was lifted. */
    struct loop_timer *t = loop_timer_new(f->loop, check_failing, f);
    loop_timer_set(t, 250);
    journal_barrier(jc, fixture_stop, f);
    int64_t start_us = clock_mono_us();
    loop_run(f->loop);
    CHILD_CHECK(clock_mono_us() - start_us >= 250000);
    CHILD_CHECK(!journal_health(f->journal).failing);
    loop_timer_free(t);
    journal_call_end(jc, STR("{}"), clock_mono_us(), NULL, NULL);
    fixture_close(f);
    CHILD_CHECK(file_is_whole(f, "full", 100));
    return 0;
}

TEST(a_full_disk_delays_barriers_and_loses_nothing_that_fits_the_backlog)
{
    struct fixture f;
    CHECK(fixture_init(&f));
    CHECK_INT(0, in_child(full_disk_child, &f));
    fixture_fini(&f);
}

static void append_audio(struct journal_call *jc, struct buf *scratch, size_t chars)
{
    char *audio = mem_alloc(chars);
    memset(audio, 'A', chars);
    struct call_input in = {.type = CALL_IN_AUDIO,
                            .number = 20,
                            .audio_len = (uint32_t)(chars / 4 * 3),
                            .audio = str_n(audio, chars)};
    buf_reset(scratch);
    call_input_write(scratch, &in, true);
    journal_append(jc, JOURNAL_INPUT + CALL_IN_AUDIO, clock_mono_us(), buf_str(scratch), STR_NONE);
    mem_free(audio);
}

/* With the disk dead: audio first, then records, and the end is kept; nothing blocks. */
static int dead_disk_child(struct fixture *f)
{
    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_LEVEL_OFF);
    CHILD_CHECK(fixture_open(f));
    limit_files(30000);
    struct journal_call *jc = fixture_begin(f, "dead");
    struct buf scratch;
    buf_init(&scratch, 1 << 20);
    uint32_t sent = 0;
    while (journal_health(f->journal).backlog_bytes <= JOURNAL_AUDIO_BACKLOG_BYTES) {
        append_audio(jc, &scratch, 400000);
        sent++;
    }
    CHILD_CHECK(journal_health(f->journal).audio_dropped == 0);
    for (int i = 0; i < 100; i++, sent++)
        append_audio(jc, &scratch, 400000);
    CHILD_CHECK(journal_health(f->journal).audio_dropped == 100);
    CHILD_CHECK(journal_health(f->journal).backlog_bytes < JOURNAL_AUDIO_BACKLOG_BYTES + 600000);
    while (journal_health(f->journal).records_lost == 0) {
        append_number(jc, 1, 1 << 20);
        sent++;
    }
    CHILD_CHECK(journal_health(f->journal).backlog_bytes <= JOURNAL_BACKLOG_BYTES);
    append_number(jc, 1, 1 << 20);
    CHILD_CHECK(journal_health(f->journal).records_lost == 2);
    buf_fini(&scratch);
    struct loop_timer *t = loop_timer_new(f->loop, check_failing, f);
    loop_timer_set(t, 250);
    journal_call_end(jc, STR("{\"reason\":\"x\"}"), clock_mono_us(), fixture_stop, f);
    loop_run(f->loop);
    loop_timer_free(t);
    fixture_close(f);

    char path[PATH_BYTES];
    fixture_path(f, path, "dead.jrn");
    struct journal_reader *r;
    CHILD_CHECK(journal_reader_open(&r, path, NULL) == OK);
    struct journal_record rec;
    uint32_t flagged = 0, gaps = 0, last = 0;
    uint16_t type = 0;
    while (journal_reader_next(r, &rec, NULL) == OK) {
        flagged += rec.flags == JOURNAL_AUDIO_DROPPED;
        if (rec.flags) {
            struct call_input in;
            struct rt_event event = {0};
            CHILD_CHECK(call_input_read(&in, &event, CALL_IN_AUDIO, rec.at_us, rec.payload) == OK);
            CHILD_CHECK(in.audio_len == 300000 && in.number == 20 && in.audio.len == 0);
        }
        gaps += rec.sequence != (type ? last + 1 : 0);
        last = rec.sequence;
        type = rec.type;
    }
    journal_reader_close(r);
    CHILD_CHECK(flagged == 100 && gaps == 1 && type == JOURNAL_END && last == sent + 2);
    return 0;
}

TEST(a_dead_disk_costs_audio_first_then_records_and_never_the_end)
{
    struct fixture f;
    CHECK(fixture_init(&f));
    CHECK_INT(0, in_child(dead_disk_child, &f));
    fixture_fini(&f);
}

static void count_up(void *ctx)
{
    ++*(int *)ctx;
}

static int give_up_child(struct fixture *f)
{
    signal(SIGXFSZ, SIG_IGN);
    log_set_level(LOG_LEVEL_OFF);
    CHILD_CHECK(fixture_open(f));
    struct journal_call *jc = fixture_begin(f, "lost");
    append_number(jc, 1, 1000);
    fixture_sync(f, jc);
    limit_files(1500);
    append_number(jc, 2, 100000);
    int called = 0;
    journal_barrier(jc, count_up, &called);
    journal_call_end(jc, STR("{}"), clock_mono_us(), count_up, &called);
    fixture_close(f); /* ends although the disk does not work */
    CHILD_CHECK(called == 2);
    return 0;
}

static void count_recovered(void *ctx, const struct past_call *call)
{
    (void)call;
    ++*(int *)ctx;
}

TEST(closing_on_a_dead_disk_ends_and_the_next_start_recovers_the_rest)
{
    struct fixture f;
    CHECK(fixture_init(&f));
    CHECK_INT(0, in_child(give_up_child, &f));
    CHECK_INT(0, fixture_count(&f, ".", ".jrn", NULL));
    int recovered = 0;
    CHECK_INT(OK, fixture_recover(f.dir, count_recovered, &recovered));
    CHECK_INT(1, recovered);
    CHECK_INT(1, fixture_count(&f, ".", ".jrn", NULL));
    CHECK_INT(2, fixture_count(&f, "segments", "", NULL));
    fixture_fini(&f);
}

TEST(a_directory_that_cannot_be_is_one_sentence)
{
    struct fixture f;
    CHECK(fixture_init(&f));
    CHECK_INT(OK, loop_open(&f.loop, 0));
    struct err_detail detail = {""};
    struct journal *j;
    CHECK_INT(ERR_IO, journal_open(&j, f.loop, "/proc/nothing/here", &detail));
    CHECK(strlen(detail.text) > 0);
    loop_close(f.loop);
    fixture_fini(&f);
}
