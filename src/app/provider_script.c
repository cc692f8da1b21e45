/* Every member is checked: a script with a typo must not pass as a shorter one. */
#include "app/provider_script.h"

#include "base/js.h"
#include "base/limits.h"

struct str provider_script_builtin(void)
{
    return STR("{\"say\": \"We are open from nine to six, Monday to Saturday.\"}\n"
               "{\"say\": \"Shipping is free for orders over one hundred dollars.\"}\n"
               "{\"say\": \"You can return anything within thirty days.\"}\n"
               "{\"say\": \"Is there anything else I can do for you?\"}\n");
}

static const char *keep(struct provider_script *s, struct str text)
{
    return text.p ? arena_strndup(&s->mem, text.p, text.len) : NULL;
}

static enum err take_text(struct provider_script *s, const char *key, const json_t *value,
                          const char **out, struct err_detail *why)
{
    if (!json_is_string(value))
        return err_explain(why, ERR_INVALID, "%s must be a text", key);
    *out = keep(s, str_n(json_string_value(value), json_string_length(value)));
    return OK;
}

static enum err take_arguments(struct provider_script *s, const json_t *value,
                               struct provider_step *step)
{
    struct buf b;
    buf_init(&b, PROVIDER_SCRIPT_BYTES_MAX);
    js_write(&b, value);
    step->arguments = keep(s, buf_str(&b));
    buf_fini(&b);
    return OK;
}

static enum err take_fault(const json_t *value, struct provider_step *step, struct err_detail *why)
{
    struct str text = json_is_string(value) ? str_of(json_string_value(value)) : STR_NONE;
    struct str arg = text;
    struct str name = text.p ? str_take_until(&arg, '=') : STR_NONE;
    if (!text.p || !provider_fault_find(name, &step->fault) ||
        (arg.p && !str_to_i64(arg, &step->fault_arg)))
        return err_explain(why, ERR_INVALID, "fault must be the name of one, not \"%.40s\"",
                           text.p ? text.p : "");
    return OK;
}

static enum err take_member(struct provider_script *s, const char *key, const json_t *value,
                            struct provider_step *step, struct err_detail *why)
{
    if (strcmp(key, "user") == 0)
        return take_text(s, key, value, &step->user, why);
    if (strcmp(key, "say") == 0)
        return take_text(s, key, value, &step->say, why);
    if (strcmp(key, "call") == 0)
        return take_text(s, key, value, &step->call, why);
    if (strcmp(key, "arguments") == 0)
        return take_arguments(s, value, step);
    if (strcmp(key, "fault") == 0)
        return take_fault(value, step, why);
    if (strcmp(key, "delay_ms") != 0)
        return err_explain(why, ERR_INVALID, "there is no member \"%.40s\"", key);
    step->delay_ms = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
    if (step->delay_ms < 0 || step->delay_ms > 600000)
        return err_explain(why, ERR_INVALID, "delay_ms must be 0 to 600000");
    return OK;
}

static enum err take_line(struct provider_script *s, struct str line, struct err_detail *why)
{
    json_t *root;
    enum err err = js_parse(line, &root, why);
    if (err != OK)
        return err;
    struct provider_step step = {.arguments = "{}"};
    if (!json_is_object(root))
        err = err_explain(why, ERR_INVALID, "expected a JSON object");
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (err == OK)
            err = take_member(s, key, value, &step, why);
    }
    json_decref(root);
    if (err == OK && !step.say && !step.call && step.fault == PROVIDER_FAULT_NONE)
        err = err_explain(why, ERR_INVALID, "an answer says, calls or fails");
    if (err == OK && s->count == PROVIDER_STEPS_MAX)
        err = err_explain(why, ERR_INVALID, "more than %d answers", PROVIDER_STEPS_MAX);
    if (err == OK)
        s->steps[s->count++] = step;
    return err;
}

enum err provider_script_read(struct provider_script *s, struct str text, struct err_detail *why)
{
    arena_init(&s->mem, PROVIDER_SCRIPT_BYTES_MAX);
    s->steps = mem_alloc(sizeof(*s->steps) * PROVIDER_STEPS_MAX);
    s->count = 0;
    struct str rest = text;
    for (unsigned number = 1; rest.p; number++) {
        struct str line = str_trim(str_take_until(&rest, '\n'));
        if (line.len == 0 || line.p[0] == '#')
            continue;
        struct err_detail detail;
        enum err err = take_line(s, line, &detail);
        if (err != OK)
            return err_explain(why, ERR_INVALID, "script line %u: %s", number, detail.text);
    }
    if (s->count == 0)
        return err_explain(why, ERR_INVALID, "the script holds no answer");
    return OK;
}

void provider_script_fini(struct provider_script *s)
{
    mem_free(s->steps);
    s->steps = NULL;
    arena_fini(&s->mem);
}

struct str provider_script_exact(struct str instructions)
{
    struct str mark = STR("Say exactly: \"");
    size_t at = str_find(instructions, mark, 0);
    if (at == SIZE_MAX)
        return STR_NONE;
    size_t from = at + mark.len, to = instructions.len;
    while (to > from && instructions.p[to - 1] != '"')
        to--;
    return to > from ? str_slice(instructions, from, to - 1) : STR_NONE;
}
