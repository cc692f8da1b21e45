/*
 * prompts.h - texts spoken by our own voice: announcements and apologies, ready as audio.
 *
 * They must be said word for word, and also when no engine is there. Synthesis runs on the workers
 * for what a listener waits for; the last SESSION_PROMPTS_MAX texts stay ready, so an announcement
 * costs its synthesis once per loop and not once per call.
 *
 *   Memory   prompts_close frees; waits are cancelled by their owners before.
 *   Thread   the loop's.
 */
#ifndef SESSION_PROMPTS_H
#define SESSION_PROMPTS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/worker.h"
#include "speech/tts.h"

struct prompts;
struct prompt_wait;

/* `base64`: `len` bytes of mu-law, valid until return; len 0 = the text could not be said. */
typedef void prompt_done_fn(void *ctx, struct str base64, uint32_t len);

struct prompts *prompts_open(struct loop *l, struct worker_pool *pool, enum tts_voice voice);
/* After every wait was answered or cancelled. Work still out frees what it holds when it comes
 * back, at the latest in loop_close. NULL-safe. */
void prompts_close(struct prompts *p);

/* Calls done exactly once, from the loop, never from inside this function, unless cancelled. */
struct prompt_wait *prompts_say(struct prompts *p, struct str text, prompt_done_fn *done,
                                void *ctx);
void prompts_cancel(struct prompt_wait *w);

#endif
