/* LAYER: app - the settings file and flags: what is accepted is dumped and read back the same */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/config.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGS_MAX = 8, DUMP_BYTES_MAX = 1 << 20 };

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static void write_file(int fd, const void *p, size_t len)
{
    ASSERT(ftruncate(fd, 0) == 0);
    ASSERT(pwrite(fd, p, len, 0) == (ssize_t)len);
}

/* Secrets are masked in a dump, and a " #" from a flag would be a comment in a file. */
static bool reads_back(const struct app_config *c)
{
    for (size_t i = 0; i < CONFIG_KEYS_MAX; i++)
        if (c->text[i] && (c->text[i][0] == '#' || strstr(c->text[i], " #")))
            return false;
    return !c->openai_api_key[0] && !c->twilio_auth_token[0];
}

static void dump_again(const struct app_config *c, char *path, int fd)
{
    char command[] = "serve", flag[] = "--config";
    char *argv[] = {command, flag, path};
    struct config_args args = {.argc = 3, .argv = argv, .usage = "", .env = no_env};
    struct app_config again;
    struct err_detail why;
    struct buf a, b;
    buf_init(&a, DUMP_BYTES_MAX);
    buf_init(&b, DUMP_BYTES_MAX);
    config_dump(c, &a);
    write_file(fd, a.p, a.len);
    ASSERT(config_load(&again, &args, &why) == OK);
    ASSERT(again.max_calls == c->max_calls && again.listen_port == c->listen_port);
    ASSERT(strcmp(again.data, c->data) == 0 && strcmp(again.public_url, c->public_url) == 0);
    config_fini(&again);
    buf_fini(&a);
    buf_fini(&b);
}

/* Up to the first NUL the file; what follows are flags, each ended by a NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[32];
    if (fd < 0) {
        fd = memfd_create("settings", 0);
        ASSERT(fd >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    struct str rest = str_n((const char *)data, size);
    struct str file = str_take_until(&rest, '\0');
    write_file(fd, file.p, file.len);
    char *argv[ARGS_MAX] = {mem_strdup("serve"), mem_strdup("--config"), mem_strdup(path)};
    int argc = 3;
    while (rest.p && argc < ARGS_MAX) {
        struct str arg = str_take_until(&rest, '\0');
        argv[argc++] = mem_strndup(arg.p, arg.len);
    }
    const char *loose[2];
    size_t loose_count = 0;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = "",
                               .positionals = loose,
                               .positional_max = 2,
                               .positional_count = &loose_count,
                               .env = no_env};
    struct app_config c;
    struct err_detail why;
    if (config_load(&c, &args, &why) == OK) {
        ASSERT(c.listen_port >= 0 && c.listen_port <= 65535 && loose_count <= 2);
        if (reads_back(&c))
            dump_again(&c, path, fd);
    }
    config_fini(&c);
    for (int i = 0; i < argc; i++)
        mem_free(argv[i]);
    return 0;
}
