/* Vocabularies made ready, kept by the key their owner gives them. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/local_impl.h"

static struct local_model *find(struct local_driver *d, const char *key)
{
    for (size_t i = 0; i < d->model_count; i++) {
        if (strcmp(d->models[i].key, key) == 0)
            return &d->models[i];
    }
    return NULL;
}

/* A free place, or the one used longest ago. */
static struct local_model *place(struct local_driver *d)
{
    if (d->model_count < LOCAL_MODELS_MAX)
        return &d->models[d->model_count++];
    struct local_model *oldest = &d->models[0];
    for (size_t i = 1; i < d->model_count; i++) {
        if (d->models[i].used < oldest->used)
            oldest = &d->models[i];
    }
    stt_model_unref(oldest->model);
    mem_free(oldest->key);
    return oldest;
}

enum err local_models_get(struct local_driver *d, const struct engine_vocabulary *vocabulary,
                          struct stt_model **out)
{
    const char *key = vocabulary && vocabulary->key ? vocabulary->key : "";
    /* Held while a model is made: whoever asks for the same one meanwhile needs it, too. */
    pthread_mutex_lock(&d->lock);
    struct local_model *m = find(d, key);
    enum err err = OK;
    if (!m) {
        struct stt_model *model;
        struct err_detail detail = {""};
        err = stt_model_build(&model, d->stt, vocabulary ? vocabulary->sentences : NULL,
                              vocabulary ? vocabulary->count : 0, &detail);
        if (err == OK) {
            m = place(d);
            *m = (struct local_model){.key = mem_strdup(key), .model = model};
            LOG_INFO(NULL, "local.vocabulary", "key=%s words=%zu dropped=%zu", key,
                     stt_model_words(model), stt_model_dropped(model));
        } else {
            LOG_ERROR(NULL, "local.vocabulary_failed", "key=%s why=\"%s\" next=\"deaf\"", key,
                      detail.text);
        }
    }
    if (m) {
        m->used = ++d->uses;
        stt_model_ref(m->model);
        *out = m->model;
    }
    pthread_mutex_unlock(&d->lock);
    return err;
}

void local_models_free(struct local_driver *d)
{
    for (size_t i = 0; i < d->model_count; i++) {
        stt_model_unref(d->models[i].model);
        mem_free(d->models[i].key);
    }
    d->model_count = 0;
}
