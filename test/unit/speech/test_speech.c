/* The voices and the recogniser against each other: what one says the other understands. */
#include "harness/test.h"

#include <pthread.h>
#include <stdlib.h>

#include "audio/g711.h"
#include "base/buf.h"
#include "speech/decoder.h"
#include "speech/stt.h"
#include "speech/tts.h"
#include "speech/utterance.h"

static const struct str texts[] = {
    {"Boot repair. Our cobbler in Santa Fe resoles boots for $85.", 59},
    {"Returns. You can return unworn items within 60 days of delivery.", 63},
    {"Gift cards never expire.", 24},
};

static struct stt *open_stt(unsigned decoders)
{
    struct stt *s;
    struct stt_opts opts = {.decoders_max = decoders};
    return stt_open(&s, &opts, NULL) == OK ? s : NULL;
}

static struct stt_model *open_model(struct stt *s)
{
    struct stt_model *m;
    return stt_model_build(&m, s, texts, 3, NULL) == OK ? m : NULL;
}

static struct tts_audio spoken(enum tts_voice voice, const char *text, unsigned speed)
{
    struct tts_audio a = {0};
    if (tts_say(voice, str_of(text), speed, &a) == OK) {
        for (size_t i = 0; i < a.count; i++)
            a.samples[i] = g711_mulaw_decode(g711_mulaw_encode(a.samples[i]));
    }
    return a;
}

static void understand(struct stt_model *m, const struct tts_audio *a, struct stt_result *r,
                       struct stt_caller *caller)
{
    struct stt_utterance *u;
    if (stt_utterance_new(&u, m, caller) != OK)
        return;
    for (size_t i = 0; i < a->count; i += 160)
        stt_utterance_feed(u, a->samples + i, a->count - i < 160 ? a->count - i : 160);
    if (stt_utterance_end(u, r, caller) != OK)
        buf_reset(&r->text);
    stt_utterance_free(u);
}

TEST(a_voice_is_loud_enough_and_has_no_long_silence)
{
    for (int v = 0; v < TTS_VOICE_COUNT; v++) {
        struct tts_audio a = spoken((enum tts_voice)v, "Gift cards never expire.", 1000);
        int peak = 0;
        size_t first = a.count;
        for (size_t i = 0; i < a.count; i++) {
            int level = abs(a.samples[i]);
            peak = level > peak ? level : peak;
            if (level > 512 && first == a.count)
                first = i;
        }
        CHECK(a.count > TTS_HZ && a.count < 4 * TTS_HZ);
        CHECK(peak > 15000 && peak < 17500);
        CHECK(first < TTS_HZ / 5);
        tts_audio_fini(&a);
    }
}

TEST(a_slower_voice_takes_longer_and_nothing_is_refused)
{
    struct tts_audio a = spoken(TTS_KAL16, "Our store is open from nine to five.", 1000);
    struct tts_audio b = spoken(TTS_KAL16, "Our store is open from nine to five.", 750);
    CHECK(b.count * 10 > a.count * 12);
    tts_audio_fini(&a);
    tts_audio_fini(&b);
    CHECK_INT(ERR_INVALID, tts_say(TTS_SLT, STR(" ** "), 1000, &a));
    enum tts_voice voice;
    CHECK(tts_voice_find(STR("RMS"), &voice) && voice == TTS_RMS);
    CHECK(!tts_voice_find(STR("marin"), &voice));
}

TEST(what_a_voice_says_is_understood_over_a_telephone)
{
    struct stt *s = open_stt(0);
    CHECK(s);
    struct stt_model *m = open_model(s);
    CHECK(m);
    CHECK_INT(0, stt_model_dropped(m));
    struct tts_audio a = spoken(TTS_RMS, "Our cobbler in Santa Fe resoles boots", 1000);
    struct stt_result r;
    struct stt_caller caller = {0};
    stt_result_init(&r);
    for (int i = 0; i < 2; i++) { /* the first utterance of a call and a later one */
        understand(m, &a, &r, &caller);
        CHECK(str_eq(buf_str(&r.text), STR("our cobbler in santa fe resoles boots")));
        CHECK_INT(7, r.words);
        CHECK(r.confidence > 700);
        CHECK(caller.known);
    }
    tts_audio_fini(&a);
    a = spoken(TTS_RMS, "how much do you charge for boots", 1000);
    understand(m, &a, &r, &caller);
    CHECK(str_eq(buf_str(&r.text), STR("how much do you charge for boots")));
    tts_audio_fini(&a);
    stt_result_fini(&r);
    stt_model_unref(m);
    stt_close(s);
}

TEST(words_appear_while_the_caller_speaks)
{
    struct stt *s = open_stt(0);
    struct stt_model *m = open_model(s);
    struct stt_utterance *u;
    struct tts_audio a = spoken(TTS_RMS, "you can return unworn items within sixty days", 1000);
    struct buf partial;
    buf_init(&partial, 1024);
    CHECK_INT(OK, stt_utterance_new(&u, m, NULL));
    stt_utterance_partial(u, &partial);
    CHECK_INT(0, partial.len);
    stt_utterance_feed(u, a.samples, a.count / 2);
    stt_utterance_partial(u, &partial);
    CHECK(str_starts(buf_str(&partial), STR("you can return")));
    stt_utterance_free(u); /* in the middle */
    buf_fini(&partial);
    tts_audio_fini(&a);
    stt_model_unref(m);
    stt_close(s);
}

TEST(a_busy_pool_delays_the_search_and_loses_nothing)
{
    struct stt *s = open_stt(1);
    struct stt_model *m = open_model(s);
    struct decoder *d, *other;
    CHECK_INT(OK, decoder_borrow(&d, m, false));
    CHECK_INT(ERR_LIMIT, decoder_borrow(&other, m, false));
    struct tts_audio a = spoken(TTS_RMS, "gift cards never expire", 1000);
    struct stt_result r;
    stt_result_init(&r);
    understand(m, &a, &r, NULL);
    CHECK(str_eq(buf_str(&r.text), STR("gift cards never expire")));
    decoder_return(m, d);
    /* An idle decoder of one vocabulary makes room for another's. */
    struct stt_model *m2 = open_model(s);
    CHECK_INT(OK, decoder_borrow(&d, m2, false));
    decoder_return(m2, d);
    tts_audio_fini(&a);
    stt_result_fini(&r);
    stt_model_unref(m);
    stt_model_unref(m2);
    stt_close(s);
}

TEST(silence_and_nothing_at_all_give_an_empty_text)
{
    struct stt *s = open_stt(0);
    struct stt_model *m = open_model(s);
    struct stt_result r;
    int16_t silence[8000] = {0};
    stt_result_init(&r);
    understand(m, &(struct tts_audio){silence, 8000}, &r, NULL);
    CHECK(r.text.len == 0 && r.confidence == 0);
    understand(m, &(struct tts_audio){silence, 0}, &r, NULL);
    CHECK_INT(0, r.text.len);
    stt_result_fini(&r);
    stt_model_unref(m);
    stt_close(s);
}

TEST(a_missing_model_says_what_to_install)
{
    struct stt *s;
    struct err_detail detail;
    CHECK_INT(ERR_NOTFOUND, stt_open(&s, &(struct stt_opts){.model_dir = "/nowhere"}, &detail));
    CHECK(strstr(detail.text, "pocketsphinx-en-us"));
}

struct talker {
    struct stt_model *model;
    const struct tts_audio *audio;
    char text[128];
};

static void *talk(void *arg)
{
    struct talker *t = arg;
    struct stt_result r;
    struct stt_caller caller = {0};
    struct tts_audio noise; /* the voice is shared, too */
    stt_result_init(&r);
    if (tts_say(TTS_KAL16, STR("Gift cards never expire."), 1000, &noise) == OK)
        tts_audio_fini(&noise);
    understand(t->model, t->audio, &r, &caller);
    if (!str_copy(t->text, sizeof(t->text), buf_str(&r.text)))
        t->text[0] = '\0';
    stt_result_fini(&r);
    return NULL;
}

TEST(threads_share_voices_and_a_model)
{
    struct stt *s = open_stt(2);
    struct stt_model *m = open_model(s);
    struct tts_audio a = spoken(TTS_RMS, "gift cards never expire", 1000);
    struct talker t[4];
    pthread_t id[4];
    for (int i = 0; i < 4; i++) {
        t[i] = (struct talker){m, &a, ""};
        CHECK_INT(0, pthread_create(&id[i], NULL, talk, &t[i]));
    }
    for (int i = 0; i < 4; i++)
        pthread_join(id[i], NULL);
    for (int i = 0; i < 4; i++)
        CHECK_INT(0, strcmp("gift cards never expire", t[i].text));
    tts_audio_fini(&a);
    stt_model_unref(m);
    stt_close(s);
}
