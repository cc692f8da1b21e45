/* LAYER: store - settings of a business, from JSON to opening hours. */
#include "base/limits.h"
#include "store/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the key, the next two a moment; the rest is the value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"opening_hours", "holidays",    "caps",
                                       "after_hours",   "emergency",   "transfer_number",
                                       "tools",         "recording",   "greeting_message",
                                       "voice",         "announcement"};
    if (size < 3)
        return 0;
    struct arena mem;
    struct business_config c;
    struct open_state state;
    struct business b = {.name = STR("x"), .time_zone = STR("America/Denver")};
    struct config_row row = {str_of(keys[data[0] % (sizeof(keys) / sizeof(keys[0]))]),
                             str_n((const char *)data + 3, size - 3)};
    int64_t wall_ms = INT64_C(1790000000000) + (data[1] * 256 + data[2]) * INT64_C(600000);
    arena_init(&mem, 1 << 20);
    business_config_load(&c, &mem, &b, &row, 1);
    bool open = business_is_open(&c, wall_ms, &state);
    if (state.changes_at_ms && state.changes_at_ms <= wall_ms)
        __builtin_trap();
    /* What was promised to change has changed. */
    if (state.changes_at_ms && business_is_open(&c, state.changes_at_ms, NULL) == open)
        __builtin_trap();
    if (c.greeting.len == 0 || c.max_duration_s <= 0 || c.max_duration_s > BUSINESS_DURATION_S_MAX)
        __builtin_trap();
    arena_fini(&mem);
    return 0;
}
