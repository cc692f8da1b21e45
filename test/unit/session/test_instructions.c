/* What the agent is told: names, the business's own date and hours, how to behave. */
#include "harness/test.h"

#include "session/instructions.h"

static const struct config_row rows[] = {
    {STR_INIT("ai_personality"), STR_INIT("{\"text\":\"Dry and kind.\"}")},
    {STR_INIT("greeting_message"), STR_INIT("{\"text\":\"Howdy!\"}")},
    {STR_INIT("opening_hours"),
     STR_INIT("{\"mon\":[[\"09:00\",\"12:30\"],[\"14:00\",\"18:00\"]]}")},
    {STR_INIT("holidays"),
     STR_INIT("[{\"date\":\"2026-12-25\",\"name\":\"Christmas Day\",\"closed\":true}]")},
};

static bool has(const struct buf *b, const char *what)
{
    bool found = str_find(buf_str(b), str_of(what), 0) != SIZE_MAX;
    if (!found)
        fprintf(stderr, "missing \"%s\" in:\n%.*s\n", what, STR_FMT(buf_str(b)));
    return found;
}

TEST(instructions_name_business_date_hours_and_manners)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    struct business b = {.id = STR("b"),
                         .slug = STR("b"),
                         .name = STR("Pecos River Traders"),
                         .domain = STR("a western outfitter"),
                         .time_zone = STR("America/Denver"),
                         .is_active = true};
    struct business_config c;
    business_config_load(&c, &a, &b, rows, sizeof(rows) / sizeof(rows[0]));
    struct buf out;
    buf_init(&out, 32768);
    /* 2026-11-23 16:45 UTC is a Monday, 09:45 in Denver. */
    instructions_write(&out, &b, &c, STR("+15055550123"), 1795452300000);
    CHECK(buf_ok(&out));
    CHECK(has(&out, "the voice assistant of Pecos River Traders, a western outfitter"));
    CHECK(has(&out, "Dry and kind."));
    CHECK(has(&out, "Today is Monday, November 23, 2026. It is 9:45 AM (MST, America/Denver)"));
    CHECK(has(&out, "Right now the business is open; it closes Monday at 12:30 PM."));
    CHECK(has(&out, "- Monday: 9 AM to 12:30 PM and 2 PM to 6 PM"));
    CHECK(has(&out, "- Tuesday: closed"));
    CHECK(has(&out, "December 25, 2026 (Christmas Day): closed"));
    CHECK(has(&out, "The caller's number is +15055550123."));
    CHECK(has(&out, "query_knowledge_base"));
    buf_reset(&out);
    instructions_write(&out, &b, &c, STR(""), 1795452300000);
    CHECK(has(&out, "withheld"));
    buf_fini(&out);
    arena_fini(&a);
}
