/* test_audio.c - speech to text and back, by a server that does what servers do. */
#include "harness/test.h"

#include "audio/g711.h"
#include "audio/wav.h"
#include "llm/sound_stream.h"
#include "llm/speak.h"
#include "llm/transcribe.h"
#include "llm_world.h"

static struct {
    struct world *w;
    struct speak *speak;
    int done, pieces;
    enum err err;
    char text[128], model[16], detail[256];
    struct llm_usage usage;
    size_t samples;
    uint32_t rate_hz;
    int16_t first[8];
    bool cancel_in_audio, more_in_audio;
} got;

static void note(enum err err, const char *model, const char *detail, const struct llm_usage *usage)
{
    got.done++;
    got.err = err;
    got.usage = *usage;
    (void)str_copy(got.model, sizeof(got.model), str_of(model));
    (void)str_copy(got.detail, sizeof(got.detail), str_of(detail));
    loop_stop(got.w->loop);
}

static void on_text(void *ctx, const struct transcribe_result *r)
{
    (void)ctx;
    (void)str_copy(got.text, sizeof(got.text), r->text);
    note(r->err, r->model, r->detail, &r->usage);
}

static void on_audio(void *ctx, uint32_t rate_hz, const int16_t *samples, size_t count)
{
    (void)ctx;
    got.rate_hz = rate_hz;
    got.pieces++;
    for (size_t i = 0; i < count; i++, got.samples++)
        if (got.samples < 8)
            got.first[got.samples] = samples[i];
    if (got.more_in_audio)
        fake_more(&got.w->fakes[0]);
    if (got.cancel_in_audio) {
        speak_cancel(got.speak);
        loop_stop(got.w->loop);
    }
}

static void on_spoken(void *ctx, const struct speak_result *r)
{
    (void)ctx;
    note(r->err, r->model, r->detail, &r->usage);
}

static bool transcribe(struct world *w, const struct transcribe_ask *ask)
{
    struct transcribe *t;
    memset(&got, 0, sizeof(got));
    got.w = w;
    return transcribe_start(w->service, ask, on_text, NULL, &t) == OK && got.done == 0 &&
           net_test_run(w->loop) && got.done == 1;
}

static enum err begin_speak(struct world *w, const struct speak_ask *ask)
{
    memset(&got, 0, sizeof(got));
    got.w = w;
    return speak_start(w->service, ask, on_audio, on_spoken, NULL, &got.speak);
}

static bool speak(struct world *w, const struct speak_ask *ask)
{
    return begin_speak(w, ask) == OK && got.done == 0 && net_test_run(w->loop) && got.done == 1;
}

/* The part of the form with that name; p == NULL when there is none. */
static struct str part(struct str body, const char *name)
{
    char mark[64];
    snprintf(mark, sizeof(mark), "Content-Disposition: form-data; name=\"%s\"", name);
    size_t at = str_find(body, str_of(mark), 0);
    if (at == SIZE_MAX)
        return STR_NONE;
    struct str boundary = str_slice(body, 0, str_find(body, STR("\r\n"), 0));
    size_t from = str_find(body, STR("\r\n\r\n"), at);
    size_t to = str_find(body, boundary, at);
    return to == SIZE_MAX ? STR_NONE : str_slice(body, from + 4, to - 2);
}

TEST(speech_becomes_text)
{
    static int16_t samples[4000];
    static uint8_t mulaw[4000];
    struct world *w = world_new(1, 1);
    struct fake *f = &w->fakes[0];
    struct wav wav;
    for (size_t i = 0; i < 4000; i++)
        samples[i] = (int16_t)(i * 7 - 9000);
    g711_mulaw_encode_all(mulaw, samples, 4000);
    will_answer(f, (struct answer){.status = 503, .headers = "retry-after-ms: 1\r\n", .body = ""});
    will_answer(f, (struct answer){.status = 200,
                                   .body = "{\"text\":\"Hello there.\",\"usage\":{\"type\":"
                                           "\"duration\",\"seconds\":1}}"});
    CHECK(transcribe(w, &(struct transcribe_ask){.samples = samples,
                                                 .count = 4000,
                                                 .rate_hz = 16000,
                                                 .language = STR("en"),
                                                 .prompt = STR("Pecos, caf\xc3\xa9"),
                                                 .deadline_ms = 5000}));
    CHECK_INT(OK, got.err);
    CHECK(strcmp(got.text, "Hello there.") == 0 && strcmp(got.model, "m0") == 0);
    CHECK(got.usage.audio_ms == 250 && got.usage.cost_nanousd == 25000); /* $0.006 a minute */
    struct str body = buf_str(&f->bodies[1]);
    CHECK(str_eq(body, buf_str(&f->bodies[0])));
    CHECK(strstr(buf_cstr(&f->heads[0]), "POST /v1/audio/transcriptions HTTP/1.1\r\n"));
    char type[96];
    snprintf(type, sizeof(type), "\r\nContent-Type: multipart/form-data; boundary=%.32s\r\n",
             body.p + 2);
    CHECK(strstr(buf_cstr(&f->heads[0]), type));
    CHECK(str_eq(part(body, "model"), STR("m0")) && str_eq(part(body, "language"), STR("en")));
    CHECK(str_eq(part(body, "prompt"), STR("Pecos, caf\xc3\xa9")));
    CHECK(str_eq(part(body, "response_format"), STR("json")));
    CHECK(str_ends(body, STR("--\r\n")));
    CHECK_INT(OK, wav_parse(&wav, part(body, "file"), NULL));
    CHECK(wav.rate_hz == 16000 && wav.channels == 1 && wav.frames == 4000);
    CHECK(memcmp(wav.data, samples, sizeof(samples)) == 0);

    will_answer(f, (struct answer){.status = 200,
                                   .body = "{\"text\":\"\",\"usage\":{\"type\":\"tokens\","
                                           "\"input_tokens\":100,\"output_tokens\":10}}"});
    CHECK(transcribe(w, &(struct transcribe_ask){
                            .mulaw = mulaw, .count = 4000, .rate_hz = 8000, .deadline_ms = 5000}));
    CHECK_INT(OK, got.err);
    CHECK(!got.text[0] && got.usage.audio_ms == 0);
    CHECK_INT(100 * 20 + 10 * 80, got.usage.cost_nanousd);
    body = buf_str(&f->bodies[2]);
    CHECK(!part(body, "language").p && !part(body, "prompt").p);
    CHECK_INT(OK, wav_parse(&wav, part(body, "file"), NULL));
    int16_t back[4000];
    wav_read_channel(&wav, 0, 0, back, 4000);
    CHECK(wav.rate_hz == 8000 && back[3999] == g711_mulaw_decode(mulaw[3999]) &&
          back[1500] == g711_mulaw_decode(mulaw[1500]));
    CHECK(world_free(w));
}

TEST(transcriptions_that_are_none)
{
    int16_t sample = 0;
    struct transcribe *t;
    struct transcribe_ask ask = {
        .samples = &sample, .count = 1, .rate_hz = 8000, .deadline_ms = 900};
    static const char *const bad[] = {"{}", "Hello", "{\"text\":5}", "[]"};
    struct world *w = world_new(1, 1);
    for (size_t i = 0; i < 4; i++) {
        will_answer(&w->fakes[0], (struct answer){.status = 200, .body = bad[i]});
        CHECK(transcribe(w, &ask));
        CHECK_INT(ERR_INVALID, got.err);
        CHECK(got.detail[0]);
    }
    CHECK_INT(OK, transcribe_start(w->service, &ask, on_text, NULL, &t));
    transcribe_cancel(t);
    ask.count = 0;
    CHECK_INT(ERR_INVALID, transcribe_start(w->service, &ask, on_text, NULL, &t));
    ask.count = TRANSCRIBE_AUDIO_BYTES_MAX;
    CHECK_INT(ERR_LIMIT, transcribe_start(w->service, &ask, on_text, NULL, &t));
    CHECK(world_free(w));
}

static const struct speak_ask hello = {.text = STR_INIT("Gr\xc3\xbc\xc3\x9f Gott"),
                                       .voice = STR_INIT("marin"),
                                       .instructions = STR_INIT("Calm."),
                                       .speed_permille = 1250,
                                       .deadline_ms = 5000};

TEST(text_becomes_speech)
{
    struct world *w = world_new(1, 0);
    struct fake *f = &w->fakes[0];
    /* 0x3131, 0x3232, 0x3333: a sample is cut in two. */
    will_answer(f, (struct answer){.status = 200,
                                   .headers = "Content-Type: audio/pcm\r\n",
                                   .body = "11223",
                                   .more = "3"});
    CHECK_INT(OK, begin_speak(w, &hello));
    got.more_in_audio = true;
    CHECK(net_test_run(w->loop));
    CHECK_INT(OK, got.err);
    CHECK(got.samples == 3 && got.rate_hz == 24000 && got.pieces == 2);
    CHECK(got.first[0] == 0x3131 && got.first[1] == 0x3232 && got.first[2] == 0x3333);
    CHECK(got.usage.characters == 9 && got.usage.cost_nanousd == 9 * 15000); /* $15 a million */
    CHECK(str_eq(buf_str(&f->bodies[0]),
                 STR("{\"model\":\"m0\",\"input\":\"Gr\xc3\xbc\xc3\x9f Gott\",\"voice\":\"marin\","
                     "\"instructions\":\"Calm.\",\"speed\":1.250,\"response_format\":\"pcm\"}")));
    CHECK(strstr(buf_cstr(&f->heads[0]), "POST /v1/audio/speech HTTP/1.1\r\n"));

    will_answer(f, (struct answer){.status = 200,
                                   .headers = "Content-Type: audio/L16; rate=24000\r\n",
                                   .body = "1122",
                                   .more = "33"});
    CHECK_INT(OK, begin_speak(w, &hello));
    got.cancel_in_audio = true;
    CHECK(net_test_run(w->loop));
    CHECK_INT(0, got.done);
    CHECK_INT(2, got.samples);
    CHECK(world_free(w));
}

TEST(noise_is_not_played)
{
    static const struct {
        struct answer answer;
        enum err err;
    } cases[] = {
        {{200, "Content-Type: audio/mpeg\r\n", "ID3 and so on", 0, NULL}, ERR_INVALID},
        {{200, "Content-Type: text/html; charset=utf-8\r\n", "<html>", 0, NULL}, ERR_INVALID},
        {{200, "Content-Type: audio/pcm\r\n", "", 0, NULL}, ERR_INVALID},
        {{200, "Content-Type: audio/pcm\r\n", "11223344", 4, NULL}, ERR_CLOSED},
        {{401, NULL, "{}", 0, NULL}, ERR_DENIED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_new(1, 2);
        will_answer(&w->fakes[0], cases[i].answer);
        CHECK(speak(w, &hello));
        CHECK_INT(cases[i].err, got.err);
        CHECK(got.detail[0]);
        CHECK_INT(1, w->fakes[0].asked);
        CHECK_INT(cases[i].answer.cut ? 2 : 0, got.samples);
        CHECK(world_free(w));
    }
}

TEST(what_cannot_be_said_is_refused_at_once)
{
    struct world *w = world_new(1, 0);
    struct speak_ask ask = hello;
    char *large = mem_alloc(SPEAK_CHARACTERS_MAX + 1);
    memset(large, 'x', SPEAK_CHARACTERS_MAX + 1);
    ask.text = STR("");
    CHECK_INT(ERR_INVALID, begin_speak(w, &ask));
    ask.text = STR("\xff");
    CHECK_INT(ERR_INVALID, begin_speak(w, &ask));
    ask.text = str_n(large, SPEAK_CHARACTERS_MAX + 1);
    CHECK_INT(ERR_LIMIT, begin_speak(w, &ask));
    ask = hello;
    ask.speed_permille = 5000;
    CHECK_INT(ERR_INVALID, begin_speak(w, &ask));
    mem_free(large);
    CHECK(world_free(w));
}

/* All samples of `in`, given `step` bytes at a time. */
static enum err decode(struct str in, size_t step, int16_t *out, size_t *count, uint32_t *hz)
{
    struct sound_stream s;
    enum err err = OK;
    *count = 0;
    sound_stream_init(&s, 24000);
    while (in.len && err == OK) {
        struct str piece = str_slice(in, 0, step);
        in = str_slice(in, step, in.len);
        size_t n;
        do {
            err = sound_stream_next(&s, &piece, out + *count, 8, &n);
            *count += n;
        } while (err == OK && (piece.len || n == 8));
    }
    *hz = s.rate_hz;
    return err;
}

TEST(a_wav_header_is_understood_in_any_pieces)
{
    int16_t samples[100], out[400];
    size_t count;
    uint32_t hz;
    struct buf b;
    for (int i = 0; i < 100; i++)
        samples[i] = (int16_t)(i * 300 - 15000);
    buf_init(&b, 8192);
    for (int streamed = 0; streamed < 3; streamed++) {
        buf_reset(&b);
        wav_write_header(&b, 22050, 1, streamed == 1 ? UINT32_MAX : streamed == 2 ? 0 : 100);
        wav_write_samples(&b, samples, 100);
        if (!streamed)
            buf_put_str(&b, STR("LIST\x04\0\0\0abcd")); /* no sound */
        for (size_t step = 1; step < 260; step++) {
            CHECK_INT(OK, decode(buf_str(&b), step, out, &count, &hz));
            CHECK(count == 100 && hz == 22050 && memcmp(out, samples, sizeof(samples)) == 0);
        }
    }
    buf_reset(&b);
    wav_write_header(&b, 22050, 2, 100);
    CHECK_INT(ERR_INVALID, decode(buf_str(&b), 7, out, &count, &hz));
    buf_reset(&b);
    buf_put_str(&b, STR("RIFF1234WAVE"));
    while (b.len < SPEAK_HEAD_BYTES_MAX + 10)
        buf_put_str(&b, STR("junk\x10\0\0\0"
                            "0123456789abcdef"));
    CHECK_INT(ERR_INVALID, decode(buf_str(&b), 700, out, &count, &hz));
    CHECK_INT(OK, decode(STR("RIFx"), 1, out, &count, &hz)); /* begins as samples may */
    CHECK(count == 2 && hz == 24000);
    buf_fini(&b);
}
