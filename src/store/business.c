/* Settings: JSON rows in, one typed struct out, a sentence for everything that is wrong. */
#include "store/business.h"

#include <stdio.h>
#include <string.h>

#include "base/js.h"

enum { MINUTES_PER_DAY = 1440, DAYS_AHEAD = 8, CHECK_ARENA_BYTES = 1 << 20 };

#define DEFAULT_DURATION_S 1800

struct parse {
    struct business_config *config;
    struct arena *mem;
    struct err_detail *detail;
};

static struct str keep(struct arena *mem, struct str s)
{
    return str_n(arena_strndup(mem, s.p, s.len), s.len);
}

/* -- one value -- */

static enum err text_of(struct parse *p, const json_t *value, const char *member, struct str *out)
{
    if (!json_is_object(value))
        return err_explain(p->detail, ERR_INVALID, "must be an object like {\"%s\": ...}", member);
    const json_t *m = js_get(value, member);
    if (m && !json_is_string(m))
        return err_explain(p->detail, ERR_INVALID, "\"%s\" must be a string", member);
    struct str s = str_trim(js_get_str(value, member));
    if (s.len > BUSINESS_TEXT_MAX)
        return err_explain(p->detail, ERR_INVALID, "\"%s\" is longer than %d bytes", member,
                           BUSINESS_TEXT_MAX);
    *out = keep(p->mem, s);
    return OK;
}

static enum err personality(struct parse *p, const json_t *value)
{
    return text_of(p, value, "text", &p->config->personality);
}

static enum err greeting(struct parse *p, const json_t *value)
{
    struct str text;
    enum err e = text_of(p, value, "text", &text);
    if (e == OK && text.len)
        p->config->greeting = text;
    return e;
}

static enum err announcement(struct parse *p, const json_t *value)
{
    return text_of(p, value, "text", &p->config->announcement);
}

static enum err voice(struct parse *p, const json_t *value)
{
    return text_of(p, value, "name", &p->config->voice);
}

static enum err recording(struct parse *p, const json_t *value)
{
    const json_t *enabled = js_get(value, "enabled");
    if (!json_is_boolean(enabled))
        return err_explain(p->detail, ERR_INVALID, "must be {\"enabled\": true or false}");
    p->config->recording = json_is_true(enabled);
    return OK;
}

/* E.164: a plus sign and at most fifteen digits. */
static bool is_e164(struct str s)
{
    if (s.len < 4 || s.len > 16 || s.p[0] != '+' || s.p[1] == '0')
        return false;
    for (size_t i = 1; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return true;
}

static enum err transfer_number(struct parse *p, const json_t *value)
{
    struct str number;
    enum err e = text_of(p, value, "number", &number);
    if (e != OK)
        return e;
    if (number.len && !is_e164(number))
        return err_explain(p->detail, ERR_INVALID, "\"number\" must look like +15055550199");
    p->config->transfer_number = number;
    return OK;
}

static enum err emergency(struct parse *p, const json_t *value)
{
    struct str number;
    uint64_t digits;
    enum err e = text_of(p, value, "number", &number);
    if (e != OK)
        return e;
    if (number.len < 2 || number.len > 6 || !str_to_u64(number, &digits))
        return err_explain(p->detail, ERR_INVALID, "\"number\" must be digits like 911 or 112");
    p->config->emergency_number = number;
    return OK;
}

static enum err after_hours(struct parse *p, const json_t *value)
{
    struct str mode;
    enum err e = text_of(p, value, "text", &p->config->after_hours_text);
    if (e == OK)
        e = text_of(p, value, "mode", &mode);
    if (e != OK)
        return e;
    if (mode.len == 0 || str_eq(mode, STR("answer")))
        p->config->after_hours_mode = AFTER_HOURS_ANSWER;
    else if (str_eq(mode, STR("message")))
        p->config->after_hours_mode = AFTER_HOURS_MESSAGE;
    else
        return err_explain(p->detail, ERR_INVALID, "\"mode\" must be answer or message");
    return OK;
}

static enum err tools(struct parse *p, const json_t *value)
{
    if (!json_is_array(value))
        return err_explain(p->detail, ERR_INVALID, "must be a list");
    struct buf text;
    buf_init(&text, BUSINESS_TEXT_MAX * 4);
    js_write(&text, value);
    bool ok = buf_ok(&text);
    if (ok)
        p->config->tools_json = keep(p->mem, buf_str(&text));
    buf_fini(&text);
    return ok ? OK : err_explain(p->detail, ERR_INVALID, "is too large");
}

static enum err cap_of(struct parse *p, const json_t *value, const char *member, int64_t max,
                       int64_t *out)
{
    const json_t *m = js_get(value, member);
    if (!m)
        return OK;
    int64_t n = js_get_int(value, member, -1);
    if (n < 0 || n > max)
        return err_explain(p->detail, ERR_INVALID, "\"%s\" must be a whole number from 0 to %lld",
                           member, (long long)max);
    *out = n;
    return OK;
}

static enum err caps(struct parse *p, const json_t *value)
{
    if (!json_is_object(value))
        return err_explain(p->detail, ERR_INVALID, "must be an object");
    int64_t duration_s = DEFAULT_DURATION_S;
    enum err e = cap_of(p, value, "max_duration_s", BUSINESS_DURATION_S_MAX, &duration_s);
    if (e == OK)
        e = cap_of(p, value, "max_cost_microusd", INT64_C(1000000000),
                   &p->config->max_cost_microusd);
    if (e == OK)
        e = cap_of(p, value, "max_calls", 100000, &p->config->max_calls);
    if (e == OK)
        e = cap_of(p, value, "max_calls_per_caller", 100000, &p->config->max_calls_per_caller);
    if (e == OK)
        e = cap_of(p, value, "max_spend_day_microusd", INT64_C(1000000000000),
                   &p->config->max_spend_day_microusd);
    if (e == OK && duration_s > 0) /* 0 asks for the default: no call is endless */
        p->config->max_duration_s = duration_s;
    return e;
}

/* What callers are told when a limit is reached. */
static enum err limit_words(struct parse *p, const json_t *value)
{
    enum err e = text_of(p, value, "busy", &p->config->busy_words);
    if (e == OK)
        e = text_of(p, value, "spent", &p->config->spent_words);
    return e == OK ? text_of(p, value, "goodbye", &p->config->spent_goodbye) : e;
}

/* -- hours -- */

/* "09:30" to minutes; "24:00" is the end of a day. */
static bool minutes_of(struct str s, int *out)
{
    uint64_t hour, minute;
    if (!s.p) /* not a string */
        return false;
    struct str h = str_take_until(&s, ':');
    if (h.len < 1 || h.len > 2 || s.len != 2 || !str_to_u64(h, &hour) || !str_to_u64(s, &minute))
        return false;
    if (hour > 24 || minute > 59 || (hour == 24 && minute > 0))
        return false;
    *out = (int)(hour * 60 + minute);
    return true;
}

static enum err day_of(struct parse *p, const json_t *spans, struct open_day *out)
{
    *out = (struct open_day){.count = 0};
    if (!json_is_array(spans) || json_array_size(spans) > BUSINESS_SPANS_MAX)
        return err_explain(p->detail, ERR_INVALID,
                           "a day must be a list of at most %d pairs like [\"09:00\", \"18:00\"]",
                           BUSINESS_SPANS_MAX);
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *pair = json_array_get(spans, i);
        const char *open = json_string_value(json_array_get(pair, 0));
        const char *close = json_string_value(json_array_get(pair, 1));
        struct open_span s;
        if (!json_is_array(pair) || json_array_size(pair) != 2 ||
            !minutes_of(str_of(open), &s.open_min) || !minutes_of(str_of(close), &s.close_min) ||
            s.open_min == MINUTES_PER_DAY)
            return err_explain(p->detail, ERR_INVALID,
                               "opening hours must be pairs like [\"09:00\", \"18:00\"]");
        if (s.close_min <= s.open_min) /* past midnight */
            s.close_min += MINUTES_PER_DAY;
        size_t at = out->count++; /* kept in order: what joins is found in one pass */
        for (; at > 0 && out->spans[at - 1].open_min > s.open_min; at--)
            out->spans[at] = out->spans[at - 1];
        out->spans[at] = s;
    }
    return OK;
}

static enum err opening_hours(struct parse *p, const json_t *value)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    if (!json_is_object(value))
        return err_explain(p->detail, ERR_INVALID, "must be an object of the days mon to sun");
    size_t known = 0;
    for (size_t i = 0; i < 7; i++) {
        const json_t *day = js_get(value, days[i]);
        p->config->week[i].count = 0; /* a day not named is closed */
        known += day != NULL;
        enum err e = day ? day_of(p, day, &p->config->week[i]) : OK;
        if (e != OK)
            return e;
    }
    if (known != json_object_size(value))
        return err_explain(p->detail, ERR_INVALID,
                           "days are named mon, tue, wed, thu, fri, sat, sun");
    p->config->has_hours = true;
    return OK;
}

/* "2026-12-25", and a date that exists: what the calendar makes of it must be the same. */
static bool date_of(struct str s, struct holiday *h)
{
    uint64_t part[3];
    if (s.len != 10 || s.p[4] != '-' || s.p[7] != '-' ||
        !str_to_u64(str_slice(s, 0, 4), &part[0]) || !str_to_u64(str_slice(s, 5, 7), &part[1]) ||
        !str_to_u64(str_slice(s, 8, 10), &part[2]) || part[1] < 1 || part[1] > 12 || part[2] < 1)
        return false;
    struct zone_time t;
    h->year = (int)part[0];
    h->month = (int)part[1];
    h->day = (int)part[2];
    zone_local(zone_utc(), zone_wall_ms(zone_utc(), h->year, h->month, h->day, 0), &t);
    return t.year == h->year && t.month == h->month && t.day == h->day;
}

static enum err holidays(struct parse *p, const json_t *value)
{
    if (!json_is_array(value) || json_array_size(value) > BUSINESS_HOLIDAYS_MAX)
        return err_explain(p->detail, ERR_INVALID, "must be a list of at most %d days",
                           BUSINESS_HOLIDAYS_MAX);
    size_t count = json_array_size(value);
    p->config->holidays = arena_alloc(p->mem, count * sizeof(struct holiday));
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);
        struct holiday *h = &p->config->holidays[i];
        if (!date_of(js_get_str(item, "date"), h))
            return err_explain(p->detail, ERR_INVALID, "\"date\" must be a date like 2026-12-25");
        enum err e = text_of(p, item, "name", &h->name);
        const json_t *hours = js_get(item, "hours");
        if (e == OK && hours)
            e = day_of(p, hours, &h->hours);
        else if (e == OK && !js_get_bool(item, "closed", true))
            e = err_explain(p->detail, ERR_INVALID, "a holiday that is not closed needs \"hours\"");
        if (e != OK)
            return e;
    }
    p->config->holidays_count = count;
    return OK;
}

/* -- all of them -- */

static const struct setting {
    const char *key;
    enum err (*parse)(struct parse *p, const json_t *value);
} settings[] = {
    {"ai_personality", personality},
    {"greeting_message", greeting},
    {"announcement", announcement},
    {"recording", recording},
    {"transfer_number", transfer_number},
    {"opening_hours", opening_hours},
    {"holidays", holidays},
    {"after_hours", after_hours},
    {"emergency", emergency},
    {"tools", tools},
    {"caps", caps},
    {"limit_words", limit_words},
    {"voice", voice},
};

/* Parses one row into `c`, which a malformed value leaves as it was. */
static enum err parse_row(struct business_config *c, struct arena *mem,
                          const struct config_row *row, struct err_detail *detail)
{
    json_t *value = NULL;
    enum err e = js_parse(row->json, &value, detail);
    if (e != OK)
        return e;
    struct business_config *next = mem_alloc(sizeof(*next));
    *next = *c;
    struct parse p = {next, mem, detail};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (str_eq(row->key, str_of(settings[i].key)))
            e = settings[i].parse(&p, value);
    }
    if (e == OK)
        *c = *next;
    mem_free(next);
    json_decref(value);
    return e;
}

static void add_problem(struct business_config *c, struct arena *mem, struct str key,
                        const char *text)
{
    if (c->problems_count == BUSINESS_PROBLEMS_MAX)
        return;
    size_t size = key.len + strlen(text) + 3;
    char *sentence = arena_alloc(mem, size);
    int len = snprintf(sentence, size, "%.*s: %s", STR_FMT(key), text);
    c->problems[c->problems_count++] = str_n(sentence, (size_t)len);
}

static struct str default_greeting(struct arena *mem, struct str name)
{
    static const char form[] = "Thank you for calling %.*s. How can I help you?";
    size_t size = sizeof(form) + name.len;
    char *text = arena_alloc(mem, size);
    int len = snprintf(text, size, form, STR_FMT(name));
    return str_n(text, (size_t)len);
}

void business_config_load(struct business_config *c, struct arena *mem, const struct business *b,
                          const struct config_row *rows, size_t count)
{
    struct err_detail detail;
    *c = (struct business_config){
        .personality = STR(""),
        .greeting = default_greeting(mem, b->name),
        .announcement = STR(""),
        .transfer_number = STR(""),
        .emergency_number = STR("911"),
        .after_hours_text = STR(""),
        .after_hours_mode = AFTER_HOURS_ANSWER,
        .tools_json = STR(""),
        .max_duration_s = DEFAULT_DURATION_S,
        .max_calls = -1,
        .max_calls_per_caller = -1,
        .max_spend_day_microusd = -1,
        .busy_words = STR(""),
        .spent_words = STR(""),
        .spent_goodbye = STR(""),
        .voice = STR(""),
        .zone = zone_utc(),
        .rows = rows,
        .rows_count = count,
    };
    if (zone_load(mem, b->time_zone, &c->zone, &detail) != OK)
        add_problem(c, mem, STR("time_zone"), detail.text);
    for (size_t i = 0; i < count; i++) {
        if (parse_row(c, mem, &rows[i], &detail) != OK)
            add_problem(c, mem, rows[i].key, detail.text);
    }
}

enum err business_config_check(struct str key, struct str json, struct err_detail *detail)
{
    struct arena mem;
    struct business_config c = {.zone = zone_utc()};
    struct config_row row = {key, json};
    arena_init(&mem, CHECK_ARENA_BYTES);
    enum err e = OK;
    json_t *value = NULL;
    if (str_eq(key, STR("time_zone"))) {
        e = js_parse(json, &value, detail);
        if (e == OK && zone_load(&mem, js_get_str(value, "name"), &c.zone, detail) != OK)
            e = ERR_INVALID;
        json_decref(value);
    } else {
        e = parse_row(&c, &mem, &row, detail);
    }
    arena_fini(&mem);
    return e;
}

struct str business_config_row(const struct business_config *c, struct str key)
{
    for (size_t i = 0; i < c->rows_count; i++) {
        if (str_eq(c->rows[i].key, key))
            return c->rows[i].json;
    }
    return STR_NONE;
}

/* -- opening hours -- */

static const struct holiday *holiday_on(const struct business_config *c, const struct zone_time *t)
{
    for (size_t i = 0; i < c->holidays_count; i++) {
        const struct holiday *h = &c->holidays[i];
        if (h->year == t->year && h->month == t->month && h->day == t->day)
            return h;
    }
    return NULL;
}

bool business_is_open(const struct business_config *c, int64_t wall_ms, struct open_state *state)
{
    struct zone_time now, day;
    bool open = !c->has_hours;
    int64_t closes = 0, opens = 0; /* end of the span we are in; start of the next one */
    zone_local(c->zone, wall_ms, &now);
    /* From yesterday, whose last span may reach past midnight; in order of opening. */
    for (int ahead = -1; c->has_hours && ahead <= DAYS_AHEAD; ahead++) {
        zone_local(c->zone, zone_wall_ms(c->zone, now.year, now.month, now.day + ahead, 720), &day);
        const struct holiday *h = holiday_on(c, &day);
        const struct open_day *hours = h ? &h->hours : &c->week[day.weekday];
        for (size_t i = 0; i < hours->count; i++) {
            int64_t from =
                zone_wall_ms(c->zone, day.year, day.month, day.day, hours->spans[i].open_min);
            int64_t to =
                zone_wall_ms(c->zone, day.year, day.month, day.day, hours->spans[i].close_min);
            bool joins = from <= wall_ms || (open && from <= closes);
            if (joins && to > wall_ms) {
                open = true;
                closes = to > closes ? to : closes;
            } else if (from > wall_ms && (opens == 0 || from < opens)) {
                opens = from;
            }
        }
    }
    if (closes > wall_ms + DAYS_AHEAD * INT64_C(86400000))
        closes = 0; /* round the clock */
    if (state)
        *state = (struct open_state){
            .open = open,
            .holiday = holiday_on(c, &now),
            .local = now,
            .changes_at_ms = open ? closes : opens,
        };
    return open;
}
