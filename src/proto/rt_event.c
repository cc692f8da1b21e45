#include "proto/rt_event.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "proto/rt_private.h"
#include "proto/scan.h"

static const struct str names[RT_TYPE_COUNT] = {
#define ROW(name, wire) [RT_##name] = {wire, sizeof(wire) - 1},
    RT_CLIENT_EVENTS(ROW) RT_SERVER_EVENTS(ROW)
#undef ROW
};

const struct rt_member_row rt_member_rows[RT_MEMBER_COUNT] = {
#define ROW(bit, key, kind, field) {key, RT_KIND_##kind, offsetof(struct rt_event, field)},
    RT_MEMBER_ROWS(ROW)
#undef ROW
};

#define M(bit)   (UINT32_C(1) << RT_MEMBER_##bit)
#define IDS      (M(RESPONSE_ID) | M(ITEM_ID) | M(OUTPUT_INDEX))
#define PART_IDS (IDS | M(CONTENT_INDEX))
#define ITEM_IDS (M(ITEM_ID) | M(CONTENT_INDEX))

/* OpenAI Realtime API reference, client events and server events. Events without a row have no
 * members that are modelled. */
const uint32_t rt_members[RT_TYPE_COUNT] = {
    [RT_SESSION_UPDATE] = M(SESSION),
    [RT_INPUT_AUDIO_APPEND] = M(AUDIO),
    [RT_ITEM_CREATE] = M(PREVIOUS_ITEM_ID) | M(ITEM),
    [RT_ITEM_RETRIEVE] = M(ITEM_ID),
    [RT_ITEM_TRUNCATE] = ITEM_IDS | M(AUDIO_END),
    [RT_ITEM_DELETE] = M(ITEM_ID),
    [RT_RESPONSE_CREATE] = M(RESPONSE),
    [RT_RESPONSE_CANCEL] = M(RESPONSE_ID),

    [RT_ERROR] = M(ERROR),
    [RT_SESSION_CREATED] = M(SESSION),
    [RT_SESSION_UPDATED] = M(SESSION),
    [RT_CONVERSATION_CREATED] = M(CONVERSATION),
    [RT_ITEM_ADDED] = M(PREVIOUS_ITEM_ID) | M(ITEM),
    [RT_ITEM_DONE] = M(PREVIOUS_ITEM_ID) | M(ITEM),
    [RT_ITEM_CREATED] = M(PREVIOUS_ITEM_ID) | M(ITEM),
    [RT_ITEM_RETRIEVED] = M(ITEM),
    [RT_ITEM_TRUNCATED] = ITEM_IDS | M(AUDIO_END),
    [RT_ITEM_DELETED] = M(ITEM_ID),
    [RT_TRANSCRIPTION_DELTA] = ITEM_IDS | M(DELTA),
    [RT_TRANSCRIPTION_COMPLETED] = ITEM_IDS | M(TRANSCRIPT) | M(USAGE),
    [RT_TRANSCRIPTION_SEGMENT] = ITEM_IDS | M(TEXT),
    [RT_TRANSCRIPTION_FAILED] = ITEM_IDS | M(ERROR),
    [RT_SPEECH_STARTED] = M(ITEM_ID) | M(AUDIO_START),
    [RT_SPEECH_STOPPED] = M(ITEM_ID) | M(AUDIO_END),
    [RT_INPUT_AUDIO_COMMITTED] = M(PREVIOUS_ITEM_ID) | M(ITEM_ID),
    [RT_INPUT_AUDIO_TIMEOUT] = M(ITEM_ID) | M(AUDIO_START) | M(AUDIO_END),
    [RT_DTMF_RECEIVED] = M(DTMF),
    [RT_OUTPUT_AUDIO_STARTED] = M(RESPONSE_ID),
    [RT_OUTPUT_AUDIO_STOPPED] = M(RESPONSE_ID),
    [RT_OUTPUT_AUDIO_CLEARED] = M(RESPONSE_ID),
    [RT_RESPONSE_CREATED] = M(RESPONSE),
    [RT_RESPONSE_DONE] = M(RESPONSE),
    [RT_OUTPUT_ITEM_ADDED] = M(RESPONSE_ID) | M(OUTPUT_INDEX) | M(ITEM),
    [RT_OUTPUT_ITEM_DONE] = M(RESPONSE_ID) | M(OUTPUT_INDEX) | M(ITEM),
    [RT_CONTENT_PART_ADDED] = PART_IDS | M(PART),
    [RT_CONTENT_PART_DONE] = PART_IDS | M(PART),
    [RT_TEXT_DELTA] = PART_IDS | M(DELTA),
    [RT_TEXT_DONE] = PART_IDS | M(TEXT),
    [RT_AUDIO_TRANSCRIPT_DELTA] = PART_IDS | M(DELTA),
    [RT_AUDIO_TRANSCRIPT_DONE] = PART_IDS | M(TRANSCRIPT),
    [RT_AUDIO_DELTA] = PART_IDS | M(AUDIO_DELTA),
    [RT_AUDIO_DONE] = PART_IDS,
    [RT_ARGUMENTS_DELTA] = IDS | M(CALL_ID) | M(DELTA),
    [RT_ARGUMENTS_DONE] = IDS | M(CALL_ID) | M(NAME) | M(ARGUMENTS),
    [RT_MCP_ARGUMENTS_DELTA] = IDS | M(DELTA),
    [RT_MCP_ARGUMENTS_DONE] = IDS | M(ARGUMENTS),
    [RT_MCP_CALL_IN_PROGRESS] = M(ITEM_ID) | M(OUTPUT_INDEX),
    [RT_MCP_CALL_COMPLETED] = M(ITEM_ID) | M(OUTPUT_INDEX),
    [RT_MCP_CALL_FAILED] = M(ITEM_ID) | M(OUTPUT_INDEX),
    [RT_MCP_LIST_TOOLS_IN_PROGRESS] = M(ITEM_ID),
    [RT_MCP_LIST_TOOLS_COMPLETED] = M(ITEM_ID),
    [RT_MCP_LIST_TOOLS_FAILED] = M(ITEM_ID),
    [RT_RATE_LIMITS_UPDATED] = M(RATE_LIMITS),
};

const char *const rt_item_type_names[] = {
    [RT_ITEM_MESSAGE] = "message",
    [RT_ITEM_FUNCTION_CALL] = "function_call",
    [RT_ITEM_FUNCTION_CALL_OUTPUT] = "function_call_output",
    [RT_ITEM_MCP_LIST_TOOLS] = "mcp_list_tools",
    [RT_ITEM_MCP_CALL] = "mcp_call",
    [RT_ITEM_MCP_APPROVAL_REQUEST] = "mcp_approval_request",
    [RT_ITEM_MCP_APPROVAL_RESPONSE] = "mcp_approval_response",
    [RT_ITEM_REFERENCE] = "item_reference",
};

const char *const rt_role_names[] = {
    [RT_ROLE_SYSTEM] = "system",
    [RT_ROLE_USER] = "user",
    [RT_ROLE_ASSISTANT] = "assistant",
};

const char *const rt_status_names[] = {
    [RT_STATUS_IN_PROGRESS] = "in_progress", [RT_STATUS_COMPLETED] = "completed",
    [RT_STATUS_INCOMPLETE] = "incomplete",   [RT_STATUS_CANCELLED] = "cancelled",
    [RT_STATUS_FAILED] = "failed",
};

const char *rt_type_name(enum rt_type type)
{
    ASSERT(type >= RT_UNKNOWN && type < RT_TYPE_COUNT);
    return type == RT_UNKNOWN ? "unknown" : names[type].p;
}

enum rt_type rt_type_of(struct str wire_name)
{
    for (int t = RT_UNKNOWN + 1; t < RT_TYPE_COUNT; t++)
        if (str_eq(names[t], wire_name))
            return (enum rt_type)t;
    return RT_UNKNOWN;
}

bool rt_type_is_client(enum rt_type type)
{
    return type > RT_UNKNOWN && type < RT_ERROR; /* RT_ERROR is the first of the server's */
}

void rt_event_empty(struct rt_event *out, enum rt_type type)
{
    memset(out, 0, sizeof(*out)); /* in place: the struct is some kilobytes */
    out->type = type;
    out->type_text = names[type];
}

void rt_event_fini(struct rt_event *ev)
{
    json_decref(ev->root);
    ev->root = NULL;
}

/* -- the per-frame events --------------------------------------------------------------------- */

enum {
    TYPE,
    EVENT_ID,
    RESPONSE_ID,
    ITEM_ID,
    OUTPUT_INDEX,
    CONTENT_INDEX,
    DELTA,
    AUDIO,
    OBFUSCATION,
    FRAME_KEYS,
    NO_KEY = FRAME_KEYS
};

static unsigned frame_key_of(const struct scan_member *m)
{
    switch (m->key.len) {
    case 4:
        return SCAN_KEY_IS(*m, "type") ? TYPE : NO_KEY;
    case 5:
        return SCAN_KEY_IS(*m, "delta") ? DELTA : SCAN_KEY_IS(*m, "audio") ? AUDIO : NO_KEY;
    case 7:
        return SCAN_KEY_IS(*m, "item_id") ? ITEM_ID : NO_KEY;
    case 8:
        return SCAN_KEY_IS(*m, "event_id") ? EVENT_ID : NO_KEY;
    case 11:
        return SCAN_KEY_IS(*m, "response_id")   ? RESPONSE_ID
               : SCAN_KEY_IS(*m, "obfuscation") ? OBFUSCATION
                                                : NO_KEY;
    case 12:
        return SCAN_KEY_IS(*m, "output_index") ? OUTPUT_INDEX : NO_KEY;
    case 13:
        return SCAN_KEY_IS(*m, "content_index") ? CONTENT_INDEX : NO_KEY;
    default:
        return NO_KEY;
    }
}

/* The values of a frame's members; false at the first one that a frame does not have. */
static bool scan_frame(struct str text, struct scan_member *values, unsigned *seen)
{
    struct scan s;
    struct scan_member v;
    if (!scan_begin(&s, text))
        return false;
    for (;;) {
        enum scan_kind kind = scan_next(&s, &v);
        if (kind == SCAN_END)
            return scan_done(&s);
        if (kind != SCAN_STRING && kind != SCAN_INT)
            return false;
        unsigned k = frame_key_of(&v);
        bool number = k == OUTPUT_INDEX || k == CONTENT_INDEX;
        if (k == NO_KEY || *seen & 1u << k || number != (kind == SCAN_INT))
            return false;
        *seen |= 1u << k;
        values[k] = v;
    }
}

/* Without clearing the list of items, most of the struct, which has none of them. */
static void empty_frame(struct rt_event *out, enum rt_type type)
{
    const size_t from = offsetof(struct rt_event, response.items);
    const size_t to = from + sizeof(out->response.items);
    memset(out, 0, from);
    memset((char *)out + to, 0, sizeof(*out) - to);
    out->type = type;
    out->type_text = names[type];
}

bool rt_parse_frame(struct rt_event *out, struct str text)
{
    struct scan_member v[FRAME_KEYS] = {0};
    unsigned seen = 0;
    if (!scan_frame(text, v, &seen) || !(seen & 1u << TYPE))
        return false;
    if (str_eq(v[TYPE].text, names[RT_AUDIO_DELTA])) {
        if (seen & 1u << AUDIO) /* not a member of this event: keep it, in a tree */
            return false;
        empty_frame(out, RT_AUDIO_DELTA);
        out->audio = v[DELTA].text;
    } else if (str_eq(v[TYPE].text, names[RT_INPUT_AUDIO_APPEND])) {
        if (seen & ~(1u << TYPE | 1u << EVENT_ID | 1u << AUDIO))
            return false;
        empty_frame(out, RT_INPUT_AUDIO_APPEND);
        out->audio = v[AUDIO].text;
    } else {
        return false;
    }
    out->event_id = v[EVENT_ID].text;
    out->response_id = v[RESPONSE_ID].text;
    out->item_id = v[ITEM_ID].text;
    out->output_index = v[OUTPUT_INDEX].number;
    out->content_index = v[CONTENT_INDEX].number;
    return true;
}

enum err rt_event_parse(struct rt_event *out, struct str text, struct err_detail *detail)
{
    return rt_parse_frame(out, text) ? OK : rt_parse_full(out, text, detail);
}
