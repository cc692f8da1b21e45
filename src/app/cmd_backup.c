/*
 * `callee backup` and `callee restore`: the data folder as another folder, and back.
 *
 * A backup is taken in an order that leaves nothing dangling while calls come and go: finished
 * journals, then the segments (calls in progress), then the database, then the journals that were
 * finished meanwhile. So every journal has its row, and every call that the database calls finished
 * has its journal or is still in the segments, from which a server finishes it when it starts on
 * the restored folder, as it does after a crash.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/config.h"
#include "app/copy_file.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "journal/journal.h"
#include "store/store.h"

enum { PATH_BYTES = 4352 };

static const char DATABASE[] = "callee.db";
static const char SETTINGS[] = "callee.conf";
static const char JOURNALS[] = "journals";
static const char SEGMENTS[] = "journals/segments";
/* Written last: what has it is a backup. Its text is for people. */
static const char MARK[] = "callee-backup";

struct folder {
    const char *path;
    int root, journals, segments; /* descriptors */
};

struct tally {
    size_t copied, kept, pruned, damaged;
};

typedef enum err each_fn(void *ctx, const char *name, struct err_detail *why);

static void folder_close(struct folder *f)
{
    int *const all[] = {&f->segments, &f->journals, &f->root};
    for (size_t i = 0; i < 3; i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

static enum err folder_part(int *fd, int root, const char *path, bool create,
                            struct err_detail *why)
{
    if (create && mkdirat(root, path, 0700) != 0 && errno != EEXIST)
        return err_explain(why, ERR_IO, "cannot make the folder %.200s: %s", path,
                           strerrordesc_np(errno));
    *fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0 || (errno == ENOENT && !create))
        return OK; /* a server that had no call yet has no journals */
    return err_explain(why, ERR_IO, "cannot open the folder %.200s: %s", path,
                       strerrordesc_np(errno));
}

/* folder_close in any case. */
static enum err folder_open(struct folder *f, const char *path, bool create, struct err_detail *why)
{
    *f = (struct folder){.path = path, .root = -1, .journals = -1, .segments = -1};
    enum err err = folder_part(&f->root, AT_FDCWD, path, create, why);
    if (err == OK && f->root < 0)
        err = err_explain(why, ERR_NOTFOUND, "there is no folder %.200s", path);
    if (err == OK)
        err = folder_part(&f->journals, f->root, JOURNALS, create, why);
    if (err == OK)
        err = folder_part(&f->segments, f->root, SEGMENTS, create, why);
    return err;
}

/* Calls `fn` for each file of the folder whose name ends so. */
static enum err each(int dir, const char *ending, each_fn *fn, void *ctx, struct err_detail *why)
{
    int fd = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return dir < 0 ? OK : err_explain(why, ERR_IO, "cannot list a folder of journals");
    enum err err = OK;
    for (const struct dirent *e; err == OK && (e = readdir(d));)
        if (str_ends(str_of(e->d_name), str_of(ending)))
            err = fn(ctx, e->d_name, why);
    closedir(d);
    return err;
}

struct copying {
    int from, to;
    bool keep; /* a file of that name and length is the same */
    struct tally *tally;
};

static enum err copy_one(void *ctx, const char *name, struct err_detail *why)
{
    const struct copying *c = ctx;
    bool copied = false;
    enum err err = copy_file(c->from, c->to, name, c->keep, &copied, why);
    if (err == ERR_NOTFOUND)
        return OK; /* a segment whose calls have journals of their own by now */
    c->tally->copied += copied;
    c->tally->kept += err == OK && !copied;
    return err;
}

static enum err delete_unless(void *ctx, const char *name, struct err_detail *why)
{
    const struct copying *c = ctx;
    if (faccessat(c->from, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return OK;
    if (unlinkat(c->to, name, 0) != 0)
        return err_explain(why, ERR_IO, "cannot delete %.200s: %s", name, strerrordesc_np(errno));
    c->tally->pruned++;
    return OK;
}

static enum err copy_database(const struct folder *from, const struct folder *to,
                              struct err_detail *why)
{
    char source[PATH_BYTES], temporary[PATH_BYTES], target[PATH_BYTES];
    snprintf(source, sizeof(source), "%s/%s", from->path, DATABASE);
    snprintf(target, sizeof(target), "%s/%s", to->path, DATABASE);
    snprintf(temporary, sizeof(temporary), "%s/%s.tmp", to->path, DATABASE);
    unlink(temporary); /* of a backup that did not end */
    enum err err = store_file_copy(source, temporary, why);
    if (err == OK && rename(temporary, target) != 0)
        err =
            err_explain(why, ERR_IO, "cannot rename %.200s: %s", temporary, strerrordesc_np(errno));
    return err;
}

static enum err copy_settings(const struct folder *from, const struct folder *to,
                              struct err_detail *why)
{
    bool copied;
    enum err err = copy_file(from->root, to->root, SETTINGS, false, &copied, why);
    return err == ERR_NOTFOUND ? OK : err;
}

static enum err sync_folder(const struct folder *f, struct err_detail *why)
{
    if (syncfs(f->root) != 0)
        return err_explain(why, ERR_IO, "cannot sync %.200s: %s", f->path, strerrordesc_np(errno));
    return OK;
}

static enum err write_mark(const struct folder *to, struct err_detail *why)
{
    char text[128];
    int len = snprintf(text, sizeof(text),
                       "A backup made by callee " CALLEE_VERSION " at %lld ms since 1970.\n",
                       (long long)clock_wall_ms());
    int fd = openat(to->root, MARK, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good ? OK
                : err_explain(why, ERR_IO, "cannot write %s: %s", MARK, strerrordesc_np(errno));
}

static enum err back_up(const struct folder *from, const struct folder *to, bool prune,
                        struct tally *t, struct err_detail *why)
{
    struct tally old = {0}; /* segments are no news */
    struct copying journals = {from->journals, to->journals, true, t};
    struct copying segments = {from->segments, to->segments, false, &old};
    enum err err = each(from->journals, ".jrn", copy_one, &journals, why);
    if (err == OK)
        err = each(from->segments, ".seg", copy_one, &segments, why);
    if (err == OK) /* finished since the last backup */
        err = each(to->segments, ".seg", delete_unless, &segments, why);
    if (err == OK)
        err = copy_database(from, to, why);
    if (err == OK) {
        struct tally again = {0};
        journals.tally = &again;
        err = each(from->journals, ".jrn", copy_one, &journals, why);
        t->copied += again.copied;
        journals.tally = t;
    }
    if (err == OK && prune)
        err = each(to->journals, ".jrn", delete_unless, &journals, why);
    if (err == OK)
        err = copy_settings(from, to, why);
    if (err == OK)
        err = sync_folder(to, why);
    return err == OK ? write_mark(to, why) : err;
}

/* -- the way back -- */

static enum err check_journal(void *ctx, const char *name, struct err_detail *why)
{
    const struct copying *c = ctx;
    char path[64 + NAME_MAX];
    struct journal_reader *reader;
    struct journal_record record;
    struct err_detail damage = {""};
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", c->from, name);
    enum err err = journal_reader_open(&reader, path, &damage);
    if (err == OK) {
        do
            err = journal_reader_next(reader, &record, &damage);
        while (err == OK);
        journal_reader_close(reader);
    }
    (void)why;
    if (err != ERR_NOTFOUND) { /* which is the end */
        fprintf(stderr, "callee: %s: %s\n", name, damage.text);
        c->tally->damaged++;
    } else {
        c->tally->kept++;
    }
    return OK;
}

static enum err check(const struct folder *from, struct tally *t, struct err_detail *why)
{
    char path[PATH_BYTES];
    if (faccessat(from->root, MARK, F_OK, 0) != 0)
        return err_explain(why, ERR_INVALID, "%.200s is no finished backup: it has no file \"%s\"",
                           from->path, MARK);
    snprintf(path, sizeof(path), "%s/%s", from->path, DATABASE);
    enum err err = store_file_check(path, why);
    struct copying journals = {.from = from->journals, .tally = t};
    return err == OK ? each(from->journals, ".jrn", check_journal, &journals, why) : err;
}

static enum err count_any(void *ctx, const char *name, struct err_detail *why)
{
    (void)why;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        ++*(size_t *)ctx;
    return OK;
}

static enum err restore(const struct folder *from, const char *data, struct err_detail *why)
{
    struct folder to = {.root = -1, .journals = -1, .segments = -1};
    struct tally t = {0};
    size_t there = 0;
    bool copied;
    enum err err = folder_part(&to.root, AT_FDCWD, data, true, why);
    if (err == OK)
        err = each(to.root, "", count_any, &there, why);
    if (err == OK && there)
        err = err_explain(why, ERR_INVALID, "%.200s is not empty; restore into a new folder", data);
    folder_close(&to);
    if (err == OK)
        err = folder_open(&to, data, true, why);
    struct copying journals = {from->journals, to.journals, false, &t};
    struct copying segments = {from->segments, to.segments, false, &t};
    if (err == OK)
        err = each(from->journals, ".jrn", copy_one, &journals, why);
    if (err == OK)
        err = each(from->segments, ".seg", copy_one, &segments, why);
    if (err == OK)
        err = copy_settings(from, &to, why);
    if (err == OK) /* last: a folder without one was not restored whole */
        err = copy_file(from->root, to.root, DATABASE, false, &copied, why);
    if (err == OK)
        err = sync_folder(&to, why);
    folder_close(&to);
    return err;
}

/* -- the commands -- */

static const char backup_usage[] =
    "usage: callee backup FOLDER [--data DIR] [--prune]\n\n"
    "Copies database, journals and DIR/callee.conf into FOLDER, also while the server runs; a "
    "call\n"
    "in progress is there as far as it is on disk. Only journals that FOLDER has not yet are\n"
    "copied. FOLDER then holds what callers said and, with callee.conf, keys.";
static const char restore_usage[] =
    "usage: callee restore FOLDER --data DIR\n"
    "       callee restore FOLDER --check\n\n"
    "Makes DIR, which must be empty or not there yet, of a backup; or only reads all of the "
    "backup\n"
    "and says what is damaged. Exit 1 when a journal is damaged (it is copied all the same).";

struct backup_flags {
    bool prune, check;
    const char *folder;
};

static const struct flag_row backup_rows[] = {
    {"prune", FLAG_SWITCH, offsetof(struct backup_flags, prune), 0, 0, NULL, NULL,
     "delete journals from the backup that were deleted from the data"},
};
static const struct flag_row restore_rows[] = {
    {"check", FLAG_SWITCH, offsetof(struct backup_flags, check), 0, 0, NULL, NULL,
     "read the whole backup, write nothing"},
};

static int start(struct app_config *c, struct backup_flags *f, const char *usage,
                 const struct flag_row *rows, int argc, char **argv)
{
    size_t count = 0;
    struct config_args args = {.argc = argc,
                               .argv = argv,
                               .usage = usage,
                               .flags = rows,
                               .flag_count = 1,
                               .opts = f,
                               .positionals = &f->folder,
                               .positional_max = 1,
                               .positional_count = &count};
    int code = config_start(c, &args);
    if (code < 0 && (count == 0 || strlen(f->folder) + sizeof(SEGMENTS) > PATH_MAX)) {
        config_fini(c);
        return command_usage("which folder is the backup?");
    }
    log_set_level(LOG_LEVEL_ERROR);
    umask(077); /* what callers said is nobody else's */
    return code;
}

static int say_failed(enum err err, const struct err_detail *why)
{
    if (err == ERR_INVALID || err == ERR_NOTFOUND)
        return command_usage("%s", why->text);
    return command_failed("%s", why->text);
}

int cmd_backup(int argc, char **argv)
{
    struct backup_flags f = {0};
    struct app_config c;
    int code = start(&c, &f, backup_usage, backup_rows, argc, argv);
    if (code >= 0)
        return code;
    struct folder from, to = {.root = -1, .journals = -1, .segments = -1};
    struct tally t = {0};
    struct err_detail why = {""};
    enum err err = folder_open(&from, c.data, false, &why);
    if (err == OK && faccessat(from.root, DATABASE, R_OK, 0) != 0)
        err = err_explain(&why, ERR_NOTFOUND, "there is no database in %.200s; is --data right?",
                          c.data);
    if (err == OK)
        err = folder_open(&to, f.folder, true, &why);
    if (err == OK)
        err = back_up(&from, &to, f.prune, &t, &why);
    folder_close(&from);
    folder_close(&to);
    config_fini(&c);
    if (err != OK)
        return say_failed(err, &why);
    printf("%s: the database, %zu journals (%zu new)", f.folder, t.copied + t.kept, t.copied);
    if (f.prune)
        printf(", %zu deleted", t.pruned);
    printf("\n");
    return 0;
}

int cmd_restore(int argc, char **argv)
{
    struct backup_flags f = {0};
    struct app_config c;
    int code = start(&c, &f, restore_usage, restore_rows, argc, argv);
    if (code >= 0)
        return code;
    struct folder from;
    struct tally t = {0};
    struct err_detail why = {""};
    enum err err = folder_open(&from, f.folder, false, &why);
    if (err == OK)
        err = check(&from, &t, &why);
    if (err == OK && !f.check)
        err = restore(&from, c.data, &why);
    folder_close(&from);
    if (err != OK) {
        code = say_failed(err, &why);
    } else {
        printf("%s: the database and %zu journals are whole, %zu damaged%s%s\n", f.folder, t.kept,
               t.damaged, f.check ? "" : "; restored to ", f.check ? "" : c.data);
        code = t.damaged > 0;
    }
    config_fini(&c);
    return code;
}
