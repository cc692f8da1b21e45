#include "journal/tape.h"

#include <string.h>

#include "base/js.h"
#include "journal/record.h"

enum { DIGEST_BYTES = 4 };

void tape_init(struct tape *t, struct journal_reader *reader)
{
    *t = (struct tape){.reader = reader};
    journal_reader_rewind(reader);
}

static void clean_id_of(char out[JOURNAL_ID_BYTES_MAX + 1], struct str json)
{
    json_t *root;
    out[0] = '\0';
    if (js_parse(json, &root, NULL) != OK)
        return;
    record_clean_id(out, js_get_str(root, "callId"));
    json_decref(root);
}

/* Another process went on with the call, under a number of its own. */
static bool goes_on(struct tape *t)
{
    char id[JOURNAL_ID_BYTES_MAX + 1];
    if (t->ahead.type != JOURNAL_RESUMED || t->ahead.sequence < t->sequence)
        return false;
    clean_id_of(id, t->ahead.payload);
    if (id[0] == '\0' || strcmp(id, t->id) != 0)
        return false;
    t->call = t->ahead.call;
    return true;
}

/* The next good record of the call, in `ahead`. */
static bool look(struct tape *t)
{
    while (!t->have_ahead) {
        struct err_detail detail;
        enum err err = journal_reader_next(t->reader, &t->ahead, &detail);
        if (err == ERR_NOTFOUND)
            return false;
        if (err != OK) {
            if (!t->damaged)
                t->detail = detail;
            t->damaged = true;
            if (!journal_reader_skip(t->reader))
                return false;
            continue;
        }
        if (!t->started) {
            t->started = true;
            t->call = t->ahead.call;
            if (t->ahead.type == JOURNAL_HEAD)
                clean_id_of(t->id, t->ahead.payload);
        }
        t->have_ahead = t->ahead.type == JOURNAL_RESUMED ? goes_on(t) : t->ahead.call == t->call;
    }
    return true;
}

static bool take(struct tape *t, struct journal_record *out, bool *gap)
{
    if (!look(t))
        return false;
    *out = t->ahead;
    *gap |= out->sequence != t->sequence;
    t->sequence = out->sequence + 1;
    t->have_ahead = false;
    return true;
}

static enum tape_kind kind_of(uint16_t type)
{
    if (type == JOURNAL_HEAD)
        return TAPE_HEAD;
    return type == JOURNAL_END ? TAPE_END : TAPE_INPUT;
}

bool tape_next(struct tape *t, struct tape_step *out)
{
    *out = (struct tape_step){.kind = TAPE_DONE};
    bool gap = false;
    do { /* effects whose input is missing say nothing that can be placed */
        if (!take(t, &out->record, &gap))
            return false;
        gap |= out->record.type == JOURNAL_EFFECTS;
    } while (out->record.type == JOURNAL_EFFECTS || out->record.type == JOURNAL_RESUMED);
    out->kind = kind_of(out->record.type);
    out->gap = gap;
    if (out->kind == TAPE_INPUT && look(t) && t->ahead.type == JOURNAL_EFFECTS &&
        t->ahead.sequence == t->sequence && t->ahead.payload.len >= DIGEST_BYTES) {
        struct journal_record effects;
        take(t, &effects, &gap);
        out->has_effects = true;
        out->digest = record_get_u32(effects.payload.p);
        out->lines = str_slice(effects.payload, DIGEST_BYTES, effects.payload.len);
    }
    out->last = !look(t) || t->ahead.sequence != t->sequence || t->ahead.type == JOURNAL_RESUMED;
    return true;
}

struct str fact_word(struct str *rest)
{
    return rest->p ? str_take_until(rest, ' ') : STR_NONE;
}

static bool take_number(struct str *s, uint32_t *out)
{
    uint64_t n;
    if (!str_to_u64(fact_word(s), &n) || n > UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

bool fact_next(struct str *lines, struct fact *out)
{
    if (!lines->p || lines->len == 0)
        return false;
    struct str rest = str_take_until(lines, '\n');
    struct fact f = {.verb = fact_word(&rest)};
    f.rest = rest;
    bool play = str_eq(f.verb, STR("play"));
    if (play || str_eq(f.verb, STR("queue"))) {
        struct str id = fact_word(&rest);
        bool ok = (!play || take_number(&rest, &f.offset)) && take_number(&rest, &f.len) &&
                  (!play || take_number(&rest, &f.pad));
        if (ok && !rest.p)
            f.id = id;
    }
    *out = f;
    return true;
}
