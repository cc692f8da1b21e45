/*
 * flags.h - command lines: a command's own flags beside the configuration's keys.
 *
 * `--name VALUE`, `--name=VALUE`, `--switch`. A command says what it takes in a table of rows whose
 * offsets point into its own options struct; whatever is not in the table is looked up among the
 * configuration keys, so that every command knows --data and --config alike.
 *
 *   Memory   text values borrow from argv.
 *   Thread   any; no state.
 */
#ifndef APP_FLAGS_H
#define APP_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum flag_type {
    FLAG_SWITCH, /* bool */
    FLAG_TEXT,   /* const char * */
    FLAG_INT,    /* int64_t in min..max */
    FLAG_MS,     /* int64_t milliseconds in min..max; 250, 250ms, 3s, 2m, 1h */
    FLAG_FN,     /* row->fn, each time it is given, in order */
};

struct flag_row;
typedef enum err flag_fn(void *opts, const struct flag_row *row, const char *value,
                         struct err_detail *why);

struct flag_row {
    const char *name; /* without the dashes */
    enum flag_type type;
    size_t offset; /* into the options struct */
    int64_t min, max;
    flag_fn *fn;
    const char *arg; /* "MS": shown in the help */
    const char *help;
};

/* Decimal digits with an optional unit ms, s, m or h. */
bool flags_parse_ms(struct str text, int64_t *out);
/* Writes a row's value into `opts`. `value` is NULL for a switch. */
enum err flags_set(const struct flag_row *row, void *opts, const char *value,
                   struct err_detail *why) MUST_CHECK;
const struct flag_row *flags_find(const struct flag_row *rows, size_t count, struct str name);
/* One line a row on stdout. */
void flags_print(const struct flag_row *rows, size_t count);

#endif
