/*
 * dial_private.h - the inside of a simulated call, for dial*.c alone.
 *
 * dial_call.c is the carrier (TwiML, the end), dial_ask.c its webhooks, dial_stream.c the media
 * stream, dial_report.c what is said about it all.
 *
 *   Thread   the loop's.
 */
#ifndef APP_DIAL_PRIVATE_H
#define APP_DIAL_PRIVATE_H

#include "app/dial.h"
#include "app/dial_ask.h"
#include "app/dial_line.h"
#include "app/dial_playout.h"
#include "base/limits.h"
#include "net/ws.h"
#include "proto/twilio_sig.h"
#include "proto/twiml.h"

enum { DIAL_SID_BYTES = 40, DIAL_FORM_PARAMS_MAX = 32 };

struct dial_clear {
    int64_t at_ms, heard_ms, played_ms, dropped_ms;
};

/* A webhook being asked. */
struct dial_question {
    struct dial_overrides overrides;
    struct buf url;           /* absolute, without its fragment */
    const char *name, *value; /* one more parameter; NULL = none */
    unsigned asked;
    int64_t began_ms;
};

/* The stream ended without a hang-up of either side. Milliseconds of the call; -1 = not yet. */
struct dial_break {
    int64_t at_ms;
    int64_t quiet_ms;  /* the last audible frame was so long before; -1 = none was heard */
    int64_t stream_ms; /* a new stream was open */
    int64_t heard_ms;  /* first audible frame of it */
    unsigned asked;    /* requests until there was an answer */
    bool resumed;      /* some new stream was open */
};

struct dial_form {
    struct twilio_param params[DIAL_FORM_PARAMS_MAX];
    size_t count;
};

enum dial_end {
    DIAL_END_NONE,
    DIAL_END_CALLER,   /* hung up by the caller, script done or time over */
    DIAL_END_AGENT,    /* the server ended it */
    DIAL_END_TRANSFER, /* dialled on to a person */
    DIAL_END_REJECT,
    DIAL_END_FAILED,
};

struct dial_call {
    struct loop *loop;
    struct http_client *http;
    struct tls_client *tls;
    const struct dial_opts *opts;
    unsigned number;
    loop_fn *on_done;
    void *ctx;

    char call_sid[DIAL_SID_BYTES], stream_sid[DIAL_SID_BYTES];
    int64_t start_us; /* of the call */
    int64_t answered_us;
    bool started, finished, closing;

    /* carrier */
    struct http_fetch *fetch;
    struct dial_question question;
    struct loop_timer *retry;
    struct twiml_doc doc;
    bool has_doc;
    size_t verb; /* next to be obeyed */
    unsigned documents;
    char *action;            /* of the running <Connect>; NULL = none */
    struct loop_timer *wait; /* Say, Pause, hang-up */
    struct loop_timer *limit;
    const char *call_status; /* in callbacks */

    /* stream */
    struct ws *ws;
    bool streaming; /* start was sent */
    bool stream_closed_by_us;
    int64_t stream_us;                   /* when the stream began */
    int64_t next_us;                     /* next tick */
    struct loop_timer *tick, *last_word; /* last_word: until a close of the server arrives */
    struct dial_line *up, *down;
    struct dial_playout playout;
    struct dial_talk talk;
    struct buf out;
    int64_t sequence, chunk, ticks;
    struct twilio_param params[TWILIO_PARAMS_MAX]; /* of the stream; text in the document */
    size_t param_count;
    struct buf caller_audio, agent_audio; /* opts->keep_audio */

    /* figures */
    enum dial_end ended_by;
    char error[200]; /* "" = none */
    char ended_detail[160];
    char *says[DIAL_SAYS_MAX];
    size_t say_count;
    char transferred_to[64];
    struct dial_clear cleared[DIAL_CLEARS_MAX];
    size_t clear_count;
    struct dial_break breaks[DIAL_BREAKS_MAX];
    size_t break_count;
    bool broken;             /* the last break is not over: it may turn out to be the call's end */
    int64_t last_audible_ms; /* of the call; -1 = nothing was heard */
    uint64_t bad_messages, late_ticks;
    int64_t webhook_ms, stream_open_ms, max_late_ms;
    int64_t duration_ms;
    int64_t unheard_ms; /* what the server's close cut off */
    int status_code;    /* of the status callback; 0 = none */
    unsigned close_code;
};

/* -- dial_ask.c -- */
void dial_ask_init(struct dial_call *c);
void dial_ask_fini(struct dial_call *c);
/* No answer is waited for any more. */
void dial_ask_stop(struct dial_call *c);
/* Asks for the next document; `name` and `value` (static) go with it unless NULL. */
void dial_ask(struct dial_call *c, struct str url, const char *name, const char *value);
void dial_form_add(struct dial_form *f, const char *name, const char *value);
/* What every webhook is told of the call. */
void dial_form_call(const struct dial_call *c, struct dial_form *f);
/* Signs as Twilio does and posts. `url` is the public one. Not OK: the call has failed. */
enum err dial_post(struct dial_call *c, struct str url, const struct dial_form *f,
                   int64_t timeout_ms, http_done_fn *done) MUST_CHECK;

/* -- dial_call.c -- */
/* Goes on in the document. */
void dial_call_next_verb(struct dial_call *c);
/* The stream is over: what next? `by_server`: the TwiML goes on. */
void dial_call_stream_over(struct dial_call *c, bool by_server);
void dial_call_fail(struct dial_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void dial_call_end(struct dial_call *c, enum dial_end by, const char *detail);
/* An address of TwiML as the server's public one: relative ones are completed. */
void dial_call_resolve(const struct dial_call *c, struct str url, struct buf *out);
/* Where to connect for a public address: the server itself, when the address is the server's. */
void dial_call_route(const struct dial_call *c, struct str url, bool websocket, struct buf *out);
/* Milliseconds since the call began. */
int64_t dial_call_now_ms(const struct dial_call *c);

/* -- dial_stream.c -- */
void dial_stream_open(struct dial_call *c, struct str url);
/* Sends stop and closes; dial_call_stream_over follows. */
void dial_stream_hangup(struct dial_call *c);
/* No more frames. */
void dial_stream_stop(struct dial_call *c);
void dial_stream_fini(struct dial_call *c);

/* -- dial_report.c -- */
/* One line of the conversation, with the time. */
void dial_say(const struct dial_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void dial_on_talk(void *ctx, enum dial_talk_event event, const struct dial_turn *turn, char digit);

#endif
