/* Settings: their order of strength, every kind of refusal, and a documentation that is true. */
#include "harness/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/config.h"
#include "base/limits.h"

struct opts {
    bool json;
    const char *name;
    int64_t count;
    int64_t wait_ms;
    char order[16];
};

static enum err add_order(void *ctx, const struct flag_row *row, const char *value,
                          struct err_detail *why)
{
    (void)why;
    struct opts *o = ctx;
    size_t n = strlen(o->order);
    o->order[n] = row->name[0];
    o->order[n + 1] = value[0];
    return OK;
}

static const struct flag_row rows[] = {
    {"json", FLAG_SWITCH, offsetof(struct opts, json), 0, 0, NULL, NULL, ""},
    {"name", FLAG_TEXT, offsetof(struct opts, name), 0, 0, NULL, "NAME", ""},
    {"count", FLAG_INT, offsetof(struct opts, count), 1, 9, NULL, "N", ""},
    {"wait", FLAG_MS, offsetof(struct opts, wait_ms), 0, 60000, NULL, "MS", ""},
    {"say", FLAG_FN, 0, 0, 0, add_order, "TEXT", ""},
    {"pause", FLAG_FN, 0, 0, 0, add_order, "MS", ""},
};

static const char *env_none(const char *name)
{
    (void)name;
    return NULL;
}

static const char *env_some(const char *name)
{
    if (strcmp(name, "CALLEE_LOOPS") == 0)
        return "3";
    if (strcmp(name, "OPENAI_API_KEY") == 0)
        return "sk-plain";
    if (strcmp(name, "CALLEE_VOICE") == 0)
        return ""; /* a launcher's way to say "not set" */
    return NULL;
}

static const char *env_both(const char *name)
{
    if (strcmp(name, "CALLEE_OPENAI_API_KEY") == 0)
        return "sk-prefixed";
    return env_some(name);
}

static char why_text[256];

static enum err load(struct app_config *c, struct opts *o, const char *(*env)(const char *),
                     const char *const *argv)
{
    static const char *loose[2];
    static size_t loose_count;
    char *args[16] = {NULL};
    int argc = 0;
    for (; argv[argc]; argc++)
        args[argc] = strdup(argv[argc]);
    memset(o, 0, sizeof(*o));
    struct config_args a = {.argc = argc,
                            .argv = args,
                            .flags = rows,
                            .flag_count = sizeof(rows) / sizeof(rows[0]),
                            .opts = o,
                            .positionals = loose,
                            .positional_max = 1,
                            .positional_count = &loose_count,
                            .env = env};
    struct err_detail why = {""};
    enum err err = config_load(c, &a, &why);
    memcpy(why_text, why.text, sizeof(why_text));
    /* Only texts of the options borrow from argv, and the tests below look at them at once. */
    static char kept[64];
    if (o->name) {
        snprintf(kept, sizeof(kept), "%s", o->name);
        o->name = kept;
    }
    for (int i = 0; i < argc; i++)
        free(args[i]);
    return err;
}

#define ARGV(...) ((const char *const[]){"test", __VA_ARGS__, NULL})

static const char *write_file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/callee-config-XXXXXX");
    int fd = mkstemp(path);
    if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
        close(fd);
    return path;
}

TEST(defaults_are_valid_and_typed)
{
    struct app_config c;
    struct opts o;
    CHECK_INT(OK, load(&c, &o, env_none, ARGV("--data", "/nonexistent")));
    CHECK(strcmp(c.listen_host, "127.0.0.1") == 0);
    CHECK_INT(8080, c.listen_port);
    CHECK_INT(1, c.loops);
    CHECK_INT(32000000, c.price_audio_in);
    CHECK_INT(400000, c.price_cached_text_in);
    CHECK_INT(500, c.vad_silence_ms);
    CHECK(strcmp(c.provider_model, "gpt-realtime") == 0);
    CHECK(!c.demo);
    config_fini(&c);
}

TEST(flags_beat_the_environment_beats_the_file)
{
    struct app_config c;
    struct opts o;
    const char *path = write_file("# ours\nloops = 2\nvoice = ash # quiet\n\nsilence=20s\n");
    CHECK_INT(OK, load(&c, &o, env_some, ARGV("--config", path)));
    CHECK_INT(3, c.loops);
    CHECK(strcmp(c.voice, "ash") == 0);
    CHECK_INT(20000, c.silence_ms);
    CHECK(strcmp(c.openai_api_key, "sk-plain") == 0);
    config_fini(&c);
    CHECK_INT(OK, load(&c, &o, env_both, ARGV("--config", path, "--loops=4", "--demo")));
    CHECK_INT(4, c.loops);
    CHECK(c.demo);
    CHECK(strcmp(c.openai_api_key, "sk-prefixed") == 0);
    config_fini(&c);
    unlink(path);
}

TEST(a_file_in_the_data_folder_is_found_and_may_be_absent)
{
    char dir[] = "/tmp/callee-data-XXXXXX", path[64];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/callee.conf", dir);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("max_calls = 7\n", f);
    fclose(f);
    struct app_config c;
    struct opts o;
    CHECK_INT(OK, load(&c, &o, env_none, ARGV("--data", dir)));
    CHECK_INT(7, c.max_calls);
    config_fini(&c);
    unlink(path);
    rmdir(dir);
}

TEST(own_flags_keep_their_order_and_bounds)
{
    struct app_config c;
    struct opts o;
    CHECK_INT(OK, load(&c, &o, env_none,
                       ARGV("--say", "a", "--pause", "5", "--json", "--say=b", "--count", "9",
                            "--wait=3s", "--name", "x=y", "loose")));
    CHECK(o.json);
    CHECK_INT(9, o.count);
    CHECK_INT(3000, o.wait_ms);
    CHECK(strcmp(o.name, "x=y") == 0);
    CHECK(strcmp(o.order, "sap5sb") == 0);
    config_fini(&c);
}

TEST(every_mistake_gets_a_sentence)
{
    static const struct {
        const char *argv[5];
        const char *expect;
    } cases[] = {
        {{"--nonsense"}, "there is no flag --nonsense"},
        {{"--max_calls", "3"}, "there is no flag --max_calls"},
        {{"-x"}, "there is no flag -x"},
        {{"--loops"}, "--loops needs a value"},
        {{"--loops", "0"}, "loops takes a whole number from 1 to 64, not \"0\""},
        {{"--loops", "1.5"}, "loops takes a whole number"},
        {{"--listen", "8080"}, "listen takes HOST:PORT"},
        {{"--listen", "::1:8080"}, "listen takes HOST:PORT"},
        {{"--listen", "a:70000"}, "listen takes HOST:PORT"},
        {{"--log-level", "loud"}, "log_level takes debug|info|warn|error|off"},
        {{"--demo=perhaps"}, "demo takes true or false"},
        {{"--silence", "soon"}, "silence takes a time in ms"},
        {{"--price-text-in", "4,0"}, "price_text_in takes an amount"},
        {{"--price-text-in", "0.1234567"}, "price_text_in takes an amount"},
        {{"--provider-url", "ftp://x"}, "provider_url: "},
        {{"--voice", "cedar\nloops = 9"}, "the value of voice has a control character"},
        {{"--public-url", "https://a.example/path"}, "public_url is an address"},
        {{"--tls-cert", "x.pem"}, "tls_cert and tls_key go together"},
        {{"--insecure-streams", "--listen", "0.0.0.0:80"}, "insecure_streams is for"},
        {{"--insecure-streams", "--public-url=https://a.example"}, "insecure_streams is for"},
        {{"--config", "/nonexistent/callee.conf"}, "cannot read /nonexistent/callee.conf"},
        {{"--config", "/tmp"}, "cannot read /tmp"},
        {{"one", "two"}, "test does not take \"two\""},
        {{"--json=1"}, "--json takes no value"},
        {{"--count", "10"}, "--count takes a whole number from 1 to 9"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[8] = {"test"};
        for (size_t k = 0; k < 5 && cases[i].argv[k]; k++)
            argv[k + 1] = cases[i].argv[k];
        struct app_config c;
        struct opts o;
        enum err err = load(&c, &o, env_none, argv);
        config_fini(&c);
        if (err != ERR_INVALID || !strstr(why_text, cases[i].expect))
            fprintf(stderr, "case %zu: \"%s\"\n", i, why_text);
        CHECK_INT(ERR_INVALID, err);
        CHECK(strstr(why_text, cases[i].expect) != NULL);
    }
}

TEST(a_bad_file_names_its_line)
{
    static const char *const files[][2] = {
        {"loops = 2\nlopps = 3\n", "line 2: there is no setting \"lopps\""},
        {"[server]\n", "line 1: expected key = value"},
        {"\n\nloops = many\n", "line 3: loops takes a whole number"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *path = write_file(files[i][0]);
        struct app_config c;
        struct opts o;
        CHECK_INT(ERR_INVALID, load(&c, &o, env_none, ARGV("--config", path)));
        CHECK(strstr(why_text, files[i][1]) != NULL);
        config_fini(&c);
        unlink(path);
    }
}

TEST(a_dump_reads_back_and_shows_no_secret)
{
    struct app_config c, again;
    struct opts o;
    CHECK_INT(OK, load(&c, &o, env_some, ARGV("--max-cost", "1.50", "--listen", "[::1]:0")));
    struct buf b;
    buf_init(&b, CONFIG_FILE_BYTES_MAX);
    config_dump(&c, &b);
    CHECK(strstr(buf_cstr(&b), "sk-plain") == NULL);
    CHECK(strstr(buf_cstr(&b), "# openai_api_key = (set) # environment") != NULL);
    const char *path = write_file(buf_cstr(&b));
    CHECK_INT(OK, load(&again, &o, env_none, ARGV("--config", path)));
    CHECK_INT(1500000, again.max_cost_microusd);
    CHECK_INT(3, again.loops);
    CHECK(strcmp(again.listen_host, "::1") == 0);
    CHECK(again.openai_api_key[0] == '\0');
    buf_fini(&b);
    config_fini(&c);
    config_fini(&again);
    unlink(path);
}

TEST(the_documentation_is_up_to_date)
{
    struct buf want, have;
    buf_init(&want, CONFIG_FILE_BYTES_MAX);
    buf_init(&have, CONFIG_FILE_BYTES_MAX);
    config_docs(&want);
    FILE *f = fopen(TEST_SOURCE_DIR "/docs/config.md", "r");
    CHECK(f != NULL);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        buf_put(&have, piece, n);
    fclose(f);
    /* When this fails: build/<preset>/callee config-docs > docs/config.md */
    CHECK(str_eq(buf_str(&want), buf_str(&have)));
    buf_fini(&want);
    buf_fini(&have);
}
