/* The shell's steps, failing: what the core is told of it, and what the world loses by it. Each has a
 * name as the core's own have (base/fault.h), and fails when it is armed. */
#include "base/fault.h"
#include "sim.h"

enum { LATE_MS_MIN = 1000, LATE_MS_MAX = 4000 };

bool refuse_step(struct sim *s, const char *name)
{
    (void)s, (void)name; /* unused in builds without FAULTS */
    FAULTS_ON();
    bool fails = FAULT(name);
    FAULTS_OFF();
    return fails;
}

int64_t refuse_late_us(struct sim *s)
{
    return (int64_t)sim_between(s, LATE_MS_MIN, LATE_MS_MAX) * 1000;
}

/* The caller goes without a piece of the voice. */
static bool play(struct sim *s, const struct call_fx *fx)
{
    if (!refuse_step(s, "shell.play"))
        return false;
    struct sim_item *item = carrier_item(s, fx->text);
    if (item)
        item->hole += fx->len;
    s->refused.piece = true;
    s->dropped[CALL_DROPPED_TO_CHANNEL] += fx->len + fx->pad;
    return true;
}

static bool prompt(struct sim *s, const struct call_fx *fx)
{
    if (!refuse_step(s, "shell.prompt"))
        return false;
    sim_at(s, 1000, (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_PROMPT, .a = fx->number});
    return true;
}

static bool tool(struct sim *s, const struct call_fx *fx)
{
    if (!refuse_step(s, "shell.tool"))
        return false;
    sim_at(s, 0,
           (struct sim_event){.what = SIM_TO_CORE, .in = CALL_IN_TOOL, .a = fx->number, .b = 1});
    return true;
}

static bool timer(struct sim *s, const struct call_fx *fx)
{
    if (fx->at_us == 0 || !refuse_step(s, "shell.timer"))
        return false;
    s->refused.late_us = refuse_late_us(s);
    s->timers[fx->number] = fx->at_us;
    sim_at(s, fx->at_us - s->now + s->refused.late_us,
           (struct sim_event){.what = SIM_TIMER, .a = fx->number});
    return true;
}

bool refuse_effect(struct sim *s, const struct call_fx *fx)
{
    switch ((int)fx->type) {
    case CALL_FX_PLAY:
        return play(s, fx);
    case CALL_FX_MARK:
        return refuse_step(s, "shell.mark") && (s->refused.mark = true);
    case CALL_FX_CLEAR:
        return !s->lost && refuse_step(s, "shell.clear") && (s->refused.clear = true);
    case CALL_FX_ENGINE_SEND:
        return refuse_step(s, "shell.engine_send") && (s->refused.event = true);
    case CALL_FX_SPARE_SEND:
        return refuse_step(s, "shell.spare_send") && (s->refused.event = true);
    case CALL_FX_ENGINE_APPEND:
        if (refuse_step(s, "shell.engine_append"))
            s->dropped[CALL_DROPPED_TO_ENGINE] += fx->len;
        return false; /* what is kept of it is kept all the same */
    case CALL_FX_PROMPT:
        return prompt(s, fx);
    case CALL_FX_TOOL:
        return tool(s, fx);
    case CALL_FX_TIMER:
        return timer(s, fx);
    default:
        return false;
    }
}

void refuse_tell(struct sim *s)
{
    for (uint32_t which = 1; which <= CALL_DROPPED_TO_ENGINE; which++) {
        uint32_t len = s->dropped[which];
        s->dropped[which] = 0;
        if (len)
            sim_feed(s, &(struct call_input){
                            .type = CALL_IN_DROPPED, .number = which, .audio_len = len});
    }
}
