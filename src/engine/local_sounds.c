/* Sentences kept as audio: what was said once, or was made while the caller paused. */
#include "audio/g711.h"
#include "base/assert.h"
#include "base/mem.h"
#include "engine/local_impl.h"

void local_sounds_init(struct local_sounds *s)
{
    *s = (struct local_sounds){0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->made, NULL);
}

static void sound_free(struct local_sounds *s, struct local_sound *x)
{
    s->bytes -= x->audio.cap;
    s->count--;
    buf_fini(&x->text);
    buf_fini(&x->audio);
    mem_free(x);
}

void local_sounds_fini(struct local_sounds *s)
{
    while (s->first) {
        struct local_sound *x = s->first;
        ASSERT(!x->making);
        s->first = x->next;
        sound_free(s, x);
    }
    pthread_cond_destroy(&s->made);
    pthread_mutex_destroy(&s->lock);
}

/* FNV-1a: strings are compared only where it agrees. */
static uint32_t hash_of(struct str text)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.p[i]) * 16777619u;
    return h;
}

/* Moves it to the front. The lock is held. */
static struct local_sound *find(struct local_sounds *s, const struct local_say *say, uint32_t hash)
{
    for (struct local_sound **at = &s->first; *at; at = &(*at)->next) {
        struct local_sound *x = *at;
        if (x->hash != hash || x->voice != say->voice || x->format != say->format ||
            x->speed != say->speed || !str_eq(buf_str(&x->text), say->text))
            continue;
        *at = x->next;
        x->next = s->first;
        s->first = x;
        return x;
    }
    return NULL;
}

static void copy(struct buf *to, const struct buf *from)
{
    buf_reset(to);
    buf_put(to, from->p, from->len);
}

bool local_sounds_find(struct local_sounds *s, const struct local_say *say, struct buf *audio)
{
    uint32_t hash = hash_of(say->text);
    pthread_mutex_lock(&s->lock);
    struct local_sound *x = find(s, say, hash);
    bool found = x && !x->making;
    if (found) {
        copy(audio, &x->audio);
        s->hits++;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* Forgets what was said longest ago until there is room. The lock is held. */
static void trim(struct local_sounds *s)
{
    while (s->bytes > LOCAL_SOUNDS_BYTES_MAX || s->count > LOCAL_SOUNDS_MAX) {
        struct local_sound **oldest = NULL;
        for (struct local_sound **at = &s->first; *at; at = &(*at)->next) {
            if (!(*at)->making)
                oldest = at;
        }
        if (!oldest)
            return;
        struct local_sound *x = *oldest;
        *oldest = x->next;
        sound_free(s, x);
    }
}

static void encode(struct buf *out, enum rt_audio_format format, const struct tts_audio *a)
{
    if (format != RT_FORMAT_PCM24K) {
        uint8_t *p = buf_reserve(out, a->count);
        if (!p)
            return;
        if (format == RT_FORMAT_PCMA)
            g711_alaw_encode_all(p, a->samples, a->count);
        else
            g711_mulaw_encode_all(p, a->samples, a->count);
        buf_commit(out, a->count);
        return;
    }
    size_t count = resample_clip_len(a->count, TTS_HZ, LOCAL_WIDE_HZ);
    int16_t *wide = mem_alloc((count + 1) * sizeof(*wide));
    resample_clip(a->samples, a->count, TTS_HZ, wide, LOCAL_WIDE_HZ);
    for (size_t i = 0; i < count; i++) {
        buf_put_byte(out, (unsigned char)((uint16_t)wide[i] & 0xff));
        buf_put_byte(out, (unsigned char)((uint16_t)wide[i] >> 8));
    }
    mem_free(wide);
}

/* Takes it out of the list. The lock is held. */
static void forget(struct local_sounds *s, struct local_sound *x)
{
    struct local_sound **at = &s->first;
    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    sound_free(s, x);
}

static struct local_sound *begin(struct local_sounds *s, const struct local_say *say, uint32_t hash)
{
    struct local_sound *x = mem_zalloc(sizeof(*x));
    *x = (struct local_sound){.next = s->first,
                              .hash = hash,
                              .voice = say->voice,
                              .format = say->format,
                              .speed = say->speed,
                              .making = true};
    buf_init(&x->text, LOCAL_TEXT_BYTES_MAX);
    buf_init(&x->audio, LOCAL_SPEECH_BYTES_MAX);
    buf_put_str(&x->text, say->text);
    s->first = x;
    s->count++;
    return x;
}

enum err local_sounds_make(struct local_sounds *s, const struct local_say *say, struct buf *audio)
{
    uint32_t hash = hash_of(say->text);
    pthread_mutex_lock(&s->lock);
    struct local_sound *x;
    /* Whoever is making it runs on another worker and waits for nobody. */
    while ((x = find(s, say, hash)) && x->making)
        pthread_cond_wait(&s->made, &s->lock);
    if (x) {
        copy(audio, &x->audio);
        s->hits++;
        pthread_mutex_unlock(&s->lock);
        return OK;
    }
    s->misses++;
    x = begin(s, say, hash);
    pthread_mutex_unlock(&s->lock);

    struct tts_audio a = {0};
    enum err err = tts_say(say->voice, say->text, say->speed, &a);
    buf_reset(audio);
    if (err == OK)
        encode(audio, say->format, &a);
    tts_audio_fini(&a);

    pthread_mutex_lock(&s->lock);
    x->making = false;
    if (err == OK && audio->len <= LOCAL_SOUNDS_BYTES_MAX / 8) {
        copy(&x->audio, audio);
        s->bytes += x->audio.cap;
        trim(s);
    } else {
        forget(s, x);
    }
    pthread_cond_broadcast(&s->made);
    pthread_mutex_unlock(&s->lock);
    return err;
}
