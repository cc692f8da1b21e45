/* `callee search`: what an agent would find for a question. */
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/retrieval.h"
#include "base/limits.h"
#include "base/log.h"
#include "knowledge/knowledge.h"
#include "net/loop.h"
#include "net/worker.h"

enum { PATH_BYTES = 4352 };

struct search_flags {
    const char *business;
    const char *question;
    int64_t limit;
};

static const struct flag_row flag_rows[] = {
    {"business", FLAG_TEXT, offsetof(struct search_flags, business), 0, 0, NULL, "ID",
     "whose knowledge: id or slug"},
    {"limit", FLAG_INT, offsetof(struct search_flags, limit), 1, STORE_SEARCH_RESULTS_MAX, NULL,
     "N", "so many passages (3, as the agent gets)"},
};

static const char usage[] =
    "usage: callee search --business ID QUESTION [--limit N] [--data DIR]\n\n"
    "Shows the passages an agent of the business would find, best first. With the server's\n"
    "embedding settings it finds them by meaning, too.";

static void print_hits(const struct store_req *r)
{
    for (size_t i = 0; i < r->hits_count; i++) {
        const struct passage_hit *h = &r->hits[i];
        printf("%zu. %.*s\n   score %.2f, %u of %u words, from %.*s%s%.*s\n   %.*s\n", i + 1,
               STR_FMT(h->passage.title), h->score, h->matched, h->expected,
               STR_FMT(h->passage.document_id), h->passage.metadata.len ? " " : "",
               STR_FMT(h->passage.metadata), STR_FMT(h->passage.content));
    }
    if (r->hits_count == 0)
        printf("nothing found\n");
}

/* One search on a loop of its own, as an agent's. */
struct asking {
    const struct app_config *config;
    const struct search_flags *flags;
    struct store *store;
    struct worker_pool *pool;
    struct loop *loop;
    struct retrieval retrieval;
    struct store_req *business, *found;
    enum err err;
};

static void on_found(void *ctx, struct store_req *r)
{
    struct asking *a = ctx;
    a->found = r;
    loop_stop(a->loop);
}

static void start(void *ctx)
{
    struct asking *a = ctx;
    a->err = knowledge_find(a->retrieval.knowledge, a->business->business.id,
                            str_of(a->flags->question), (size_t)a->flags->limit, on_found, a);
    if (a->err != OK)
        loop_stop(a->loop);
}

static int search(struct asking *a)
{
    struct err_detail why = {"the search failed"};
    struct retrieval_opts opts = {
        .config = a->config, .loop = a->loop, .store = a->store, .pool = a->pool};
    if (retrieval_open(&a->retrieval, &opts, &why) == OK) {
        loop_defer(a->loop, start, a);
        loop_run(a->loop);
    }
    retrieval_close(&a->retrieval);
    if (a->found && a->found->err == OK)
        print_hits(a->found);
    else
        return command_failed("%s", a->found ? a->found->detail.text : why.text);
    return 0;
}

static int run(struct asking *a)
{
    a->business = store_req_business_by_id(str_of(a->flags->business));
    enum err e = store_run(a->store, a->business);
    int code;
    if (e == ERR_NOTFOUND)
        code = command_usage("there is no business \"%.60s\"", a->flags->business);
    else if (e != OK)
        code = command_failed("%s", a->business->detail.text);
    else
        code = search(a);
    store_req_free(a->found);
    store_req_free(a->business);
    return code;
}

static int open_and_run(const struct app_config *c, const struct search_flags *f, const char *path)
{
    struct asking a = {.config = c, .flags = f};
    struct err_detail why = {"out of threads"};
    int code;
    if (loop_open(&a.loop, 0) != OK)
        return command_failed("%s", why.text);
    if (worker_pool_open(&a.pool, "back", 2, WORKER_BACK_QUEUE_MAX) != OK ||
        store_open(&a.store, &(struct store_opts){.path = path, .pool = a.pool}, &why) != OK)
        code = command_failed("%s", why.text);
    else
        code = run(&a);
    worker_pool_close(a.pool);
    store_close(a.store);
    loop_close(a.loop);
    return code;
}

int cmd_search(int argc, char **argv)
{
    struct search_flags f = {.limit = KNOWLEDGE_TOP};
    struct app_config c;
    size_t loose = 0;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &f,
                               .positionals = &f.question,
                               .positional_max = 1,
                               .positional_count = &loose};
    int code = config_start(&c, &args);
    if (code >= 0)
        return code;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/callee.db", c.data);
    log_set_level(LOG_LEVEL_ERROR);
    if (!f.business || !f.question) {
        code = command_usage("what, and in whose knowledge? callee search --business ID QUESTION");
    } else if (access(path, R_OK) != 0) {
        code = command_usage("there is no database %s; is --data right?", path);
    } else {
        code = open_and_run(&c, &f, path);
    }
    config_fini(&c);
    return code;
}
