/* `callee config-docs`: the documentation of the settings, from their table. */
#include <stdio.h>

#include "app/commands.h"
#include "app/config.h"
#include "base/limits.h"

int cmd_config_docs(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return command_usage("config-docs takes no arguments");
    struct buf b;
    buf_init(&b, CONFIG_FILE_BYTES_MAX);
    config_docs(&b);
    fwrite(b.p, 1, b.len, stdout);
    buf_fini(&b);
    return 0;
}
