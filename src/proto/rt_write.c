#include "base/assert.h"
#include "proto/jsonw.h"
#include "proto/rt_private.h"
#include "proto/scan.h"

/* -- objects within events -------------------------------------------------------------------- */

static void put_error(struct jsonw *parent, const char *key, const struct rt_error *e)
{
    struct jsonw w = jsonw_object(parent, key);
    jsonw_str_or_null(&w, "type", e->type);
    jsonw_str_or_null(&w, "code", e->code);
    jsonw_str_or_null(&w, "message", e->message);
    jsonw_str_or_null(&w, "param", e->param);
    jsonw_str_or_null(&w, "event_id", e->event_id);
    jsonw_close(&w);
}

static void put_part(struct buf *b, const char *type, bool is_audio, struct str text)
{
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "type", str_of(type));
    if (is_audio)
        jsonw_str_or_null(&w, "transcript", text);
    else
        jsonw_str(&w, "text", text.p ? text : STR(""));
    jsonw_close(&w);
}

static void put_content(struct jsonw *w, const struct rt_item *item)
{
    jsonw_key(w, "content");
    buf_put_byte(w->b, '[');
    if (item->text.p || item->text_is_transcript) {
        bool agent = item->role == RT_ROLE_ASSISTANT;
        const char *type = item->text_is_transcript ? (agent ? "output_audio" : "input_audio")
                                                    : (agent ? "output_text" : "input_text");
        put_part(w->b, type, item->text_is_transcript, item->text);
    }
    buf_put_byte(w->b, ']');
}

/* An item that came in an event is passed on whole. */
static void put_item(struct buf *b, const struct rt_item *item, bool client)
{
    if (item->raw) {
        js_write(b, item->raw);
        return;
    }
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "id", item->id);
    if (!client)
        jsonw_str(&w, "object", STR("realtime.item"));
    jsonw_str(&w, "type", str_of(rt_item_type_names[item->type]));
    jsonw_str(&w, "status", str_of(rt_status_names[item->status]));
    if (item->type == RT_ITEM_MESSAGE) {
        jsonw_str(&w, "role", str_of(rt_role_names[item->role]));
        put_content(&w, item);
    }
    jsonw_str(&w, "name", item->name);
    jsonw_str(&w, "call_id", item->call_id);
    jsonw_str(&w, "arguments", item->arguments);
    jsonw_str(&w, "output", item->output);
    jsonw_close(&w);
}

static void put_items(struct jsonw *w, const char *key, const struct rt_response *r, bool client)
{
    jsonw_key(w, key);
    buf_put_byte(w->b, '[');
    for (size_t i = 0; i < r->item_count; i++) {
        if (i)
            buf_put_byte(w->b, ',');
        put_item(w->b, &r->items[i], client);
    }
    buf_put_byte(w->b, ']');
}

static void put_usage(struct jsonw *parent, const struct rt_usage *u)
{
    struct jsonw w = jsonw_object(parent, "usage");
    jsonw_int(&w, "total_tokens", u->total);
    jsonw_int(&w, "input_tokens", u->input);
    jsonw_int(&w, "output_tokens", u->output);
    struct jsonw in = jsonw_object(&w, "input_token_details");
    jsonw_int(&in, "text_tokens", u->input_text);
    jsonw_int(&in, "audio_tokens", u->input_audio);
    jsonw_int(&in, "image_tokens", u->input_image);
    jsonw_int(&in, "cached_tokens", u->cached);
    struct jsonw cached = jsonw_object(&in, "cached_tokens_details");
    jsonw_int(&cached, "text_tokens", u->cached_text);
    jsonw_int(&cached, "audio_tokens", u->cached_audio);
    jsonw_int(&cached, "image_tokens", u->cached_image);
    jsonw_close(&cached);
    jsonw_close(&in);
    struct jsonw out = jsonw_object(&w, "output_token_details");
    jsonw_int(&out, "text_tokens", u->output_text);
    jsonw_int(&out, "audio_tokens", u->output_audio);
    jsonw_close(&out);
    jsonw_close(&w);
}

/* Of a transcription: by tokens, or by time. */
static void put_transcription_usage(struct jsonw *parent, const struct rt_event *ev)
{
    struct jsonw w = jsonw_object(parent, "usage");
    if (ev->usage.present) {
        jsonw_str(&w, "type", STR("tokens"));
        jsonw_int(&w, "total_tokens", ev->usage.total);
        jsonw_int(&w, "input_tokens", ev->usage.input);
        jsonw_int(&w, "output_tokens", ev->usage.output);
        struct jsonw in = jsonw_object(&w, "input_token_details");
        jsonw_int(&in, "text_tokens", ev->usage.input_text);
        jsonw_int(&in, "audio_tokens", ev->usage.input_audio);
        jsonw_close(&in);
    } else {
        jsonw_str(&w, "type", STR("duration"));
        jsonw_permille(&w, "seconds", ev->usage_duration_ms < 0 ? 0 : ev->usage_duration_ms);
    }
    jsonw_close(&w);
}

static void put_max_tokens(struct jsonw *w, int64_t max)
{
    if (max < 0)
        jsonw_literal(w, "max_output_tokens", "\"inf\"");
    else if (max > 0)
        jsonw_int(w, "max_output_tokens", max);
}

static void put_modality(struct jsonw *w, struct str modality)
{
    if (!modality.p)
        return;
    jsonw_key(w, "output_modalities");
    buf_put_byte(w->b, '[');
    buf_put_json(w->b, modality);
    buf_put_byte(w->b, ']');
}

static void put_metadata(struct jsonw *parent, struct str purpose)
{
    struct jsonw w = jsonw_object(parent, "metadata");
    jsonw_str(&w, "callee_purpose", purpose);
    jsonw_close(&w);
}

static void put_response_options(struct jsonw *parent, const struct rt_response *r)
{
    struct jsonw w = jsonw_object(parent, "response");
    if (r->out_of_band)
        jsonw_str(&w, "conversation", STR("none"));
    put_modality(&w, r->output_modality);
    if (r->empty_input || r->item_count > 0)
        put_items(&w, "input", r, true);
    jsonw_str(&w, "instructions", r->instructions);
    jsonw_str(&w, "tool_choice", r->tool_choice);
    put_max_tokens(&w, r->max_output_tokens);
    if (r->metadata_purpose.p)
        put_metadata(&w, r->metadata_purpose);
    jsonw_close(&w);
}

static void put_status_details(struct jsonw *parent, const struct rt_response *r)
{
    if (!r->status_reason.p && !r->error.type.p && !r->error.code.p) {
        jsonw_literal(parent, "status_details", "null");
        return;
    }
    struct jsonw w = jsonw_object(parent, "status_details");
    jsonw_str(&w, "type", str_of(rt_status_names[r->status]));
    jsonw_str(&w, "reason", r->status_reason);
    if (r->error.type.p || r->error.code.p) {
        struct jsonw e = jsonw_object(&w, "error");
        jsonw_str(&e, "type", r->error.type);
        jsonw_str(&e, "code", r->error.code);
        jsonw_str(&e, "message", r->error.message);
        jsonw_close(&e);
    }
    jsonw_close(&w);
}

static void put_response_result(struct jsonw *parent, const struct rt_response *r)
{
    struct jsonw w = jsonw_object(parent, "response");
    jsonw_str(&w, "object", STR("realtime.response"));
    jsonw_str(&w, "id", r->id);
    jsonw_str(&w, "status", str_of(rt_status_names[r->status]));
    put_status_details(&w, r);
    put_items(&w, "output", r, false);
    jsonw_str_or_null(&w, "conversation_id", r->conversation_id);
    put_modality(&w, r->output_modality);
    put_max_tokens(&w, r->max_output_tokens);
    if (r->usage.present)
        put_usage(&w, &r->usage);
    else
        jsonw_literal(&w, "usage", "null");
    if (r->metadata_purpose.p)
        put_metadata(&w, r->metadata_purpose);
    else
        jsonw_literal(&w, "metadata", "null");
    jsonw_close(&w);
}

/* -- the event -------------------------------------------------------------------------------- */

/* Items are appended behind their predecessor, which is null for the first one. */
static bool may_be_null(enum rt_type type, const char *key)
{
    return !rt_type_is_client(type) && strcmp(key, "previous_item_id") == 0;
}

static void put_struct(struct jsonw *w, const struct rt_event *ev, const struct rt_member_row *row)
{
    switch (row->kind) {
    case RT_KIND_ERROR:
        put_error(w, row->key, &ev->error);
        break;
    case RT_KIND_ITEM:
        jsonw_key(w, row->key);
        put_item(w->b, &ev->item, rt_type_is_client(ev->type));
        break;
    case RT_KIND_SESSION:
        jsonw_key(w, row->key);
        rt_write_session(w->b, &ev->session, rt_type_is_client(ev->type));
        break;
    case RT_KIND_RESPONSE:
        if (ev->type != RT_RESPONSE_CREATE)
            put_response_result(w, &ev->response);
        else if (ev->has_response)
            put_response_options(w, &ev->response);
        break;
    case RT_KIND_CONVERSATION: {
        struct jsonw c = jsonw_object(w, row->key);
        jsonw_str(&c, "id", ev->conversation_id);
        jsonw_str(&c, "object", STR("realtime.conversation"));
        jsonw_close(&c);
        break;
    }
    case RT_KIND_PART:
        jsonw_key(w, row->key);
        put_part(w->b, ev->part_is_audio ? "audio" : "text", ev->part_is_audio, ev->text);
        break;
    case RT_KIND_USAGE:
        put_transcription_usage(w, ev);
        break;
    case RT_KIND_RATE_LIMITS:
        jsonw_literal(w, row->key, "[]");
        break;
    case RT_KIND_STR:
    case RT_KIND_INT:
        break;
    }
}

void rt_event_write(struct buf *b, const struct rt_event *ev)
{
    if (ev->root) {
        js_write(b, ev->root);
        return;
    }
    ASSERT(ev->type > RT_UNKNOWN && ev->type < RT_TYPE_COUNT);
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "type", str_of(rt_type_name(ev->type)));
    jsonw_str(&w, "event_id", ev->event_id);
    for (int m = 0; m < RT_MEMBER_COUNT; m++) {
        const struct rt_member_row *row = &rt_member_rows[m];
        const char *field = (const char *)ev + row->offset;
        if (!(rt_members[ev->type] & UINT32_C(1) << m))
            continue;
        if (row->kind == RT_KIND_INT) {
            jsonw_int(&w, row->key, *(const int64_t *)(const void *)field);
        } else if (row->kind == RT_KIND_STR) {
            struct str value = *(const struct str *)(const void *)field;
            (may_be_null(ev->type, row->key) ? jsonw_str_or_null : jsonw_str)(&w, row->key, value);
        } else {
            put_struct(&w, ev, row);
        }
    }
    jsonw_close(&w);
}

void rt_write_append(struct buf *b, struct str audio)
{
    buf_put_str(b, STR("{\"type\":\"input_audio_buffer.append\",\"audio\":"));
    scan_put_json(b, audio);
    buf_put_byte(b, '}');
}
