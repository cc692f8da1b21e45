/* Recordings and transcripts from written-out facts: sound lies where it was heard, to the sample.
 */
#include "harness/test.h"

#include "audio/g711.h"
#include "audio/wav.h"
#include "base/base64.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/log.h"
#include "call/call.h"
#include "journal/export.h"
#include "journal/record.h"
#include "journal_fixture.h"

/* A journal in memory, written record by record. */
struct tapewriter {
    struct buf b;
    uint32_t sequence;
};

static void put(struct tapewriter *w, uint16_t type, int64_t at_ms, struct str payload)
{
    struct journal_record r = {
        .type = type, .call = 3, .sequence = w->sequence++, .at_us = at_ms * 1000};
    uint8_t header[RECORD_HEADER_BYTES];
    record_write_header(header, &r, payload, STR_NONE);
    buf_put(&w->b, header, sizeof(header));
    buf_put_str(&w->b, payload);
}

static void begin(struct tapewriter *w)
{
    w->sequence = 0;
    buf_init(&w->b, 16 << 20);
    put(w, JOURNAL_HEAD, 900,
        STR("{\"format\":1,\"behaviour\":1,\"callId\":\"c7\",\"wallMs\":1700000000000,"
            "\"anchorUs\":900000,\"config\":{\"businessName\":\"Shop\",\"from\":\"+1\"}}"));
}

static void put_input(struct tapewriter *w, const struct call_input *in, int64_t at_ms, bool keep)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    call_input_write(&b, in, keep);
    put(w, (uint16_t)(JOURNAL_INPUT + in->type), at_ms, buf_str(&b));
    buf_fini(&b);
}

static void put_facts(struct tapewriter *w, int64_t at_ms, const char *lines)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put(&b, "\0\0\0\0", 4);
    buf_put_str(&b, str_of(lines));
    put(w, JOURNAL_EFFECTS, at_ms, buf_str(&b));
    buf_fini(&b);
}

/* `len` bytes of the same mu-law code, as base64. */
static struct str tone(char *out, uint8_t code, size_t len)
{
    uint8_t *p = mem_alloc(len);
    memset(p, code, len);
    size_t n = base64_encode(out, p, len);
    mem_free(p);
    return str_n(out, n);
}

static void caller_says(struct tapewriter *w, int64_t at_ms, uint32_t stream_ms, uint8_t code,
                        bool keep)
{
    char text[400];
    struct call_input in = {.type = CALL_IN_AUDIO, .number = stream_ms, .audio_len = 160};
    in.audio = tone(text, code, 160);
    put_input(w, &in, at_ms, keep);
}

/* A synthesised prompt of `ms` milliseconds. */
static void prompt(struct tapewriter *w, int64_t at_ms, uint8_t code, uint32_t ms, bool keep)
{
    char *text = mem_alloc(base64_encoded_len(ms * 8));
    struct call_input in = {.type = CALL_IN_PROMPT, .number = 1, .audio_len = ms * 8, .ok = true};
    in.audio = tone(text, code, ms * 8);
    put_input(w, &in, at_ms, keep);
    mem_free(text);
}

static void stream_begins(struct tapewriter *w)
{
    put_input(w, &(struct call_input){.type = CALL_IN_STREAM, .text = STR("MZ1")}, 1000, true);
}

struct sound {
    char *bytes;
    struct wav wav;
    struct export_sound said;
};

static bool export_sound(struct tapewriter *w, struct fixture *f, struct sound *s)
{
    char path[PATH_BYTES];
    fixture_path(f, path, "out.wav");
    struct journal_reader *r = journal_reader_new(buf_str(&w->b));
    struct err_detail detail = {""};
    size_t len = 0;
    bool ok = export_wav(r, path, &s->said, &detail) == OK;
    s->bytes = ok ? fixture_read(path, &len) : NULL;
    ok = ok && s->bytes && wav_parse(&s->wav, str_n(s->bytes, len), &detail) == OK;
    if (!ok)
        fprintf(stderr, "%s\n", detail.text);
    journal_reader_close(r);
    return ok;
}

/* All samples of a channel in [from, to) milliseconds have this value. */
static bool is(const struct sound *s, unsigned channel, int64_t from_ms, int64_t to_ms,
               int16_t value)
{
    for (int64_t i = from_ms * 8; i < to_ms * 8; i++) {
        int16_t sample;
        wav_read_channel(&s->wav, channel, (size_t)i, &sample, 1);
        if (sample != value) {
            fprintf(stderr, "channel %u ms %lld: %d, not %d\n", channel, (long long)i / 8, sample,
                    value);
            return false;
        }
    }
    return true;
}

enum { A = 0x90, B = 0xa5, C = 0x1c };

TEST(sound_lies_where_it_was_heard)
{
    struct fixture f;
    struct tapewriter w;
    struct sound s;
    CHECK(fixture_init(&f));
    begin(&w);
    stream_begins(&w);
    for (uint32_t ms = 0; ms < 100; ms += 20)
        caller_says(&w, 1025 + ms, ms, A, true);
    /* 300 ms of agent, played in pieces that do not fall on the pieces of its audio; the second
     * PLAY comes while the first still sounds, and ends in padding. */
    prompt(&w, 1200, B, 100, true);
    put_facts(&w, 1200, "queue prompt_1 800\nplay prompt_1 0 800 0\n");
    prompt(&w, 1210, C, 200, true);
    put_facts(&w, 1210, "queue prompt_1 1600\nplay prompt_1 800 1000 40\n");
    put_input(&w, &(struct call_input){.type = CALL_IN_MARK}, 1500, true);
    put_facts(&w, 1500, "play prompt_1 1800 600 0\n");
    caller_says(&w, 1725, 700, A, true); /* after a gap in the stream */
    put(&w, JOURNAL_END, 2000, STR("{}"));
    CHECK(export_sound(&w, &f, &s));
    CHECK_INT(8000, s.wav.rate_hz);
    CHECK_INT(2, s.wav.channels);
    CHECK_INT(720 * 8, s.wav.frames);
    CHECK(is(&s, 0, 0, 100, g711_mulaw_decode(A)));
    CHECK(is(&s, 0, 100, 700, 0));
    CHECK(is(&s, 0, 700, 720, g711_mulaw_decode(A)));
    CHECK(is(&s, 1, 0, 200, 0));
    CHECK(is(&s, 1, 200, 300, g711_mulaw_decode(B)));
    CHECK(is(&s, 1, 300, 425, g711_mulaw_decode(C)));
    CHECK(is(&s, 1, 425, 500, 0));
    CHECK(is(&s, 1, 500, 575, g711_mulaw_decode(C)));
    CHECK(is(&s, 1, 575, 720, 0));
    CHECK_INT(120, s.said.caller_ms);
    CHECK_INT(300, s.said.agent_ms);
    CHECK_INT(0, s.said.missing_ms);
    mem_free(s.bytes);
    buf_fini(&w.b);
    fixture_fini(&f);
}

TEST(a_clear_cuts_what_was_not_yet_heard)
{
    struct fixture f;
    struct tapewriter w;
    struct sound s;
    CHECK(fixture_init(&f));
    begin(&w);
    stream_begins(&w);
    prompt(&w, 1100, B, 1000, true);
    put_facts(&w, 1100, "queue prompt_1 8000\nplay prompt_1 0 8000 0\n");
    put_input(&w, &(struct call_input){.type = CALL_IN_DTMF, .number = '5'}, 1400, true);
    put_facts(&w, 1400, "clear\ndiscard\n");
    prompt(&w, 1500, C, 400, true);
    put_facts(&w, 1500, "queue prompt_2 3200\nplay prompt_2 0 3200 0\n");
    put(&w, JOURNAL_END, 1800, STR("{}")); /* 100 ms of prompt_2 are never heard */
    CHECK(export_sound(&w, &f, &s));
    CHECK_INT(800 * 8, s.wav.frames);
    CHECK(is(&s, 1, 0, 100, 0));
    CHECK(is(&s, 1, 100, 400, g711_mulaw_decode(B)));
    CHECK(is(&s, 1, 400, 500, 0));
    CHECK(is(&s, 1, 500, 800, g711_mulaw_decode(C)));
    mem_free(s.bytes);
    buf_fini(&w.b);
    fixture_fini(&f);
}

TEST(an_engines_deltas_are_found_in_their_events)
{
    struct fixture f;
    struct tapewriter w;
    struct sound s;
    CHECK(fixture_init(&f));
    begin(&w);
    stream_begins(&w);
    for (int i = 0; i < 3; i++) {
        char audio[600], json[1000];
        struct str base64 = tone(audio, i == 1 ? C : B, 401); /* an odd length: padding */
        snprintf(
            json, sizeof(json),
            "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\",\"response_id\":\"r\","
            "\"item_id\":\"it\",\"output_index\":0,\"content_index\":0,\"delta\":\"%.*s\"}",
            STR_FMT(base64));
        struct rt_event ev;
        CHECK_INT(OK, rt_event_parse(&ev, str_of(json), NULL));
        struct call_input in = {.type = CALL_IN_ENGINE_EVENT,
                                .audio_len = 401,
                                .event = &ev,
                                .raw = str_of(json),
                                .audio = ev.audio};
        put_input(&w, &in, 1100 + i, i < 2);
        rt_event_fini(&ev);
        put_facts(&w, 1100 + i, "queue it 401\n");
    }
    put_input(&w, &(struct call_input){.type = CALL_IN_MARK}, 1103, true);
    put_facts(&w, 1103, "play it 0 401 0\nplay it 401 802 0\nplay it 1203 800 0\nplay zz 0 80 0\n");
    put(&w, JOURNAL_END, 2000, STR("{}"));
    CHECK(export_sound(&w, &f, &s));
    CHECK(s.wav.frames >= 103 * 8 + 403);
    int16_t edge[4];
    wav_read_channel(&s.wav, 1, 103 * 8 + 399, edge, 4);
    CHECK_INT(g711_mulaw_decode(B), edge[1]);
    CHECK_INT(g711_mulaw_decode(C), edge[2]);
    CHECK(is(&s, 1, 104, 153, g711_mulaw_decode(B)));
    CHECK(is(&s, 1, 154, 203, g711_mulaw_decode(C)));
    CHECK(is(&s, 1, 204, 300, 0)); /* the third delta's audio was not kept */
    CHECK_INT(401 / 8 + 800 / 8 + 80 / 8, s.said.missing_ms);
    mem_free(s.bytes);
    buf_fini(&w.b);
    fixture_fini(&f);
}

TEST(every_offset_gives_its_own_sample)
{
    enum { LEN = 8000 };
    struct fixture f;
    struct tapewriter w;
    struct sound s;
    uint8_t codes[LEN];
    char text[LEN * 2];
    CHECK(fixture_init(&f));
    begin(&w);
    stream_begins(&w);
    for (int i = 0; i < LEN; i++)
        codes[i] = (uint8_t)(i * 7 + i / 256);
    struct call_input in = {.type = CALL_IN_PROMPT, .number = 1, .audio_len = LEN, .ok = true};
    in.audio = str_n(text, base64_encode(text, codes, LEN));
    put_input(&w, &in, 1000, true);
    put_facts(&w, 1000,
              "queue prompt_1 8000\nplay prompt_1 0 1 0\nplay prompt_1 1 1 0\n"
              "play prompt_1 2 3 0\nplay prompt_1 5 4000 0\nplay prompt_1 4005 3995 0\n");
    put(&w, JOURNAL_END, 3000, STR("{}"));
    CHECK(export_sound(&w, &f, &s));
    CHECK_INT(LEN, s.wav.frames);
    int16_t samples[LEN];
    wav_read_channel(&s.wav, 1, 0, samples, LEN);
    for (int i = 0; i < LEN; i++)
        CHECK_INT(g711_mulaw_decode(codes[i]), samples[i]);
    mem_free(s.bytes);
    buf_fini(&w.b);
    fixture_fini(&f);
}

TEST(a_call_without_recording_is_silent_and_says_so)
{
    struct fixture f;
    struct tapewriter w;
    struct sound s;
    CHECK(fixture_init(&f));
    begin(&w);
    stream_begins(&w);
    caller_says(&w, 1025, 0, A, false);
    caller_says(&w, 1045, 4000000000u, A, true); /* a timestamp nobody can believe */
    CHECK(export_sound(&w, &f, &s));
    CHECK_INT(20, s.said.missing_ms);
    CHECK(is(&s, 0, 0, 20, 0));
    CHECK(is(&s, 0, 25, 45, g711_mulaw_decode(A)));
    CHECK_INT(45, s.said.duration_ms);
    mem_free(s.bytes);
    buf_fini(&w.b);
    fixture_fini(&f);
}

/* The member, as compact JSON. */
static bool member_is(const json_t *o, const char *key, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    const json_t *value = js_get(o, key);
    if (value)
        js_write(&b, value);
    bool ok = strcmp(want, buf_cstr(&b)) == 0;
    if (!ok)
        fprintf(stderr, "%s: want %s, got %s\n", key, want, buf_cstr(&b));
    buf_fini(&b);
    return ok;
}

static void write_conversation(struct tapewriter *w)
{
    begin(w);
    stream_begins(w);
    put_facts(w, 1000, "note call.begin x=1 y=2\nengine_open 0\n");
    put_input(w, &(struct call_input){.type = CALL_IN_DTMF, .number = '7'}, 1500, true);
    put_facts(w, 1500,
              "turn {\"id\":\"i2\",\"role\":\"agent\",\"text\":\"Hello th\",\"startMs\":3000,"
              "\"costNanousd\":5}\n"
              "turn {\"id\":\"i1\",\"role\":\"caller\",\"text\":\"Hi\",\"startMs\":1000}\n"
              "tool 1 lookup \"{\\\"q\\\":\\\"hats\\\"}\"\n");
    put_input(w, &(struct call_input){.type = CALL_IN_MARK}, 6000, true);
    put_facts(w, 6000,
              "turn {\"id\":\"i2\",\"role\":\"agent\",\"text\":\"Hello there\",\"startMs\":3000,"
              "\"interrupted\":true,\"spokenMs\":2600,\"heardMs\":1300,\"costNanousd\":7,"
              "\"latency\":{\"turnEndMs\":500,\"engineFirstMs\":620,\"carrierFirstMs\":-1,"
              "\"heardFirstMs\":700}}\n"
              "tool_record 1 lookup 1 42 \"Result 1: hats\"\ntransfer +15550100\n");
}

static json_t *transcript_of(struct tapewriter *w)
{
    struct journal_reader *r = journal_reader_new(buf_str(&w->b));
    json_t *t = NULL;
    enum err err = export_transcript(r, &t, NULL);
    journal_reader_close(r);
    return err == OK ? t : NULL;
}

TEST(a_transcript_holds_the_last_word_on_every_turn)
{
    struct tapewriter w;
    write_conversation(&w);
    put(&w, JOURNAL_END, 7000, STR("{\"reason\":\"transferred\",\"turns\":2}"));
    json_t *t = transcript_of(&w);
    CHECK(t);
    CHECK(member_is(t, "complete", "true"));
    CHECK(member_is(t, "callId", "\"c7\""));
    CHECK(member_is(t, "businessName", "\"Shop\""));
    CHECK(member_is(t, "startedAt", "\"2023-11-14T22:13:20Z\""));
    CHECK(member_is(t, "durationMs", "6000"));
    CHECK(member_is(t, "costNanousd", "7"));
    CHECK(member_is(t, "endReason", "\"transferred\""));
    CHECK(member_is(t, "transferredTo", "\"+15550100\""));
    CHECK(member_is(t, "dtmf", "[{\"key\":\"7\",\"atMs\":500}]"));
    CHECK(member_is(t, "notes", "[{\"name\":\"call.begin\",\"text\":\"x=1 y=2\",\"atMs\":0}]"));
    CHECK(member_is(t, "tools",
                    "[{\"run\":1,\"name\":\"lookup\",\"arguments\":\"{\\\"q\\\":\\\"hats\\\"}\","
                    "\"atMs\":500,\"ok\":true,\"ms\":42,\"output\":\"Result 1: hats\"}]"));
    const json_t *items = js_get(t, "items");
    CHECK_INT(2, json_array_size(items));
    CHECK(member_is(json_array_get(items, 0), "text", "\"Hi\""));
    CHECK(member_is(json_array_get(items, 1), "text", "\"Hello there\""));
    struct buf text;
    buf_init(&text, 1 << 16);
    export_write_text(&text, t);
    const char *want = "00:00.5  key           7\n"
                       "00:00.5  tool          lookup {\"q\":\"hats\"} -> ok in 42 ms\n"
                       "00:01.0  caller        Hi\n"
                       "00:03.0  agent         Hello there  [interrupted, heard 1.3 of 2.6 s]  "
                       "(turn end 500 ms, engine 620 ms, heard 700 ms)\n";
    bool same = str_ends(buf_str(&text), str_of(want));
    if (!same)
        fprintf(stderr, "%s", buf_cstr(&text));
    CHECK(same);
    buf_fini(&text);
    json_decref(t);
    buf_fini(&w.b);
}

static void engine_says(struct tapewriter *w, int64_t at_ms, const char *json)
{
    struct rt_event ev;
    if (rt_event_parse(&ev, str_of(json), NULL) != OK)
        return;
    struct call_input in = {.type = CALL_IN_ENGINE_EVENT, .event = &ev, .raw = str_of(json)};
    put_input(w, &in, at_ms, true);
    rt_event_fini(&ev);
}

TEST(what_was_being_said_when_the_process_died_is_in_the_transcript)
{
    struct tapewriter w;
    begin(&w);
    stream_begins(&w);
    put_facts(&w, 1000, "prompt 1 \"This is a \\\"machine\\\".\"\n");
    prompt(&w, 1100, B, 1000, true);
    put_facts(&w, 1100, "queue prompt_1 8000\nplay prompt_1 0 8000 0\n");
    engine_says(&w, 1200,
                "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r\","
                "\"item_id\":\"it\",\"output_index\":0,\"content_index\":0,\"delta\":\"Howdy\"}");
    put_facts(&w, 1200, "queue it 16000\nplay it 0 16000 0\n");
    engine_says(&w, 1300,
                "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r\","
                "\"item_id\":\"it\",\"output_index\":0,\"content_index\":0,\"delta\":\" you\"}");
    size_t before = w.b.len;
    uint32_t sequence = w.sequence;
    put_facts(&w, 1300, "turn {\"id\":\"prompt_1\",\"role\":\"announcement\",\"startMs\":100}\n");
    put_input(&w, &(struct call_input){.type = CALL_IN_MARK}, 2600, true);
    json_t *t = transcript_of(&w);
    CHECK(t);
    CHECK(member_is(t, "items",
                    "[{\"id\":\"prompt_1\",\"role\":\"announcement\",\"startMs\":100},"
                    "{\"id\":\"it\",\"role\":\"agent\",\"text\":\"Howdy you\",\"final\":false,"
                    "\"interrupted\":true,\"startMs\":1100,\"endMs\":1600,\"spokenMs\":2000,"
                    "\"heardMs\":500,\"costNanousd\":0}]"));
    json_decref(t);
    w.b.len = before; /* died earlier: the announcement was still playing, the answer behind it */
    w.sequence = sequence;
    t = transcript_of(&w);
    CHECK(t);
    CHECK(member_is(t, "items",
                    "[{\"id\":\"prompt_1\",\"role\":\"announcement\","
                    "\"text\":\"This is a \\\"machine\\\".\",\"final\":false,\"interrupted\":true,"
                    "\"startMs\":100,\"endMs\":300,\"spokenMs\":1000,\"heardMs\":200,"
                    "\"costNanousd\":0}]"));
    json_decref(t);
    put_facts(&w, 1310, "clear\n");
    put_input(&w, &(struct call_input){.type = CALL_IN_MARK}, 1500, true);
    put(&w, JOURNAL_END, 1500, STR("{}")); /* an ended call gave all its turns out itself */
    t = transcript_of(&w);
    CHECK(t && member_is(t, "items", "[]"));
    json_decref(t);
    buf_fini(&w.b);
}

TEST(a_journal_cut_anywhere_still_exports)
{
    struct fixture f;
    CHECK(fixture_init(&f));
    struct tapewriter w;
    write_conversation(&w);
    prompt(&w, 6500, B, 10, true);
    put_facts(&w, 6500, "queue prompt_1 80\nplay prompt_1 0 80 0\n");
    size_t whole = w.b.len;
    for (size_t len = 0; len < whole; len++) {
        w.b.len = len;
        json_t *t = transcript_of(&w);
        if (!t) {
            CHECK(w.b.len < 200); /* not even a head */
            continue;
        }
        CHECK(member_is(t, "complete", "false"));
        json_decref(t);
        struct sound s;
        CHECK(export_sound(&w, &f, &s));
        mem_free(s.bytes);
    }
    buf_fini(&w.b);
    fixture_fini(&f);
}

TEST(an_export_that_cannot_be_written_is_one_sentence)
{
    struct tapewriter w;
    begin(&w);
    struct journal_reader *r = journal_reader_new(buf_str(&w.b));
    struct export_sound said;
    struct err_detail detail = {""};
    CHECK_INT(ERR_IO, export_wav(r, "/nowhere/at/all.wav", &said, &detail));
    CHECK(strstr(detail.text, "/nowhere/at/all.wav") != NULL);
    journal_reader_close(r);
    r = journal_reader_new(STR("this is no journal, and never was one"));
    CHECK_INT(ERR_INVALID, export_wav(r, "/tmp/never", &said, &detail));
    json_t *t;
    CHECK_INT(ERR_INVALID, export_transcript(r, &t, &detail));
    journal_reader_close(r);
    buf_fini(&w.b);
}
