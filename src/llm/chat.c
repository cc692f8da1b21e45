#include "llm/chat.h"

#include "base/assert.h"
#include "base/js.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/chat_reply.h"
#include "llm/llm_private.h"
#include "llm/sse.h"
#include "proto/jsonw.h"

struct chat {
    struct llm *service;
    struct llm_request *request;
    bool streamed, wants_json;
    bool said_done; /* the stream's "[DONE]" */
    struct sse sse;
    struct chat_reply reply;
    bool *gone; /* set when it is cancelled inside on_text */
    chat_text_fn *on_text;
    chat_done_fn *done;
    void *ctx;
};

/* -- the request -- */

static void put_call(struct buf *b, const struct chat_call *call)
{
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "id", call->id);
    jsonw_str(&w, "type", STR("function"));
    struct jsonw f = jsonw_object(&w, "function");
    jsonw_str(&f, "name", call->name);
    jsonw_str(&f, "arguments", call->arguments);
    jsonw_close(&f);
    jsonw_close(&w);
}

static void put_message(struct buf *b, const struct chat_message *m)
{
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "role", m->role);
    jsonw_str_or_null(&w, "content", m->content);
    if (m->calls_count) {
        jsonw_key(&w, "tool_calls");
        buf_put_byte(b, '[');
        for (size_t i = 0; i < m->calls_count; i++) {
            if (i)
                buf_put_byte(b, ',');
            put_call(b, &m->calls[i]);
        }
        buf_put_byte(b, ']');
    }
    jsonw_str(&w, "tool_call_id", m->call_id);
    jsonw_close(&w);
}

static void put_tool(struct buf *b, const struct chat_tool *t)
{
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "type", STR("function"));
    struct jsonw f = jsonw_object(&w, "function");
    jsonw_str(&f, "name", t->name);
    jsonw_str(&f, "description", t->description);
    jsonw_key(&f, "parameters");
    buf_put_str(b, t->parameters);
    if (t->strict)
        jsonw_literal(&f, "strict", "true");
    jsonw_close(&f);
    jsonw_close(&w);
}

static void put_schema(struct buf *b, const struct chat_ask *a)
{
    buf_put_str(b, STR(",\"response_format\":"));
    struct jsonw w = jsonw_open(b);
    jsonw_str(&w, "type", STR("json_schema"));
    struct jsonw s = jsonw_object(&w, "json_schema");
    jsonw_str(&s, "name", a->schema_name);
    jsonw_literal(&s, "strict", "true");
    jsonw_key(&s, "schema");
    buf_put_str(b, a->schema);
    jsonw_close(&s);
    jsonw_close(&w);
}

static void put_request(struct buf *b, const struct chat_ask *a, bool streamed)
{
    buf_put_str(b, STR(",\"messages\":["));
    for (size_t i = 0; i < a->messages_count; i++) {
        if (i)
            buf_put_byte(b, ',');
        put_message(b, &a->messages[i]);
    }
    buf_put_byte(b, ']');
    if (a->tools_count)
        buf_put_str(b, STR(",\"tools\":["));
    for (size_t i = 0; i < a->tools_count; i++) {
        if (i)
            buf_put_byte(b, ',');
        put_tool(b, &a->tools[i]);
    }
    if (a->tools_count)
        buf_put_byte(b, ']');
    if (a->tool_choice.p) {
        buf_put_str(b, STR(",\"tool_choice\":"));
        buf_put_json(b, a->tool_choice);
    }
    if (a->schema.p)
        put_schema(b, a);
    if (a->max_tokens)
        buf_printf(b, ",\"max_completion_tokens\":%u", a->max_tokens);
    if (a->temperature_said)
        buf_printf(b, ",\"temperature\":%u.%03u", a->temperature_permille / 1000,
                   a->temperature_permille % 1000);
    if (streamed)
        buf_put_str(b, STR(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
    buf_put_byte(b, '}');
}

static bool text_ok(struct str s)
{
    return s.len == 0 || utf8_valid(s);
}

static bool json_ok(struct str text)
{
    json_t *root;
    if (!utf8_valid(text) || js_parse(text, &root, NULL) != OK)
        return false;
    bool ok = json_is_object(root);
    json_decref(root);
    return ok;
}

static bool message_ok(const struct chat_message *m)
{
    if (!m->role.len || !text_ok(m->role) || !text_ok(m->content) || !text_ok(m->call_id))
        return false;
    for (size_t i = 0; i < m->calls_count; i++)
        if (!text_ok(m->calls[i].id) || !text_ok(m->calls[i].name) ||
            !text_ok(m->calls[i].arguments))
            return false;
    return true;
}

static bool ask_ok(const struct chat_ask *a)
{
    if (a->messages_count == 0 || !text_ok(a->tool_choice) || !text_ok(a->schema_name))
        return false;
    if (a->schema.p && (!a->schema_name.len || !json_ok(a->schema)))
        return false;
    for (size_t i = 0; i < a->messages_count; i++)
        if (!message_ok(&a->messages[i]))
            return false;
    for (size_t i = 0; i < a->tools_count; i++)
        if (!a->tools[i].name.len || !text_ok(a->tools[i].name) ||
            !text_ok(a->tools[i].description) || !json_ok(a->tools[i].parameters))
            return false;
    return true;
}

/* -- the answer -- */

static void chat_free(struct chat *c)
{
    sse_fini(&c->sse);
    chat_reply_fini(&c->reply);
    mem_free(c);
}

/* `place` NULL: no good answer came to an end. */
static void finish(struct chat *c, const struct llm_place *place, enum err err, const char *detail)
{
    struct chat_reply *r = &c->reply;
    struct chat_call calls[CHAT_CALLS_MAX];
    json_t *json = NULL;
    struct err_detail why;
    const bool whole = err == OK && !r->refused && r->finish == CHAT_STOP && !r->calls_count;
    if (whole && c->wants_json && js_parse(buf_str(&r->text), &json, &why) != OK) {
        json = NULL;
        err = ERR_INVALID;
        detail = "the answer is not the JSON that was asked for";
    }
    for (size_t i = 0; i < r->calls_count; i++)
        calls[i] = (struct chat_call){buf_str(&r->calls[i].id), buf_str(&r->calls[i].name),
                                      buf_str(&r->calls[i].arguments)};
    if (place)
        r->usage.cost_nanousd = llm_cost_nanousd(&place->prices, &r->usage);
    const struct chat_result result = {
        .err = err,
        .text = buf_str(&r->text),
        .refusal = r->refused ? str_n(r->refusal.p ? r->refusal.p : "", r->refusal.len) : STR_NONE,
        .json = json,
        .calls = calls,
        .calls_count = err == OK ? r->calls_count : 0,
        .finish = r->finish,
        .model = place ? place->model : NULL,
        .usage = r->usage,
        .detail = err == OK ? NULL : detail,
    };
    c->done(c->ctx, &result);
    json_decref(json);
    chat_free(c);
}

static void on_answer(void *ctx, const struct llm_answer *a)
{
    struct chat *c = ctx;
    struct err_detail why = {{0}};
    c->request = NULL;
    if (a->err != OK) {
        finish(c, NULL, a->err, a->detail);
        return;
    }
    enum err err = c->streamed ? chat_reply_check(&c->reply, &why)
                               : chat_reply_take_body(&c->reply, buf_str(a->body), &why);
    finish(c, a->place, err, why.text);
}

/* The next events of a stream. False: `c` is gone. */
static bool take_events(struct chat *c, struct str in, enum err *err, struct err_detail *why)
{
    bool gone = false;
    struct str data;
    c->gone = &gone;
    while (!c->said_done && (*err = sse_next(&c->sse, &in, &data)) == OK) {
        size_t grown = 0;
        c->said_done = str_eq(data, STR("[DONE]"));
        if (c->said_done)
            break;
        *err = chat_reply_take_chunk(&c->reply, data, &grown, why);
        if (*err != OK)
            break;
        struct str text = buf_str(&c->reply.text);
        if (grown)
            c->on_text(c->ctx, str_slice(text, text.len - grown, text.len));
        if (gone)
            return false;
    }
    c->gone = NULL;
    if (*err == ERR_AGAIN)
        *err = OK;
    return true;
}

static void on_data(void *ctx, struct str piece)
{
    struct chat *c = ctx;
    enum err err = OK;
    struct err_detail why = {"the answer is larger than we take"};
    if (!take_events(c, piece, &err, &why) || err == OK)
        return;
    llm_request_cancel(c->request);
    c->request = NULL;
    finish(c, NULL, err, why.text);
}

/* -- public -- */

enum err chat_start(struct llm *s, const struct chat_ask *a, chat_text_fn *on_text,
                    chat_done_fn *done, void *ctx, struct chat **out)
{
    struct buf body;
    loop_assert_thread(s->loop);
    if (!ask_ok(a))
        return ERR_INVALID;
    buf_init(&body, CHAT_REQUEST_BYTES_MAX);
    put_request(&body, a, on_text != NULL);
    if (!buf_ok(&body)) {
        buf_fini(&body);
        return ERR_LIMIT;
    }
    struct chat *c = mem_zalloc(sizeof(*c));
    c->service = s;
    c->streamed = on_text != NULL;
    c->wants_json = a->schema.p != NULL;
    sse_init(&c->sse, CHAT_ANSWER_BYTES_MAX);
    chat_reply_init(&c->reply);
    c->on_text = on_text;
    c->done = done;
    c->ctx = ctx;
    const struct llm_request_opts opts = {
        .path = "/chat/completions",
        .body = buf_str(&body),
        .deadline_ms = a->deadline_ms,
        .answer_max = c->streamed ? CHAT_STREAM_BYTES_MAX : 4 * CHAT_ANSWER_BYTES_MAX,
        .accept = c->streamed ? "text/event-stream" : NULL,
        .data = c->streamed ? on_data : NULL,
    };
    enum err err = llm_request_start(s, &opts, on_answer, c, &c->request);
    buf_fini(&body);
    if (err != OK) {
        chat_free(c);
        return err;
    }
    *out = c;
    return OK;
}

void chat_cancel(struct chat *c)
{
    loop_assert_thread(c->service->loop);
    if (c->gone)
        *c->gone = true;
    llm_request_cancel(c->request);
    chat_free(c);
}
