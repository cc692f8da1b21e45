#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/mem.h"
#include "call/call.h"
#include "journal/export.h"
#include "journal/open_turns.h"
#include "journal/tape.h"

enum { TRANSCRIPT_FORMAT = 1 };

struct builder {
    json_t *root, *items, *tools, *dtmf, *notes;
    int64_t start_us, last_us;
    bool started, gap;
    int64_t call_ms; /* wall clock of the head */
    int64_t head_us;
    struct open_turns *open;
};

static json_t *text(struct str s)
{
    json_t *value = s.p ? json_stringn(s.p, s.len) : NULL;
    return value ? value : json_string(""); /* not UTF-8: nothing that a person could read */
}

static int64_t ms_at(const struct builder *b, int64_t at_us)
{
    return b->started ? (at_us - b->start_us) / 1000 : 0;
}

static void copy_member(json_t *to, const char *to_key, const json_t *from, const char *key)
{
    const json_t *value = js_get(from, key);
    if (value)
        json_object_set_new(to, to_key, json_deep_copy(value));
}

static void set_time(json_t *to, const char *key, int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char out[40] = "";
    if (gmtime_r(&s, &tm) && strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        json_object_set_new(to, key, json_string(out));
}

static void take_head(struct builder *b, const struct journal_record *r)
{
    json_t *head;
    if (js_parse(r->payload, &head, NULL) != OK)
        return;
    static const char *const of_head[] = {"callId", "build", "behaviour"};
    static const char *const of_config[] = {"businessId", "businessName", "channel",     "from",
                                            "to",         "recording",    "announcement"};
    for (size_t i = 0; i < sizeof(of_head) / sizeof(of_head[0]); i++)
        copy_member(b->root, of_head[i], head, of_head[i]);
    const json_t *config = js_get(head, "config");
    for (size_t i = 0; i < sizeof(of_config) / sizeof(of_config[0]); i++)
        copy_member(b->root, of_config[i], config, of_config[i]);
    b->head_us = js_get_int(head, "anchorUs", r->at_us);
    b->call_ms = js_get_int(head, "wallMs", 0);
    json_decref(head);
}

/* Takes over `value`. */
static void append(json_t *list, json_t *value)
{
    if (json_array_size(list) < JOURNAL_EXPORT_ITEMS_MAX)
        json_array_append_new(list, value);
    else
        json_decref(value);
}

/* -- facts -- */

/* A turn is given out again when it changes; the last word on it counts, in the first one's place.
 */
static void take_turn(struct builder *b, struct str json)
{
    json_t *item;
    if (js_parse(json, &item, NULL) != OK)
        return;
    const char *id = json_string_value(js_get(item, "id"));
    if (id)
        open_turns_close(b->open, str_of(id));
    for (size_t i = json_array_size(b->items); id && i-- > 0;) {
        const char *other = json_string_value(js_get(json_array_get(b->items, i), "id"));
        if (!other || strcmp(id, other) != 0)
            continue;
        json_array_set_new(b->items, i, item);
        return;
    }
    append(b->items, item);
}

static json_t *parse_string(struct str json)
{
    json_t *value;
    if (js_parse(json, &value, NULL) != OK)
        return json_string("");
    return value;
}

/* "<run> <name> <arguments>" */
static void take_tool(struct builder *b, struct str rest, int64_t at_us)
{
    uint64_t run;
    if (!str_to_u64(fact_word(&rest), &run))
        return;
    json_t *tool = json_object();
    json_object_set_new(tool, "run", json_integer((json_int_t)run));
    json_object_set_new(tool, "name", text(fact_word(&rest)));
    json_object_set_new(tool, "arguments", parse_string(rest));
    json_object_set_new(tool, "atMs", json_integer(ms_at(b, at_us)));
    append(b->tools, tool);
}

/* "<run> <name> <ok> <ms> <output>" */
static void take_tool_record(struct builder *b, struct str rest)
{
    uint64_t run, ok, ms;
    if (!str_to_u64(fact_word(&rest), &run))
        return;
    fact_word(&rest);
    if (!str_to_u64(fact_word(&rest), &ok) || !str_to_u64(fact_word(&rest), &ms))
        return;
    for (size_t i = json_array_size(b->tools); i-- > 0;) {
        json_t *tool = json_array_get(b->tools, i);
        if (js_get_int(tool, "run", -1) != (int64_t)run)
            continue;
        json_object_set_new(tool, "ok", json_boolean(ok));
        json_object_set_new(tool, "ms", json_integer((json_int_t)ms));
        json_object_set_new(tool, "output", parse_string(rest));
        return;
    }
}

static void take_note(struct builder *b, struct str rest, int64_t at_us)
{
    json_t *note = json_object();
    json_object_set_new(note, "name", text(fact_word(&rest)));
    json_object_set_new(note, "text", text(rest));
    json_object_set_new(note, "atMs", json_integer(ms_at(b, at_us)));
    append(b->notes, note);
}

static void take_facts(struct builder *b, struct str lines, int64_t at_us)
{
    struct fact f;
    while (fact_next(&lines, &f)) {
        open_turns_fact(b->open, &f, at_us);
        if (str_eq(f.verb, STR("turn")))
            take_turn(b, f.rest);
        else if (str_eq(f.verb, STR("tool")))
            take_tool(b, f.rest, at_us);
        else if (str_eq(f.verb, STR("tool_record")))
            take_tool_record(b, f.rest);
        else if (str_eq(f.verb, STR("note")))
            take_note(b, f.rest, at_us);
        else if (str_eq(f.verb, STR("transfer")))
            json_object_set_new(b->root, "transferredTo", text(f.rest));
        else if (str_eq(f.verb, STR("ended")))
            json_object_set_new(b->root, "endReason", text(f.rest));
    }
}

static void take_key(struct builder *b, const struct call_input *in)
{
    char key[2] = {(char)(in->number & 0x7f), '\0'};
    json_t *press = json_object();
    json_object_set_new(press, "key", json_string(key));
    json_object_set_new(press, "atMs", json_integer(ms_at(b, in->at_us)));
    append(b->dtmf, press);
}

static void take_input(struct builder *b, const struct tape_step *step)
{
    const struct journal_record *r = &step->record;
    enum call_in_type type = (enum call_in_type)(r->type - JOURNAL_INPUT);
    struct call_input in;
    struct rt_event event = {0};
    if (type == CALL_IN_STREAM && !b->started) {
        b->started = true;
        b->start_us = r->at_us;
    }
    if ((type == CALL_IN_DTMF || type == CALL_IN_ENGINE_EVENT) &&
        call_input_read(&in, &event, type, r->at_us, r->payload) == OK) {
        if (type == CALL_IN_DTMF)
            take_key(b, &in);
        else
            open_turns_event(b->open, &event, r->at_us);
        rt_event_fini(&event);
    }
    take_facts(b, step->lines, r->at_us);
}

static void take_end(struct builder *b, struct str json)
{
    json_t *end;
    json_object_set_new(b->root, "complete", json_true());
    if (js_parse(json, &end, NULL) != OK)
        return;
    json_object_set_new(b->root, "final", end);
    copy_member(b->root, "endReason", end, "reason");
}

/* By time, keeping the order of those that began together. */
static void sort_items(struct builder *b)
{
    for (size_t i = 1; i < json_array_size(b->items); i++) {
        json_t *item = json_incref(json_array_get(b->items, i));
        int64_t at_ms = js_get_int(item, "startMs", 0);
        size_t to = i;
        while (to > 0 && js_get_int(json_array_get(b->items, to - 1), "startMs", 0) > at_ms)
            to--;
        if (to != i) {
            json_array_remove(b->items, i);
            json_array_insert(b->items, to, item);
        }
        json_decref(item);
    }
}

static void finish(struct builder *b, const struct tape *tape)
{
    int64_t cost = 0;
    for (size_t i = 0; i < json_array_size(b->items); i++)
        cost += js_get_int(json_array_get(b->items, i), "costNanousd", 0);
    int64_t start_us = b->started ? b->start_us : b->head_us;
    if (!js_get_bool(b->root, "complete", false))
        open_turns_write(b->open, b->items, start_us, b->last_us);
    sort_items(b);
    if (b->call_ms > 0)
        set_time(b->root, "startedAt", b->call_ms + (start_us - b->head_us) / 1000);
    json_object_set_new(b->root, "durationMs", json_integer((b->last_us - start_us) / 1000));
    json_object_set_new(b->root, "costNanousd", json_integer(cost));
    json_object_set(b->root, "items", b->items);
    json_object_set(b->root, "tools", b->tools);
    json_object_set(b->root, "dtmf", b->dtmf);
    json_object_set(b->root, "notes", b->notes);
    if (b->gap)
        json_object_set_new(b->root, "gap", json_true());
    if (tape->damaged)
        json_object_set_new(b->root, "damage", json_string(tape->detail.text));
}

enum err export_transcript(struct journal_reader *r, json_t **out, struct err_detail *detail)
{
    struct open_turns open = {.count = 0};
    struct builder b = {.open = &open,
                        .root = json_object(),
                        .items = json_array(),
                        .tools = json_array(),
                        .dtmf = json_array(),
                        .notes = json_array()};
    json_object_set_new(b.root, "format", json_integer(TRANSCRIPT_FORMAT));
    json_object_set_new(b.root, "complete", json_false());
    struct tape tape;
    tape_init(&tape, r);
    struct tape_step step;
    bool any = false;
    while (tape_next(&tape, &step)) {
        any = true;
        b.gap |= step.gap;
        b.last_us = step.record.at_us;
        if (step.kind == TAPE_HEAD)
            take_head(&b, &step.record);
        else if (step.kind == TAPE_INPUT)
            take_input(&b, &step);
        else
            take_end(&b, step.record.payload);
    }
    finish(&b, &tape);
    open_turns_fini(&open);
    json_decref(b.items);
    json_decref(b.tools);
    json_decref(b.dtmf);
    json_decref(b.notes);
    if (!any) {
        json_decref(b.root);
        return err_explain(detail, ERR_INVALID, "there is no call in the journal%s%s",
                           tape.damaged ? ": " : "", tape.damaged ? tape.detail.text : "");
    }
    *out = b.root;
    return OK;
}
