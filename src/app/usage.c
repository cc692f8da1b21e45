/* The two ways a command ends badly, apart from the table of commands so that whoever uses the
 * settings does not link every command. */
#include <stdarg.h>
#include <stdio.h>

#include "app/commands.h"

static void complain(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));

static void complain(const char *fmt, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof(line), fmt, args);
    fprintf(stderr, "callee: %s\n", line);
}

int command_usage(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    complain(fmt, args);
    va_end(args);
    return EXIT_USAGE;
}

int command_failed(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    complain(fmt, args);
    va_end(args);
    return 1;
}
