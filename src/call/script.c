/* The transcript of a call: who said what, how much of it was heard, and what it cost. */
#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "call/call_impl.h"

struct call_item *script_find(struct call *c, struct str id)
{
    if (c->last_item && str_eq(c->last_item->id, id)) /* as nearly always: ids are unique */
        return c->last_item;
    for (struct call_item *item = c->items; item; item = item->next)
        if (str_eq(item->id, id))
            return item;
    return NULL;
}

struct call_item *script_add(struct call *c, struct str id, enum call_role role)
{
    if (c->item_count == CALL_ITEMS_MAX) {
        fx_note(c, "call.item_limit", "items=%u", c->item_count);
        manners_close(c, CLOSING_HANGUP, "limit", c->config.duration_goodbye, true);
        return NULL;
    }
    struct call_item *item = arena_alloc(&c->arena, sizeof(*item));
    *item = (struct call_item){
        .id = keep_str(c, id),
        .role = role,
        .start_ms = stream_ms(c, c->now),
        .end_ms = stream_ms(c, c->now),
        .engine_epoch = c->epoch,
        .purpose = role == CALL_ROLE_AGENT ? (uint8_t)c->answer.want.purpose : 0,
        .latency = {-1, -1, -1, -1},
    };
    buf_init(&item->words, CALL_ITEM_TEXT_MAX);
    if (c->last_item)
        c->last_item->next = item;
    else
        c->items = item;
    c->last_item = item;
    if (!c->unstored)
        c->unstored = item;
    c->item_count++;
    return item;
}

void script_words(struct call *c, struct call_item *item, struct str more)
{
    (void)c;
    if (item->final)
        return;
    /* A turn longer than the bound keeps its beginning; the audio is in the recording. */
    size_t room = item->words.max - item->words.len;
    FAULTS_OFF();
    enum err err = buf_append(&item->words, more.p, more.len < room ? more.len : room);
    FAULTS_ON();
    ASSERT(err == OK);
    item->text = buf_str(&item->words);
}

void script_set_words(struct call *c, struct call_item *item, struct str text)
{
    if (item->final)
        return;
    buf_reset(&item->words);
    script_words(c, item, text);
    item->final = true;
}

void script_store(struct call *c, struct call_item *item)
{
    fx_add(c, (struct call_fx){.type = CALL_FX_TURN, .item = item});
}

static int64_t cost_of(const struct call_prices *p, const struct rt_usage *u)
{
    /* tokens x micro-dollars per million tokens = 1e-12 dollars; kept in 1e-9. */
    int64_t fresh_text = u->input_text - u->cached_text;
    int64_t fresh_audio = u->input_audio - u->cached_audio;
    int64_t pico = (fresh_text > 0 ? fresh_text : 0) * p->text_in +
                   (fresh_audio > 0 ? fresh_audio : 0) * p->audio_in +
                   u->cached_text * p->cached_text_in + u->cached_audio * p->cached_audio_in +
                   u->output_text * p->text_out + u->output_audio * p->audio_out;
    return pico / 1000;
}

void script_check_cost(struct call *c)
{
    if (c->config.max_cost_nanousd > 0 && c->cost_nanousd > c->config.max_cost_nanousd &&
        c->closing == CLOSING_NO && (c->phase == PHASE_TALKING || c->phase == PHASE_LOST)) {
        fx_note(c, "call.cost_cap", "nanousd=%lld", (long long)c->cost_nanousd);
        manners_close(c, CLOSING_HANGUP, "cost cap", c->config.duration_goodbye, true);
    }
}

static void charge(struct call *c, struct call_item *item, int64_t nanousd)
{
    c->cost_nanousd += nanousd;
    if (item)
        item->cost_nanousd += nanousd;
    script_check_cost(c);
}

void script_usage(struct call *c, struct call_item *item, const struct rt_usage *usage)
{
    if (!usage->present || c->engine_index >= c->config.engine_count)
        return;
    c->stats.input_tokens += usage->input;
    c->stats.output_tokens += usage->output;
    if (item)
        item->usage = *usage;
    charge(c, item, cost_of(&c->config.engines[c->engine_index].prices, usage));
}

void script_transcription_usage(struct call *c, struct call_item *item,
                                const struct rt_usage *usage)
{
    if (!usage->present || c->engine_index >= c->config.engine_count)
        return;
    int64_t price = c->config.engines[c->engine_index].prices.transcription_in;
    charge(c, item, usage->input * price / 1000);
}

void script_send_text(struct call *c, enum rt_role role, struct str text)
{
    struct rt_event ev = {.type = RT_ITEM_CREATE,
                          .item = {.type = RT_ITEM_MESSAGE, .role = role, .text = text}};
    fx_engine(c, &ev);
}

/* Of words that were cut, those that were heard: as large a part of the text as of the sound, to a
 * whole word. */
static struct str heard_text(const struct call_item *item)
{
    struct str text = item->text;
    if (!item->interrupted || item->spoken_ms <= 0 || item->heard_ms >= item->spoken_ms)
        return text;
    size_t len = text.len * (size_t)item->heard_ms / (size_t)item->spoken_ms;
    while (len > 0 && text.p[len] != ' ')
        len--;
    return str_slice(text, 0, len);
}

void script_replay_context(struct call *c)
{
    uint32_t skip =
        c->item_count > CALL_CONTEXT_ITEMS_MAX ? c->item_count - CALL_CONTEXT_ITEMS_MAX : 0;
    for (struct call_item *item = c->items; item; item = item->next) {
        if (skip) {
            skip--;
            continue;
        }
        struct str text = heard_text(item);
        if (text.len == 0 || item->role == CALL_ROLE_PROMPT)
            continue;
        script_send_text(c, item->role == CALL_ROLE_CALLER ? RT_ROLE_USER : RT_ROLE_ASSISTANT,
                         text);
    }
}
