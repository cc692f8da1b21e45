#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_name(enum err err)
{
    switch (err) { /* no default: -Wswitch tells us when the enum grows */
    case OK:
        return "ok";
    case ERR_AGAIN:
        return "again";
    case ERR_LIMIT:
        return "limit";
    case ERR_INVALID:
        return "invalid";
    case ERR_NOTFOUND:
        return "notfound";
    case ERR_DENIED:
        return "denied";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CLOSED:
        return "closed";
    case ERR_IO:
        return "io";
    case ERR_UPSTREAM:
        return "upstream";
    }
    return "unknown";
}

enum err err_explain(struct err_detail *detail, enum err err, const char *fmt, ...)
{
    if (detail) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(detail->text, sizeof(detail->text), fmt, args);
        va_end(args);
    }
    return err;
}
