#include "app/retrieval.h"

#include "llm/llm.h"

enum { RETRIES = 2 }; /* as OpenAI's own clients */

static enum err open_embedder(struct retrieval *r, const struct retrieval_opts *opts,
                              struct err_detail *detail)
{
    const struct app_config *c = opts->config;
    enum err e = http_client_open(&r->http, opts->loop, c->ca_file[0] ? c->ca_file : NULL);
    if (e != OK)
        return err_explain(detail, e, "cannot make an HTTP client");
    struct llm_endpoint endpoint = {
        .url = c->embedding_url, .key = c->embedding_key, .model = c->embedding_model};
    struct llm_opts llm = {
        .endpoints = &endpoint, .count = 1, .retries = RETRIES, .pool = opts->pool};
    struct err_detail why = {""};
    e = llm_open(&r->embedder, opts->loop, r->http, &llm, &why);
    return e == OK ? OK : err_explain(detail, e, "embedding_url: %s", why.text);
}

enum err retrieval_open(struct retrieval *r, const struct retrieval_opts *opts,
                        struct err_detail *detail)
{
    *r = (struct retrieval){.http = NULL};
    enum err e = opts->config->embedding_url[0] ? open_embedder(r, opts, detail) : OK;
    if (e != OK) {
        retrieval_close(r);
        return e;
    }
    r->knowledge = knowledge_open(&(struct knowledge_opts){
        .loop = opts->loop,
        .store = opts->store,
        .embedder = r->embedder,
        .deadline_ms = (uint32_t)opts->config->embedding_deadline_ms,
        .fill = opts->fill,
    });
    return OK;
}

void retrieval_close(struct retrieval *r)
{
    knowledge_close(r->knowledge);
    llm_close(r->embedder);
    http_client_close(r->http);
    *r = (struct retrieval){.http = NULL};
}
