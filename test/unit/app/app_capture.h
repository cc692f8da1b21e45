/*
 * app_capture.h - runs a command in this process and keeps what it printed.
 *
 * Include it once per test program, after harness/test.h.
 */
#ifndef APP_CAPTURE_H
#define APP_CAPTURE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"

enum { CAPTURE_ARGS_MAX = 24, CAPTURE_BYTES = 65536 };

struct capture {
    int code;
    char out[CAPTURE_BYTES];
    char err[CAPTURE_BYTES];
};

static inline void capture_read(FILE *f, char *text)
{
    rewind(f);
    text[fread(text, 1, CAPTURE_BYTES - 1, f)] = '\0';
    fclose(f);
}

/* `argv` without the program's name, NULL-terminated. */
static inline void capture_run(struct capture *c, const char *const *argv)
{
    char *args[CAPTURE_ARGS_MAX + 2] = {strdup("callee")};
    int argc = 1;
    for (; *argv && argc <= CAPTURE_ARGS_MAX; argv++)
        args[argc++] = strdup(*argv);
    FILE *out = tmpfile(), *err = tmpfile();
    fflush(NULL);
    int out_fd = dup(1), err_fd = dup(2);
    dup2(fileno(out), 1);
    dup2(fileno(err), 2);
    c->code = commands_main(argc, args);
    fflush(NULL);
    dup2(out_fd, 1);
    dup2(err_fd, 2);
    close(out_fd);
    close(err_fd);
    capture_read(out, c->out);
    capture_read(err, c->err);
    for (int i = 0; i < argc; i++)
        free(args[i]);
}

#define CAPTURE(c, ...) capture_run(c, (const char *const[]){__VA_ARGS__, NULL})

#endif
