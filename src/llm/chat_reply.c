#include "llm/chat_reply.h"

#include "base/js.h"
#include "llm/llm_private.h"

void chat_reply_init(struct chat_reply *r)
{
    *r = (struct chat_reply){.finish = CHAT_OTHER};
    buf_init(&r->text, CHAT_ANSWER_BYTES_MAX);
    buf_init(&r->refusal, CHAT_ANSWER_BYTES_MAX);
    for (size_t i = 0; i < CHAT_CALLS_MAX; i++) {
        buf_init(&r->calls[i].id, CHAT_ID_BYTES_MAX);
        buf_init(&r->calls[i].name, CHAT_ID_BYTES_MAX);
        buf_init(&r->calls[i].arguments, CHAT_ANSWER_BYTES_MAX);
    }
}

void chat_reply_fini(struct chat_reply *r)
{
    buf_fini(&r->text);
    buf_fini(&r->refusal);
    for (size_t i = 0; i < CHAT_CALLS_MAX; i++) {
        buf_fini(&r->calls[i].id);
        buf_fini(&r->calls[i].name);
        buf_fini(&r->calls[i].arguments);
    }
}

static enum chat_finish finish_of(struct str reason)
{
    static const struct {
        const char *name;
        enum chat_finish finish;
    } known[] = {{"stop", CHAT_STOP},
                 {"length", CHAT_LENGTH},
                 {"tool_calls", CHAT_CALLS},
                 {"content_filter", CHAT_FILTERED}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq(reason, str_of(known[i].name)))
            return known[i].finish;
    return CHAT_OTHER;
}

static void take_usage(struct chat_reply *r, const json_t *usage)
{
    if (!usage)
        return;
    r->usage.input_tokens = llm_tokens(usage, "prompt_tokens");
    r->usage.output_tokens = llm_tokens(usage, "completion_tokens");
    r->usage.cached_tokens = llm_tokens(js_get(usage, "prompt_tokens_details"), "cached_tokens");
    if (r->usage.cached_tokens > r->usage.input_tokens)
        r->usage.cached_tokens = r->usage.input_tokens;
}

static void put(struct buf *b, struct str piece)
{
    if (piece.len)
        buf_put_str(b, piece);
}

/* An id or name is said once; a service that repeats it with every piece is understood, too. */
static void put_once(struct buf *b, struct str value)
{
    if (b->len == 0)
        put(b, value);
}

static enum err take_call(struct chat_reply *r, const json_t *call, size_t at,
                          struct err_detail *why)
{
    const json_t *function = js_get(call, "function");
    if (at >= CHAT_CALLS_MAX || at > r->calls_count)
        return err_explain(why, ERR_INVALID, "the answer calls tools in no order or too many");
    if (at == r->calls_count)
        r->calls_count++;
    put_once(&r->calls[at].id, js_get_str(call, "id"));
    put_once(&r->calls[at].name, js_get_str(function, "name"));
    put(&r->calls[at].arguments, js_get_str(function, "arguments"));
    if (!buf_ok(&r->calls[at].id) || !buf_ok(&r->calls[at].name) ||
        !buf_ok(&r->calls[at].arguments))
        return err_explain(why, ERR_LIMIT, "the answer calls a tool with more than we take");
    return OK;
}

/* `delta` is the next piece of the message, or all of it. */
static enum err take_choice(struct chat_reply *r, const json_t *choice, const json_t *delta,
                            struct err_detail *why)
{
    struct str refusal = js_get_str(delta, "refusal");
    struct str reason = js_get_str(choice, "finish_reason");
    const json_t *calls = js_get(delta, "tool_calls");
    put(&r->text, js_get_str(delta, "content"));
    put(&r->refusal, refusal);
    r->refused = r->refused || refusal.p;
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        int64_t at = js_get_int(call, "index", (int64_t)i);
        enum err err = take_call(r, call, at < 0 ? SIZE_MAX : (size_t)at, why);
        if (err != OK)
            return err;
    }
    if (reason.p) {
        r->finished = true;
        r->finish = finish_of(reason);
    }
    if (!buf_ok(&r->text) || !buf_ok(&r->refusal))
        return err_explain(why, ERR_LIMIT, "the answer is larger than %d bytes",
                           CHAT_ANSWER_BYTES_MAX);
    return OK;
}

enum err chat_reply_take_body(struct chat_reply *r, struct str body, struct err_detail *why)
{
    json_t *root;
    enum err err = js_parse(body, &root, why);
    if (err != OK)
        return err;
    const json_t *choice = json_array_get(js_get(root, "choices"), 0);
    const json_t *message = js_get(choice, "message");
    if (!json_is_object(message))
        err = err_explain(why, ERR_INVALID, "the answer holds no message");
    else
        err = take_choice(r, choice, message, why);
    r->finished = true; /* whatever it says of the reason */
    take_usage(r, js_get(root, "usage"));
    json_decref(root);
    return err == OK ? chat_reply_check(r, why) : err;
}

enum err chat_reply_take_chunk(struct chat_reply *r, struct str data, size_t *grown,
                               struct err_detail *why)
{
    json_t *root;
    const size_t before = r->text.len;
    *grown = 0;
    enum err err = js_parse(data, &root, why);
    if (err != OK)
        return err;
    const json_t *choice = json_array_get(js_get(root, "choices"), 0);
    if (js_get(root, "error"))
        err = err_explain(why, ERR_UPSTREAM, "the service reported an error within its answer");
    else if (choice)
        err = take_choice(r, choice, js_get(choice, "delta"), why);
    take_usage(r, js_get(root, "usage"));
    json_decref(root);
    *grown = r->text.len - before;
    return err;
}

enum err chat_reply_check(const struct chat_reply *r, struct err_detail *why)
{
    if (!r->finished)
        return err_explain(why, ERR_CLOSED, "the answer broke off");
    for (size_t i = 0; i < r->calls_count; i++)
        if (!r->calls[i].id.len || !r->calls[i].name.len)
            return err_explain(why, ERR_INVALID, "the answer calls a tool without id or name");
    return OK;
}
