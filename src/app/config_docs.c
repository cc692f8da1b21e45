/* What is said about the settings: --dump-config and docs/config.md, both from the table. */
#include "app/config_table.h"

#include <ctype.h>

static void put_upper(struct buf *out, const char *key)
{
    for (const char *p = key; *p; p++)
        buf_put_byte(out, (unsigned char)toupper((unsigned char)*p));
}

static void put_dashed(struct buf *out, const char *key)
{
    for (const char *p = key; *p; p++)
        buf_put_byte(out, (unsigned char)(*p == '_' ? '-' : *p));
}

void config_dump(const struct app_config *c, struct buf *out)
{
    static const char *const from[] = {"default", "file", "environment", "flag"};
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        bool masked = row->secret && c->text[i][0];
        buf_printf(out, "%s%s = %s # %s\n", masked ? "# " : "", row->key,
                   masked ? "(set)" : c->text[i], from[c->source[i]]);
    }
}

static void put_type(struct buf *out, const struct config_row *row)
{
    switch (row->type) {
    case CONFIG_TEXT:
        buf_put_str(out, row->secret ? STR("secret") : STR("text"));
        break;
    case CONFIG_PATH:
        buf_printf(out, "path");
        break;
    case CONFIG_INT:
        buf_printf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case CONFIG_BOOL:
        buf_printf(out, "true or false");
        break;
    case CONFIG_MS:
        buf_printf(out, "time, %lld to %lld ms", (long long)row->min, (long long)row->max);
        break;
    case CONFIG_USD:
        buf_printf(out, "US dollars");
        break;
    case CONFIG_ADDRESS:
        buf_printf(out, "host:port");
        break;
    case CONFIG_URL:
        buf_printf(out, "URL");
        break;
    case CONFIG_CHOICE:
        for (const char *p = row->choices; *p; p++)
            buf_put_str(out, *p == '|' ? STR(", ") : str_n(p, 1));
        break;
    }
}

static void put_row(struct buf *out, const struct config_row *row)
{
    buf_printf(out, "| `%s` | `--", row->key);
    put_dashed(out, row->key);
    buf_printf(out, "` | `");
    if (row->env) {
        buf_printf(out, "%s", row->env);
    } else {
        buf_printf(out, "CALLEE_");
        put_upper(out, row->key);
    }
    buf_printf(out, "` | ");
    put_type(out, row);
    if (row->initial[0])
        buf_printf(out, " | `%s` | %s |\n", row->initial, row->help);
    else
        buf_printf(out, " | none | %s |\n", row->help);
}

void config_docs(struct buf *out)
{
    buf_printf(
        out, "# Settings\n\n"
             "This page is made by `callee config-docs`; change src/app/config_table.c instead.\n"
             "\n"
             "A value is taken from, weakest first: the default; the file (`--config FILE`, else\n"
             "`callee.conf` in the data folder if there is one); the environment; the flag. The\n"
             "file has one `key = value` a line; `#` begins a comment. Beside the name below\n"
             "every key is also read from `CALLEE_` and its name in capitals, which wins. Times\n"
             "are written `250ms`, `3s`, `2m` or `1h`; a switch is set by its flag alone, or by\n"
             "`--flag=false`. `callee COMMAND --dump-config` prints what is in force, with\n"
             "secrets masked. Anything unknown or out of range is an error at start.\n");
    const char *section = "";
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (strcmp(section, row->section) != 0) {
            section = row->section;
            buf_printf(out,
                       "\n## %s\n\n"
                       "| key | flag | environment | value | default | |\n"
                       "|---|---|---|---|---|---|\n",
                       section);
        }
        put_row(out, row);
    }
}
