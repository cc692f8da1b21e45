/* The program: everything is in app/. */
#include "app/commands.h"

#ifdef CALLEE_FAULTS
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"

static void print_step(void *ctx, const char *name, uint64_t count)
{
    fprintf(ctx, "%s %llu\n", name, (unsigned long long)count);
}

/* CALLEE_FAULT=name:n makes one step fail; CALLEE_FAULT_STEPS=FILE gets the steps there were. */
static int run_with_faults(int argc, char **argv)
{
    const char *armed = getenv("CALLEE_FAULT"), *steps = getenv("CALLEE_FAULT_STEPS");
    if (armed && !fault_arm_text(armed))
        fprintf(stderr, "CALLEE_FAULT takes name:n\n");
    int code = commands_main(argc, argv);
    FILE *f = steps ? fopen(steps, "w") : NULL;
    if (f) {
        fault_each(print_step, f);
        fclose(f);
    }
    return code;
}
#endif

int main(int argc, char **argv)
{
#ifdef CALLEE_FAULTS
    return run_with_faults(argc, argv);
#else
    return commands_main(argc, argv);
#endif
}
