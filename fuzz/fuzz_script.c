/* LAYER: app - scripts of the provider: each step says, calls or fails; arguments are JSON */
#include "app/provider_script.h"
#include "base/assert.h"
#include "base/js.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct provider_script s;
    struct err_detail why;
    if (provider_script_read(&s, text, &why) == OK) {
        ASSERT(s.count >= 1);
        for (size_t i = 0; i < s.count; i++) {
            const struct provider_step *step = &s.steps[i];
            json_t *v = NULL;
            ASSERT(step->delay_ms >= 0);
            ASSERT(!step->call || js_parse(str_of(step->arguments), &v, NULL) == OK);
            json_decref(v);
        }
    }
    provider_script_fini(&s);
    struct str exact = provider_script_exact(text);
    ASSERT(!exact.p || (exact.p >= text.p && exact.p + exact.len <= text.p + text.len));
    return 0;
}
