/*
 * host_private.h - the insides of a host, shared by the files of session/.
 */
#ifndef SESSION_HOST_PRIVATE_H
#define SESSION_HOST_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/breaker.h"
#include "base/clock.h"
#include "base/limits.h"
#include "net/owner.h"
#include "session/host.h"
#include "session/probe.h"
#include "session/prompts.h"
#include "session/vocab.h"

struct session;

enum { TOKEN_BYTES = 16, CALL_ID_TEXT = 96 };
/* "<owner>-<secret>" */
enum { TOKEN_TEXT = OWNER_TEXT_BYTES + 1 + 2 * TOKEN_BYTES };

/* A live call as the host knows it. */
struct host_entry {
    struct host_entry *next;
    struct session *session;
    char token[TOKEN_TEXT]; /* "" once it was used */
    char carrier_id[64];
    char business_id[48], from[32]; /* as counted by the admission */
    bool counted;
    int64_t day_nanousd; /* what a day of the business may cost */
    struct loop_timer *stream_wait;
    struct host_part *part;
};

/* What to tell the carrier about a call that has ended. */
struct host_aftermath {
    struct host_aftermath *next; /* newest first */
    char carrier_id[64];
    enum channel_verdict verdict;
    char number[32];
    int64_t until_us;
};

/* For one input of one call at a time, whichever: memory that idle calls need not hold, and that
 * stays in the cache when many calls take turns. */
struct session_scratch {
    struct buf record, lines; /* of the journal */
    struct buf message;       /* to the carrier or the engine */
    struct buf audio;         /* of the input, as bytes */
    struct call_scratch *call;
    bool busy; /* a step is under way: another must not begin */
};

struct host_part {
    struct session_scratch scratch;
    struct host *host;
    struct loop *loop;
    struct journal *journal;
    struct loop_timer *tell_health;
    struct prompts *prompts;
    struct vocabs *vocabs;
    struct probes probes;
    struct host_entry *entries;
    struct host_aftermath *aftermath;
    char owner[OWNER_TEXT_BYTES];
    struct host_question *questions; /* wait for recovery */
    uint64_t next_call;
    /* the business of streams without a token, read once */
    struct store_req *default_business;
    struct knowledge *knowledge; /* borrowed; NULL: the store is searched by words */
    /* closing */
    bool closing;
    loop_fn *on_closed;
    void *on_closed_ctx;
};

/* A carrier asks about a call that this loop does not know. */
struct host_question {
    struct host_question *next;
    struct host *host;
    struct loop *asker, *home; /* where the request came in, and where such a call would be */
    char carrier_id[64];
    channel_answer_fn *answer;
    void *answer_ctx;
    /* the answer, on its way to the asker */
    struct channel_answer said;
    char token[TOKEN_TEXT], number[32], owner[OWNER_TEXT_BYTES];
};

struct host {
    struct host_env env;
    char boot[CLOCK_BOOT_ID_BYTES];
    _Atomic bool recovering;                 /* calls of dead processes may still turn up */
    struct loop *loops[LOOP_COUNT_MAX];      /* fixed before any of them runs */
    struct host_part *parts[LOOP_COUNT_MAX]; /* each touched by its own loop alone */
    pthread_mutex_t health_lock;             /* guards the next line: counters are asked anywhere */
    struct journal_health health[LOOP_COUNT_MAX]; /* of each loop's journal, told by that loop */
    const char *_Atomic drain_number;             /* NULL = not draining */
    _Atomic uint32_t live;
    _Atomic uint32_t live_on[LOOP_COUNT_MAX]; /* of them, on each loop */
    atomic_uint next_loop;                    /* whose turn it is to take a call */
    _Atomic uint32_t engine_calls[CALL_ENGINES_MAX];
    struct admission *admission;
    struct breaker breakers[CALL_ENGINES_MAX];
    _Atomic uint64_t calls_total, calls_refused, calls_failed;
    _Atomic uint64_t turns, interruptions, engine_failures, rollovers, dropped_ms;
};

/* What the business's calls of a day may cost; 0 = no limit. Any thread. */
int64_t host_day_nanousd(const struct host *h, const struct business_config *c);
/* The call has cost so much more. True if it should take its leave: the day's money is spent. */
bool host_spent(struct host_part *part, const struct session *s, int64_t nanousd);

/* Counts a call of a business in, or says with what words it is refused: "" = it may begin.
 * `*caps` is set to the limits that hold for the business. */
struct str host_admit(struct host_part *part, const struct store_req *business, struct str from,
                      struct admission_caps *caps);

/* How many loops have a part; fixed once they run. Any thread. */
unsigned host_loop_count(const struct host *h);
/* A call of the part begins (1) or has ended (-1). */
void host_count_live(struct host_part *part, int more);

/* A call that was admitted: what to give back at its end. */
void host_entry_count(struct host_entry *e, struct str business_id, struct str from,
                      const struct admission_caps *caps);

/* Something of the part has closed: if it is closing and this was the last, it goes on. */
void host_part_idle(struct host_part *part);

/* An engine session of the process's engine `index` failed, by no fault of its age or ours. */
void host_engine_failed(struct host_part *part, uint32_t index);

/* The process's index of a call's engine, by its name: a call may be older than the process.
 * CALL_ENGINES_MAX if it is gone. */
uint32_t host_engine_index(const struct host *h, const char *name);

/* The live call of that carrier's id, or NULL. */
struct host_entry *host_find_carrier(struct host_part *part, struct str carrier_id);

/* Whether a new call is turned away because the process is going; it was answered then. */
bool host_turned_away(struct host_part *part, channel_answer_fn *answer, void *answer_ctx);

/* host_status.c: channel_host.on_status. Ends the call on whatever loop it lives. */
void host_on_status(void *host, struct loop *l, struct str carrier_id, struct str status,
                    int64_t duration_s);

/* session.c */
void session_scratch_init(struct session_scratch *x);
void session_scratch_fini(struct session_scratch *x);

/* -- host.c, for resume.c -- */
struct host_entry *host_find_carrier(struct host_part *part, struct str carrier_id);
/* A new one-time token. */
void host_draw_token(struct host_entry *e);
/* What was remembered of a call that has ended; false when nothing is. */
bool host_answer_ended(struct host_part *part, struct str carrier_id, struct channel_answer *out);

void host_remember_ended(struct host_part *part, struct str carrier_id,
                         enum channel_verdict verdict, struct str number);

/* -- resume.c -- */
/* The Connect action asks: a call that lost its line is given a new one. */
void host_asked(struct host_part *part, struct str carrier_id, channel_answer_fn *answer,
                void *answer_ctx);
/* No call turns up any more: whoever still waits is told so. */
void host_questions_over(struct host_part *part);

/* A session frees itself: forgets it and remembers what the carrier may still ask. */
void host_session_gone(struct host_part *part, struct session *s);
/* At the end of its call, before it is gone. */
void host_session_ended(struct host_part *part, struct session *s, const struct call_stats *stats,
                        int64_t cost_nanousd);

/* The configuration of one call of `business`. Strings are borrowed from the arguments or live in
 * `a`. */
void host_call_config(struct host_part *part, struct arena *a, const struct store_req *business,
                      const struct channel_call *info, struct call_config *out);

#endif
