#include "proto/rt_beta.h"

#include <string.h>

#include "base/js.h"
#include "proto/rt_private.h"

struct pair {
    const char *beta, *ga;
};

/* Events whose name alone changed. */
static const struct pair event_names[] = {
    {"response.text.delta", "response.output_text.delta"},
    {"response.text.done", "response.output_text.done"},
    {"response.audio.delta", "response.output_audio.delta"},
    {"response.audio.done", "response.output_audio.done"},
    {"response.audio_transcript.delta", "response.output_audio_transcript.delta"},
    {"response.audio_transcript.done", "response.output_audio_transcript.done"},
};

/* The same, for transcription sessions; their object changed too. */
static const struct pair transcription_names[] = {
    {"transcription_session.update", "session.update"},
    {"transcription_session.created", "session.created"},
    {"transcription_session.updated", "session.updated"},
};

static const struct pair part_types[] = {{"text", "output_text"}, {"audio", "output_audio"}};

static const struct pair format_names[] = {
    {"pcm16", "audio/pcm"}, {"g711_ulaw", "audio/pcmu"}, {"g711_alaw", "audio/pcma"}};

/* Flat members of a beta session, and where they went below `audio`. */
static const struct {
    const char *flat, *side, *key;
    bool is_format;
} nested[] = {
    {"voice", "output", "voice", false},
    {"speed", "output", "speed", false},
    {"output_audio_format", "output", "format", true},
    {"input_audio_format", "input", "format", true},
    {"input_audio_transcription", "input", "transcription", false},
    {"input_audio_noise_reduction", "input", "noise_reduction", false},
    {"turn_detection", "input", "turn_detection", false},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *rename_by(const struct pair *pairs, size_t count, const char *name, bool to_ga)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, to_ga ? pairs[i].beta : pairs[i].ga) == 0)
            return to_ga ? pairs[i].ga : pairs[i].beta;
    return NULL;
}

static const char *text_of(const json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

/* The member, taken out of the object; NULL when absent. The caller owns it. */
static json_t *take(json_t *obj, const char *key)
{
    json_t *v = json_incref(json_object_get(obj, key));
    if (v)
        json_object_del(obj, key);
    return v;
}

/* The object that is member `key`, made if need be. */
static json_t *child(json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);
    if (!json_is_object(v)) {
        json_object_set_new(obj, key, json_object());
        v = json_object_get(obj, key);
    }
    return v;
}

/* -- values -------------------------------------------------------------------------------------
 */

static json_t *format_to_ga(json_t *beta)
{
    const char *name = rename_by(format_names, COUNT(format_names), json_string_value(beta), true);
    if (!name)
        return beta;
    json_decref(beta);
    json_t *ga = json_object();
    json_object_set_new(ga, "type", json_string(name));
    if (strcmp(name, "audio/pcm") == 0)
        json_object_set_new(ga, "rate", json_integer(24000));
    return ga;
}

static json_t *format_from_ga(json_t *ga)
{
    const char *name = rename_by(format_names, COUNT(format_names), text_of(ga, "type"), false);
    if (!name)
        return ga;
    json_decref(ga);
    return json_string(name);
}

/* A custom voice is an object in GA; the beta knows names alone. */
static json_t *voice_from_ga(json_t *ga)
{
    json_t *id = json_incref(json_object_get(ga, "id"));
    if (!id)
        return ga;
    json_decref(ga);
    return id;
}

static json_t *one_of(const char *a, const char *b)
{
    json_t *list = json_array();
    json_array_append_new(list, json_string(a));
    if (b)
        json_array_append_new(list, json_string(b));
    return list;
}

static bool has_audio(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name && strcmp(name, "audio") == 0)
            return true;
    }
    return false;
}

/* -- objects: sessions, responses, items --------------------------------------------------------
 */

/* Shared by sessions and responses: modalities and what lives below `audio`. */
static void common_to_ga(json_t *obj)
{
    json_t *modalities = take(obj, "modalities");
    if (modalities)
        json_object_set_new(obj, "output_modalities",
                            one_of(has_audio(modalities) ? "audio" : "text", NULL));
    json_decref(modalities);
    json_object_del(obj, "temperature");
    for (size_t i = 0; i < COUNT(nested); i++) {
        json_t *v = take(obj, nested[i].flat);
        if (v)
            json_object_set_new(child(child(obj, "audio"), nested[i].side), nested[i].key,
                                nested[i].is_format ? format_to_ga(v) : v);
    }
}

static void common_from_ga(json_t *obj)
{
    static const char *const dropped[] = {"truncation", "reasoning", "parallel_tool_calls", "type"};
    json_t *modalities = take(obj, "output_modalities");
    if (modalities)
        json_object_set_new(obj, "modalities",
                            has_audio(modalities) ? one_of("audio", "text") : one_of("text", NULL));
    json_decref(modalities);
    for (size_t i = 0; i < COUNT(dropped); i++)
        json_object_del(obj, dropped[i]);
    json_t *audio = take(obj, "audio");
    for (size_t i = 0; i < COUNT(nested); i++) {
        json_t *v = take(json_object_get(audio, nested[i].side), nested[i].key);
        if (!v)
            continue;
        if (nested[i].is_format)
            v = format_from_ga(v);
        else if (strcmp(nested[i].key, "voice") == 0)
            v = voice_from_ga(v);
        json_object_set_new(obj, nested[i].flat, v);
    }
    json_decref(audio);
}

static void rename_key(json_t *obj, const char *from, const char *to)
{
    json_t *v = take(obj, from);
    if (v)
        json_object_set_new(obj, to, v);
}

static void session(json_t *obj, bool to_ga, bool transcription)
{
    if (!json_is_object(obj))
        return;
    if (to_ga) {
        common_to_ga(obj);
        rename_key(obj, "max_response_output_tokens", "max_output_tokens");
        if (!json_object_get(obj, "type"))
            json_object_set_new(obj, "type",
                                json_string(transcription ? "transcription" : "realtime"));
    } else {
        common_from_ga(obj);
        rename_key(obj, "max_output_tokens", "max_response_output_tokens");
    }
}

static void item(json_t *obj, bool to_ga)
{
    const char *role = text_of(obj, "role");
    json_t *content = json_object_get(obj, "content");
    if (!role || strcmp(role, "assistant") != 0)
        return;
    for (size_t i = 0; i < json_array_size(content); i++) {
        json_t *part = json_array_get(content, i);
        const char *type = rename_by(part_types, COUNT(part_types), text_of(part, "type"), to_ga);
        if (type)
            json_object_set_new(part, "type", json_string(type));
    }
}

static void response(json_t *obj, bool to_ga)
{
    static const char *const lists[] = {"output", "input"};
    if (!json_is_object(obj))
        return;
    if (to_ga)
        common_to_ga(obj);
    else
        common_from_ga(obj);
    for (size_t l = 0; l < COUNT(lists); l++) {
        const json_t *list = json_object_get(obj, lists[l]);
        for (size_t i = 0; i < json_array_size(list); i++)
            item(json_array_get(list, i), to_ga);
    }
}

/* -- events -------------------------------------------------------------------------------------
 */

static void put_line(struct buf *out, const json_t *root)
{
    js_write(out, root);
    buf_put_byte(out, '\n');
}

static void put_as(struct buf *out, json_t *root, const char *type)
{
    json_object_set_new(root, "type", json_string(type));
    put_line(out, root);
}

/* Session events of either kind; true if the event was one. */
static bool translate_session(struct buf *out, json_t *root, bool to_ga)
{
    const char *type = text_of(root, "type");
    json_t *obj = json_object_get(root, "session");
    const char *ga = rename_by(transcription_names, COUNT(transcription_names), type, true);
    bool transcription = ga != NULL;
    if (!to_ga) {
        const char *kind = text_of(obj, "type");
        const char *beta = rename_by(transcription_names, COUNT(transcription_names), type, false);
        if (!beta)
            return false;
        transcription = kind && strcmp(kind, "transcription") == 0;
        session(obj, false, transcription);
        put_as(out, root, transcription ? beta : type);
        return true;
    }
    if (!ga && !rename_by(transcription_names, COUNT(transcription_names), type, false))
        return false;
    session(obj, true, transcription);
    put_as(out, root, ga ? ga : type);
    return true;
}

/* The events about items that are not one to one; true if the event was one. */
static bool translate_items(struct buf *out, json_t *root, bool to_ga)
{
    const char *type = text_of(root, "type");
    const char *status = text_of(json_object_get(root, "item"), "status");
    bool complete = !status || strcmp(status, "in_progress") != 0;
    if (to_ga && strcmp(type, "conversation.item.created") == 0) {
        put_as(out, root, "conversation.item.added");
        if (complete)
            put_as(out, root, "conversation.item.done");
        return true;
    }
    if (to_ga && strcmp(type, "response.output_item.done") == 0) {
        /* The beta says once that an answer's item is complete, GA twice. */
        json_t *done = json_object();
        json_object_set(done, "type", json_object_get(root, "type"));
        json_object_set(done, "event_id", json_object_get(root, "event_id"));
        json_object_set_new(done, "previous_item_id", json_null());
        json_object_set(done, "item", json_object_get(root, "item"));
        put_as(out, done, "conversation.item.done");
        json_decref(done);
        put_line(out, root);
        return true;
    }
    if (!to_ga && strcmp(type, "conversation.item.added") == 0) {
        put_as(out, root, "conversation.item.created");
        return true;
    }
    return !to_ga && strcmp(type, "conversation.item.done") == 0;
}

static enum err translate(struct buf *out, struct str text, bool to_ga, struct err_detail *detail)
{
    struct rt_event frame;
    json_t *root;
    if (rt_parse_frame(&frame, text) && frame.type == RT_INPUT_AUDIO_APPEND) {
        rt_event_write(out, &frame); /* fifty a second, and the same in both shapes */
        buf_put_byte(out, '\n');
        return OK;
    }
    enum err err = js_parse(text, &root, detail);
    if (err)
        return err;
    const char *type = text_of(root, "type");
    if (!type) {
        json_decref(root);
        return err_explain(detail, ERR_INVALID, "the event is not an object with a string 'type'");
    }
    item(json_object_get(root, "item"), to_ga);
    if (strncmp(type, "response.", 9) == 0)
        response(json_object_get(root, "response"), to_ga);
    const char *name = rename_by(event_names, COUNT(event_names), type, to_ga);
    if (name)
        put_as(out, root, name);
    else if (!translate_session(out, root, to_ga) && !translate_items(out, root, to_ga))
        put_line(out, root);
    json_decref(root);
    return OK;
}

enum err rt_beta_to_ga(struct buf *out, struct str text, struct err_detail *detail)
{
    return translate(out, text, true, detail);
}

enum err rt_beta_from_ga(struct buf *out, struct str text, struct err_detail *detail)
{
    return translate(out, text, false, detail);
}
