/* Every Realtime event: read, written back, and built by hand; strictness; the per-frame path. */
#include "harness/test.h"

#include <dirent.h>
#include <stdlib.h>

#include "golden.h"
#include "proto/rt_event.h"
#include "proto/rt_private.h"
#include "proto/scan.h"

static struct buf text, out, again;

static void fresh(void)
{
    struct buf *all[] = {&text, &out, &again};
    for (size_t i = 0; i < 3; i++) {
        buf_fini(all[i]);
        buf_init(all[i], GOLDEN_BYTES_MAX);
    }
}

static void release(void)
{
    buf_fini(&text);
    buf_fini(&out);
    buf_fini(&again);
}

static bool same_json(struct str a, struct str b)
{
    json_t *x = NULL, *y = NULL;
    bool same = js_parse(a, &x, NULL) == OK && js_parse(b, &y, NULL) == OK && json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

/* Forgets the tree, so that the event is written from its modelled members. */
static json_t *forget_tree(struct rt_event *ev)
{
    json_t *root = ev->root;
    ev->root = NULL;
    ev->item.raw = ev->session.raw = ev->response.raw = NULL;
    for (size_t i = 0; i < ev->response.item_count; i++)
        ev->response.items[i].raw = NULL;
    return root;
}

/* Reads realtime/<name>.json into `text` and parses it. */
static bool load(struct rt_event *ev, const char *name)
{
    char path[256];
    struct err_detail why = {""};
    snprintf(path, sizeof(path), "realtime/%s.json", name);
    fresh();
    if (!golden_read(&text, path) || rt_event_parse(ev, buf_str(&text), &why) != OK) {
        fprintf(stderr, "%s: %s\n", name, why.text);
        return false;
    }
    return true;
}

TEST(every_type_has_a_golden_file_of_its_name)
{
    for (int t = 1; t < RT_TYPE_COUNT; t++) {
        struct rt_event ev;
        const char *name = rt_type_name((enum rt_type)t);
        CHECK(load(&ev, name));
        CHECK_INT(t, ev.type);
        CHECK(str_eq(ev.type_text, str_of(name)));
        CHECK_INT(t, rt_type_of(str_of(name)));
        CHECK_INT(t <= RT_OUTPUT_AUDIO_CLEAR, rt_type_is_client(ev.type));
        rt_event_fini(&ev);
    }
    CHECK_INT(RT_UNKNOWN, rt_type_of(STR("response.hologram")));
    release();
}

/* Whole, and again from the modelled members alone: what those write must read back as itself. */
static bool round_trip(const char *name)
{
    struct rt_event ev, back;
    if (!load(&ev, name))
        return false;
    rt_event_write(&out, &ev);
    bool ok = buf_ok(&out) && same_json(buf_str(&text), buf_str(&out));
    enum rt_type type = ev.type;
    json_t *root = forget_tree(&ev);
    if (ok && type != RT_UNKNOWN) {
        buf_reset(&out);
        rt_event_write(&out, &ev);
        ok = rt_event_parse(&back, buf_str(&out), NULL) == OK && back.type == type;
        if (ok) {
            json_t *tree = forget_tree(&back);
            rt_event_write(&again, &back);
            ok = str_eq(buf_str(&out), buf_str(&again));
            json_decref(tree);
        }
    }
    json_decref(root);
    return ok;
}

TEST(every_golden_file_survives_parse_and_write)
{
    DIR *dir = opendir(TEST_SOURCE_DIR "/test/golden/realtime");
    int files = 0, bad = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        if (len < 6 || strcmp(e->d_name + len - 5, ".json") != 0)
            continue;
        e->d_name[len - 5] = '\0';
        files++;
        if (!round_trip(e->d_name)) {
            fprintf(stderr, "does not survive: %s\n", e->d_name);
            bad++;
        }
    }
    closedir(dir);
    CHECK_INT(0, bad);
    CHECK(files >= RT_TYPE_COUNT);
    release();
}

/* Events whose members are all modelled are written by hand exactly as they came. */
TEST(modelled_members_alone_rebuild_the_event)
{
    const char *whole[] = {
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.create.output",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "conversation.item.delete",
        "response.create",
        "response.create.options",
        "response.create.input",
        "response.cancel",
        "output_audio_buffer.clear",
        "error",
        "conversation.created",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.completed.duration",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "output_audio_buffer.started",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.done",
        "response.mcp_call.failed",
        "mcp_list_tools.failed",
    };
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        struct rt_event ev;
        CHECK(load(&ev, whole[i]));
        const json_t *tools = js_get(ev.session.raw, "tools");
        if (tools) {
            js_write(&again, tools);
            ev.session.tools_json = buf_str(&again);
        }
        json_t *root = forget_tree(&ev);
        rt_event_write(&out, &ev);
        json_decref(root);
        if (!same_json(buf_str(&text), buf_str(&out)))
            fprintf(stderr, "%s: %.*s\n", whole[i], STR_FMT(buf_str(&out)));
        CHECK(same_json(buf_str(&text), buf_str(&out)));
    }
    release();
}

/* -- exact bytes of what we send --------------------------------------------------------------- */

static bool writes(const struct rt_event *ev, const char *want)
{
    fresh();
    rt_event_write(&out, ev);
    bool same = str_eq(buf_str(&out), str_of(want));
    if (!same)
        fprintf(stderr, "want %s\ngot  %.*s\n", want, STR_FMT(buf_str(&out)));
    release();
    return same;
}

TEST(a_session_update_has_the_ga_nesting)
{
    struct rt_event ev = {.type = RT_SESSION_UPDATE,
                          .event_id = STR("c1"),
                          .session = {
                              .output_modality = STR("audio"),
                              .instructions = STR("Be \"brief\"."),
                              .voice = STR("cedar"),
                              .input_format = RT_FORMAT_PCMU,
                              .output_format = RT_FORMAT_PCMU,
                              .transcription_model = STR("gpt-transcribe"),
                              .turn_detection = {.type = RT_VAD_SERVER,
                                                 .threshold_permille = 500,
                                                 .prefix_padding_ms = 300,
                                                 .silence_duration_ms = 500,
                                                 .create_response = true,
                                                 .interrupt_response = true},
                              .tools_json = STR("[{\"type\":\"function\",\"name\":\"end_call\"}]"),
                              .tool_choice = STR("auto"),
                              .max_output_tokens = 512,
                          }};
    CHECK(writes(&ev,
                 "{\"type\":\"session.update\",\"event_id\":\"c1\",\"session\":{\"type\":"
                 "\"realtime\",\"output_modalities\":[\"audio\"],\"instructions\":\"Be "
                 "\\\"brief\\\".\",\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcmu\"},"
                 "\"transcription\":{\"model\":\"gpt-transcribe\"},\"turn_detection\":{\"type\":"
                 "\"server_vad\",\"threshold\":0.5,\"prefix_padding_ms\":300,"
                 "\"silence_duration_ms\":500,\"create_response\":true,\"interrupt_response\":"
                 "true}},\"output\":{\"format\":{\"type\":\"audio/pcmu\"},\"voice\":\"cedar\"}},"
                 "\"tools\":[{\"type\":\"function\",\"name\":\"end_call\"}],\"tool_choice\":"
                 "\"auto\",\"max_output_tokens\":512}}"));
    ev = (struct rt_event){.type = RT_SESSION_UPDATE};
    CHECK(writes(&ev, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\"}}"));
    ev.session.turn_detection = (struct rt_turn_detection){
        .type = RT_VAD_SEMANTIC, .eagerness = STR("high"), .create_response = true};
    CHECK(writes(&ev, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{"
                      "\"input\":{\"turn_detection\":{\"type\":\"semantic_vad\",\"eagerness\":"
                      "\"high\",\"create_response\":true,\"interrupt_response\":false}}}}}"));
    ev.session.turn_detection.type = RT_VAD_NULL;
    ev.session.output_format = RT_FORMAT_PCM24K;
    ev.session.speed_permille = 1050;
    CHECK(writes(&ev, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{"
                      "\"input\":{\"turn_detection\":null},\"output\":{\"format\":{\"type\":"
                      "\"audio/pcm\",\"rate\":24000},\"speed\":1.05}}}}"));
}

TEST(the_small_client_events_are_exact)
{
    struct rt_event ev = {
        .type = RT_ITEM_TRUNCATE, .item_id = STR("item_a1"), .audio_end_ms = 1260};
    CHECK(writes(&ev, "{\"type\":\"conversation.item.truncate\",\"item_id\":\"item_a1\","
                      "\"content_index\":0,\"audio_end_ms\":1260}"));
    ev = (struct rt_event){.type = RT_RESPONSE_CREATE};
    CHECK(writes(&ev, "{\"type\":\"response.create\"}"));
    ev.has_response = true;
    ev.response.out_of_band = true;
    ev.response.empty_input = true;
    ev.response.instructions = STR("Say goodbye.");
    ev.response.tool_choice = STR("none");
    ev.response.max_output_tokens = -1;
    ev.response.metadata_purpose = STR("goodbye");
    CHECK(writes(&ev, "{\"type\":\"response.create\",\"response\":{\"conversation\":\"none\","
                      "\"input\":[],\"instructions\":\"Say goodbye.\",\"tool_choice\":\"none\","
                      "\"max_output_tokens\":\"inf\",\"metadata\":{\"callee_purpose\":"
                      "\"goodbye\"}}}"));
    ev = (struct rt_event){.type = RT_RESPONSE_CANCEL};
    CHECK(writes(&ev, "{\"type\":\"response.cancel\"}"));
    ev = (struct rt_event){.type = RT_ITEM_CREATE,
                           .item = {.type = RT_ITEM_FUNCTION_CALL_OUTPUT,
                                    .call_id = STR("call_7"),
                                    .output = STR("{\"ok\":true}")}};
    CHECK(writes(&ev, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":"
                      "\"function_call_output\",\"call_id\":\"call_7\",\"output\":"
                      "\"{\\\"ok\\\":true}\"}}"));
    ev.item =
        (struct rt_item){.type = RT_ITEM_MESSAGE, .role = RT_ROLE_ASSISTANT, .text = STR("Hello")};
    CHECK(writes(&ev, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
                      "\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
                      "\"Hello\"}]}}"));
    fresh();
    rt_write_append(&out, STR("f39/"));
    CHECK(
        str_eq(buf_str(&out), STR("{\"type\":\"input_audio_buffer.append\",\"audio\":\"f39/\"}")));
    release();
}

/* -- what is extracted ------------------------------------------------------------------------- */

TEST(a_finished_response_gives_items_usage_and_purpose)
{
    struct rt_event ev;
    CHECK(load(&ev, "response.done"));
    const struct rt_response *r = &ev.response;
    CHECK(str_eq(r->id, STR("resp_1")));
    CHECK_INT(RT_STATUS_COMPLETED, r->status);
    CHECK_INT(-1, r->max_output_tokens);
    CHECK(str_eq(r->metadata_purpose, STR("turn")));
    CHECK_INT(2, r->item_count);
    CHECK_INT(RT_ROLE_ASSISTANT, r->items[0].role);
    CHECK(r->items[0].text_is_transcript && str_eq(r->items[0].text, STR("We open at nine.")));
    CHECK_INT(RT_ITEM_FUNCTION_CALL, r->items[1].type);
    CHECK(str_eq(r->items[1].call_id, STR("call_7")));
    CHECK(str_eq(r->items[1].arguments, STR("{\"query\":\"opening hours\"}")));
    CHECK(r->usage.present);
    CHECK_INT(253, r->usage.total);
    CHECK_INT(119, r->usage.input_text);
    CHECK_INT(13, r->usage.input_audio);
    CHECK_INT(64, r->usage.cached);
    CHECK_INT(64, r->usage.cached_text);
    CHECK_INT(91, r->usage.output_audio);
    rt_event_fini(&ev);

    CHECK(load(&ev, "response.done.cancelled"));
    CHECK_INT(RT_STATUS_CANCELLED, ev.response.status);
    CHECK(str_eq(ev.response.status_reason, STR("turn_detected")));
    CHECK_INT(RT_STATUS_INCOMPLETE, ev.response.items[0].status);
    rt_event_fini(&ev);
    CHECK(load(&ev, "response.done.failed"));
    CHECK(str_eq(ev.response.error.code, STR("insufficient_quota")));
    rt_event_fini(&ev);
    CHECK(load(&ev, "response.create.options"));
    CHECK(ev.has_response && ev.response.out_of_band && ev.response.empty_input);
    CHECK_INT(200, ev.response.max_output_tokens);
    rt_event_fini(&ev);
    release();
}

TEST(sessions_and_small_events_give_their_members)
{
    struct rt_event ev;
    CHECK(load(&ev, "session.update.semantic"));
    CHECK_INT(RT_VAD_SEMANTIC, ev.session.turn_detection.type);
    CHECK(!ev.session.turn_detection.create_response);
    CHECK(str_eq(ev.session.turn_detection.eagerness, STR("low")));
    CHECK(str_eq(ev.session.voice, STR("voice_1")));
    CHECK_INT(1250, ev.session.speed_permille);
    CHECK(ev.session.tool_choice.p == NULL);
    rt_event_fini(&ev);
    CHECK(load(&ev, "session.update.transcription"));
    CHECK(str_eq(ev.session.type, STR("transcription")));
    CHECK_INT(RT_VAD_NULL, ev.session.turn_detection.type);
    CHECK_INT(RT_FORMAT_PCMU, ev.session.input_format);
    CHECK(str_eq(ev.session.transcription_language, STR("en")));
    rt_event_fini(&ev);
    CHECK(load(&ev, "session.created"));
    CHECK_INT(RT_VAD_SERVER, ev.session.turn_detection.type);
    CHECK_INT(200, ev.session.turn_detection.silence_duration_ms);
    CHECK_INT(1795232100, ev.session.expires_at);
    rt_event_fini(&ev);
    CHECK(load(&ev, "conversation.item.input_audio_transcription.completed.duration"));
    CHECK_INT(1500, ev.usage_duration_ms);
    CHECK(!ev.usage.present && str_eq(ev.text, STR("When do you open?")));
    rt_event_fini(&ev);
    CHECK(load(&ev, "conversation.item.added.unknown"));
    CHECK_INT(RT_ITEM_UNKNOWN, ev.item.type);
    CHECK(str_eq(ev.item.id, STR("x1")));
    rt_event_fini(&ev);
    CHECK(load(&ev, "unknown.event"));
    CHECK_INT(RT_UNKNOWN, ev.type);
    CHECK(str_eq(ev.type_text, STR("session.hologram.started")) && ev.root);
    rt_event_fini(&ev);
    release();
}

TEST(old_part_names_are_read_and_new_ones_written)
{
    struct rt_event ev;
    CHECK(load(&ev, "conversation.item.created"));
    CHECK(ev.item.text_is_transcript && str_eq(ev.item.text, STR("We open at nine.")));
    json_t *root = forget_tree(&ev);
    rt_event_write(&out, &ev);
    json_decref(root);
    CHECK(str_find(buf_str(&out), STR("\"type\":\"output_audio\""), 0) != SIZE_MAX);
    release();
}

/* -- strictness -------------------------------------------------------------------------------- */

TEST(members_of_the_wrong_type_are_refused_with_a_sentence)
{
    static const char *const bad[][2] = {
        {"[]", "type"},
        {"{\"type\":7}", "type"},
        {"{\"type\":null}", "type"},
        {"{", "JSON"},
        {"", "JSON"},
        {"{\"type\":\"error\",\"error\":\"no\"}", "'error' is not an object"},
        {"{\"type\":\"error\",\"event_id\":1}", "'event_id' is not a string"},
        {"{\"type\":\"conversation.item.delete\",\"item_id\":5}", "'item_id' is not a string"},
        {"{\"type\":\"response.output_audio.delta\",\"delta\":5}", "'delta' is not a string"},
        {"{\"type\":\"response.output_audio.delta\",\"output_index\":\"0\"}", "'output_index'"},
        {"{\"type\":\"input_audio_buffer.append\",\"audio\":[]}", "'audio' is not a string"},
        {"{\"type\":\"input_audio_buffer.append\",\"audio\":\"a\",\"audio\":\"b\"}", "duplicate"},
        {"{\"type\":\"conversation.item.truncate\",\"audio_end_ms\":1e300}", "'audio_end_ms'"},
        {"{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"content\":{}}}",
         "'content' is not an array"},
        {"{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"content\":[1]}}",
         "'content'"},
        {"{\"type\":\"response.done\",\"response\":{\"output\":[7]}}", "'output'"},
        {"{\"type\":\"response.done\",\"response\":{\"usage\":{\"total_tokens\":\"9\"}}}",
         "'total_tokens'"},
        {"{\"type\":\"response.create\",\"response\":{\"max_output_tokens\":\"lots\"}}",
         "'max_output_tokens'"},
        {"{\"type\":\"session.update\",\"session\":{\"audio\":{\"input\":{\"turn_detection\":"
         "{\"create_response\":1}}}}}",
         "'create_response' is not true or false"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rt_event ev;
        struct err_detail why = {""};
        CHECK_INT(ERR_INVALID, rt_event_parse(&ev, str_of(bad[i][0]), &why));
        if (!strstr(why.text, bad[i][1]))
            fprintf(stderr, "%s: %s\n", bad[i][0], why.text);
        CHECK(strstr(why.text, bad[i][1]));
        CHECK_INT(ERR_INVALID, rt_event_parse(&ev, str_of(bad[i][0]), NULL));
    }
}

TEST(nulls_are_absent_and_whole_reals_are_numbers)
{
    struct rt_event ev;
    CHECK_INT(OK, rt_event_parse(&ev,
                                 STR("{\"type\":\"input_audio_buffer.speech_started\",\"item_id\":"
                                     "null,\"audio_start_ms\":640.0}"),
                                 NULL));
    CHECK(ev.item_id.p == NULL);
    CHECK_INT(640, ev.audio_start_ms);
    rt_event_fini(&ev);
}

TEST(more_items_than_are_modelled_are_kept_in_the_tree)
{
    struct rt_event ev;
    fresh();
    buf_put_str(&text, STR("{\"type\":\"response.done\",\"response\":{\"output\":["));
    for (int i = 0; i < RT_ITEMS_MAX + 4; i++)
        buf_printf(&text, "%s{\"type\":\"message\",\"id\":\"i%d\"}", i ? "," : "", i);
    buf_put_str(&text, STR("]}}"));
    CHECK_INT(OK, rt_event_parse(&ev, buf_str(&text), NULL));
    CHECK_INT(RT_ITEMS_MAX, ev.response.item_count);
    rt_event_write(&out, &ev);
    CHECK(str_eq(buf_str(&text), buf_str(&out)));
    rt_event_fini(&ev);
    release();
}

/* -- the per-frame path ------------------------------------------------------------------------ */

TEST(frames_are_read_without_a_tree_whatever_their_order)
{
    static const char *const plain[] = {
        "{\"type\":\"response.output_audio.delta\",\"event_id\":\"e\",\"response_id\":\"r\","
        "\"item_id\":\"i\",\"output_index\":2,\"content_index\":1,\"delta\":\"f39/\"}",
        " {\"delta\" : \"f39/\",\"content_index\":1 ,\n\"output_index\": 2,\"item_id\":\"i\","
        "\"response_id\":\"r\",\"obfuscation\":\"x\",\"event_id\":\"e\",\"type\":"
        "\"response.output_audio.delta\"}\t",
    };
    for (size_t i = 0; i < 2; i++) {
        struct rt_event ev;
        CHECK_INT(OK, rt_event_parse(&ev, str_of(plain[i]), NULL));
        CHECK(!ev.root);
        CHECK_INT(RT_AUDIO_DELTA, ev.type);
        CHECK(str_eq(ev.audio, STR("f39/")) && str_eq(ev.response_id, STR("r")));
        CHECK(str_eq(ev.item_id, STR("i")) && str_eq(ev.event_id, STR("e")));
        CHECK(ev.output_index == 2 && ev.content_index == 1);
    }
    struct rt_event ev;
    CHECK_INT(OK, rt_event_parse(&ev,
                                 STR("{\"audio\":\"AAAA\",\"type\":\"input_audio_buffer.append\"}"),
                                 NULL));
    CHECK(!ev.root && ev.type == RT_INPUT_AUDIO_APPEND && str_eq(ev.audio, STR("AAAA")));
}

TEST(a_member_that_a_frame_does_not_have_is_kept_in_a_tree)
{
    struct rt_event ev;
    struct str text_in = STR("{\"type\":\"response.output_audio.delta\",\"delta\":\"AA==\","
                             "\"audio\":\"BB==\"}");
    fresh();
    CHECK_INT(OK, rt_event_parse(&ev, text_in, NULL));
    CHECK(ev.root && str_eq(ev.audio, STR("AA==")));
    rt_event_write(&out, &ev);
    CHECK(str_eq(text_in, buf_str(&out)));
    rt_event_fini(&ev);
    release();
}

TEST(unusual_frames_fall_back_and_mean_the_same)
{
    static const char *const unusual[] = {
        "{\"type\":\"input_audio_buffer.append\",\"audio\":\"f39\\/\"}",
        "{\"type\":\"input_audio_buffer.\\u0061ppend\",\"audio\":\"f39/\"}",
        "{\"type\":\"input_audio_buffer.append\",\"audio\":\"f39/\",\"extra\":[1]}",
        "{\"type\":\"input_audio_buffer.append\",\"audio\":\"f39/\",\"item_id\":null}",
    };
    for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++) {
        struct rt_event ev;
        CHECK(!rt_parse_frame(&ev, str_of(unusual[i])));
        CHECK_INT(OK, rt_event_parse(&ev, str_of(unusual[i]), NULL));
        CHECK(ev.root && ev.type == RT_INPUT_AUDIO_APPEND && str_eq(ev.audio, STR("f39/")));
        rt_event_fini(&ev);
    }
}

/* Every byte at every place of a long string, behind plain ones of any value. */
TEST(plain_text_ends_at_its_first_byte_that_is_not)
{
    char line[70];
    for (size_t at = 0; at < sizeof(line); at++) {
        for (int c = 0; c < 256; c++) {
            for (size_t i = 0; i < sizeof(line); i++)
                line[i] = "\x20\x7f!#[]az"[(i + at) % 8];
            line[at] = (char)c;
            bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            CHECK_INT(plain ? sizeof(line) : at, scan_plain_len(str_n(line, sizeof(line))));
            CHECK_INT(at, scan_plain_len(str_n(line, at)));
        }
    }
}

/* Every prefix and every one-byte change of a frame: if the scanner takes it, so does the parser,
 * and both understand the same. */
TEST(the_scanner_never_takes_what_the_parser_refuses)
{
    static const char frame[] = "{\"type\":\"response.output_audio.delta\",\"response_id\":\"r\","
                                "\"output_index\":10,\"delta\":\"f39/\",\"item_id\":\"i\"}";
    static const char bytes[] = "\"\\{}[]:,.-+eE09 \n\t\0\x1f\x7f\x80\xff/ax";
    int taken = 0;
    for (size_t at = 0; at < sizeof(frame); at++) {
        for (size_t k = 0; k < sizeof(bytes); k++) {
            char copy[sizeof(frame)];
            struct rt_event fast, full;
            memcpy(copy, frame, sizeof(frame));
            copy[at] = bytes[k];
            struct str s = str_n(copy, k == 0 ? at : sizeof(frame) - 1);
            if (!rt_parse_frame(&fast, s))
                continue;
            taken++;
            CHECK_INT(OK, rt_parse_full(&full, s, NULL));
            CHECK(fast.type == full.type && fast.output_index == full.output_index);
            CHECK(str_eq(fast.audio, full.audio) && str_eq(fast.item_id, full.item_id));
            CHECK(str_eq(fast.response_id, full.response_id));
            rt_event_fini(&full);
        }
    }
    CHECK(taken > 20);
}
