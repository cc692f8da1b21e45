/* Function calls: started once per call_id, bounded in time, their outputs handed back in order. */
#include <string.h>

#include "call/call_impl.h"

static const char TIMED_OUT[] =
    "{\"success\":false,\"error\":\"The tool did not answer in time.\"}";
static const char TOO_MANY[] = "{\"success\":false,\"error\":\"Too many tools are running.\"}";

static struct toolrun *find_call(struct call *c, struct str call_id)
{
    for (int i = 0; i < CALL_TOOLS_MAX; i++)
        if (c->tools[i].used && str_eq(str_of(c->tools[i].call_id), call_id))
            return &c->tools[i];
    return NULL;
}

/* A slot for a new run: an empty one, else one whose output was handed over long ago. */
static struct toolrun *free_slot(struct call *c)
{
    struct toolrun *oldest = NULL;
    for (int i = 0; i < CALL_TOOLS_MAX; i++) {
        struct toolrun *t = &c->tools[i];
        if (!t->used)
            return t;
        if (t->sent && (!oldest || t->run < oldest->run))
            oldest = t;
    }
    return oldest;
}

bool tools_busy(const struct call *c)
{
    for (int i = 0; i < CALL_TOOLS_MAX; i++)
        if (c->tools[i].used && !c->tools[i].sent)
            return true;
    return false;
}

static void arm_deadline(struct call *c)
{
    int64_t next = NO_TIME;
    for (int i = 0; i < CALL_TOOLS_MAX; i++) {
        const struct toolrun *t = &c->tools[i];
        if (t->used && t->running && (next == NO_TIME || t->deadline_us < next))
            next = t->deadline_us;
    }
    timer_set(c, CALL_TIMER_TOOL, next);
}

static void finish(struct call *c, struct toolrun *t, bool ok, struct str output)
{
    t->running = false;
    t->ok = ok;
    t->output = keep_str(c, output);
    fx_add(c, (struct call_fx){.type = CALL_FX_TOOL_RECORD,
                               .number = t->run,
                               .name = t->name,
                               .text = t->output,
                               .ok = ok,
                               .len = (uint32_t)((c->now - t->started_us) / 1000)});
    arm_deadline(c);
    tools_flush(c);
}

/* The tools that change the call itself are its own. False: `name` is another tool. */
static bool own_tool(struct call *c, struct toolrun *t)
{
    bool said = c->answer.has_audio;
    if (str_eq(t->name, STR("end_call"))) {
        finish(c, t, true, STR("{\"success\":true}"));
        manners_close(c, CLOSING_HANGUP, "agent ended the call", said ? "" : c->config.goodbye,
                      false);
        return true;
    }
    if (str_eq(t->name, STR("transfer_to_human"))) {
        bool person = c->config.transfer_number[0] != '\0';
        finish(c, t, person,
               person ? STR("{\"success\":true}")
                      : STR("{\"success\":false,\"error\":\"Nobody is available.\"}"));
        if (person)
            manners_transfer(c, said);
        return true;
    }
    return false;
}

void tool_called(struct call *c, struct str call_id, struct str name, struct str arguments)
{
    c->answer.has_tool = true;
    if (call_id.len == 0 || call_id.len >= sizeof(c->tools[0].call_id) || find_call(c, call_id))
        return; /* told twice (arguments.done, item.done, response.done): act once */
    struct toolrun *t = free_slot(c);
    if (!t) {
        struct rt_event ev = {.type = RT_ITEM_CREATE,
                              .item = {.type = RT_ITEM_FUNCTION_CALL_OUTPUT,
                                       .call_id = call_id,
                                       .output = str_of(TOO_MANY)}};
        fx_engine(c, &ev);
        fx_note(c, "call.too_many_tools", "name=%.*s", STR_FMT(name));
        return;
    }
    c->stats.tool_runs++;
    c->tool_number++;
    *t = (struct toolrun){.run = c->tool_number,
                          .name = keep_str(c, name),
                          .epoch = c->epoch,
                          .started_us = c->now,
                          .deadline_us = c->now + (int64_t)c->config.tool_timeout_ms * 1000,
                          .used = true,
                          .running = true};
    (void)str_copy(t->call_id, sizeof(t->call_id), call_id);
    if (own_tool(c, t))
        return;
    fx_add(c, (struct call_fx){.type = CALL_FX_TOOL,
                               .number = t->run,
                               .name = t->name,
                               .text = scratch_str(c, arguments)});
    arm_deadline(c);
    if (c->timer_at[CALL_TIMER_FILLER] == NO_TIME && !c->filler_said)
        timer_set(c, CALL_TIMER_FILLER, c->now + (int64_t)c->config.filler_after_ms * 1000);
}

void tool_result(struct call *c)
{
    for (int i = 0; i < CALL_TOOLS_MAX; i++) {
        struct toolrun *t = &c->tools[i];
        if (t->used && t->running && t->run == c->in->number) {
            finish(c, t, c->in->ok, c->in->text);
            return;
        }
    }
}

void tool_timer(struct call *c)
{
    for (int i = 0; i < CALL_TOOLS_MAX; i++) {
        struct toolrun *t = &c->tools[i];
        if (!t->used || !t->running || t->deadline_us > c->now)
            continue;
        fx_add(c, (struct call_fx){.type = CALL_FX_TOOL_CANCEL, .number = t->run});
        fx_note(c, "call.tool_timeout", "name=%.*s", STR_FMT(t->name));
        finish(c, t, false, str_of(TIMED_OUT));
    }
    arm_deadline(c);
}

/* The tool takes long and nobody is talking: say so, once per wait. */
void tool_filler_timer(struct call *c)
{
    bool running = false;
    for (int i = 0; i < CALL_TOOLS_MAX; i++)
        running |= c->tools[i].used && c->tools[i].running;
    if (!running || c->filler_said || c->speaking || c->closing != CLOSING_NO)
        return;
    if (!c->heard_all || c->answer.state != ANSWER_NONE) {
        timer_set(c, CALL_TIMER_FILLER, c->now + (int64_t)c->config.filler_after_ms * 1000 / 2);
        return;
    }
    c->filler_said = true;
    say(c, PURPOSE_FILLER, c->config.filler);
}

void tools_flush(struct call *c)
{
    /* An output may only follow the response.done of the response that asked for it; while a filler
     * is being spoken it may go at once. */
    bool open = c->link == LINK_READY && c->phase != PHASE_LEAVING &&
                (c->answer.state == ANSWER_NONE || c->answer.want.purpose == PURPOSE_FILLER);
    if (!open)
        return;
    bool any = false, wants_answer = false;
    for (int i = 0; i < CALL_TOOLS_MAX; i++) {
        struct toolrun *t = &c->tools[i];
        if (!t->used || t->running || t->sent)
            continue;
        t->sent = true;
        if (t->epoch != c->epoch)
            continue; /* asked for by a session that is gone */
        struct rt_event ev = {.type = RT_ITEM_CREATE,
                              .item = {.type = RT_ITEM_FUNCTION_CALL_OUTPUT,
                                       .call_id = str_of(t->call_id),
                                       .output = t->output}};
        fx_engine(c, &ev);
        any = true;
        wants_answer |= c->closing == CLOSING_NO;
    }
    if (!any || tools_busy(c))
        return;
    timer_set(c, CALL_TIMER_FILLER, NO_TIME);
    c->filler_said = false;
    if (wants_answer)
        want_add(c, PURPOSE_TOOL, STR(""));
}

void tools_abandon(struct call *c)
{
    for (int i = 0; i < CALL_TOOLS_MAX; i++) {
        struct toolrun *t = &c->tools[i];
        if (t->used && t->running)
            fx_add(c, (struct call_fx){.type = CALL_FX_TOOL_CANCEL, .number = t->run});
        t->used = false;
    }
    timer_set(c, CALL_TIMER_TOOL, NO_TIME);
    timer_set(c, CALL_TIMER_FILLER, NO_TIME);
    c->filler_said = false;
}
