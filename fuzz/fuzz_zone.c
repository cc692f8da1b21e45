/* LAYER: store - TZif files and the rule in their footer, then conversions with what came of it. */
#include "store/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem;
    const struct zone *z = NULL;
    arena_init(&mem, 1 << 20);
    if (zone_parse(&mem, STR("x"), str_n((const char *)data, size), &z, NULL) == OK) {
        static const int64_t moments[] = {INT64_MIN,     -1,       0, 1767290400000, 1793520000000,
                                          4118083200000, INT64_MAX};
        for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
            struct zone_time t;
            zone_local(z, moments[i], &t);
            if (t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31 || t.hour < 0 || t.hour > 23)
                __builtin_trap();
            (void)zone_wall_ms(z, t.year, t.month, t.day, t.hour * 60 + t.minute);
        }
    }
    arena_fini(&mem);
    return 0;
}
