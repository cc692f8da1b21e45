/* The eleven client events, refused where and as OpenAI refuses them. */
#include <stdio.h>

#include "app/provider_private.h"
#include "base/js.h"
#include "base/limits.h"

typedef void take_fn(struct provider_session *s, const json_t *root, struct str event_id);

static const char *as_text(char *out, size_t size, struct str text)
{
    if (!str_copy(out, size, text))
        str_copy(out, size, STR("(long)"));
    return out;
}

static bool format_ok(const json_t *audio, const char *side)
{
    const json_t *format = js_get(js_get(audio, side), "format");
    return !format || str_eq(js_get_str(format, "type"), STR("audio/pcmu"));
}

static void read_turn_detection(struct provider_session *s, const json_t *input)
{
    const json_t *td = json_object_get(input, "turn_detection");
    if (!td)
        return;
    s->vad_on = json_is_object(td);
    s->create_response = s->vad_on && js_get_bool(td, "create_response", true);
    s->interrupt_response = s->vad_on && js_get_bool(td, "interrupt_response", true);
    const json_t *threshold = js_get(td, "threshold");
    struct vad_opts opts = {
        .threshold_permille = threshold ? (int64_t)(json_number_value(threshold) * 1000.0) : 0,
        .prefix_ms = js_get_int(td, "prefix_padding_ms", 0),
        .silence_ms = js_get_int(td, "silence_duration_ms", 0),
    };
    if (!s->in_turn)
        vad_init(&s->vad, &opts);
}

static void take_session_update(struct provider_session *s, const json_t *root, struct str event_id)
{
    const json_t *change = js_get(root, "session");
    const json_t *audio = js_get(change, "audio");
    if (!json_is_object(change) || !str_eq(js_get_str(change, "type"), STR("realtime"))) {
        provider_write_refuse(s, "missing_required_parameter", event_id,
                              "Missing required parameter: 'session.type'.");
        return;
    }
    if (!format_ok(audio, "input") || !format_ok(audio, "output")) {
        provider_write_refuse(s, "invalid_value", event_id,
                              "This scripted provider speaks audio/pcmu alone.");
        return;
    }
    json_t *copy = json_deep_copy(change);
    json_object_update_recursive(s->session, copy);
    json_decref(copy);
    read_turn_detection(s, js_get(audio, "input"));
    const json_t *transcription = js_get(js_get(audio, "input"), "transcription");
    s->transcribe = s->transcribe || json_is_object(transcription);
    struct str instructions = js_get_str(change, "instructions");
    if (instructions.p)
        s->tokens_text = (int64_t)instructions.len / 4;
    struct buf *b = provider_write_open(s, "session.updated");
    buf_put_str(b, STR(",\"session\":"));
    js_write(b, s->session);
    provider_write_send(s);
}

static void take_append(struct provider_session *s, const json_t *root, struct str event_id)
{
    struct str audio = js_get_str(root, "audio");
    if (audio.p)
        provider_input_append(s, audio);
    else
        provider_write_refuse(s, "missing_required_parameter", event_id,
                              "Missing required parameter: 'audio'.");
}

static void take_commit(struct provider_session *s, const json_t *root, struct str event_id)
{
    (void)root;
    (void)event_id;
    provider_input_commit(s);
}

static void take_clear(struct provider_session *s, const json_t *root, struct str event_id)
{
    (void)root;
    (void)event_id;
    provider_input_clear(s);
}

static struct provider_item *find_call(struct provider_session *s, struct str call_id)
{
    for (size_t i = s->item_count; call_id.p && i > 0; i--) {
        struct provider_item *item = &s->items[i - 1];
        if (item->kind == PROVIDER_CALL && str_eq(call_id, str_of(item->call_id)))
            return item;
    }
    return NULL;
}

static bool take_output(struct provider_session *s, const json_t *item, struct str event_id)
{
    char shown[64];
    struct str call_id = js_get_str(item, "call_id"), output = js_get_str(item, "output");
    if (!find_call(s, call_id) || !output.p) {
        provider_write_refuse(s, "invalid_tool_call_id", event_id,
                              "Tool call ID '%s' not found in conversation.",
                              as_text(shown, sizeof(shown), call_id));
        return false;
    }
    mem_free(s->tool_output);
    s->tool_output = mem_strndup(output.p, output.len);
    s->provider->counts.tool_outputs++;
    return true;
}

static void take_item_create(struct provider_session *s, const json_t *root, struct str event_id)
{
    const json_t *item = js_get(root, "item");
    struct str type = js_get_str(item, "type"), id = js_get_str(item, "id");
    bool output = str_eq(type, STR("function_call_output"));
    if (!output && !str_eq(type, STR("message"))) {
        provider_write_refuse(s, "invalid_value", event_id, "Invalid value for 'item.type'.");
        return;
    }
    if (output && !take_output(s, item, event_id))
        return;
    char given[PROVIDER_ID_BYTES], previous[PROVIDER_ID_BYTES];
    if (!id.p || !str_copy(given, sizeof(given), id))
        provider_id(s, given, "item");
    if (provider_item_find(s, str_of(given))) {
        provider_write_refuse(s, "item_id_already_exists", event_id,
                              "Error adding item: an item with ID '%s' already exists.", given);
        return;
    }
    snprintf(previous, sizeof(previous), "%s", s->last_item);
    if (!provider_item_add(s, given, PROVIDER_OTHER))
        return;
    json_t *echoed = json_deep_copy(item);
    json_object_set_new(echoed, "id", json_string(given));
    json_object_set_new(echoed, "object", json_string("realtime.item"));
    json_object_set_new(echoed, "status", json_string("completed"));
    static const char *const types[] = {"conversation.item.added", "conversation.item.done"};
    for (size_t i = 0; i < 2; i++) {
        struct buf *b = provider_write_open(s, types[i]);
        if (previous[0])
            provider_write_text(b, "previous_item_id", str_of(previous));
        else
            provider_write_raw(b, "previous_item_id", "null");
        buf_put_str(b, STR(",\"item\":"));
        js_write(b, echoed);
        provider_write_send(s);
    }
    s->tokens_text += (int64_t)(s->provider->out.len / 4);
    json_decref(echoed);
}

static void unknown_item(struct provider_session *s, const char *code, struct str id,
                         struct str event_id)
{
    char shown[PROVIDER_ID_BYTES];
    provider_write_refuse(s, code, event_id, "Item with item_id '%s' was not found.",
                          as_text(shown, sizeof(shown), id));
}

static void take_item_truncate(struct provider_session *s, const json_t *root, struct str event_id)
{
    struct provider *p = s->provider;
    struct str id = js_get_str(root, "item_id");
    int64_t end_ms = js_get_int(root, "audio_end_ms", -1);
    struct provider_item *item = id.p ? provider_item_find(s, id) : NULL;
    if (!item || item->kind != PROVIDER_ASSISTANT) {
        unknown_item(s, "item_truncate_invalid_item_id", id, event_id);
        return;
    }
    int64_t sent_ms = item->sent_bytes / 8;
    int64_t have_ms = item->cut_ms >= 0 ? item->cut_ms : sent_ms;
    if (end_ms < 0 || js_get_int(root, "content_index", -1) != 0 || end_ms > have_ms) {
        provider_write_refuse(s, "invalid_value", event_id,
                              "Audio content of %lldms is already shorter than %lldms",
                              (long long)have_ms, (long long)end_ms);
        return;
    }
    item->cut_ms = end_ms;
    p->counts.truncations++;
    if (p->truncation_count < PROVIDER_RECORDS_MAX) {
        struct provider_truncation *t = &p->truncations[p->truncation_count++];
        *t = (struct provider_truncation){
            .session = s->number, .audio_end_ms = end_ms, .sent_ms = sent_ms};
        snprintf(t->item_id, sizeof(t->item_id), "%s", item->id);
    }
    struct buf *b = provider_write_open(s, "conversation.item.truncated");
    provider_write_text(b, "item_id", id);
    provider_write_int(b, "content_index", 0);
    provider_write_int(b, "audio_end_ms", end_ms);
    provider_write_send(s);
}

static void take_item_delete(struct provider_session *s, const json_t *root, struct str event_id)
{
    struct str id = js_get_str(root, "item_id");
    struct provider_item *item = id.p ? provider_item_find(s, id) : NULL;
    if (!item) {
        unknown_item(s, "item_delete_invalid_item_id", id, event_id);
        return;
    }
    size_t at = (size_t)(item - s->items);
    s->item_count--;
    memmove(item, item + 1, (s->item_count - at) * sizeof(*item));
    struct buf *b = provider_write_open(s, "conversation.item.deleted");
    provider_write_text(b, "item_id", id);
    provider_write_send(s);
}

static void take_item_retrieve(struct provider_session *s, const json_t *root, struct str event_id)
{
    struct str id = js_get_str(root, "item_id");
    struct provider_item *item = id.p ? provider_item_find(s, id) : NULL;
    if (!item) {
        unknown_item(s, "item_retrieve_invalid_item_id", id, event_id);
        return;
    }
    struct buf *b = provider_write_open(s, "conversation.item.retrieved");
    provider_write_message(b, "item", item->id,
                           item->kind == PROVIDER_ASSISTANT ? "assistant" : "user", "completed",
                           NULL);
    provider_write_send(s);
}

static char *dump(const json_t *value)
{
    if (!value)
        return NULL;
    struct buf b;
    buf_init(&b, PROVIDER_SCRIPT_BYTES_MAX);
    js_write(&b, value);
    char *text = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

static void take_response_create(struct provider_session *s, const json_t *root,
                                 struct str event_id)
{
    const json_t *options = js_get(root, "response");
    bool out_of_band = str_eq(js_get_str(options, "conversation"), STR("none"));
    if (s->response.active && !s->response.endless && !out_of_band) {
        provider_write_refuse(s, "conversation_already_has_active_response", event_id,
                              "Conversation already has an active response in progress: %s. Wait "
                              "until the response is finished before creating a new one.",
                              s->response.id);
        return;
    }
    struct str exact = provider_script_exact(js_get_str(options, "instructions"));
    struct provider_want want = {
        .exact = exact.p && exact.len > 0 ? mem_strndup(exact.p, exact.len) : NULL,
        .metadata = dump(js_get(options, "metadata")),
        .no_tools = str_eq(js_get_str(options, "tool_choice"), STR("none")),
        .out_of_band = out_of_band,
    };
    provider_reply_begin(s, want);
}

static void take_response_cancel(struct provider_session *s, const json_t *root,
                                 struct str event_id)
{
    struct str id = js_get_str(root, "response_id");
    if (!s->response.active || s->response.endless || (id.p && !str_eq(id, str_of(s->response.id))))
        provider_write_refuse(s, "response_cancel_not_active", event_id,
                              "Cancellation failed: no active response found");
    else
        provider_reply_cancel(s, "client_cancelled");
}

static void take_output_clear(struct provider_session *s, const json_t *root, struct str event_id)
{
    (void)root;
    provider_write_refuse(s, "invalid_value", event_id,
                          "output_audio_buffer.clear is for WebRTC and SIP.");
}

static const struct {
    struct str type;
    take_fn *take;
} events[] = {
    {{"session.update", 14}, take_session_update},
    {{"input_audio_buffer.append", 25}, take_append},
    {{"input_audio_buffer.commit", 25}, take_commit},
    {{"input_audio_buffer.clear", 24}, take_clear},
    {{"conversation.item.create", 24}, take_item_create},
    {{"conversation.item.truncate", 26}, take_item_truncate},
    {{"conversation.item.delete", 24}, take_item_delete},
    {{"conversation.item.retrieve", 26}, take_item_retrieve},
    {{"response.create", 15}, take_response_create},
    {{"response.cancel", 15}, take_response_cancel},
    {{"output_audio_buffer.clear", 25}, take_output_clear},
};

/* The message a bench sends fifty times a second needs no tree. */
static bool take_plain_append(struct provider_session *s, struct str text)
{
    struct str head = STR("{\"type\":\"input_audio_buffer.append\",\"audio\":\""),
               tail = STR("\"}");
    if (!str_starts(text, head) || !str_ends(text, tail) || text.len < head.len + tail.len)
        return false;
    struct str audio = str_slice(text, head.len, text.len - tail.len);
    if (memchr(audio.p, '"', audio.len) || memchr(audio.p, '\\', audio.len))
        return false;
    provider_input_append(s, audio);
    return true;
}

void provider_events_take(struct provider_session *s, struct str text)
{
    if (take_plain_append(s, text))
        return;
    json_t *root;
    struct err_detail why;
    if (js_parse(text, &root, &why) != OK) {
        provider_write_refuse(s, "invalid_json", STR_NONE, "The message is not JSON: %s", why.text);
        return;
    }
    struct str type = js_get_str(root, "type"), event_id = js_get_str(root, "event_id");
    char shown[64];
    if (!type.p) {
        provider_write_refuse(s, "invalid_event", event_id, "The event has no type.");
        json_decref(root);
        return;
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (str_eq(type, events[i].type)) {
            events[i].take(s, root, event_id);
            json_decref(root);
            return;
        }
    }
    provider_write_refuse(s, "invalid_value", event_id, "Invalid value: '%s' for 'type'.",
                          as_text(shown, sizeof(shown), type));
    json_decref(root);
}
