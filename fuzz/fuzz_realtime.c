/* LAYER: proto - Realtime events: scanner against parser, writing back, the beta shape */
#include <stdlib.h>

#include "base/assert.h"
#include "proto/rt_beta.h"
#include "proto/rt_private.h"

enum { OUT_BYTES_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the scanner takes, the full parser takes and understands alike. */
static void compare_paths(struct str text)
{
    struct rt_event fast, full;
    if (!rt_parse_frame(&fast, text))
        return;
    ASSERT(!fast.root);
    ASSERT(rt_parse_full(&full, text, NULL) == OK);
    ASSERT(fast.type == full.type && str_eq(fast.type_text, full.type_text));
    ASSERT(str_eq(fast.audio, full.audio) && (fast.audio.p == NULL) == (full.audio.p == NULL));
    ASSERT(str_eq(fast.event_id, full.event_id));
    if (fast.type == RT_AUDIO_DELTA) {
        ASSERT(str_eq(fast.response_id, full.response_id) && str_eq(fast.item_id, full.item_id));
        ASSERT(fast.output_index == full.output_index);
        ASSERT(fast.content_index == full.content_index);
    }
    rt_event_fini(&full);
}

static void write_back(struct rt_event *ev)
{
    struct buf a, b;
    struct rt_event again;
    json_t *root = ev->root;
    buf_init(&a, OUT_BYTES_MAX);
    buf_init(&b, OUT_BYTES_MAX);
    rt_event_write(&a, ev);
    ASSERT(buf_ok(&a) && rt_event_parse(&again, buf_str(&a), NULL) == OK);
    ASSERT(again.type == ev->type);
    rt_event_write(&b, &again);
    /* Without its escapes it may be one for the scanner, which writes all members it knows. */
    ASSERT(!again.root != !ev->root || str_eq(buf_str(&a), buf_str(&b)));
    rt_event_fini(&again);
    if (ev->type != RT_UNKNOWN) { /* from the modelled members alone */
        ev->root = NULL;
        ev->item.raw = NULL;
        for (size_t i = 0; i < ev->response.item_count; i++)
            ev->response.items[i].raw = NULL;
        buf_reset(&a);
        rt_event_write(&a, ev);
        ASSERT(buf_ok(&a) && rt_event_parse(&again, buf_str(&a), NULL) == OK);
        rt_event_fini(&again);
    }
    ev->root = root;
    buf_fini(&a);
    buf_fini(&b);
}

static void translate(struct str text)
{
    struct buf out;
    struct err_detail why;
    buf_init(&out, OUT_BYTES_MAX);
    bool to = rt_beta_to_ga(&out, text, &why) == OK;
    struct str rest = buf_str(&out);
    while (to && rest.len) {
        json_t *v;
        ASSERT(js_parse(str_take_until(&rest, '\n'), &v, &why) == OK);
        json_decref(v);
    }
    buf_reset(&out);
    bool from = rt_beta_from_ga(&out, text, &why) == OK;
    ASSERT(to == from && buf_ok(&out));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct rt_event ev;
    struct err_detail why;
    compare_paths(text);
    if (rt_event_parse(&ev, text, &why) == OK) {
        write_back(&ev);
        rt_event_fini(&ev);
    }
    translate(text);
    return 0;
}
