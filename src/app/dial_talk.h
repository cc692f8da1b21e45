/*
 * dial_talk.h - the caller's side of a conversation: what to say, and when.
 *
 * A person waits until the other has finished, says something, waits for the answer; sometimes they
 * interrupt. dial_talk is that person. Every 20 ms it is told what was heard and fills a frame with
 * what is said; it measures how long each answer took and what each interruption did.
 *
 *   Units    milliseconds of the stream's clock; mu-law frames of 20 ms.
 *   Memory   steps belong to the caller and outlive the talk; turns are the talk's.
 *   Thread   the owner's; pure: time is an argument.
 *   Bounds   DIAL_STEPS_MAX steps.
 */
#ifndef APP_DIAL_TALK_H
#define APP_DIAL_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dial_step_kind { DIAL_SAY, DIAL_DTMF, DIAL_PAUSE };

struct dial_step {
    enum dial_step_kind kind;
    const char *text;     /* words or file name, digits, or "" */
    const uint8_t *audio; /* DIAL_SAY: mu-law */
    size_t audio_len;
    int64_t pause_ms;     /* DIAL_PAUSE */
    int64_t interrupt_ms; /* DIAL_SAY: start so long after the agent began; -1 = when it is quiet */
};

/* What came of a step. Times are -1 where nothing happened. */
struct dial_turn {
    const struct dial_step *step; /* NULL: the agent's opening */
    int64_t began_ms, ended_ms;   /* the caller's own voice */
    int64_t answered_ms;          /* the agent was first heard after it */
    int64_t answer_end_ms;        /* and last heard */
    bool unanswered;              /* patience ended first */
    bool talked_over; /* the agent took a pause for the end, and was cut off by the rest */
    /* interruptions */
    bool interrupts;        /* the agent was speaking when this began */
    bool cleared;           /* the server dropped what it had sent */
    int64_t silent_ms;      /* nothing was heard any more */
    int64_t heard_ms;       /* truth: audio of the interrupted answer that was played */
    int64_t played_ms;      /* truth: audio played since the stream began */
    int64_t voice_heard_ms; /* of heard_ms, up to the last audible frame */
};

enum dial_talk_event {
    DIAL_AGENT_BEGINS,
    DIAL_AGENT_ENDS,
    DIAL_CALLER_BEGINS,
    DIAL_CALLER_ENDS,
    DIAL_SILENCED, /* an interruption was honoured */
    DIAL_DIGIT,    /* send `digit` */
    DIAL_NO_ANSWER,
    DIAL_DONE, /* everything was said and answered */
};

struct dial_talk;
typedef void dial_talk_fn(void *ctx, enum dial_talk_event event, const struct dial_turn *turn,
                          char digit);

struct dial_talk_opts {
    const struct dial_step *steps;
    size_t step_count;
    int64_t settle_ms;       /* silence after which the agent has finished; 0 = 700 */
    int64_t first_settle_ms; /* of the opening, which may have several parts; 0 = 1500 */
    int64_t patience_ms;     /* for an answer to begin; 0 = 15000 */
};

/* What was heard in the last 20 ms, and what the playout knows. */
struct dial_heard {
    bool audible;      /* the frame was speech */
    bool empty;        /* nothing waits to be played */
    bool idle;         /* and nothing was played either */
    int64_t played_ms; /* audio played since the stream began */
};

enum dial_talk_state {
    DIAL_TALK_LISTEN, /* until the agent has finished */
    DIAL_TALK_SPEAK,
    DIAL_TALK_WAIT, /* for the answer */
    DIAL_TALK_PAUSE,
    DIAL_TALK_BACK, /* the line broke and is back: hear what the agent has to say to that */
    DIAL_TALK_OVER,
};

/* Fields are private to dial_talk.c; turns[0..turn_count) may be read. */
struct dial_talk {
    struct dial_talk_opts opts;
    dial_talk_fn *fn;
    void *ctx;
    enum dial_talk_state state, broken; /* broken: what was going on when the line broke */
    size_t step;                        /* next to be done */
    struct dial_turn *turns;            /* the opening, then one a step */
    size_t turn_count;
    size_t said;      /* bytes of the running step */
    int64_t since_ms; /* of the state */
    bool agent_on;
    int64_t agent_began_ms, agent_last_ms; /* first and last audible frame */
    int64_t answer_from_ms; /* played_ms when this answer's audio began, its own silence included */
    int64_t voice_played_ms; /* played_ms at the last audible frame */
    bool heard_any;
};

void dial_talk_init(struct dial_talk *t, const struct dial_talk_opts *opts, dial_talk_fn *fn,
                    void *ctx);
void dial_talk_fini(struct dial_talk *t);
/* One step of 20 ms ending at now_ms; fills `frame` (160 bytes) with the caller's voice. */
void dial_talk_tick(struct dial_talk *t, int64_t now_ms, const struct dial_heard *heard,
                    uint8_t *frame);
/* A clear dropped audio, `played_ms` having been played until then. Returns how much of the
 * interrupted answer that is. */
int64_t dial_talk_cleared(struct dial_talk *t, int64_t now_ms, int64_t played_ms);
/* The stream broke and another one took its place. An utterance that was cut is said again once the
 * agent has spoken; an answer that was cut need not come again. */
void dial_talk_resumed(struct dial_talk *t, int64_t now_ms);
/* All steps were done. */
bool dial_talk_over(const struct dial_talk *t);

#endif
