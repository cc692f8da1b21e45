#include "proto/twilio_msg.h"

#include <inttypes.h>

#include "proto/scan.h"

static const struct {
    const char *name;
    enum twilio_msg_type type;
} events[] = {
    {"media", TWILIO_MEDIA}, {"mark", TWILIO_MARK},           {"clear", TWILIO_CLEAR},
    {"start", TWILIO_START}, {"connected", TWILIO_CONNECTED}, {"dtmf", TWILIO_DTMF},
    {"stop", TWILIO_STOP},
};

static struct twilio_msg empty(enum twilio_msg_type type)
{
    return (struct twilio_msg){.type = type,
                               .sequence = -1,
                               .chunk = -1,
                               .timestamp_ms = -1,
                               .sample_rate_hz = -1,
                               .channels = -1};
}

/* -- the fast path: a media or mark message of plain members ---------------------------------- */

enum { SEEN_EVENT = 1, SEEN_SID = 2, SEEN_SEQUENCE = 4, SEEN_MEDIA = 8 };
enum { SEEN_PAYLOAD = 16, SEEN_TRACK = 32, SEEN_CHUNK = 64, SEEN_TIME = 128, SEEN_MARK = 256 };

/* Twilio writes its numbers as strings of digits. */
static bool digits(struct str s, int64_t *out)
{
    uint64_t u;
    if (!str_to_u64(s, &u) || u > INT64_MAX)
        return false;
    *out = (int64_t)u;
    return true;
}

static bool once(unsigned *seen, unsigned bit)
{
    bool fresh = !(*seen & bit);
    *seen |= bit;
    return fresh;
}

static bool scan_media_object(struct scan *s, struct twilio_msg *m, unsigned *seen)
{
    for (;;) {
        struct scan_member v;
        enum scan_kind kind = scan_next(s, &v);
        if (kind == SCAN_END)
            return *seen & SEEN_PAYLOAD;
        if (kind != SCAN_STRING)
            return false;
        bool ok = false;
        if (SCAN_KEY_IS(v, "payload")) {
            ok = once(seen, SEEN_PAYLOAD);
            m->payload = v.text;
        } else if (SCAN_KEY_IS(v, "timestamp")) {
            ok = once(seen, SEEN_TIME) && digits(v.text, &m->timestamp_ms);
        } else if (SCAN_KEY_IS(v, "chunk")) {
            ok = once(seen, SEEN_CHUNK) && digits(v.text, &m->chunk);
        } else if (SCAN_KEY_IS(v, "track")) {
            ok = once(seen, SEEN_TRACK);
            m->track = v.text;
        }
        if (!ok)
            return false;
    }
}

/* {"name": "..."} and nothing else. */
static bool scan_mark_object(struct scan *s, struct twilio_msg *m)
{
    struct scan_member v;
    if (scan_next(s, &v) != SCAN_STRING || !SCAN_KEY_IS(v, "name") || v.text.len == 0)
        return false;
    m->mark = v.text;
    return scan_next(s, &v) == SCAN_END;
}

/* The event's name, which may stand before or behind what it names. */
static bool scan_event(struct twilio_msg *m, struct str name)
{
    if (str_eq(name, STR("mark")))
        m->type = TWILIO_MARK;
    return m->type == TWILIO_MARK || str_eq(name, STR("media"));
}

/* False: not a plain message of these two; the full parser decides what it is. */
static bool scan_frame(struct twilio_msg *m, struct str text)
{
    struct scan s;
    unsigned seen = 0;
    *m = empty(TWILIO_MEDIA);
    if (!scan_begin(&s, text))
        return false;
    for (;;) {
        struct scan_member v;
        enum scan_kind kind = scan_next(&s, &v);
        if (kind == SCAN_END)
            break;
        bool ok = false;
        if (kind == SCAN_OBJECT && SCAN_KEY_IS(v, "media")) {
            ok = once(&seen, SEEN_MEDIA) && scan_media_object(&s, m, &seen);
        } else if (kind == SCAN_OBJECT && SCAN_KEY_IS(v, "mark")) {
            ok = once(&seen, SEEN_MARK) && scan_mark_object(&s, m);
        } else if (kind == SCAN_STRING && SCAN_KEY_IS(v, "event")) {
            ok = once(&seen, SEEN_EVENT) && scan_event(m, v.text);
        } else if (kind == SCAN_STRING && SCAN_KEY_IS(v, "sequenceNumber")) {
            ok = once(&seen, SEEN_SEQUENCE) && digits(v.text, &m->sequence);
        } else if (kind == SCAN_STRING && SCAN_KEY_IS(v, "streamSid")) {
            ok = once(&seen, SEEN_SID) && v.text.len > 0;
            m->stream_sid = v.text;
        }
        if (!ok)
            return false;
    }
    unsigned need = SEEN_EVENT | SEEN_SID | (m->type == TWILIO_MARK ? SEEN_MARK : SEEN_MEDIA);
    unsigned both = SEEN_MARK | SEEN_MEDIA;
    return (seen & need) == need && (seen & both) != both && scan_done(&s);
}

/* -- the full parser -------------------------------------------------------------------------- */

struct reader {
    enum err err;
    struct err_detail *detail;
};

static void fail(struct reader *r, const char *key, const char *what)
{
    if (r->err == OK)
        r->err = err_explain(r->detail, ERR_INVALID, "stream message: '%s' %s", key, what);
}

static const json_t *read_object(struct reader *r, const json_t *obj, const char *key)
{
    const json_t *v = js_get(obj, key);
    if (v && json_is_object(v))
        return v;
    fail(r, key, v ? "is not an object" : "is missing");
    return NULL;
}

static void read_str(struct reader *r, const json_t *obj, const char *key, struct str *out)
{
    const json_t *v = js_get(obj, key);
    if (!v)
        return;
    if (json_is_string(v))
        *out = str_n(json_string_value(v), json_string_length(v));
    else
        fail(r, key, "is not a string");
}

static void need_str(struct reader *r, const json_t *obj, const char *key, struct str *out)
{
    read_str(r, obj, key, out);
    if (out->len == 0)
        fail(r, key, "is missing or empty");
}

/* Numbers are strings of digits in the messages and plain numbers in mediaFormat; either is read.
 */
static void read_number(struct reader *r, const json_t *obj, const char *key, int64_t *out)
{
    const json_t *v = js_get(obj, key);
    if (!v)
        return;
    bool ok = json_is_integer(v) && json_integer_value(v) >= 0;
    if (ok)
        *out = json_integer_value(v);
    else if (json_is_string(v))
        ok = digits(str_n(json_string_value(v), json_string_length(v)), out);
    if (!ok)
        fail(r, key, "is not a number");
}

static void read_params(struct reader *r, struct twilio_msg *m, const json_t *start)
{
    if (!js_get(start, "customParameters"))
        return;
    const json_t *params = read_object(r, start, "customParameters");
    if (!params)
        return;
    if (json_object_size(params) > TWILIO_PARAMS_MAX) {
        fail(r, "customParameters", "has too many members");
        return;
    }
    /* jansson's iterators want an object that may change; nothing is changed. */
    json_t *obj = json_object_get(json_object_get(m->root, "start"), "customParameters");
    for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it)) {
        const json_t *value = json_object_iter_value(it);
        if (!json_is_string(value)) {
            fail(r, "customParameters", "has a value that is not a string");
            return;
        }
        m->params[m->param_count++] =
            (struct twilio_param){str_n(json_object_iter_key(it), json_object_iter_key_len(it)),
                                  str_n(json_string_value(value), json_string_length(value))};
    }
}

static void read_start(struct reader *r, struct twilio_msg *m)
{
    const json_t *start = read_object(r, m->root, "start");
    struct str inner = STR_NONE;
    if (!start)
        return;
    need_str(r, start, "callSid", &m->call_sid);
    need_str(r, start, "accountSid", &m->account_sid);
    read_str(r, start, "streamSid", &inner);
    if (inner.p && !str_eq(inner, m->stream_sid))
        fail(r, "streamSid", "differs between the message and its start");
    if (js_get(start, "mediaFormat")) {
        const json_t *format = read_object(r, start, "mediaFormat");
        read_str(r, format, "encoding", &m->encoding);
        read_number(r, format, "sampleRate", &m->sample_rate_hz);
        read_number(r, format, "channels", &m->channels);
    }
    read_params(r, m, start);
}

static void read_dtmf(struct reader *r, struct twilio_msg *m)
{
    need_str(r, read_object(r, m->root, "dtmf"), "digit", &m->digit);
    if (r->err == OK && (m->digit.len != 1 || !memchr("0123456789*#ABCD", m->digit.p[0], 16)))
        fail(r, "digit", "is not a key of a telephone");
}

static void read_media(struct reader *r, struct twilio_msg *m)
{
    const json_t *media = read_object(r, m->root, "media");
    read_str(r, media, "payload", &m->payload);
    if (!m->payload.p)
        fail(r, "payload", "is missing");
    read_str(r, media, "track", &m->track);
    read_number(r, media, "chunk", &m->chunk);
    read_number(r, media, "timestamp", &m->timestamp_ms);
}

static enum twilio_msg_type type_of(struct str name)
{
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (str_eq(name, str_of(events[i].name)))
            return events[i].type;
    return TWILIO_UNKNOWN;
}

static void read_body(struct reader *r, struct twilio_msg *m)
{
    switch (m->type) {
    case TWILIO_START:
        read_start(r, m);
        break;
    case TWILIO_MEDIA:
        read_media(r, m);
        break;
    case TWILIO_DTMF:
        read_dtmf(r, m);
        break;
    case TWILIO_MARK:
        need_str(r, read_object(r, m->root, "mark"), "name", &m->mark);
        break;
    case TWILIO_STOP:
        if (js_get(m->root, "stop")) {
            const json_t *stop = read_object(r, m->root, "stop");
            read_str(r, stop, "accountSid", &m->account_sid);
            read_str(r, stop, "callSid", &m->call_sid);
        }
        break;
    case TWILIO_UNKNOWN:
    case TWILIO_CONNECTED:
    case TWILIO_CLEAR:
        break;
    }
}

static enum err parse_full(struct twilio_msg *out, struct str text, struct err_detail *detail)
{
    struct reader r = {OK, detail};
    struct twilio_msg m = empty(TWILIO_UNKNOWN);
    struct str event = STR_NONE;
    enum err err = js_parse(text, &m.root, detail);
    if (err)
        return err;
    if (!json_is_object(m.root))
        r.err = err_explain(detail, ERR_INVALID, "stream message: not a JSON object");
    else
        need_str(&r, m.root, "event", &event);
    if (r.err == OK) {
        m.type = type_of(event);
        if (m.type != TWILIO_UNKNOWN && m.type != TWILIO_CONNECTED) {
            need_str(&r, m.root, "streamSid", &m.stream_sid);
            read_number(&r, m.root, "sequenceNumber", &m.sequence);
        }
        read_body(&r, &m);
    }
    if (r.err) {
        json_decref(m.root);
        return r.err;
    }
    *out = m;
    return OK;
}

enum err twilio_msg_parse(struct twilio_msg *out, struct str text, struct err_detail *detail)
{
    struct twilio_msg m;
    if (scan_frame(&m, text)) {
        *out = m;
        return OK;
    }
    enum err err = parse_full(&m, text, detail);
    if (err)
        return err;
    if (m.type == TWILIO_CLEAR) /* not an event of a carrier */
        m.type = TWILIO_UNKNOWN;
    *out = m;
    return OK;
}

enum err twilio_msg_parse_reply(struct twilio_msg *out, struct str text, struct err_detail *detail)
{
    struct twilio_msg m;
    if (!scan_frame(&m, text)) {
        enum err err = parse_full(&m, text, detail);
        if (err)
            return err;
    }
    if (m.type != TWILIO_MEDIA && m.type != TWILIO_MARK && m.type != TWILIO_CLEAR) {
        twilio_msg_fini(&m);
        return err_explain(detail, ERR_INVALID, "stream message: media, mark or clear expected");
    }
    *out = m;
    return OK;
}

void twilio_msg_fini(struct twilio_msg *m)
{
    json_decref(m->root);
    m->root = NULL;
}

struct str twilio_msg_param(const struct twilio_msg *m, struct str name)
{
    for (size_t i = 0; i < m->param_count; i++)
        if (str_eq(m->params[i].name, name))
            return m->params[i].value;
    return STR_NONE;
}

/* -- writers ---------------------------------------------------------------------------------- */

static void put(struct buf *b, const char *literal)
{
    buf_put_str(b, str_of(literal));
}

static void put_member(struct buf *b, const char *before, struct str value)
{
    put(b, before);
    scan_put_json(b, value);
}

void twilio_write_media(struct buf *b, struct str stream_sid, struct str payload)
{
    put_member(b, "{\"event\":\"media\",\"streamSid\":", stream_sid);
    put_member(b, ",\"media\":{\"payload\":", payload);
    put(b, "}}");
}

void twilio_write_mark(struct buf *b, struct str stream_sid, struct str name)
{
    put_member(b, "{\"event\":\"mark\",\"streamSid\":", stream_sid);
    put_member(b, ",\"mark\":{\"name\":", name);
    put(b, "}}");
}

void twilio_write_clear(struct buf *b, struct str stream_sid)
{
    put_member(b, "{\"event\":\"clear\",\"streamSid\":", stream_sid);
    put(b, "}");
}

void twilio_write_connected(struct buf *b)
{
    put(b, "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}");
}

static void put_head(struct buf *b, const char *event, int64_t sequence)
{
    buf_printf(b, "{\"event\":\"%s\",\"sequenceNumber\":\"%" PRId64 "\",", event, sequence);
}

void twilio_write_start(struct buf *b, const struct twilio_msg *m)
{
    put_head(b, "start", m->sequence);
    put_member(b, "\"start\":{\"accountSid\":", m->account_sid);
    put_member(b, ",\"streamSid\":", m->stream_sid);
    put_member(b, ",\"callSid\":", m->call_sid);
    put(b, ",\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\","
           "\"sampleRate\":8000,\"channels\":1},\"customParameters\":{");
    for (size_t i = 0; i < m->param_count; i++) {
        put_member(b, i ? "," : "", m->params[i].name);
        put_member(b, ":", m->params[i].value);
    }
    put_member(b, "}},\"streamSid\":", m->stream_sid);
    put(b, "}");
}

void twilio_write_inbound_media(struct buf *b, const struct twilio_msg *m)
{
    put_head(b, "media", m->sequence);
    buf_printf(b,
               "\"media\":{\"track\":\"inbound\",\"chunk\":\"%" PRId64 "\",\"timestamp\":\"%" PRId64
               "\",\"payload\":",
               m->chunk, m->timestamp_ms);
    scan_put_json(b, m->payload);
    put_member(b, "},\"streamSid\":", m->stream_sid);
    put(b, "}");
}

void twilio_write_mark_echo(struct buf *b, const struct twilio_msg *m)
{
    put_head(b, "mark", m->sequence);
    put_member(b, "\"streamSid\":", m->stream_sid);
    put_member(b, ",\"mark\":{\"name\":", m->mark);
    put(b, "}}");
}

void twilio_write_dtmf(struct buf *b, const struct twilio_msg *m)
{
    put_head(b, "dtmf", m->sequence);
    put_member(b, "\"streamSid\":", m->stream_sid);
    put_member(b, ",\"dtmf\":{\"track\":\"inbound_track\",\"digit\":", m->digit);
    put(b, "}}");
}

void twilio_write_stop(struct buf *b, const struct twilio_msg *m)
{
    put_head(b, "stop", m->sequence);
    put_member(b, "\"stop\":{\"accountSid\":", m->account_sid);
    put_member(b, ",\"callSid\":", m->call_sid);
    put_member(b, "},\"streamSid\":", m->stream_sid);
    put(b, "}");
}
