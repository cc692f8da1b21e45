/*
 * local_impl.h - the inside of the local engine, for local*.c alone.
 *
 * One struct local_engine a session. Client events come in through local_session.c, audio goes to
 * local_input.c (turns) and local_ear.c (recognition), answers are given by local_answer.c. Server
 * events wait in a queue that a deferred call empties, so that the owner is never called back from
 * inside one of its own calls.
 *
 *   Thread   the loop's, except worker functions, which see only their job.
 */
#ifndef ENGINE_LOCAL_IMPL_H
#define ENGINE_LOCAL_IMPL_H

#include <pthread.h>

#include "audio/resample.h"
#include "audio/vad.h"
#include "base/limits.h"
#include "engine/local.h"
#include "engine/local_reply.h"
#include "proto/rt_event.h"
#include "speech/stt.h"
#include "speech/tts.h"
#include "speech/utterance.h"

enum {
    LOCAL_HZ = 8000,
    LOCAL_WIDE_HZ = 24000,
    LOCAL_ID_BYTES = 64,
    LOCAL_DELTA_MS = 200, /* audio in one delta */
    LOCAL_COMMIT_MS_MIN = 100,
    LOCAL_HISTORY_SAMPLES = (LOCAL_PREFIX_MS_MAX + 200) * (LOCAL_HZ / 1000),
};

struct local_model {
    char *key;
    struct stt_model *model;
    uint64_t used;
};

/* A sentence as it is to be heard: the key of what is kept as audio. */
struct local_say {
    enum tts_voice voice;
    enum rt_audio_format format;
    unsigned speed;
    struct str text;
};

/* One sentence kept as audio, or being made. */
struct local_sound {
    struct local_sound *next; /* used less recently */
    uint32_t hash;
    enum tts_voice voice;
    enum rt_audio_format format;
    unsigned speed;
    bool making;
    struct buf text;
    struct buf audio;
};

/* Shared by all sessions of the driver; `lock` is never held for longer than a copy takes. */
struct local_sounds {
    pthread_mutex_t lock;
    pthread_cond_t made;
    struct local_sound *first;
    size_t count, bytes;
    uint64_t hits, misses;
};

struct local_driver {
    struct local_sounds sounds;
    struct stt *stt;
    struct worker_pool *pool;
    enum tts_voice voice;
    pthread_mutex_t lock; /* guards the models */
    struct local_model models[LOCAL_MODELS_MAX];
    size_t model_count;
    uint64_t uses;
};

/* A server event that the owner has not had yet. */
struct local_event {
    struct local_event *next;
    size_t len;
    char text[];
};

enum local_item_kind { LOCAL_ITEM_USER, LOCAL_ITEM_AGENT, LOCAL_ITEM_CALL, LOCAL_ITEM_OTHER };

struct local_item {
    char id[LOCAL_ID_BYTES];
    char call_id[LOCAL_ID_BYTES]; /* LOCAL_ITEM_CALL */
    enum local_item_kind kind;
    int64_t audio_ms; /* LOCAL_ITEM_AGENT: spoken so far */
    char *text;       /* or NULL */
};

/* Audio of the caller between its first sound and its text. */
struct local_turn {
    struct local_turn *next;
    char item_id[LOCAL_ID_BYTES];
    struct buf pcm; /* int16 at LOCAL_HZ, not yet given to the recogniser */
    size_t samples; /* in all */
    bool ended;
    bool dropped;       /* cleared, or too many wait: nobody wants its text */
    int64_t guessed_ms; /* where the voice had ended when its text was last guessed at */
    unsigned guesses;
    bool guess_due; /* the caller is quiet: it has perhaps ended */
    bool guessed;   /* the ear's result is the turn's, unless there was */
    bool voice;     /* since the guess */
};

struct local_input {
    enum rt_audio_format format;
    bool vad_on, create_response, interrupt_response;
    struct vad_opts vad_opts;
    struct vad vad;
    struct resample *down; /* audio/pcm alone */
    int16_t partial[VAD_FRAME_SAMPLES];
    size_t partial_len;
    int16_t history[LOCAL_HISTORY_SAMPLES]; /* the latest samples, oldest first */
    struct local_turn *open;                /* being spoken, or being filled by hand */
};

/* The recogniser's side. While `busy`, the fields after it belong to the worker. */
struct local_ear {
    struct local_turn *first, *last; /* the first one is being recognised */
    size_t count;
    bool busy;
    struct worker_job job;
    struct local_driver *driver;
    const struct engine_vocabulary *vocabulary;
    struct stt_model *model;
    struct stt_utterance *utterance;
    struct stt_caller caller;
    struct buf pcm;
    bool finish;
    bool guess;                /* end the utterance, but keep it: it may go on */
    struct stt_caller learned; /* from a guess; true if the guess was right */
    bool failed;               /* no model: nothing is ever understood */
    struct stt_result result;
};

/* The voice's side; as above. */
struct local_mouth {
    bool busy;
    unsigned response; /* number of the response it speaks for */
    struct worker_job job;
    struct local_driver *driver;
    struct local_say say; /* its text is `text` below */
    struct buf text;
    struct buf audio; /* in the format of the session */
    enum err err;
};

/* What the answer will be if the caller has ended: it is thought out on copies, and its first
 * sentence is spoken into the driver's sounds. A wrong guess leaves nothing else behind. */
struct local_guess {
    bool busy;  /* a sentence is being made; as above */
    bool again; /* meanwhile there is another one to be made */
    bool asked; /* the owner was told of a tool */
    struct worker_job job;
    struct local_driver *driver;
    struct local_say say; /* `text` is `text` below */
    struct buf text, audio;
    struct buf heard;
    struct local_reply reply;
    struct local_plan plan;
};

/* A response asked for. */
struct local_want {
    char *exact; /* the words to say, or NULL */
    char *purpose;
    bool out_of_band, no_tools, text_only;
};

struct local_response {
    bool active;
    bool planned;      /* it is known what to say */
    bool message_open; /* the message's item was announced */
    unsigned number;
    char id[LOCAL_ID_BYTES];
    char item_id[LOCAL_ID_BYTES];
    char call_item_id[LOCAL_ID_BYTES];
    char call_id[LOCAL_ID_BYTES];
    struct local_want want;
    struct local_plan plan;
    struct buf arguments; /* of the function call */
    struct str rest;      /* of plan.say, not yet spoken */
    struct buf spoken;
    int64_t audio_bytes;
    char *answers; /* what of the caller it answers; given back if it dies unheard */
};

struct local_engine {
    struct engine base;
    struct local_driver *driver;
    struct loop *loop;
    struct engine_events events;
    void *ctx;
    char *call_id;
    bool opened, closing;
    unsigned held; /* jobs and deferred calls that still point here */
    enum err why;

    struct local_event *first, *last; /* server events waiting */
    size_t event_bytes;
    bool flushing;
    struct loop_timer *retry;

    char tag[16]; /* makes ids of this session unlike any other's */
    uint64_t ids, event_ids;
    char conversation[LOCAL_ID_BYTES];
    json_t *session;
    enum rt_audio_format out_format;
    bool transcribe, text_only;
    enum tts_voice voice;
    unsigned speed;

    struct local_item *items; /* LOCAL_ITEMS_MAX */
    size_t item_count;
    struct local_reply reply;
    struct buf said; /* by the caller, not yet answered */
    bool unanswered; /* something was said, understood or not */
    struct buf told; /* the caller's words before the agent's last, by the client's account */
    unsigned confidence;
    struct buf output; /* of the tool asked for */
    bool has_output;
    bool greeted;

    struct local_input input;
    struct local_ear ear;
    struct local_mouth mouth;
    struct local_guess guess;
    struct local_response response;
    struct local_want wants[LOCAL_WANTS_MAX];
    size_t want_count;
    int64_t tokens_text, tokens_audio; /* of the conversation */
};

/* -- local.c -- */
/* Queues one server event; `ev` gets its event_id here. */
void local_emit(struct local_engine *e, struct rt_event *ev);
void local_emit_text(struct local_engine *e, struct str json);
/* `event_id`: of the client event refused; may be STR_NONE. */
void local_refuse(struct local_engine *e, const char *code, struct str event_id, const char *param,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void local_id(struct local_engine *e, char out[LOCAL_ID_BYTES], const char *prefix);
void local_next_event_id(struct local_engine *e, char out[LOCAL_ID_BYTES]);
/* A job or deferred call is over; false when the engine went with it. */
bool local_release(struct local_engine *e);
/* Workers are full: pump both sides again in a moment. */
void local_retry(struct local_engine *e);

/* -- local_models.c -- */
/* The model of a vocabulary, made if it is not kept; a reference for the caller. Worker. */
enum err local_models_get(struct local_driver *d, const struct engine_vocabulary *vocabulary,
                          struct stt_model **out) MUST_CHECK;
void local_models_free(struct local_driver *d);

/* -- local_sounds.c -- */
void local_sounds_init(struct local_sounds *s);
void local_sounds_fini(struct local_sounds *s);
/* Replaces *audio if the sentence is kept. Any thread; a copy at most. */
bool local_sounds_find(struct local_sounds *s, const struct local_say *say, struct buf *audio);
/* Replaces *audio, made now unless it is kept or being made. Worker. As tts_say. */
enum err local_sounds_make(struct local_sounds *s, const struct local_say *say,
                           struct buf *audio) MUST_CHECK;

/* -- local_guess.c -- */
void local_guess_init(struct local_engine *e);
void local_guess_fini(struct local_engine *e);
/* This is what the caller has said, if it was all. */
void local_guess_heard(struct local_engine *e, struct str text, unsigned confidence);
void local_guess_hint(struct local_engine *e, struct str output);
/* The caller goes on. */
void local_guess_drop(struct local_engine *e);

/* -- local_session.c -- */
void local_session_init(struct local_engine *e);
void local_session_announce(struct local_engine *e, const char *type);
void local_session_take(struct local_engine *e, struct rt_event *ev);

/* -- local_items.c -- */
struct local_item *local_item_find(struct local_engine *e, struct str id);
struct local_item *local_item_add(struct local_engine *e, const char *id,
                                  enum local_item_kind kind);
/* The id of the newest item; STR_NONE for the first one's predecessor. */
struct str local_item_last(const struct local_engine *e);
void local_items_take(struct local_engine *e, const struct rt_event *ev);
void local_items_free(struct local_engine *e);

/* -- local_input.c -- */
void local_input_init(struct local_engine *e);
void local_input_fini(struct local_engine *e);
/* After the session's settings changed. */
void local_input_configure(struct local_engine *e);
void local_input_append(struct local_engine *e, const struct rt_event *ev);
void local_input_commit(struct local_engine *e, struct str event_id);
void local_input_clear(struct local_engine *e);

/* -- local_ear.c -- */
void local_ear_init(struct local_engine *e, const struct engine_vocabulary *vocabulary);
void local_ear_fini(struct local_engine *e);
struct local_turn *local_ear_open(struct local_engine *e);
void local_ear_write(struct local_turn *t, const int16_t *samples, size_t count);
/* After each frame of a turn that is cut by energy. */
void local_ear_watch(struct local_engine *e, struct local_turn *t);
void local_ear_pump(struct local_engine *e);
/* Turns that ended and whose text is not known yet. */
bool local_ear_waiting(const struct local_engine *e);

/* -- local_answer.c -- */
void local_answer_init(struct local_engine *e);
void local_answer_fini(struct local_engine *e);
/* response.create, or the end of a turn (`ev` NULL). */
void local_answer_create(struct local_engine *e, const struct rt_event *ev);
void local_answer_cancel(struct local_engine *e, const struct rt_event *ev);
/* The caller began to speak. */
void local_answer_interrupt(struct local_engine *e);
/* Something it may wait for has come. */
void local_answer_pump(struct local_engine *e);

/* -- local_speak.c: the answer's items and audio -- */
void local_speak_pump(struct local_engine *e);
void local_speak_close_message(struct local_engine *e, enum rt_status status);
void local_speak_call_tool(struct local_engine *e);
/* The plan's tool's arguments as JSON, replacing *out. */
void local_speak_arguments(const struct local_plan *plan, struct buf *out);
struct local_say local_speak_say(const struct local_engine *e, unsigned speed, struct str sentence);
void local_speak_init(struct local_engine *e);
void local_speak_fini(struct local_engine *e);

#endif
