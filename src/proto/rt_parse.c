#include "base/assert.h"
#include "proto/rt_private.h"

/* -- members, strictly ------------------------------------------------------------------------ */

void rt_read_fail(struct rt_reader *r, const char *key, const char *what)
{
    if (r->err == OK)
        r->err = err_explain(r->detail, ERR_INVALID, "'%s' is not %s", key, what);
}

const json_t *rt_read_object(struct rt_reader *r, const json_t *obj, const char *key)
{
    const json_t *v = js_get(obj, key);
    if (v && !json_is_object(v)) {
        rt_read_fail(r, key, "an object");
        return NULL;
    }
    return v;
}

const json_t *rt_read_array(struct rt_reader *r, const json_t *obj, const char *key)
{
    const json_t *v = js_get(obj, key);
    if (v && !json_is_array(v)) {
        rt_read_fail(r, key, "an array");
        return NULL;
    }
    return v;
}

static struct str str_value(const json_t *v)
{
    return str_n(json_string_value(v), json_string_length(v));
}

void rt_read_str(struct rt_reader *r, const json_t *obj, const char *key, struct str *out)
{
    const json_t *v = js_get(obj, key);
    if (v && json_is_string(v))
        *out = str_value(v);
    else if (v)
        rt_read_fail(r, key, "a string");
}

/* A number times `scale`, to the nearest whole one. Some servers write 640.0 where 640 is meant. */
static void read_number(struct rt_reader *r, const json_t *obj, const char *key, int64_t scale,
                        int64_t *out)
{
    static const double MAX = 9007199254740992.0; /* 2^53: whole numbers are exact up to here */
    const json_t *v = js_get(obj, key);
    if (!v)
        return;
    if (json_is_integer(v) && scale == 1) {
        *out = json_integer_value(v);
        return;
    }
    double x = json_number_value(v) * (double)scale;
    if (json_is_number(v) && x <= MAX && x >= -MAX)
        *out = (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
    else
        rt_read_fail(r, key, "a number in range");
}

void rt_read_int(struct rt_reader *r, const json_t *obj, const char *key, int64_t *out)
{
    read_number(r, obj, key, 1, out);
}

void rt_read_scaled(struct rt_reader *r, const json_t *obj, const char *key, int64_t *out)
{
    read_number(r, obj, key, 1000, out);
}

void rt_read_bool(struct rt_reader *r, const json_t *obj, const char *key, bool *out)
{
    const json_t *v = js_get(obj, key);
    if (v && json_is_boolean(v))
        *out = json_is_true(v);
    else if (v)
        rt_read_fail(r, key, "true or false");
}

void rt_read_max_tokens(struct rt_reader *r, const json_t *obj, int64_t *out)
{
    const json_t *v = js_get(obj, "max_output_tokens");
    if (v && json_is_string(v) && str_eq(str_value(v), STR("inf")))
        *out = -1;
    else if (v && (!json_is_integer(v) || json_integer_value(v) < 1))
        rt_read_fail(r, "max_output_tokens", "a positive number or \"inf\"");
    else if (v)
        *out = json_integer_value(v);
}

void rt_read_modality(struct rt_reader *r, const json_t *obj, struct str *out)
{
    const json_t *list = rt_read_array(r, obj, "output_modalities");
    const json_t *first = json_array_get(list, 0);
    if (first && json_is_string(first))
        *out = str_value(first);
    else if (first)
        rt_read_fail(r, "output_modalities", "an array of strings");
}

/* The index of the name that member `key` has in `names`, 0 when absent or not among them. */
static int read_enum(struct rt_reader *r, const json_t *obj, const char *key,
                     const char *const *names, int count)
{
    struct str s = STR_NONE;
    rt_read_str(r, obj, key, &s);
    for (int i = 1; i < count; i++)
        if (str_eq(s, str_of(names[i])))
            return i;
    return 0;
}

/* -- the objects within events ---------------------------------------------------------------- */

static void read_error(struct rt_reader *r, const json_t *obj, struct rt_error *out)
{
    rt_read_str(r, obj, "type", &out->type);
    rt_read_str(r, obj, "code", &out->code);
    rt_read_str(r, obj, "message", &out->message);
    rt_read_str(r, obj, "param", &out->param);
    rt_read_str(r, obj, "event_id", &out->event_id);
}

/* Old and new names of one part type; servers still mix them. True for text and audio parts. */
static bool read_part(struct rt_reader *r, const json_t *part, struct str *text, bool *is_audio)
{
    struct str type = STR_NONE;
    if (!json_is_object(part)) {
        rt_read_fail(r, "content", "an array of objects");
        return false;
    }
    rt_read_str(r, part, "type", &type);
    if (str_eq(type, STR("text")) || str_eq(type, STR("input_text")) ||
        str_eq(type, STR("output_text"))) {
        rt_read_str(r, part, "text", text);
        *is_audio = false;
        return true;
    }
    if (str_eq(type, STR("audio")) || str_eq(type, STR("input_audio")) ||
        str_eq(type, STR("output_audio"))) {
        rt_read_str(r, part, "transcript", text);
        *is_audio = true;
        return true;
    }
    return false;
}

static void read_item(struct rt_reader *r, const json_t *obj, struct rt_item *out)
{
    out->raw = obj;
    rt_read_str(r, obj, "id", &out->id);
    out->type =
        (enum rt_item_type)read_enum(r, obj, "type", rt_item_type_names, RT_ITEM_REFERENCE + 1);
    out->role = (enum rt_role)read_enum(r, obj, "role", rt_role_names, RT_ROLE_ASSISTANT + 1);
    out->status =
        (enum rt_status)read_enum(r, obj, "status", rt_status_names, RT_STATUS_FAILED + 1);
    if (out->type == RT_ITEM_UNKNOWN)
        return; /* whatever it has, it is not ours to judge */
    rt_read_str(r, obj, "name", &out->name);
    rt_read_str(r, obj, "call_id", &out->call_id);
    rt_read_str(r, obj, "arguments", &out->arguments);
    rt_read_str(r, obj, "output", &out->output);
    const json_t *content = rt_read_array(r, obj, "content");
    for (size_t i = 0; i < json_array_size(content); i++)
        if (read_part(r, json_array_get(content, i), &out->text, &out->text_is_transcript))
            break;
}

static void read_items(struct rt_reader *r, const json_t *list, struct rt_response *out)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < RT_ITEMS_MAX; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_object(item)) {
            rt_read_fail(r, "output", "an array of objects");
            return;
        }
        read_item(r, item, &out->items[out->item_count++]);
    }
}

static void read_usage(struct rt_reader *r, const json_t *obj, struct rt_usage *out,
                       int64_t *duration_ms)
{
    struct str type = STR_NONE;
    rt_read_str(r, obj, "type", &type);
    if (str_eq(type, STR("duration"))) {
        rt_read_scaled(r, obj, "seconds", duration_ms);
        return;
    }
    out->present = true;
    rt_read_int(r, obj, "total_tokens", &out->total);
    rt_read_int(r, obj, "input_tokens", &out->input);
    rt_read_int(r, obj, "output_tokens", &out->output);
    const json_t *in = rt_read_object(r, obj, "input_token_details");
    rt_read_int(r, in, "text_tokens", &out->input_text);
    rt_read_int(r, in, "audio_tokens", &out->input_audio);
    rt_read_int(r, in, "image_tokens", &out->input_image);
    rt_read_int(r, in, "cached_tokens", &out->cached);
    const json_t *cached = rt_read_object(r, in, "cached_tokens_details");
    rt_read_int(r, cached, "text_tokens", &out->cached_text);
    rt_read_int(r, cached, "audio_tokens", &out->cached_audio);
    rt_read_int(r, cached, "image_tokens", &out->cached_image);
    const json_t *outd = rt_read_object(r, obj, "output_token_details");
    rt_read_int(r, outd, "text_tokens", &out->output_text);
    rt_read_int(r, outd, "audio_tokens", &out->output_audio);
}

/* What both shapes of the object have: responses and the options of response.create. */
static void read_response(struct rt_reader *r, const json_t *obj, struct rt_response *out)
{
    out->raw = obj;
    rt_read_str(r, obj, "id", &out->id);
    rt_read_str(r, obj, "conversation_id", &out->conversation_id);
    rt_read_str(r, obj, "instructions", &out->instructions);
    rt_read_modality(r, obj, &out->output_modality);
    rt_read_max_tokens(r, obj, &out->max_output_tokens);
    rt_read_str(r, rt_read_object(r, obj, "metadata"), "callee_purpose", &out->metadata_purpose);
    if (json_is_string(json_object_get(obj, "tool_choice"))) /* else it names one tool */
        rt_read_str(r, obj, "tool_choice", &out->tool_choice);
}

static void read_response_options(struct rt_reader *r, const json_t *obj, struct rt_response *out)
{
    struct str conversation = STR_NONE;
    read_response(r, obj, out);
    rt_read_str(r, obj, "conversation", &conversation);
    out->out_of_band = str_eq(conversation, STR("none"));
    const json_t *input = rt_read_array(r, obj, "input");
    out->empty_input = input && json_array_size(input) == 0;
    read_items(r, input, out);
}

static void read_response_result(struct rt_reader *r, const json_t *obj, struct rt_response *out)
{
    int64_t unused = 0;
    read_response(r, obj, out);
    out->status =
        (enum rt_status)read_enum(r, obj, "status", rt_status_names, RT_STATUS_FAILED + 1);
    const json_t *details = rt_read_object(r, obj, "status_details");
    rt_read_str(r, details, "reason", &out->status_reason);
    read_error(r, rt_read_object(r, details, "error"), &out->error);
    read_items(r, rt_read_array(r, obj, "output"), out);
    const json_t *usage = rt_read_object(r, obj, "usage");
    if (usage)
        read_usage(r, usage, &out->usage, &unused);
}

/* -- the event -------------------------------------------------------------------------------- */

static void read_member(struct rt_reader *r, struct rt_event *ev, const struct rt_member_row *row)
{
    void *field = (char *)ev + row->offset;
    if (row->kind == RT_KIND_STR) {
        rt_read_str(r, ev->root, row->key, field);
        return;
    }
    if (row->kind == RT_KIND_INT) {
        rt_read_int(r, ev->root, row->key, field);
        return;
    }
    if (row->kind == RT_KIND_RATE_LIMITS) /* kept in the tree alone */
        return;
    const json_t *obj = rt_read_object(r, ev->root, row->key);
    if (!obj)
        return;
    if (row->kind == RT_KIND_ERROR)
        read_error(r, obj, field);
    else if (row->kind == RT_KIND_ITEM)
        read_item(r, obj, field);
    else if (row->kind == RT_KIND_SESSION)
        rt_read_session(r, obj, field);
    else if (row->kind == RT_KIND_CONVERSATION)
        rt_read_str(r, obj, "id", field);
    else if (row->kind == RT_KIND_USAGE)
        read_usage(r, obj, field, &ev->usage_duration_ms);
    else if (row->kind == RT_KIND_PART)
        read_part(r, obj, field, &ev->part_is_audio);
    else if (ev->type == RT_RESPONSE_CREATE)
        read_response_options(r, obj, field);
    else
        read_response_result(r, obj, field);
    ev->has_response |= row->kind == RT_KIND_RESPONSE;
}

enum err rt_parse_full(struct rt_event *out, struct str text, struct err_detail *detail)
{
    struct rt_reader r = {OK, detail};
    json_t *root;
    enum err err = js_parse(text, &root, detail);
    if (err)
        return err;
    const json_t *type = json_object_get(root, "type");
    if (!json_is_string(type)) {
        json_decref(root);
        return err_explain(detail, ERR_INVALID, "the event is not an object with a string 'type'");
    }
    struct rt_event ev;
    rt_event_empty(&ev, rt_type_of(str_value(type)));
    ev.root = root;
    ev.type_text = str_value(type);
    if (ev.type == RT_UNKNOWN)
        ev.event_id = js_get_str(root, "event_id");
    else
        rt_read_str(&r, root, "event_id", &ev.event_id);
    for (int m = 0; m < RT_MEMBER_COUNT; m++)
        if (rt_members[ev.type] & UINT32_C(1) << m)
            read_member(&r, &ev, &rt_member_rows[m]);
    if (r.err) {
        json_decref(root);
        return r.err;
    }
    *out = ev;
    return OK;
}
