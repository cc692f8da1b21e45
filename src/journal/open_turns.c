#include "journal/open_turns.h"

#include <stdio.h>

#include "base/js.h"
#include "base/limits.h"

enum { US_PER_BYTE = 125 }; /* 8 kHz */

static void drop(struct open_turns *o, size_t i)
{
    buf_fini(&o->turns[i].text);
    memmove(&o->turns[i], &o->turns[i + 1], (o->count - i - 1) * sizeof(o->turns[0]));
    o->count--;
}

void open_turns_fini(struct open_turns *o)
{
    while (o->count > 0)
        drop(o, o->count - 1);
}

static struct open_turn *find(struct open_turns *o, struct str id)
{
    for (size_t i = o->count; i-- > 0;)
        if (str_eq(str_of(o->turns[i].id), id))
            return &o->turns[i];
    return NULL;
}

/* The turn of that id, new if need be; NULL for an id that is none. */
static struct open_turn *turn_of(struct open_turns *o, struct str id)
{
    struct open_turn *t = find(o, id);
    if (t || id.len == 0 || id.len >= OPEN_TURN_ID_BYTES)
        return t;
    if (o->count == OPEN_TURNS_MAX)
        drop(o, 0);
    t = &o->turns[o->count++];
    *t = (struct open_turn){0};
    (void)str_copy(t->id, sizeof(t->id), id);
    buf_init(&t->text, CALL_ITEM_TEXT_MAX);
    return t;
}

static void add_text(struct open_turn *t, struct str text, bool whole)
{
    if (whole)
        buf_reset(&t->text);
    size_t room = t->text.max - t->text.len;
    buf_put_str(&t->text, str_slice(text, 0, room));
}

void open_turns_event(struct open_turns *o, const struct rt_event *event, int64_t at_us)
{
    bool agent =
        event->type == RT_AUDIO_TRANSCRIPT_DELTA || event->type == RT_AUDIO_TRANSCRIPT_DONE;
    bool caller =
        event->type == RT_TRANSCRIPTION_DELTA || event->type == RT_TRANSCRIPTION_COMPLETED;
    if (!agent && !caller)
        return;
    struct open_turn *t = turn_of(o, event->item_id);
    if (!t)
        return;
    t->caller = caller;
    if (t->start_us == 0 && caller)
        t->start_us = at_us;
    add_text(t, event->text,
             event->type == RT_AUDIO_TRANSCRIPT_DONE || event->type == RT_TRANSCRIPTION_COMPLETED);
}

/* "<n> <text as a JSON string>" */
static void take_prompt(struct open_turns *o, struct str rest)
{
    char id[OPEN_TURN_ID_BYTES];
    struct str number = fact_word(&rest);
    snprintf(id, sizeof(id), "prompt_%.*s", (int)(number.len < 20 ? number.len : 20), number.p);
    json_t *text;
    struct open_turn *t = turn_of(o, str_of(id));
    if (!t || js_parse(rest, &text, NULL) != OK)
        return;
    if (json_is_string(text))
        add_text(t, str_n(json_string_value(text), json_string_length(text)), true);
    json_decref(text);
}

static void take_play(struct open_turns *o, const struct fact *f, int64_t at_us)
{
    int64_t start_us = at_us > o->playing_until_us ? at_us : o->playing_until_us;
    int64_t end_us = start_us + (int64_t)f->len * US_PER_BYTE;
    o->playing_until_us = end_us + (int64_t)f->pad * US_PER_BYTE;
    struct open_turn *t = turn_of(o, f->id);
    if (!t)
        return;
    if (t->start_us == 0)
        t->start_us = start_us;
    t->end_us = end_us;
    t->spoken_ms += f->len * US_PER_BYTE / 1000;
}

static void take_clear(struct open_turns *o, int64_t at_us)
{
    if (o->playing_until_us > at_us)
        o->playing_until_us = at_us;
    for (size_t i = 0; i < o->count; i++) {
        struct open_turn *t = &o->turns[i];
        if (t->end_us <= at_us)
            continue;
        t->unheard_us += t->end_us - (t->start_us > at_us ? t->start_us : at_us);
        t->end_us = at_us;
        t->cut = true;
    }
}

void open_turns_fact(struct open_turns *o, const struct fact *f, int64_t at_us)
{
    if (str_eq(f->verb, STR("prompt")))
        take_prompt(o, f->rest);
    else if (str_eq(f->verb, STR("play")) && f->id.p)
        take_play(o, f, at_us);
    else if (str_eq(f->verb, STR("clear")))
        take_clear(o, at_us);
}

void open_turns_close(struct open_turns *o, struct str id)
{
    struct open_turn *t = find(o, id);
    if (t)
        drop(o, (size_t)(t - o->turns));
}

static json_t *words(const struct open_turn *t)
{
    json_t *text = t->text.len ? json_stringn(t->text.p, t->text.len) : NULL;
    return text ? text : json_string("");
}

static void write_turn(const struct open_turn *t, json_t *items, int64_t start_us, int64_t last_us)
{
    int64_t unheard_us = t->unheard_us;
    if (t->end_us > last_us)
        unheard_us += t->end_us - (t->start_us > last_us ? t->start_us : last_us);
    int64_t heard_ms = t->spoken_ms - unheard_us / 1000;
    int64_t end_us = t->end_us > last_us || t->end_us == 0 ? last_us : t->end_us;
    bool prompt = str_starts(str_of(t->id), STR("prompt_"));
    json_t *item = json_object();
    json_object_set_new(item, "id", json_string(t->id));
    json_object_set_new(item, "role",
                        json_string(t->caller ? "caller"
                                    : prompt  ? "announcement"
                                              : "agent"));
    json_object_set_new(item, "text", words(t));
    json_object_set_new(item, "final", json_false());
    json_object_set_new(item, "interrupted", json_boolean(t->cut || t->end_us > last_us));
    json_object_set_new(item, "startMs", json_integer((t->start_us - start_us) / 1000));
    json_object_set_new(item, "endMs", json_integer((end_us - start_us) / 1000));
    json_object_set_new(item, "spokenMs", json_integer(t->spoken_ms));
    json_object_set_new(item, "heardMs", json_integer(heard_ms > 0 ? heard_ms : 0));
    json_object_set_new(item, "costNanousd", json_integer(0));
    json_array_append_new(items, item);
}

void open_turns_write(struct open_turns *o, json_t *items, int64_t start_us, int64_t last_us)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->turns[i].start_us != 0 && o->turns[i].start_us <= last_us)
            write_turn(&o->turns[i], items, start_us, last_us);
}
