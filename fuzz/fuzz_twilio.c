/* LAYER: proto - Twilio: stream messages ('{'), TwiML ('<'), signed URLs (anything else) */
#include <stdlib.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "proto/twilio_sig.h"
#include "proto/twiml.h"

enum { OUT_BYTES_MAX = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str member(const json_t *obj, const char *key)
{
    return js_get_str(obj, key);
}

/* A message read by the scanner alone is what the JSON parser reads. */
static void check_scanned(const struct twilio_msg *m, struct str text)
{
    json_t *root;
    ASSERT(js_parse(text, &root, NULL) == OK);
    const json_t *media = js_get(root, "media");
    ASSERT(str_eq(member(root, "streamSid"), m->stream_sid));
    if (m->type == TWILIO_MARK) {
        ASSERT(str_eq(member(root, "event"), STR("mark")));
        ASSERT(str_eq(member(js_get(root, "mark"), "name"), m->mark));
        json_decref(root);
        return;
    }
    ASSERT(m->type == TWILIO_MEDIA && str_eq(member(root, "event"), STR("media")));
    ASSERT(str_eq(member(media, "payload"), m->payload));
    ASSERT(str_eq(member(media, "track"), m->track));
    ASSERT((m->timestamp_ms >= 0) == (js_get(media, "timestamp") != NULL));
    ASSERT((m->chunk >= 0) == (js_get(media, "chunk") != NULL));
    json_decref(root);
}

static void fuzz_message(struct str text)
{
    struct twilio_msg m;
    struct err_detail why;
    if (twilio_msg_parse(&m, text, &why) == OK) {
        if (!m.root)
            check_scanned(&m, text);
        struct buf b;
        struct twilio_msg again;
        buf_init(&b, OUT_BYTES_MAX);
        if (m.type == TWILIO_START) {
            m.sequence = m.sequence < 0 ? 0 : m.sequence; /* a carrier always counts */
            twilio_write_start(&b, &m);
            ASSERT(twilio_msg_parse(&again, buf_str(&b), NULL) == OK);
            ASSERT(again.param_count == m.param_count && str_eq(again.call_sid, m.call_sid));
            twilio_msg_fini(&again);
        } else if (m.type == TWILIO_MEDIA) {
            twilio_write_media(&b, m.stream_sid, m.payload);
            ASSERT(twilio_msg_parse_reply(&again, buf_str(&b), NULL) == OK);
            ASSERT(str_eq(again.payload, m.payload) && str_eq(again.stream_sid, m.stream_sid));
            twilio_msg_fini(&again);
        }
        buf_fini(&b);
        twilio_msg_fini(&m);
    }
    if (twilio_msg_parse_reply(&m, text, &why) == OK)
        twilio_msg_fini(&m);
}

/* What was read is written and read again as it was. */
static void fuzz_twiml(struct str text)
{
    struct twiml_doc doc, again;
    struct err_detail why;
    if (twiml_parse(&doc, text, &why) != OK)
        return;
    for (size_t i = 0; i < doc.verb_count; i++) {
        const struct twiml_verb *v = &doc.verbs[i];
        struct buf b;
        ASSERT(v->parent >= TWIML_TOP && v->parent < (int)i);
        ASSERT(utf8_valid(v->text));
        buf_init(&b, OUT_BYTES_MAX);
        twiml_open(&b);
        twiml_say(&b, v->text, v->attr_count ? v->attrs[0].value : STR_NONE, STR_NONE);
        twiml_close(&b);
        if (b.len <= TWIML_BYTES_MAX) {
            ASSERT(twiml_parse(&again, buf_str(&b), &why) == OK);
            ASSERT(again.verb_count == 1);
            ASSERT(str_eq(again.verbs[0].text, v->text));
            if (v->attr_count)
                ASSERT(str_eq(twiml_attr(&again.verbs[0], "voice"), v->attrs[0].value));
            twiml_doc_fini(&again);
        }
        buf_fini(&b);
    }
    twiml_doc_fini(&doc);
}

static void fuzz_signature(struct str text)
{
    char sig[TWILIO_SIG_CHARS + 1];
    struct str rest = text;
    struct twilio_param params[8];
    size_t count = 0;
    struct twilio_request r = {.url = str_take_until(&rest, '\n'), .params = params};
    while (rest.p && count < 8) {
        struct str value = str_take_until(&rest, '\n');
        struct str name = value.len ? str_take_until(&value, '=') : STR("");
        params[count++] = (struct twilio_param){name, value};
    }
    r.param_count = count;
    bool computed = twilio_sig_compute(sig, STR("token"), &r) == OK;
    bool valid = twilio_sig_valid(STR("token"), &r, str_n(sig, computed ? TWILIO_SIG_CHARS : 0));
    ASSERT(!valid || computed);
    /* Any URL with a scheme signs itself. */
    ASSERT(valid || !computed || str_find(r.url, STR("://"), 0) == SIZE_MAX);
    r.json = true;
    twilio_sig_valid(STR("token"), &r, str_n(sig, computed ? TWILIO_SIG_CHARS : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    if (size == 0)
        return 0;
    if (data[0] == '{')
        fuzz_message(text);
    else if (data[0] == '<')
        fuzz_twiml(text);
    else
        fuzz_signature(text);
    return 0;
}
