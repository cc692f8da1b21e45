#include "session/prompts.h"

#include <string.h>

#include "audio/g711.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "speech/sentence.h"

/* A text and, once it was made, its audio. Shared between the cache and the job that makes it. */
struct entry {
    struct worker_job job; /* first */
    bool orphan;           /* its cache is gone: it goes when the job comes back */
    enum tts_voice voice;
    struct entry *next; /* newest first */
    char *text;
    struct buf mulaw;  /* while it is made */
    struct buf base64; /* when it is ready */
    uint32_t len;
    bool ready;
    bool deferred; /* answer_waits is on its way */
    struct prompt_wait *waits;
};

struct prompt_wait {
    struct prompt_wait *next;
    prompt_done_fn *done; /* NULL = cancelled */
    void *ctx;
};

struct prompts {
    struct loop *loop;
    struct worker_pool *pool;
    enum tts_voice voice;
    struct entry *entries;
    unsigned count;
};

struct prompts *prompts_open(struct loop *l, struct worker_pool *pool, enum tts_voice voice)
{
    struct prompts *p = mem_zalloc(sizeof(*p));
    *p = (struct prompts){.loop = l, .pool = pool, .voice = voice};
    return p;
}

static void entry_free(struct entry *e)
{
    while (e->waits) {
        struct prompt_wait *w = e->waits;
        e->waits = w->next;
        mem_free(w);
    }
    buf_fini(&e->mulaw);
    buf_fini(&e->base64);
    mem_free(e->text);
    mem_free(e);
}

void prompts_close(struct prompts *p)
{
    if (!p)
        return;
    while (p->entries) {
        struct entry *e = p->entries;
        p->entries = e->next;
        e->orphan = true;
        if (e->ready)
            entry_free(e);
    }
    mem_free(p);
}

/* Worker thread. */
static void synthesise(struct worker_job *job)
{
    struct entry *e = (struct entry *)job;
    struct str rest = str_of(e->text), sentence;
    while (sentence_next(&rest, &sentence)) {
        struct tts_audio audio;
        if (tts_say(e->voice, sentence, 1000, &audio) != OK)
            continue;
        unsigned char *to = buf_reserve(&e->mulaw, audio.count);
        if (to) {
            g711_mulaw_encode_all(to, audio.samples, audio.count);
            buf_commit(&e->mulaw, audio.count);
        }
        tts_audio_fini(&audio);
    }
    char *text = buf_reserve(&e->base64, base64_encoded_len(e->mulaw.len));
    if (text && e->mulaw.len)
        buf_commit(&e->base64, base64_encode(text, e->mulaw.p, e->mulaw.len));
}

static void answer_waits(void *ctx)
{
    struct entry *e = ctx;
    e->deferred = false;
    while (e->waits) {
        struct prompt_wait *w = e->waits;
        e->waits = w->next;
        if (w->done)
            w->done(w->ctx, buf_str(&e->base64), e->len);
        mem_free(w);
    }
}

static void on_synthesised(struct worker_job *job)
{
    struct entry *e = (struct entry *)job;
    if (e->orphan) {
        entry_free(e);
        return;
    }
    e->len = (uint32_t)e->mulaw.len;
    e->ready = true;
    buf_release(&e->mulaw);
    if (e->len == 0)
        LOG_WARN(NULL, "prompt.not_synthesised", "bytes=%zu", strlen(e->text));
    answer_waits(e);
}

/* Makes room by dropping the oldest text that is ready and waited for by nobody. */
static void trim(struct prompts *p)
{
    struct entry **victim = NULL;
    if (p->count < SESSION_PROMPTS_MAX)
        return;
    for (struct entry **at = &p->entries; *at; at = &(*at)->next)
        if ((*at)->ready && !(*at)->waits && !(*at)->deferred)
            victim = at;
    if (victim) {
        struct entry *e = *victim;
        *victim = e->next;
        entry_free(e);
        p->count--;
    }
}

static struct entry *find_or_make(struct prompts *p, struct str text)
{
    for (struct entry *e = p->entries; e; e = e->next)
        if (str_eq(str_of(e->text), text) && !(e->ready && e->len == 0))
            return e;
    trim(p);
    struct entry *e = mem_zalloc(sizeof(*e));
    *e = (struct entry){
        .voice = p->voice, .text = mem_strndup(text.p, text.len), .next = p->entries};
    e->job = (struct worker_job){.work = synthesise, .done = on_synthesised};
    buf_init(&e->mulaw, SESSION_PROMPT_BYTES_MAX);
    buf_init(&e->base64, base64_encoded_len(SESSION_PROMPT_BYTES_MAX));
    p->entries = e;
    p->count++;
    if (worker_submit(p->pool, p->loop, &e->job) != OK) {
        LOG_WARN(NULL, "prompt.workers_full", "the text is not said");
        e->ready = true;
    }
    return e;
}

struct prompt_wait *prompts_say(struct prompts *p, struct str text, prompt_done_fn *done, void *ctx)
{
    struct entry *e = find_or_make(p, text);
    struct prompt_wait *w = mem_zalloc(sizeof(*w));
    *w = (struct prompt_wait){.next = e->waits, .done = done, .ctx = ctx};
    e->waits = w;
    if (e->ready && !e->deferred) {
        e->deferred = true;
        loop_defer(p->loop, answer_waits, e);
    }
    return w;
}

void prompts_cancel(struct prompt_wait *w)
{
    w->done = NULL;
}
