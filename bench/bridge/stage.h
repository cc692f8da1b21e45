/*
 * stage.h - where a benchmark takes place: a folder, a rig, and the servers that are compared.
 *
 *   Memory   the stage owns the rig and the folder; stage_close removes both, but the folder stays
 *            when the benchmark failed.
 *   Thread   one.
 */
#ifndef BENCH_BRIDGE_STAGE_H
#define BENCH_BRIDGE_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/flags.h"
#include "bridge/child.h"
#include "bridge/rig.h"

enum { STAGE_PATH_BYTES = 512 };

/* Flags that every benchmark here has. */
struct stage_opts {
    const char *callee;   /* the program */
    const char *demo_dir; /* the demo business */
    const char *rivals;   /* folder of other bridges; NULL: none are measured */
    const char *wrap;     /* words put before the server's own command line, or NULL */
};
#define STAGE_FLAGS(whole, member)                                                   \
    {.name = "callee",                                                               \
     .type = FLAG_TEXT,                                                              \
     .offset = offsetof(whole, member) + offsetof(struct stage_opts, callee)},       \
        {.name = "demo-dir",                                                         \
         .type = FLAG_TEXT,                                                          \
         .offset = offsetof(whole, member) + offsetof(struct stage_opts, demo_dir)}, \
        {.name = "rivals",                                                           \
         .type = FLAG_TEXT,                                                          \
         .offset = offsetof(whole, member) + offsetof(struct stage_opts, rivals)},   \
    {                                                                                \
        .name = "wrap", .type = FLAG_TEXT,                                           \
        .offset = offsetof(whole, member) + offsetof(struct stage_opts, wrap)        \
    }

enum server_kind {
    SERVER_CALLEE,
    SERVER_RELAY,  /* bench_relay: copies bytes */
    SERVER_AGENTS, /* OpenAI's @openai/agents-extensions */
};

/* What callee keeps of a call. */
enum server_keep { KEEP_RECORDING, KEEP_JOURNAL, KEEP_NOTHING, KEEP_COUNT };

struct server_opts {
    enum server_kind kind;
    enum server_keep keep; /* callee's */
    bool tls;              /* towards the provider */
    unsigned calls;        /* at most at once */
    unsigned loops;        /* callee's; 0 = its default */
    int cpu;               /* pinned to this one; -1: anywhere */
    bool at_once;          /* callee: frames of a silent caller are not gathered */
    bool offline;          /* callee: the local engine, and no provider */
    bool same_data;        /* callee: what the one started before it left */
    bool counted;          /* under callgrind, for bridge/counters.h */
};

struct stage {
    struct stage_opts opts;
    struct loop *loop;
    struct rig *rig;                                   /* NULL between stage_end and stage_begin */
    char dir[STAGE_PATH_BYTES], bin[STAGE_PATH_BYTES]; /* ours; where the benchmarks are */
    char cert[STAGE_PATH_BYTES + 16], key[STAGE_PATH_BYTES + 16];
    unsigned servers; /* started so far: each has data of its own */
};

/* Reads the flags of one benchmark: "--name value" or a switch. */
enum err stage_read_flags(const struct flag_row *rows, size_t count, void *opts, int argc,
                          char **argv, struct err_detail *why) MUST_CHECK;
/* Whether `word` is in a list such as "recording,nothing". */
bool stage_listed(const char *list, const char *word);
/* Folder, certificate, demo businesses, descriptors, loop. `s->opts` is set. */
enum err stage_open(struct stage *s, struct err_detail *why) MUST_CHECK;
/* A fresh rig. */
enum err stage_begin(struct stage *s, struct err_detail *why) MUST_CHECK;
void stage_end(struct stage *s);
/* Says on stderr what went wrong, if anything, and gives the exit code. */
int stage_close(struct stage *s, const char *program, enum err err, const struct err_detail *why);

/* `line` is the one the server will bridge: it says where the provider is. NULL for an offline one. */
enum err stage_start(struct stage *s, struct child *child, const struct server_opts *opts,
                     const struct rig_line *line, struct err_detail *why) MUST_CHECK;

/* Where callgrind writes about the server started last. */
void stage_callgrind_file(const struct stage *s, char *out, size_t size);

const char *server_name(enum server_kind kind);
const char *server_keep_name(enum server_keep keep);
/* "4 CPUs, load 0.5, Linux 6.1, callee 0.1.0" on a line of its own. */
void stage_print_machine(void);

#endif
