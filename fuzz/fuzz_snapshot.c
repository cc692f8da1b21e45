/* LAYER: call - a call's settings and inputs as a journal holds them, then a call made of them */
#include "base/assert.h"
#include "base/mem.h"
#include "call/call.h"
#include "call/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES_MAX = 8 << 20, ARENA_BYTES_MAX = 8 << 20 };

/* What was read is written and read again as it was. */
static bool settings(struct arena *mem, struct str json, struct call_config *out)
{
    struct call_config again;
    struct err_detail why;
    struct buf a, b;
    if (call_config_read(out, mem, json, &why) != OK)
        return false;
    buf_init(&a, TEXT_BYTES_MAX);
    buf_init(&b, TEXT_BYTES_MAX);
    call_config_write(&a, out);
    ASSERT(buf_ok(&a) && call_config_read(&again, mem, buf_str(&a), &why) == OK);
    call_config_write(&b, &again);
    ASSERT(str_eq(buf_str(&a), buf_str(&b)));
    buf_fini(&a);
    buf_fini(&b);
    return true;
}

/* An input that reads well is written and read again; the core takes it in any order. */
static void input(struct call *call, unsigned type, int64_t at_us, struct str bytes)
{
    struct call_input in, again;
    struct rt_event event, event_again;
    if (call_input_read(&in, &event, (enum call_in_type)type, at_us, bytes) != OK)
        return;
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    call_input_write(&b, &in, true);
    ASSERT(buf_ok(&b) && call_input_read(&again, &event_again, in.type, at_us, buf_str(&b)) == OK);
    if (again.event)
        rt_event_fini(&event_again);
    buf_fini(&b);
    struct call_effects effects = call_step(call, &in);
    ASSERT(effects.count == 0 || effects.fx);
    ASSERT(!call_check(call));
    if (in.event)
        rt_event_fini(&event);
}

/* The settings up to a NUL, then inputs: u8 type, u8 time in 20 ms, u16 length, bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem;
    struct call_config config;
    struct str rest = str_n((const char *)data, size);
    struct str json = str_take_until(&rest, '\0');
    arena_init(&mem, ARENA_BYTES_MAX);
    if (settings(&mem, json, &config)) {
        int64_t at_us = 1000;
        struct call *call = call_new(&config);
        struct call_input begin = {.type = CALL_IN_START, .at_us = at_us};
        (void)call_step(call, &begin);
        const uint8_t *p = (const uint8_t *)rest.p;
        size_t left = rest.p ? rest.len : 0;
        while (left >= 4) {
            size_t len = p[2] | (size_t)p[3] << 8;
            len = len > left - 4 ? left - 4 : len;
            at_us += p[1] * INT64_C(20000);
            input(call, p[0] & 31, at_us, str_n((const char *)p + 4, len));
            p += 4 + len;
            left -= 4 + len;
        }
        call_free(call);
    }
    arena_fini(&mem);
    return 0;
}
