/*
 * dial.h - a simulated phone call: a caller and a carrier that behaves as Twilio does.
 *
 * It posts the signed voice webhook, obeys the TwiML, opens the signed media stream, sends the
 * caller's 20 ms frames in real time, plays what it is sent at the speed of speech, echoes marks
 * when they were played, honours clear, asks the <Connect action> when the stream ends (again and
 * again where its URL says so), goes on in a new stream if it is told to, and reports the end to
 * the status callback (Twilio documentation: Voice webhooks, Connection Overrides, TwiML, Media
 * Streams). What it prints is what a caller can know: times, not the agent's words.
 *
 *   Lifetime  dial_call_new, dial_call_start; on_done once, from the loop; dial_call_free after it
 *             (not from inside it: defer).
 *   Thread    the loop's.
 *   Bounds    DIAL_* in base/limits.h.
 */
#ifndef APP_DIAL_H
#define APP_DIAL_H

#include "app/dial_talk.h"
#include "base/buf.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/tls.h"

struct dial_call;

struct dial_opts {
    const char *url;         /* where the server is reached: "http://127.0.0.1:8080" */
    const char *public_url;  /* what it believes its address to be: signatures; NULL = url */
    const char *path;        /* of the voice webhook; NULL = /api/twilio/voice */
    const char *status_path; /* NULL = /api/twilio/status, "" = none */
    const char *stream_url;  /* no webhook: open this stream at once */
    const char *token;       /* auth token; NULL or "" = requests are not signed */
    const char *account_sid;
    const char *from, *to;
    struct dial_talk_opts talk;
    int64_t rtt_ms, jitter_ms; /* of the network between carrier and server */
    int64_t retry_wait_ms;     /* before a webhook is asked again, then doubled; 0 = 250 */
    int64_t max_ms;            /* the call is hung up then and has failed; 0 = 120 s */
    int64_t hangup_ms;         /* after the stream began, whatever was said; -1 = never */
    bool keep_audio;           /* for dial_call_wav */
    bool print;                /* the conversation as it happens, on stdout */
    bool many;                 /* lines begin with the call's number */
};

/* Borrowed: opts and what they point to outlive the call. `number` is 1, 2, ... */
struct dial_call *dial_call_new(struct loop *l, struct http_client *http, struct tls_client *tls,
                                const struct dial_opts *opts, unsigned number, loop_fn *on_done,
                                void *ctx);
void dial_call_start(struct dial_call *c);
/* The caller hangs up now (a signal). */
void dial_call_hangup(struct dial_call *c);
/* Only when done or never started. NULL-safe. */
void dial_call_free(struct dial_call *c);

/* The call went as scripted. */
bool dial_call_ok(const struct dial_call *c);
/* One JSON object, see docs/dial.md. */
void dial_call_json(const struct dial_call *c, struct buf *out);
/* The summary for people. */
void dial_call_print(const struct dial_call *c);
/* A stereo WAVE file: left the caller, right the agent as heard. */
enum err dial_call_wav(const struct dial_call *c, const char *path,
                       struct err_detail *why) MUST_CHECK;

#endif
