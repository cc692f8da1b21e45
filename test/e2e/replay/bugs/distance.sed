# src/call/playhead.c - forgets that a mark takes time to come back
s/uint64_t heard = position + (uint64_t)p->rtt_us \/ US_PER_BYTE;/uint64_t heard = position;/
