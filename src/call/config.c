#include "call/config.h"

#include <stddef.h>
#include <string.h>

#include "base/js.h"

enum kind { KIND_STR, KIND_U32, KIND_I64, KIND_BOOL };

struct field {
    const char *name; /* JSON member */
    size_t offset;
    enum kind kind;
};

#define STR_FIELD(f, json)                              \
    {                                                   \
        json, offsetof(struct call_config, f), KIND_STR \
    }
#define U32_FIELD(f, json)                              \
    {                                                   \
        json, offsetof(struct call_config, f), KIND_U32 \
    }
#define I64_FIELD(f, json)                              \
    {                                                   \
        json, offsetof(struct call_config, f), KIND_I64 \
    }
#define BOOL_FIELD(f, json)                              \
    {                                                    \
        json, offsetof(struct call_config, f), KIND_BOOL \
    }

/* Checklist: a new member of struct call_config is one row here and, if it needs one, a default. */
static const struct field fields[] = {
    STR_FIELD(call_id, "callId"),
    STR_FIELD(business_id, "businessId"),
    STR_FIELD(business_name, "businessName"),
    STR_FIELD(channel, "channel"),
    STR_FIELD(carrier_id, "carrierId"),
    STR_FIELD(from, "from"),
    STR_FIELD(to, "to"),
    I64_FIELD(wall_ms, "wallMs"),
    I64_FIELD(anchor_us, "anchorUs"),
    STR_FIELD(instructions, "instructions"),
    STR_FIELD(greeting, "greeting"),
    STR_FIELD(announcement, "announcement"),
    STR_FIELD(filler, "filler"),
    STR_FIELD(still_there, "stillThere"),
    STR_FIELD(goodbye, "goodbye"),
    STR_FIELD(silence_goodbye, "silenceGoodbye"),
    STR_FIELD(duration_goodbye, "durationGoodbye"),
    STR_FIELD(spent_goodbye, "spentGoodbye"),
    STR_FIELD(transfer_words, "transferWords"),
    STR_FIELD(no_human, "noHuman"),
    STR_FIELD(engine_apology, "engineApology"),
    STR_FIELD(failure_apology, "failureApology"),
    STR_FIELD(failure_transfer, "failureTransfer"),
    STR_FIELD(resume_words, "resumeWords"),
    STR_FIELD(say_again, "sayAgain"),
    STR_FIELD(please_wait, "pleaseWait"),
    STR_FIELD(emergency, "emergency"),
    STR_FIELD(emergency_words, "emergencyWords"),
    STR_FIELD(voice, "voice"),
    STR_FIELD(language, "language"),
    STR_FIELD(transcription_model, "transcriptionModel"),
    STR_FIELD(tools_json, "toolsJson"),
    STR_FIELD(transfer_number, "transferNumber"),
    I64_FIELD(max_output_tokens, "maxOutputTokens"),
    U32_FIELD(engine_retries, "engineRetries"),
    U32_FIELD(vad_threshold_permille, "vadThresholdPermille"),
    U32_FIELD(vad_prefix_ms, "vadPrefixMs"),
    U32_FIELD(vad_silence_ms, "vadSilenceMs"),
    U32_FIELD(connect_timeout_ms, "connectTimeoutMs"),
    U32_FIELD(response_timeout_ms, "responseTimeoutMs"),
    U32_FIELD(tool_timeout_ms, "toolTimeoutMs"),
    U32_FIELD(filler_after_ms, "fillerAfterMs"),
    U32_FIELD(wait_words_ms, "waitWordsMs"),
    U32_FIELD(silence_ms, "silenceMs"),
    U32_FIELD(max_duration_ms, "maxDurationMs"),
    U32_FIELD(resume_window_ms, "resumeWindowMs"),
    U32_FIELD(goodbye_limit_ms, "goodbyeLimitMs"),
    U32_FIELD(session_limit_ms, "sessionLimitMs"),
    U32_FIELD(slow_answer_ms, "slowAnswerMs"),
    I64_FIELD(max_cost_nanousd, "maxCostNanousd"),
    BOOL_FIELD(recording, "recording"),
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static const struct {
    const char *name;
    size_t offset;
} price_fields[] = {
    {"textIn", offsetof(struct call_prices, text_in)},
    {"audioIn", offsetof(struct call_prices, audio_in)},
    {"cachedTextIn", offsetof(struct call_prices, cached_text_in)},
    {"cachedAudioIn", offsetof(struct call_prices, cached_audio_in)},
    {"textOut", offsetof(struct call_prices, text_out)},
    {"audioOut", offsetof(struct call_prices, audio_out)},
    {"transcriptionIn", offsetof(struct call_prices, transcription_in)},
};

enum { PRICE_COUNT = sizeof(price_fields) / sizeof(price_fields[0]) };

void call_config_defaults(struct call_config *c)
{
    *c = (struct call_config){
        .filler = "One moment, please, I am looking that up.",
        .still_there = "Are you still there?",
        .goodbye = "Thank you for calling. Goodbye.",
        .silence_goodbye = "I can't hear you any more, so I will hang up now. Goodbye.",
        .duration_goodbye = "I am sorry, but this call has reached its time limit. Goodbye.",
        .spent_goodbye =
            "I am sorry, I have to end this call for today. Please call again tomorrow. "
            "Goodbye.",
        .transfer_words = "One moment, I am connecting you to a person.",
        .no_human = "I am sorry, there is nobody I can connect you to right now.",
        .engine_apology = "I am sorry, I had a short technical problem. Please go on.",
        .failure_apology = "I am sorry, we have a technical problem. Please call again later.",
        .failure_transfer =
            "I am sorry, we have a technical problem. I am connecting you to a person.",
        .resume_words = "Sorry about that, I am here again.",
        .say_again = "I am sorry, could you say that again?",
        .please_wait = "One moment, please.",
        .emergency = "If this is an emergency, please hang up and dial 9 1 1 right now.",
        .emergency_words = "call an ambulance|need an ambulance|heart attack|can't breathe|"
                           "cannot breathe|not breathing|this is an emergency|it's an emergency|"
                           "house is on fire|being robbed|kill myself|bleeding badly",
        .transcription_model = "gpt-4o-mini-transcribe",
        .tools_json = "[]",
        .max_output_tokens = 1024,
        .engine_retries = 1,
        .vad_threshold_permille = 500,
        .vad_prefix_ms = 300,
        .vad_silence_ms = 500,
        .connect_timeout_ms = 5000,
        .response_timeout_ms = 8000,
        .tool_timeout_ms = 8000,
        .filler_after_ms = 1200,
        .wait_words_ms = 2500,
        .silence_ms = 10000,
        .max_duration_ms = 30 * 60 * 1000,
        .resume_window_ms = 15000,
        .goodbye_limit_ms = 15000,
        .session_limit_ms = 60 * 60 * 1000,
        .slow_answer_ms = 2500,
    };
    /* Whatever was not named above is "none". */
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char **s = (const char **)(void *)((char *)c + fields[i].offset);
        if (fields[i].kind == KIND_STR && *s == NULL)
            *s = "";
    }
}

static void write_engine(struct buf *b, const struct call_engine *e)
{
    buf_put_str(b, STR("{\"name\":"));
    buf_put_json(b, str_of(e->name));
    buf_put_str(b, STR(",\"model\":"));
    buf_put_json(b, str_of(e->model));
    buf_put_str(b, STR(",\"voice\":"));
    buf_put_json(b, str_of(e->voice ? e->voice : ""));
    buf_printf(b, ",\"endless\":%s,\"prices\":{", e->endless ? "true" : "false");
    for (size_t i = 0; i < PRICE_COUNT; i++) {
        int64_t v;
        memcpy(&v, (const char *)&e->prices + price_fields[i].offset, sizeof(v));
        buf_printf(b, "%s\"%s\":%lld", i ? "," : "", price_fields[i].name, (long long)v);
    }
    buf_put_str(b, STR("}}"));
}

void call_config_write(struct buf *b, const struct call_config *c)
{
    buf_put_byte(b, '{');
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const void *at = (const char *)c + fields[i].offset;
        buf_printf(b, "%s\"%s\":", i ? "," : "", fields[i].name);
        switch (fields[i].kind) {
        case KIND_STR:
            buf_put_json(b, str_of(*(const char *const *)at));
            break;
        case KIND_U32:
            buf_printf(b, "%u", *(const uint32_t *)at);
            break;
        case KIND_I64:
            buf_printf(b, "%lld", (long long)*(const int64_t *)at);
            break;
        case KIND_BOOL:
            buf_put_str(b, *(const bool *)at ? STR("true") : STR("false"));
            break;
        }
    }
    buf_put_str(b, STR(",\"engines\":["));
    for (uint32_t i = 0; i < c->engine_count; i++) {
        if (i)
            buf_put_byte(b, ',');
        write_engine(b, &c->engines[i]);
    }
    buf_put_str(b, STR("]}"));
}

static enum err read_field(struct call_config *c, struct arena *a, const struct field *f,
                           const json_t *v, struct err_detail *detail)
{
    void *at = (char *)c + f->offset;
    if (f->kind == KIND_STR && json_is_string(v)) {
        *(const char **)at = arena_strndup(a, json_string_value(v), json_string_length(v));
    } else if (f->kind == KIND_BOOL && json_is_boolean(v)) {
        *(bool *)at = json_is_true(v);
    } else if (f->kind == KIND_I64 && json_is_integer(v)) {
        *(int64_t *)at = json_integer_value(v);
    } else if (f->kind == KIND_U32 && json_is_integer(v) && json_integer_value(v) >= 0 &&
               json_integer_value(v) <= INT32_MAX) {
        *(uint32_t *)at = (uint32_t)json_integer_value(v);
    } else {
        return err_explain(detail, ERR_INVALID, "call configuration: \"%s\" has a bad value",
                           f->name);
    }
    return OK;
}

static enum err read_engines(struct call_config *c, struct arena *a, const json_t *list,
                             struct err_detail *detail)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > CALL_ENGINES_MAX)
        return err_explain(detail, ERR_INVALID, "call configuration: at most %d engines",
                           CALL_ENGINES_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *e = json_array_get(list, i);
        struct str name = js_get_str(e, "name"), model = js_get_str(e, "model");
        if (!name.p)
            return err_explain(detail, ERR_INVALID, "call configuration: an engine has no name");
        c->engines[i].name = arena_strndup(a, name.p, name.len);
        c->engines[i].model = arena_strndup(a, model.p, model.len);
        struct str voice = js_get_str(e, "voice");
        c->engines[i].voice = arena_strndup(a, voice.p, voice.len);
        c->engines[i].endless = json_is_true(js_get(e, "endless"));
        for (size_t k = 0; k < PRICE_COUNT; k++) {
            int64_t v = js_get_int(js_get(e, "prices"), price_fields[k].name, 0);
            memcpy((char *)&c->engines[i].prices + price_fields[k].offset, &v, sizeof(v));
        }
    }
    c->engine_count = (uint32_t)count;
    return OK;
}

enum err call_config_read(struct call_config *out, struct arena *a, struct str json,
                          struct err_detail *detail)
{
    json_t *root;
    enum err err = js_parse(json, &root, detail);
    if (err != OK)
        return err;
    struct call_config c;
    call_config_defaults(&c);
    for (size_t i = 0; i < FIELD_COUNT && err == OK; i++) {
        const json_t *v = js_get(root, fields[i].name);
        if (v)
            err = read_field(&c, a, &fields[i], v, detail);
    }
    if (err == OK && js_get(root, "engines"))
        err = read_engines(&c, a, js_get(root, "engines"), detail);
    json_decref(root);
    if (err == OK)
        *out = c;
    return err;
}
