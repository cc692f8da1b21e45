/* callee_sim --faults [CALLS] [FIRST SEED] [EACH]: calls again, each step that may fail failing once.
 *
 * A call runs first undisturbed and its steps are counted; then again with one of them failing, for
 * the first EACH of a name and as many more by chance of the seed. What is promised holds all the
 * same, with no more excuses than sim.h names. A call with its failures is a process of its own, so
 * that a crash and a hang are told as any other broken promise. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/rng.h"
#include "sim.h"

enum { NAMES_MAX = 32, PROCESS_S = 60 /* of work */, BROKEN_MAX = 20 };

struct step {
    char name[FAULT_NAME_BYTES_MAX];
    uint64_t count; /* in this call */
    uint64_t seen, failed;
};

/* Shared with the process that runs a call. */
struct faults {
    struct step steps[NAMES_MAX];
    size_t step_count;
    uint64_t broken;
    char at[FAULT_NAME_BYTES_MAX + 24]; /* what fails now, as trace takes it */
};

static void note_step(void *ctx, const char *name, uint64_t count)
{
    struct faults *f = ctx;
    size_t i = 0;
    while (i < f->step_count && strcmp(f->steps[i].name, name) != 0)
        i++;
    if (i == NAMES_MAX)
        return;
    if (i == f->step_count)
        snprintf(f->steps[f->step_count++].name, sizeof(f->steps[i].name), "%s", name);
    f->steps[i].count = count;
    f->steps[i].seen += count;
}

static void tell_broken(struct faults *f, uint64_t seed, const char *why)
{
    f->broken++;
    printf("seed %llu with %s failing: %s\n", (unsigned long long)seed,
           f->at[0] ? f->at : "nothing", why);
    fflush(stdout);
}

static void run(struct faults *f, struct sim *s, uint64_t seed, struct step *step, uint64_t n)
{
    fault_arm(step ? step->name : "", n);
    f->at[0] = '\0';
    if (step) {
        step->failed++;
        snprintf(f->at, sizeof(f->at), "%s:%llu", step->name, (unsigned long long)n);
    }
    if (!sim_run(s, seed))
        tell_broken(f, seed, s->why);
    else if (step && !fault_fired())
        tell_broken(f, seed, "the step was not reached: the call is not the same each time");
}

/* In (from, to]. */
static uint64_t one_of(struct rng *rng, uint64_t from, uint64_t to)
{
    return to > from ? from + 1 + rng_below(rng, (uint32_t)(to - from)) : to;
}

static _Noreturn void run_call(struct faults *f, struct sim *s, uint64_t seed, uint64_t each)
{
    setrlimit(RLIMIT_CPU, &(struct rlimit){PROCESS_S, PROCESS_S});
    /* Each step that fails says so. */
    if (!freopen("/dev/null", "w", stderr))
        exit(1);
    for (size_t i = 0; i < f->step_count; i++)
        f->steps[i].count = 0;
    run(f, s, seed, NULL, 0);
    fault_each(note_step, f);
    struct rng rng;
    rng_init_seeded(&rng, seed);
    for (size_t i = 0; i < f->step_count; i++) {
        struct step *step = &f->steps[i];
        uint64_t first = step->count < each ? step->count : each, rest = step->count - first;
        for (uint64_t n = 1; n <= first; n++)
            run(f, s, seed, step, n);
        for (uint64_t k = 0; k < each && k < rest; k++) /* one out of each part of the rest */
            run(f, s, seed, step, first + one_of(&rng, k * rest / each, (k + 1) * rest / each));
    }
    exit(0);
}

static void one_call(struct faults *f, struct sim *s, uint64_t seed, uint64_t each)
{
    fflush(NULL);
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        run_call(f, s, seed, each);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        tell_broken(f, seed, "no process to run it in");
    else if (WIFSIGNALED(status))
        tell_broken(f, seed,
                    WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL ? "it hangs"
                                                                               : "it crashes");
    else if (WEXITSTATUS(status) != 0)
        tell_broken(f, seed, "it crashes");
}

int sim_faults(struct sim *s, uint64_t calls, uint64_t first, uint64_t each)
{
#ifndef CALLEE_FAULTS
    (void)one_call, (void)s, (void)calls, (void)first, (void)each;
    fprintf(stderr, "this build has no FAULTS; see docs/testing.md\n");
    return 2;
#else
    struct faults *f =
        mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f == MAP_FAILED)
        return 1;
    for (uint64_t seed = first; seed < first + calls && f->broken < BROKEN_MAX; seed++)
        one_call(f, s, seed, each);
    uint64_t failed = 0, broken = f->broken;
    for (size_t i = 0; i < f->step_count; i++) {
        const struct step *step = &f->steps[i];
        printf("%-22s %8llu steps, %6llu of them failed\n", step->name,
               (unsigned long long)step->seen, (unsigned long long)step->failed);
        failed += step->failed;
    }
    printf("%llu calls run again with one step failing, %llu broke\n", (unsigned long long)failed,
           (unsigned long long)broken);
    munmap(f, sizeof(*f));
    return broken != 0 || failed == 0;
#endif
}
