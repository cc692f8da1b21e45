/*
 * clock.h - the two clocks of the operating system.
 *
 * Only loops, workers and commands read them; everything else is given the time as an argument, so
 * that tests and the simulator own it. Monotonic time orders events and measures; wall time is for
 * people, certificates and databases.
 *
 *   Thread   any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

enum { CLOCK_BOOT_ID_BYTES = 40 };

/* Microseconds since some fixed point; never goes back. */
int64_t clock_mono_us(void);
/* Milliseconds since 1970-01-01 UTC; may jump. */
int64_t clock_wall_ms(void);

/* Names the boot of the machine, within which clock_mono_us goes on across processes; "" when it
 * cannot be told. */
void clock_boot_id(char out[CLOCK_BOOT_ID_BYTES]);

#endif
