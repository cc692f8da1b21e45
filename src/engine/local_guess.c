/* What the answer will be, thought out while the caller may only be pausing. */
#include <stddef.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/local_impl.h"
#include "speech/sentence.h"

enum { QUEUED_MAX = 4 }; /* jobs waiting: then the workers have better things to do */

static struct local_guess *guess_of_job(struct worker_job *job)
{
    return (struct local_guess *)(void *)((char *)job - offsetof(struct local_guess, job));
}

static struct local_engine *engine_of_guess(struct local_guess *g)
{
    return (struct local_engine *)(void *)((char *)g - offsetof(struct local_engine, guess));
}

void local_guess_init(struct local_engine *e)
{
    struct local_guess *g = &e->guess;
    g->driver = e->driver;
    local_reply_init(&g->reply);
    local_plan_init(&g->plan);
    buf_init(&g->text, LOCAL_TEXT_BYTES_MAX);
    buf_init(&g->audio, LOCAL_SPEECH_BYTES_MAX);
    buf_init(&g->heard, LOCAL_TEXT_BYTES_MAX * 2);
}

void local_guess_fini(struct local_engine *e)
{
    struct local_guess *g = &e->guess;
    local_reply_fini(&g->reply);
    local_plan_fini(&g->plan);
    buf_fini(&g->text);
    buf_fini(&g->audio);
    buf_fini(&g->heard);
}

static void work(struct worker_job *job)
{
    struct local_guess *g = guess_of_job(job);
    enum err err = local_sounds_make(&g->driver->sounds, &g->say, &g->audio);
    (void)err; /* whoever needs it finds out again, and says so */
}

static void prepare(struct local_engine *e);

static void done(struct worker_job *job)
{
    struct local_guess *g = guess_of_job(job);
    struct local_engine *e = engine_of_guess(g);
    g->busy = false;
    buf_release(&g->audio);
    if (local_release(e) && g->again)
        prepare(e);
}

static void prepare(struct local_engine *e)
{
    struct local_guess *g = &e->guess;
    struct str rest = buf_str(&g->plan.say), sentence;
    g->again = g->busy;
    if (g->busy || e->text_only || worker_pool_queued(e->driver->pool) > QUEUED_MAX ||
        !sentence_next(&rest, &sentence))
        return;
    buf_reset(&g->text);
    buf_put_str(&g->text, sentence);
    g->say = local_speak_say(e, g->reply.speed, buf_str(&g->text));
    g->job = (struct worker_job){.work = work, .done = done, .urgent = true};
    if (worker_submit(e->driver->pool, e->loop, &g->job) != OK)
        return;
    g->busy = true;
    e->held++;
}

void local_guess_heard(struct local_engine *e, struct str text, unsigned confidence)
{
    struct local_guess *g = &e->guess;
    g->asked = g->again = false;
    if (e->response.active)
        return;
    buf_reset(&g->heard);
    buf_put_str(&g->heard, buf_str(&e->said));
    if (g->heard.len > 0 && text.len > 0)
        buf_put_byte(&g->heard, ' ');
    buf_put_str(&g->heard, text);
    local_reply_copy(&g->reply, &e->reply);
    local_reply_hear(&g->reply, buf_str(&g->heard), text.len ? confidence : e->confidence,
                     &g->plan);
    LOG_DEBUG(e->call_id, "local.guess", "text=\"%.*s\" tool=%s", STR_FMT(text),
              local_tool_name(g->plan.tool));
    prepare(e);
    if (g->plan.tool != LOCAL_TOOL_KNOWLEDGE || !e->events.on_guess)
        return;
    struct buf arguments;
    buf_init(&arguments, LOCAL_TEXT_BYTES_MAX * 2);
    local_speak_arguments(&g->plan, &arguments);
    g->asked = true;
    e->events.on_guess(e->ctx, str_of(local_tool_name(g->plan.tool)), buf_str(&arguments));
    buf_fini(&arguments);
}

void local_guess_hint(struct local_engine *e, struct str output)
{
    struct local_guess *g = &e->guess;
    if (!g->asked)
        return;
    g->asked = false;
    local_reply_output(&g->reply, output, &g->plan);
    prepare(e);
}

void local_guess_drop(struct local_engine *e)
{
    e->guess.asked = e->guess.again = false;
}
