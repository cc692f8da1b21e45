#include "tools/tools.h"

#include <string.h>

#include "base/js.h"
#include "base/limits.h"
#include "base/mem.h"
#include "knowledge/knowledge.h"

/* One search under way. It outlives a cancel until the store answers. */
struct tool_run {
    tool_done_fn *done; /* NULL = cancelled */
    void *ctx;
};

static const char QUERY_DEFINITION[] =
    "{\"type\":\"function\",\"name\":\"query_knowledge_base\",\"description\":\"Looks up facts "
    "about "
    "the business: opening hours, products, prices, shipping, returns, policies, locations and "
    "anything else a caller may ask. Always use it before answering a question of fact; never "
    "guess.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\","
    "\"description\":\"The caller's question, in full.\"}},\"required\":[\"query\"]}}";

static const char TRANSFER_DEFINITION[] =
    "{\"type\":\"function\",\"name\":\"transfer_to_human\",\"description\":\"Connects the caller "
    "to "
    "a person. Use it when the caller asks for a person, is upset, or needs what you cannot "
    "do.\",\"parameters\":{\"type\":\"object\",\"properties\":{\"reason\":{\"type\":\"string\","
    "\"description\":\"Why, in a few words.\"}}}}";

static const char END_DEFINITION[] =
    "{\"type\":\"function\",\"name\":\"end_call\",\"description\":\"Hangs up. Use it only when the "
    "caller is done, after saying goodbye in the same turn.\",\"parameters\":{\"type\":\"object\","
    "\"properties\":{\"reason\":{\"type\":\"string\",\"description\":\"Why, in a few words.\"}}}}";

void tools_write_definitions(struct buf *b, bool can_transfer)
{
    buf_put_byte(b, '[');
    buf_put_str(b, str_of(QUERY_DEFINITION));
    if (can_transfer) {
        buf_put_byte(b, ',');
        buf_put_str(b, str_of(TRANSFER_DEFINITION));
    }
    buf_put_byte(b, ',');
    buf_put_str(b, str_of(END_DEFINITION));
    buf_put_byte(b, ']');
}

static void write_knowledge(struct buf *out, const struct store_req *r)
{
    struct buf text;
    buf_init(&text, TOOL_OUTPUT_BYTES_MAX);
    for (size_t i = 0; i < r->hits_count; i++) {
        const struct passage *p = &r->hits[i].passage;
        buf_printf(&text, "%sResult %zu: ", i ? "\n\n" : "", i + 1);
        buf_put_str(&text, p->title);
        buf_put_byte(&text, '\n');
        buf_put_str(&text, p->content);
    }
    if (r->hits_count == 0)
        buf_put_str(&text, STR("No relevant information found."));
    buf_put_str(out, STR("{\"success\":true,\"knowledge\":"));
    buf_put_json(out, buf_str(&text));
    buf_put_byte(out, '}');
    buf_fini(&text);
}

static void on_found(void *ctx, struct store_req *r)
{
    struct tool_run *run = ctx;
    if (run->done) {
        struct buf out;
        buf_init(&out, 2 * TOOL_OUTPUT_BYTES_MAX);
        bool ok = r->err == OK;
        if (ok)
            write_knowledge(&out, r);
        else
            buf_put_str(&out, STR("{\"success\":false,\"error\":\"The knowledge base cannot be "
                                  "reached.\"}"));
        run->done(run->ctx, ok, buf_str(&out));
        buf_fini(&out);
    }
    store_req_free(r);
    mem_free(run);
}

enum err tool_start(const struct tool_opts *opts, struct str name, struct str arguments,
                    tool_done_fn *done, void *ctx, struct tool_run **out, struct err_detail *detail)
{
    if (!str_eq(name, STR("query_knowledge_base")))
        return err_explain(detail, ERR_NOTFOUND, "There is no tool of that name.");
    json_t *args;
    if (js_parse(arguments, &args, NULL) != OK)
        return err_explain(detail, ERR_INVALID, "The arguments are not valid JSON.");
    struct str query = str_trim(js_get_str(args, "query"));
    enum err err = OK;
    struct tool_run *run = mem_zalloc(sizeof(*run));
    *run = (struct tool_run){.done = done, .ctx = ctx};
    if (query.len == 0)
        err = err_explain(detail, ERR_INVALID, "The argument \"query\" must be a question.");
    else if (opts->knowledge)
        err = knowledge_find(opts->knowledge, str_of(opts->business_id), query, KNOWLEDGE_TOP,
                             on_found, run);
    else
        err = knowledge_search(opts->store, opts->loop, str_of(opts->business_id), query,
                               KNOWLEDGE_TOP, on_found, run);
    json_decref(args);
    if (err != OK) {
        if (query.len)
            (void)err_explain(detail, err, "The knowledge base cannot be reached.");
        mem_free(run);
        return err;
    }
    *out = run;
    return OK;
}

void tool_cancel(struct tool_run *run)
{
    run->done = NULL;
}
