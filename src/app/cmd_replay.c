/* `callee replay`: recorded calls again, through the state machine of this program. */
#include <stdio.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/journal_file.h"
#include "journal/replay.h"

enum { FILES_MAX = 1000, INDENT = 4 };

struct replay_flags {
    bool verify;
};

static const struct flag_row flag_rows[] = {
    {"verify", FLAG_SWITCH, offsetof(struct replay_flags, verify), 0, 0, NULL, NULL,
     "compare every decision with the recorded one"},
};

static const char usage[] =
    "usage: callee replay [--verify] FILE|CALL...\n\n"
    "Feeds a journal's inputs to the call's state machine and prints the conversation as it\n"
    "follows from them. With --verify every effect must be the recorded one: exit 0 when all are\n"
    "equal, 1 at the first that differs. A journal of another behaviour version may differ: then\n"
    "the first difference is shown and the exit is 0.";

static void print_seconds(int64_t ms)
{
    printf("%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void print_lines(const char *title, struct str lines)
{
    printf("  %s:\n%*s", title, INDENT, "");
    journal_file_print(lines.len ? lines : STR("(nothing, or only forwarded audio)"), INDENT);
    putchar('\n');
}

static int print_verdict(const char *path, const struct replay *r)
{
    bool other = r->behaviour != CALL_BEHAVIOUR_VERSION;
    if (other)
        printf("%s: recorded with behaviour %u, this is %d\n", path, r->behaviour,
               CALL_BEHAVIOUR_VERSION);
    if (r->differs) {
        printf("%s: input %llu (%s at ", path, (unsigned long long)r->input_number,
               call_in_name(r->type));
        print_seconds((r->at_us - r->start_us) / 1000);
        printf(" s) has other effects\n");
        if (r->input.len)
            print_lines("input", buf_str(&r->input));
        print_lines("recorded", buf_str(&r->recorded));
        print_lines("computed", buf_str(&r->computed));
        return other ? 0 : 1;
    }
    printf("%s: replayed %llu inputs, %llu effects: equal", path, (unsigned long long)r->inputs,
           (unsigned long long)r->effects);
    if (r->incomplete)
        printf(" as far as the journal goes (%s)", r->why.text);
    putchar('\n');
    return r->incomplete; /* what is missing cannot be vouched for */
}

static void print_conversation(const char *path, const struct replay *r)
{
    static const char *const roles[] = {"?", "caller", "agent", "announcement"};
    struct call_stats s = call_stats(r->call);
    printf("%s: ", path);
    print_seconds(s.duration_ms);
    printf(" s, %u turns, %u interruptions, engine %.*s, ended: ", s.turns, s.interruptions,
           STR_FMT(s.engine));
    journal_file_print(call_ended(r->call) ? s.end_reason : STR("not yet"), 0);
    putchar('\n');
    for (const struct call_item *i = call_items(r->call); i; i = i->next) {
        printf("  ");
        print_seconds(i->start_ms);
        printf("  %-12s ", roles[i->role]);
        journal_file_print(i->text, INDENT);
        if (i->interrupted)
            printf("  [interrupted, heard %lld of %lld ms]", (long long)i->heard_ms,
                   (long long)i->spoken_ms);
        putchar('\n');
    }
    if (r->incomplete)
        printf("  the journal stops here: %s\n", r->why.text);
}

static int replay_file(const char *name, const char *data, bool verify)
{
    char path[JOURNAL_PATH_BYTES];
    struct journal_reader *reader;
    struct err_detail detail = {""};
    if (journal_file_open(&reader, path, name, data, &detail) != OK)
        return command_usage("%s", detail.text);
    struct replay r;
    int code = 0;
    if (replay_run(&r, reader, verify, &detail) != OK)
        code = command_usage("%.200s: %s", path, detail.text);
    else if (verify)
        code = print_verdict(path, &r);
    else
        print_conversation(path, &r);
    replay_fini(&r);
    journal_reader_close(reader);
    return code;
}

int cmd_replay(int argc, char **argv)
{
    struct replay_flags flags = {0};
    const char *files[FILES_MAX];
    size_t count = 0;
    struct app_config config;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &flags,
                               .positionals = files,
                               .positional_max = FILES_MAX,
                               .positional_count = &count};
    int code = config_start(&config, &args);
    if (code >= 0)
        return code;
    code = count ? 0 : command_usage("replay which journal? Give a file or a call's id");
    for (size_t i = 0; i < count; i++) {
        int one = replay_file(files[i], config.data, flags.verify);
        code = one > code ? one : code;
    }
    config_fini(&config);
    return code;
}
