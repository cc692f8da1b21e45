/* `callee journal`: what a journal holds, and recordings and transcripts made from it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/journal_file.h"
#include "base/limits.h"
#include "call/call.h"
#include "journal/export.h"

enum { INDENT = 12, DIGEST_BYTES = 4 };

struct journal_flags {
    const char *wav, *json;
    bool text;
};

#define AT(m) offsetof(struct journal_flags, m)

static const struct flag_row flag_rows[] = {
    {"wav", FLAG_TEXT, AT(wav), 0, 0, NULL, "FILE", "export: the recording, left the caller"},
    {"json", FLAG_TEXT, AT(json), 0, 0, NULL, "FILE", "export: the transcript as JSON"},
    {"text", FLAG_SWITCH, AT(text), 0, 0, NULL, NULL, "export: the transcript to the screen"},
};

static const char usage[] =
    "usage: callee journal print FILE|CALL\n"
    "       callee journal export FILE|CALL [--wav FILE] [--json FILE] [--text]\n\n"
    "print shows every record; export writes the recording and the transcript, without flags\n"
    "as .wav, .json and .txt beside the journal. A call is looked up in DATA/journals, also\n"
    "while it is in progress.";

/* -- print -- */

/* An event as it arrived, its sound left out. */
static void print_event(const struct call_input *in)
{
    struct str raw = in->raw;
    size_t at = in->audio.len ? str_find(raw, in->audio, 0) : SIZE_MAX;
    if (at == SIZE_MAX) {
        journal_file_print(raw, INDENT);
        return;
    }
    journal_file_print(str_slice(raw, 0, at), INDENT);
    printf("<%u bytes of sound>", in->audio_len);
    journal_file_print(str_slice(raw, at + in->audio.len, raw.len), INDENT);
}

static void print_input(const struct journal_record *r)
{
    enum call_in_type type = (enum call_in_type)(r->type - JOURNAL_INPUT);
    struct call_input in;
    struct rt_event event = {0};
    if (call_input_read(&in, &event, type, r->at_us, r->payload) != OK) {
        printf("input %d, %zu bytes that this program does not know\n", (int)type, r->payload.len);
        return;
    }
    printf("%s", call_in_name(type));
    if (type == CALL_IN_DTMF)
        printf(" %c", in.number > ' ' && in.number < 0x7f ? (int)in.number : '?');
    else if (in.number)
        printf(" %u", in.number);
    if (type == CALL_IN_TOOL || type == CALL_IN_PROMPT)
        printf(" %s", in.ok ? "ok" : "failed");
    if (in.audio_len)
        printf(" sound=%u%s", in.audio_len, in.audio.len ? "" : " (not kept)");
    putchar(' ');
    if (in.event)
        print_event(&in);
    else
        journal_file_print(in.text, INDENT);
    if (r->flags & JOURNAL_AUDIO_DROPPED)
        printf(" [the disk was too slow for the sound]");
    putchar('\n');
    rt_event_fini(&event);
}

static void print_effects(struct str payload)
{
    if (payload.len < DIGEST_BYTES) {
        printf("effects, damaged\n");
        return;
    }
    const unsigned char *p = (const unsigned char *)payload.p;
    printf("effects %02x%02x%02x%02x", p[3], p[2], p[1], p[0]);
    struct str lines = str_slice(payload, DIGEST_BYTES, payload.len);
    if (lines.len) {
        printf("\n%*s", INDENT, "");
        journal_file_print(lines, INDENT);
    }
    putchar('\n');
}

static void print_record(const struct journal_record *r, int64_t start_us)
{
    int64_t ms = (r->at_us - start_us) / 1000;
    printf("%6" PRId64 ".%03d ", ms / 1000, (int)(ms < 0 ? -ms : ms) % 1000);
    if (r->type == JOURNAL_HEAD || r->type == JOURNAL_END || r->type == JOURNAL_RESUMED) {
        printf("%s ", r->type == JOURNAL_HEAD  ? "head"
                      : r->type == JOURNAL_END ? "end"
                                               : "resumed");
        journal_file_print(r->payload, INDENT);
        putchar('\n');
    } else if (r->type == JOURNAL_EFFECTS) {
        print_effects(r->payload);
    } else {
        print_input(r);
    }
}

static int print_journal(struct journal_reader *reader)
{
    int64_t start_us = 0;
    uint32_t sequence = 0;
    bool first = true;
    for (;;) {
        struct journal_record r;
        struct err_detail detail;
        enum err err = journal_reader_next(reader, &r, &detail);
        if (err == ERR_NOTFOUND)
            return 0;
        if (err != OK) {
            printf("-- %s --\n", detail.text);
            if (!journal_reader_skip(reader))
                return 0;
            continue;
        }
        if (first)
            start_us = r.at_us;
        else if (r.sequence > sequence)
            printf("-- %u records are missing --\n", r.sequence - sequence);
        sequence = r.sequence + 1;
        first = false;
        print_record(&r, start_us);
    }
}

/* -- export -- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int write_text(const char *path, const struct buf *b)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!f) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return command_failed("cannot create %.200s: %s", path, strerrordesc_np(error));
    }
    bool ok = fwrite(b->p, 1, b->len, f) == b->len;
    ok = fclose(f) == 0 && ok;
    return ok ? 0 : command_failed("cannot write %.200s: %s", path, strerrordesc_np(errno));
}

static int export_sound(struct journal_reader *reader, const char *path)
{
    struct export_sound s;
    struct err_detail detail;
    enum err err = export_wav(reader, path, &s, &detail);
    if (err != OK)
        return err == ERR_IO ? command_failed("%s", detail.text) : command_usage("%s", detail.text);
    printf("%s: %lld.%lld s\n", path, (long long)(s.duration_ms / 1000),
           (long long)(s.duration_ms / 100 % 10));
    if (s.missing_ms > 0)
        printf("  the journal does not keep %lld.%lld s of its sound: silent there\n",
               (long long)(s.missing_ms / 1000), (long long)(s.missing_ms / 100 % 10));
    if (s.cut)
        printf("  cut after %d hours\n", JOURNAL_EXPORT_MS_MAX / 3600000);
    return 0;
}

/* `path` with its .jrn replaced; false when that is too long. */
static bool beside(char *out, const char *path, const char *suffix)
{
    struct str base = str_of(path);
    if (str_ends(base, STR(".jrn")))
        base.len -= 4;
    return snprintf(out, JOURNAL_PATH_BYTES, "%.*s%s", STR_FMT(base), suffix) < JOURNAL_PATH_BYTES;
}

static int export_words(const json_t *transcript, const char *json, const char *txt, bool screen)
{
    struct buf b;
    buf_init(&b, JOURNAL_EXPORT_BYTES_MAX);
    int code = 0;
    if (json) {
        export_write_json(&b, transcript);
        code = buf_ok(&b) ? write_text(json, &b) : command_failed("the transcript is too long");
    }
    buf_reset(&b);
    if (code == 0 && (txt || screen))
        export_write_text(&b, transcript);
    if (code == 0 && txt)
        code = write_text(txt, &b);
    if (code == 0 && screen)
        fwrite(b.p, 1, b.len, stdout);
    buf_fini(&b);
    return code;
}

static int export_journal(struct journal_reader *reader, const char *path,
                          const struct journal_flags *flags)
{
    char wav[JOURNAL_PATH_BYTES], json[JOURNAL_PATH_BYTES], txt[JOURNAL_PATH_BYTES];
    bool all = !flags->wav && !flags->json && !flags->text;
    if (!beside(wav, path, ".wav") || !beside(json, path, ".json") || !beside(txt, path, ".txt"))
        return command_usage("the name is too long");
    const char *to_wav = all ? wav : flags->wav, *to_json = all ? json : flags->json;
    if ((to_wav && same_file(path, to_wav)) || (to_json && same_file(path, to_json)) ||
        (all && same_file(path, txt)))
        return command_usage("%.200s is the journal itself", path);
    json_t *transcript;
    struct err_detail detail;
    if (export_transcript(reader, &transcript, &detail) != OK)
        return command_usage("%.150s: %.100s", path, detail.text);
    int code = export_words(transcript, to_json, all ? txt : NULL, flags->text);
    json_decref(transcript);
    if (code == 0 && to_json)
        printf("%s\n", to_json);
    if (code == 0 && all)
        printf("%s\n", txt);
    if (code == 0 && to_wav)
        code = export_sound(reader, to_wav);
    return code;
}

int cmd_journal(int argc, char **argv)
{
    struct journal_flags flags = {0};
    const char *words[2] = {"", ""};
    size_t count = 0;
    struct app_config config;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = flag_rows,
                               .flag_count = sizeof(flag_rows) / sizeof(flag_rows[0]),
                               .opts = &flags,
                               .positionals = words,
                               .positional_max = 2,
                               .positional_count = &count};
    int code = config_start(&config, &args);
    if (code >= 0)
        return code;
    bool print = str_eq(str_of(words[0]), STR("print"));
    bool export = str_eq(str_of(words[0]), STR("export"));
    char path[JOURNAL_PATH_BYTES];
    struct journal_reader *reader;
    struct err_detail detail;
    if (count != 2 || (!print && !export)) {
        code = command_usage("journal print or journal export, and a file or a call's id");
    } else if (print && (flags.wav || flags.json || flags.text)) {
        code = command_usage("--wav, --json and --text belong to journal export");
    } else if (journal_file_open(&reader, path, words[1], config.data, &detail) != OK) {
        code = command_usage("%s", detail.text);
    } else {
        code = print ? print_journal(reader) : export_journal(reader, path, &flags);
        journal_reader_close(reader);
    }
    config_fini(&config);
    return code;
}
