/* One row a key. docs/config.md is made from this table: `callee config-docs`. */
#include "app/config_table.h"

#include "base/limits.h"

#define SERVER    "Server"
#define ENGINE    "Engine"
#define PRICES    "Prices"
#define PROVIDERS "Further providers"
#define LLM       "Language model"
#define KNOWLEDGE "Knowledge"
#define TWILIO    "Twilio"
#define CALLS     "Calls"
#define AT(m)     offsetof(struct app_config, m)
#define HOUR_MS   3600000
#define USD_MAX   1000000000000 /* a million dollars */

/* Plain text settings have no range. */
#define TEXT_(section, key, env, member, initial, help)                              \
    {                                                                                \
        section, key, env, CONFIG_TEXT, AT(member), 0, 0, NULL, initial, false, help \
    }
#define PATH_(section, key, member, initial, help)                                    \
    {                                                                                 \
        section, key, NULL, CONFIG_PATH, AT(member), 0, 0, NULL, initial, false, help \
    }
#define SECRET_(section, key, env, member, help)                               \
    {                                                                          \
        section, key, env, CONFIG_TEXT, AT(member), 0, 0, NULL, "", true, help \
    }
#define URL_(section, key, env, member, initial, help)                              \
    {                                                                               \
        section, key, env, CONFIG_URL, AT(member), 0, 0, NULL, initial, false, help \
    }
#define INT_(section, key, member, min, max, initial, help)                              \
    {                                                                                    \
        section, key, NULL, CONFIG_INT, AT(member), min, max, NULL, initial, false, help \
    }
#define MS_(section, key, member, min, max, initial, help)                              \
    {                                                                                   \
        section, key, NULL, CONFIG_MS, AT(member), min, max, NULL, initial, false, help \
    }
#define USD_(section, key, member, initial, help)                                          \
    {                                                                                      \
        section, key, NULL, CONFIG_USD, AT(member), 0, USD_MAX, NULL, initial, false, help \
    }
#define BOOL_(section, key, member, initial, help)                                    \
    {                                                                                 \
        section, key, NULL, CONFIG_BOOL, AT(member), 0, 1, NULL, initial, false, help \
    }
#define CHOICE_(section, key, member, choices, initial, help)                              \
    {                                                                                      \
        section, key, NULL, CONFIG_CHOICE, AT(member), 0, 0, choices, initial, false, help \
    }

/* A provider that answers when those before it fail. */
#define PROVIDER_(n, member)                                                                    \
    URL_(PROVIDERS, "provider" n "_url", NULL, member.url, "",                                  \
         "WebSocket address of the provider; empty: there is none."),                           \
        SECRET_(PROVIDERS, "provider" n "_key", NULL, member.key,                               \
                "Its key; empty: none is sent."),                                               \
        TEXT_(PROVIDERS, "provider" n "_model", NULL, member.model, "gpt-realtime",             \
              "Model asked for."),                                                              \
        TEXT_(PROVIDERS, "provider" n "_voice", NULL, member.voice, "",                         \
              "Its voice; empty: the same as the first provider's."),                           \
        BOOL_(PROVIDERS, "provider" n "_beta", member.beta, "false",                            \
              "Speak the retired beta shape of the Realtime API to it."),                       \
        TEXT_(PROVIDERS, "provider" n "_prices", NULL, member.prices, "",                       \
              "US dollars per million tokens: text in, cached text in, audio in, cached audio " \
              "in, text out, audio out, transcription in, separated by commas; empty: as the "  \
              "first provider's.")

const struct config_row config_rows[] = {
    {SERVER, "listen", NULL, CONFIG_ADDRESS, AT(listen), 0, 65535, NULL, "127.0.0.1:8080", false,
     "Address and port to listen on; port 0 picks a free one."},
    PATH_(SERVER, "data", data, "./data", "Folder of the database and the journals."),
    URL_(SERVER, "public_url", NULL, public_url, "",
         "Where the world reaches this server, for example https://voice.example.com: webhook "
         "signatures and stream addresses are made from it. No path."),
    PATH_(SERVER, "tls_cert", tls_cert, "",
          "Certificate chain (PEM) to serve HTTPS with; needs tls_key."),
    PATH_(SERVER, "tls_key", tls_key, "", "Private key (PEM) of tls_cert."),
    PATH_(SERVER, "ca_file", ca_file, "",
          "Certificates (PEM) trusted for outgoing connections instead of the system's."),
    TEXT_(SERVER, "trusted_proxies", NULL, trusted_proxies, "",
          "Addresses or blocks (10.0.0.0/8) of reverse proxies whose X-Forwarded-For is believed, "
          "separated by commas."),
    INT_(SERVER, "loops", loops, 1, 64, "1",
         "Event loops, each a thread; a call stays on one. One carries hundreds of calls."),
    CHOICE_(SERVER, "log_level", log_level, "debug|info|warn|error|off", "info",
            "Log lines below this level are not written."),
    BOOL_(SERVER, "takeover", takeover, "false",
          "Take the place of the server that uses the same data folder: it gives its listening "
          "sockets, finishes its calls and ends."),
    MS_(SERVER, "drain_limit", drain_limit_ms, 0, 4 * HOUR_MS, "30m",
        "How long running calls may go on after SIGTERM, before they are told goodbye; or when "
        "another server has taken over, before they go on there."),
    TEXT_(SERVER, "drain_forward_number", NULL, drain_forward_number, "",
          "Where new calls are forwarded after SIGTERM while nobody has taken over; empty: they "
          "are told busy_words."),
    BOOL_(SERVER, "metrics_public", metrics_public, "false",
          "Answer /metrics to everybody, not only to loopback addresses."),
    BOOL_(SERVER, "demo", demo, "false",
          "Set up the demo business, Pecos River Traders, when the server starts."),

    CHOICE_(ENGINE, "engine", engine, "auto|realtime|local", "auto",
            "Who thinks and speaks: a Realtime provider or the offline engine. auto: the provider "
            "if there is a key or another provider_url, and the offline engine behind it."),
    SECRET_(ENGINE, "openai_api_key", "OPENAI_API_KEY", openai_api_key, "Key of the provider."),
    URL_(ENGINE, "provider_url", NULL, provider_url, "",
         "WebSocket address of a Realtime-compatible provider; empty: OpenAI's, "
         "wss://api.openai.com/v1/realtime."),
    TEXT_(ENGINE, "provider_model", NULL, provider_model, "gpt-realtime", "Model asked for."),
    BOOL_(ENGINE, "provider_beta", provider_beta, "false",
          "Speak the retired beta shape of the Realtime API to the provider."),
    TEXT_(ENGINE, "voice", NULL, voice, "cedar", "Voice of the provider."),
    TEXT_(ENGINE, "transcription_model", NULL, transcription_model, "gpt-4o-mini-transcribe",
          "Model that transcribes the caller; empty: no transcription."),
    TEXT_(ENGINE, "language", NULL, language, "",
          "Language of callers for transcription (ISO 639-1); empty: detected."),
    INT_(ENGINE, "max_output_tokens", max_output_tokens, 0, 4096, "1024",
         "Of one answer; 0: no limit."),
    INT_(ENGINE, "vad_threshold_permille", vad_threshold_permille, 0, 1000, "500",
         "How clearly somebody must speak to be heard as speaking."),
    MS_(ENGINE, "vad_prefix", vad_prefix_ms, 0, 2000, "300ms",
        "Audio kept from before the speech was noticed."),
    MS_(ENGINE, "vad_silence", vad_silence_ms, 100, 5000, "500ms", "Silence that ends a turn."),

    PROVIDER_("2", provider2),
    PROVIDER_("3", provider3),

    USD_(PRICES, "price_text_in", price_text_in, "4.00",
         "US dollars per million text tokens read by the model."),
    USD_(PRICES, "price_cached_text_in", price_cached_text_in, "0.40", "The same, from the cache."),
    USD_(PRICES, "price_audio_in", price_audio_in, "32.00", "Audio tokens heard by the model."),
    USD_(PRICES, "price_cached_audio_in", price_cached_audio_in, "0.40",
         "The same, from the cache."),
    USD_(PRICES, "price_text_out", price_text_out, "16.00", "Text tokens written."),
    USD_(PRICES, "price_audio_out", price_audio_out, "64.00", "Audio tokens spoken."),
    USD_(PRICES, "price_transcription_in", price_transcription_in, "1.25",
         "Tokens of caller audio transcribed."),

    TEXT_(LLM, "llm_model", NULL, llm_model, "",
          "Model that `callee summary` asks, for example gpt-4o-mini; it is told what was said in "
          "the "
          "call. Empty: summaries are made by rules and nothing leaves this machine."),
    URL_(LLM, "llm_url", NULL, llm_url, "https://api.openai.com/v1",
         "Service with OpenAI's chat completions: what stands before /chat/completions."),
    SECRET_(LLM, "llm_key", NULL, llm_key,
            "Its key; empty: openai_api_key if llm_url is OpenAI's, else none is sent."),
    USD_(LLM, "llm_price_in", llm_price_in, "0",
         "US dollars per million tokens read by llm_model."),
    USD_(LLM, "llm_price_cached_in", llm_price_cached_in, "0", "The same, from the cache."),
    USD_(LLM, "llm_price_out", llm_price_out, "0", "Tokens written."),

    URL_(KNOWLEDGE, "embedding_url", NULL, embedding_url, "",
         "Address of an OpenAI-compatible service whose embedding model finds passages by their "
         "meaning, too, such as https://api.openai.com/v1; empty: passages are found by words "
         "alone, and no text leaves this machine for it."),
    SECRET_(KNOWLEDGE, "embedding_key", NULL, embedding_key, "Its key; empty: none is sent."),
    TEXT_(KNOWLEDGE, "embedding_model", NULL, embedding_model, "text-embedding-3-small",
          "Model asked for."),
    MS_(KNOWLEDGE, "embedding_deadline", embedding_deadline_ms, 20, 5000, "250ms",
        "An agent's search waits no longer for it; then the words alone answer."),

    TEXT_(TWILIO, "twilio_account_sid", "TWILIO_ACCOUNT_SID", twilio_account_sid, "",
          "Account whose numbers ring here."),
    SECRET_(TWILIO, "twilio_auth_token", "TWILIO_AUTH_TOKEN", twilio_auth_token,
            "Its auth token: signatures are checked with it. Without one every call is refused."),
    URL_(TWILIO, "twilio_api_url", "TWILIO_API_URL", twilio_api_url, "https://api.twilio.com",
         "Base address of Twilio's REST API."),
    BOOL_(TWILIO, "insecure_streams", insecure_streams, "false",
          "Do not check signatures and stream tokens. Only on a loopback address and without a "
          "public_url."),

    INT_(CALLS, "max_calls", max_calls, 1, 100000, "200",
         "Calls at once; one more is told that all lines are busy."),
    INT_(CALLS, "max_calls_per_business", max_calls_per_business, 0, 100000, "0",
         "Calls of one business at once, where it has not decided itself; 0: no limit."),
    INT_(CALLS, "max_calls_per_caller", max_calls_per_caller, 0, 100000, "0",
         "Calls of one telephone number at once; 0: no limit."),
    USD_(CALLS, "max_spend_day", max_spend_day_microusd, "0",
         "US dollars the engines may cost in a day (UTC), all calls together: then new calls are "
         "refused and running ones ended politely; 0: no limit."),
    USD_(CALLS, "max_spend_day_per_business", max_spend_day_business_microusd, "0",
         "The same for each business that has not decided itself; 0: no limit."),
    TEXT_(CALLS, "busy_words", NULL, busy_words,
          "All our lines are busy. Please call again in a few minutes.",
          "Said to a caller who is refused for too many calls."),
    TEXT_(CALLS, "spent_words", NULL, spent_words,
          "I am sorry, we cannot take any more calls today. Please call again tomorrow.",
          "Said to a caller who is refused because the day's money is spent."),
    TEXT_(CALLS, "spent_goodbye", NULL, spent_goodbye,
          "I am sorry, I have to end this call for today. Please call again tomorrow. Goodbye.",
          "Said in the middle of a call when the day's money is spent."),
    INT_(CALLS, "max_local_calls", max_local_calls, 0, 10000, "8",
         "Calls at once on the offline engine, a tenth of a core each; 0: it never answers."),
    INT_(CALLS, "engine_retries", engine_retries, 0, 5, "1",
         "Tries of a failing engine beyond the first before the next engine takes over."),
    MS_(CALLS, "connect_timeout", connect_timeout_ms, 500, 60000, "5s",
        "For the engine to become ready."),
    MS_(CALLS, "session_limit", session_limit_ms, 0, 24 * HOUR_MS, "60m",
        "How long a provider lets a session live: it is replaced before, in a quiet moment of the "
        "call. 0: only by what the provider tells."),
    MS_(CALLS, "slow_answer", slow_answer_ms, 0, 60000, "2500ms",
        "A session whose answers have come to take longer than this, and twice as long as its "
        "first ones, is replaced; 0: never."),
    MS_(CALLS, "response_timeout", response_timeout_ms, 500, 60000, "8s",
        "For the engine to begin an answer it owes."),
    MS_(CALLS, "tool_timeout", tool_timeout_ms, 500, 120000, "8s", "For a tool to answer."),
    MS_(CALLS, "filler_after", filler_after_ms, 0, 60000, "1200ms",
        "A tool slower than this is covered by a spoken \"one moment\"; 0: never."),
    MS_(CALLS, "wait_words", wait_words_ms, 0, 60000, "2500ms",
        "An answer later than this is covered by \"one moment, please\" in our own voice; 0: "
        "never."),
    MS_(CALLS, "coalesce_silence", coalesce_silence_ms, 0, COALESCE_MS_MAX, "100ms",
        "While the caller is silent the engine is sent pieces of this length instead of 20 ms, "
        "which halves the load; speech is sent at once. 0: always 20 ms."),
    MS_(CALLS, "silence", silence_ms, 0, 600000, "10s",
        "Silence before \"are you still there?\", and again before goodbye; 0: never."),
    MS_(CALLS, "max_duration", max_duration_ms, 10000, 4 * HOUR_MS, "30m", "Of one call."),
    MS_(CALLS, "goodbye_limit", goodbye_limit_ms, 500, 60000, "15s",
        "A goodbye not heard by then is cut off."),
    MS_(CALLS, "resume_window", resume_window_ms, 0, 60000, "15s",
        "A call whose stream broke, or whose server died, waits so long for a new stream; 0: it "
        "ends at once. Twilio asks for 15 s."),
    USD_(CALLS, "max_cost", max_cost_microusd, "0",
         "US dollars one call may cost before it is ended politely; 0: no limit."),
    BOOL_(CALLS, "recording", recording, "false",
          "Keep the audio of calls whose business has not decided itself."),
    BOOL_(CALLS, "journal", journal, "true",
          "Write a journal of every call; without it a call can neither be replayed nor be "
          "taken up again after a crash."),
};
const size_t config_row_count = sizeof(config_rows) / sizeof(config_rows[0]);
_Static_assert(sizeof(config_rows) / sizeof(config_rows[0]) <= CONFIG_KEYS_MAX,
               "room for all keys");
