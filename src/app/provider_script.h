/*
 * provider_script.h - what the scripted provider answers: JSON lines, one answer each.
 *
 *     {"user": "What are your hours?", "call": "query_knowledge_base", "arguments": {"query":
 * "hours"}}
 *     {"say": "$output"}
 *     {"say": "Goodbye.", "delay_ms": 200}
 *
 *   Memory   the script owns its steps; a step is valid as long as it.
 *   Thread   read-only after provider_script_read.
 */
#ifndef APP_PROVIDER_SCRIPT_H
#define APP_PROVIDER_SCRIPT_H

#include "app/provider.h"
#include "base/mem.h"

struct provider_step {
    const char *user;      /* given as the transcript of the caller's turn; NULL = a numbered one */
    const char *say;       /* spoken; "$output" stands for the last tool output; NULL = nothing */
    const char *call;      /* function to call, after what is said; NULL = none */
    const char *arguments; /* JSON text */
    int64_t delay_ms;      /* before the response begins, beside the option's latency */
    enum provider_fault fault;
    int64_t fault_arg;
};

struct provider_script {
    struct provider_step *steps;
    size_t count; /* at least 1 */
    struct arena mem;
};

/* ERR_INVALID with the line and what is wrong with it. provider_script_fini in any case. */
enum err provider_script_read(struct provider_script *s, struct str text,
                              struct err_detail *why) MUST_CHECK;
/* The script used when none is given. */
struct str provider_script_builtin(void);
void provider_script_fini(struct provider_script *s);

/* The words of an instruction of the form `Say exactly: "..."`; p == NULL for another one. */
struct str provider_script_exact(struct str instructions);

#endif
