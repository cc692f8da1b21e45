/*
 * call_world.h - a call core on virtual time for tests: feeds inputs, keeps what came out.
 *
 * Include after harness/test.h. The world does by itself what no test is about: it fires timers
 * when their time comes and answers prompts; engine events are given as JSON text.
 */
#ifndef TEST_CALL_WORLD_H
#define TEST_CALL_WORLD_H

#include <stdarg.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/mem.h"
#include "call/call.h"

struct world {
    struct call *call;
    int64_t now;
    int64_t timers[CALL_TIMER_COUNT];
    struct buf log;     /* all effects since world_clear, as canonical lines */
    struct buf all;     /* since the beginning */
    uint32_t prompt;    /* waiting to be synthesised */
    uint32_t marks[64]; /* sent, in order */
    uint32_t mark_count;
    bool spare;  /* events are of the spare session */
    bool broken; /* call_check found something */
};

static inline void world_take(struct world *w, const struct call_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++) {
        size_t from = w->log.len;
        call_fx_write(&w->log, &fx->fx[i]);
        buf_put(&w->all, w->log.p + from, w->log.len - from);
        if (fx->fx[i].type == CALL_FX_TIMER)
            w->timers[fx->fx[i].number] = fx->fx[i].at_us;
        if (fx->fx[i].type == CALL_FX_PROMPT)
            w->prompt = fx->fx[i].number;
        if (fx->fx[i].type == CALL_FX_MARK && w->mark_count < 64)
            w->marks[w->mark_count++] = fx->fx[i].number;
    }
    const char *why = call_check(w->call);
    if (why) {
        fprintf(stderr, "invariant: %s\n", why);
        w->broken = true;
    }
}

static inline void world_in(struct world *w, struct call_input in)
{
    in.at_us = w->now;
    struct call_effects fx = call_step(w->call, &in);
    world_take(w, &fx);
}

/* One engine event; its audio, if any, counts. */
static inline void world_event(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline void world_event(struct world *w, const char *fmt, ...)
{
    char json[65536];
    va_list args;
    va_start(args, fmt);
    vsnprintf(json, sizeof(json), fmt, args);
    va_end(args);
    struct rt_event ev;
    if (rt_event_parse(&ev, str_of(json), NULL) != OK) {
        fprintf(stderr, "bad event: %s\n", json);
        abort();
    }
    struct call_input in = {.type = w->spare ? CALL_IN_SPARE_EVENT : CALL_IN_ENGINE_EVENT,
                            .event = &ev,
                            .raw = str_of(json)};
    if (ev.type == RT_AUDIO_DELTA) {
        in.audio = ev.audio;
        in.audio_len = (uint32_t)base64_decoded_len(ev.audio);
    }
    world_in(w, in);
    rt_event_fini(&ev);
}

/* Time passes; timers fire in their order. */
static inline void world_wait(struct world *w, int64_t ms)
{
    int64_t until = w->now + ms * 1000;
    for (;;) {
        int next = 0;
        for (int t = 1; t < CALL_TIMER_COUNT; t++)
            if (w->timers[t] && w->timers[t] <= until &&
                (next == 0 || w->timers[t] < w->timers[next]))
                next = t;
        if (next == 0)
            break;
        if (w->timers[next] > w->now)
            w->now = w->timers[next];
        w->timers[next] = 0;
        world_in(w, (struct call_input){.type = CALL_IN_TIMER, .number = (uint32_t)next});
    }
    w->now = until;
}

static inline struct call_config world_config(void)
{
    struct call_config k;
    call_config_defaults(&k);
    k.call_id = "test";
    k.business_id = "b1";
    k.greeting = "Hello there.";
    k.wait_words_ms = 0; /* its own tests want it: nobody answers prompts by themselves here */
    k.engine_count = 2;
    k.engines[0] = (struct call_engine){.name = "realtime", .model = "m"};
    k.engines[0].prices.audio_out = 64000000;
    k.engines[1] = (struct call_engine){.name = "local", .model = ""};
    return k;
}

static inline void world_open(struct world *w, const struct call_config *k)
{
    *w = (struct world){.now = 1000000};
    buf_init(&w->log, 16 << 20);
    buf_init(&w->all, 64 << 20);
    w->call = call_new(k);
    world_in(w, (struct call_input){.type = CALL_IN_START});
}

static inline void world_close(struct world *w)
{
    call_free(w->call);
    buf_fini(&w->log);
    buf_fini(&w->all);
}

static inline void world_clear(struct world *w)
{
    buf_reset(&w->log);
}

static inline bool world_did(const struct world *w, const char *what)
{
    return str_find(buf_str(&w->log), str_of(what), 0) != SIZE_MAX;
}

static inline unsigned world_count(const struct world *w, const char *what)
{
    unsigned n = 0;
    size_t at = 0;
    while ((at = str_find(buf_str(&w->all), str_of(what), at)) != SIZE_MAX) {
        n++;
        at++;
    }
    return n;
}

static inline void world_engine_ready(struct world *w)
{
    world_in(w, (struct call_input){.type = CALL_IN_ENGINE_OPEN});
    world_event(w, "{\"type\":\"session.updated\",\"event_id\":\"e\",\"session\":{\"type\":"
                   "\"realtime\"}}");
}

/* Engine ready, stream begun, greeting requested. */
static inline void world_begin(struct world *w)
{
    world_engine_ready(w);
    world_in(w, (struct call_input){.type = CALL_IN_STREAM});
}

static inline void world_created(struct world *w, const char *id)
{
    world_event(w,
                "{\"type\":\"response.created\",\"event_id\":\"e\",\"response\":{\"id\":\"%s\","
                "\"status\":\"in_progress\"}}",
                id);
}

/* `ms` of speech in item `item` of response `id`, in 200 ms deltas. */
static inline void world_speak(struct world *w, const char *id, const char *item, int ms)
{
    static char audio[2200];
    unsigned char raw[1600] = {0};
    for (; ms > 0; ms -= 200) {
        size_t n = (size_t)(ms < 200 ? ms : 200) * 8;
        size_t chars = base64_encode(audio, raw, n);
        world_event(w,
                    "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\","
                    "\"response_id\":\"%s\",\"item_id\":\"%s\",\"output_index\":0,"
                    "\"content_index\":0,\"delta\":\"%.*s\"}",
                    id, item, (int)chars, audio);
    }
}

static inline void world_done(struct world *w, const char *id, const char *status)
{
    world_event(w,
                "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"%s\","
                "\"status\":\"%s\",\"output\":[]}}",
                id, status);
}

/* A whole answer. */
static inline void world_answer(struct world *w, const char *id, const char *item, int ms)
{
    world_created(w, id);
    world_speak(w, id, item, ms);
    world_event(w,
                "{\"type\":\"response.output_audio_transcript.done\",\"event_id\":\"e\","
                "\"response_id\":\"%s\",\"item_id\":\"%s\",\"output_index\":0,"
                "\"content_index\":0,\"transcript\":\"words of %s\"}",
                id, item, item);
    world_done(w, id, "completed");
}

/* The end of a response that calls tool `name` with call id "call_1". */
static inline void world_calls(struct world *w, const char *id, const char *name)
{
    world_event(w,
                "{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{\"id\":\"%s\","
                "\"status\":\"completed\",\"output\":[{\"id\":\"fc1\",\"type\":"
                "\"function_call\",\"status\":\"completed\",\"name\":\"%s\",\"call_id\":"
                "\"call_1\",\"arguments\":\"{}\"}]}}",
                id, name);
}

/* Every mark sent so far comes back now. */
static inline void world_echo(struct world *w)
{
    for (uint32_t i = 0; i < w->mark_count; i++)
        world_in(w, (struct call_input){.type = CALL_IN_MARK, .number = w->marks[i]});
    w->mark_count = 0;
}

/* The caller's 20 ms frames. */
static inline void world_caller(struct world *w, int ms)
{
    for (; ms > 0; ms -= 20) {
        world_in(w, (struct call_input){.type = CALL_IN_AUDIO, .audio_len = 160});
        world_wait(w, 20);
    }
}

static inline void world_speech_starts(struct world *w, const char *item, int at_ms)
{
    world_event(w,
                "{\"type\":\"input_audio_buffer.speech_started\",\"event_id\":\"e\","
                "\"audio_start_ms\":%d,\"item_id\":\"%s\"}",
                at_ms, item);
}

static inline void world_speech_stops(struct world *w, const char *item, int at_ms)
{
    world_event(w,
                "{\"type\":\"input_audio_buffer.speech_stopped\",\"event_id\":\"e\","
                "\"audio_end_ms\":%d,\"item_id\":\"%s\"}",
                at_ms, item);
    world_event(w,
                "{\"type\":\"input_audio_buffer.committed\",\"event_id\":\"e\",\"item_id\":"
                "\"%s\",\"previous_item_id\":null}",
                item);
}

/* The caller says something. */
static inline void world_turn(struct world *w, const char *item)
{
    world_speech_starts(w, item, 100);
    world_speech_stops(w, item, 900);
}

/* Both sides are there, and a greeting of `ms` was heard. */
static inline void world_greet(struct world *w, int ms)
{
    world_begin(w);
    world_answer(w, "resp_1", "item_1", ms);
    world_wait(w, ms + 100);
    world_echo(w);
}

static inline void world_heard_words(struct world *w, const char *item, const char *words)
{
    world_event(w,
                "{\"type\":\"conversation.item.input_audio_transcription.completed\","
                "\"event_id\":\"e\",\"item_id\":\"%s\",\"content_index\":0,\"transcript\":"
                "\"%s\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":10,\"output_tokens\":2,"
                "\"total_tokens\":12}}",
                item, words);
}

#endif
