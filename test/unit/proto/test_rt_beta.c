/* The retired beta shape: each row of the mapping, in both directions, and what passes untouched.
 */
#include "harness/test.h"

#include <dirent.h>

#include "golden.h"
#include "proto/rt_beta.h"
#include "proto/rt_event.h"

typedef enum err translate_fn(struct buf *out, struct str text, struct err_detail *detail);

/* `from` becomes exactly the lines `want`, judged as JSON. */
static bool gives(translate_fn *translate, const char *from, const char *want)
{
    struct buf out;
    bool same = true;
    buf_init(&out, GOLDEN_BYTES_MAX);
    same &= translate(&out, str_of(from), NULL) == OK && buf_ok(&out);
    struct str got = buf_str(&out), expect = str_of(want);
    while (same && got.len && expect.p) {
        json_t *a = NULL, *b = NULL;
        same &= js_parse(str_take_until(&got, '\n'), &a, NULL) == OK;
        same &= js_parse(str_take_until(&expect, '\n'), &b, NULL) == OK;
        same = same && json_equal(a, b);
        json_decref(a);
        json_decref(b);
    }
    same &= got.len == 0 && expect.len == 0;
    if (!same)
        fprintf(stderr, "%s\nwant %s\ngot  %.*s\n", from, want, STR_FMT(buf_str(&out)));
    buf_fini(&out);
    return same;
}

static bool both_ways(const char *beta, const char *ga)
{
    return gives(rt_beta_to_ga, beta, ga) && gives(rt_beta_from_ga, ga, beta);
}

TEST(renamed_events_keep_their_members)
{
    static const char *const names[][2] = {
        {"response.text.delta", "response.output_text.delta"},
        {"response.text.done", "response.output_text.done"},
        {"response.audio.delta", "response.output_audio.delta"},
        {"response.audio.done", "response.output_audio.done"},
        {"response.audio_transcript.delta", "response.output_audio_transcript.delta"},
        {"response.audio_transcript.done", "response.output_audio_transcript.done"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char beta[256], ga[256];
#define FORM "{\"type\":\"%s\",\"event_id\":\"e\",\"delta\":\"AA==\",\"x\":[1]}"
        snprintf(beta, sizeof(beta), FORM, names[i][0]);
        snprintf(ga, sizeof(ga), FORM, names[i][1]);
        CHECK(both_ways(beta, ga));
    }
}

TEST(sessions_are_nested_and_flattened)
{
    CHECK(both_ways(
        "{\"type\":\"session.update\",\"event_id\":\"c1\",\"session\":{\"modalities\":[\"audio\","
        "\"text\"],\"instructions\":\"Hi\",\"voice\":\"alloy\",\"speed\":1.1,"
        "\"input_audio_format\":\"g711_ulaw\",\"output_audio_format\":\"pcm16\","
        "\"input_audio_transcription\":{\"model\":\"whisper-1\"},\"input_audio_noise_reduction\":"
        "null,\"turn_detection\":{\"type\":\"server_vad\",\"threshold\":0.5},\"tools\":[],"
        "\"max_response_output_tokens\":\"inf\"}}",
        "{\"type\":\"session.update\",\"event_id\":\"c1\",\"session\":{\"type\":\"realtime\","
        "\"output_modalities\":[\"audio\"],\"instructions\":\"Hi\",\"audio\":{\"input\":{"
        "\"format\":{\"type\":\"audio/pcmu\"},\"transcription\":{\"model\":\"whisper-1\"},"
        "\"noise_reduction\":null,\"turn_detection\":{\"type\":\"server_vad\",\"threshold\":0.5}},"
        "\"output\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000},\"voice\":\"alloy\","
        "\"speed\":1.1}},\"tools\":[],\"max_output_tokens\":\"inf\"}}"));
    CHECK(both_ways("{\"type\":\"session.updated\",\"session\":{\"id\":\"s\",\"modalities\":["
                    "\"text\"],\"output_audio_format\":\"g711_alaw\",\"turn_detection\":null}}",
                    "{\"type\":\"session.updated\",\"session\":{\"type\":\"realtime\",\"id\":"
                    "\"s\",\"output_modalities\":[\"text\"],\"audio\":{\"output\":{\"format\":{"
                    "\"type\":\"audio/pcma\"}},\"input\":{\"turn_detection\":null}}}}"));
    CHECK(
        both_ways("{\"type\":\"transcription_session.update\",\"session\":{"
                  "\"input_audio_format\":\"pcm16\"}}",
                  "{\"type\":\"session.update\",\"session\":{\"type\":\"transcription\","
                  "\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}}}}}"));
    CHECK(gives(rt_beta_to_ga, "{\"type\":\"session.update\",\"session\":{\"temperature\":0.8}}",
                "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\"}}"));
    CHECK(gives(rt_beta_from_ga,
                "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"truncation\":"
                "\"auto\",\"reasoning\":{},\"audio\":{\"output\":{\"voice\":{\"id\":\"v1\"}}}}}",
                "{\"type\":\"session.update\",\"session\":{\"voice\":\"v1\"}}"));
}

TEST(responses_and_their_items_are_translated)
{
    CHECK(both_ways("{\"type\":\"response.create\",\"response\":{\"modalities\":[\"audio\","
                    "\"text\"],\"voice\":\"ash\",\"output_audio_format\":\"g711_ulaw\",\"input\":[{"
                    "\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
                    "\"text\":\"a\"}]}],\"max_output_tokens\":5}}",
                    "{\"type\":\"response.create\",\"response\":{\"output_modalities\":[\"audio\"],"
                    "\"audio\":{\"output\":{\"voice\":\"ash\",\"format\":{\"type\":\"audio/pcmu\"}}"
                    "},\"input\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{"
                    "\"type\":\"output_text\",\"text\":\"a\"}]}],\"max_output_tokens\":5}}"));
    CHECK(both_ways("{\"type\":\"response.done\",\"response\":{\"output\":[{\"role\":\"assistant\","
                    "\"content\":[{\"type\":\"audio\",\"transcript\":\"a\"}]}]}}",
                    "{\"type\":\"response.done\",\"response\":{\"output\":[{\"role\":\"assistant\","
                    "\"content\":[{\"type\":\"output_audio\",\"transcript\":\"a\"}]}]}}"));
    CHECK(both_ways("{\"type\":\"response.output_item.added\",\"item\":{\"role\":\"assistant\","
                    "\"content\":[{\"type\":\"text\",\"text\":\"\"}]}}",
                    "{\"type\":\"response.output_item.added\",\"item\":{\"role\":\"assistant\","
                    "\"content\":[{\"type\":\"output_text\",\"text\":\"\"}]}}"));
}

TEST(created_items_are_added_and_done)
{
#define ITEM                                                                                \
    "\"previous_item_id\":null,\"item\":{\"id\":\"i\",\"status\":\"%s\",\"role\":\"user\"," \
    "\"content\":[{\"type\":\"input_text\"}]}}"
    char created[512], two[1024], user[256], agent[256];
    snprintf(user, sizeof(user), ITEM, "completed");
    snprintf(agent, sizeof(agent), ITEM, "in_progress");
    snprintf(created, sizeof(created), "{\"type\":\"conversation.item.created\",%s", user);
    snprintf(two, sizeof(two),
             "{\"type\":\"conversation.item.added\",%s\n{\"type\":\"conversation.item.done\",%s",
             user, user);
    CHECK(gives(rt_beta_to_ga, created, two));
    snprintf(created, sizeof(created), "{\"type\":\"conversation.item.created\",%s", agent);
    snprintf(two, sizeof(two), "{\"type\":\"conversation.item.added\",%s", agent);
    CHECK(both_ways(created, two));
    CHECK(gives(rt_beta_from_ga, "{\"type\":\"conversation.item.done\",\"item\":{}}", ""));
    CHECK(gives(rt_beta_to_ga,
                "{\"type\":\"response.output_item.done\",\"event_id\":\"e\",\"output_index\":0,"
                "\"item\":{\"id\":\"i\"}}",
                "{\"type\":\"conversation.item.done\",\"event_id\":\"e\",\"previous_item_id\":null,"
                "\"item\":{\"id\":\"i\"}}\n{\"type\":\"response.output_item.done\",\"event_id\":"
                "\"e\",\"output_index\":0,\"item\":{\"id\":\"i\"}}"));
}

TEST(what_is_the_same_in_both_shapes_passes)
{
    static const char *const same[] = {
        "{\"type\":\"input_audio_buffer.append\",\"audio\":\"f39/\"}",
        "{\"type\":\"input_audio_buffer.speech_started\",\"event_id\":\"e\",\"audio_start_ms\":"
        "640}",
        "{\"type\":\"session.hologram\",\"session\":7}",
        "{\"type\":\"response.function_call_arguments.done\",\"arguments\":\"{}\"}",
        "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"user\","
        "\"content\":[{\"type\":\"input_text\",\"text\":\"a\"}]}}",
        "{\"type\":\"session.update\",\"session\":7}",
        "{\"type\":\"response.create\",\"response\":[]}",
        "{\"type\":\"conversation.item.create\",\"item\":\"x\"}",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        CHECK(both_ways(same[i], same[i]));
    CHECK(gives(rt_beta_to_ga, "{\n\"type\" : \"a\"\n}", "{\"type\":\"a\"}")); /* one line */
}

TEST(what_is_no_event_is_refused)
{
    static const char *const bad[] = {"", "[]", "{}", "{\"type\":1}", "{\"type\":\"a\"} x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf out;
        buf_init(&out, 64);
        enum err to = rt_beta_to_ga(&out, str_of(bad[i]), NULL);
        enum err from = rt_beta_from_ga(&out, str_of(bad[i]), NULL);
        buf_fini(&out);
        CHECK_INT(ERR_INVALID, to);
        CHECK_INT(ERR_INVALID, from);
    }
}

/* Whatever GA says, a beta client is told in one-line JSON that means an event again on the way
 * back; a GA message that meets rt_beta_to_ga is not hurt. */
TEST(every_golden_event_goes_there_and_back)
{
    DIR *dir = opendir(TEST_SOURCE_DIR "/test/golden/realtime");
    int files = 0, bad = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[512];
        struct buf text, beta, back;
        struct rt_event ev;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "realtime/%s", e->d_name);
        buf_init(&text, GOLDEN_BYTES_MAX);
        buf_init(&beta, GOLDEN_BYTES_MAX);
        buf_init(&back, GOLDEN_BYTES_MAX);
        bool ok = golden_read(&text, path) && rt_beta_from_ga(&beta, buf_str(&text), NULL) == OK;
        if (ok && beta.len) {
            ok = rt_beta_to_ga(&back, str_trim(buf_str(&beta)), NULL) == OK;
            struct str rest = buf_str(&back);
            while (ok && rest.len) {
                ok = rt_event_parse(&ev, str_take_until(&rest, '\n'), NULL) == OK;
                if (ok)
                    rt_event_fini(&ev);
            }
        }
        files++;
        bad += !ok;
        buf_fini(&text);
        buf_fini(&beta);
        buf_fini(&back);
    }
    closedir(dir);
    CHECK(files > 60);
    CHECK_INT(0, bad);
}
