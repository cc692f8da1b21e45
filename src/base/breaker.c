#include "base/breaker.h"

#include "base/limits.h"

/* Doubles with every opening. */
static int64_t wait_us(uint32_t opened)
{
    int64_t ms = BREAKER_WAIT_MS_MIN;
    for (uint32_t i = 1; i < opened && ms < BREAKER_WAIT_MS_MAX; i++)
        ms *= 2;
    return (ms < BREAKER_WAIT_MS_MAX ? ms : BREAKER_WAIT_MS_MAX) * 1000;
}

bool breaker_allows(const struct breaker *b)
{
    return !atomic_load(&b->open);
}

bool breaker_failed(struct breaker *b, int64_t now_us)
{
    if (atomic_fetch_add(&b->failures, 1) + 1 < BREAKER_FAILURES)
        return false;
    if (atomic_exchange(&b->open, true))
        return false; /* a call from before it was opened */
    atomic_store(&b->retry_us, now_us + wait_us(atomic_fetch_add(&b->opened, 1) + 1));
    return true;
}

void breaker_worked(struct breaker *b)
{
    if (atomic_load(&b->failures)) /* nearly always 0: no write for every answer */
        atomic_store(&b->failures, 0);
    if (atomic_load(&b->opened))
        atomic_store(&b->opened, 0);
    if (atomic_load(&b->open))
        atomic_store(&b->open, false);
}

uint64_t breaker_wait_ms(const struct breaker *b, int64_t now_us)
{
    int64_t wait = atomic_load(&b->retry_us) - now_us;
    return wait > 1000 ? (uint64_t)(wait + 999) / 1000 : 1;
}

bool breaker_begin_probe(struct breaker *b)
{
    return atomic_load(&b->open) && !atomic_exchange(&b->probing, true);
}

void breaker_probed(struct breaker *b, bool reached, int64_t now_us)
{
    if (reached) {
        atomic_store(&b->failures, BREAKER_FAILURES - 1); /* half open */
        atomic_store(&b->open, false);
    } else {
        uint32_t opened = atomic_fetch_add(&b->opened, 1) + 1;
        atomic_store(&b->retry_us, now_us + wait_us(opened));
    }
    atomic_store(&b->probing, false);
}

void breaker_drop_probe(struct breaker *b)
{
    atomic_store(&b->probing, false);
}
