/*
 * A value goes through one door (set_value) whatever it comes from, so that a file, the environment
 * and a flag are refused for the same reasons in the same words.
 */
#include "app/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config_table.h"
#include "base/limits.h"
#include "net/url.h"

static bool parse_bool(struct str text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq_nocase(text, str_of(words[i]))) {
            *out = i % 2 != 0;
            return true;
        }
    }
    return false;
}

/* "0.40" becomes 400000; at most six decimals. */
static bool parse_usd(struct str text, int64_t *out)
{
    struct str rest = text;
    struct str whole = str_take_until(&rest, '.');
    uint64_t n, fraction = 0;
    if (!str_to_u64(whole, &n) || n > INT64_MAX / 2000000 || (rest.p && rest.len == 0) ||
        rest.len > 6)
        return false;
    if (rest.p && !str_to_u64(rest, &fraction))
        return false;
    for (size_t i = rest.len; i < 6; i++)
        fraction *= 10;
    *out = (int64_t)(n * 1000000 + fraction);
    return true;
}

bool config_prices(struct str text, struct call_prices *out)
{
    struct call_prices p;
    int64_t *const in_order[] = {&p.text_in,         &p.cached_text_in, &p.audio_in,
                                 &p.cached_audio_in, &p.text_out,       &p.audio_out,
                                 &p.transcription_in};
    for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++)
        if (!text.p || !parse_usd(str_trim(str_take_until(&text, ',')), in_order[i]))
            return false;
    if (text.p)
        return false;
    *out = p;
    return true;
}

static bool parse_address(struct app_config *c, struct str text)
{
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == ':')
            colon = i;
    }
    uint64_t port;
    if (colon == SIZE_MAX || colon == 0 ||
        !str_to_u64(str_slice(text, colon + 1, text.len), &port) || port > 65535)
        return false;
    struct str host = str_slice(text, 0, colon);
    if (host.p[0] == '[' && host.p[host.len - 1] == ']')
        host = str_slice(host, 1, host.len - 1);
    else if (str_find(host, STR(":"), 0) != SIZE_MAX)
        return false; /* an IPv6 address without brackets: which colon is the port's? */
    c->listen_host = arena_strndup(&c->mem, host.p, host.len);
    c->listen_port = (int64_t)port;
    return true;
}

static bool choice_ok(const char *choices, struct str text)
{
    struct str rest = str_of(choices);
    while (rest.p) {
        if (str_eq(str_take_until(&rest, '|'), text))
            return true;
    }
    return false;
}

static enum err refuse(const struct config_row *row, struct str text, const char *wants,
                       struct err_detail *why)
{
    if (row->secret)
        return err_explain(why, ERR_INVALID, "%s takes %s", row->key, wants);
    return err_explain(why, ERR_INVALID, "%s takes %s, not \"%.*s\"", row->key, wants,
                       (int)(text.len < 60 ? text.len : 60), text.p);
}

static enum err set_number(const struct config_row *row, char *field, struct str text,
                           struct err_detail *why)
{
    int64_t n = 0;
    bool good = false;
    char wants[96];
    snprintf(wants, sizeof(wants), "%s from %" PRId64 " to %" PRId64,
             row->type == CONFIG_MS ? "a time in ms" : "a whole number", row->min, row->max);
    if (row->type == CONFIG_MS) {
        good = flags_parse_ms(text, &n);
    } else if (row->type == CONFIG_INT) {
        good = str_to_i64(text, &n);
    } else {
        good = parse_usd(text, &n);
        snprintf(wants, sizeof(wants), "an amount in US dollars such as 0.40");
    }
    if (!good || n < row->min || n > row->max)
        return refuse(row, text, wants, why);
    memcpy(field, &n, sizeof(n));
    return OK;
}

static enum err check_text(struct app_config *c, const struct config_row *row, struct str text,
                           struct err_detail *why)
{
    struct url url;
    struct err_detail detail;
    if (row->type == CONFIG_ADDRESS && !parse_address(c, text))
        return refuse(row, text, "HOST:PORT", why);
    if (row->type == CONFIG_CHOICE && !choice_ok(row->choices, text))
        return refuse(row, text, row->choices, why);
    if (row->type == CONFIG_URL && text.len > 0 && url_parse(text, &url, &detail) != OK)
        return err_explain(why, ERR_INVALID, "%s: %s", row->key, detail.text);
    return OK;
}

static enum err set_value(struct app_config *c, const struct config_row *row, struct str text,
                          enum config_source source, struct err_detail *why)
{
    if (text.len > CONFIG_VALUE_BYTES_MAX)
        return err_explain(why, ERR_INVALID, "the value of %s is too long", row->key);
    text = str_trim(text);
    for (size_t i = 0; i < text.len; i++) /* a value is one line: a dump of it is a file again */
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return err_explain(why, ERR_INVALID, "the value of %s has a control character in it",
                               row->key);
    char *field = (char *)c + row->offset;
    const char *copy = arena_strndup(&c->mem, text.p ? text.p : "", text.len);
    bool yes;
    enum err err;
    switch (row->type) {
    case CONFIG_BOOL:
        if (!parse_bool(text, &yes))
            return refuse(row, text, "true or false", why);
        memcpy(field, &yes, sizeof(yes));
        copy = yes ? "true" : "false";
        break;
    case CONFIG_INT:
    case CONFIG_MS:
    case CONFIG_USD:
        err = set_number(row, field, text, why);
        if (err != OK)
            return err;
        break;
    case CONFIG_TEXT:
    case CONFIG_PATH:
    case CONFIG_ADDRESS:
    case CONFIG_URL:
    case CONFIG_CHOICE:
        err = check_text(c, row, text, why);
        if (err != OK)
            return err;
        memcpy(field, &copy, sizeof(copy));
        break;
    }
    c->text[row - config_rows] = copy;
    c->source[row - config_rows] = source;
    return OK;
}

static const struct config_row *find_key(struct str key)
{
    for (size_t i = 0; i < config_row_count; i++) {
        if (str_eq(key, str_of(config_rows[i].key)))
            return &config_rows[i];
    }
    return NULL;
}

static enum err load_line(struct app_config *c, const char *path, unsigned number, struct str line,
                          bool found, struct err_detail *why)
{
    line = str_trim(line);
    if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
        return OK;
    size_t comment = str_find(line, STR(" #"), 0);
    struct str value = str_slice(line, 0, comment);
    struct str key = str_trim(str_take_until(&value, '='));
    if (!value.p)
        return err_explain(why, ERR_INVALID, "%s line %u: expected key = value", path, number);
    const struct config_row *row = find_key(key);
    if (!row)
        return err_explain(why, ERR_INVALID, "%s line %u: there is no setting \"%.*s\"", path,
                           number, (int)(key.len < 60 ? key.len : 60), key.p);
    if (found && row->offset == offsetof(struct app_config, data))
        return err_explain(why, ERR_INVALID, "%s line %u: data cannot be set by the file in it",
                           path, number);
    struct err_detail detail;
    enum err err = set_value(c, row, str_trim(value), CONFIG_FILE, &detail);
    if (err != OK)
        return err_explain(why, err, "%s line %u: %s", path, number, detail.text);
    return OK;
}

/* `found`: the file was not asked for, so it need not exist. */
static enum err load_file(struct app_config *c, const char *path, bool found,
                          struct err_detail *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && found && errno == ENOENT)
        return OK;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        int reason = fd < 0 ? errno : EINVAL;
        if (fd >= 0)
            close(fd);
        return err_explain(why, ERR_INVALID, "cannot read %s: %s", path, strerror(reason));
    }
    struct buf b;
    buf_init(&b, CONFIG_FILE_BYTES_MAX);
    char piece[4096];
    ssize_t got;
    while ((got = read(fd, piece, sizeof(piece))) > 0)
        buf_put(&b, piece, (size_t)got);
    close(fd);
    enum err err = OK;
    if (got < 0 || !buf_ok(&b))
        err = err_explain(why, ERR_INVALID, "cannot read %s: %s", path,
                          got < 0 ? strerror(errno) : "too large for a settings file");
    struct str rest = buf_str(&b);
    for (unsigned number = 1; err == OK && rest.p; number++)
        err = load_line(c, path, number, str_take_until(&rest, '\n'), found, why);
    buf_fini(&b);
    return err;
}

static enum err load_env(struct app_config *c, const struct config_args *args,
                         struct err_detail *why)
{
    for (size_t i = 0; i < config_row_count; i++) {
        char name[64];
        int n = snprintf(name, sizeof(name), "CALLEE_%s", config_rows[i].key);
        for (int k = 0; k < n; k++) {
            if (name[k] >= 'a' && name[k] <= 'z')
                name[k] = (char)(name[k] - 'a' + 'A');
        }
        const char *used = name;
        const char *value = args->env ? args->env(name) : getenv(name);
        if (!value && config_rows[i].env) {
            used = config_rows[i].env;
            value = args->env ? args->env(used) : getenv(used);
        }
        /* An empty variable is how many launchers say "not set". */
        if (!value || !value[0])
            continue;
        struct err_detail detail;
        enum err err = set_value(c, &config_rows[i], str_of(value), CONFIG_ENV, &detail);
        if (err != OK)
            return err_explain(why, err, "%s: %s", used, detail.text);
    }
    return OK;
}

/* The configuration key behind --key-with-dashes. */
static const struct config_row *find_flag(struct str name)
{
    char key[64];
    if (!str_copy(key, sizeof(key), name))
        return NULL;
    for (char *p = key; *p; p++) {
        if (*p == '_')
            return NULL; /* one spelling: dashes */
        *p = *p == '-' ? '_' : *p;
    }
    return find_key(str_of(key));
}

struct flag_arg {
    struct str name;
    const char *value; /* NULL: none given with '=' */
};

static struct flag_arg split_flag(const char *arg)
{
    struct flag_arg f = {.name = str_of(arg + 2)};
    const char *equals = strchr(arg, '=');
    if (equals) {
        f.name.len = (size_t)(equals - arg) - 2;
        f.value = equals + 1;
    }
    return f;
}

/* Takes argv[*i] and, where it has one, its value. */
static enum err load_flag(struct app_config *c, const struct config_args *args, int *i,
                          struct err_detail *why)
{
    struct flag_arg f = split_flag(args->argv[*i]);
    const struct flag_row *own = flags_find(args->flags, args->flag_count, f.name);
    const struct config_row *row = own ? NULL : find_flag(f.name);
    bool is_config = str_eq(f.name, STR("config"));
    if (!own && !row && !is_config)
        return err_explain(why, ERR_INVALID, "there is no flag --%.*s; try callee %s --help",
                           (int)(f.name.len < 60 ? f.name.len : 60), f.name.p, args->argv[0]);
    bool is_switch = own ? own->type == FLAG_SWITCH : row && row->type == CONFIG_BOOL;
    if (own && is_switch && f.value)
        return err_explain(why, ERR_INVALID, "--%s takes no value", own->name);
    if (!is_switch && !f.value) {
        if (*i + 1 >= args->argc)
            return err_explain(why, ERR_INVALID, "--%.*s needs a value", STR_FMT(f.name));
        f.value = args->argv[++*i];
    }
    if (own)
        return flags_set(own, args->opts, f.value, why);
    if (is_config)
        return OK; /* read before */
    struct err_detail detail;
    enum err err = set_value(c, row, f.value ? str_of(f.value) : STR("true"), CONFIG_FLAG, &detail);
    return err == OK ? OK : err_explain(why, err, "--%.*s: %s", STR_FMT(f.name), detail.text);
}

static enum err load_flags(struct app_config *c, const struct config_args *args,
                           struct err_detail *why)
{
    size_t loose = 0;
    bool flags_over = false;
    for (int i = 1; i < args->argc; i++) {
        const char *arg = args->argv[i];
        if (!flags_over && strcmp(arg, "--") == 0) {
            flags_over = true;
        } else if (!flags_over && arg[0] == '-' && arg[1]) {
            if (arg[1] != '-')
                return err_explain(why, ERR_INVALID, "there is no flag %.60s; try callee %s --help",
                                   arg, args->argv[0]);
            enum err err = load_flag(c, args, &i, why);
            if (err != OK)
                return err;
        } else if (loose < args->positional_max) {
            args->positionals[loose++] = arg;
        } else {
            return err_explain(why, ERR_INVALID, "%s does not take \"%.60s\"", args->argv[0], arg);
        }
    }
    if (args->positional_count)
        *args->positional_count = loose;
    return OK;
}

/* The last value that a flag of this name was given, before flags are read properly. */
static const char *peek_flag(const struct config_args *args, const char *name)
{
    const char *value = NULL;
    for (int i = 1; i < args->argc && strcmp(args->argv[i], "--") != 0; i++) {
        if (strncmp(args->argv[i], "--", 2) != 0)
            continue;
        struct flag_arg f = split_flag(args->argv[i]);
        if (str_eq(f.name, str_of(name)))
            value = f.value ? f.value : i + 1 < args->argc ? args->argv[i + 1] : NULL;
    }
    return value;
}

bool config_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static enum err check_together(struct app_config *c, struct err_detail *why)
{
    if (!c->tls_cert[0] != !c->tls_key[0])
        return err_explain(why, ERR_INVALID, "tls_cert and tls_key go together");
    if (c->insecure_streams && (c->public_url[0] || !config_is_loopback(c->listen_host)))
        return err_explain(why, ERR_INVALID,
                           "insecure_streams is for a loopback address without a public_url: "
                           "anybody who reaches the server could place calls");
    const struct provider_settings *more[] = {&c->provider2, &c->provider3};
    for (unsigned i = 0; i < 2; i++) {
        struct call_prices prices;
        if (more[i]->prices[0] && !config_prices(str_of(more[i]->prices), &prices))
            return err_explain(why, ERR_INVALID,
                               "provider%u_prices takes seven amounts in US dollars, separated by "
                               "commas",
                               i + 2);
    }
    struct url url;
    struct err_detail detail;
    if (!c->public_url[0])
        return OK;
    enum err err = url_parse(str_of(c->public_url), &url, &detail);
    if (err != OK || url.websocket || (url.target.len > 0 && !str_eq(url.target, STR("/"))))
        return err_explain(why, ERR_INVALID,
                           "public_url is an address such as https://voice.example.com, no path");
    if (url.target.len > 0)
        c->public_url = arena_strndup(&c->mem, c->public_url, strlen(c->public_url) - 1);
    return OK;
}

enum err config_load(struct app_config *c, const struct config_args *args, struct err_detail *why)
{
    memset(c, 0, sizeof(*c));
    arena_init(&c->mem, CONFIG_FILE_BYTES_MAX);
    for (size_t i = 0; i < config_row_count; i++) {
        enum err err =
            set_value(c, &config_rows[i], str_of(config_rows[i].initial), CONFIG_DEFAULT, why);
        if (err != OK)
            return err;
    }
    const char *path = peek_flag(args, "config");
    if (path) {
        enum err err = load_file(c, path, false, why);
        if (err != OK)
            return err;
    } else {
        /* Only the data folder matters here; every value is read again below in its order. */
        const char *data = peek_flag(args, "data");
        const char *env = args->env ? args->env("CALLEE_DATA") : getenv("CALLEE_DATA");
        char guess[CONFIG_VALUE_BYTES_MAX];
        snprintf(guess, sizeof(guess), "%s/callee.conf",
                 data            ? data
                 : env && env[0] ? env
                                 : c->data);
        enum err err = load_file(c, guess, true, why);
        if (err != OK)
            return err;
    }
    enum err err = load_env(c, args, why);
    if (err == OK)
        err = load_flags(c, args, why);
    return err == OK ? check_together(c, why) : err;
}

void config_fini(struct app_config *c)
{
    arena_fini(&c->mem);
}

static bool has_switch(const struct config_args *args, const char *name)
{
    for (int i = 1; i < args->argc; i++) {
        if (strcmp(args->argv[i], name) == 0)
            return true;
    }
    return false;
}

static int print_help(const struct config_args *args)
{
    printf("%s\n", args->usage);
    if (args->flag_count > 0)
        printf("\n");
    flags_print(args->flags, args->flag_count);
    printf("  %-26s %s\n  %-26s %s\n\nEvery setting of docs/config.md is a flag too.\n",
           "--config FILE", "settings to read", "--dump-config", "print the settings in force");
    return 0;
}

int config_start(struct app_config *c, const struct config_args *args)
{
    if (has_switch(args, "--help") || has_switch(args, "-h"))
        return print_help(args);
    /* --dump-config is taken out of a copy, so that commands never meet it. */
    bool dump = false;
    char **argv = mem_alloc(sizeof(*argv) * ((size_t)args->argc + 1));
    struct config_args own = *args;
    own.argc = 0;
    own.argv = argv;
    for (int i = 0; i < args->argc; i++) {
        if (strcmp(args->argv[i], "--dump-config") == 0)
            dump = true;
        else
            argv[own.argc++] = args->argv[i];
    }
    argv[own.argc] = NULL;
    struct err_detail why;
    int code = -1;
    if (config_load(c, &own, &why) != OK) {
        code = command_usage("%s", why.text);
    } else if (dump) {
        struct buf b;
        buf_init(&b, CONFIG_FILE_BYTES_MAX);
        config_dump(c, &b);
        fwrite(b.p, 1, b.len, stdout);
        buf_fini(&b);
        code = 0;
    }
    if (code != -1)
        config_fini(c);
    mem_free(argv);
    return code;
}
