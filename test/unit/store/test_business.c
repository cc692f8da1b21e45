/* Time zones as the tz database has them, and settings that are wrong without keeping a phone from
 * being answered. */
#include "harness/test.h"

#include "base/mem.h"
#include "store/model.h"

enum { ARENA = 1 << 20 };

static int64_t at(const char *zone, int year, int month, int day, int hour, int minute)
{
    struct arena mem;
    const struct zone *z = NULL;
    arena_init(&mem, ARENA);
    int64_t ms = -1;
    if (zone_load(&mem, str_of(zone), &z, NULL) == OK)
        ms = zone_wall_ms(z, year, month, day, hour * 60 + minute);
    arena_fini(&mem);
    return ms;
}

TEST(zone_converts_both_ways_through_changes_of_clocks)
{
    /* From `date -d ... +%s`. */
    static const struct {
        const char *zone, *abbreviation;
        int64_t utc_s;
        int year, month, day, hour, minute, weekday, offset_s;
    } known[] = {
        {"America/Denver", "MST", 1767290400, 2026, 1, 1, 11, 0, 3, -25200},
        {"America/Denver", "MDT", 1783000000, 2026, 7, 2, 7, 46, 3, -21600},
        {"America/Denver", "MST", 1772960399, 2026, 3, 8, 1, 59, 6, -25200},
        {"America/Denver", "MDT", 1772960400, 2026, 3, 8, 3, 0, 6, -21600},
        {"America/Denver", "MDT", 1793519999, 2026, 11, 1, 1, 59, 6, -21600},
        {"America/Denver", "MST", 1793520000, 2026, 11, 1, 1, 0, 6, -25200},
        {"America/Denver", "MDT", 4118083200, 2100, 6, 30, 18, 0, 2, -21600}, /* by the rule */
        {"Europe/Berlin", "CEST", 1790000000, 2026, 9, 21, 16, 13, 0, 7200},
        /* A March with four Sundays only, by the rule's "fifth". */
        {"Europe/Berlin", "CET", 4109878799, 2100, 3, 28, 1, 59, 6, 3600},
        {"Europe/Berlin", "CEST", 4109878800, 2100, 3, 28, 3, 0, 6, 7200},
        {"Europe/Dublin", "GMT", 1768000000, 2026, 1, 9, 23, 6, 4, 0},
        {"Australia/Sydney", "AEDT", 1768000000, 2026, 1, 10, 10, 6, 5, 39600},
        {"Asia/Kathmandu", "+0545", 1768000000, 2026, 1, 10, 4, 51, 5, 20700},
        {"America/New_York", "EDT", -1000000000, 1938, 4, 24, 18, 13, 6, -14400},
        {"UTC", "UTC", 951782400, 2000, 2, 29, 0, 0, 1, 0},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct arena mem;
        const struct zone *z = NULL;
        struct zone_time t;
        arena_init(&mem, ARENA);
        CHECK_INT(OK, zone_load(&mem, str_of(known[i].zone), &z, NULL));
        CHECK(str_eq(zone_name(z), str_of(known[i].zone)));
        zone_local(z, known[i].utc_s * 1000 + 999, &t);
        CHECK_INT(known[i].year, t.year);
        CHECK_INT(known[i].month, t.month);
        CHECK_INT(known[i].day, t.day);
        CHECK_INT(known[i].hour, t.hour);
        CHECK_INT(known[i].minute, t.minute);
        CHECK_INT(known[i].weekday, t.weekday);
        CHECK_INT(known[i].offset_s, t.offset_s);
        CHECK_INT(0, strcmp(known[i].abbreviation, t.abbreviation));
        arena_fini(&mem);
    }
    CHECK_INT(1772960400000, at("America/Denver", 2026, 3, 8, 3, 0));
    CHECK_INT(1772961000000, at("America/Denver", 2026, 3, 8, 2, 10));  /* skipped: reads 03:10 */
    CHECK_INT(1793518200000, at("America/Denver", 2026, 11, 1, 1, 30)); /* twice: the first */
    CHECK_INT(at("America/Denver", 2026, 2, 1, 0, 0), at("America/Denver", 2026, 1, 31, 24, 0));
    CHECK_INT(at("America/Denver", 2027, 1, 2, 0, 0), at("America/Denver", 2026, 12, 33, 0, 0));
}

TEST(zone_refuses_names_that_lead_elsewhere_and_files_that_are_not_zones)
{
    struct arena mem;
    const struct zone *z = NULL;
    struct err_detail detail;
    arena_init(&mem, ARENA);
    static const char *const bad[] = {"",    "/etc/passwd", "../../../etc/passwd", "America/../UTC",
                                      "a b", "tzdata.zi"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(ERR_INVALID, zone_load(&mem, str_of(bad[i]), &z, &detail));
    CHECK_INT(ERR_NOTFOUND, zone_load(&mem, STR("America/Pecos"), &z, &detail));
    CHECK(strstr(detail.text, "America/Pecos") != NULL);
    char file[4096];
    FILE *f = fopen("/usr/share/zoneinfo/America/Denver", "rb");
    CHECK(f != NULL);
    size_t len = fread(file, 1, sizeof(file), f);
    fclose(f);
    CHECK_INT(OK, zone_parse(&mem, STR("x"), str_n(file, len), &z, NULL));
    size_t footer = 0; /* a file cut anywhere before its footer is refused */
    for (size_t i = 0; i + 1 < len; i++)
        footer = file[i] == '\n' && i < len - 1 ? i : footer;
    for (size_t i = 0; i < footer; i++) {
        char *cut = mem_alloc(i); /* exact, so that a read past the end is seen */
        memcpy(cut, file, i);
        CHECK_INT(ERR_INVALID, zone_parse(&mem, STR("x"), str_n(cut, i), &z, NULL));
        mem_free(cut);
        arena_reset(&mem);
    }
    arena_fini(&mem);
}

static const struct business denver = {.name = {"Pecos", 5}, .time_zone = {"America/Denver", 14}};

static void load(struct business_config *c, struct arena *mem, const char *const pairs[][2],
                 size_t count)
{
    struct config_row *rows = arena_alloc(mem, count * sizeof(*rows));
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct config_row){str_of(pairs[i][0]), str_of(pairs[i][1])};
    business_config_load(c, mem, &denver, rows, count);
}

TEST(config_has_defaults_and_reads_every_key)
{
    struct arena mem;
    struct business_config c;
    arena_init(&mem, ARENA);
    load(&c, &mem, NULL, 0);
    CHECK_INT(0, c.problems_count);
    CHECK(str_eq(c.greeting, STR("Thank you for calling Pecos. How can I help you?")));
    CHECK(str_eq(c.emergency_number, STR("911")));
    CHECK(!c.recording && !c.has_hours && c.personality.len == 0);
    CHECK_INT(1800, c.max_duration_s);
    CHECK(business_is_open(&c, 0, NULL)); /* no hours: always */
    static const char *const rows[][2] = {
        {"after_hours", "{\"text\":\"We are closed.\",\"mode\":\"message\"}"},
        {"ai_personality", "{\"text\":\" Warm and brief. \"}"},
        {"announcement", "{\"text\":\"You are speaking with an assistant.\"}"},
        {"caps", "{\"max_duration_s\":600,\"max_cost_microusd\":250000}"},
        {"emergency", "{\"number\":\"112\"}"},
        {"greeting_message", "{\"text\":\"Howdy\"}"},
        {"recording", "{\"enabled\":true}"},
        {"tools", "[{\"name\":\"x\"}]"},
        {"transfer_number", "{\"number\":\"+15055550199\"}"},
        {"unknown_key", "[1]"},
        {"voice", "{\"name\":\"slt\"}"},
    };
    load(&c, &mem, rows, sizeof(rows) / sizeof(rows[0]));
    CHECK_INT(0, c.problems_count);
    CHECK_INT(AFTER_HOURS_MESSAGE, c.after_hours_mode);
    CHECK(str_eq(c.after_hours_text, STR("We are closed.")));
    CHECK(str_eq(c.personality, STR("Warm and brief.")));
    CHECK(str_eq(c.announcement, STR("You are speaking with an assistant.")));
    CHECK_INT(600, c.max_duration_s);
    CHECK_INT(250000, c.max_cost_microusd);
    CHECK(str_eq(c.emergency_number, STR("112")));
    CHECK(str_eq(c.greeting, STR("Howdy")));
    CHECK(c.recording);
    CHECK(str_eq(c.tools_json, STR("[{\"name\":\"x\"}]")));
    CHECK(str_eq(c.transfer_number, STR("+15055550199")));
    CHECK(str_eq(c.voice, STR("slt")));
    CHECK(str_eq(business_config_row(&c, STR("unknown_key")), STR("[1]")));
    CHECK(business_config_row(&c, STR("absent")).p == NULL);
    arena_fini(&mem);
}

TEST(config_keeps_the_default_of_what_is_malformed_and_says_so)
{
    static const char *const bad[][2] = {
        {"recording", "{\"enabled\":\"yes\"}"},
        {"greeting_message", "\"Howdy\""},
        {"greeting_message", "{\"text\":7}"},
        {"transfer_number", "{\"number\":\"505-555-0199\"}"},
        {"transfer_number", "{\"number\":\"+0505550199\"}"},
        {"emergency", "{\"number\":\"nine\"}"},
        {"after_hours", "{\"text\":\"x\",\"mode\":\"sing\"}"},
        {"caps", "{\"max_duration_s\":-1}"},
        {"caps", "{\"max_cost_microusd\":1.5}"},
        {"opening_hours", "{\"monday\":[]}"},
        {"opening_hours", "{\"mon\":[[\"9\",\"18:00\"]]}"},
        {"opening_hours", "{\"mon\":[[\"09:00\",\"24:30\"]]}"},
        {"opening_hours", "{\"mon\":[[\"09:00\"]]}"},
        {"opening_hours", "{\"mon\":[1,2,3,4,5]}"},
        {"opening_hours", "{\"mon\":[[9,18]]}"},
        {"opening_hours", "{\"mon\":[[\"\",\"\"]]}"},
        {"holidays", "[{\"date\":\"2026-02-30\"}]"},
        {"holidays", "[{\"date\":\"2026-12-25\",\"closed\":false}]"},
        {"holidays", "{}"},
        {"tools", "{}"},
        {"voice", "{\"name\":"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct arena mem;
        struct business_config c, clean;
        struct err_detail detail = {{0}};
        arena_init(&mem, ARENA);
        load(&clean, &mem, NULL, 0);
        load(&c, &mem, &bad[i], 1);
        CHECK_INT(1, c.problems_count);
        CHECK(str_starts(c.problems[0], str_of(bad[i][0])));
        CHECK(!c.recording && !c.has_hours && c.holidays_count == 0);
        CHECK(c.after_hours_text.len == 0 && c.week[0].count == 0); /* no half of a value */
        CHECK(str_eq(c.greeting, clean.greeting));
        CHECK_INT(clean.max_duration_s, c.max_duration_s);
        CHECK_INT(ERR_INVALID,
                  business_config_check(str_of(bad[i][0]), str_of(bad[i][1]), &detail));
        CHECK(detail.text[0] != '\0');
        arena_fini(&mem);
    }
    CHECK_INT(OK, business_config_check(STR("recording"), STR("{\"enabled\":true}"), NULL));
    CHECK_INT(OK, business_config_check(STR("time_zone"), STR("{\"name\":\"Europe/Rome\"}"), NULL));
    CHECK_INT(ERR_INVALID,
              business_config_check(STR("time_zone"), STR("{\"name\":\"Rome\"}"), NULL));
}

TEST(unknown_zone_falls_back_to_utc_and_is_a_problem)
{
    struct arena mem;
    struct business_config c;
    struct business b = denver;
    b.time_zone = STR("America/Pecos");
    arena_init(&mem, ARENA);
    business_config_load(&c, &mem, &b, NULL, 0);
    CHECK(c.zone == zone_utc());
    CHECK_INT(1, c.problems_count);
    CHECK(str_find(c.problems[0], STR("America/Pecos"), 0) != SIZE_MAX);
    arena_fini(&mem);
}

static const char *const hours[][2] = {
    {"holidays", "[{\"date\":\"2026-12-25\",\"name\":\"Christmas Day\",\"closed\":true},"
                 "{\"date\":\"2026-12-24\",\"name\":\"Christmas Eve\",\"hours\":[[\"10:00\","
                 "\"14:00\"]]}]"},
    {"opening_hours", "{\"mon\":[[\"09:00\",\"12:00\"],[\"13:00\",\"18:00\"]],"
                      "\"tue\":[[\"09:00\",\"18:00\"]],\"thu\":[[\"09:00\",\"18:00\"]],"
                      "\"fri\":[[\"18:00\",\"02:00\"]],\"sat\":[[\"02:00\",\"03:30\"]]}"},
};

TEST(open_or_not_by_local_hours_holidays_and_nights)
{
    struct arena mem;
    struct business_config c;
    struct open_state s;
    arena_init(&mem, ARENA);
    load(&c, &mem, hours, 2);
    CHECK_INT(0, c.problems_count);
    const char *z = "America/Denver";
    /* Monday 16 November 2026. */
    CHECK(!business_is_open(&c, at(z, 2026, 11, 16, 9, 0) - 1, &s));
    CHECK_INT(at(z, 2026, 11, 16, 9, 0), s.changes_at_ms);
    CHECK(business_is_open(&c, at(z, 2026, 11, 16, 9, 0), &s));
    CHECK_INT(at(z, 2026, 11, 16, 12, 0), s.changes_at_ms);
    CHECK_INT(0, s.local.weekday);
    CHECK(!business_is_open(&c, at(z, 2026, 11, 16, 12, 0), &s));
    CHECK_INT(at(z, 2026, 11, 16, 13, 0), s.changes_at_ms);
    /* Wednesday closed; Thursday opens. */
    CHECK(!business_is_open(&c, at(z, 2026, 11, 18, 12, 0), &s));
    CHECK_INT(at(z, 2026, 11, 19, 9, 0), s.changes_at_ms);
    /* Friday night runs into Saturday, whose first span joins. */
    CHECK(business_is_open(&c, at(z, 2026, 11, 21, 1, 0), &s));
    CHECK_INT(at(z, 2026, 11, 21, 3, 30), s.changes_at_ms);
    CHECK(!business_is_open(&c, at(z, 2026, 11, 21, 3, 30), &s));
    CHECK_INT(at(z, 2026, 11, 23, 9, 0), s.changes_at_ms);
    /* Holidays. */
    CHECK(!business_is_open(&c, at(z, 2026, 12, 24, 9, 30), &s));
    CHECK(s.holiday && str_eq(s.holiday->name, STR("Christmas Eve")));
    CHECK(business_is_open(&c, at(z, 2026, 12, 24, 13, 59), &s));
    CHECK(!business_is_open(&c, at(z, 2026, 12, 25, 20, 0), &s)); /* a Friday */
    CHECK(s.holiday && str_eq(s.holiday->name, STR("Christmas Day")));
    CHECK_INT(at(z, 2026, 12, 26, 2, 0), s.changes_at_ms);
    arena_fini(&mem);
}

TEST(open_spans_may_be_given_in_any_order_and_touch)
{
    static const char *const row[][2] = {
        {"opening_hours", "{\"mon\":[[\"13:00\",\"18:00\"],[\"09:00\",\"13:00\"]]}"}};
    struct arena mem;
    struct business_config c;
    struct open_state s;
    arena_init(&mem, ARENA);
    load(&c, &mem, row, 1);
    CHECK(business_is_open(&c, at("America/Denver", 2026, 11, 16, 10, 0), &s));
    CHECK_INT(at("America/Denver", 2026, 11, 16, 18, 0), s.changes_at_ms);
    arena_fini(&mem);
}

TEST(open_round_the_clock_never_changes)
{
    static const char *const always[][2] = {
        {"opening_hours", "{\"mon\":[[\"00:00\",\"24:00\"]],\"tue\":[[\"00:00\",\"24:00\"]],"
                          "\"wed\":[[\"00:00\",\"24:00\"]],\"thu\":[[\"00:00\",\"24:00\"]],"
                          "\"fri\":[[\"00:00\",\"24:00\"]],\"sat\":[[\"00:00\",\"24:00\"]],"
                          "\"sun\":[[\"00:00\",\"24:00\"]]}"}};
    struct arena mem;
    struct business_config c;
    struct open_state s;
    arena_init(&mem, ARENA);
    load(&c, &mem, always, 1);
    CHECK(business_is_open(&c, at("America/Denver", 2026, 3, 8, 12, 0), &s));
    CHECK_INT(0, s.changes_at_ms);
    arena_fini(&mem);
}
