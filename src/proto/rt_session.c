/* The `session` object, both ways: its nesting lives in this file alone. */
#include "proto/jsonw.h"
#include "proto/rt_private.h"

static const char *const formats[] = {
    [RT_FORMAT_PCM24K] = "audio/pcm",
    [RT_FORMAT_PCMU] = "audio/pcmu",
    [RT_FORMAT_PCMA] = "audio/pcma",
};

/* -- reading ---------------------------------------------------------------------------------- */

static void read_format(struct rt_reader *r, const json_t *obj, enum rt_audio_format *out)
{
    struct str type = STR_NONE;
    int64_t rate = 24000;
    const json_t *format = rt_read_object(r, obj, "format");
    rt_read_str(r, format, "type", &type);
    rt_read_int(r, format, "rate", &rate);
    for (int i = RT_FORMAT_PCM24K; i <= RT_FORMAT_PCMA; i++)
        if (str_eq(type, str_of(formats[i])) && (i != RT_FORMAT_PCM24K || rate == 24000))
            *out = (enum rt_audio_format)i;
}

static void read_turn_detection(struct rt_reader *r, const json_t *input,
                                struct rt_turn_detection *out)
{
    struct str type = STR_NONE;
    if (json_is_null(json_object_get(input, "turn_detection"))) {
        out->type = RT_VAD_NULL;
        return;
    }
    const json_t *obj = rt_read_object(r, input, "turn_detection");
    if (!obj)
        return;
    *out = (struct rt_turn_detection){.threshold_permille = 500,
                                      .prefix_padding_ms = 300,
                                      .silence_duration_ms = 500,
                                      .create_response = true,
                                      .interrupt_response = true};
    rt_read_str(r, obj, "type", &type);
    if (!type.p || str_eq(type, STR("server_vad")))
        out->type = RT_VAD_SERVER;
    else if (str_eq(type, STR("semantic_vad")))
        out->type = RT_VAD_SEMANTIC; /* any other name is some provider's own and stays unset */
    rt_read_scaled(r, obj, "threshold", &out->threshold_permille);
    rt_read_int(r, obj, "prefix_padding_ms", &out->prefix_padding_ms);
    rt_read_int(r, obj, "silence_duration_ms", &out->silence_duration_ms);
    rt_read_int(r, obj, "idle_timeout_ms", &out->idle_timeout_ms);
    rt_read_str(r, obj, "eagerness", &out->eagerness);
    rt_read_bool(r, obj, "create_response", &out->create_response);
    rt_read_bool(r, obj, "interrupt_response", &out->interrupt_response);
}

void rt_read_session(struct rt_reader *r, const json_t *obj, struct rt_session *out)
{
    out->raw = obj;
    rt_read_str(r, obj, "id", &out->id);
    rt_read_str(r, obj, "type", &out->type);
    rt_read_str(r, obj, "model", &out->model);
    rt_read_str(r, obj, "instructions", &out->instructions);
    rt_read_modality(r, obj, &out->output_modality);
    rt_read_max_tokens(r, obj, &out->max_output_tokens);
    rt_read_int(r, obj, "expires_at", &out->expires_at);
    if (json_is_string(json_object_get(obj, "tool_choice"))) /* else it names one tool */
        rt_read_str(r, obj, "tool_choice", &out->tool_choice);
    rt_read_array(r, obj, "tools");

    const json_t *audio = rt_read_object(r, obj, "audio");
    const json_t *input = rt_read_object(r, audio, "input");
    const json_t *output = rt_read_object(r, audio, "output");
    read_format(r, input, &out->input_format);
    read_turn_detection(r, input, &out->turn_detection);
    const json_t *transcription = rt_read_object(r, input, "transcription");
    rt_read_str(r, transcription, "model", &out->transcription_model);
    rt_read_str(r, transcription, "language", &out->transcription_language);
    rt_read_str(r, transcription, "prompt", &out->transcription_prompt);
    read_format(r, output, &out->output_format);
    rt_read_scaled(r, output, "speed", &out->speed_permille);
    if (json_is_object(json_object_get(output, "voice"))) /* a custom voice: {"id": "voice_..."} */
        rt_read_str(r, json_object_get(output, "voice"), "id", &out->voice);
    else
        rt_read_str(r, output, "voice", &out->voice);
}

/* -- writing ---------------------------------------------------------------------------------- */

static void put_format(struct jsonw *m, enum rt_audio_format format)
{
    if (format == RT_FORMAT_NONE)
        return;
    struct jsonw f = jsonw_object(m, "format");
    jsonw_str(&f, "type", str_of(formats[format]));
    if (format == RT_FORMAT_PCM24K)
        jsonw_int(&f, "rate", 24000);
    jsonw_close(&f);
}

static void put_turn_detection(struct jsonw *m, const struct rt_turn_detection *t)
{
    if (t->type == RT_VAD_UNSET)
        return;
    if (t->type == RT_VAD_NULL) {
        jsonw_literal(m, "turn_detection", "null");
        return;
    }
    struct jsonw td = jsonw_object(m, "turn_detection");
    if (t->type == RT_VAD_SERVER) {
        jsonw_str(&td, "type", STR("server_vad"));
        if (t->threshold_permille > 0)
            jsonw_permille(&td, "threshold", t->threshold_permille);
        if (t->prefix_padding_ms != 0)
            jsonw_int(&td, "prefix_padding_ms",
                      t->prefix_padding_ms < 0 ? 0 : t->prefix_padding_ms);
        if (t->silence_duration_ms > 0)
            jsonw_int(&td, "silence_duration_ms", t->silence_duration_ms);
        if (t->idle_timeout_ms > 0)
            jsonw_int(&td, "idle_timeout_ms", t->idle_timeout_ms);
    } else {
        jsonw_str(&td, "type", STR("semantic_vad"));
        jsonw_str(&td, "eagerness", t->eagerness);
    }
    jsonw_literal(&td, "create_response", t->create_response ? "true" : "false");
    jsonw_literal(&td, "interrupt_response", t->interrupt_response ? "true" : "false");
    jsonw_close(&td);
}

static void put_audio_input(struct jsonw *audio, const struct rt_session *s)
{
    if (s->input_format == RT_FORMAT_NONE && !s->transcription_model.p &&
        s->turn_detection.type == RT_VAD_UNSET)
        return;
    struct jsonw in = jsonw_object(audio, "input");
    put_format(&in, s->input_format);
    if (s->transcription_model.p) {
        struct jsonw t = jsonw_object(&in, "transcription");
        jsonw_str(&t, "model", s->transcription_model);
        jsonw_str(&t, "language", s->transcription_language);
        jsonw_str(&t, "prompt", s->transcription_prompt);
        jsonw_close(&t);
    }
    put_turn_detection(&in, &s->turn_detection);
    jsonw_close(&in);
}

static void put_audio(struct jsonw *m, const struct rt_session *s)
{
    bool output = s->output_format != RT_FORMAT_NONE || s->voice.p || s->speed_permille > 0;
    bool input = s->input_format != RT_FORMAT_NONE || s->transcription_model.p ||
                 s->turn_detection.type != RT_VAD_UNSET;
    if (!output && !input)
        return;
    struct jsonw audio = jsonw_object(m, "audio");
    put_audio_input(&audio, s);
    if (output) {
        struct jsonw out = jsonw_object(&audio, "output");
        put_format(&out, s->output_format);
        jsonw_str(&out, "voice", s->voice);
        if (s->speed_permille > 0)
            jsonw_permille(&out, "speed", s->speed_permille);
        jsonw_close(&out);
    }
    jsonw_close(&audio);
}

void rt_write_session(struct buf *b, const struct rt_session *s, bool client)
{
    struct jsonw m = jsonw_open(b);
    bool transcription = str_eq(s->type, STR("transcription"));
    jsonw_str(&m, "type", s->type.p ? s->type : STR("realtime"));
    if (!client) {
        jsonw_str(&m, "object",
                  transcription ? STR("realtime.transcription_session") : STR("realtime.session"));
        jsonw_str(&m, "id", s->id);
        if (s->expires_at > 0)
            jsonw_int(&m, "expires_at", s->expires_at);
    }
    jsonw_str(&m, "model", s->model);
    if (s->output_modality.p) {
        jsonw_key(&m, "output_modalities");
        buf_put_byte(b, '[');
        buf_put_json(b, s->output_modality);
        buf_put_byte(b, ']');
    }
    jsonw_str(&m, "instructions", s->instructions);
    put_audio(&m, s);
    if (s->tools_json.p) {
        jsonw_key(&m, "tools");
        buf_put_str(b, s->tools_json);
    }
    jsonw_str(&m, "tool_choice", s->tool_choice);
    if (s->max_output_tokens < 0)
        jsonw_literal(&m, "max_output_tokens", "\"inf\"");
    else if (s->max_output_tokens > 0)
        jsonw_int(&m, "max_output_tokens", s->max_output_tokens);
    jsonw_close(&m);
}
