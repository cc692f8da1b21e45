/*
 * rt_event.h - the Realtime vocabulary: every GA client and server event as one tagged union.
 *
 * This is the internal language between a call and its engine, and the wire language to any
 * Realtime provider. The shape is the GA one (OpenAI Realtime API reference); rt_beta.h translates
 * the retired beta shape at the edge. Events that are not known keep their text and are RT_UNKNOWN;
 * members that are not modelled survive parse and write (but for `obfuscation`, random padding, of
 * audio deltas).
 *
 *   Memory   rt_event_parse borrows from the text it is given and from a JSON tree the event owns:
 *            keep the text until rt_event_fini. An event built by hand needs no fini.
 *   Units    *_ms milliseconds of session audio. Audio is base64 text, exactly as on the wire.
 *   Thread   any; no state.
 *   Bounds   RT_ITEMS_MAX items are modelled per event and one content part per item; more are
 *            ignored (they survive in the tree).
 */
#ifndef PROTO_RT_EVENT_H
#define PROTO_RT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/js.h"
#include "base/str.h"

enum { RT_ITEMS_MAX = 16 };

/* X(NAME, "wire.type"): one row per event; client events first. */
#define RT_CLIENT_EVENTS(X)                            \
    X(SESSION_UPDATE, "session.update")                \
    X(INPUT_AUDIO_APPEND, "input_audio_buffer.append") \
    X(INPUT_AUDIO_COMMIT, "input_audio_buffer.commit") \
    X(INPUT_AUDIO_CLEAR, "input_audio_buffer.clear")   \
    X(ITEM_CREATE, "conversation.item.create")         \
    X(ITEM_RETRIEVE, "conversation.item.retrieve")     \
    X(ITEM_TRUNCATE, "conversation.item.truncate")     \
    X(ITEM_DELETE, "conversation.item.delete")         \
    X(RESPONSE_CREATE, "response.create")              \
    X(RESPONSE_CANCEL, "response.cancel")              \
    X(OUTPUT_AUDIO_CLEAR, "output_audio_buffer.clear")

#define RT_SERVER_EVENTS(X)                                                             \
    X(ERROR, "error")                                                                   \
    X(SESSION_CREATED, "session.created")                                               \
    X(SESSION_UPDATED, "session.updated")                                               \
    X(CONVERSATION_CREATED, "conversation.created")                                     \
    X(ITEM_ADDED, "conversation.item.added")                                            \
    X(ITEM_DONE, "conversation.item.done")                                              \
    X(ITEM_CREATED, "conversation.item.created")                                        \
    X(ITEM_RETRIEVED, "conversation.item.retrieved")                                    \
    X(ITEM_TRUNCATED, "conversation.item.truncated")                                    \
    X(ITEM_DELETED, "conversation.item.deleted")                                        \
    X(TRANSCRIPTION_DELTA, "conversation.item.input_audio_transcription.delta")         \
    X(TRANSCRIPTION_COMPLETED, "conversation.item.input_audio_transcription.completed") \
    X(TRANSCRIPTION_SEGMENT, "conversation.item.input_audio_transcription.segment")     \
    X(TRANSCRIPTION_FAILED, "conversation.item.input_audio_transcription.failed")       \
    X(SPEECH_STARTED, "input_audio_buffer.speech_started")                              \
    X(SPEECH_STOPPED, "input_audio_buffer.speech_stopped")                              \
    X(INPUT_AUDIO_COMMITTED, "input_audio_buffer.committed")                            \
    X(INPUT_AUDIO_CLEARED, "input_audio_buffer.cleared")                                \
    X(INPUT_AUDIO_TIMEOUT, "input_audio_buffer.timeout_triggered")                      \
    X(DTMF_RECEIVED, "input_audio_buffer.dtmf_event_received")                          \
    X(OUTPUT_AUDIO_STARTED, "output_audio_buffer.started")                              \
    X(OUTPUT_AUDIO_STOPPED, "output_audio_buffer.stopped")                              \
    X(OUTPUT_AUDIO_CLEARED, "output_audio_buffer.cleared")                              \
    X(RESPONSE_CREATED, "response.created")                                             \
    X(RESPONSE_DONE, "response.done")                                                   \
    X(OUTPUT_ITEM_ADDED, "response.output_item.added")                                  \
    X(OUTPUT_ITEM_DONE, "response.output_item.done")                                    \
    X(CONTENT_PART_ADDED, "response.content_part.added")                                \
    X(CONTENT_PART_DONE, "response.content_part.done")                                  \
    X(TEXT_DELTA, "response.output_text.delta")                                         \
    X(TEXT_DONE, "response.output_text.done")                                           \
    X(AUDIO_TRANSCRIPT_DELTA, "response.output_audio_transcript.delta")                 \
    X(AUDIO_TRANSCRIPT_DONE, "response.output_audio_transcript.done")                   \
    X(AUDIO_DELTA, "response.output_audio.delta")                                       \
    X(AUDIO_DONE, "response.output_audio.done")                                         \
    X(ARGUMENTS_DELTA, "response.function_call_arguments.delta")                        \
    X(ARGUMENTS_DONE, "response.function_call_arguments.done")                          \
    X(MCP_ARGUMENTS_DELTA, "response.mcp_call_arguments.delta")                         \
    X(MCP_ARGUMENTS_DONE, "response.mcp_call_arguments.done")                           \
    X(MCP_CALL_IN_PROGRESS, "response.mcp_call.in_progress")                            \
    X(MCP_CALL_COMPLETED, "response.mcp_call.completed")                                \
    X(MCP_CALL_FAILED, "response.mcp_call.failed")                                      \
    X(MCP_LIST_TOOLS_IN_PROGRESS, "mcp_list_tools.in_progress")                         \
    X(MCP_LIST_TOOLS_COMPLETED, "mcp_list_tools.completed")                             \
    X(MCP_LIST_TOOLS_FAILED, "mcp_list_tools.failed")                                   \
    X(RATE_LIMITS_UPDATED, "rate_limits.updated")

enum rt_type {
    RT_UNKNOWN = 0,
#define RT_ENUM_(name, wire) RT_##name,
    RT_CLIENT_EVENTS(RT_ENUM_) RT_SERVER_EVENTS(RT_ENUM_)
#undef RT_ENUM_
        RT_TYPE_COUNT
};

enum rt_item_type {
    RT_ITEM_UNKNOWN,
    RT_ITEM_MESSAGE,
    RT_ITEM_FUNCTION_CALL,
    RT_ITEM_FUNCTION_CALL_OUTPUT,
    RT_ITEM_MCP_LIST_TOOLS,
    RT_ITEM_MCP_CALL,
    RT_ITEM_MCP_APPROVAL_REQUEST,
    RT_ITEM_MCP_APPROVAL_RESPONSE,
    RT_ITEM_REFERENCE,
};

enum rt_role { RT_ROLE_NONE, RT_ROLE_SYSTEM, RT_ROLE_USER, RT_ROLE_ASSISTANT };

enum rt_status {
    RT_STATUS_NONE,
    RT_STATUS_IN_PROGRESS,
    RT_STATUS_COMPLETED,
    RT_STATUS_INCOMPLETE,
    RT_STATUS_CANCELLED, /* responses only */
    RT_STATUS_FAILED,    /* responses only */
};

/* A conversation item (protocol page, section 3). Absent strings have p == NULL. */
struct rt_item {
    struct str id;
    enum rt_item_type type;
    enum rt_role role;
    enum rt_status status;
    /* Text of the first text or audio part: its `text`, or the `transcript` of an audio part. */
    struct str text;
    bool text_is_transcript; /* written as input_audio / output_audio, not *_text */
    struct str name;         /* function calls */
    struct str call_id;      /* function calls and their outputs */
    struct str arguments;    /* JSON text */
    struct str output;       /* JSON text or plain text */
    const json_t *raw;       /* the whole item as parsed; NULL when built by hand */
};

struct rt_usage {
    bool present;
    int64_t total, input, output;
    int64_t input_text, input_audio, input_image;
    int64_t cached, cached_text, cached_audio, cached_image;
    int64_t output_text, output_audio;
};

struct rt_error {
    struct str type, code, message, param, event_id;
};

/* The `response` object, both of response.created/done and (as options) of response.create. */
struct rt_response {
    struct str id;
    enum rt_status status;
    struct str status_reason; /* turn_detected, client_cancelled, max_output_tokens, ... */
    struct rt_error error;    /* of a failed response */
    struct rt_usage usage;
    struct rt_item items[RT_ITEMS_MAX]; /* `output`; `input` of response.create */
    size_t item_count;
    struct str metadata_purpose; /* metadata.callee_purpose: what our sequencer asked this for */
    struct str conversation_id;
    /* response.create only */
    struct str instructions;
    struct str output_modality; /* "audio" or "text"; p == NULL leaves the session's */
    struct str tool_choice;     /* "auto", "none", "required"; p == NULL leaves the session's */
    bool out_of_band;           /* conversation: "none" */
    bool empty_input;           /* input: [] */
    int64_t max_output_tokens;  /* 0 leaves the session's; -1 = "inf" */
    const json_t *raw;
};

enum rt_audio_format { RT_FORMAT_NONE, RT_FORMAT_PCM24K, RT_FORMAT_PCMU, RT_FORMAT_PCMA };
enum rt_vad { RT_VAD_UNSET, RT_VAD_NULL, RT_VAD_SERVER, RT_VAD_SEMANTIC };

/* Parsed with server_vad's defaults (500, 300, 500, true, true) where members are absent. */
struct rt_turn_detection {
    enum rt_vad type; /* UNSET = not in the event, NULL = JSON null */
    int64_t threshold_permille;
    int64_t prefix_padding_ms, silence_duration_ms; /* written when > 0; prefix -1 is written 0 */
    int64_t idle_timeout_ms;                        /* 0 = null */
    struct str eagerness;
    bool create_response, interrupt_response;
};

/* The `session` object. Absent strings have p == NULL and are not written. */
struct rt_session {
    struct str id;
    struct str type; /* "realtime" or "transcription"; written as "realtime" when absent */
    struct str model;
    struct str instructions;
    struct str voice;
    struct str output_modality; /* "audio" or "text" */
    enum rt_audio_format input_format, output_format;
    struct rt_turn_detection turn_detection;
    struct str transcription_model, transcription_language, transcription_prompt;
    struct str tools_json; /* JSON array text of tools, for writing; from `raw` when parsed */
    struct str tool_choice;
    int64_t max_output_tokens; /* 0 = absent, -1 = "inf" */
    int64_t speed_permille;    /* 0 = absent */
    int64_t expires_at;
    const json_t *raw;
};

struct rt_event {
    enum rt_type type;
    struct str type_text; /* the wire name, also of unknown events */
    struct str event_id;

    /* Ids: which of them an event has is in the protocol page, section 4. */
    struct str response_id, item_id, previous_item_id, call_id, conversation_id;
    int64_t output_index, content_index;

    struct str audio;   /* base64: append.audio, output_audio.delta.delta */
    struct str text;    /* delta / text / transcript / arguments, and the text of a content part */
    bool part_is_audio; /* content_part.*: part.type is "audio", not "text" */
    struct str name;    /* function_call_arguments.done */
    int64_t audio_start_ms, audio_end_ms; /* speech_*, truncate(d), timeout_triggered */
    struct str dtmf;

    struct rt_error error; /* error, transcription.failed */
    struct rt_item item;
    struct rt_response response;
    bool has_response; /* response.create: write a `response` object */
    struct rt_session session;
    struct rt_usage usage;     /* transcription.completed */
    int64_t usage_duration_ms; /* transcription.completed billed by time */

    json_t *root; /* owned; NULL for events built by hand and for per-frame ones */
};

/*
 * Reads one message. The two per-frame events (append, output_audio.delta) take a structural
 * scanner and build no tree; anything unusual in them falls back to the full parser. ERR_INVALID
 * with a sentence in `detail` (may be NULL): not JSON, no object, no string `type`, or a modelled
 * member of the wrong type. On error nothing is owned.
 */
enum err rt_event_parse(struct rt_event *out, struct str text,
                        struct err_detail *detail) MUST_CHECK;

/* Frees the tree. Safe on an event built by hand or already finished. */
void rt_event_fini(struct rt_event *ev);

/*
 * Appends the event as JSON text. A parsed event is written with every member it came with; one
 * built by hand from its modelled members. Deterministic: same event, same bytes.
 */
void rt_event_write(struct buf *b, const struct rt_event *ev);

/* Fast writers for the per-frame messages; `audio` is base64 text. */
void rt_write_append(struct buf *b, struct str audio);

const char *rt_type_name(enum rt_type type);
/* RT_UNKNOWN for a name that is not in the table. */
enum rt_type rt_type_of(struct str wire_name);
bool rt_type_is_client(enum rt_type type);

#endif
