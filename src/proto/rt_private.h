/*
 * rt_private.h - what the parser and the writer of the Realtime vocabulary share.
 *
 * Which members an event has is said once, in rt_members; how a member is called and where it lives
 * in struct rt_event is said once, in rt_member_rows. Reading and writing walk the same two tables.
 *
 *   Thread   any; constant tables.
 */
#ifndef PROTO_RT_PRIVATE_H
#define PROTO_RT_PRIVATE_H

#include "proto/rt_event.h"

/* X(BIT, "key", KIND, field): in the order they are written. `delta` stands twice, since the delta
 * of an audio event is audio and any other is text. */
#define RT_MEMBER_ROWS(X)                                          \
    X(RESPONSE_ID, "response_id", STR, response_id)                \
    X(PREVIOUS_ITEM_ID, "previous_item_id", STR, previous_item_id) \
    X(ITEM_ID, "item_id", STR, item_id)                            \
    X(OUTPUT_INDEX, "output_index", INT, output_index)             \
    X(CONTENT_INDEX, "content_index", INT, content_index)          \
    X(CALL_ID, "call_id", STR, call_id)                            \
    X(NAME, "name", STR, name)                                     \
    X(AUDIO_START, "audio_start_ms", INT, audio_start_ms)          \
    X(AUDIO_END, "audio_end_ms", INT, audio_end_ms)                \
    X(AUDIO, "audio", STR, audio)                                  \
    X(AUDIO_DELTA, "delta", STR, audio)                            \
    X(DELTA, "delta", STR, text)                                   \
    X(TEXT, "text", STR, text)                                     \
    X(TRANSCRIPT, "transcript", STR, text)                         \
    X(ARGUMENTS, "arguments", STR, text)                           \
    X(DTMF, "event", STR, dtmf)                                    \
    X(PART, "part", PART, text)                                    \
    X(ERROR, "error", ERROR, error)                                \
    X(ITEM, "item", ITEM, item)                                    \
    X(RESPONSE, "response", RESPONSE, response)                    \
    X(SESSION, "session", SESSION, session)                        \
    X(CONVERSATION, "conversation", CONVERSATION, conversation_id) \
    X(USAGE, "usage", USAGE, usage)                                \
    X(RATE_LIMITS, "rate_limits", RATE_LIMITS, type)

enum rt_member {
#define RT_MEMBER_ENUM_(bit, key, kind, field) RT_MEMBER_##bit,
    RT_MEMBER_ROWS(RT_MEMBER_ENUM_)
#undef RT_MEMBER_ENUM_
        RT_MEMBER_COUNT
};

enum rt_kind {
    RT_KIND_STR,
    RT_KIND_INT,
    RT_KIND_PART,
    RT_KIND_ERROR,
    RT_KIND_ITEM,
    RT_KIND_RESPONSE,
    RT_KIND_SESSION,
    RT_KIND_CONVERSATION,
    RT_KIND_USAGE,
    RT_KIND_RATE_LIMITS,
};

struct rt_member_row {
    const char *key;
    enum rt_kind kind;
    size_t offset; /* of the field in struct rt_event */
};

extern const struct rt_member_row rt_member_rows[RT_MEMBER_COUNT];
/* Bits 1 << enum rt_member of what an event may have. */
extern const uint32_t rt_members[RT_TYPE_COUNT];

/* The wire names of the small enums; index 0 (none, unknown) is NULL. */
extern const char *const rt_item_type_names[RT_ITEM_REFERENCE + 1];
extern const char *const rt_role_names[RT_ROLE_ASSISTANT + 1];
extern const char *const rt_status_names[RT_STATUS_FAILED + 1];

/* An event without members, and its name. */
void rt_event_empty(struct rt_event *out, enum rt_type type);

/* The two ways of reading, apart for the tests: rt_parse_frame is false unless the text is a plain
 * append or audio delta, and then owns nothing; rt_parse_full is rt_event_parse without it. */
bool rt_parse_frame(struct rt_event *out, struct str text);
enum err rt_parse_full(struct rt_event *out, struct str text, struct err_detail *detail) MUST_CHECK;

/* The parts that have files of their own. `client`: the event is one of the client's. */
struct rt_reader {
    enum err err;
    struct err_detail *detail;
};
void rt_read_session(struct rt_reader *r, const json_t *obj, struct rt_session *out);
void rt_read_fail(struct rt_reader *r, const char *key, const char *what);
const json_t *rt_read_object(struct rt_reader *r, const json_t *obj, const char *key);
const json_t *rt_read_array(struct rt_reader *r, const json_t *obj, const char *key);
void rt_read_str(struct rt_reader *r, const json_t *obj, const char *key, struct str *out);
void rt_read_int(struct rt_reader *r, const json_t *obj, const char *key, int64_t *out);
void rt_read_scaled(struct rt_reader *r, const json_t *obj, const char *key, int64_t *out);
void rt_read_bool(struct rt_reader *r, const json_t *obj, const char *key, bool *out);
void rt_read_max_tokens(struct rt_reader *r, const json_t *obj, int64_t *out);
void rt_read_modality(struct rt_reader *r, const json_t *obj, struct str *out);

void rt_write_session(struct buf *b, const struct rt_session *s, bool client);

#endif
