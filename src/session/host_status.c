/* The carrier's word on how a call goes, which may come to any loop. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/host_private.h"
#include "session/session.h"

static bool final_status(struct str status)
{
    return str_eq(status, STR("completed")) || str_eq(status, STR("busy")) ||
           str_eq(status, STR("failed")) || str_eq(status, STR("no-answer")) ||
           str_eq(status, STR("canceled"));
}

/* What the carrier told about a call that may be on any loop. */
struct status {
    struct host *host;
    unsigned index; /* of the loop that is told */
    char carrier_id[64], status[32];
};

static void end_call_of(struct host_part *part, struct str carrier_id, struct str status)
{
    struct host_entry *e = host_find_carrier(part, carrier_id);
    if (e)
        session_carrier_ended(e->session, status);
}

static void on_status_elsewhere(void *ctx)
{
    struct status *st = ctx;
    struct host_part *part = st->host->parts[st->index];
    if (part) /* else that loop is being stopped */
        end_call_of(part, str_of(st->carrier_id), str_of(st->status));
    mem_free(st);
}

static void tell_other_loops(struct host_part *part, struct str carrier_id, struct str status)
{
    struct host *h = part->host;
    for (unsigned i = 0; i < LOOP_COUNT_MAX && h->loops[i]; i++) {
        if (h->loops[i] == part->loop)
            continue;
        struct status *st = mem_zalloc(sizeof(*st));
        *st = (struct status){.host = h, .index = i};
        if (!str_copy(st->carrier_id, sizeof(st->carrier_id), carrier_id) ||
            !str_copy(st->status, sizeof(st->status), status) ||
            loop_post(h->loops[i], on_status_elsewhere, st) != OK) {
            LOG_ERROR(NULL, "call.status_not_told", "loop=%u next=\"its stream will end it\"", i);
            mem_free(st);
        }
    }
}

void host_on_status(void *host, struct loop *l, struct str carrier_id, struct str status,
                    int64_t duration_s)
{
    (void)duration_s; /* ours is exact; the carrier's is rounded up to whole seconds */
    struct host_part *part = ((struct host *)host)->parts[loop_index(l)];
    struct call_row row = {.call_sid = carrier_id, .status = status};
    struct store_req *r = store_req_call_update(&row, CALL_SET_STATUS);
    if (store_submit(part->host->env.store, l, r, NULL, NULL) != OK)
        LOG_WARN(NULL, "store.refused", "a status is not kept");
    if (!final_status(status))
        return;
    if (host_find_carrier(part, carrier_id))
        end_call_of(part, carrier_id, status);
    else
        tell_other_loops(part, carrier_id, status);
}
