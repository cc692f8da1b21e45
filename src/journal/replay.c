#include "journal/replay.h"

#include "base/js.h"
#include "base/limits.h"
#include "journal/tape.h"

enum { INPUT_TEXT_BYTES = 400 };

static enum err read_head(struct replay *r, struct str head, struct call_config *config,
                          struct err_detail *detail)
{
    json_t *root;
    struct err_detail why;
    if (js_parse(head, &root, &why) != OK)
        return err_explain(detail, ERR_INVALID, "the head of the journal is not JSON: %.150s",
                           why.text);
    r->behaviour = (uint32_t)js_get_int(root, "behaviour", 0);
    const json_t *snapshot = js_get(root, "config");
    enum err err;
    if (snapshot) {
        buf_reset(&r->scratch);
        js_write(&r->scratch, snapshot);
        /* What call_new copies through the same text must fit its buffer. */
        err = r->scratch.len < CALL_EVENT_BYTES_MAX / 2
                  ? call_config_read(config, &r->arena, buf_str(&r->scratch), detail)
                  : err_explain(detail, ERR_INVALID, "the configuration in the head is too large");
    } else {
        err = err_explain(detail, ERR_INVALID, "the head of the journal has no configuration");
    }
    json_decref(root);
    return err;
}

static void write_facts(struct buf *b, const struct call_effects *effects, struct buf *line)
{
    for (size_t i = 0; i < effects->count; i++) {
        buf_reset(line);
        call_fx_write(line, &effects->fx[i]);
        buf_put_str(b, buf_str(line));
    }
}

static void keep_difference(struct replay *r, const struct tape_step *step,
                            const struct call_input *in, const struct call_effects *effects)
{
    r->differs = true;
    r->at_us = step->record.at_us;
    r->type = in->type;
    r->input_number = r->inputs;
    buf_put_str(&r->input, str_slice(in->event ? in->raw : in->text, 0, INPUT_TEXT_BYTES));
    buf_put_str(&r->recorded, step->lines);
    write_facts(&r->computed, effects, &r->scratch);
}

static bool incomplete(struct replay *r, const char *why)
{
    r->incomplete = true;
    err_explain(&r->why, ERR_INVALID, "%s", why);
    return false;
}

/* Takes one input; false when the replay should stop. */
static bool step_input(struct replay *r, const struct tape_step *step, bool verify)
{
    if (step->gap)
        return incomplete(r, "records are missing in the middle");
    struct call_input in;
    struct rt_event event = {0};
    enum call_in_type type = (enum call_in_type)(step->record.type - JOURNAL_INPUT);
    if (step->record.type <= JOURNAL_INPUT ||
        call_input_read(&in, &event, type, step->record.at_us, step->record.payload) != OK)
        return incomplete(r, "an input is not one that this program knows");
    struct call_effects effects = call_step(r->call, &in);
    r->inputs++;
    r->effects += effects.count;
    /* The process may have died between an input and its effects. */
    bool compare = verify && !r->differs && (step->has_effects || !step->last);
    if (compare && call_effects_digest(&effects, &r->scratch) != step->digest)
        keep_difference(r, step, &in, &effects);
    rt_event_fini(&event);
    return !r->differs;
}

enum err replay_run(struct replay *r, struct journal_reader *reader, bool verify,
                    struct err_detail *detail)
{
    *r = (struct replay){0};
    buf_init(&r->scratch, 2 * JOURNAL_PAYLOAD_BYTES_MAX);
    buf_init(&r->input, INPUT_TEXT_BYTES);
    buf_init(&r->recorded, JOURNAL_PAYLOAD_BYTES_MAX);
    buf_init(&r->computed, 2 * JOURNAL_PAYLOAD_BYTES_MAX);
    arena_init(&r->arena, JOURNAL_PAYLOAD_BYTES_MAX);
    struct tape tape;
    tape_init(&tape, reader);
    struct tape_step step;
    if (!tape_next(&tape, &step) || step.kind != TAPE_HEAD)
        return err_explain(detail, ERR_INVALID, "the journal does not begin with a head%s%s",
                           tape.damaged ? ": " : "", tape.damaged ? tape.detail.text : "");
    struct call_config config;
    enum err err = read_head(r, step.record.payload, &config, detail);
    if (err != OK)
        return err;
    r->start_us = step.record.at_us;
    r->call = call_new(&config);
    bool more = true;
    while (more && tape_next(&tape, &step))
        if (step.kind == TAPE_INPUT)
            more = step_input(r, &step, verify);
    if (tape.damaged && !r->differs) {
        r->incomplete = true;
        r->why = tape.detail;
    }
    return OK;
}

void replay_fini(struct replay *r)
{
    call_free(r->call);
    buf_fini(&r->scratch);
    buf_fini(&r->input);
    buf_fini(&r->recorded);
    buf_fini(&r->computed);
    arena_fini(&r->arena);
    *r = (struct replay){0};
}
