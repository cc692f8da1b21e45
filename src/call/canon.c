/* The canonical forms: an effect as one line, an input as the bytes of a journal record. */
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "call/call.h"

/* -- effects -- */

/* " 160". Some of these lines are written for every frame, and printf is slow. */
static void write_number(struct buf *b, uint64_t number)
{
    char text[21];
    size_t at = sizeof(text);
    do
        text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text[--at] = ' ';
    buf_put(b, text + at, sizeof(text) - at);
}

static void write_counted(struct buf *b, struct str name, uint32_t number)
{
    buf_put_str(b, name);
    write_number(b, number);
    buf_put_byte(b, '\n');
}

static void write_usage(struct buf *b, const struct rt_usage *u)
{
    buf_printf(b,
               ",\"usage\":{\"input\":%lld,\"output\":%lld,\"inputText\":%lld,\"inputAudio\":%lld,"
               "\"cachedText\":%lld,\"cachedAudio\":%lld,\"outputText\":%lld,\"outputAudio\":%lld}",
               (long long)u->input, (long long)u->output, (long long)u->input_text,
               (long long)u->input_audio, (long long)u->cached_text, (long long)u->cached_audio,
               (long long)u->output_text, (long long)u->output_audio);
}

static void write_item(struct buf *b, const struct call_item *item)
{
    static const char *const roles[] = {"", "caller", "agent", "announcement"};
    buf_put_str(b, STR("turn {\"id\":"));
    buf_put_json(b, item->id);
    buf_printf(b, ",\"role\":\"%s\",\"text\":", roles[item->role]);
    buf_put_json(b, item->text);
    buf_printf(b,
               ",\"final\":%s,\"interrupted\":%s,\"startMs\":%lld,\"endMs\":%lld,"
               "\"spokenMs\":%lld,\"heardMs\":%lld",
               item->final ? "true" : "false", item->interrupted ? "true" : "false",
               (long long)item->start_ms, (long long)item->end_ms, (long long)item->spoken_ms,
               (long long)item->heard_ms);
    const struct call_latency *l = &item->latency;
    if (l->turn_end_ms >= 0)
        buf_printf(b,
                   ",\"latency\":{\"turnEndMs\":%d,\"engineFirstMs\":%d,\"carrierFirstMs\":%d,"
                   "\"heardFirstMs\":%d}",
                   l->turn_end_ms, l->engine_first_ms, l->carrier_first_ms, l->heard_first_ms);
    if (item->usage.present)
        write_usage(b, &item->usage);
    buf_printf(b, ",\"costNanousd\":%lld}\n", (long long)item->cost_nanousd);
}

static void write_named(struct buf *b, const char *name, struct str text)
{
    buf_put_str(b, str_of(name));
    buf_put_byte(b, ' ');
    buf_put_str(b, text);
    buf_put_byte(b, '\n');
}

static void write_tool(struct buf *b, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_TOOL)
        buf_printf(b, "tool %u %.*s ", fx->number, STR_FMT(fx->name));
    else
        buf_printf(b, "tool_record %u %.*s %d %u ", fx->number, STR_FMT(fx->name), fx->ok, fx->len);
    buf_put_json(b, fx->text);
    buf_put_byte(b, '\n');
}

/* Ids are the engine's; one with a space or a line break in it must not look like two fields. */
static void write_id(struct buf *b, const char *name, struct str id)
{
    buf_put_str(b, str_of(name));
    buf_put_byte(b, ' ');
    size_t plain = 0;
    while (plain < id.len && (unsigned char)id.p[plain] > ' ')
        plain++;
    buf_put(b, id.p, plain);
    for (size_t i = plain; i < id.len; i++)
        buf_put_byte(b, (unsigned char)id.p[i] > ' ' ? (unsigned char)id.p[i] : '?');
}

static void write_play(struct buf *b, const struct call_fx *fx)
{
    write_id(b, "play", fx->text);
    write_number(b, fx->offset);
    write_number(b, fx->len);
    write_number(b, fx->pad);
    buf_put_byte(b, '\n');
}

static void write_timer(struct buf *b, const struct call_fx *fx)
{
    buf_put_str(b, STR("timer"));
    write_number(b, fx->number);
    if (fx->at_us >= 0)
        write_number(b, (uint64_t)fx->at_us);
    else
        buf_printf(b, " %lld", (long long)fx->at_us);
    buf_put_byte(b, '\n');
}

static void write_keep(struct buf *b, const struct call_fx *fx)
{
    buf_put_str(b, STR("keep"));
    write_number(b, fx->len);
    write_number(b, fx->offset);
    buf_put_byte(b, '\n');
}

static void write_engine(struct buf *b, const struct call_fx *fx)
{
    if (fx->type == CALL_FX_ENGINE_APPEND) /* the frequent one first */
        write_counted(b, STR("append"), fx->len);
    else if (fx->type == CALL_FX_ENGINE_OPEN)
        write_counted(b, STR("engine_open"), fx->number);
    else if (fx->type == CALL_FX_ENGINE_CLOSE)
        buf_put_str(b, STR("engine_close\n"));
    else if (fx->type == CALL_FX_ENGINE_SEND)
        write_named(b, "engine_send", fx->text);
    else if (fx->type == CALL_FX_HOLD)
        write_counted(b, STR("hold"), fx->len);
    else if (fx->type == CALL_FX_RELEASE)
        buf_put_str(b, STR("release\n"));
    else if (fx->type == CALL_FX_KEEP)
        write_keep(b, fx);
    else if (fx->type == CALL_FX_SPARE_OPEN)
        write_counted(b, STR("spare_open"), fx->number);
    else if (fx->type == CALL_FX_SPARE_SEND)
        write_named(b, "spare_send", fx->text);
    else if (fx->type == CALL_FX_SPARE_CLOSE)
        buf_put_str(b, STR("spare_close\n"));
    else if (fx->type == CALL_FX_SPARE_SWAP)
        buf_put_str(b, STR("spare_swap\n"));
}

void call_fx_write(struct buf *b, const struct call_fx *fx)
{
    switch (fx->type) {
    case CALL_FX_PLAY:
        write_play(b, fx);
        break;
    case CALL_FX_MARK:
        write_counted(b, STR("mark"), fx->number);
        break;
    case CALL_FX_CLEAR:
        buf_put_str(b, STR("clear\n"));
        break;
    case CALL_FX_HANGUP:
        buf_put_str(b, STR("hangup\n"));
        break;
    case CALL_FX_TRANSFER:
        write_named(b, "transfer", fx->text);
        break;
    case CALL_FX_QUEUE:
        write_id(b, "queue", fx->text);
        write_number(b, fx->len);
        buf_put_byte(b, '\n');
        break;
    case CALL_FX_DISCARD:
        buf_put_str(b, STR("discard\n"));
        break;
    case CALL_FX_ENGINE_OPEN:
    case CALL_FX_ENGINE_CLOSE:
    case CALL_FX_ENGINE_SEND:
    case CALL_FX_ENGINE_APPEND:
    case CALL_FX_HOLD:
    case CALL_FX_RELEASE:
    case CALL_FX_KEEP:
    case CALL_FX_SPARE_OPEN:
    case CALL_FX_SPARE_SEND:
    case CALL_FX_SPARE_CLOSE:
    case CALL_FX_SPARE_SWAP:
        write_engine(b, fx);
        break;
    case CALL_FX_PROMPT:
        buf_printf(b, "prompt %u ", fx->number);
        buf_put_json(b, fx->text);
        buf_put_byte(b, '\n');
        break;
    case CALL_FX_TOOL:
    case CALL_FX_TOOL_RECORD:
        write_tool(b, fx);
        break;
    case CALL_FX_TOOL_CANCEL:
        write_counted(b, STR("tool_cancel"), fx->number);
        break;
    case CALL_FX_TIMER:
        write_timer(b, fx);
        break;
    case CALL_FX_TURN:
        write_item(b, fx->item);
        break;
    case CALL_FX_NOTE:
        buf_printf(b, "note %.*s ", STR_FMT(fx->name));
        buf_put_str(b, fx->text);
        buf_put_byte(b, '\n');
        break;
    case CALL_FX_ENDED:
        write_named(b, "ended", fx->text);
        break;
    }
}

uint32_t call_effects_digest(const struct call_effects *effects, struct buf *scratch)
{
    buf_reset(scratch);
    for (size_t i = 0; i < effects->count; i++)
        call_fx_write(scratch, &effects->fx[i]);
    return scratch->len ? crc32c(0, scratch->p, scratch->len) : 0;
}

/* -- inputs --
 *
 * 16 bytes, little-endian: u32 number, u32 audio_len, u32 CRC-32C of the audio text, u8 ok, u8
 * flags, u16 zero; then the text. For audio inputs the text is base64; for engine events it is the
 * JSON as it arrived. Without keep_audio the base64 is left out: FLAG_STRIPPED, and for engine
 * events the text around it is kept, so that the event still parses.
 */

enum { HEAD_BYTES = 16, FLAG_STRIPPED = 1 };

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v |= (uint32_t)(uint8_t)p[i] << (8 * i);
    return v;
}

void call_input_write(struct buf *b, const struct call_input *in, bool keep_audio)
{
    uint8_t head[HEAD_BYTES] = {0};
    bool strip = !keep_audio && in->audio.len > 0;
    put_u32(head, in->number);
    put_u32(head + 4, in->audio_len);
    put_u32(head + 8, strip ? crc32c(0, in->audio.p, in->audio.len) : 0);
    head[12] = in->ok;
    head[13] = strip ? FLAG_STRIPPED : 0;
    buf_put(b, head, sizeof(head));

    if (in->type == CALL_IN_ENGINE_EVENT || in->type == CALL_IN_SPARE_EVENT) {
        /* The audio is a piece of the raw text (the fast scanner borrows it) or, when it had to be
         * decoded, equal to one. */
        size_t at = strip ? str_find(in->raw, in->audio, 0) : SIZE_MAX;
        if (at == SIZE_MAX) {
            buf_put_str(b, in->raw);
        } else {
            buf_put(b, in->raw.p, at);
            buf_put(b, in->raw.p + at + in->audio.len, in->raw.len - at - in->audio.len);
        }
    } else if (in->type == CALL_IN_AUDIO || in->type == CALL_IN_PROMPT) {
        if (!strip)
            buf_put_str(b, in->audio);
    } else {
        buf_put_str(b, in->text);
    }
}

static enum err read_event(struct call_input *in, struct rt_event *event, struct str raw)
{
    enum err err = rt_event_parse(event, raw, NULL);
    if (err != OK)
        return ERR_INVALID;
    in->event = event;
    in->raw = raw;
    in->audio = event->type == RT_AUDIO_DELTA ? event->audio : STR_NONE;
    return OK;
}

enum err call_input_read(struct call_input *out, struct rt_event *event_out, enum call_in_type type,
                         int64_t at_us, struct str bytes)
{
    if (bytes.len < HEAD_BYTES || type < CALL_IN_STREAM || type > CALL_IN_LOST)
        return ERR_INVALID;
    struct call_input in = {
        .type = type,
        .at_us = at_us,
        .number = get_u32(bytes.p),
        .audio_len = get_u32(bytes.p + 4),
        .ok = bytes.p[12] != 0,
    };
    struct str rest = str_slice(bytes, HEAD_BYTES, bytes.len);
    *event_out = (struct rt_event){0};
    if (type == CALL_IN_ENGINE_EVENT || type == CALL_IN_SPARE_EVENT) {
        enum err err = read_event(&in, event_out, rest);
        if (err != OK)
            return err;
    } else if (type == CALL_IN_AUDIO || type == CALL_IN_PROMPT) {
        if (rest.len && base64_decoded_len(rest) != in.audio_len)
            return ERR_INVALID;
        in.audio = rest;
    } else {
        in.text = rest;
    }
    *out = in;
    return OK;
}

const char *call_in_name(enum call_in_type type)
{
    switch (type) {
    case CALL_IN_STREAM:
        return "stream";
    case CALL_IN_AUDIO:
        return "audio";
    case CALL_IN_MARK:
        return "mark";
    case CALL_IN_DTMF:
        return "dtmf";
    case CALL_IN_HANGUP:
        return "hangup";
    case CALL_IN_ENGINE_OPEN:
        return "engine_open";
    case CALL_IN_ENGINE_EVENT:
        return "engine_event";
    case CALL_IN_ENGINE_CLOSED:
        return "engine_closed";
    case CALL_IN_PROMPT:
        return "prompt";
    case CALL_IN_TOOL:
        return "tool";
    case CALL_IN_TIMER:
        return "timer";
    case CALL_IN_OPERATOR:
        return "operator";
    case CALL_IN_DROPPED:
        return "dropped";
    case CALL_IN_START:
        return "start";
    case CALL_IN_SPARE_OPEN:
        return "spare_open";
    case CALL_IN_SPARE_EVENT:
        return "spare_event";
    case CALL_IN_SPARE_CLOSED:
        return "spare_closed";
    case CALL_IN_LOST:
        return "lost";
    }
    return "unknown";
}
