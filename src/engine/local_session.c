/* The session object, and which client event goes where. */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/local_impl.h"

static const char defaults[] =
    "{\"type\":\"realtime\",\"object\":\"realtime.session\",\"id\":\"\",\"model\":\"local\","
    "\"output_modalities\":[\"audio\"],\"instructions\":\"\",\"tools\":[],\"tool_choice\":\"auto\","
    "\"max_output_tokens\":\"inf\",\"tracing\":null,\"prompt\":null,\"expires_at\":0,"
    "\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000},"
    "\"transcription\":null,\"noise_reduction\":null,\"turn_detection\":{\"type\":\"server_vad\","
    "\"threshold\":0.5,\"prefix_padding_ms\":300,\"silence_duration_ms\":500,"
    "\"idle_timeout_ms\":null,\"create_response\":true,\"interrupt_response\":true}},"
    "\"output\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000},\"voice\":\"slt\","
    "\"speed\":1.0}},\"include\":null}";

enum { SESSION_SECONDS = 3600 }; /* what a provider announces; ours does not expire */

static enum rt_audio_format format_of(const json_t *side)
{
    struct str type = js_get_str(js_get(side, "format"), "type");
    if (str_eq(type, STR("audio/pcmu")))
        return RT_FORMAT_PCMU;
    return str_eq(type, STR("audio/pcma")) ? RT_FORMAT_PCMA : RT_FORMAT_PCM24K;
}

static void read_tools(struct local_engine *e)
{
    const json_t *tools = js_get(e->session, "tools");
    struct local_tools has = {0};
    for (size_t i = 0; i < json_array_size(tools); i++) {
        struct str name = js_get_str(json_array_get(tools, i), "name");
        has.knowledge |= str_eq(name, str_of(local_tool_name(LOCAL_TOOL_KNOWLEDGE)));
        has.transfer |= str_eq(name, str_of(local_tool_name(LOCAL_TOOL_TRANSFER)));
        has.end |= str_eq(name, str_of(local_tool_name(LOCAL_TOOL_END)));
    }
    e->reply.tools = has;
}

static int64_t permille(const json_t *obj, const char *key, double fallback)
{
    const json_t *v = js_get(obj, key);
    return (int64_t)((json_is_number(v) ? json_number_value(v) : fallback) * 1000.0 + 0.5);
}

static void read_turn_detection(struct local_engine *e, const json_t *input)
{
    const json_t *td = js_get(input, "turn_detection");
    int64_t prefix = js_get_int(td, "prefix_padding_ms", 300);
    int64_t silence = js_get_int(td, "silence_duration_ms", 500);
    int64_t threshold = permille(td, "threshold", 0.5);
    e->input.vad_on = json_is_object(td);
    e->input.create_response = e->input.vad_on && js_get_bool(td, "create_response", true);
    e->input.interrupt_response = e->input.vad_on && js_get_bool(td, "interrupt_response", true);
    e->input.vad_opts = (struct vad_opts){
        .threshold_permille = threshold > 0 && threshold <= 1000 ? threshold : 500,
        .prefix_ms =
            prefix > 0 ? (prefix < LOCAL_PREFIX_MS_MAX ? prefix : LOCAL_PREFIX_MS_MAX) : -1,
        .silence_ms = silence > 0 ? silence : 500};
}

static void apply(struct local_engine *e)
{
    const json_t *audio = js_get(e->session, "audio");
    const json_t *input = js_get(audio, "input"), *output = js_get(audio, "output");
    const json_t *modality = json_array_get(js_get(e->session, "output_modalities"), 0);
    e->input.format = format_of(input);
    e->out_format = format_of(output);
    e->transcribe = json_is_object(js_get(input, "transcription"));
    e->text_only = modality && str_eq(str_of(json_string_value(modality)), STR("text"));
    e->voice = e->driver->voice;
    (void)tts_voice_find(js_get_str(output, "voice"), &e->voice);
    int64_t speed = permille(output, "speed", 1.0);
    e->speed = (unsigned)(speed < 250 ? 250 : speed > 1500 ? 1500 : speed);
    read_turn_detection(e, input);
    read_tools(e);
    local_input_configure(e);
}

void local_session_init(struct local_engine *e)
{
    char id[LOCAL_ID_BYTES];
    local_id(e, id, "sess");
    local_id(e, e->conversation, "conv");
    e->session = json_loads(defaults, 0, NULL);
    json_object_set_new(e->session, "id", json_string(id));
    json_object_set_new(e->session, "expires_at",
                        json_integer(clock_wall_ms() / 1000 + SESSION_SECONDS));
    apply(e);
}

void local_session_announce(struct local_engine *e, const char *type)
{
    char id[LOCAL_ID_BYTES];
    struct buf b;
    local_next_event_id(e, id);
    buf_init(&b, LOCAL_EVENT_BYTES_MAX);
    buf_printf(&b, "{\"type\":\"%s\",\"event_id\":\"%s\",\"session\":", type, id);
    js_write(&b, e->session);
    buf_put_byte(&b, '}');
    if (buf_ok(&b))
        local_emit_text(e, buf_str(&b));
    buf_fini(&b);
}

static void update(struct local_engine *e, const struct rt_event *ev)
{
    const json_t *change = ev->session.raw;
    if (!change || !str_eq(ev->session.type, STR("realtime"))) {
        local_refuse(e, "missing_required_parameter", ev->event_id, "session.type",
                     "Missing required parameter: 'session.type'.");
        return;
    }
    json_t *copy = json_deep_copy(change);
    static const char *const fixed[] = {"id", "object", "model", "expires_at"};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        json_object_del(copy, fixed[i]);
    json_object_update_recursive(e->session, copy);
    json_decref(copy);
    e->tokens_text = (int64_t)js_get_str(e->session, "instructions").len / 4;
    apply(e);
    local_session_announce(e, "session.updated");
}

void local_session_take(struct local_engine *e, struct rt_event *ev)
{
    switch ((int)ev->type) {
    case RT_SESSION_UPDATE:
        update(e, ev);
        return;
    case RT_INPUT_AUDIO_APPEND:
        local_input_append(e, ev);
        return;
    case RT_INPUT_AUDIO_COMMIT:
        local_input_commit(e, ev->event_id);
        return;
    case RT_INPUT_AUDIO_CLEAR:
        local_input_clear(e);
        return;
    case RT_ITEM_CREATE:
    case RT_ITEM_RETRIEVE:
    case RT_ITEM_TRUNCATE:
    case RT_ITEM_DELETE:
        local_items_take(e, ev);
        return;
    case RT_RESPONSE_CREATE:
        local_answer_create(e, ev);
        return;
    case RT_RESPONSE_CANCEL:
        local_answer_cancel(e, ev);
        return;
    case RT_OUTPUT_AUDIO_CLEAR:
        return; /* for WebRTC and SIP alone */
    default:
        local_refuse(e, "invalid_value", ev->event_id, "type", "Unknown event type '%.*s'.",
                     STR_FMT(str_slice(ev->type_text, 0, 64)));
        return;
    }
}
