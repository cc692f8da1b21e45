/*
 * provider_private.h - the inside of the scripted provider, for provider*.c alone.
 *
 * One struct provider_session a WebSocket: what came in (provider_session.c), the answer being
 * given (provider_reply.c), and the JSON of it all (provider_write.c), written here by hand so that
 * a mistake in the program's own Realtime vocabulary cannot hide behind itself.
 *
 *   Thread   the loop's.
 */
#ifndef APP_PROVIDER_PRIVATE_H
#define APP_PROVIDER_PRIVATE_H

#include <jansson.h>

#include "app/provider.h"
#include "app/provider_script.h"
#include "audio/vad.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/http.h"

enum { PROVIDER_ID_BYTES = 72, PROVIDER_CODE_BYTES = 48, PROVIDER_FAULT_AUDIO_MS = 600 };

/* A text as audio; kept by the provider, so that hundreds of sessions share it. */
struct provider_clip {
    char *text;
    struct buf mulaw;
};

struct provider_truncation {
    unsigned session;
    char item_id[PROVIDER_ID_BYTES];
    int64_t audio_end_ms, sent_ms;
};

struct provider_violation {
    unsigned session;
    char code[PROVIDER_CODE_BYTES];
    char detail[160];
};

struct provider_counts {
    uint64_t sessions, responses, completed, cancelled, failed, turns, appends, append_bytes;
    uint64_t deltas, tool_calls, tool_outputs, truncations, violations;
};

struct provider {
    struct loop *loop;
    struct provider_opts opts;
    char *key, *voice;
    struct provider_script script;
    struct http_router *router;
    struct http_server *server;
    struct provider_session *sessions; /* open ones */
    struct provider_pending *pending;  /* upgrades held back (fault slow) */
    size_t active;
    struct provider_clip *clips[PROVIDER_CLIPS_MAX];
    size_t clip_count;
    struct provider_counts counts;
    struct provider_truncation *truncations; /* PROVIDER_RECORDS_MAX */
    struct provider_violation *violations;
    size_t truncation_count, violation_count; /* entries used */
    struct buf out;                           /* the event being written */
    bool closing, server_gone;
    loop_fn *on_closed;
    void *on_closed_ctx;
};

enum provider_item_kind { PROVIDER_USER, PROVIDER_ASSISTANT, PROVIDER_CALL, PROVIDER_OTHER };

struct provider_item {
    char id[PROVIDER_ID_BYTES];
    enum provider_item_kind kind;
    char call_id[PROVIDER_ID_BYTES]; /* PROVIDER_CALL */
    int64_t sent_bytes;              /* PROVIDER_ASSISTANT: audio sent so far */
    int64_t cut_ms;                  /* after a truncation; -1 = none */
};

/* A response asked for while another runs; only out-of-band ones may be. */
struct provider_want {
    char *exact;    /* words, or NULL: the next step */
    char *metadata; /* JSON text or NULL */
    bool no_tools;
    bool out_of_band;
};

struct provider_response {
    bool active;
    bool begun; /* response.created was sent */
    bool stalled;
    bool endless; /* mirror mode */
    char id[PROVIDER_ID_BYTES];
    char item_id[PROVIDER_ID_BYTES]; /* of the message */
    char call_item_id[PROVIDER_ID_BYTES];
    char call_id[PROVIDER_ID_BYTES];
    char *metadata; /* JSON text, or NULL */
    char *text;     /* spoken words, or NULL */
    const struct provider_step *step;
    bool calls; /* the step's function is called at the end */
    bool out_of_band;
    const uint8_t *audio;
    size_t audio_len, sent;
    size_t text_sent; /* bytes of `text` sent as transcript */
    struct buf own;   /* audio that is no shared clip: an echoed turn, an unusual text */
    int64_t next_us;  /* when the next delta is due */
    enum provider_fault fault;
    int64_t fault_arg;
};

struct provider_session {
    struct provider *provider;
    struct provider_session *prev, *next;
    struct ws *ws;
    unsigned number;
    bool mute, ending;

    /* session */
    json_t *session; /* the effective one */
    bool vad_on, create_response, interrupt_response, transcribe;

    /* input */
    struct vad vad;
    uint8_t partial[VAD_FRAME_SAMPLES];
    size_t partial_len;
    int64_t uncommitted_bytes;
    bool in_turn;
    char turn_item[PROVIDER_ID_BYTES];
    struct buf turn_audio; /* echo mode */

    /* conversation */
    struct provider_item *items;
    size_t item_count, item_cap;
    char last_item[PROVIDER_ID_BYTES]; /* previous_item_id of the next */
    char *tool_output;                 /* the last one */
    uint64_t ids, events;
    size_t step; /* next of the script */
    uint64_t answers, turns;
    int64_t tokens_text, tokens_audio; /* of the conversation so far */
    int64_t tokens_seen;               /* of those, what the last response had read */

    struct provider_response response;
    struct provider_want wants[PROVIDER_WANTS_MAX];
    size_t want_count;
    struct loop_timer *timer;
};

/* -- provider.c -- */
/* The text as audio, kept and shared; NULL when PROVIDER_CLIPS_MAX other texts are kept. */
const struct provider_clip *provider_clip(struct provider *p, struct str text);
/* The text as audio, or 200 ms of silence for one without words. */
void provider_speak(struct provider *p, struct str text, struct buf *mulaw);
void provider_session_gone(struct provider_session *s);

/* -- provider_session.c -- */
/* Takes over an accepted upgrade. The exchange is over in any case. */
void provider_session_start(struct provider *p, struct http_exchange *ex);
void provider_session_free(struct provider_session *s);
void provider_id(struct provider_session *s, char out[PROVIDER_ID_BYTES], const char *prefix);
/* NULL past PROVIDER_ITEMS_MAX. */
struct provider_item *provider_item_add(struct provider_session *s, const char *id,
                                        enum provider_item_kind kind);
struct provider_item *provider_item_find(struct provider_session *s, struct str id);

/* -- provider_events.c: one function a client event -- */
void provider_events_take(struct provider_session *s, struct str text);

/* -- provider_input.c: caller audio -- */
void provider_input_append(struct provider_session *s, struct str base64);
void provider_input_commit(struct provider_session *s);
void provider_input_clear(struct provider_session *s);

/* -- provider_reply.c -- */
/* Begins an answer, now or after its delay. Takes the want's strings. */
void provider_reply_begin(struct provider_session *s, struct provider_want want);
/* `reason`: "turn_detected" or "client_cancelled". */
void provider_reply_cancel(struct provider_session *s, const char *reason);
/* The session's timer. */
void provider_reply_tick(void *ctx);
void provider_reply_mirror(struct provider_session *s, struct str base64, size_t bytes);
void provider_reply_fini(struct provider_session *s);

/* -- provider_write.c: server events -- */
/* Starts an event in p->out: {"type":TYPE,"event_id":... */
struct buf *provider_write_open(struct provider_session *s, const char *type);
/* ,"key":"text" */
void provider_write_text(struct buf *b, const char *key, struct str text);
/* ,"key":number */
void provider_write_int(struct buf *b, const char *key, int64_t number);
/* ,"key":json */
void provider_write_raw(struct buf *b, const char *key, const char *json);
/* Closes the object and sends it. */
void provider_write_send(struct provider_session *s);
/* An error event; counted as a violation unless `code` is one of our own faults. */
void provider_write_refuse(struct provider_session *s, const char *code, struct str event_id,
                           const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void provider_write_error(struct provider_session *s, const char *type, const char *code,
                          struct str event_id, const char *message);
/* "message" items of a role; `status` of the wire; text NULL = no content yet. */
void provider_write_message(struct buf *b, const char *key, const char *id, const char *role,
                            const char *status, const char *text);
void provider_write_call(struct buf *b, const char *key, const char *id, const char *call_id,
                         const char *name, const char *arguments, const char *status);
/* response.created or response.done of the running response. */
void provider_write_response(struct provider_session *s, const char *type, const char *status,
                             const char *reason, const char *error_code);

#endif
