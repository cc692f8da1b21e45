/* The effects of a call, performed: each of the core's decisions becomes a message, a timer, a row.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/log.h"
#include "session/session_private.h"
#include "session/turn_row.h"

/* -- the voice -- */

static void play(struct session *s, const struct call_fx *fx)
{
    struct str base64 = voiceq_take(&s->voice, fx->len, fx->pad, &s->part->scratch.message);
    if (!s->channel || channel_send_audio(s->channel, base64) != OK)
        s->dropped[CALL_DROPPED_TO_CHANNEL] += fx->len + fx->pad;
}

/* -- prompts and tools -- */

static void on_prompt(void *ctx, struct str base64, uint32_t len)
{
    struct prompt_slot *slot = ctx;
    struct session *s = slot->session;
    for (struct prompt_slot **at = &s->prompts; *at; at = &(*at)->next) {
        if (*at == slot) {
            *at = slot->next;
            break;
        }
    }
    struct call_input in = {
        .type = CALL_IN_PROMPT, .number = slot->number, .audio_len = len, .audio = base64};
    mem_free(slot);
    session_feed(s, &in);
}

static void prompt(struct session *s, const struct call_fx *fx)
{
    struct prompt_slot *slot = mem_zalloc(sizeof(*slot));
    *slot = (struct prompt_slot){.session = s, .next = s->prompts, .number = fx->number};
    s->prompts = slot;
    slot->wait = prompts_say(s->part->prompts, fx->text, on_prompt, slot);
}

static void unlink_tool(struct tool_slot *slot)
{
    for (struct tool_slot **at = &slot->session->tools; *at; at = &(*at)->next) {
        if (*at == slot) {
            *at = slot->next;
            break;
        }
    }
}

static void on_tool(void *ctx, bool ok, struct str output)
{
    struct tool_slot *slot = ctx;
    struct session *s = slot->session;
    unlink_tool(slot);
    struct call_input in = {.type = CALL_IN_TOOL,
                            .number = slot->number,
                            .ok = ok,
                            .text = str_slice(output, 0, 4 * TOOL_OUTPUT_BYTES_MAX)};
    session_feed(s, &in);
    mem_free(slot->arguments);
    mem_free(slot);
}

static void on_tool_failed(void *ctx)
{
    struct tool_slot *slot = ctx;
    struct session *s = slot->session;
    char failure[sizeof(slot->failure)];
    memcpy(failure, slot->failure, sizeof(failure)); /* on_tool frees the slot */
    on_tool(slot, false, str_of(failure));
    session_release(s);
}

static void tool(struct session *s, const struct call_fx *fx)
{
    struct tool_slot *slot = mem_zalloc(sizeof(*slot));
    *slot = (struct tool_slot){.session = s,
                               .next = s->tools,
                               .number = fx->number,
                               .arguments = mem_strndup(fx->text.p, fx->text.len)};
    s->tools = slot;
    struct tool_opts opts = {.loop = s->part->loop,
                             .store = s->part->host->env.store,
                             .knowledge = s->part->knowledge,
                             .business_id = s->config.business_id,
                             .call_id = s->id};
    struct err_detail why = {""};
    if (tool_start(&opts, fx->name, fx->text, on_tool, slot, &slot->run, &why) == OK)
        return;
    snprintf(slot->failure, sizeof(slot->failure), "{\"success\":false,\"error\":\"%s\"}",
             why.text);
    s->open++;
    loop_defer(s->part->loop, on_tool_failed, slot);
}

static void tool_drop(struct session *s, uint32_t number)
{
    for (struct tool_slot *slot = s->tools; slot; slot = slot->next) {
        if (slot->number != number)
            continue;
        if (slot->run) {
            unlink_tool(slot);
            tool_cancel(slot->run);
            mem_free(slot->arguments);
            mem_free(slot);
        }
        return; /* one that never started tells so by itself and is not listened to */
    }
}

/* -- the store -- */

static void submit(struct session *s, struct store_req *r)
{
    if (store_submit(s->part->host->env.store, s->part->loop, r, NULL, NULL) != OK)
        LOG_ERROR(s->id, "store.refused", "the journal still has it");
}

static int64_t wall_now_ms(struct session *s)
{
    return s->config.wall_ms + (loop_now_us(s->part->loop) - s->config.anchor_us) / 1000;
}

void session_answered(struct session *s)
{
    struct call_row row = {
        .id = str_of(s->id), .status = STR("in-progress"), .answered_at_ms = wall_now_ms(s)};
    submit(s, store_req_call_update(&row, CALL_SET_STATUS | CALL_SET_ANSWERED));
}

static void store_turn(struct session *s, const struct call_item *item)
{
    const struct host_env *env = &s->part->host->env;
    struct turn_row row = turn_row_of(s->call, item, s->id);
    submit(s, store_req_turn_put(&row));
    if (env->observer && env->observer->on_turn)
        env->observer->on_turn(env->observer_ctx, s->id, item);
}

void session_store_again(struct session *s)
{
    for (const struct call_item *i = call_items(s->call); i; i = i->next) {
        if (!i->stored)
            continue;
        struct turn_row row = turn_row_of(s->call, i, s->id);
        submit(s, store_req_turn_put(&row));
    }
}

static void store_tool(struct session *s, const struct call_fx *fx)
{
    char run[24];
    snprintf(run, sizeof(run), "tool_%u", fx->number);
    const struct tool_slot *slot = s->tools;
    while (slot && slot->number != fx->number)
        slot = slot->next;
    struct call_stats stats = call_stats(s->call);
    struct tool_row row = {
        .call_id = str_of(s->id),
        .tool_call_id = str_of(run),
        .name = fx->name,
        .arguments = str_of(slot ? slot->arguments : ""),
        .output = fx->text,
        .at_ms = stats.duration_ms,
        .took_ms = fx->len,
        .ok = fx->ok,
    };
    submit(s, store_req_tool_put(&row));
}

/* -- the end -- */

static void on_journal_done(void *ctx)
{
    session_release(ctx);
}

static void write_end(struct session *s, const struct call_stats *st, struct buf *b)
{
    buf_put_str(b, STR("{\"reason\":"));
    buf_put_json(b, st->end_reason);
    buf_printf(b,
               ",\"durationMs\":%lld,\"turns\":%u,\"interruptions\":%u,\"engineFailures\":%u,"
               "\"toolRuns\":%u,\"rollovers\":%u,\"inputTokens\":%lld,\"outputTokens\":%lld,"
               "\"costNanousd\":%lld,"
               "\"droppedToChannelMs\":%lld,\"droppedToEngineMs\":%lld,\"marksMissing\":%u,"
               "\"rttMs\":%lld,\"engine\":",
               (long long)st->duration_ms, st->turns, st->interruptions, st->engine_failures,
               st->tool_runs, st->rollovers, (long long)st->input_tokens,
               (long long)st->output_tokens, (long long)call_cost_nanousd(s->call),
               (long long)st->dropped_to_channel_ms, (long long)st->dropped_to_engine_ms,
               st->marks_missing, (long long)st->rtt_ms);
    buf_put_json(b, st->engine);
    buf_put_byte(b, '}');
}

static void store_end(struct session *s, const struct call_stats *st)
{
    char path[CALL_ID_TEXT + 8];
    snprintf(path, sizeof(path), "%s%s", s->journal ? s->id : "", s->journal ? ".jrn" : "");
    struct call_row row = end_row_of(s->call, st, s->id, path, wall_now_ms(s));
    if (!s->had_channel)
        row.status = STR("no-answer");
    submit(s, store_req_call_update(&row, CALL_SET_FINISH | CALL_SET_ENGINE));
}

static void end(struct session *s)
{
    if (s->ended)
        return;
    s->ended = true;
    struct call_stats st = call_stats(s->call);
    LOG_INFO(s->id, "call.ended", "reason=\"%.*s\" duration_ms=%lld turns=%u engine=%.*s",
             STR_FMT(st.end_reason), (long long)st.duration_ms, st.turns, STR_FMT(st.engine));
    store_end(s, &st);
    buf_reset(&s->part->scratch.message);
    write_end(s, &st, &s->part->scratch.message);
    s->open++;
    if (s->journal)
        journal_call_end(s->journal, buf_str(&s->part->scratch.message), loop_now_us(s->part->loop),
                         on_journal_done, s);
    else
        loop_defer(s->part->loop, on_journal_done, s);
    s->journal = NULL;
    host_session_ended(s->part, s, &st, call_cost_nanousd(s->call));
    for (int t = 1; t < CALL_TIMER_COUNT; t++)
        s->timer_at[t] = 0;
    while (s->prompts) {
        struct prompt_slot *slot = s->prompts;
        s->prompts = slot->next;
        prompts_cancel(slot->wait);
        mem_free(slot);
    }
    session_engines_detach(s);
    if (s->channel)
        channel_close(s->channel);
    session_release(s); /* the call's own place; see session_new */
}

/* -- leaving -- */

static void close_channel(void *ctx)
{
    struct session *s = ctx;
    if (s->channel)
        channel_close(s->channel);
    session_release(s);
}

/* The carrier asks what to do once the stream is closed; the answer waits in the session. A
 * transfer changes the world: it waits until what led to it is on disk. */
static void leave(struct session *s, const struct call_fx *fx)
{
    s->open++;
    if (fx->type == CALL_FX_TRANSFER) {
        s->verdict = CHANNEL_TRANSFER;
        (void)str_copy(s->transfer_number, sizeof(s->transfer_number), fx->text);
    } else {
        s->verdict = CHANNEL_HANGUP;
    }
    if (s->verdict == CHANNEL_TRANSFER && s->journal)
        journal_barrier(s->journal, close_channel, s);
    else
        loop_defer(s->part->loop, close_channel, s);
}

static void note(struct session *s, const struct call_fx *fx)
{
    char event[64];
    (void)str_copy(event, sizeof(event), str_slice(fx->name, 0, sizeof(event) - 1));
    LOG_INFO(s->id, event, "%.*s", STR_FMT(fx->text));
}

static void perform_audio(struct session *s, const struct call_input *in, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_PLAY) {
        play(s, fx);
    } else if (fx->type == CALL_FX_QUEUE) {
        if (voiceq_put(&s->voice, in->audio, fx->len) != OK)
            LOG_WARN(s->id, "voice.not_queued", "silence instead, ms=%u", fx->len / 8);
    } else if (fx->type == CALL_FX_DISCARD) {
        voiceq_clear(&s->voice);
    } else {
        session_caller_perform(s, in, fx);
    }
}

static void perform_one(struct session *s, const struct call_input *in, const struct call_fx *fx)
{
    switch (fx->type) {
    case CALL_FX_PLAY:
    case CALL_FX_QUEUE:
    case CALL_FX_DISCARD:
    case CALL_FX_ENGINE_APPEND:
    case CALL_FX_HOLD:
    case CALL_FX_RELEASE:
    case CALL_FX_KEEP:
        perform_audio(s, in, fx);
        break;
    case CALL_FX_MARK:
        if (s->channel && channel_send_mark(s->channel, fx->number) != OK)
            LOG_WARN(s->id, "channel.mark_not_sent", "mark=%u", fx->number);
        break;
    case CALL_FX_CLEAR:
        if (s->channel && channel_clear(s->channel) != OK)
            LOG_WARN(s->id, "channel.clear_not_sent", "the caller hears the old answer on");
        break;
    case CALL_FX_HANGUP:
    case CALL_FX_TRANSFER:
        leave(s, fx);
        break;
    case CALL_FX_ENGINE_OPEN:
    case CALL_FX_ENGINE_CLOSE:
    case CALL_FX_ENGINE_SEND:
    case CALL_FX_SPARE_OPEN:
    case CALL_FX_SPARE_CLOSE:
    case CALL_FX_SPARE_SEND:
    case CALL_FX_SPARE_SWAP:
        session_caller_flush(s); /* the engine hears things in their order */
        session_engine_perform(s, fx);
        break;
    case CALL_FX_PROMPT:
        prompt(s, fx);
        break;
    case CALL_FX_TOOL:
        tool(s, fx);
        break;
    case CALL_FX_TOOL_CANCEL:
        tool_drop(s, fx->number);
        break;
    case CALL_FX_TIMER:
        session_set_timer(s, fx->number, fx->at_us);
        break;
    case CALL_FX_TURN:
        store_turn(s, fx->item);
        break;
    case CALL_FX_TOOL_RECORD:
        store_tool(s, fx);
        break;
    case CALL_FX_NOTE:
        note(s, fx);
        break;
    case CALL_FX_ENDED:
        end(s);
        break;
    }
}

void session_perform(struct session *s, const struct call_input *in,
                     const struct call_effects *effects)
{
    /* Performing the last effect may let go of the session's own place. */
    s->open++;
    for (size_t i = 0; i < effects->count; i++)
        perform_one(s, in, &effects->fx[i]);
    voiceq_keep(&s->voice); /* the input's audio is only lent */
    s->open--;
    ASSERT(s->open > 0 || s->ended);
}
