/* The table of commands and the words for getting one wrong. */
#include "app/commands.h"

#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    const char *summary; /* NULL: not shown */
    command_fn *fn;
};

static const struct command commands[] = {
    {"serve", "answer calls", cmd_serve},
    {"dial", "place a simulated phone call, as Twilio would", cmd_dial},
    {"provider", "a scripted Realtime provider for tests and benches", cmd_provider},
    {"import", "files and web pages into what a business knows", cmd_import},
    {"search", "what an agent would find for a question", cmd_search},
    {"journal", "print a call's journal; export its recording and transcript", cmd_journal},
    {"replay", "recorded calls again; --verify compares every decision", cmd_replay},
    {"calls", "list the latest calls, or show one", cmd_calls},
    {"summary", "what a call was about, by a model or by rules", cmd_summary},
    {"call", "ask Twilio to place, hang up or transfer a call", cmd_call},
    {"backup", "copy the data folder, also while the server runs", cmd_backup},
    {"restore", "make a data folder of a backup, or check one", cmd_restore},
    {"doctor", "check settings, provider, carrier and this machine", cmd_doctor},
    {"config-docs", NULL, cmd_config_docs},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int help(void)
{
    printf("callee " CALLEE_VERSION " - a voice agent that answers the phone\n\n"
           "usage: callee COMMAND [--flag VALUE]...\n\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].summary)
            printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    printf("\ncallee COMMAND --help says more. Settings: docs/config.md.\n");
    return 0;
}

int commands_main(int argc, char **argv)
{
    if (argc < 2)
        return command_usage("which command? Try callee --help");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help();
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("callee " CALLEE_VERSION "\n");
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].fn(argc - 1, argv + 1);
    }
    return command_usage("there is no command \"%.60s\"; try callee --help", name);
}
