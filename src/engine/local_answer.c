/* Responses: one at a time, each from what was said last, what a tool found, or given words. */
#include "base/assert.h"
#include "base/mem.h"
#include "engine/local_impl.h"

static void want_fini(struct local_want *w)
{
    mem_free(w->exact);
    mem_free(w->purpose);
    *w = (struct local_want){0};
}

void local_answer_init(struct local_engine *e)
{
    local_plan_init(&e->response.plan);
    buf_init(&e->response.spoken, LOCAL_TEXT_BYTES_MAX);
    buf_init(&e->response.arguments, LOCAL_TEXT_BYTES_MAX * 2);
    local_speak_init(e);
}

void local_answer_fini(struct local_engine *e)
{
    want_fini(&e->response.want);
    for (size_t i = 0; i < e->want_count; i++)
        want_fini(&e->wants[i]);
    local_plan_fini(&e->response.plan);
    buf_fini(&e->response.spoken);
    buf_fini(&e->response.arguments);
    mem_free(e->response.answers);
    local_speak_fini(e);
}

/* The words of an instruction `Say exactly: "..."`, or NULL. */
static char *exact_words(struct str instructions)
{
    struct str mark = STR("Say exactly:");
    if (!str_starts(instructions, mark))
        return NULL;
    struct str words = str_trim(str_slice(instructions, mark.len, instructions.len));
    if (words.len >= 2 && words.p[0] == '"' && words.p[words.len - 1] == '"')
        words = str_slice(words, 1, words.len - 1);
    return mem_strndup(words.p, words.len);
}

static struct local_want want_of(const struct local_engine *e, const struct rt_event *ev)
{
    struct local_want w = {.text_only = e->text_only};
    if (!ev)
        return w;
    const struct rt_response *r = &ev->response;
    struct str choice = r->tool_choice.p ? r->tool_choice : js_get_str(e->session, "tool_choice");
    w.exact = exact_words(r->instructions);
    w.out_of_band = r->out_of_band;
    w.no_tools = str_eq(choice, STR("none"));
    if (r->output_modality.p)
        w.text_only = str_eq(r->output_modality, STR("text"));
    if (r->metadata_purpose.p)
        w.purpose = mem_strndup(r->metadata_purpose.p, r->metadata_purpose.len);
    return w;
}

/* response.created and response.done, without what differs. */
static struct rt_event response_event(const struct local_engine *e, enum rt_type type)
{
    const struct local_response *r = &e->response;
    struct rt_event ev = {
        .type = type,
        .response = {.id = str_of(r->id),
                     .status = RT_STATUS_IN_PROGRESS,
                     .output_modality = r->want.text_only ? STR("text") : STR("audio"),
                     .max_output_tokens = -1,
                     .metadata_purpose = str_of(r->want.purpose)}};
    if (!r->want.out_of_band)
        ev.response.conversation_id = str_of(e->conversation);
    return ev;
}

static void begin(struct local_engine *e, struct local_want want)
{
    struct local_response *r = &e->response;
    r->active = true;
    r->planned = r->message_open = false;
    r->number++;
    r->want = want;
    r->rest = STR_NONE;
    r->audio_bytes = 0;
    r->item_id[0] = r->call_item_id[0] = '\0';
    buf_reset(&r->spoken);
    local_id(e, r->id, "resp");
    struct rt_event ev = response_event(e, RT_RESPONSE_CREATED);
    local_emit(e, &ev);
    local_answer_pump(e);
}

void local_answer_create(struct local_engine *e, const struct rt_event *ev)
{
    struct str event_id = ev ? ev->event_id : STR_NONE;
    struct local_want want = want_of(e, ev);
    if (!e->response.active) {
        begin(e, want);
    } else if (want.out_of_band && e->want_count < LOCAL_WANTS_MAX) {
        e->wants[e->want_count++] = want;
    } else {
        local_refuse(e, "conversation_already_has_active_response", event_id, NULL,
                     "Conversation already has an active response in progress: %s. Wait until the "
                     "response is finished before creating a new one.",
                     e->response.id);
        want_fini(&want);
    }
}

/* -- what to say -- */

static void answer_said(struct local_engine *e)
{
    struct local_response *r = &e->response;
    r->answers = mem_strndup(e->said.p, e->said.len);
    local_reply_hear(&e->reply, buf_str(&e->said), e->confidence, &r->plan);
    buf_reset(&e->said);
    buf_reset(&e->told);
    e->unanswered = false;
    e->has_output = false; /* an answer to something that is no longer asked */
}

/* False while it cannot be known yet. */
static bool make_plan(struct local_engine *e)
{
    struct local_response *r = &e->response;
    if (r->want.exact) {
        r->plan.tool = LOCAL_TOOL_NONE;
        buf_reset(&r->plan.say);
        buf_put_str(&r->plan.say, str_of(r->want.exact));
        if (!r->want.out_of_band)
            local_reply_said(&e->reply, str_of(r->want.exact));
        return true;
    }
    if (r->want.out_of_band) { /* nothing was given to say, and nothing else is asked */
        buf_reset(&r->plan.say);
        r->plan.tool = LOCAL_TOOL_NONE;
        return true;
    }
    if (local_ear_waiting(e))
        return false;
    if (e->unanswered) {
        answer_said(e);
    } else if (e->has_output) {
        e->has_output = false;
        local_reply_output(&e->reply, buf_str(&e->output), &r->plan);
    } else if (e->told.len > 0) {
        /* Asked to answer, and nothing new was said: the engine before us died of the answer. */
        buf_put_str(&e->said, buf_str(&e->told));
        e->confidence = 1000;
        answer_said(e);
    } else {
        local_reply_greet(&e->reply, &r->plan);
    }
    if (r->want.no_tools && r->plan.tool != LOCAL_TOOL_NONE) {
        r->plan.tool = LOCAL_TOOL_NONE;
        if (r->plan.say.len == 0)
            buf_put_str(&r->plan.say, STR("I'm sorry, I can't look that up right now."));
    }
    return true;
}

static void finish(struct local_engine *e, enum rt_status status, const char *reason)
{
    struct local_response *r = &e->response;
    bool whole = status == RT_STATUS_COMPLETED;
    if (r->message_open)
        local_speak_close_message(e, whole ? RT_STATUS_COMPLETED : RT_STATUS_INCOMPLETE);
    if (whole && r->plan.tool != LOCAL_TOOL_NONE)
        local_speak_call_tool(e);
    struct rt_event ev = response_event(e, RT_RESPONSE_DONE);
    struct rt_response *out = &ev.response;
    out->status = status;
    out->status_reason = str_of(reason);
    if (r->item_id[0])
        out->items[out->item_count++] =
            (struct rt_item){.id = str_of(r->item_id),
                             .type = RT_ITEM_MESSAGE,
                             .role = RT_ROLE_ASSISTANT,
                             .status = whole ? RT_STATUS_COMPLETED : RT_STATUS_INCOMPLETE,
                             .text = buf_str(&r->spoken),
                             .text_is_transcript = !r->want.text_only};
    if (r->call_item_id[0])
        out->items[out->item_count++] =
            (struct rt_item){.id = str_of(r->call_item_id),
                             .type = RT_ITEM_FUNCTION_CALL,
                             .status = RT_STATUS_COMPLETED,
                             .call_id = str_of(r->call_id),
                             .name = str_of(local_tool_name(r->plan.tool)),
                             .arguments = buf_str(&r->arguments)};
    int64_t wide = e->out_format == RT_FORMAT_PCM24K ? 6 : 1;
    int64_t audio = r->audio_bytes / wide / (LOCAL_HZ / 1000) / 50;
    int64_t text = (int64_t)(r->spoken.len + (r->call_item_id[0] ? r->arguments.len : 0)) / 4;
    out->usage = (struct rt_usage){.present = true,
                                   .total = e->tokens_text + e->tokens_audio + audio + text,
                                   .input = e->tokens_text + e->tokens_audio,
                                   .output = audio + text,
                                   .input_text = e->tokens_text,
                                   .input_audio = e->tokens_audio,
                                   .output_text = text,
                                   .output_audio = audio};
    local_emit(e, &ev);
    e->tokens_text += text;
    e->tokens_audio += audio;
    r->active = false;
    want_fini(&r->want);
    mem_free(r->answers);
    r->answers = NULL;
    if (e->want_count > 0) {
        struct local_want next = e->wants[0];
        e->want_count--;
        memmove(&e->wants[0], &e->wants[1], e->want_count * sizeof(e->wants[0]));
        begin(e, next);
    }
}

void local_answer_pump(struct local_engine *e)
{
    struct local_response *r = &e->response;
    if (!r->active || e->closing)
        return;
    if (!r->planned) {
        if (!make_plan(e))
            return;
        r->planned = true;
        r->rest = buf_str(&r->plan.say);
    }
    if (r->rest.len > 0 || e->mouth.busy)
        local_speak_pump(e);
    else
        finish(e, RT_STATUS_COMPLETED, NULL);
}

static void abandon(struct local_engine *e, const char *reason)
{
    struct local_response *r = &e->response;
    /* Nothing of the answer was heard: the caller only paused, and goes on with the question. */
    if (r->answers && r->audio_bytes == 0 && r->answers[0]) {
        struct buf whole;
        buf_init(&whole, LOCAL_TEXT_BYTES_MAX);
        buf_put_str(&whole, str_of(r->answers));
        if (e->said.len > 0)
            buf_put_byte(&whole, ' ');
        buf_put_str(&whole, buf_str(&e->said));
        buf_reset(&e->said);
        buf_put_str(&e->said, buf_str(&whole));
        buf_fini(&whole);
        e->unanswered = true;
    }
    finish(e, RT_STATUS_CANCELLED, reason);
}

void local_answer_cancel(struct local_engine *e, const struct rt_event *ev)
{
    bool other = ev->response_id.len && !str_eq(ev->response_id, str_of(e->response.id));
    if (!e->response.active || other) {
        local_refuse(e, "response_cancel_not_active", ev->event_id, NULL,
                     "Cancellation failed: no active response found");
        return;
    }
    abandon(e, "client_cancelled");
}

void local_answer_interrupt(struct local_engine *e)
{
    if (e->response.active)
        abandon(e, "turn_detected");
}
