/* A process that is going: what new calls are told, and the goodbye to the last ones. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/host_private.h"
#include "session/session.h"

void host_drain(struct host *h, const char *number)
{
    atomic_store(&h->drain_number, number);
}

bool host_turned_away(struct host_part *part, channel_answer_fn *answer, void *answer_ctx)
{
    struct host *h = part->host;
    const char *number = atomic_load(&h->drain_number);
    if (!number)
        return false;
    struct channel_answer a = {.verdict = CHANNEL_HANGUP, .text = str_of(h->env.busy_words)};
    if (number[0])
        a = (struct channel_answer){.verdict = CHANNEL_TRANSFER, .number = str_of(number)};
    LOG_INFO(NULL, "call.turned_away", "forwarded=%d", number[0] != '\0');
    atomic_fetch_add(&h->calls_refused, 1);
    answer(answer_ctx, &a);
    return true;
}

struct goodbye {
    struct host *host;
    unsigned index;
};

static void say_goodbye(void *ctx)
{
    struct goodbye *g = ctx;
    struct host_part *part = g->host->parts[g->index];
    struct host_entry *next;
    for (struct host_entry *e = part ? part->entries : NULL; e; e = next) {
        next = e->next;
        session_operator(e->session, "goodbye");
    }
    mem_free(g);
}

void host_goodbye(struct host *h)
{
    for (unsigned i = 0; i < LOOP_COUNT_MAX && h->loops[i]; i++) {
        struct goodbye *g = mem_zalloc(sizeof(*g));
        *g = (struct goodbye){.host = h, .index = i};
        if (loop_post(h->loops[i], say_goodbye, g) != OK) {
            LOG_ERROR(NULL, "server.goodbye_not_told", "loop=%u", i);
            mem_free(g);
        }
    }
}
