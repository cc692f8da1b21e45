/*
 * config_table.h - the rows behind config.h; private to config*.c.
 *
 *   Thread   any; constant data.
 */
#ifndef APP_CONFIG_TABLE_H
#define APP_CONFIG_TABLE_H

#include "app/config.h"

enum config_type {
    CONFIG_TEXT,
    CONFIG_PATH,
    CONFIG_INT,     /* int64_t */
    CONFIG_BOOL,    /* bool */
    CONFIG_MS,      /* int64_t; "250", "250ms", "3s", "2m", "1h" */
    CONFIG_USD,     /* int64_t micro-dollars; "4", "0.40" */
    CONFIG_ADDRESS, /* host:port */
    CONFIG_URL,     /* http, https, ws or wss */
    CONFIG_CHOICE,  /* one of `choices`, separated by '|' */
};

struct config_row {
    const char *section; /* heading in the documentation */
    const char *key;
    const char *env; /* beside CALLEE_<KEY>; NULL = that alone */
    enum config_type type;
    size_t offset;
    int64_t min, max;
    const char *choices;
    const char *initial; /* the default, as one would write it */
    bool secret;
    const char *help;
};

extern const struct config_row config_rows[];
extern const size_t config_row_count;

#endif
