/*
 * commands.h - what `callee` can do: one row a command.
 *
 * A command is given its own name and flags (argv[0] is the command) and returns the exit code:
 * 0 done, 1 it ran and failed, 2 it was asked for wrongly (bad flag, file or configuration), in
 * which case it has written one line to stderr.
 *
 *   Thread   the main thread.
 */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

enum { EXIT_USAGE = 2 };

typedef int command_fn(int argc, char **argv);

/* Picks the command; `--help` and `--version` are answered here. */
int commands_main(int argc, char **argv);

int cmd_serve(int argc, char **argv);
int cmd_dial(int argc, char **argv);
int cmd_provider(int argc, char **argv);
int cmd_calls(int argc, char **argv);
int cmd_summary(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_journal(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_call(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_config_docs(int argc, char **argv); /* prints docs/config.md */

/* "callee: <sentence>" on stderr; returns EXIT_USAGE. */
int command_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for a command that ran and failed; returns 1. */
int command_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
