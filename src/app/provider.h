/*
 * provider.h - a scripted Realtime provider: what a test or a bench connects to instead of OpenAI.
 *
 * It serves the OpenAI Realtime API (GA shape, WebSocket, audio/pcmu) with answers from a script:
 * each turn of the caller gets the next one. It is strict: whatever a real provider would refuse is
 * refused with the same error and counted as a violation, so that a test can demand none. It notes
 * every truncation together with the audio sent until then, and it can fail on purpose.
 *
 *   Lifetime  provider_open / provider_close; exactly one on_closed from the loop after close.
 *   Thread    the loop's. Audio is synthesised when it is first needed (about 1 ms with kal16).
 *   Bounds    PROVIDER_* in base/limits.h.
 */
#ifndef APP_PROVIDER_H
#define APP_PROVIDER_H

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

struct provider;

enum provider_mode {
    PROVIDER_SCRIPT, /* answers from the script */
    PROVIDER_ECHO,   /* says back each turn of the caller */
    PROVIDER_MIRROR, /* returns every append at once, for benches: one endless response */
};

enum provider_fault {
    PROVIDER_FAULT_NONE,
    PROVIDER_FAULT_REFUSE,      /* HTTP 401 instead of 101 */
    PROVIDER_FAULT_SLOW,        /* 101 only after fault_arg ms */
    PROVIDER_FAULT_MUTE,        /* takes everything, answers nothing */
    PROVIDER_FAULT_STALL,       /* response.created, then nothing */
    PROVIDER_FAULT_STALL_AUDIO, /* 600 ms of audio, then nothing */
    PROVIDER_FAULT_CLOSE,       /* 600 ms of audio, then close code fault_arg */
    PROVIDER_FAULT_ABORT,       /* 600 ms of audio, then the connection breaks */
    PROVIDER_FAULT_ERROR,       /* an error event, then the answer */
    PROVIDER_FAULT_FAIL,        /* the response fails with server_error */
    PROVIDER_FAULT_RATE_LIMIT,  /* the response fails with rate_limit_exceeded */
    PROVIDER_FAULT_GARBAGE, /* text that is no JSON, unknown events, wrong types; then the answer */
    PROVIDER_FAULT_BINARY,  /* a binary message, then the answer */
    PROVIDER_FAULT_HUGE,    /* a message of 17 MiB */
    PROVIDER_FAULT_EXPIRE,  /* session_expired and close 1001 */
    PROVIDER_FAULT_LATE,    /* three more deltas after each interrupted response */
};

struct provider_opts {
    const char *host; /* NULL = 127.0.0.1 */
    uint16_t port;    /* 0 = any */
    const char *key;  /* the only accepted bearer key; NULL or "" = any */
    enum provider_mode mode;
    struct str script;  /* JSON lines (docs/provider.md); empty = the built-in one */
    const char *voice;  /* NULL = "kal16" */
    uint32_t delta_ms;  /* audio a delta; 0 = 200 */
    int64_t speed;      /* times real time; 0 = as fast as it goes; -1 = 8 */
    int64_t latency_ms; /* end of turn to response.created */
    enum provider_fault fault;
    int64_t fault_arg;
    int64_t fault_after;    /* answers given before it */
    int64_t fault_sessions; /* only the first so many sessions have it; 0 = all */
};

/* "stall", "stall-audio", ...; false for another name. */
bool provider_fault_find(struct str name, enum provider_fault *out);

/* ERR_INVALID with a sentence for a bad script or voice, ERR_IO when it cannot listen. */
enum err provider_open(struct provider **out, struct loop *l, const struct provider_opts *opts,
                       struct err_detail *why) MUST_CHECK;
uint16_t provider_port(const struct provider *p);
/* Closes every session, then frees itself and calls on_closed once. */
void provider_close(struct provider *p, loop_fn *on_closed, void *ctx);

/* One JSON object: {"sessions", "active", "responses", "completed", "cancelled", "failed", "turns",
 * "appends", "appendMs", "deltas", "toolCalls", "toolOutputs", "truncationCount", "violationCount",
 * "truncations": [{"session", "item_id", "audio_end_ms", "sent_ms"}], "violations": [{"session",
 * "code", "detail"}]}. */
void provider_summary(const struct provider *p, struct buf *out);
/* Violations so far. */
uint64_t provider_violations(const struct provider *p);

#endif
