/*
 * config.h - every setting of the program: one table row a key.
 *
 * A row gives a key its name, environment name, type, range, default and help; from it come
 * parsing, validation, --dump-config and docs/config.md. A value is taken from, weakest first: the
 * default, the file (`key = value` lines; --config FILE, else DATA/callee.conf if there is one),
 * the environment (the row's own name, or CALLEE_<KEY>, which wins), the flag --key-with-dashes.
 * Nothing else in the program reads the environment, but for the supervisor's words (notify.h).
 *
 *   Units    times: milliseconds. Prices: millionths of a US dollar per million tokens.
 *   Memory   struct app_config owns its strings (config_fini). Strings are never NULL, "" = none.
 *   Thread   loaded by the main thread; read-only afterwards, so every loop may read it.
 *   Bounds   a file: CONFIG_FILE_BYTES_MAX; a value: CONFIG_VALUE_BYTES_MAX.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/flags.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "call/config.h"

enum { CONFIG_KEYS_MAX = 128 };

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };

/* A provider behind the first. */
struct provider_settings {
    const char *url, *key, *model, *voice;
    const char *prices; /* as written; "" = the first one's */
    bool beta;
};

struct app_config {
    /* server */
    const char *listen;      /* "127.0.0.1:8080", as written */
    const char *listen_host; /* of listen; IPv6 without its brackets */
    int64_t listen_port;     /* of listen; 0 = any */
    const char *data;
    const char *public_url; /* without a trailing slash */
    const char *tls_cert, *tls_key, *ca_file;
    const char *trusted_proxies;
    int64_t loops;
    const char *log_level;
    bool takeover;
    int64_t drain_limit_ms;
    const char *drain_forward_number;
    bool metrics_public;
    bool demo;

    /* engine */
    const char *engine; /* auto, realtime, local */
    const char *openai_api_key, *provider_url, *provider_model;
    bool provider_beta;
    struct provider_settings provider2, provider3;
    const char *voice, *transcription_model, *language;
    int64_t max_output_tokens;
    int64_t vad_threshold_permille, vad_prefix_ms, vad_silence_ms;
    int64_t price_text_in, price_cached_text_in, price_audio_in, price_cached_audio_in;
    int64_t price_text_out, price_audio_out, price_transcription_in;

    /* model that reads and writes text */
    const char *llm_url, *llm_key, *llm_model;
    int64_t llm_price_in, llm_price_cached_in, llm_price_out;

    /* knowledge */
    const char *embedding_url, *embedding_key, *embedding_model;
    int64_t embedding_deadline_ms;

    /* Twilio */
    const char *twilio_account_sid, *twilio_auth_token, *twilio_api_url;
    bool insecure_streams;

    /* calls */
    int64_t max_calls, max_local_calls, max_calls_per_business, max_calls_per_caller;
    int64_t max_spend_day_microusd, max_spend_day_business_microusd;
    const char *busy_words, *spent_words, *spent_goodbye;
    int64_t engine_retries;
    int64_t connect_timeout_ms, response_timeout_ms, tool_timeout_ms, filler_after_ms;
    int64_t session_limit_ms, slow_answer_ms, wait_words_ms;
    int64_t coalesce_silence_ms;
    int64_t silence_ms, max_duration_ms, goodbye_limit_ms, resume_window_ms;
    int64_t max_cost_microusd; /* of one call; 0 = no cap */
    bool recording;
    bool journal;

    /* where each value came from; private to config.c */
    const char *text[CONFIG_KEYS_MAX];
    enum config_source source[CONFIG_KEYS_MAX];
    struct arena mem;
};

/* What a command brings to config_start. */
struct config_args {
    int argc; /* as given to the command: argv[0] is its name */
    char **argv;
    const char *usage;            /* one paragraph for --help */
    const struct flag_row *flags; /* the command's own; may be NULL */
    size_t flag_count;
    void *opts;               /* where the flags write */
    const char **positionals; /* room for arguments without dashes */
    size_t positional_max;    /* more than this is an error */
    size_t *positional_count;
    const char *(*env)(const char *name); /* NULL = the process's environment */
};

/* Loads everything and checks it. ERR_INVALID with one sentence for an unknown key or flag, a bad
 * value, settings that exclude each other, or a file that cannot be read. config_fini in any case.
 * Secrets never appear in the sentence. --help and --dump-config are not flags here. */
enum err config_load(struct app_config *c, const struct config_args *args,
                     struct err_detail *why) MUST_CHECK;
void config_fini(struct app_config *c);

/* config_load for a command, --help and --dump-config included: -1 = go on, else the exit code (the
 * line is written and `c` is finished). */
int config_start(struct app_config *c, const struct config_args *args);

/* "4, 0.4, 32, 0.4, 16, 64, 1.25": as providerN_prices. False, and `out` as it was, for anything
 * else. */
bool config_prices(struct str text, struct call_prices *out) MUST_CHECK;
/* Whether an address to listen on is one that only this machine reaches. */
bool config_is_loopback(const char *host);

/* The effective values as a file that could be read back, secrets masked. */
void config_dump(const struct app_config *c, struct buf *out);
/* docs/config.md. */
void config_docs(struct buf *out);

#endif
