/* Values are checked here once, so that commands only ever see what they allow. */
#include "app/flags.h"

#include <inttypes.h>
#include <stdio.h>

bool flags_parse_ms(struct str text, int64_t *out)
{
    static const struct {
        struct str unit;
        uint64_t ms;
    } units[] = {
        {{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}, {{"", 0}, 1}};
    size_t digits = 0;
    while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    uint64_t n;
    if (!str_to_u64(str_slice(text, 0, digits), &n))
        return false;
    struct str unit = str_trim(str_slice(text, digits, text.len));
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq(unit, units[i].unit) && n <= (uint64_t)INT64_MAX / units[i].ms) {
            *out = (int64_t)(n * units[i].ms);
            return true;
        }
    }
    return false;
}

static enum err set_number(const struct flag_row *row, char *field, const char *value,
                           struct err_detail *why)
{
    int64_t n;
    bool good =
        row->type == FLAG_MS ? flags_parse_ms(str_of(value), &n) : str_to_i64(str_of(value), &n);
    if (!good || n < row->min || n > row->max)
        return err_explain(why, ERR_INVALID,
                           "--%s takes a %s from %" PRId64 " to %" PRId64 ", not \"%.60s\"",
                           row->name, row->type == FLAG_MS ? "time in ms" : "whole number",
                           row->min, row->max, value);
    memcpy(field, &n, sizeof(n));
    return OK;
}

enum err flags_set(const struct flag_row *row, void *opts, const char *value,
                   struct err_detail *why)
{
    char *field = (char *)opts + row->offset;
    bool yes = true;
    switch (row->type) {
    case FLAG_SWITCH:
        memcpy(field, &yes, sizeof(yes));
        return OK;
    case FLAG_TEXT:
        memcpy(field, &value, sizeof(value));
        return OK;
    case FLAG_INT:
    case FLAG_MS:
        return set_number(row, field, value, why);
    case FLAG_FN:
        break;
    }
    return row->fn(opts, row, value, why);
}

const struct flag_row *flags_find(const struct flag_row *rows, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(name, str_of(rows[i].name)))
            return &rows[i];
    }
    return NULL;
}

void flags_print(const struct flag_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[48];
        snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].arg ? rows[i].arg : "");
        printf("  %-26s %s\n", left, rows[i].help);
    }
}
