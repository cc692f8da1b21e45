/*
 * bench_speech.c - how well and how fast the offline recogniser and voices do.
 *
 *   bench_speech prompts PROMPTS.tsv SOUNDS_DIR
 *       word error rate on recorded prompts (columns: key, 8 kHz WAV, anything, words), through
 *       mu-law, the language model made of exactly these words
 *   bench_speech questions PASSAGES.jsonl QUESTIONS.tsv [VOICE]
 *       questions (first column) said by a voice, through mu-law, the language model made of the
 *       passages' titles and contents; prints what was understood
 *   bench_speech answers DIRECTORY NAME HELDOUT.tsv [VOICE|typed]
 *       the whole way on a demo business (columns: question, title of the passage, key words):
 *       said, recognised, looked up, answered; right = the answer holds every key word. Without
 *       speech, as if every word had been understood: VOICE is "typed"
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "audio/g711.h"
#include "audio/wav.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "engine/local_reply.h"
#include "knowledge/import.h"
#include "knowledge/knowledge.h"
#include "speech/normalise.h"
#include "speech/stt.h"
#include "speech/tts.h"
#include "speech/utterance.h"

enum { FILE_MAX = 64 << 20, TEXTS_MAX = 20000, WORDS_MAX = 512, FRAME = 160 };

struct totals {
    size_t words, errors, utterances, exact;
    double audio_s, cpu_s, end_ms_sum, end_ms_max, say_ms, say_s;
};

static bool verbose;
static bool typed;

enum { TYPED_CONFIDENCE = 900 };

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct buf read_file(const char *path)
{
    struct buf b;
    buf_init(&b, FILE_MAX);
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    char piece[65536];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        buf_put(&b, piece, n);
    fclose(f);
    return b;
}

static size_t split(struct str text, struct str *words)
{
    size_t n = 0;
    while (text.p && n < WORDS_MAX) {
        struct str w = str_take_until(&text, ' ');
        if (w.len > 0)
            words[n++] = w;
    }
    return n;
}

/* Word errors: the edit distance of the two word sequences. */
static size_t word_errors(struct str want, struct str got, size_t *want_words)
{
    static struct str a[WORDS_MAX], b[WORDS_MAX];
    static size_t row[WORDS_MAX + 1];
    size_t n = split(want, a), m = split(got, b);
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + !str_eq(a[i - 1], b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    *want_words = n;
    return row[m];
}

static void through_mulaw(int16_t *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        s[i] = g711_mulaw_decode(g711_mulaw_encode(s[i]));
}

/* Frame by frame, as from a call, with line silence around: before it the 300 ms that the engine
 * keeps, behind it what it waits for before it looks at the text. */
static void recognise(struct stt_model *m, int16_t *pcm, size_t count, struct stt_caller *caller,
                      struct stt_result *r, struct totals *t)
{
    struct stt_utterance *u;
    int16_t quiet[FRAME * 15];
    for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
        quiet[i] = (int16_t)(rand() % 17 - 8);
    if (getenv("FRESH")) /* every utterance is the first of its call */
        caller->known = false;
    through_mulaw(pcm, count);
    through_mulaw(quiet, sizeof(quiet) / sizeof(quiet[0]));
    if (stt_utterance_new(&u, m, caller) != OK)
        exit(1);
    double before = cpu_s();
    stt_utterance_feed(u, quiet, sizeof(quiet) / sizeof(quiet[0]));
    for (size_t i = 0; i < count; i += FRAME)
        stt_utterance_feed(u, pcm + i, count - i < FRAME ? count - i : FRAME);
    stt_utterance_feed(u, quiet, LOCAL_GUESS_AFTER_MS * (TTS_HZ / 1000));
    int64_t end = clock_mono_us();
    if (stt_utterance_end(u, r, caller) != OK)
        exit(1);
    double end_ms = (double)(clock_mono_us() - end) / 1000;
    t->cpu_s += cpu_s() - before;
    t->audio_s +=
        (double)(count + sizeof(quiet) / sizeof(quiet[0])) / TTS_HZ + LOCAL_GUESS_AFTER_MS / 1e3;
    t->end_ms_sum += end_ms;
    if (end_ms > t->end_ms_max)
        t->end_ms_max = end_ms;
    stt_utterance_free(u);
}

static void score(const char *key, struct str want_text, const struct stt_result *r,
                  struct totals *t)
{
    struct buf want;
    size_t words;
    buf_init(&want, 1 << 16);
    normalise_words(&want, want_text);
    size_t errors = word_errors(buf_str(&want), buf_str(&r->text), &words);
    t->words += words;
    t->errors += errors;
    t->utterances++;
    t->exact += errors == 0;
    if (verbose || errors > 0)
        printf("%-6s err %zu/%zu conf %4u\n   want %.*s\n   got  %.*s\n", key, errors, words,
               r->confidence, STR_FMT(buf_str(&want)), STR_FMT(buf_str(&r->text)));
    buf_fini(&want);
}

static void report(const struct totals *t, const struct stt_caller *caller)
{
    printf("cepstral mean at the end:");
    for (int i = 0; i < FRONT_CEPSTRA; i++)
        printf(" %.2ff,", (double)caller->mean[i]);
    printf("\n");
    printf("WER %.1f %% (%zu of %zu words), %zu of %zu utterances exact\n",
           100.0 * (double)t->errors / (double)t->words, t->errors, t->words, t->exact,
           t->utterances);
    printf("recognition %.1f ms CPU per second of audio; end to text mean %.0f ms, max %.0f ms\n",
           1000 * t->cpu_s / t->audio_s, t->end_ms_sum / (double)t->utterances, t->end_ms_max);
    if (t->say_s > 0)
        printf("synthesis %.1f ms per sentence, %.1f ms per second of speech\n",
               t->say_ms / (double)t->utterances, t->say_ms / t->say_s);
}

static struct stt_model *build(struct stt *s, const struct str *texts, size_t count)
{
    struct stt_model *m;
    struct err_detail detail;
    int64_t start = clock_mono_us();
    if (stt_model_build(&m, s, texts, count, &detail) != OK) {
        fprintf(stderr, "%s\n", detail.text);
        exit(1);
    }
    printf("model of %zu texts: %zu words, %zu dropped, %.1f ms\n", count, stt_model_words(m),
           stt_model_dropped(m), (double)(clock_mono_us() - start) / 1000);
    return m;
}

static struct str column(struct str line, int n)
{
    struct str c = line;
    for (int i = 0; i <= n; i++)
        c = str_take_until(&line, '\t');
    return c;
}

static void prompts(struct stt *s, const char *tsv, const char *sounds)
{
    static struct str texts[TEXTS_MAX];
    struct buf file = read_file(tsv);
    size_t count = 0;
    for (struct str rest = buf_str(&file); rest.p;) {
        struct str line = str_take_until(&rest, '\n');
        if (line.len > 0 && count < TEXTS_MAX)
            texts[count++] = column(line, 3);
    }
    struct stt_model *m = build(s, texts, count);
    struct totals t = {0};
    struct stt_result r;
    struct stt_caller caller = {0};
    stt_result_init(&r);
    for (struct str rest = buf_str(&file); rest.p;) {
        struct str line = str_take_until(&rest, '\n');
        if (line.len == 0)
            continue;
        char path[512], key[64];
        snprintf(path, sizeof(path), "%s/%.*s", sounds, STR_FMT(column(line, 1)));
        snprintf(key, sizeof(key), "%.*s", STR_FMT(column(line, 0)));
        struct buf wav_file = read_file(path);
        struct wav w;
        if (wav_parse(&w, buf_str(&wav_file), NULL) != OK || w.rate_hz != TTS_HZ)
            exit(1);
        int16_t *pcm = mem_alloc(w.frames * sizeof(*pcm));
        wav_read_mono(&w, 0, pcm, w.frames);
        recognise(m, pcm, w.frames, &caller, &r, &t);
        score(key, column(line, 3), &r, &t);
        mem_free(pcm);
        buf_fini(&wav_file);
    }
    report(&t, &caller);
    stt_result_fini(&r);
    stt_model_unref(m);
    buf_fini(&file);
}

static void questions(struct stt *s, const char *jsonl, const char *tsv, enum tts_voice voice)
{
    static struct str texts[TEXTS_MAX];
    static json_t *rows[TEXTS_MAX];
    struct buf passages = read_file(jsonl), file = read_file(tsv);
    size_t count = 0, row_count = 0;
    for (struct str rest = buf_str(&passages); rest.p && row_count < TEXTS_MAX / 2;) {
        struct str line = str_take_until(&rest, '\n');
        json_t *o = line.len ? json_loadb(line.p, line.len, 0, NULL) : NULL;
        if (!o)
            continue;
        rows[row_count++] = o;
        texts[count++] = str_of(json_string_value(json_object_get(o, "title")));
        texts[count++] = str_of(json_string_value(json_object_get(o, "content")));
    }
    struct stt_model *m = build(s, texts, count);
    struct totals t = {0};
    struct stt_result r;
    struct stt_caller caller = {0};
    stt_result_init(&r);
    for (struct str rest = buf_str(&file); rest.p;) {
        struct str line = str_take_until(&rest, '\n');
        struct str question = column(line, 0);
        if (question.len == 0 || question.p[0] == '#')
            continue;
        struct tts_audio a;
        int64_t start = clock_mono_us();
        if (tts_say(voice, question, 1000, &a) != OK)
            exit(1);
        t.say_ms += (double)(clock_mono_us() - start) / 1000;
        t.say_s += (double)a.count / TTS_HZ;
        recognise(m, a.samples, a.count, &caller, &r, &t);
        score("", question, &r, &t);
        tts_audio_fini(&a);
    }
    report(&t, &caller);
    stt_result_fini(&r);
    stt_model_unref(m);
    for (size_t i = 0; i < row_count; i++)
        json_decref(rows[i]);
    buf_fini(&passages);
    buf_fini(&file);
}

/* As the tool query_knowledge_base answers. */
static void look_up(struct store *store, const char *business, struct str question, struct buf *out)
{
    struct store_req *r = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    if (knowledge_search_run(store, str_of(business), question, KNOWLEDGE_TOP, &r) != OK)
        exit(1);
    for (size_t i = 0; i < r->hits_count; i++)
        buf_printf(&text, "%sResult %zu: %.*s\n%.*s", i ? "\n\n" : "", i + 1,
                   STR_FMT(r->hits[i].passage.title), STR_FMT(r->hits[i].passage.content));
    if (r->hits_count == 0)
        buf_put_str(&text, STR("No relevant information found."));
    buf_reset(out);
    buf_put_str(out, STR("{\"success\":true,\"knowledge\":"));
    buf_put_json(out, buf_str(&text));
    buf_put_byte(out, '}');
    store_req_free(r);
    buf_fini(&text);
}

/* Key words found, separated by commas; as the words are spoken. */
static void count_keys(struct str keys, struct str answer, size_t *want, size_t *got)
{
    struct buf a, k;
    *want = *got = 0;
    buf_init(&a, 1 << 16);
    buf_init(&k, 1 << 10);
    normalise_words(&a, answer);
    while (keys.p) {
        struct str key = str_trim(str_take_until(&keys, ','));
        buf_reset(&k);
        normalise_words(&k, key);
        ++*want;
        *got += str_find(buf_str(&a), buf_str(&k), 0) != SIZE_MAX;
    }
    buf_fini(&a);
    buf_fini(&k);
}

/* The titles of what the search found, for an answer that was wrong. */
static void print_found(struct store *store, const char *business, struct str question)
{
    struct store_req *r = NULL;
    if (knowledge_search_run(store, str_of(business), question, KNOWLEDGE_TOP, &r) != OK)
        exit(1);
    printf("   found ");
    for (size_t i = 0; i < r->hits_count; i++)
        printf("%s%.*s", i ? ", " : " ", STR_FMT(r->hits[i].passage.title));
    printf(" for \"%.*s\"\n", STR_FMT(question));
    store_req_free(r);
}

struct answers {
    size_t asked, all, some, confirmed;
};

static void answer(struct store *store, const char *business, struct str line,
                   const struct stt_result *heard, struct answers *n)
{
    struct local_reply reply;
    struct local_plan plan;
    struct buf output;
    size_t want, got;
    local_reply_init(&reply);
    local_plan_init(&plan);
    buf_init(&output, 1 << 20);
    reply.tools = (struct local_tools){true, true, true};
    local_reply_hear(&reply, buf_str(&heard->text), heard->confidence, &plan);
    if (plan.tool == LOCAL_TOOL_KNOWLEDGE) {
        look_up(store, business, buf_str(&plan.query), &output);
        local_reply_output(&reply, buf_str(&output), &plan);
    }
    bool asks = reply.pending == LOCAL_PENDING_TOPIC;
    if (asks)
        local_reply_hear(&reply, STR("yes"), 1000, &plan);
    count_keys(column(line, 2), buf_str(&plan.say), &want, &got);
    n->asked++;
    n->all += got == want;
    n->some += got > 0;
    n->confirmed += asks;
    if (verbose || got < want)
        printf("%s%s conf %u  %.*s\n   heard  %.*s\n   wants  %.*s: %.*s\n   says   %.*s\n",
               got == want ? "right"
               : got       ? "partly"
                           : "WRONG",
               asks ? " (confirmed)" : "", heard->confidence, STR_FMT(column(line, 0)),
               STR_FMT(buf_str(&heard->text)), STR_FMT(column(line, 1)), STR_FMT(column(line, 2)),
               STR_FMT(buf_str(&plan.say)));
    if (got < want && output.len > 0)
        print_found(store, business, buf_str(&reply.question));
    buf_fini(&output);
    local_plan_fini(&plan);
    local_reply_fini(&reply);
}

static void answers(struct stt *s, const char *dir, const char *name, const char *tsv,
                    enum tts_voice voice)
{
    char path[] = "/tmp/callee-bench-XXXXXX", id[64];
    struct err_detail detail = {{0}};
    struct store *store = NULL;
    int fd = mkstemp(path);
    struct knowledge_sentences v;
    struct arena mem;
    arena_init(&mem, 64 << 20);
    if (fd < 0 || store_open(&store, &(struct store_opts){.path = path}, &detail) != OK ||
        knowledge_load_demo(store, dir, name, id, &detail) != OK ||
        knowledge_vocabulary(store, str_of(id), &mem, &v) != OK) {
        fprintf(stderr, "%s\n", detail.text);
        exit(1);
    }
    close(fd);
    struct stt_model *m = build(s, v.items, v.count);
    struct buf file = read_file(tsv);
    struct totals t = {0};
    struct answers n = {0};
    struct stt_result r;
    struct stt_caller caller = {0};
    stt_result_init(&r);
    for (struct str rest = buf_str(&file); rest.p;) {
        struct str line = str_take_until(&rest, '\n');
        struct tts_audio a;
        if (line.len > 0 && typed) {
            buf_reset(&r.text);
            normalise_words(&r.text, column(line, 0));
            r.confidence = TYPED_CONFIDENCE;
            answer(store, id, line, &r, &n);
            continue;
        }
        if (line.len == 0 || tts_say(voice, column(line, 0), 1000, &a) != OK)
            continue;
        recognise(m, a.samples, a.count, &caller, &r, &t);
        answer(store, id, line, &r, &n);
        score("", column(line, 0), &r, &t);
        tts_audio_fini(&a);
    }
    if (!typed)
        report(&t, &caller);
    printf("%zu questions: %zu with every key word, %zu with some, %zu asked back first\n", n.asked,
           n.all, n.some, n.confirmed);
    stt_result_fini(&r);
    stt_model_unref(m);
    buf_fini(&file);
    store_close(store);
    arena_fini(&mem);
    unlink(path);
}

int main(int argc, char **argv)
{
    struct stt *s;
    struct err_detail detail;
    enum tts_voice voice = TTS_RMS;
    verbose = getenv("VERBOSE") != NULL;
    int named = argc > 1 && strcmp(argv[1], "answers") == 0 ? 5 : 4;
    typed = named == 5 && argc == 6 && strcmp(argv[5], "typed") == 0;
    argc -= typed;
    if (argc < named || (argc > named && !tts_voice_find(str_of(argv[named]), &voice))) {
        fprintf(stderr, "usage: bench_speech prompts TSV SOUNDS | questions JSONL TSV [VOICE] | "
                        "answers DIRECTORY NAME TSV [VOICE|typed]\n");
        return 2;
    }
    if (stt_open(&s, NULL, &detail) != OK) {
        fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    if (strcmp(argv[1], "prompts") == 0)
        prompts(s, argv[2], argv[3]);
    else if (named == 5)
        answers(s, argv[2], argv[3], argv[4], voice);
    else
        questions(s, argv[2], argv[3], voice);
    stt_close(s);
    return 0;
}
