/*
 * chat_reply.h - an answer to a chat as it is put together, from one JSON body or from the chunks
 * of a stream.
 *
 *   Memory   a value, embedded in its owner.
 *   Bounds   CHAT_ANSWER_BYTES_MAX of text, refusal and arguments each; CHAT_CALLS_MAX calls.
 *   Thread   any; pure.
 */
#ifndef LLM_CHAT_REPLY_H
#define LLM_CHAT_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"
#include "llm/chat.h"

struct chat_reply {
    struct buf text, refusal;
    struct {
        struct buf id, name, arguments;
    } calls[CHAT_CALLS_MAX];
    size_t calls_count;
    bool refused;
    bool finished; /* a finish_reason came */
    enum chat_finish finish;
    struct llm_usage usage;
};

void chat_reply_init(struct chat_reply *r);
void chat_reply_fini(struct chat_reply *r);

/* A whole answer. ERR_INVALID with a sentence for what is none; ERR_LIMIT. */
enum err chat_reply_take_body(struct chat_reply *r, struct str body,
                              struct err_detail *why) MUST_CHECK;
/* The data of one event of a stream, other than "[DONE]". *grown: bytes of text it brought.
 * ERR_UPSTREAM: the service reports an error. */
enum err chat_reply_take_chunk(struct chat_reply *r, struct str data, size_t *grown,
                               struct err_detail *why) MUST_CHECK;
/* After the last chunk: ERR_CLOSED when the answer broke off, ERR_INVALID for a call without id or
 * name. */
enum err chat_reply_check(const struct chat_reply *r, struct err_detail *why) MUST_CHECK;

#endif
