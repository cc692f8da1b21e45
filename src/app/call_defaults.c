#include "app/call_defaults.h"

void call_defaults(const struct app_config *c, struct call_config *k)
{
    call_config_defaults(k);
    k->voice = c->voice;
    k->language = c->language;
    k->transcription_model = c->transcription_model;
    k->max_output_tokens = c->max_output_tokens;
    k->engine_retries = (uint32_t)c->engine_retries;
    k->vad_threshold_permille = (uint32_t)c->vad_threshold_permille;
    k->vad_prefix_ms = (uint32_t)c->vad_prefix_ms;
    k->vad_silence_ms = (uint32_t)c->vad_silence_ms;
    k->connect_timeout_ms = (uint32_t)c->connect_timeout_ms;
    k->response_timeout_ms = (uint32_t)c->response_timeout_ms;
    k->session_limit_ms = (uint32_t)c->session_limit_ms;
    k->wait_words_ms = (uint32_t)c->wait_words_ms;
    k->slow_answer_ms = (uint32_t)c->slow_answer_ms;
    k->tool_timeout_ms = (uint32_t)c->tool_timeout_ms;
    k->filler_after_ms = (uint32_t)c->filler_after_ms;
    k->silence_ms = (uint32_t)c->silence_ms;
    k->max_duration_ms = (uint32_t)c->max_duration_ms;
    k->resume_window_ms = (uint32_t)c->resume_window_ms;
    k->goodbye_limit_ms = (uint32_t)c->goodbye_limit_ms;
    k->spent_goodbye = c->spent_goodbye;
    k->max_cost_nanousd = c->max_cost_microusd * 1000;
}
