/* Caller audio: decoded, cut into turns by energy, handed to the recogniser. */
#include "audio/g711.h"
#include "base/base64.h"
#include "base/mem.h"
#include "engine/local_impl.h"

enum { SAMPLES_PER_MS = LOCAL_HZ / 1000, PIECE = 2400 };

void local_input_init(struct local_engine *e)
{
    vad_init(&e->input.vad, NULL);
}

void local_input_fini(struct local_engine *e)
{
    resample_free(e->input.down);
}

void local_input_configure(struct local_engine *e)
{
    struct local_input *in = &e->input;
    resample_free(in->down);
    in->down = in->format == RT_FORMAT_PCM24K ? resample_new(LOCAL_WIDE_HZ, LOCAL_HZ) : NULL;
    if (!vad_speaking(&in->vad))
        vad_configure(&in->vad, &in->vad_opts);
}

/* -- turns -- */

static void start_turn(struct local_engine *e, struct vad_result r)
{
    struct local_input *in = &e->input;
    in->open = local_ear_open(e);
    struct rt_event ev = {
        .type = RT_SPEECH_STARTED, .audio_start_ms = r.at_ms, .item_id = str_of(in->open->item_id)};
    local_emit(e, &ev);
    /* What was said before it was noticed. The frame that told us follows by itself. */
    int64_t back = (vad_now_ms(&in->vad) - VAD_FRAME_MS - r.at_ms) * SAMPLES_PER_MS;
    size_t count = back < 0 ? 0 : (size_t)back;
    if (count > LOCAL_HISTORY_SAMPLES)
        count = LOCAL_HISTORY_SAMPLES;
    local_ear_write(in->open, in->history + LOCAL_HISTORY_SAMPLES - count, count);
    if (in->interrupt_response)
        local_answer_interrupt(e);
}

/* The turn becomes an item of the conversation, and its audio is nobody's but the recogniser's. */
static void end_turn(struct local_engine *e)
{
    struct local_turn *t = e->input.open;
    struct str id = str_of(t->item_id);
    e->input.open = NULL;
    struct rt_event ev = {
        .type = RT_INPUT_AUDIO_COMMITTED, .item_id = id, .previous_item_id = local_item_last(e)};
    local_emit(e, &ev);
    ev = (struct rt_event){.type = RT_ITEM_ADDED,
                           .previous_item_id = local_item_last(e),
                           .item = {.id = id,
                                    .type = RT_ITEM_MESSAGE,
                                    .role = RT_ROLE_USER,
                                    .status = RT_STATUS_COMPLETED,
                                    .text_is_transcript = true}};
    local_emit(e, &ev);
    ev.type = RT_ITEM_DONE;
    local_emit(e, &ev);
    (void)local_item_add(e, t->item_id, LOCAL_ITEM_USER);
    e->tokens_audio += (int64_t)t->samples / (100 * SAMPLES_PER_MS);
    t->ended = true;
    local_ear_pump(e);
}

static void stop_turn(struct local_engine *e, struct vad_result r)
{
    struct rt_event ev = {.type = RT_SPEECH_STOPPED,
                          .audio_end_ms = r.at_ms,
                          .item_id = str_of(e->input.open->item_id)};
    local_emit(e, &ev);
    end_turn(e);
    if (e->input.create_response)
        local_answer_create(e, NULL);
}

static void take_frame(struct local_engine *e, const int16_t *frame)
{
    struct local_input *in = &e->input;
    struct vad_result r = {VAD_NONE, 0, 0};
    if (in->vad_on) {
        r = vad_feed(&in->vad, frame);
        if (r.event == VAD_START && !in->open)
            start_turn(e, r);
    } else {
        vad_skip(&in->vad);
        if (!in->open)
            in->open = local_ear_open(e);
    }
    if (in->open)
        local_ear_write(in->open, frame, VAD_FRAME_SAMPLES);
    if (in->open && in->vad_on)
        local_ear_watch(e, in->open);
    memmove(in->history, in->history + VAD_FRAME_SAMPLES,
            (LOCAL_HISTORY_SAMPLES - VAD_FRAME_SAMPLES) * sizeof(*frame));
    memcpy(in->history + LOCAL_HISTORY_SAMPLES - VAD_FRAME_SAMPLES, frame,
           VAD_FRAME_SAMPLES * sizeof(*frame));
    if (r.event == VAD_STOP && in->open)
        stop_turn(e, r);
}

static void take_samples(struct local_engine *e, const int16_t *s, size_t count)
{
    struct local_input *in = &e->input;
    while (count > 0) {
        size_t n = VAD_FRAME_SAMPLES - in->partial_len;
        n = n < count ? n : count;
        memcpy(in->partial + in->partial_len, s, n * sizeof(*s));
        in->partial_len += n;
        s += n;
        count -= n;
        if (in->partial_len == VAD_FRAME_SAMPLES) {
            in->partial_len = 0;
            take_frame(e, in->partial);
        }
    }
    if (in->open)
        local_ear_pump(e);
}

static void take_bytes(struct local_engine *e, const uint8_t *p, size_t len)
{
    struct local_input *in = &e->input;
    int16_t wide[PIECE], narrow[PIECE];
    size_t unit = in->format == RT_FORMAT_PCM24K ? 2 : 1;
    for (size_t left = len / unit; left > 0;) {
        size_t n = left < PIECE ? left : PIECE;
        size_t count = n;
        if (in->format == RT_FORMAT_PCMU) {
            g711_mulaw_decode_all(narrow, p, n);
        } else if (in->format == RT_FORMAT_PCMA) {
            g711_alaw_decode_all(narrow, p, n);
        } else {
            for (size_t i = 0; i < n; i++)
                wide[i] = (int16_t)(uint16_t)(p[2 * i] | p[2 * i + 1] << 8);
            count = resample_run(in->down, wide, n, narrow);
        }
        take_samples(e, narrow, count);
        p += n * unit;
        left -= n;
    }
}

void local_input_append(struct local_engine *e, const struct rt_event *ev)
{
    size_t len = base64_decoded_len(ev->audio);
    uint8_t *bytes = mem_alloc(len + 1);
    if ((ev->audio.len > 0 && len == 0) || base64_decode(bytes, &len, ev->audio) != OK)
        local_refuse(e, "invalid_value", ev->event_id, "audio",
                     "Invalid 'audio'. Expected base64-encoded audio.");
    else
        take_bytes(e, bytes, len);
    mem_free(bytes);
}

void local_input_commit(struct local_engine *e, struct str event_id)
{
    struct local_input *in = &e->input;
    size_t ms = in->open ? in->open->samples / SAMPLES_PER_MS : 0;
    if (ms < LOCAL_COMMIT_MS_MIN) {
        local_refuse(e, "input_audio_buffer_commit_empty", event_id, NULL,
                     "Error committing input audio buffer: buffer too small. Expected at least "
                     "100ms of audio, but buffer only has %zu.00ms of audio.",
                     ms);
        return;
    }
    end_turn(e);
}

void local_input_clear(struct local_engine *e)
{
    struct local_input *in = &e->input;
    if (in->open) {
        in->open->ended = in->open->dropped = true;
        in->open = NULL;
        local_ear_pump(e);
    }
    in->partial_len = 0;
    vad_configure(&in->vad, &in->vad_opts);
    struct rt_event ev = {.type = RT_INPUT_AUDIO_CLEARED};
    local_emit(e, &ev);
}
