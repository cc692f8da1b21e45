/* Recognition: one job at a time, turn after turn, on a worker. */
#include <stddef.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/local_impl.h"

enum {
    SAMPLE_BYTES = 2,
    FEED_BYTES_MIN = 100 * (LOCAL_HZ / 1000) * SAMPLE_BYTES, /* a job for less is a waste */
    TURN_BYTES_MAX = STT_UTTERANCE_MS_MAX * (LOCAL_HZ / 1000) * SAMPLE_BYTES,
};

static struct local_engine *engine_of_ear(struct local_ear *ear)
{
    return (struct local_engine *)(void *)((char *)ear - offsetof(struct local_engine, ear));
}

static struct local_ear *ear_of_job(struct worker_job *job)
{
    return (struct local_ear *)(void *)((char *)job - offsetof(struct local_ear, job));
}

void local_ear_init(struct local_engine *e, const struct engine_vocabulary *vocabulary)
{
    e->ear.driver = e->driver;
    e->ear.vocabulary = vocabulary;
    buf_init(&e->ear.pcm, TURN_BYTES_MAX);
    stt_result_init(&e->ear.result);
}

static void turn_free(struct local_turn *t)
{
    buf_fini(&t->pcm);
    mem_free(t);
}

void local_ear_fini(struct local_engine *e)
{
    while (e->ear.first) {
        struct local_turn *t = e->ear.first;
        e->ear.first = t->next;
        turn_free(t);
    }
    stt_utterance_free(e->ear.utterance);
    stt_model_unref(e->ear.model);
    stt_result_fini(&e->ear.result);
    buf_fini(&e->ear.pcm);
}

struct local_turn *local_ear_open(struct local_engine *e)
{
    struct local_turn *t = mem_zalloc(sizeof(*t));
    local_id(e, t->item_id, "item");
    buf_init(&t->pcm, TURN_BYTES_MAX);
    if (e->ear.last)
        e->ear.last->next = t;
    else
        e->ear.first = t;
    e->ear.last = t;
    if (++e->ear.count > LOCAL_TURNS_MAX) {
        LOG_WARN(e->call_id, "local.turns_full", "next=\"the turn is not understood\"");
        t->dropped = true;
    }
    return t;
}

void local_ear_write(struct local_turn *t, const int16_t *samples, size_t count)
{
    /* Half a minute is the most the recogniser takes; what is longer is cut, not refused. */
    t->samples += count;
    if (!t->dropped && t->samples * SAMPLE_BYTES <= TURN_BYTES_MAX)
        buf_put(&t->pcm, samples, count * SAMPLE_BYTES);
}

bool local_ear_waiting(const struct local_engine *e)
{
    return e->ear.first && e->ear.first->ended;
}

/* -- worker -- */

static void work(struct worker_job *job)
{
    struct local_ear *ear = ear_of_job(job);
    buf_reset(&ear->result.text);
    ear->result.confidence = ear->result.words = 0;
    if (!ear->model && !ear->failed) {
        ear->failed = local_models_get(ear->driver, ear->vocabulary, &ear->model) != OK;
        if (!ear->failed)
            stt_model_warm(ear->model);
    }
    if (ear->failed)
        return;
    if (!ear->utterance && ear->pcm.len > 0 &&
        stt_utterance_new(&ear->utterance, ear->model, &ear->caller) != OK)
        return;
    if (ear->pcm.len > 0)
        stt_utterance_feed(ear->utterance, (const int16_t *)(const void *)ear->pcm.p,
                           ear->pcm.len / SAMPLE_BYTES);
    if (!(ear->finish || ear->guess) || !ear->utterance)
        return;
    ear->learned = ear->caller;
    if (stt_utterance_end(ear->utterance, &ear->result, &ear->learned) != OK)
        buf_reset(&ear->result.text);
    if (ear->guess)
        return;
    ear->caller = ear->learned;
    stt_utterance_free(ear->utterance);
    ear->utterance = NULL;
}

/* -- loop -- */

static void note_said(struct local_engine *e, const struct local_turn *t)
{
    const struct stt_result *r = &e->ear.result;
    struct str text = buf_str(&r->text);
    if (text.len > 0 && e->said.len > 0)
        buf_put_byte(&e->said, ' ');
    buf_put_str(&e->said, text);
    if (text.len > 0)
        e->confidence = r->confidence;
    e->unanswered = true;
    struct local_item *item = local_item_find(e, str_of(t->item_id));
    if (item)
        item->text = mem_strndup(text.p, text.len);
    LOG_DEBUG(e->call_id, "local.heard", "confidence=%u text=\"%.*s\"", r->confidence,
              STR_FMT(text));
    if (!e->transcribe)
        return;
    struct rt_event ev = {.type = RT_TRANSCRIPTION_COMPLETED,
                          .item_id = str_of(t->item_id),
                          .text = text.p ? text : STR(""),
                          .usage_duration_ms = (int64_t)(t->samples / (LOCAL_HZ / 1000))};
    local_emit(e, &ev);
}

/* The first turn's text is known. */
static void finish_first(struct local_engine *e)
{
    struct local_ear *ear = &e->ear;
    struct local_turn *t = ear->first;
    ear->first = t->next;
    if (!ear->first)
        ear->last = NULL;
    ear->count--;
    if (!t->dropped)
        note_said(e, t);
    turn_free(t);
    local_answer_pump(e);
}

static void done(struct worker_job *job)
{
    struct local_ear *ear = ear_of_job(job);
    struct local_engine *e = engine_of_ear(ear);
    ear->busy = false;
    if (!local_release(e))
        return;
    if (ear->finish) {
        ear->finish = false;
        finish_first(e);
    } else if (ear->guess) {
        struct local_turn *t = ear->first;
        ear->guess = false;
        t->guessed = true;
        if (!t->ended && !t->voice)
            local_guess_heard(e, buf_str(&ear->result.text), ear->result.confidence);
    }
    local_ear_pump(e);
}

void local_ear_watch(struct local_engine *e, struct local_turn *t)
{
    const struct vad *vad = &e->input.vad;
    int64_t quiet = vad_quiet_ms(vad);
    int64_t voice_ms = vad_now_ms(vad) - quiet;
    if (quiet == 0) {
        t->guess_due = false;
        t->voice = true;
    }
    /* An end that is nearer than the guess would be gains nothing by it. */
    if (quiet < LOCAL_GUESS_AFTER_MS || e->input.vad_opts.silence_ms <= LOCAL_GUESS_AFTER_MS ||
        t->guessed_ms == voice_ms || t->guesses == LOCAL_GUESSES_MAX ||
        t->samples > LOCAL_GUESS_MS_MAX * (LOCAL_HZ / 1000))
        return;
    t->guessed_ms = voice_ms;
    t->guesses++;
    t->guess_due = true;
}

/* What a guess found: true while there is nothing to do for the recogniser. */
static bool guess_holds(struct local_engine *e, struct local_turn *t)
{
    struct local_ear *ear = &e->ear;
    if (!t->guessed)
        return false;
    if (t->voice && !t->dropped) {
        t->guessed = false;
        local_guess_drop(e);
        return false;
    }
    if (!t->ended)
        return true;
    ear->caller = ear->learned;
    stt_utterance_free(ear->utterance);
    ear->utterance = NULL;
    finish_first(e);
    return true;
}

void local_ear_pump(struct local_engine *e)
{
    struct local_ear *ear = &e->ear;
    if (ear->busy || e->closing)
        return;
    struct local_turn *t = ear->first;
    if (t && guess_holds(e, t)) {
        if (t != ear->first)
            local_ear_pump(e);
        return;
    }
    bool warm_up = !ear->model && !ear->failed;
    bool guess = t && !t->ended && t->guess_due;
    if (!warm_up && (!t || (!t->ended && !guess && t->pcm.len < FEED_BYTES_MIN)))
        return;
    ear->job = (struct worker_job){.work = work, .done = done};
    ear->finish = t && t->ended;
    ear->guess = guess;
    ear->job.urgent = ear->finish || guess;
    struct buf spare = ear->pcm;
    buf_reset(&spare);
    if (t) {
        ear->pcm = t->pcm;
        t->pcm = spare;
    } else {
        ear->pcm = spare;
    }
    if (worker_submit(e->driver->pool, e->loop, &ear->job) == OK) {
        ear->busy = true;
        e->held++;
        if (guess)
            t->guess_due = t->voice = false;
        return;
    }
    /* What was taken goes back: the turn keeps its audio until there is room. */
    if (t) {
        spare = t->pcm;
        t->pcm = ear->pcm;
        ear->pcm = spare;
    }
    ear->finish = ear->guess = false;
    local_retry(e);
}
