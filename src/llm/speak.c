#include "llm/speak.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "llm/llm_private.h"
#include "llm/sound_stream.h"
#include "proto/jsonw.h"

enum { PIECE_SAMPLES = 2400, OPENAI_PCM_HZ = 24000 };

struct speak {
    struct llm *service;
    struct llm_request *request;
    struct sound_stream sound;
    bool known; /* the answer's type was looked at */
    size_t samples;
    int64_t characters;
    bool *gone; /* set when it is cancelled inside on_audio */
    speak_audio_fn *on_audio;
    speak_done_fn *done;
    void *ctx;
};

/* -- the request -- */

static void put_request(struct buf *b, const struct speak_ask *a)
{
    buf_put_str(b, STR(",\"input\":"));
    buf_put_json(b, a->text);
    buf_put_str(b, STR(",\"voice\":"));
    buf_put_json(b, a->voice);
    if (a->instructions.p) {
        buf_put_str(b, STR(",\"instructions\":"));
        buf_put_json(b, a->instructions);
    }
    if (a->speed_permille)
        buf_printf(b, ",\"speed\":%u.%03u", a->speed_permille / 1000, a->speed_permille % 1000);
    buf_put_str(b, STR(",\"response_format\":\"pcm\"}"));
}

static size_t characters_of(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

/* -- the answer -- */

static void finish(struct speak *s, const struct llm_place *place, enum err err, const char *detail)
{
    struct speak_result result = {
        .err = err,
        .samples = s->samples,
        .rate_hz = s->sound.rate_hz,
        .model = place ? place->model : NULL,
        .usage = {.characters = s->characters},
        .detail = err == OK ? NULL : detail,
    };
    if (place)
        result.usage.cost_nanousd = llm_cost_nanousd(&place->prices, &result.usage);
    s->done(s->ctx, &result);
    mem_free(s);
}

static void on_answer(void *ctx, const struct llm_answer *a)
{
    struct speak *s = ctx;
    s->request = NULL;
    if (a->err != OK)
        finish(s, NULL, a->err, a->detail);
    else if (s->samples == 0)
        finish(s, a->place, ERR_INVALID, "no sound came");
    else
        finish(s, a->place, OK, NULL);
}

/* A service that does not know pcm may send MP3, and a proxy a page: noise, if it were played. */
static bool type_ok(struct str type)
{
    static const char *const good[] = {"audio/pcm",  "audio/wav", "audio/x-wav",
                                       "audio/wave", "audio/l16", "application/octet-stream"};
    struct str name = str_trim(str_take_until(&type, ';'));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (str_eq_nocase(name, str_of(good[i])))
            return true;
    return false;
}

/* False: `s` is gone. */
static bool take(struct speak *s, struct str in, enum err *err)
{
    int16_t samples[PIECE_SAMPLES];
    size_t count;
    bool gone = false;
    s->gone = &gone;
    do {
        *err = sound_stream_next(&s->sound, &in, samples, PIECE_SAMPLES, &count);
        s->samples += count;
        if (count)
            s->on_audio(s->ctx, s->sound.rate_hz, samples, count);
        if (gone)
            return false;
    } while (*err == OK && (in.len || count == PIECE_SAMPLES));
    s->gone = NULL;
    return true;
}

static void on_data(void *ctx, struct str piece)
{
    struct speak *s = ctx;
    enum err err = OK;
    if (!s->known) {
        struct str type = llm_request_header(s->request, "content-type");
        err = !type.p || type_ok(type) ? OK : ERR_INVALID;
        s->known = true;
    }
    if (err == OK && (!take(s, piece, &err) || err == OK))
        return;
    llm_request_cancel(s->request);
    finish(s, NULL, err, "the answer is not sound that can be played");
}

/* -- public -- */

enum err speak_start(struct llm *l, const struct speak_ask *a, speak_audio_fn *on_audio,
                     speak_done_fn *done, void *ctx, struct speak **out)
{
    struct buf body;
    loop_assert_thread(l->loop);
    if (!a->text.len || !utf8_valid(a->text) || !a->voice.len || !utf8_valid(a->voice) ||
        (a->instructions.len && !utf8_valid(a->instructions)) ||
        (a->speed_permille && (a->speed_permille < 250 || a->speed_permille > 4000)))
        return ERR_INVALID;
    if (characters_of(a->text) > SPEAK_CHARACTERS_MAX ||
        characters_of(a->instructions) > SPEAK_CHARACTERS_MAX)
        return ERR_LIMIT;
    buf_init(&body, SPEAK_REQUEST_BYTES_MAX);
    put_request(&body, a);
    if (!buf_ok(&body)) {
        buf_fini(&body);
        return ERR_LIMIT;
    }
    struct speak *s = mem_zalloc(sizeof(*s));
    s->service = l;
    sound_stream_init(&s->sound, OPENAI_PCM_HZ);
    s->characters = (int64_t)characters_of(a->text);
    s->on_audio = on_audio;
    s->done = done;
    s->ctx = ctx;
    const struct llm_request_opts opts = {
        .path = "/audio/speech",
        .body = buf_str(&body),
        .deadline_ms = a->deadline_ms,
        .answer_max = SPEAK_ANSWER_BYTES_MAX,
        .data = on_data,
    };
    enum err err = llm_request_start(l, &opts, on_answer, s, &s->request);
    buf_fini(&body);
    if (err != OK) {
        mem_free(s);
        return err;
    }
    *out = s;
    return OK;
}

void speak_cancel(struct speak *s)
{
    loop_assert_thread(s->service->loop);
    if (s->gone)
        *s->gone = true;
    llm_request_cancel(s->request);
    mem_free(s);
}
