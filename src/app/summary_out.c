#include "app/summary_out.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/js.h"

static void print_points(const char *title, const json_t *points)
{
    for (size_t i = 0; i < json_array_size(points); i++) {
        struct str text = js_get_str(json_array_get(points, i), "text");
        printf("%12s %.*s\n", title, STR_FMT(text));
    }
}

void summary_out_text(struct str json, struct str outcome)
{
    json_t *root;
    if (!json.len || js_parse(json, &root, NULL) != OK)
        return;
    struct str text = js_get_str(root, "text"), by = js_get_str(root, "by");
    printf("%12s %.*s (by %.*s)\n", "summary:", STR_FMT(text), STR_FMT(by));
    printf("%12s %.*s\n", "outcome:", STR_FMT(outcome));
    print_points("topic:", js_get(root, "topics"));
    print_points("to do:", js_get(root, "followUps"));
    json_decref(root);
}

void summary_out_json(struct str json, struct str outcome, int64_t cost_nanousd)
{
    printf("{\"outcome\":\"%.*s\",\"summary\":%.*s,\"costMicroUsd\":%" PRId64 "}\n",
           STR_FMT(outcome), STR_FMT(json), cost_nanousd / 1000);
}
