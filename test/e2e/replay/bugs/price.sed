# src/call/script.c - charges written words at the price of spoken ones
s/u->output_text \* p->text_out/u->output_text * p->audio_out/
