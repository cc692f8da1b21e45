/* `callee search`: what an agent would find for a question. */
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "base/limits.h"
#include "base/log.h"
#include "knowledge/knowledge.h"

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
    "Shows the passages an agent of the business would find, best first.";

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

static int run(struct store *store, const struct search_flags *f)
{
    struct store_req *business = store_req_business_by_id(str_of(f->business)), *found = NULL;
    enum err e = store_run(store, business);
    int code = 0;
    if (e == ERR_NOTFOUND)
        code = command_usage("there is no business \"%.60s\"", f->business);
    else if (e != OK)
        code = command_failed("%s", business->detail.text);
    else if (knowledge_search_run(store, business->business.id, str_of(f->question),
                                  (size_t)f->limit, &found) != OK)
        code = command_failed("the search failed");
    else
        print_hits(found);
    store_req_free(found);
    store_req_free(business);
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
    struct err_detail why;
    struct store *store;
    snprintf(path, sizeof(path), "%s/callee.db", c.data);
    log_set_level(LOG_LEVEL_ERROR);
    if (!f.business || !f.question) {
        code = command_usage("what, and in whose knowledge? callee search --business ID QUESTION");
    } else if (access(path, R_OK) != 0) {
        code = command_usage("there is no database %s; is --data right?", path);
    } else if (store_open(&store, &(struct store_opts){.path = path}, &why) != OK) {
        code = command_failed("%s", why.text);
    } else {
        code = run(store, &f);
        store_close(store);
    }
    config_fini(&c);
    return code;
}
