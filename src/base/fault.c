#include "base/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"

/* The program's only state besides the log that belongs to nobody: whoever arms a fault is outside
 * of everything that may fail. */
static struct {
    pthread_mutex_t lock;
    char armed[FAULT_NAME_BYTES_MAX];
    uint64_t at; /* 0 = none */
    bool fired;
    struct {
        const char *name;
        uint64_t count;
    } seen[FAULT_NAMES_MAX];
    size_t seen_count;
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local unsigned paused;

void fault_arm(const char *name, uint64_t n)
{
    pthread_mutex_lock(&faults.lock);
    snprintf(faults.armed, sizeof(faults.armed), "%s", name);
    faults.at = n;
    faults.fired = false;
    faults.seen_count = 0;
    pthread_mutex_unlock(&faults.lock);
}

bool fault_arm_text(const char *text)
{
    char name[FAULT_NAME_BYTES_MAX];
    struct str rest = str_of(text);
    struct str first = str_take_until(&rest, ':');
    uint64_t n;
    if (!rest.p || !str_to_u64(rest, &n) || !str_copy(name, sizeof(name), first))
        return false;
    fault_arm(name, n);
    return true;
}

bool fault_fired(void)
{
    pthread_mutex_lock(&faults.lock);
    bool fired = faults.fired;
    pthread_mutex_unlock(&faults.lock);
    return fired;
}

void fault_each(void (*fn)(void *ctx, const char *name, uint64_t count), void *ctx)
{
    pthread_mutex_lock(&faults.lock);
    for (size_t i = 0; i < faults.seen_count; i++)
        fn(ctx, faults.seen[i].name, faults.seen[i].count);
    pthread_mutex_unlock(&faults.lock);
}

/* How often the name was reached by now, this time included; 0 = no room to count it. */
static uint64_t count_one(const char *name)
{
    size_t i = 0;
    while (i < faults.seen_count && strcmp(faults.seen[i].name, name) != 0)
        i++;
    if (i == FAULT_NAMES_MAX)
        return 0;
    if (i == faults.seen_count) {
        faults.seen[i].name = name;
        faults.seen[i].count = 0;
        faults.seen_count++;
    }
    return ++faults.seen[i].count;
}

bool fault_hit(const char *name)
{
    if (paused)
        return false;
    pthread_mutex_lock(&faults.lock);
    uint64_t n = count_one(name);
    bool hit = n && n == faults.at && strcmp(name, faults.armed) == 0;
    faults.fired = faults.fired || hit;
    pthread_mutex_unlock(&faults.lock);
    if (hit)
        fprintf(stderr, "fault: %s:%llu fails\n", name, (unsigned long long)n);
    return hit;
}

int fault_errno(int error)
{
    errno = error;
    return -1;
}

void fault_pause(bool pause)
{
    if (pause)
        paused++;
    else
        paused--;
}
