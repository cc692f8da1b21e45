/*
 * retrieval.h - what a business knows, as a loop asks it: by words, and by meaning where settings
 * name an embedding model.
 *
 *   Lifetime  closed when nobody searches any more, before the loop and the store.
 *   Thread    the loop's.
 */
#ifndef APP_RETRIEVAL_H
#define APP_RETRIEVAL_H

#include "app/config.h"
#include "knowledge/knowledge.h"
#include "net/http_client.h"
#include "net/worker.h"

struct retrieval {
    struct http_client *http;
    struct llm *embedder;
    struct knowledge *knowledge;
};

struct retrieval_opts {
    const struct app_config *config;
    struct loop *loop;
    struct store *store;
    struct worker_pool *pool; /* where large answers of the model are read */
    bool fill;                /* see struct knowledge_opts */
};

/* Closes what it opened when it fails. */
enum err retrieval_open(struct retrieval *r, const struct retrieval_opts *opts,
                        struct err_detail *detail) MUST_CHECK;
/* May be called again, and for one that is all zero. */
void retrieval_close(struct retrieval *r);

#endif
