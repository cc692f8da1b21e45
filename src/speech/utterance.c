#include "speech/utterance.h"

#include <math.h>

#include "base/limits.h"
#include "base/mem.h"
#include "speech/decoder.h"

enum {
    FRAMES_MAX = STT_UTTERANCE_MS_MAX / 1000 * FRONT_FRAMES_PER_SECOND,
    FRAMES_FIRST = 256,
    FEED_SAMPLES = 1600, /* 200 ms */
    FEED_FRAMES = 32,    /* what they can complete */
    SURE = 650,          /* permille of confidence that needs no second pass */
};

/* Where the first utterance of a call starts: the mean of telephone speech through front.h. */
static const float telephone_mean[FRONT_CEPSTRA] = {47.5f, 5.8f,  -1.4f, 16.5f, 1.3f,  -1.0f, 0.3f,
                                                    -5.5f, -2.9f, -3.9f, 0.3f,  -0.2f, 0.8f};

struct stt_utterance {
    struct stt_model *model;
    struct front *front;
    struct decoder *decoder; /* NULL while all are busy */
    struct stt_caller caller;
    float (*cep)[FRONT_CEPSTRA]; /* kept for the second pass */
    size_t frames;
    size_t cap;
    size_t searched; /* frames the decoder has had */
    bool ended;
};

void stt_result_init(struct stt_result *r)
{
    *r = (struct stt_result){0};
    buf_init(&r->text, STT_TEXT_BYTES_MAX);
}

void stt_result_fini(struct stt_result *r)
{
    buf_fini(&r->text);
}

enum err stt_utterance_new(struct stt_utterance **out, struct stt_model *m,
                           const struct stt_caller *caller)
{
    struct front *front;
    enum err err = front_open(&front);
    if (err != OK)
        return err;
    struct stt_utterance *u = mem_zalloc(sizeof(*u));
    u->model = m;
    stt_model_ref(m);
    u->front = front;
    front_start(front);
    if (caller)
        u->caller = *caller;
    *out = u;
    return OK;
}

void stt_utterance_free(struct stt_utterance *u)
{
    if (!u)
        return;
    if (u->decoder) {
        if (!u->ended)
            ps_end_utt(u->decoder->ps);
        decoder_return(u->model, u->decoder);
    }
    front_close(u->front);
    stt_model_unref(u->model);
    mem_free(u->cep);
    mem_free(u);
}

/* Borrows a decoder if one is to be had and starts the live pass. */
static void try_start(struct stt_utterance *u)
{
    if (u->decoder || decoder_borrow(&u->decoder, u->model, false) != OK)
        return;
    decoder_set_mean(u->decoder, u->caller.known ? u->caller.mean : telephone_mean);
    ps_start_utt(u->decoder->ps);
}

static void grow(struct stt_utterance *u, size_t frames)
{
    if (u->frames + frames <= u->cap)
        return;
    u->cap = u->cap ? u->cap * 2 : FRAMES_FIRST;
    if (u->cap < u->frames + frames)
        u->cap = u->frames + frames;
    u->cep = mem_realloc(u->cep, u->cap * sizeof(*u->cep));
}

void stt_utterance_feed(struct stt_utterance *u, const int16_t *pcm, size_t count)
{
    if (u->ended) { /* it goes on: pocketsphinx cannot, so the search begins anew */
        u->ended = false;
        u->searched = 0;
    }
    while (count > 0 && u->frames < FRAMES_MAX) {
        size_t n = count < FEED_SAMPLES ? count : FEED_SAMPLES;
        grow(u, FEED_FRAMES);
        u->frames += front_feed(u->front, pcm, n, u->cep + u->frames, FEED_FRAMES);
        pcm += n;
        count -= n;
    }
    try_start(u);
    if (u->decoder && u->searched < u->frames) {
        decoder_feed(u->decoder, u->cep + u->searched, u->frames - u->searched);
        u->searched = u->frames;
    }
}

void stt_utterance_partial(struct stt_utterance *u, struct buf *out)
{
    buf_reset(out);
    if (u->decoder && !u->ended)
        buf_put_str(out, str_of(ps_get_hyp(u->decoder->ps, NULL)));
}

/* The geometric mean of the words' posterior probabilities, silence and noise left out. */
static void take_result(const struct stt_utterance *u, struct stt_result *out)
{
    ps_decoder_t *ps = u->decoder->ps;
    buf_reset(&out->text);
    out->confidence = out->words = 0;
    buf_put_str(&out->text, str_of(ps_get_hyp(ps, NULL)));
    logmath_t *lmath = ps_get_logmath(ps);
    double sum = 0;
    for (ps_seg_t *seg = ps_seg_iter(ps); seg; seg = ps_seg_next(seg)) {
        const char *word = ps_seg_word(seg);
        if (!word || word[0] == '<' || word[0] == '[' || word[0] == '+')
            continue;
        sum += logmath_log_to_ln(lmath, ps_seg_prob(seg, NULL, NULL, NULL));
        out->words++;
    }
    if (out->words > 0) {
        double p = exp(sum / out->words);
        out->confidence = (unsigned)(1000 * (p < 1 ? p : 1));
    }
}

enum err stt_utterance_end(struct stt_utterance *u, struct stt_result *out,
                           struct stt_caller *caller)
{
    buf_reset(&out->text);
    out->confidence = 0;
    out->words = 0;
    bool live = u->decoder != NULL;
    if (!live) {
        enum err err = decoder_borrow(&u->decoder, u->model, true);
        u->ended = true;
        if (err != OK)
            return err;
    } else {
        ps_end_utt(u->decoder->ps);
        u->ended = true;
    }
    if (live)
        take_result(u, out);
    /* The running mean is a guess on the first utterance of a call: a second pass with the true one
     * halves its errors. Afterwards, or when it went well, that would only cost time. */
    bool doubtful = !u->caller.known && out->confidence < SURE;
    if (u->frames > 0 && (!live || doubtful)) {
        decoder_run(u->decoder, u->cep, u->frames);
        take_result(u, out);
    }
    if (caller && live) {
        decoder_get_mean(u->decoder, caller->mean);
        caller->known = true;
    }
    decoder_return(u->model, u->decoder);
    u->decoder = NULL;
    return OK;
}
