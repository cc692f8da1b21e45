/* Calls, their turns and tool runs. */
#include "base/limits.h"
#include "store/sqlite.h"

#define CALL_COLUMNS                                                                              \
    "id, call_sid, channel, business_id, agent_version, from_, to_, status, end_reason, engine, " \
    "summary, outcome, journal, started_at, answered_at, ended_at, duration_ms, cost_microusd, "  \
    "tokens_in, tokens_out, recorded"

static void read_call(struct sql *q, struct arena *mem, struct call_row *c)
{
    *c = (struct call_row){
        .id = sql_get_text(q, 0, mem),
        .call_sid = sql_get_text(q, 1, mem),
        .channel = sql_get_text(q, 2, mem),
        .business_id = sql_get_text(q, 3, mem),
        .agent_version = sql_get_text(q, 4, mem),
        .from = sql_get_text(q, 5, mem),
        .to = sql_get_text(q, 6, mem),
        .status = sql_get_text(q, 7, mem),
        .end_reason = sql_get_text(q, 8, mem),
        .engine = sql_get_text(q, 9, mem),
        .summary = sql_get_text(q, 10, mem),
        .outcome = sql_get_text(q, 11, mem),
        .journal = sql_get_text(q, 12, mem),
        .started_at_ms = sql_get_int(q, 13),
        .answered_at_ms = sql_get_int(q, 14),
        .ended_at_ms = sql_get_int(q, 15),
        .duration_ms = sql_get_int(q, 16),
        .cost_microusd = sql_get_int(q, 17),
        .tokens_in = sql_get_int(q, 18),
        .tokens_out = sql_get_int(q, 19),
        .recorded = sql_get_int(q, 20) != 0,
    };
}

enum err sqlite_call_create(struct store_conn *c, struct store_req *r)
{
    const struct call_row *row = &r->call;
    struct sql q;
    sql_begin(&q, c,
              "INSERT INTO call(" CALL_COLUMNS ") "
              "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const struct str texts[] = {
        row->id,      row->call_sid, row->channel, row->business_id, row->agent_version,
        row->from,    row->to,       row->status,  row->end_reason,  row->engine,
        row->summary, row->outcome,  row->journal};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        sql_text(&q, texts[i]);
    const int64_t numbers[] = {row->started_at_ms, row->answered_at_ms, row->ended_at_ms,
                               row->duration_ms,   row->cost_microusd,  row->tokens_in,
                               row->tokens_out,    row->recorded};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sql_int(&q, numbers[i]);
    return sql_run(&q, &r->detail);
}

/* Carriers' status callbacks may arrive after our own end of the call, hence the rule that a final
 * status stays unless another final one comes. */
#define FINAL "('completed', 'busy', 'failed', 'no-answer', 'canceled')"

enum err sqlite_call_update(struct store_conn *c, struct store_req *r)
{
    const struct call_row *row = &r->call;
    struct sql q;
    sql_begin(&q, c,
              "UPDATE call SET "
              "call_sid = iif(?1 & 1, ?2, call_sid), "
              "status = iif((?1 & 2) AND (?3 IN " FINAL " OR status NOT IN " FINAL
              "), ?3, status), "
              "answered_at = iif(?1 & 4, ?4, answered_at), "
              "ended_at = iif(?1 & 8, ?5, ended_at), "
              "duration_ms = iif(?1 & 8, ?6, duration_ms), "
              "end_reason = iif(?1 & 16, ?7, end_reason), "
              "engine = iif(?1 & 32, ?8, engine), "
              "cost_microusd = iif(?1 & 64, ?9, cost_microusd), "
              "tokens_in = iif(?1 & 64, ?10, tokens_in), "
              "tokens_out = iif(?1 & 64, ?11, tokens_out), "
              "recorded = iif(?1 & 128, ?12, recorded), "
              "summary = iif(?1 & 256, ?13, summary), "
              "outcome = iif(?1 & 256, ?14, outcome), "
              "journal = iif(?1 & 512, ?15, journal), "
              "agent_version = iif(?1 & 1024, ?16, agent_version) "
              "WHERE iif(?17 <> '', id = ?17, call_sid = ?2 AND call_sid <> '')");
    sql_int(&q, r->set);
    sql_text(&q, row->call_sid);
    sql_text(&q, row->status);
    sql_int(&q, row->answered_at_ms);
    sql_int(&q, row->ended_at_ms);
    sql_int(&q, row->duration_ms);
    sql_text(&q, row->end_reason);
    sql_text(&q, row->engine);
    sql_int(&q, row->cost_microusd);
    sql_int(&q, row->tokens_in);
    sql_int(&q, row->tokens_out);
    sql_int(&q, row->recorded);
    sql_text(&q, row->summary);
    sql_text(&q, row->outcome);
    sql_text(&q, row->journal);
    sql_text(&q, row->agent_version);
    sql_text(&q, row->id);
    enum err e = sql_run(&q, &r->detail);
    if (e == OK && sql_changes(c) == 0)
        e = err_explain(&r->detail, ERR_NOTFOUND, "no such call");
    return e;
}

#define TURN_COLUMNS                                                                            \
    "call_id, item_id, role, text, seq, start_ms, end_ms, heard_ms, interrupted, turn_end_ms, " \
    "engine_first_ms, carrier_first_ms, heard_first_ms, tokens_in, tokens_out, cost_microusd"

enum err sqlite_turn_put(struct store_conn *c, struct store_req *r)
{
    const struct turn_row *t = &r->turn;
    struct sql q;
    sql_begin(&q, c,
              "INSERT OR REPLACE INTO call_turn(" TURN_COLUMNS ") "
              "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    sql_text(&q, t->call_id);
    sql_text(&q, t->item_id);
    sql_text(&q, t->role);
    sql_text(&q, t->text);
    const int64_t numbers[] = {
        t->seq,         t->start_ms,        t->end_ms,           t->heard_ms,       t->interrupted,
        t->turn_end_ms, t->engine_first_ms, t->carrier_first_ms, t->heard_first_ms, t->tokens_in,
        t->tokens_out,  t->cost_microusd};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sql_int(&q, numbers[i]);
    return sql_run(&q, &r->detail);
}

#define TOOL_COLUMNS "call_id, tool_call_id, name, arguments, output, at_ms, took_ms, ok"

enum err sqlite_tool_put(struct store_conn *c, struct store_req *r)
{
    const struct tool_row *t = &r->tool;
    struct sql q;
    sql_begin(&q, c,
              "INSERT OR REPLACE INTO call_tool(" TOOL_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
    sql_text(&q, t->call_id);
    sql_text(&q, t->tool_call_id);
    sql_text(&q, t->name);
    sql_text(&q, t->arguments);
    sql_text(&q, t->output);
    sql_int(&q, t->at_ms);
    sql_int(&q, t->took_ms);
    sql_int(&q, t->ok);
    return sql_run(&q, &r->detail);
}

static void begin_calls(struct sql *q, struct store_conn *c, const struct store_req *r)
{
    const struct calls_page *p = &r->page;
    if (r->op == STORE_CALLS_OPEN) {
        sql_begin(q, c,
                  "SELECT " CALL_COLUMNS " FROM call WHERE ended_at = 0 "
                  "ORDER BY started_at DESC, id DESC LIMIT ?");
        sql_int(q, STORE_OPEN_CALLS_MAX);
        return;
    }
    if (p->business_id.len) {
        sql_begin(q, c,
                  "SELECT " CALL_COLUMNS " FROM call WHERE business_id = ? "
                  "AND (started_at, id) < (?, ?) "
                  "ORDER BY started_at DESC, id DESC LIMIT ? OFFSET ?");
        sql_text(q, p->business_id);
    } else {
        sql_begin(q, c,
                  "SELECT " CALL_COLUMNS " FROM call WHERE (started_at, id) < (?, ?) "
                  "ORDER BY started_at DESC, id DESC LIMIT ? OFFSET ?");
    }
    sql_int(q, p->before_started_at_ms ? p->before_started_at_ms : INT64_MAX);
    sql_text(q, p->before_id);
    sql_int(q, (int64_t)p->limit);
    sql_int(q, p->skip < INT32_MAX ? (int64_t)p->skip : INT32_MAX);
}

enum err sqlite_calls(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    begin_calls(&q, c, r);
    while (sql_row(&q)) {
        r->calls = sql_grow(&r->mem, r->calls, r->calls_count, sizeof(*r->calls));
        read_call(&q, &r->mem, &r->calls[r->calls_count++]);
    }
    return sql_end(&q, &r->detail);
}

enum err sqlite_spent(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c,
              "SELECT business_id, sum(iif(ended_at, cost_microusd, "
              "(SELECT total(t.cost_microusd) FROM call_turn t WHERE t.call_id = call.id))) "
              "FROM call WHERE started_at >= ? GROUP BY business_id");
    sql_int(&q, r->since_ms);
    while (sql_row(&q)) {
        r->spent = sql_grow(&r->mem, r->spent, r->spent_count, sizeof(*r->spent));
        r->spent[r->spent_count++] = (struct spent_row){.business_id = sql_get_text(&q, 0, &r->mem),
                                                        .microusd = sql_get_int(&q, 1)};
    }
    return sql_end(&q, &r->detail);
}

static enum err read_turns(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c,
              "SELECT " TURN_COLUMNS " FROM call_turn WHERE call_id = ? "
              "ORDER BY seq, start_ms, item_id LIMIT ?");
    sql_text(&q, r->call.id);
    sql_int(&q, STORE_CALL_TURNS_MAX);
    while (sql_row(&q)) {
        r->turns = sql_grow(&r->mem, r->turns, r->turns_count, sizeof(*r->turns));
        r->turns[r->turns_count++] = (struct turn_row){
            .call_id = sql_get_text(&q, 0, &r->mem),
            .item_id = sql_get_text(&q, 1, &r->mem),
            .role = sql_get_text(&q, 2, &r->mem),
            .text = sql_get_text(&q, 3, &r->mem),
            .seq = sql_get_int(&q, 4),
            .start_ms = sql_get_int(&q, 5),
            .end_ms = sql_get_int(&q, 6),
            .heard_ms = sql_get_int(&q, 7),
            .interrupted = sql_get_int(&q, 8) != 0,
            .turn_end_ms = sql_get_int(&q, 9),
            .engine_first_ms = sql_get_int(&q, 10),
            .carrier_first_ms = sql_get_int(&q, 11),
            .heard_first_ms = sql_get_int(&q, 12),
            .tokens_in = sql_get_int(&q, 13),
            .tokens_out = sql_get_int(&q, 14),
            .cost_microusd = sql_get_int(&q, 15),
        };
    }
    return sql_end(&q, &r->detail);
}

static enum err read_tools(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c,
              "SELECT " TOOL_COLUMNS " FROM call_tool WHERE call_id = ? "
              "ORDER BY at_ms, tool_call_id LIMIT ?");
    sql_text(&q, r->call.id);
    sql_int(&q, STORE_CALL_TURNS_MAX);
    while (sql_row(&q)) {
        r->tools = sql_grow(&r->mem, r->tools, r->tools_count, sizeof(*r->tools));
        r->tools[r->tools_count++] = (struct tool_row){
            .call_id = sql_get_text(&q, 0, &r->mem),
            .tool_call_id = sql_get_text(&q, 1, &r->mem),
            .name = sql_get_text(&q, 2, &r->mem),
            .arguments = sql_get_text(&q, 3, &r->mem),
            .output = sql_get_text(&q, 4, &r->mem),
            .at_ms = sql_get_int(&q, 5),
            .took_ms = sql_get_int(&q, 6),
            .ok = sql_get_int(&q, 7) != 0,
        };
    }
    return sql_end(&q, &r->detail);
}

enum err sqlite_call_get(struct store_conn *c, struct store_req *r)
{
    struct sql q;
    sql_begin(&q, c,
              "SELECT " CALL_COLUMNS
              " FROM call WHERE id = ?1 OR (call_sid = ?1 AND call_sid <> '') "
              "ORDER BY id <> ?1, started_at DESC LIMIT 1");
    sql_text(&q, r->key);
    bool found = sql_row(&q);
    if (found)
        read_call(&q, &r->mem, &r->call);
    enum err e = sql_end(&q, &r->detail);
    if (e == OK && !found)
        e = err_explain(&r->detail, ERR_NOTFOUND, "no such call");
    if (e == OK)
        e = read_turns(c, r);
    return e == OK ? read_tools(c, r) : e;
}
