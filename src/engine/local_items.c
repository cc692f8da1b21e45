/* The conversation: what was said, which functions were called, and the client's changes to it. */
#include "base/mem.h"
#include "engine/local_impl.h"

void local_items_free(struct local_engine *e)
{
    for (size_t i = 0; i < e->item_count; i++)
        mem_free(e->items[i].text);
    mem_free(e->items);
}

struct local_item *local_item_find(struct local_engine *e, struct str id)
{
    for (size_t i = e->item_count; i-- > 0;) {
        if (str_eq(id, str_of(e->items[i].id)))
            return &e->items[i];
    }
    return NULL;
}

static void remove_at(struct local_engine *e, size_t i)
{
    mem_free(e->items[i].text);
    e->item_count--;
    memmove(&e->items[i], &e->items[i + 1], (e->item_count - i) * sizeof(e->items[0]));
}

struct local_item *local_item_add(struct local_engine *e, const char *id, enum local_item_kind kind)
{
    if (!e->items)
        e->items = mem_alloc(LOCAL_ITEMS_MAX * sizeof(e->items[0]));
    if (e->item_count == LOCAL_ITEMS_MAX)
        remove_at(e, 0);
    struct local_item *item = &e->items[e->item_count++];
    *item = (struct local_item){.kind = kind};
    (void)str_copy(item->id, sizeof(item->id), str_of(id));
    return item;
}

struct str local_item_last(const struct local_engine *e)
{
    return e->item_count ? str_of(e->items[e->item_count - 1].id) : STR_NONE;
}

static struct local_item *find_call(struct local_engine *e, struct str call_id)
{
    for (size_t i = e->item_count; i-- > 0;) {
        if (e->items[i].kind == LOCAL_ITEM_CALL && str_eq(call_id, str_of(e->items[i].call_id)))
            return &e->items[i];
    }
    return NULL;
}

static void take_output(struct local_engine *e, const struct rt_event *ev)
{
    buf_reset(&e->output);
    buf_put_str(&e->output, ev->item.output);
    e->has_output = true;
}

static void take_message(struct local_engine *e, const struct rt_item *item)
{
    e->tokens_text += (int64_t)item->text.len / 4;
    if (item->role == RT_ROLE_USER) {
        if (e->said.len > 0)
            buf_put_byte(&e->said, ' ');
        buf_put_str(&e->said, item->text);
        e->unanswered = true;
        e->confidence = 1000;
    } else if (item->role == RT_ROLE_ASSISTANT) {
        local_reply_said(&e->reply, item->text);
        if (e->said.len > 0) { /* history: it was answered, as far as the agent came */
            buf_reset(&e->told);
            buf_put_str(&e->told, buf_str(&e->said));
            buf_reset(&e->said);
        }
        e->unanswered = false;
        e->greeted = true;
    }
}

static enum local_item_kind kind_of(const struct rt_item *item)
{
    if (item->type == RT_ITEM_MESSAGE && item->role == RT_ROLE_USER)
        return LOCAL_ITEM_USER;
    if (item->type == RT_ITEM_MESSAGE && item->role == RT_ROLE_ASSISTANT)
        return LOCAL_ITEM_AGENT;
    return item->type == RT_ITEM_FUNCTION_CALL ? LOCAL_ITEM_CALL : LOCAL_ITEM_OTHER;
}

static void create(struct local_engine *e, const struct rt_event *ev)
{
    const struct rt_item *item = &ev->item;
    char id[LOCAL_ID_BYTES];
    if (item->type == RT_ITEM_UNKNOWN) {
        local_refuse(e, "invalid_value", ev->event_id, "item.type", "Unknown item type.");
        return;
    }
    if (item->type == RT_ITEM_FUNCTION_CALL_OUTPUT && !find_call(e, item->call_id)) {
        local_refuse(e, "invalid_value", ev->event_id, "item.call_id",
                     "Tool call ID '%.*s' not found in conversation.",
                     STR_FMT(str_slice(item->call_id, 0, 64)));
        return;
    }
    if (item->id.len >= LOCAL_ID_BYTES || local_item_find(e, item->id)) {
        local_refuse(e, "invalid_value", ev->event_id, "item.id",
                     "The item's id is too long or already in use.");
        return;
    }
    bool root = str_eq(ev->previous_item_id, STR("root"));
    if (ev->previous_item_id.len && !root && !local_item_find(e, ev->previous_item_id)) {
        local_refuse(e, "item_not_found", ev->event_id, "previous_item_id",
                     "The previous item does not exist.");
        return;
    }
    local_id(e, id, "item");
    if (item->id.len)
        (void)str_copy(id, sizeof(id), item->id);
    struct rt_event out = {.type = RT_ITEM_ADDED,
                           .previous_item_id =
                               ev->previous_item_id.len ? ev->previous_item_id : local_item_last(e),
                           .item = *item};
    if (root)
        out.previous_item_id = STR_NONE;
    out.item.raw = NULL;
    out.item.id = str_of(id);
    out.item.status = RT_STATUS_COMPLETED;
    local_emit(e, &out);
    out.type = RT_ITEM_DONE;
    local_emit(e, &out);
    struct local_item *kept = local_item_add(e, id, kind_of(item));
    kept->text = item->text.p ? mem_strndup(item->text.p, item->text.len) : NULL;
    (void)str_copy(kept->call_id, sizeof(kept->call_id), item->call_id);
    if (item->type == RT_ITEM_FUNCTION_CALL_OUTPUT)
        take_output(e, ev);
    else if (item->type == RT_ITEM_MESSAGE)
        take_message(e, item);
}

static void cut_item(struct local_engine *e, const struct rt_event *ev)
{
    struct local_item *item = local_item_find(e, ev->item_id);
    if (!item || item->kind != LOCAL_ITEM_AGENT) {
        local_refuse(e, "item_truncate_invalid_item_id", ev->event_id, "item_id",
                     "Error truncating item: item '%.*s' is not an assistant message.",
                     STR_FMT(str_slice(ev->item_id, 0, 64)));
        return;
    }
    if (ev->audio_end_ms < 0 || ev->audio_end_ms > item->audio_ms) {
        local_refuse(e, "invalid_value", ev->event_id, "audio_end_ms",
                     "Audio content of %lldms is already shorter than %lldms",
                     (long long)item->audio_ms, (long long)ev->audio_end_ms);
        return;
    }
    item->audio_ms = ev->audio_end_ms;
    struct rt_event out = {.type = RT_ITEM_TRUNCATED,
                           .item_id = ev->item_id,
                           .content_index = ev->content_index,
                           .audio_end_ms = ev->audio_end_ms};
    local_emit(e, &out);
}

static void retrieve(struct local_engine *e, const struct rt_event *ev,
                     const struct local_item *item)
{
    bool agent = item->kind == LOCAL_ITEM_AGENT;
    struct rt_event out = {.type = RT_ITEM_RETRIEVED,
                           .item = {.id = ev->item_id,
                                    .type = RT_ITEM_MESSAGE,
                                    .status = RT_STATUS_COMPLETED,
                                    .role = agent ? RT_ROLE_ASSISTANT : RT_ROLE_USER,
                                    .text = item->text ? str_of(item->text) : STR(""),
                                    .text_is_transcript = agent && item->audio_ms > 0}};
    if (item->kind == LOCAL_ITEM_CALL) {
        out.item.type = RT_ITEM_FUNCTION_CALL;
        out.item.call_id = str_of(item->call_id);
    }
    local_emit(e, &out);
}

void local_items_take(struct local_engine *e, const struct rt_event *ev)
{
    if (ev->type == RT_ITEM_CREATE) {
        create(e, ev);
        return;
    }
    if (ev->type == RT_ITEM_TRUNCATE) {
        cut_item(e, ev);
        return;
    }
    struct local_item *item = local_item_find(e, ev->item_id);
    if (!item) {
        local_refuse(e, "item_not_found", ev->event_id, "item_id", "The item does not exist.");
    } else if (ev->type == RT_ITEM_RETRIEVE) {
        retrieve(e, ev, item);
    } else {
        struct rt_event out = {.type = RT_ITEM_DELETED, .item_id = ev->item_id};
        local_emit(e, &out);
        remove_at(e, (size_t)(item - e->items));
    }
}
