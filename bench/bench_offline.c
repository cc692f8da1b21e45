/*
 * bench_offline.c - how long a caller waits for the offline engine, in real time.
 *
 *   bench_offline DIRECTORY NAME QUESTIONS.tsv [--calls N] [--questions N] [--voice V] [--asker V]
 *       Questions to a demo business (first column), said by the asker's voice in frames of 20 ms,
 *       to N sessions of the engine at once; the tool is answered by the knowledge base as in a
 *       call. Time counts from the turn's end (`speech_stopped`: its 500 ms of silence are over)
 *       to the first audio, and to the first audible sample of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "audio/g711.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/js.h"
#include "base/mem.h"
#include "engine/local.h"
#include "knowledge/import.h"
#include "knowledge/knowledge.h"
#include "proto/rt_event.h"
#include "speech/tts.h"
#include "tools/tools.h"

enum {
    CALLS_MAX = 64,
    QUESTIONS_MAX = 256,
    FRAME = 160,
    FRAME_US = 20000,
    PAUSE_FRAMES = 40, /* between an answer and the next question */
    AUDIBLE = 200,     /* of 32768 */
    GIVE_UP_FRAMES = 500,
};

/* Where a turn's time went, in microseconds since its end; 0 = it did not happen. */
struct turn {
    int64_t end_us, text_us, asked_us, found_us, audio_us, audible_us;
};

struct caller {
    struct bench *bench;
    unsigned index;
    struct engine *engine;
    bool ready, closed, speaking, answered;
    const uint8_t *speech; /* the question being asked */
    size_t speech_len, at;
    unsigned wait, silent; /* frames */
    struct turn turn;
    struct tool_run *run, *guess;
    char call[128]; /* the tool call being answered */
};

struct bench {
    struct loop *loop;
    struct loop_timer *clock;
    struct worker_pool *live, *back;
    struct store *store;
    char business[64];
    struct engine_driver driver;
    struct caller callers[CALLS_MAX];
    unsigned calls, open;
    uint8_t *speech[QUESTIONS_MAX]; /* the questions as the asker says them */
    size_t speech_len[QUESTIONS_MAX];
    size_t question_count, next, done;
    struct turn turns[QUESTIONS_MAX];
    enum tts_voice asker;
    const char *voice;
    int64_t start_us, frames, late_us;
    struct arena mem;
};

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void tell(struct caller *c, const struct buf *b)
{
    if (engine_send(c->engine, buf_str(b), ENGINE_CONTROL) != OK)
        fprintf(stderr, "refused: %.*s\n", STR_FMT(buf_str(b)));
}

static void ask_response(struct caller *c)
{
    struct buf b;
    buf_init(&b, 256);
    buf_put_str(&b, STR("{\"type\":\"response.create\"}"));
    tell(c, &b);
    buf_fini(&b);
}

static void configure(struct caller *c)
{
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b,
               "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{"
               "\"input\":{\"format\":{\"type\":\"audio/pcmu\"},\"transcription\":{\"model\":\"x\"}"
               ",\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":false}},"
               "\"output\":{\"format\":{\"type\":\"audio/pcmu\"},\"voice\":\"%s\"}},\"tools\":",
               c->bench->voice);
    tools_write_definitions(&b, true);
    buf_put_str(&b, STR("}}"));
    tell(c, &b);
    buf_fini(&b);
}

/* -- the tool -- */

static void on_output(void *ctx, bool ok, struct str output)
{
    struct caller *c = ctx;
    struct buf b;
    (void)ok;
    c->run = NULL;
    if (c->closed)
        return;
    c->turn.found_us = clock_mono_us();
    buf_init(&b, 1 << 20);
    buf_put_str(&b, STR("{\"type\":\"conversation.item.create\",\"item\":{\"type\":"
                        "\"function_call_output\",\"call_id\":"));
    buf_put_json(&b, str_of(c->call));
    buf_put_str(&b, STR(",\"output\":"));
    buf_put_json(&b, output);
    buf_put_str(&b, STR("}}"));
    tell(c, &b);
    buf_fini(&b);
    ask_response(c);
}

static void start_tool(struct caller *c, const struct rt_item *item)
{
    struct bench *n = c->bench;
    struct tool_opts opts = {
        .loop = n->loop, .store = n->store, .business_id = n->business, .call_id = ""};
    struct err_detail why;
    (void)str_copy(c->call, sizeof(c->call), item->call_id);
    c->turn.asked_us = clock_mono_us();
    if (tool_start(&opts, item->name, item->arguments, on_output, c, &c->run, &why) != OK)
        c->turn.asked_us = 0;
}

static void on_guessed(void *ctx, bool ok, struct str output)
{
    struct caller *c = ctx;
    c->guess = NULL;
    if (ok && !c->closed)
        engine_hint(c->engine, output);
}

static void on_guess(void *ctx, struct str tool, struct str arguments)
{
    struct caller *c = ctx;
    struct bench *n = c->bench;
    struct tool_opts opts = {
        .loop = n->loop, .store = n->store, .business_id = n->business, .call_id = ""};
    struct err_detail why;
    if (c->guess)
        tool_cancel(c->guess);
    if (tool_start(&opts, tool, arguments, on_guessed, c, &c->guess, &why) != OK)
        c->guess = NULL;
}

/* -- events of the engine -- */

static void note_audio(struct caller *c, struct str base64)
{
    size_t len = base64_decoded_len(base64), i = 0;
    int64_t now = clock_mono_us();
    if (c->turn.end_us == 0 || c->turn.audible_us)
        return;
    uint8_t *p = mem_alloc(len + 1);
    if (c->turn.audio_us == 0)
        c->turn.audio_us = now;
    if (base64_decode(p, &len, base64) == OK)
        while (i < len && abs(g711_mulaw_decode(p[i])) < AUDIBLE)
            i++;
    if (i < len)
        c->turn.audible_us = now + (int64_t)i * 125;
    mem_free(p);
}

static void on_open(void *ctx)
{
    (void)ctx;
}

static void on_event(void *ctx, struct str json)
{
    struct caller *c = ctx;
    struct rt_event ev;
    struct err_detail why;
    if (rt_event_parse(&ev, json, &why) != OK)
        return;
    switch ((int)ev.type) {
    case RT_SESSION_CREATED:
        configure(c);
        break;
    case RT_SESSION_UPDATED:
        c->ready = true;
        c->answered = true;
        break;
    case RT_SPEECH_STOPPED:
        c->turn = (struct turn){.end_us = clock_mono_us()};
        break;
    case RT_INPUT_AUDIO_COMMITTED:
        ask_response(c);
        break;
    case RT_TRANSCRIPTION_COMPLETED:
        c->turn.text_us = clock_mono_us();
        break;
    case RT_OUTPUT_ITEM_DONE:
        if (ev.item.type == RT_ITEM_FUNCTION_CALL)
            start_tool(c, &ev.item);
        break;
    case RT_AUDIO_DELTA:
        note_audio(c, ev.audio);
        break;
    case RT_RESPONSE_DONE:
        if (c->turn.audio_us && !c->run)
            c->answered = true;
        break;
    default:
        break;
    }
    rt_event_fini(&ev);
}

static void on_closed(void *ctx, enum err why, struct str reason)
{
    struct caller *c = ctx;
    (void)why;
    (void)reason;
    c->closed = true;
    if (--c->bench->open == 0)
        loop_stop(c->bench->loop);
}

/* -- the callers -- */

static bool next_question(struct caller *c)
{
    struct bench *n = c->bench;
    if (c->speech && c->turn.end_us)
        n->turns[n->done++] = c->turn;
    if (n->next == n->question_count)
        return false;
    c->speech = n->speech[n->next];
    c->speech_len = n->speech_len[n->next++];
    c->at = 0;
    c->silent = 0;
    c->turn = (struct turn){0};
    c->answered = false;
    c->wait = PAUSE_FRAMES + c->index * 7 % 50;
    return true;
}

static void send_frame(struct caller *c, const uint8_t *p, size_t len)
{
    char text[4 * FRAME];
    uint8_t frame[FRAME];
    struct buf b;
    memset(frame, 0xff, sizeof(frame));
    memcpy(frame, p, len);
    size_t n = base64_encode(text, frame, sizeof(frame));
    buf_init(&b, 1024);
    rt_write_append(&b, str_n(text, n));
    (void)engine_send(c->engine, buf_str(&b), ENGINE_AUDIO);
    buf_fini(&b);
}

static void tick(struct caller *c)
{
    if (!c->ready || c->closed)
        return;
    if (c->answered || c->silent > GIVE_UP_FRAMES) {
        if (!next_question(c)) {
            c->ready = false;
            engine_close(c->engine);
            return;
        }
    }
    size_t len = 0;
    if (c->wait > 0) {
        c->wait--;
    } else {
        len = c->speech_len - c->at < FRAME ? c->speech_len - c->at : FRAME;
        c->silent += len == 0;
    }
    send_frame(c, c->speech + c->at, len);
    c->at += len;
}

static void on_clock(void *ctx)
{
    struct bench *n = ctx;
    int64_t now = clock_mono_us();
    while (n->start_us + n->frames * FRAME_US <= now) {
        int64_t late = now - (n->start_us + n->frames * FRAME_US);
        n->late_us = late > n->late_us ? late : n->late_us;
        for (unsigned i = 0; i < n->calls; i++)
            tick(&n->callers[i]);
        n->frames++;
    }
    if (n->open)
        loop_timer_set(n->clock, (uint64_t)(n->start_us + n->frames * FRAME_US - now) / 1000 + 1);
}

/* -- figures -- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void figure(const struct bench *n, const char *name, size_t from, size_t to)
{
    double ms[QUESTIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n->done; i++) {
        int64_t a, b;
        memcpy(&a, (const char *)&n->turns[i] + from, sizeof(a));
        memcpy(&b, (const char *)&n->turns[i] + to, sizeof(b));
        if (a && b)
            ms[count++] = (double)(b - a) / 1000;
    }
    qsort(ms, count, sizeof(ms[0]), by_value);
    if (count > 0)
        printf("%-34s %4zu turns   p50 %6.1f   p95 %6.1f   max %6.1f ms\n", name, count,
               ms[count / 2], ms[count * 95 / 100], ms[count - 1]);
}

static void report(const struct bench *n, int64_t cpu)
{
    double calls_s = (double)n->frames * n->calls * FRAME_US / 1e6;
#define FROM(a, b) offsetof(struct turn, a), offsetof(struct turn, b)
    figure(n, "turn end to text", FROM(end_us, text_us));
    figure(n, "text to the tool asked", FROM(text_us, asked_us));
    figure(n, "tool asked to answered", FROM(asked_us, found_us));
    figure(n, "tool answered to first audio", FROM(found_us, audio_us));
    figure(n, "turn end to first audio", FROM(end_us, audio_us));
    figure(n, "turn end to first audible sample", FROM(end_us, audible_us));
#undef FROM
    printf(
        "%zu of %zu questions answered; CPU %.1f ms a call-second; frames at most %.1f ms late\n",
        n->done, n->question_count, (double)cpu / 1000 / calls_s, (double)n->late_us / 1000);
}

/* -- set-up -- */

static void say(struct bench *n, struct str question)
{
    struct tts_audio a;
    if (tts_say(n->asker, question, 1000, &a) != OK)
        exit(1);
    n->speech[n->question_count] = mem_alloc(a.count);
    n->speech_len[n->question_count++] = a.count;
    g711_mulaw_encode_all(n->speech[n->question_count - 1], a.samples, a.count);
    tts_audio_fini(&a);
}

static void read_questions(struct bench *n, const char *tsv, size_t max)
{
    struct buf b;
    char piece[65536];
    buf_init(&b, 1 << 20);
    FILE *f = fopen(tsv, "rb");
    if (!f) {
        perror(tsv);
        exit(2);
    }
    for (size_t len; (len = fread(piece, 1, sizeof(piece), f)) > 0;)
        buf_put(&b, piece, len);
    fclose(f);
    struct str rest = buf_str(&b);
    while (rest.p && n->question_count < max) {
        struct str line = str_take_until(&rest, '\n');
        struct str question = str_take_until(&line, '\t');
        if (question.len > 0 && question.p[0] != '#')
            say(n, question);
    }
    buf_fini(&b);
}

static void fail(const struct err_detail *detail)
{
    fprintf(stderr, "%s\n", detail->text);
    exit(1);
}

static void set_up(struct bench *n, const char *dir, const char *name, char *path,
                   struct engine_vocabulary *vocabulary)
{
    struct err_detail detail = {{0}};
    struct knowledge_sentences v;
    int fd = mkstemp(path);
    if (fd < 0 || loop_open(&n->loop, 0) != OK ||
        worker_pool_open(&n->live, "live", 2, 1024) != OK ||
        worker_pool_open(&n->back, "back", 2, 1024) != OK)
        exit(1);
    close(fd);
    struct store_opts so = {.path = path, .pool = n->back};
    if (store_open(&n->store, &so, &detail) != OK ||
        knowledge_load_demo(n->store, dir, name, n->business, &detail) != OK ||
        knowledge_vocabulary(n->store, str_of(n->business), &n->mem, &v) != OK)
        fail(&detail);
    *vocabulary = (struct engine_vocabulary){.sentences = v.items, .count = v.count, .key = name};
    struct local_opts lo = {.live = n->live, .voice = n->voice};
    if (local_driver_open(&lo, &n->driver, &detail) != OK)
        fail(&detail);
}

static void run(struct bench *n, const struct engine_vocabulary *vocabulary)
{
    static const struct engine_events events = {
        .on_open = on_open, .on_event = on_event, .on_guess = on_guess, .on_closed = on_closed};
    struct err_detail detail = {{0}};
    struct engine_opts eo = {.loop = n->loop, .call_id = "bench", .vocabulary = vocabulary};
    for (unsigned i = 0; i < n->calls; i++) {
        struct caller *c = &n->callers[i];
        *c = (struct caller){.bench = n, .index = i};
        if (n->driver.open(n->driver.driver, &eo, &events, c, &c->engine, &detail) != OK)
            fail(&detail);
        n->open++;
    }
    n->clock = loop_timer_new(n->loop, on_clock, n);
    n->start_us = clock_mono_us();
    int64_t cpu = cpu_us();
    loop_timer_set(n->clock, 0);
    while (n->open)
        loop_run(n->loop);
    report(n, cpu_us() - cpu);
}

static const char *flag(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 4; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    static struct bench n;
    char path[] = "/tmp/callee-bench-XXXXXX";
    struct engine_vocabulary vocabulary;
    if (argc < 4 || argc % 2 != 0 ||
        !tts_voice_find(str_of(flag(argc, argv, "--asker", "rms")), &n.asker)) {
        fprintf(stderr, "usage: bench_offline DIRECTORY NAME QUESTIONS.tsv [--calls N] "
                        "[--questions N] [--voice V] [--asker V]\n");
        return 2;
    }
    arena_init(&n.mem, 64 << 20);
    n.voice = flag(argc, argv, "--voice", "slt");
    unsigned long calls = strtoul(flag(argc, argv, "--calls", "1"), NULL, 10);
    n.calls = calls < 1 ? 1 : calls > CALLS_MAX ? CALLS_MAX : (unsigned)calls;
    size_t max = strtoul(flag(argc, argv, "--questions", "24"), NULL, 10);
    read_questions(&n, argv[3], max < QUESTIONS_MAX ? max : QUESTIONS_MAX);
    set_up(&n, argv[1], argv[2], path, &vocabulary);
    run(&n, &vocabulary);
    loop_timer_free(n.clock);
    worker_pool_close(n.live);
    worker_pool_close(n.back);
    local_driver_close(&n.driver);
    store_close(n.store);
    loop_close(n.loop);
    for (size_t i = 0; i < n.question_count; i++)
        mem_free(n.speech[i]);
    arena_fini(&n.mem);
    unlink(path);
    return 0;
}
