# src/call/voice.c - tells the engine that all it spoke was heard
s/\.audio_end_ms = item->heard_ms}/.audio_end_ms = item->spoken_ms}/
