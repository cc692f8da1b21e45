#include "base/assert.h"
#include "base/js.h"
#include "base/mem.h"
#include "llm/llm_private.h"
#include "net/url.h"

/* Nothing but visible ASCII: fit for a header, a form and JSON. */
static bool visible(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static enum err place_init(struct llm_place *p, const struct llm_endpoint *e,
                           struct err_detail *why)
{
    struct url url;
    struct str text = str_of(e->url);
    enum err err = url_parse(text, &url, why);
    if (err != OK)
        return err;
    if (url.websocket)
        return err_explain(why, ERR_INVALID, "a hosted service has an http or https address");
    if (str_find(url.target, STR("?"), 0) != SIZE_MAX)
        return err_explain(why, ERR_INVALID, "a hosted service's address ends before any '?'");
    if (!e->model[0] || strlen(e->model) > LLM_MODEL_BYTES_MAX || !visible(e->model))
        return err_explain(why, ERR_INVALID, "a hosted service needs the name of a model");
    if (!visible(e->key))
        return err_explain(why, ERR_INVALID, "the key holds what no header can carry");
    if (strlen(e->key) > LLM_KEY_BYTES_MAX || text.len > LLM_URL_BYTES_MAX)
        return err_explain(why, ERR_INVALID, "the address or the key is too long");
    while (text.len && text.p[text.len - 1] == '/')
        text.len--;
    p->url = mem_strndup(text.p, text.len);
    p->key = mem_strdup(e->key);
    p->model = mem_strdup(e->model);
    p->prices = e->prices;
    (void)str_copy(p->host, sizeof(p->host), url.host);
    return OK;
}

enum err llm_open(struct llm **out, struct loop *l, struct http_client *http,
                  const struct llm_opts *opts, struct err_detail *why)
{
    loop_assert_thread(l);
    if (opts->count == 0 || opts->count > LLM_ENDPOINTS_MAX)
        return err_explain(why, ERR_INVALID, "a hosted service has 1 to %d addresses",
                           LLM_ENDPOINTS_MAX);
    struct llm *s = mem_zalloc(sizeof(*s));
    s->loop = l;
    s->http = http;
    s->pool = opts->pool;
    s->retries = opts->retries;
    for (size_t i = 0; i < opts->count; i++) {
        enum err err = place_init(&s->places[i], &opts->endpoints[i], why);
        if (err != OK) {
            llm_close(s);
            return err;
        }
        s->count++;
    }
    *out = s;
    return OK;
}

void llm_close(struct llm *s)
{
    if (!s)
        return;
    ASSERT(s->running == 0);
    for (size_t i = 0; i < s->count; i++) {
        struct llm_place *p = &s->places[i];
        explicit_bzero(p->key, strlen(p->key));
        mem_free(p->url);
        mem_free(p->key);
        mem_free(p->model);
    }
    mem_free(s);
}

const char *llm_model(const struct llm *s)
{
    return s->places[0].model;
}

int64_t llm_tokens(const json_t *usage, const char *key)
{
    int64_t n = js_get_int(usage, key, 0);
    return n < 0 ? 0 : n > LLM_TOKENS_MAX ? LLM_TOKENS_MAX : n;
}

int64_t llm_cost_nanousd(const struct llm_prices *prices, const struct llm_usage *u)
{
    /* Micro-dollars per million tokens: a token costs that many millionths of a micro-dollar. */
    int64_t cost = ((u->input_tokens - u->cached_tokens) * prices->input +
                    u->cached_tokens * prices->cached_input + u->output_tokens * prices->output) /
                   1000;
    return cost + u->audio_ms * prices->minute / 60 + u->characters * prices->characters / 1000;
}
