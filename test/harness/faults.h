/*
 * faults.h - the tests of a program again, each step that may fail failing once.
 *
 * Every test runs first undisturbed, and the steps it takes (base/fault.h) are counted; then once for
 * each of them, in a process of its own, with that one step failing. A CHECK that fails then is what
 * a failure looks like from outside and is fine. What is not: a crash, a broken ASSERT of ours, a
 * report of a sanitizer on our code, and a leak in a test that passed all the same. A test that waits without a
 * deadline for what can no longer come is told, and ended.
 *
 *   test_x --faults [EACH] [TEST]   EACH: of one name the first EACH steps, then ever rarer ones; 0:
 *                                   the first alone.
 *
 *   Bounds   FAULTS_RUN_S seconds a run, FAULTS_JOBS runs at once.
 */
#ifndef HARNESS_FAULTS_H
#define HARNESS_FAULTS_H

#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

enum {
    FAULTS_RUN_S = 8,
    FAULTS_JOBS = 16, /* most of them wait for something that will not come */
    FAULTS_STEPS_MAX = 128,
    FAULTS_CHECK_FAILED = 3,
    FAULTS_UNREACHED = 4, /* threads take their steps in another order each time */
};

struct faults_job {
    pid_t pid; /* 0 = free */
    const struct test *test;
    char name[48];
    unsigned long long n;
    FILE *log;
};

struct faults_tally {
    unsigned runs, passed, checked, waited, broken, unreached;
};

struct faults {
    struct {
        char name[48];
        unsigned long long count;
    } steps[FAULTS_STEPS_MAX]; /* of the test at hand */
    size_t step_count;
    struct faults_job jobs[FAULTS_JOBS];
    unsigned running;
    struct faults_tally tally;
};

static void faults_note(void *ctx, const char *name, uint64_t count)
{
    dprintf(*(int *)ctx, "%s %llu\n", name, (unsigned long long)count);
}

/* Runs in a process of its own; never returns. `out`: where the steps are told, or -1. */
static _Noreturn void faults_child(const struct faults_job *j, int out)
{
    alarm(FAULTS_RUN_S);
    test_failed = 0;
    fault_arm(j->name, j->n);
    j->test->fn();
    bool fired = j->n == 0 || fault_fired();
    if (out >= 0)
        fault_each(faults_note, &out);
    fault_arm("", 0);
    if (test_failed)
        _exit(FAULTS_CHECK_FAILED); /* it left at once, and all it had opened with it */
    exit(fired ? 0 : FAULTS_UNREACHED);
}

/* The test broke, not what it tests: a CHECK of a helper had failed before, an ASSERT or abort() of
 * the test's own, or a sanitizer names a line of the test in its first two frames, so the test used
 * what it did not have. */
static bool faults_told_own(FILE *log)
{
    char line[1024];
    bool ours = false;
    rewind(log);
    while (fgets(line, sizeof(line), log)) {
        bool frame = strstr(line, "    #0 ") || strstr(line, "    #1 ");
        if (strstr(line, ": CHECK(") || strstr(line, ": want ") ||
            (frame && strstr(line, "/test/") && !strstr(line, "/test/harness/")))
            return true;
        ours = ours || (strstr(line, "/src/") && strstr(line, ": ASSERT(")) ||
               strstr(line, "runtime error") || strstr(line, "Sanitizer");
        if (strstr(line, "freed by") || strstr(line, "allocated by"))
            break; /* further stacks are not where it happened */
    }
    return !ours;
}

static bool faults_start(struct faults_job *j, int out)
{
    fflush(NULL);
    j->log = tmpfile();
    if (!j->log)
        return false;
    j->pid = fork();
    if (j->pid == 0) {
        dup2(fileno(j->log), STDERR_FILENO);
        dup2(fileno(j->log), STDOUT_FILENO);
        faults_child(j, out);
    }
    return j->pid > 0;
}

static void faults_judge(struct faults_job *j, int status, struct faults_tally *tally)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool abnormal = WIFSIGNALED(status)
                        ? WTERMSIG(status) == SIGABRT
                        : code != 0 && code != FAULTS_UNREACHED && code != FAULTS_CHECK_FAILED;
    bool own = abnormal && faults_told_own(j->log);
    tally->runs++;
    tally->passed += code == 0;
    tally->unreached += code == FAULTS_UNREACHED;
    tally->checked += code == FAULTS_CHECK_FAILED || own;
    bool waits = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    tally->waited += waits;
    if (waits) /* its expectation has no deadline of its own; the list is there to be looked at */
        printf("   %s with %s:%llu failing waits for ever\n", j->test->name, j->name, j->n);
    if (code == 0 || code == FAULTS_UNREACHED || code == FAULTS_CHECK_FAILED || own || waits)
        return;
    tally->broken++;
    printf("-- %s with %s:%llu failing: %s %d\n", j->test->name, j->name, j->n,
           code < 0 ? "signal" : "exit code", code < 0 ? WTERMSIG(status) : code);
    char line[1024];
    rewind(j->log);
    for (unsigned i = 0; i < 40 && fgets(line, sizeof(line), j->log); i++)
        fputs(line, stdout);
}

/* Waits until one job at least has ended. */
static void faults_reap(struct faults *f)
{
    int status;
    pid_t pid = wait(&status);
    for (size_t i = 0; i < FAULTS_JOBS; i++) {
        struct faults_job *j = &f->jobs[i];
        if (pid <= 0 || j->pid != pid)
            continue;
        faults_judge(j, status, &f->tally);
        fclose(j->log);
        j->pid = 0;
        f->running--;
    }
}

static void faults_one(struct faults *f, const struct test *t, const char *name,
                       unsigned long long n)
{
    if (f->running == FAULTS_JOBS)
        faults_reap(f);
    size_t i = 0;
    while (f->jobs[i].pid)
        i++;
    f->jobs[i] = (struct faults_job){.test = t, .n = n};
    snprintf(f->jobs[i].name, sizeof(f->jobs[i].name), "%s", name);
    f->running += faults_start(&f->jobs[i], -1);
}

/* The test undisturbed: true when it passes; its steps are known then. */
static bool faults_count(struct faults *f, const struct test *t)
{
    struct faults_job j = {.test = t};
    FILE *steps = tmpfile();
    int status = -1;
    if (steps && faults_start(&j, fileno(steps)))
        (void)waitpid(j.pid, &status, 0);
    f->step_count = 0;
    if (steps) {
        rewind(steps);
        while (f->step_count < FAULTS_STEPS_MAX &&
               fscanf(steps, "%47s %llu", f->steps[f->step_count].name,
                      &f->steps[f->step_count].count) == 2)
            f->step_count++;
        fclose(steps);
    }
    if (j.log)
        fclose(j.log);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The first `each`, then every time half as many again. */
static unsigned long long faults_next(unsigned long long n, unsigned each)
{
    return n < each ? n + 1 : n + 1 + n / 2;
}

static int faults_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* A test that ended early left its files: they go with the folder they are in. */
static void faults_clean(const char *dir)
{
    (void)nftw(dir, faults_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static int faults_main(unsigned each, const char *only)
{
    static struct faults f;
    char dir[] = "/dev/shm/callee-faults-XXXXXX", other[] = "/tmp/callee-faults-XXXXXX";
    const char *folder = mkdtemp(dir) ? dir : mkdtemp(other);
    if (folder)
        setenv("TMPDIR", folder, 1);
    for (struct test *t = test_first; t; t = t->next) {
        if (only && !strstr(t->name, only))
            continue;
        while (f.running)
            faults_reap(&f);
        if (!faults_count(&f, t)) {
            printf("-- %s fails undisturbed\n", t->name);
            f.tally.broken++;
            continue;
        }
        for (size_t i = 0; i < f.step_count; i++)
            for (unsigned long long n = 1; n <= (each ? f.steps[i].count : 1);
                 n = faults_next(n, each))
                faults_one(&f, t, f.steps[i].name, n);
    }
    while (f.running)
        faults_reap(&f);
    if (folder)
        faults_clean(folder);
    const struct faults_tally *y = &f.tally;
    printf(
        "%u runs with one step failing: %u passed all the same, %u failed in order, %u waited, %u "
        "never came to it, %u broke\n",
        y->runs, y->passed, y->checked, y->waited, y->unreached, y->broken);
    return y->broken != 0;
}

#endif
