/* `callee import`: files and web pages into what a business knows. */
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "base/limits.h"
#include "base/log.h"
#include "knowledge/import.h"

enum { PATH_BYTES = 4352, SOURCES_MAX = 1000, BAR_CELLS = 24 };

struct import_flags {
    const char *business;
    bool allow_private;
    const char *sources[SOURCES_MAX];
};

static const struct flag_row flag_rows[] = {
    {"business", FLAG_TEXT, offsetof(struct import_flags, business), 0, 0, NULL, "ID",
     "whose knowledge it becomes: id or slug"},
    {"allow-private", FLAG_SWITCH, offsetof(struct import_flags, allow_private), 0, 0, NULL, NULL,
     "fetch web pages from addresses that are not on the public internet, too"},
};

static const char usage[] =
    "usage: callee import --business ID FILE|URL... [--data DIR]\n\n"
    "Reads PDF, HTML, DOCX, Markdown, text, CSV (question, answer), JSON lines and web\n"
    "pages. Importing a document again replaces what it brought before.";

/* A bar on a terminal, nothing elsewhere. */
static void show_progress(size_t done, size_t count, const char *source)
{
    if (!isatty(STDERR_FILENO))
        return;
    size_t cells = count ? done * BAR_CELLS / count : BAR_CELLS;
    fprintf(stderr, "\r\033[K[");
    for (size_t i = 0; i < BAR_CELLS; i++)
        fputc(i < cells ? '#' : '.', stderr);
    fprintf(stderr, "] %zu/%zu %.60s", done, count, source);
    fflush(stderr);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

static int import_all(struct store *store, const struct import_flags *f, const struct app_config *c,
                      struct str business_id, size_t count)
{
    size_t failed = 0, passages = 0;
    for (size_t i = 0; i < count; i++) {
        struct import_result result = {0};
        struct err_detail why = {""};
        struct import_opts opts = {.business_id = business_id,
                                   .source = f->sources[i],
                                   .ca_file = c->ca_file[0] ? c->ca_file : NULL,
                                   .allow_private = f->allow_private};
        show_progress(i, count, f->sources[i]);
        enum err e = knowledge_import(store, &opts, &result, &why);
        clear_progress();
        if (e == OK)
            printf("%s: %zu passages\n", result.document, result.passages);
        else
            fprintf(stderr, "callee: %s\n", why.text);
        fflush(stdout);
        failed += e != OK;
        passages += result.passages;
    }
    if (count > 1)
        printf("%zu of %zu documents, %zu passages\n", count - failed, count, passages);
    return failed ? 1 : 0;
}

static int run(const struct import_flags *f, const struct app_config *c, size_t count)
{
    char path[PATH_BYTES];
    struct err_detail why;
    struct store *store;
    snprintf(path, sizeof(path), "%s/callee.db", c->data);
    if (access(path, R_OK | W_OK) != 0)
        return command_usage("there is no database %s; is --data right?", path);
    if (store_open(&store, &(struct store_opts){.path = path}, &why) != OK)
        return command_failed("%s", why.text);
    struct store_req *r = store_req_business_by_id(str_of(f->business));
    enum err e = store_run(store, r);
    int code;
    if (e == ERR_NOTFOUND)
        code = command_usage("there is no business \"%.60s\"", f->business);
    else if (e != OK)
        code = command_failed("%s", r->detail.text);
    else
        code = import_all(store, f, c, r->business.id, count);
    store_req_free(r);
    store_close(store);
    return code;
}

int cmd_import(int argc, char **argv)
{
    struct import_flags f = {0};
    struct app_config c;
    size_t count = 0;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &f,
                               .positionals = f.sources,
                               .positional_max = SOURCES_MAX,
                               .positional_count = &count};
    int code = config_start(&c, &args);
    if (code >= 0)
        return code;
    log_set_level(LOG_LEVEL_ERROR);
    if (!f.business)
        code = command_usage("whose knowledge? --business ID");
    else if (count == 0)
        code = command_usage("which files? callee import --business ID FILE...");
    else
        code = run(&f, &c, count);
    config_fini(&c);
    return code;
}
