/* An answer on its way out: items and parts announced, sentences spoken on a worker, audio in
 * pieces of 200 ms. */
#include <stddef.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/local_impl.h"
#include "speech/sentence.h"

static struct local_mouth *mouth_of_job(struct worker_job *job)
{
    return (struct local_mouth *)(void *)((char *)job - offsetof(struct local_mouth, job));
}

static struct local_engine *engine_of_mouth(struct local_mouth *m)
{
    return (struct local_engine *)(void *)((char *)m - offsetof(struct local_engine, mouth));
}

void local_speak_init(struct local_engine *e)
{
    buf_init(&e->mouth.text, LOCAL_TEXT_BYTES_MAX);
    buf_init(&e->mouth.audio, LOCAL_SPEECH_BYTES_MAX);
}

void local_speak_fini(struct local_engine *e)
{
    buf_fini(&e->mouth.text);
    buf_fini(&e->mouth.audio);
}

static size_t bytes_per_ms(enum rt_audio_format format)
{
    return format == RT_FORMAT_PCM24K ? 2 * LOCAL_WIDE_HZ / 1000 : LOCAL_HZ / 1000;
}

/* -- worker -- */

static void work(struct worker_job *job)
{
    struct local_mouth *m = mouth_of_job(job);
    m->err = local_sounds_make(&m->driver->sounds, &m->say, &m->audio);
}

/* -- events of the running response -- */

static struct rt_event part_event(const struct local_engine *e, enum rt_type type)
{
    const struct local_response *r = &e->response;
    return (struct rt_event){.type = type,
                             .response_id = str_of(r->id),
                             .item_id = str_of(r->item_id),
                             .part_is_audio = !r->want.text_only};
}

static void item_events(struct local_engine *e, const struct rt_item *item, bool done,
                        int64_t output_index, struct str previous)
{
    struct rt_event ev = {.type = done ? RT_OUTPUT_ITEM_DONE : RT_OUTPUT_ITEM_ADDED,
                          .response_id = str_of(e->response.id),
                          .output_index = output_index,
                          .item = *item};
    struct rt_event conversation = {
        .type = done ? RT_ITEM_DONE : RT_ITEM_ADDED, .previous_item_id = previous, .item = *item};
    bool shared = !e->response.want.out_of_band;
    if (done && shared)
        local_emit(e, &conversation);
    local_emit(e, &ev);
    if (!done && shared)
        local_emit(e, &conversation);
}

static struct rt_item message_item(const struct local_engine *e, enum rt_status status)
{
    return (struct rt_item){.id = str_of(e->response.item_id),
                            .type = RT_ITEM_MESSAGE,
                            .role = RT_ROLE_ASSISTANT,
                            .status = status};
}

static void open_message(struct local_engine *e)
{
    struct local_response *r = &e->response;
    struct str previous = local_item_last(e);
    local_id(e, r->item_id, "item");
    r->message_open = true;
    struct rt_item item = message_item(e, RT_STATUS_IN_PROGRESS);
    item_events(e, &item, false, 0, previous);
    (void)local_item_add(e, r->item_id, LOCAL_ITEM_AGENT);
    struct rt_event ev = part_event(e, RT_CONTENT_PART_ADDED);
    local_emit(e, &ev);
}

/* The item before the one with this id. */
static struct str predecessor(struct local_engine *e, const char *id)
{
    const struct local_item *item = local_item_find(e, str_of(id));
    return item && item > e->items ? str_of(item[-1].id) : STR_NONE;
}

void local_speak_close_message(struct local_engine *e, enum rt_status status)
{
    struct local_response *r = &e->response;
    struct rt_event ev;
    r->message_open = false;
    if (r->want.text_only) {
        ev = part_event(e, RT_TEXT_DONE);
        ev.text = buf_str(&r->spoken);
        local_emit(e, &ev);
    } else {
        ev = part_event(e, RT_AUDIO_DONE);
        local_emit(e, &ev);
        ev = part_event(e, RT_AUDIO_TRANSCRIPT_DONE);
        ev.text = buf_str(&r->spoken);
        local_emit(e, &ev);
    }
    ev = part_event(e, RT_CONTENT_PART_DONE);
    ev.text = buf_str(&r->spoken);
    local_emit(e, &ev);
    struct rt_item item = message_item(e, status);
    item.text = buf_str(&r->spoken);
    item.text_is_transcript = !r->want.text_only;
    item_events(e, &item, true, 0, predecessor(e, r->item_id));
    struct local_item *kept = local_item_find(e, str_of(r->item_id));
    if (kept)
        kept->text = mem_strndup(r->spoken.p, r->spoken.len);
}

void local_speak_arguments(const struct local_plan *plan, struct buf *out)
{
    buf_reset(out);
    if (plan->tool != LOCAL_TOOL_KNOWLEDGE) {
        buf_put_str(out, STR("{}"));
        return;
    }
    buf_put_str(out, STR("{\"query\":"));
    buf_put_json(out, buf_str(&plan->query));
    buf_put_byte(out, '}');
}

void local_speak_call_tool(struct local_engine *e)
{
    struct local_response *r = &e->response;
    struct str name = str_of(local_tool_name(r->plan.tool));
    int64_t index = r->item_id[0] ? 1 : 0;
    struct str previous = local_item_last(e);
    local_id(e, r->call_item_id, "item");
    local_id(e, r->call_id, "call");
    local_speak_arguments(&r->plan, &r->arguments);
    struct rt_item item = {.id = str_of(r->call_item_id),
                           .type = RT_ITEM_FUNCTION_CALL,
                           .status = RT_STATUS_IN_PROGRESS,
                           .call_id = str_of(r->call_id),
                           .name = name,
                           .arguments = STR("")};
    item_events(e, &item, false, index, previous);
    struct local_item *kept = local_item_add(e, r->call_item_id, LOCAL_ITEM_CALL);
    (void)str_copy(kept->call_id, sizeof(kept->call_id), str_of(r->call_id));
    struct rt_event ev = {.type = RT_ARGUMENTS_DELTA,
                          .response_id = str_of(r->id),
                          .item_id = str_of(r->call_item_id),
                          .output_index = index,
                          .call_id = str_of(r->call_id),
                          .text = buf_str(&r->arguments)};
    local_emit(e, &ev);
    ev.type = RT_ARGUMENTS_DONE;
    ev.name = name;
    local_emit(e, &ev);
    item.status = RT_STATUS_COMPLETED;
    item.arguments = buf_str(&r->arguments);
    item_events(e, &item, true, index, previous);
}

/* -- sentences -- */

static void say_text(struct local_engine *e, struct str sentence, enum rt_type type)
{
    struct local_response *r = &e->response;
    size_t before = r->spoken.len;
    if (before > 0)
        buf_put_byte(&r->spoken, ' ');
    buf_put_str(&r->spoken, sentence);
    struct rt_event ev = part_event(e, type);
    ev.text = str_slice(buf_str(&r->spoken), before, r->spoken.len);
    local_emit(e, &ev);
}

static void send_audio(struct local_engine *e)
{
    struct local_response *r = &e->response;
    struct local_mouth *m = &e->mouth;
    size_t piece = LOCAL_DELTA_MS * bytes_per_ms(m->say.format);
    char *text = mem_alloc(base64_encoded_len(piece));
    for (size_t at = 0; at < m->audio.len; at += piece) {
        size_t n = m->audio.len - at < piece ? m->audio.len - at : piece;
        struct rt_event ev = part_event(e, RT_AUDIO_DELTA);
        ev.audio = str_n(text, base64_encode(text, m->audio.p + at, n));
        local_emit(e, &ev);
    }
    mem_free(text);
    r->audio_bytes += (int64_t)m->audio.len;
    struct local_item *kept = local_item_find(e, str_of(r->item_id));
    if (kept)
        kept->audio_ms = r->audio_bytes / (int64_t)bytes_per_ms(m->say.format);
}

static void deliver(struct local_engine *e)
{
    say_text(e, buf_str(&e->mouth.text), RT_AUDIO_TRANSCRIPT_DELTA);
    send_audio(e);
}

static void done(struct worker_job *job)
{
    struct local_mouth *m = mouth_of_job(job);
    struct local_engine *e = engine_of_mouth(m);
    m->busy = false;
    if (!local_release(e))
        return;
    bool current = e->response.active && m->response == e->response.number;
    if (current && m->err == OK) {
        deliver(e);
    } else if (m->err != OK && m->err != ERR_INVALID) {
        LOG_WARN(e->call_id, "local.voice_failed", "voice=%s err=%s next=\"the sentence is lost\"",
                 tts_voice_name(m->say.voice), err_name(m->err));
    }
    local_answer_pump(e);
}

struct local_say local_speak_say(const struct local_engine *e, unsigned speed, struct str sentence)
{
    return (struct local_say){.voice = e->voice,
                              .format = e->out_format,
                              .speed = e->speed * speed / 1000,
                              .text = sentence};
}

/* True when it is under way or said. */
static bool say(struct local_engine *e, struct str sentence)
{
    struct local_mouth *m = &e->mouth;
    /* Nobody hears anything before the first sentence; the next one has as long as that lasts. */
    m->job =
        (struct worker_job){.work = work, .done = done, .urgent = e->response.audio_bytes == 0};
    m->driver = e->driver;
    m->response = e->response.number;
    buf_reset(&m->text);
    buf_put_str(&m->text, sentence);
    m->say = local_speak_say(e, e->reply.speed, buf_str(&m->text));
    /* The first sentence goes out at once if it is at hand. The others take their turn by way of
     * the workers, so that a long answer does not hold the loop. */
    if (e->response.audio_bytes == 0 && local_sounds_find(&e->driver->sounds, &m->say, &m->audio)) {
        deliver(e);
        return true;
    }
    if (worker_submit(e->driver->pool, e->loop, &m->job) != OK) {
        local_retry(e);
        return false;
    }
    m->busy = true;
    e->held++;
    return true;
}

void local_speak_pump(struct local_engine *e)
{
    struct local_response *r = &e->response;
    struct str sentence;
    if (!r->active || !r->planned || e->mouth.busy || e->closing)
        return;
    struct str rest = r->rest;
    if (!sentence_next(&rest, &sentence)) {
        if (r->rest.len > 0) {
            r->rest = STR_NONE;
            local_answer_pump(e);
        }
        return;
    }
    if (!r->message_open)
        open_message(e);
    if (r->want.text_only) {
        r->rest = rest;
        say_text(e, sentence, RT_TEXT_DELTA);
        local_answer_pump(e);
        return;
    }
    if (!say(e, sentence))
        return;
    r->rest = rest;
    if (!e->mouth.busy)
        local_answer_pump(e);
}
