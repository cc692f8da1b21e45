/* TZif (RFC 8536) and the POSIX TZ rule in its footer. */
#include "store/zone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

enum { HEADER_BYTES = 44, NAME_MAX_BYTES = 64, ABBREVIATION_MAX = 8, TYPES_MAX = 256 };
#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
/* Clamp: well inside int64 seconds and int years. */
#define WALL_S_MAX INT64_C(900000000000)

struct local_type {
    int32_t offset_s;
    char abbreviation[ABBREVIATION_MAX];
};

/* When a rule changes the clocks: Mm.w.d, Jn or n, then a time of day. */
struct rule_date {
    char kind; /* 'M', 'J' or '0' */
    int month, week, day;
    int32_t time_s;
};

struct rule {
    struct local_type standard, daylight;
    bool has_daylight;
    struct rule_date start, end; /* of daylight time */
};

struct zone {
    struct str name;
    size_t count;
    const int64_t *at_s;    /* transitions, ascending */
    const uint8_t *type_of; /* the type from each of them on */
    size_t types_count;
    const struct local_type *types;
    bool has_rule; /* for times behind the last transition */
    struct rule rule;
};

static const struct local_type utc_type = {0, "UTC"};
static const struct zone utc = {.name = {"UTC", 3}, .types_count = 1, .types = &utc_type};

const struct zone *zone_utc(void)
{
    return &utc;
}

struct str zone_name(const struct zone *z)
{
    return z->name;
}

/* -- the calendar -- */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. A year that starts in March
 * puts the leap day last; 400 years have 146,097 days. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, struct zone_time *out)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t in_era = days - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t day_of_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* from March */
    out->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* -- the footer's rule, read with a cursor over a NUL-terminated copy -- */

static bool take_number(const char **p, int max, int *out)
{
    int n = 0, digits = 0;
    while (**p >= '0' && **p <= '9' && digits < 4) {
        n = n * 10 + (*(*p)++ - '0');
        digits++;
    }
    *out = n;
    return digits > 0 && n <= max;
}

static bool take_time(const char **p, int32_t *out_s)
{
    int sign = 1, hour, minute = 0, second = 0;
    if (**p == '-' || **p == '+')
        sign = *(*p)++ == '-' ? -1 : 1;
    if (!take_number(p, 167, &hour))
        return false;
    if (**p == ':' && ((*p)++, !take_number(p, 59, &minute)))
        return false;
    if (**p == ':' && ((*p)++, !take_number(p, 59, &second)))
        return false;
    *out_s = sign * (hour * 3600 + minute * 60 + second);
    return true;
}

static bool take_abbreviation(const char **p, char out[ABBREVIATION_MAX])
{
    bool quoted = **p == '<';
    size_t n = 0;
    if (quoted)
        (*p)++;
    for (;; (*p)++) {
        char c = **p;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool more = quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-');
        if (!letter && !more)
            break;
        if (n + 1 == ABBREVIATION_MAX)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    if (quoted && *(*p)++ != '>')
        return false;
    return n > 0;
}

static bool take_date(const char **p, struct rule_date *d)
{
    d->time_s = 2 * 3600;
    if (*(*p)++ != ',')
        return false;
    d->kind = '0';
    if (**p == 'M' || **p == 'J')
        d->kind = *(*p)++;
    bool ok;
    if (d->kind == 'M')
        ok = take_number(p, 12, &d->month) && d->month >= 1 && *(*p)++ == '.' &&
             take_number(p, 5, &d->week) && d->week >= 1 && *(*p)++ == '.' &&
             take_number(p, 6, &d->day);
    else
        ok = take_number(p, 365, &d->day) && (d->kind == '0' || d->day >= 1);
    if (ok && **p == '/') {
        (*p)++;
        ok = take_time(p, &d->time_s);
    }
    return ok;
}

static bool parse_rule(const char *p, struct rule *r)
{
    if (!take_abbreviation(&p, r->standard.abbreviation) || !take_time(&p, &r->standard.offset_s))
        return false;
    r->standard.offset_s = -r->standard.offset_s; /* POSIX counts west of Greenwich */
    if (*p == '\0')
        return true;
    r->has_daylight = true;
    if (!take_abbreviation(&p, r->daylight.abbreviation))
        return false;
    r->daylight.offset_s = r->standard.offset_s + 3600;
    if (*p != ',') {
        if (!take_time(&p, &r->daylight.offset_s))
            return false;
        r->daylight.offset_s = -r->daylight.offset_s;
    }
    return take_date(&p, &r->start) && take_date(&p, &r->end) && *p == '\0';
}

/* Local seconds since 1970 at which a rule's date falls in a year. */
static int64_t rule_moment(const struct rule_date *d, int year)
{
    int64_t january = days_of(year, 1, 1), day;
    if (d->kind == 'M') {
        int64_t first = days_of(year, d->month, 1);
        int64_t next = d->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, d->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday; 0 = Sunday */
        day = first + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
        while (day >= next) /* week 5 is the last one */
            day -= 7;
    } else {
        bool leap = days_of(year, 3, 1) - days_of(year, 2, 28) == 2;
        day = january + d->day - (d->kind == 'J');
        if (d->kind == 'J' && leap && d->day >= 60)
            day++; /* Jn never counts 29 February */
    }
    return day * 86400 + d->time_s;
}

static const struct local_type *type_by_rule(const struct rule *r, int64_t s)
{
    if (!r->has_daylight)
        return &r->standard;
    struct zone_time t;
    date_of(floor_div(s + r->standard.offset_s, 86400), &t);
    int64_t start = rule_moment(&r->start, t.year) - r->standard.offset_s;
    int64_t end = rule_moment(&r->end, t.year) - r->daylight.offset_s;
    bool daylight = start < end ? s >= start && s < end : s >= start || s < end;
    return daylight ? &r->daylight : &r->standard;
}

static const struct local_type *type_at(const struct zone *z, int64_t s)
{
    if (z->count == 0)
        return z->has_rule ? type_by_rule(&z->rule, s) : &z->types[0];
    if (s < z->at_s[0])
        return &z->types[0];
    if (s >= z->at_s[z->count - 1] && z->has_rule)
        return type_by_rule(&z->rule, s);
    size_t low = 0, high = z->count; /* at_s[low] <= s < at_s[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (z->at_s[middle] <= s)
            low = middle;
        else
            high = middle;
    }
    return &z->types[z->type_of[low]];
}

/* -- TZif -- */

static uint32_t u32_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | (uint32_t)u[3];
}

static int64_t time_at(const char *p, size_t width)
{
    if (width == 4)
        return (int32_t)u32_at(p);
    return (int64_t)((uint64_t)u32_at(p) << 32 | u32_at(p + 4));
}

struct block {
    size_t isut, isstd, leap, times, types, chars;
    size_t width; /* bytes of a time */
    size_t len;   /* of the data behind the header */
    char version;
};

/* RFC 8536 section 3.1. */
static bool read_header(struct str bytes, size_t width, struct block *b)
{
    if (bytes.len < HEADER_BYTES || memcmp(bytes.p, "TZif", 4) != 0)
        return false;
    b->version = bytes.p[4];
    size_t *counts[] = {&b->isut, &b->isstd, &b->leap, &b->times, &b->types, &b->chars};
    for (size_t i = 0; i < 6; i++) {
        *counts[i] = u32_at(bytes.p + 20 + 4 * i);
        if (*counts[i] > ZONE_TRANSITIONS_MAX)
            return false;
    }
    b->width = width;
    b->len = b->times * width + b->times + b->types * 6 + b->chars + b->leap * (width + 4) +
             b->isstd + b->isut;
    return b->types >= 1 && b->types <= TYPES_MAX && bytes.len - HEADER_BYTES >= b->len;
}

/* RFC 8536 section 3.2. `p` is behind the header and holds b->len bytes. */
static bool read_block(struct arena *mem, const char *p, const struct block *b, struct zone *z)
{
    int64_t *at = arena_alloc(mem, b->times * sizeof(*at));
    uint8_t *type_of = arena_alloc(mem, b->times);
    struct local_type *types = arena_alloc(mem, b->types * sizeof(*types));
    for (size_t i = 0; i < b->times; i++, p += b->width) {
        at[i] = time_at(p, b->width);
        if (i && at[i] <= at[i - 1])
            return false;
    }
    for (size_t i = 0; i < b->times; i++, p++) {
        type_of[i] = (uint8_t)*p;
        if (type_of[i] >= b->types)
            return false;
    }
    const char *names = p + b->types * 6;
    for (size_t i = 0; i < b->types; i++, p += 6) {
        types[i].offset_s = (int32_t)u32_at(p);
        size_t from = (unsigned char)p[5];
        if (from >= b->chars || types[i].offset_s < -93600 || types[i].offset_s > 93600)
            return false;
        for (size_t k = 0; from + k < b->chars && names[from + k] && k + 1 < ABBREVIATION_MAX; k++)
            types[i].abbreviation[k] = names[from + k];
    }
    z->count = b->times;
    z->at_s = at;
    z->type_of = type_of;
    z->types_count = b->types;
    z->types = types;
    return true;
}

enum err zone_parse(struct arena *mem, struct str name, struct str bytes, const struct zone **out,
                    struct err_detail *detail)
{
    struct zone *z = arena_alloc(mem, sizeof(*z));
    struct block b;
    bool ok = read_header(bytes, 4, &b);
    if (ok && b.version >= '2') { /* the 64-bit block stands behind the 32-bit one */
        bytes = str_slice(bytes, HEADER_BYTES + b.len, bytes.len);
        ok = read_header(bytes, 8, &b);
    }
    ok = ok && read_block(mem, bytes.p + HEADER_BYTES, &b, z);
    if (ok && b.version >= '2') {
        struct str rest = str_slice(bytes, HEADER_BYTES + b.len, bytes.len);
        struct str footer = STR(""); /* between two line feeds */
        if (rest.p && str_take_until(&rest, '\n').len == 0 && rest.p)
            footer = str_take_until(&rest, '\n');
        char text[64];
        if (footer.len && str_copy(text, sizeof(text), footer))
            z->has_rule = parse_rule(text, &z->rule);
    }
    if (!ok)
        return err_explain(detail, ERR_INVALID, "time zone \"%.*s\": malformed zone file",
                           STR_FMT(str_slice(name, 0, NAME_MAX_BYTES)));
    z->name = str_n(arena_strndup(mem, name.p, name.len), name.len);
    *out = z;
    return OK;
}

static bool name_ok(struct str name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.p[0] == '/')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '/' && c != '_' && c != '-' && c != '+')
            return false; /* no dots: nothing leads out of the directory */
    }
    return true;
}

enum err zone_load(struct arena *mem, struct str name, const struct zone **out,
                   struct err_detail *detail)
{
    if (!name_ok(name))
        return err_explain(detail, ERR_INVALID,
                           "\"%.*s\" is no time zone; one is named like America/Denver",
                           STR_FMT(str_slice(name, 0, NAME_MAX_BYTES)));
    if (str_eq(name, STR("UTC")) || str_eq(name, STR("Etc/UTC"))) {
        *out = zone_utc();
        return OK;
    }
    char path[sizeof(ZONE_DIRECTORY) + NAME_MAX_BYTES];
    snprintf(path, sizeof(path), ZONE_DIRECTORY "%.*s", STR_FMT(name));
    FILE *f = fopen(path, "rbe");
    if (!f)
        return err_explain(detail, errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_IO,
                           "time zone \"%.*s\" is not known here (package tzdata)", STR_FMT(name));
    char *bytes = mem_alloc(ZONE_FILE_BYTES_MAX);
    size_t len = fread(bytes, 1, ZONE_FILE_BYTES_MAX, f);
    bool whole = len < ZONE_FILE_BYTES_MAX && !ferror(f);
    fclose(f);
    enum err e =
        whole ? zone_parse(mem, name, str_n(bytes, len), out, detail)
              : err_explain(detail, ERR_IO, "time zone \"%.*s\" cannot be read", STR_FMT(name));
    mem_free(bytes);
    return e;
}

/* -- conversions -- */

void zone_local(const struct zone *z, int64_t wall_ms, struct zone_time *out)
{
    int64_t s = floor_div(wall_ms, 1000);
    s = s > WALL_S_MAX ? WALL_S_MAX : s < -WALL_S_MAX ? -WALL_S_MAX : s;
    const struct local_type *type = type_at(z, s);
    int64_t local = s + type->offset_s, days = floor_div(local, 86400);
    int in_day = (int)(local - days * 86400);
    *out = (struct zone_time){.hour = in_day / 3600,
                              .minute = in_day / 60 % 60,
                              .second = in_day % 60,
                              .weekday = (int)(((days + 3) % 7 + 7) % 7),
                              .offset_s = type->offset_s};
    date_of(days, out);
    memcpy(out->abbreviation, type->abbreviation, sizeof(out->abbreviation));
}

int64_t zone_wall_ms(const struct zone *z, int year, int month, int day, int minute_of_day)
{
    int64_t local = days_of(year, month, day) * 86400 + (int64_t)minute_of_day * 60;
    int32_t before = type_at(z, local - 86400)->offset_s;
    int32_t after = type_at(z, local + 86400)->offset_s;
    int64_t s = local - before;
    if (type_at(z, s)->offset_s != before && type_at(z, local - after)->offset_s == after)
        s = local - after;
    return s * 1000;
}
