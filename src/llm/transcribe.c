#include "llm/transcribe.h"

#include "audio/g711.h"
#include "audio/resample.h"
#include "audio/wav.h"
#include "base/js.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/llm_private.h"

enum { BOUNDARY_RANDOM_BYTES = 16, PIECE_SAMPLES = 1024 };

struct transcribe {
    struct llm *service;
    struct llm_request *request;
    int64_t audio_ms;
    transcribe_done_fn *done;
    void *ctx;
};

/* -- the request: RFC 7578 -- */

static void put_field(struct buf *b, const char *boundary, const char *name, struct str value)
{
    if (!value.p)
        return;
    buf_printf(b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", boundary, name);
    buf_put_str(b, value);
    buf_put_str(b, STR("\r\n"));
}

static void put_samples(struct buf *b, const struct transcribe_ask *a)
{
    int16_t piece[PIECE_SAMPLES];
    wav_write_header(b, a->rate_hz, 1, a->count);
    if (a->samples) {
        wav_write_samples(b, a->samples, a->count);
        return;
    }
    for (size_t at = 0; at < a->count; at += PIECE_SAMPLES) {
        size_t n = a->count - at < PIECE_SAMPLES ? a->count - at : PIECE_SAMPLES;
        g711_mulaw_decode_all(piece, a->mulaw + at, n);
        wav_write_samples(b, piece, n);
    }
}

static void put_request(struct buf *b, const struct transcribe_ask *a, const char *boundary)
{
    put_field(b, boundary, "response_format", STR("json"));
    put_field(b, boundary, "language", a->language);
    put_field(b, boundary, "prompt", a->prompt);
    buf_printf(b,
               "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"audio.wav\"\r\n"
               "Content-Type: audio/wav\r\n\r\n",
               boundary);
    put_samples(b, a);
    buf_printf(b, "\r\n--%s--\r\n", boundary);
}

/* -- the answer -- */

/* Models are paid by tokens, as the answer says, or by the length of the sound. */
static struct llm_usage usage_of(const struct transcribe *t, const json_t *root)
{
    const json_t *usage = js_get(root, "usage");
    struct llm_usage u = {0};
    if (str_eq(js_get_str(usage, "type"), STR("tokens"))) {
        u.input_tokens = llm_tokens(usage, "input_tokens");
        u.output_tokens = llm_tokens(usage, "output_tokens");
    } else {
        u.audio_ms = t->audio_ms;
    }
    return u;
}

static void on_answer(void *ctx, const struct llm_answer *a)
{
    struct transcribe *t = ctx;
    struct err_detail why;
    json_t *root = NULL;
    struct transcribe_result result = {.err = a->err, .detail = a->detail};
    if (a->err == OK) {
        result.err = js_parse(buf_str(a->body), &root, &why);
        if (result.err != OK)
            root = NULL;
        result.text = js_get_str(root, "text");
        if (result.err == OK && !result.text.p)
            result.err = err_explain(&why, ERR_INVALID, "the answer holds no text");
        result.detail = result.err == OK ? NULL : why.text;
        result.model = a->place->model;
        result.usage = usage_of(t, root);
        result.usage.cost_nanousd = llm_cost_nanousd(&a->place->prices, &result.usage);
    }
    t->done(t->ctx, &result);
    json_decref(root);
    mem_free(t);
}

/* -- public -- */

enum err transcribe_start(struct llm *s, const struct transcribe_ask *a, transcribe_done_fn *done,
                          void *ctx, struct transcribe **out)
{
    char boundary[2 * BOUNDARY_RANDOM_BYTES + 1];
    struct buf body;
    loop_assert_thread(s->loop);
    if (a->count == 0 || !resample_rate_ok(a->rate_hz) ||
        (a->language.len && !utf8_valid(a->language)) || (a->prompt.len && !utf8_valid(a->prompt)))
        return ERR_INVALID;
    if (a->count > TRANSCRIBE_AUDIO_BYTES_MAX / sizeof(int16_t))
        return ERR_LIMIT;
    rng_hex(loop_rng(s->loop), boundary, BOUNDARY_RANDOM_BYTES);
    buf_init(&body, a->count * sizeof(int16_t) + TRANSCRIBE_WORDS_BYTES_MAX);
    put_request(&body, a, boundary);
    if (!buf_ok(&body)) {
        buf_fini(&body);
        return ERR_LIMIT;
    }
    struct transcribe *t = mem_zalloc(sizeof(*t));
    t->service = s;
    t->audio_ms = (int64_t)((uint64_t)a->count * 1000 / a->rate_hz);
    t->done = done;
    t->ctx = ctx;
    const struct llm_request_opts opts = {
        .path = "/audio/transcriptions",
        .body = buf_str(&body),
        .boundary = boundary,
        .deadline_ms = a->deadline_ms,
        .answer_max = TRANSCRIBE_ANSWER_BYTES_MAX,
    };
    enum err err = llm_request_start(s, &opts, on_answer, t, &t->request);
    buf_fini(&body);
    if (err != OK) {
        mem_free(t);
        return err;
    }
    *out = t;
    return OK;
}

void transcribe_cancel(struct transcribe *t)
{
    loop_assert_thread(t->service->loop);
    llm_request_cancel(t->request);
    mem_free(t);
}
