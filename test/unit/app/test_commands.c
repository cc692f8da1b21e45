/* The command line as one meets it: help, version, and one clear line for every mistake. */
#include "harness/test.h"

#include <stdbool.h>

#include "app_capture.h"

static struct capture c;

TEST(help_names_every_command_and_version_its_number)
{
    CAPTURE(&c, "--help");
    CHECK_INT(0, c.code);
    const char *const names[] = {"serve",  "dial",   "provider", "calls",
                                 "replay", "doctor", "journal"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK(strstr(c.out, names[i]) != NULL);
    CHECK(strstr(c.out, "config-docs") == NULL);
    CAPTURE(&c, "--version");
    CHECK_INT(0, c.code);
    CHECK(strcmp(c.out, "callee " CALLEE_VERSION "\n") == 0);
    CAPTURE(&c, "dial", "--help");
    CHECK_INT(0, c.code);
    CHECK(strstr(c.out, "--interrupt-after MS") != NULL);
}

/* Exactly one line, beginning "callee: ". */
static bool one_line(const char *text)
{
    const char *end = strchr(text, '\n');
    return strncmp(text, "callee: ", 8) == 0 && end && end[1] == '\0';
}

TEST(every_mistake_is_one_line_and_exit_code_two)
{
    static const char *const cases[][6] = {
        {"conquer"},
        {"dial", "--sya", "hello"},
        {"dial", "--say"},
        {"dial", "--voice", "bella", "--say", "hello"},
        {"dial", "--say", "..."},
        {"dial", "--wav", "/nonexistent.wav"},
        {"dial", "--wav", "/etc/passwd"},
        {"dial", "--dtmf", "12x"},
        {"dial", "--pause", "long"},
        {"dial", "--interrupt-after", "500"},
        {"dial", "--calls", "2", "--save", "x.wav"},
        {"dial", "--max-seconds", "0"},
        {"dial", "hello"},
        {"provider", "--mode", "loud"},
        {"provider", "--fault", "stall=soon"},
        {"provider", "--script", "/nonexistent"},
        {"provider", "--voice", "bella"},
        {"provider", "--delta-ms", "10"},
        {"calls", "--data", "/nonexistent"},
        {"calls", "--limit", "0"},
        {"doctor", "--number"},
        {"serve", "--listen", "nowhere"},
        {"serve", "--config", "/nonexistent"},
        {"config-docs", "now"},
    };
    CAPTURE(&c, NULL);
    CHECK_INT(EXIT_USAGE, c.code);
    CHECK(one_line(c.err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        capture_run(&c, cases[i]);
        if (c.code != EXIT_USAGE || !one_line(c.err))
            fprintf(stderr, "%s %s: %d \"%s\"\n", cases[i][0], cases[i][1] ? cases[i][1] : "",
                    c.code, c.err);
        CHECK_INT(EXIT_USAGE, c.code);
        CHECK(one_line(c.err));
        CHECK(c.out[0] == '\0');
    }
}

TEST(a_dump_of_the_settings_masks_secrets)
{
    CAPTURE(&c, "doctor", "--dump-config", "--openai-api-key", "sk-not-to-be-seen", "--loops=2");
    CHECK_INT(0, c.code);
    CHECK(strstr(c.out, "loops = 2 # flag\n") != NULL);
    CHECK(strstr(c.out, "# openai_api_key = (set) # flag\n") != NULL);
    CHECK(strstr(c.out, "sk-not") == NULL);
}
