/* A call is what its inputs make of it: whole random calls through the real state machine, recorded
 * with and without audio, replay to the same effects, and a changed decision is found. */
#include "harness/test.h"

#include "base/base64.h"
#include "base/limits.h"
#include "base/rng.h"
#include "call/call.h"
#include "journal/record.h"
#include "journal/replay.h"

struct recorder {
    struct buf out;
    struct call *call;
    struct rng rng;
    uint32_t sequence;
    int64_t now_us;
    bool keep_audio;
    uint32_t items;
    uint64_t inputs, effects;
};

static void put(struct recorder *r, uint16_t type, struct str payload)
{
    struct journal_record rec = {.type = type, .sequence = r->sequence++, .at_us = r->now_us};
    uint8_t header[RECORD_HEADER_BYTES];
    record_write_header(header, &rec, payload, STR_NONE);
    buf_put(&r->out, header, sizeof(header));
    buf_put_str(&r->out, payload);
}

static void feed(struct recorder *r, struct call_input in)
{
    struct buf b, lines;
    buf_init(&b, 1 << 20);
    buf_init(&lines, 1 << 22);
    in.at_us = r->now_us;
    call_input_write(&b, &in, r->keep_audio);
    put(r, (uint16_t)(JOURNAL_INPUT + in.type), buf_str(&b));
    struct call_effects fx = call_step(r->call, &in);
    r->inputs++;
    r->effects += fx.count;
    if (fx.count > 0) {
        buf_reset(&b);
        uint8_t digest[4];
        record_put_u32(digest, call_effects_digest(&fx, &lines));
        buf_put(&b, digest, 4);
        buf_put_str(&b, buf_str(&lines));
        put(r, JOURNAL_EFFECTS, buf_str(&b));
    }
    buf_fini(&b);
    buf_fini(&lines);
}

static void feed_event(struct recorder *r, const char *json, uint32_t audio_len)
{
    struct rt_event ev;
    if (rt_event_parse(&ev, str_of(json), NULL) != OK)
        return;
    feed(r, (struct call_input){.type = CALL_IN_ENGINE_EVENT,
                                .event = &ev,
                                .raw = str_of(json),
                                .audio = ev.audio,
                                .audio_len = audio_len});
    rt_event_fini(&ev);
}

static void feed_delta(struct recorder *r)
{
    uint8_t sound[900];
    char audio[1204], json[2000];
    rng_fill(&r->rng, sound, sizeof(sound));
    size_t len = 300 + rng_below(&r->rng, 600);
    audio[base64_encode(audio, sound, len)] = '\0';
    snprintf(json, sizeof(json),
             "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\",\"response_id\":\"r%u\","
             "\"item_id\":\"i%u\",\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}",
             r->items, r->items, audio);
    feed_event(r, json, (uint32_t)len);
}

/* One of the things that happen in a call, in an order nobody would choose. */
static void feed_any(struct recorder *r)
{
    static const char *const events[] = {
        "{\"type\":\"session.created\",\"event_id\":\"e\",\"session\":{\"id\":\"s\"}}",
        "{\"type\":\"session.updated\",\"event_id\":\"e\",\"session\":{\"id\":\"s\"}}",
        "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":%u,\"item_id\":\"u%"
        "u\"}",
        "{\"type\":\"input_audio_buffer.speech_stopped\",\"audio_end_ms\":%u,\"item_id\":\"u%u\"}",
        "{\"type\":\"response.created\",\"response\":{\"id\":\"r%u\",\"status\":\"in_progress\"}}",
        "{\"type\":\"response.output_item.added\",\"response_id\":\"r%u\",\"output_index\":0,"
        "\"item\":{\"id\":\"i%u\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}",
        "{\"type\":\"response.done\",\"response\":{\"id\":\"r%u\",\"status\":\"completed\","
        "\"output\":[],\"usage\":{\"total_tokens\":30,\"input_tokens\":20,\"output_tokens\":10}}}",
        "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r%u\","
        "\"item_id\":\"i%u\",\"output_index\":0,\"content_index\":0,\"delta\":\"words \"}",
    };
    uint32_t n = rng_below(&r->rng, 20);
    char text[400];
    if (n < sizeof(events) / sizeof(events[0])) {
        r->items += n == 4;
/* Every format takes at most two numbers. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), events[n], r->items, r->items);
#pragma GCC diagnostic pop
        feed_event(r, text, 0);
    } else if (n < 13) {
        feed_delta(r);
    } else if (n < 15) {
        feed(r, (struct call_input){.type = CALL_IN_MARK, .number = rng_below(&r->rng, 40)});
    } else if (n == 15) {
        feed(r, (struct call_input){.type = CALL_IN_DTMF, .number = '1'});
    } else if (n == 16) {
        feed(r, (struct call_input){.type = CALL_IN_PROMPT,
                                    .number = rng_below(&r->rng, 4),
                                    .audio_len = 3,
                                    .ok = true,
                                    .audio = STR("AAAA")});
    } else if (n == 17) {
        feed(r, (struct call_input){.type = CALL_IN_OPERATOR, .text = STR("say one moment")});
    } else {
        feed(r, (struct call_input){
                    .type = CALL_IN_AUDIO, .audio_len = 3, .audio = STR("////"), .number = 20});
    }
}

static void record_call(struct recorder *r, uint64_t seed, bool keep_audio)
{
    *r = (struct recorder){.now_us = 1000000, .keep_audio = keep_audio};
    rng_init_seeded(&r->rng, seed);
    buf_init(&r->out, 64 << 20);
    struct call_config config;
    call_config_defaults(&config);
    config.call_id = "c1";
    config.greeting = "Howdy!";
    config.announcement = "You are talking to a machine.";
    config.engine_count = 1;
    config.engines[0] = (struct call_engine){.name = "realtime", .model = "m"};
    config.recording = keep_audio;
    r->call = call_new(&config);
    struct buf head, snapshot;
    buf_init(&head, 1 << 20);
    buf_init(&snapshot, 1 << 20);
    call_config_write(&snapshot, &config);
    buf_printf(&head, "{\"format\":1,\"behaviour\":%d,\"callId\":\"c1\",\"config\":%s}",
               CALL_BEHAVIOUR_VERSION, buf_cstr(&snapshot));
    put(r, JOURNAL_HEAD, buf_str(&head));
    buf_fini(&head);
    buf_fini(&snapshot);
    feed(r, (struct call_input){.type = CALL_IN_START});
    feed(r, (struct call_input){.type = CALL_IN_ENGINE_OPEN});
    feed(r, (struct call_input){.type = CALL_IN_STREAM, .text = STR("MZ")});
    for (int i = 0; i < 400; i++) {
        r->now_us += rng_below(&r->rng, 60000);
        feed_any(r);
        if (i % 7 == 0)
            feed(r, (struct call_input){.type = CALL_IN_TIMER,
                                        .number = 1 + rng_below(&r->rng, CALL_TIMER_COUNT - 1)});
    }
    feed(r, (struct call_input){.type = CALL_IN_HANGUP, .text = STR("gone")});
    put(r, JOURNAL_END, STR("{}"));
}

static void recorder_fini(struct recorder *r)
{
    call_free(r->call);
    buf_fini(&r->out);
}

/* Records with the index are in `at`: where their bytes begin. */
static size_t record_start(const struct recorder *r, uint16_t type, int which)
{
    struct journal_reader *reader = journal_reader_new(buf_str(&r->out));
    struct journal_record rec;
    size_t at = 0, found = 0;
    while (journal_reader_next(reader, &rec, NULL) == OK) {
        if (rec.type == type && which-- == 0)
            found = at;
        at = (size_t)journal_reader_offset(reader);
    }
    journal_reader_close(reader);
    return found;
}

static enum err run(struct recorder *r, struct replay *replay, bool verify)
{
    struct journal_reader *reader = journal_reader_new(buf_str(&r->out));
    struct err_detail detail;
    enum err err = replay_run(replay, reader, verify, &detail);
    if (err != OK)
        fprintf(stderr, "%s\n", detail.text);
    journal_reader_close(reader);
    return err;
}

TEST(whole_calls_replay_to_the_same_effects_with_and_without_audio)
{
    uint64_t effects = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct recorder r;
        record_call(&r, seed, seed % 2 == 0);
        struct replay replay;
        CHECK_INT(OK, run(&r, &replay, true));
        if (replay.differs)
            fprintf(stderr, "seed %llu input %llu %s\n--- recorded\n%s--- computed\n%s",
                    (unsigned long long)seed, (unsigned long long)replay.input_number,
                    call_in_name(replay.type), buf_cstr(&replay.recorded),
                    buf_cstr(&replay.computed));
        CHECK(!replay.differs && !replay.incomplete);
        CHECK_INT(r.inputs, replay.inputs);
        CHECK_INT(r.effects, replay.effects);
        effects += r.effects;
        CHECK_INT(CALL_BEHAVIOUR_VERSION, replay.behaviour);
        CHECK(call_ended(replay.call));
        CHECK_INT(call_cost_nanousd(r.call), call_cost_nanousd(replay.call));
        replay_fini(&replay);
        recorder_fini(&r);
    }
    CHECK(effects > 2000); /* else these calls were too dull to prove anything */
}

/* The record at `at` again, with its payload changed by `fn` and its checksum made good. */
static void forge(struct recorder *r, size_t at, void (*fn)(char *payload))
{
    struct journal_record rec;
    size_t size;
    if (record_read(&rec, &size, str_n(r->out.p + at, r->out.len - at)) != RECORD_GOOD)
        return;
    fn(r->out.p + at + RECORD_HEADER_BYTES);
    record_write_header((uint8_t *)r->out.p + at, &rec, rec.payload, STR_NONE);
}

static void other_digest(char *payload)
{
    payload[0] ^= 1;
}

TEST(the_first_other_decision_is_found)
{
    struct recorder r;
    record_call(&r, 5, true);
    forge(&r, record_start(&r, JOURNAL_EFFECTS, 100), other_digest);
    struct replay replay;
    CHECK_INT(OK, run(&r, &replay, true));
    CHECK(replay.differs);
    CHECK(replay.input_number >= 100 && replay.input_number < r.inputs);
    CHECK(str_eq(buf_str(&replay.recorded), buf_str(&replay.computed)));
    CHECK(replay.recorded.len > 0);
    replay_fini(&replay);
    CHECK_INT(OK, run(&r, &replay, false));
    CHECK(!replay.differs);
    CHECK_INT(r.inputs, replay.inputs);
    replay_fini(&replay);
    recorder_fini(&r);
}

TEST(an_input_whose_effects_are_missing_had_none)
{
    /* Drop an effects record altogether and renumber what follows. */
    struct recorder r;
    record_call(&r, 6, true);
    size_t at = record_start(&r, JOURNAL_EFFECTS, 50);
    struct journal_record rec;
    size_t size;
    CHECK_INT(RECORD_GOOD, record_read(&rec, &size, str_n(r.out.p + at, r.out.len - at)));
    memmove(r.out.p + at, r.out.p + at + size, r.out.len - at - size);
    r.out.len -= size;
    struct replay replay;
    CHECK_INT(OK, run(&r, &replay, true));
    CHECK(!replay.differs && replay.incomplete); /* the numbers show that it is a hole */
    replay_fini(&replay);
    while (at < r.out.len) {
        CHECK_INT(RECORD_GOOD, record_read(&rec, &size, str_n(r.out.p + at, r.out.len - at)));
        rec.sequence--;
        record_write_header((uint8_t *)r.out.p + at, &rec, rec.payload, STR_NONE);
        at += size;
    }
    CHECK_INT(OK, run(&r, &replay, true));
    CHECK(replay.differs && replay.recorded.len == 0 && replay.computed.len > 0);
    replay_fini(&replay);
    recorder_fini(&r);
}

TEST(a_torn_journal_replays_up_to_the_tear)
{
    struct recorder r;
    record_call(&r, 7, false);
    size_t whole = r.out.len;
    for (size_t cut = whole; cut > 4000; cut -= cut / 13) {
        r.out.len = cut;
        struct replay replay;
        CHECK_INT(OK, run(&r, &replay, true));
        CHECK(!replay.differs);
        CHECK(replay.incomplete || cut == whole || replay.inputs < r.inputs);
        replay_fini(&replay);
    }
    r.out.len = 40; /* in the head */
    struct replay replay;
    struct journal_reader *reader = journal_reader_new(buf_str(&r.out));
    struct err_detail detail = {""};
    CHECK_INT(ERR_INVALID, replay_run(&replay, reader, true, &detail));
    CHECK(strstr(detail.text, "head") != NULL);
    replay_fini(&replay);
    journal_reader_close(reader);
    recorder_fini(&r);
}
