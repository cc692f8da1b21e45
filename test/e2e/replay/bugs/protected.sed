# src/call/voice.c - lets the caller cut the announcement off
s/if (queued_protected || heard < c->protected_end) {/if (queued_protected \&\& heard > c->protected_end) {/
