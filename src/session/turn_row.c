#include "session/turn_row.h"

struct turn_row turn_row_of(const struct call *c, const struct call_item *item, const char *call_id)
{
    int64_t seq = 0;
    for (const struct call_item *i = call_items(c); i && i != item; i = i->next)
        seq++;
    return (struct turn_row){
        .call_id = str_of(call_id),
        .item_id = item->id,
        .role = item->role == CALL_ROLE_CALLER ? STR("user") : STR("assistant"),
        .text = item->text,
        .seq = seq,
        .start_ms = item->start_ms,
        .end_ms = item->end_ms,
        .heard_ms = item->heard_ms,
        .turn_end_ms = item->latency.turn_end_ms,
        .engine_first_ms = item->latency.engine_first_ms,
        .carrier_first_ms = item->latency.carrier_first_ms,
        .heard_first_ms = item->latency.heard_first_ms,
        .tokens_in = item->usage.input,
        .tokens_out = item->usage.output,
        .cost_microusd = item->cost_nanousd / 1000,
        .interrupted = item->interrupted,
    };
}

struct call_row end_row_of(const struct call *c, const struct call_stats *stats,
                           const char *call_id, const char *journal, int64_t ended_at_ms)
{
    return (struct call_row){
        .id = str_of(call_id),
        .status = STR("completed"),
        .end_reason = stats->end_reason,
        .engine = stats->engine,
        .ended_at_ms = ended_at_ms,
        .duration_ms = stats->duration_ms,
        .cost_microusd = call_cost_nanousd(c) / 1000,
        .tokens_in = stats->input_tokens,
        .tokens_out = stats->output_tokens,
        .journal = str_of(journal),
    };
}
