#include "speech/stt.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sphinxbase/err.h>
#include <sphinxbase/feat.h>
#include <sphinxbase/ngram_model.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "speech/callers.h"
#include "speech/decoder.h"
#include "speech/dict.h"
#include "speech/lm.h"
#include "speech/normalise.h"
#include "speech/sentence.h"

enum { FD_PATH_BYTES = 32, LIVE_FRAMES = 2 };

struct stt {
    char *model_dir;
    struct dict *dict;
    unsigned decoders_max;
    pthread_mutex_t lock; /* guards what follows and the models' lists and counts */
    unsigned decoders;    /* kept ones, idle or out */
    struct stt_model *models;
};

struct stt_model {
    struct stt *stt;
    struct stt_model *next;
    struct decoder *idle;
    unsigned refs;
    int dict_fd;
    int lm_fd;
    size_t words;
    size_t dropped;
};

/* pocketsphinx floods stderr otherwise; what matters comes back as an error. */
static void swallow_log(void *user_data, err_lvl_t level, const char *fmt, ...)
{
    (void)user_data;
    (void)level;
    (void)fmt;
}

enum err stt_open(struct stt **out, const struct stt_opts *opts, struct err_detail *detail)
{
    const char *dir = opts && opts->model_dir ? opts->model_dir : STT_MODEL_DIR;
    char path[512];
    snprintf(path, sizeof(path), "%s/en-us/mdef", dir);
    if (access(path, R_OK) != 0)
        return err_explain(detail, ERR_NOTFOUND,
                           "no acoustic model at %s; install the package pocketsphinx-en-us", dir);
    struct dict *dict;
    snprintf(path, sizeof(path), "%s/cmudict-en-us.dict", dir);
    enum err err = dict_open(&dict, path, detail);
    if (err != OK)
        return err;
    err_set_callback(swallow_log, NULL);
    struct stt *s = mem_zalloc(sizeof(*s));
    s->model_dir = mem_strdup(dir);
    s->dict = dict;
    s->decoders_max = opts && opts->decoders_max ? opts->decoders_max : STT_DECODERS_MAX;
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return OK;
}

void stt_close(struct stt *s)
{
    if (!s)
        return;
    ASSERT(!s->models);
    pthread_mutex_destroy(&s->lock);
    dict_close(s->dict);
    mem_free(s->model_dir);
    mem_free(s);
}

/* -- models -- */

static void add_text(struct lm *lm, struct buf *words, struct str text, uint32_t weight)
{
    struct str sentence;
    while (sentence_next(&text, &sentence)) {
        buf_reset(words);
        normalise_words(words, sentence);
        if (buf_ok(words))
            lm_add(lm, buf_str(words), weight);
    }
}

static void add_phrases(struct lm *lm, const struct callers_row *row)
{
    struct str rest = str_of(row->phrases);
    while (rest.p)
        lm_add(lm, str_take_until(&rest, '/'), row->weight);
}

/* The contents as an anonymous file, because pocketsphinx reads names only. -1 on failure. */
static int to_memfd(const char *name, const struct buf *b)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < b->len;) {
        ssize_t n = write(fd, b->p + done, b->len - done);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    return fd;
}

static enum err write_files(struct stt_model *m, const struct lm *lm)
{
    bool *skip = mem_zalloc(lm->word_count);
    struct buf dict, arpa;
    buf_init(&dict, LM_ARPA_BYTES_MAX);
    buf_init(&arpa, LM_ARPA_BYTES_MAX);
    m->words = dict_write(m->stt->dict, lm, skip, &dict);
    m->dropped = lm->word_count - 3 - m->words; /* the sentence marks, and the gap "_" */
    enum err err = lm_write_arpa(lm, skip, &arpa);
    if (err == OK && !buf_ok(&dict))
        err = ERR_LIMIT;
    if (err == OK) {
        m->dict_fd = to_memfd("callee-dict", &dict);
        m->lm_fd = to_memfd("callee-lm", &arpa);
        if (m->dict_fd < 0 || m->lm_fd < 0)
            err = ERR_IO;
    }
    mem_free(skip);
    buf_fini(&dict);
    buf_fini(&arpa);
    return err;
}

static void model_free(struct stt_model *m)
{
    if (m->dict_fd >= 0)
        close(m->dict_fd);
    if (m->lm_fd >= 0)
        close(m->lm_fd);
    mem_free(m);
}

enum err stt_model_build(struct stt_model **out, struct stt *s, const struct str *texts,
                         size_t count, struct err_detail *detail)
{
    struct lm lm;
    struct buf words;
    lm_init(&lm);
    buf_init(&words, LM_TOKENS_MAX);
    for (size_t i = 0; i < callers_count; i++)
        add_phrases(&lm, &callers[i]);
    for (size_t i = 0; i < count; i++)
        add_text(&lm, &words, texts[i], 1);
    struct stt_model *m = mem_zalloc(sizeof(*m));
    *m = (struct stt_model){.stt = s, .refs = 1, .dict_fd = -1, .lm_fd = -1};
    enum err err = write_files(m, &lm);
    lm_fini(&lm);
    buf_fini(&words);
    if (err != OK) {
        model_free(m);
        return err_explain(detail, err, "no language model from %zu texts: %s", count,
                           err == ERR_INVALID ? "no word that can be pronounced" : err_name(err));
    }
    pthread_mutex_lock(&s->lock);
    m->next = s->models;
    s->models = m;
    pthread_mutex_unlock(&s->lock);
    *out = m;
    return OK;
}

size_t stt_model_words(const struct stt_model *m)
{
    return m->words;
}

size_t stt_model_dropped(const struct stt_model *m)
{
    return m->dropped;
}

void stt_model_ref(struct stt_model *m)
{
    pthread_mutex_lock(&m->stt->lock);
    m->refs++;
    pthread_mutex_unlock(&m->stt->lock);
}

static void decoder_free(struct decoder *d)
{
    ps_free(d->ps);
    mem_free(d);
}

void stt_model_unref(struct stt_model *m)
{
    if (!m)
        return;
    struct stt *s = m->stt;
    pthread_mutex_lock(&s->lock);
    ASSERT(m->refs > 0);
    bool last = --m->refs == 0;
    if (last) {
        struct stt_model **p = &s->models;
        while (*p != m)
            p = &(*p)->next;
        *p = m->next;
        for (struct decoder *d = m->idle; d; d = d->next)
            s->decoders--;
    }
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    while (m->idle) {
        struct decoder *d = m->idle;
        m->idle = d->next;
        decoder_free(d);
    }
    model_free(m);
}

/* -- decoders -- */

static ps_decoder_t *open_decoder(const struct stt_model *m)
{
    char hmm[512], dict[FD_PATH_BYTES], lm[FD_PATH_BYTES];
    err_set_logfp(NULL); /* the settings printed at start go past the callback; per thread */
    snprintf(hmm, sizeof(hmm), "%s/en-us", m->stt->model_dir);
    snprintf(dict, sizeof(dict), "/proc/self/fd/%d", m->dict_fd);
    snprintf(lm, sizeof(lm), "/proc/self/fd/%d", m->lm_fd);
    cmd_ln_t *config = cmd_ln_init(NULL, ps_args(), TRUE, "-hmm", hmm, "-dict", dict, "-fwdflat",
                                   "no", "-bestpath", "yes", NULL);
    if (!config)
        return NULL;
    ps_decoder_t *ps = ps_init(config);
    ngram_model_t *model = ps ? ngram_model_read(config, lm, NGRAM_ARPA, ps_get_logmath(ps)) : NULL;
    bool ready = model && ps_set_lm(ps, "callers", model) == 0 && ps_set_search(ps, "callers") == 0;
    if (model)
        ngram_model_free(model);
    cmd_ln_free_r(config);
    if (ready)
        return ps;
    if (ps)
        ps_free(ps);
    return NULL;
}

/* An idle decoder of another vocabulary makes room for one of ours. The lock is held. */
static struct decoder *take_elsewhere(struct stt *s)
{
    for (struct stt_model *m = s->models; m; m = m->next) {
        struct decoder *d = m->idle;
        if (d) {
            m->idle = d->next;
            s->decoders--;
            return d;
        }
    }
    return NULL;
}

enum err decoder_borrow(struct decoder **out, struct stt_model *m, bool extra)
{
    struct stt *s = m->stt;
    struct decoder *evicted = NULL;
    pthread_mutex_lock(&s->lock);
    struct decoder *d = m->idle;
    bool room = true;
    if (d) {
        m->idle = d->next;
    } else {
        if (s->decoders >= s->decoders_max)
            evicted = take_elsewhere(s);
        room = s->decoders < s->decoders_max;
        s->decoders += room;
    }
    pthread_mutex_unlock(&s->lock);
    if (evicted)
        decoder_free(evicted);
    if (d) {
        *out = d;
        return OK;
    }
    if (!room && !extra)
        return ERR_LIMIT;
    ps_decoder_t *ps = open_decoder(m);
    if (!ps) {
        LOG_ERROR(NULL, "stt.decoder_failed", "next=\"speech is not understood\"");
        pthread_mutex_lock(&s->lock);
        s->decoders -= room;
        pthread_mutex_unlock(&s->lock);
        return ERR_IO;
    }
    d = mem_zalloc(sizeof(*d));
    *d = (struct decoder){.ps = ps, .extra = !room};
    *out = d;
    return OK;
}

void decoder_return(struct stt_model *m, struct decoder *d)
{
    if (d->extra) {
        decoder_free(d);
        return;
    }
    pthread_mutex_lock(&m->stt->lock);
    d->next = m->idle;
    m->idle = d;
    pthread_mutex_unlock(&m->stt->lock);
}

void stt_model_warm(struct stt_model *m)
{
    struct decoder *d;
    if (decoder_borrow(&d, m, false) == OK)
        decoder_return(m, d);
}

/* On a copy, because the mean is subtracted in place and the frames are needed again. */
static void process(struct decoder *d, float (*cep)[FRONT_CEPSTRA], size_t frames, bool whole)
{
    float(*copy)[FRONT_CEPSTRA] = mem_alloc((frames + 1) * sizeof(*copy));
    mfcc_t **rows = mem_alloc((frames + 1) * sizeof(*rows));
    memcpy(copy, cep, frames * sizeof(*copy));
    for (size_t i = 0; i < frames; i++)
        rows[i] = copy[i];
    ps_process_cep(d->ps, rows, (int)frames, FALSE, whole);
    mem_free(rows);
    mem_free(copy);
}

void decoder_run(struct decoder *d, float (*cep)[FRONT_CEPSTRA], size_t frames)
{
    ps_start_utt(d->ps);
    process(d, cep, frames, true);
    ps_end_utt(d->ps);
}

/* A few frames at a time: more than its window of features at once confuses the live search of
 * pocketsphinx ("outside queue") and nothing is recognised. */
void decoder_feed(struct decoder *d, float (*cep)[FRONT_CEPSTRA], size_t frames)
{
    for (size_t i = 0; i < frames; i += LIVE_FRAMES)
        process(d, cep + i, frames - i < LIVE_FRAMES ? frames - i : LIVE_FRAMES, false);
}

void decoder_set_mean(struct decoder *d, const float mean[FRONT_CEPSTRA])
{
    cmn_live_set(ps_get_feat(d->ps)->cmn_struct, mean);
}

void decoder_get_mean(struct decoder *d, float mean[FRONT_CEPSTRA])
{
    cmn_live_get(ps_get_feat(d->ps)->cmn_struct, mean);
}
