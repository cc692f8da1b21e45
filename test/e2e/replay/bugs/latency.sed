# src/call/link.c - takes the silence that ended a turn for speech
s/time_of_audio(c, ev->audio_end_ms - c->config.vad_silence_ms);/time_of_audio(c, ev->audio_end_ms);/
