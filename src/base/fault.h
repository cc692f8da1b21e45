/*
 * fault.h - steps that can be made to fail once, for tests.
 *
 * A step that may fail stands beside a FAULT of its name. In a build with FAULTS (the presets dev,
 * clang and tsan) a test arms one: the n-th time a step of that name is reached, it fails as the
 * real one would. In every other build FAULT is the constant false and costs nothing.
 *
 *   Units    steps are counted from 1, for each name by itself, from fault_arm on.
 *   Bounds   FAULT_NAMES_MAX names; more are not counted.
 *   Thread   any: a lock, in builds with FAULTS only.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef CALLEE_FAULTS
/* True when the step is to fail now. `name`: a literal, "module.step". */
#define FAULT(name) fault_hit(name)
/* A system call that gives -1 and `error` in errno when it is to fail. */
#define FAULT_CALL(name, error, call) (fault_hit(name) ? fault_errno(error) : (call))
/* Between these this thread's steps neither count nor fail: our own code guarantees them. */
#define FAULTS_OFF() fault_pause(true)
#define FAULTS_ON()  fault_pause(false)
#else
#define FAULT(name)                   false
#define FAULT_CALL(name, error, call) (call)
#define FAULTS_OFF()                  ((void)0)
#define FAULTS_ON()                   ((void)0)
#endif

/* From now on step `n` of `name` fails, once; n = 0: none does. Forgets all counts. Without FAULTS
 * these have no effect. */
void fault_arm(const char *name, uint64_t n);
/* Arms "name:n". False for a text of another form, which arms nothing. */
bool fault_arm_text(const char *text);
/* Whether the armed step was reached, and so failed. */
bool fault_fired(void);
/* Calls fn(ctx, name, count) for each name seen since fault_arm, in no special order. */
void fault_each(void (*fn)(void *ctx, const char *name, uint64_t count), void *ctx);

/* Behind the macros. */
bool fault_hit(const char *name);
int fault_errno(int error);
void fault_pause(bool pause);

#endif
