/* callee_sim [CALLS] [FIRST SEED] [trace [NAME:N]]: runs seeded calls; prints the seeds of those that
 * break, and with "trace" what the core was told and answered, the N-th step of NAME failing.
 * callee_sim --faults [CALLS] [FIRST SEED] [EACH]: see faults.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "sim.h"

static uint64_t number(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

static int run_faults(int argc, char **argv)
{
    struct sim *s = mem_zalloc(sizeof(*s));
    sim_init(s);
    int code = sim_faults(s, number(argc, argv, 2, 30), number(argc, argv, 3, 1),
                          number(argc, argv, 4, 4));
    sim_fini(s);
    mem_free(s);
    return code;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--faults") == 0)
        return run_faults(argc, argv);
    if (argc > 4 && !fault_arm_text(argv[4]))
        return 2;
    uint64_t calls = number(argc, argv, 1, 1000);
    uint64_t first = number(argc, argv, 2, 1);
    struct sim *s = mem_zalloc(sizeof(*s));
    sim_init(s);
    s->trace = argc > 3;
    int64_t began = clock_mono_us();
    uint64_t broken = 0;
    for (uint64_t seed = first; seed < first + calls && broken < 5; seed++) {
        if (!sim_run(s, seed)) {
            broken++;
            printf("seed %llu: %s (at %.3f s)\n", (unsigned long long)seed, s->why,
                   (double)s->now / 1e6);
        }
    }
    double seconds = (double)(clock_mono_us() - began) / 1e6;
    const struct sim_stats *t = &s->stats;
    uint64_t within = 0, cut = t->truncations;
    uint32_t p95 = 0;
    for (; p95 < 199 && cut; p95++) {
        within += t->error_histogram[p95];
        if (within * 100 >= cut * 95)
            break;
    }
    printf("%llu calls of %.1f s in the mean, seeds %llu to %llu, in %.2f s: %.0f a second\n",
           (unsigned long long)t->calls, (double)t->call_ms / 1000 / (double)t->calls,
           (unsigned long long)first, (unsigned long long)(first + calls - 1), seconds,
           (double)t->calls / seconds);
    printf("%llu inputs, %llu effects, %llu barge-ins, %llu tools, %llu engine failures, %llu "
           "fail-overs, %llu stalls\n",
           (unsigned long long)t->inputs, (unsigned long long)t->effects,
           (unsigned long long)t->barge_ins, (unsigned long long)t->tools,
           (unsigned long long)t->failures, (unsigned long long)t->failovers,
           (unsigned long long)t->stalls);
    printf("%llu roll-overs (%llu by force over an answer), %llu sessions expired, %llu questions "
           "heard again, %llu times \"one moment\", longest unexplained silence %lld ms\n",
           (unsigned long long)t->rollovers, (unsigned long long)t->forced,
           (unsigned long long)t->expired, (unsigned long long)t->reheard,
           (unsigned long long)t->waits, (long long)t->silence_ms_max);
    printf("%llu truncations, mean error %.1f ms, 95 %% within %u ms, at most %lld ms too much\n",
           (unsigned long long)cut, cut ? (double)t->error_ms_sum / (double)cut : 0.0, p95,
           (long long)t->error_ms_max);
    printf(
        "%llu streams broken, %llu processes dead (%llu while it rang, %llu in a farewell, %llu in "
        "a tool run, %llu beside a spare, %llu while the caller spoke, %llu while it was lost); "
        "%llu resumed, %llu waited for in vain; heard to %lld ms\n",
        (unsigned long long)t->breaks, (unsigned long long)t->deaths,
        (unsigned long long)t->lost_ringing, (unsigned long long)t->lost_closing,
        (unsigned long long)t->lost_tool, (unsigned long long)t->lost_rolling,
        (unsigned long long)t->lost_speaking, (unsigned long long)t->lost_lost,
        (unsigned long long)t->resumed, (unsigned long long)t->waited_for_nobody,
        (long long)t->lost_error_ms_max);
    printf("%llu passed, %llu failed\n", (unsigned long long)(t->calls - broken),
           (unsigned long long)broken);
    sim_fini(s);
    mem_free(s);
    return broken != 0;
}
