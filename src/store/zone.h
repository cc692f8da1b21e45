/*
 * zone.h - local time of a named time zone, from the system's TZif files (RFC 8536).
 *
 * The C library knows one zone per process (TZ), and a server has one per business. This reads
 * /usr/share/zoneinfo/NAME (version 1 to 4, the 64-bit block and the footer rule where present)
 * and converts wall time to local time and back.
 *
 *   Units    wall times: milliseconds since 1970 UTC. Offsets: seconds east of UTC.
 *   Memory   a zone lives in the arena it was loaded into; immutable afterwards.
 *   Thread   any; zone_load reads a file, so never on a loop thread.
 *   Bounds   files up to ZONE_FILE_BYTES_MAX, ZONE_TRANSITIONS_MAX transitions.
 */
#ifndef STORE_ZONE_H
#define STORE_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct zone;

struct zone_time {
    int year, month, day; /* 2026, 1..12, 1..31 */
    int hour, minute, second;
    int weekday; /* 0 = Monday .. 6 = Sunday (ISO 8601 less one) */
    int offset_s;
    char abbreviation[8]; /* "MDT" */
};

/* UTC; static, never fails. */
const struct zone *zone_utc(void);

/* `name` as in the tz database: "America/Denver". ERR_INVALID for a name that is not one (".." and
 * absolute paths included) or a malformed file, ERR_NOTFOUND when there is no such file. */
enum err zone_load(struct arena *mem, struct str name, const struct zone **out,
                   struct err_detail *detail) MUST_CHECK;
/* As zone_load from the bytes of a TZif file. */
enum err zone_parse(struct arena *mem, struct str name, struct str bytes, const struct zone **out,
                    struct err_detail *detail) MUST_CHECK;

/* The name it was loaded by, for example "America/Denver". */
struct str zone_name(const struct zone *z);

/* Local time at a moment. Any int64 within +-30,000 years of 1970; beyond that it is clamped. */
void zone_local(const struct zone *z, int64_t wall_ms, struct zone_time *out);
/* The moment of a local date and minute of day. Days and minutes past the end of their month or day
 * count on (32 January is 1 February, minute 1440 the next midnight). A time
 * that a change of clocks skips is read with the offset before it; one that it repeats is the
 * first. */
int64_t zone_wall_ms(const struct zone *z, int year, int month, int day, int minute_of_day);

#endif
