/* Calls that lost their line: the carrier asks what to do, and is given a new stream. Those of a
 * dead process come from recovery, each to the loop that its carrier's name falls on; who asks on
 * another loop, or before recovery knows, waits there. */
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/log.h"
#include "journal/past.h"
#include "session/host_private.h"
#include "session/session.h"

static const char CUT_OFF[] = "I am sorry, we were cut off. Please call again. Goodbye.";

static struct loop *home_of(const struct host *h, struct str carrier_id)
{
    unsigned count = host_loop_count(h);
    ASSERT(count > 0);
    return h->loops[crc32c(0, carrier_id.p, carrier_id.len) % count];
}

/* Recovery can wait, a call cannot be dropped for want of room. False: the loop is gone. */
static bool post_patiently(struct loop *l, loop_fn *fn, void *ctx)
{
    for (int i = 0; i < SESSION_POST_TRIES; i++) {
        if (loop_post(l, fn, ctx) == OK)
            return true;
        struct timespec a_moment = {.tv_nsec = 1000000};
        nanosleep(&a_moment, NULL);
    }
    return false;
}

/* -- answers -- */

/* The call is on this loop. */
static void answer_live(struct host_part *part, struct host_entry *e, struct channel_answer *a)
{
    struct session *s = e->session;
    bool unused = e->token[0] != '\0';
    session_stream_gone(s);
    *a = (struct channel_answer){.verdict = CHANNEL_HANGUP};
    if (session_waits(s)) {
        host_draw_token(e);
        a->verdict = CHANNEL_STREAM;
        a->token = str_of(e->token);
        a->owner = str_of(part->owner);
        LOG_INFO(session_id(s), "call.resumable", "the carrier is given a new stream");
    } else if (unused && e->token[0]) { /* its first stream was never opened: once more */
        a->verdict = CHANNEL_STREAM;
        a->token = str_of(e->token);
        a->owner = str_of(part->owner);
    } else if (session_verdict(s) == CHANNEL_TRANSFER) {
        a->verdict = CHANNEL_TRANSFER;
        a->number = session_transfer_number(s);
    } else if (!host_answer_ended(part, str_of(e->carrier_id), a)) {
        a->text = str_of(CUT_OFF);
    }
}

/* False: this loop knows nothing of it. */
static bool answer_known(struct host_part *part, struct str carrier_id, struct channel_answer *a)
{
    struct host_entry *e = host_find_carrier(part, carrier_id);
    if (!e)
        return host_answer_ended(part, carrier_id, a);
    answer_live(part, e, a);
    return true;
}

/* -- questions that travel and wait -- */

static void deliver(void *ctx)
{
    struct host_question *q = ctx;
    q->answer(q->answer_ctx, &q->said);
    mem_free(q);
}

static void answer_question(struct host_question *q, const struct channel_answer *a)
{
    q->said = *a;
    (void)str_copy(q->token, sizeof(q->token), a->token);
    (void)str_copy(q->number, sizeof(q->number), a->number);
    (void)str_copy(q->owner, sizeof(q->owner), a->owner);
    q->said.token = str_of(q->token);
    q->said.owner = str_of(q->owner);
    q->said.number = str_of(q->number);
    if (q->asker == q->home)
        deliver(q);
    else if (!post_patiently(q->asker, deliver, q))
        LOG_ERROR(NULL, "call.answer_lost", "call_sid=%s", q->carrier_id);
}

static void answer_nobody(struct host_question *q)
{
    struct channel_answer a = {.verdict = CHANNEL_HANGUP, .text = str_of(CUT_OFF)};
    answer_question(q, &a);
}

static void come_home(void *ctx)
{
    struct host_question *q = ctx;
    struct host_part *part = q->host->parts[loop_index(q->home)];
    struct channel_answer a;
    if (part && answer_known(part, str_of(q->carrier_id), &a)) {
        answer_question(q, &a);
    } else if (part && !part->closing && atomic_load(&q->host->recovering)) {
        q->next = part->questions;
        part->questions = q;
    } else {
        answer_nobody(q);
    }
}

void host_asked(struct host_part *part, struct str carrier_id, channel_answer_fn *answer,
                void *answer_ctx)
{
    struct channel_answer a;
    if (answer_known(part, carrier_id, &a)) {
        answer(answer_ctx, &a);
        return;
    }
    struct host_question *q = mem_zalloc(sizeof(*q));
    *q = (struct host_question){.host = part->host,
                                .asker = part->loop,
                                .home = home_of(part->host, carrier_id),
                                .answer = answer,
                                .answer_ctx = answer_ctx};
    (void)str_copy(q->carrier_id, sizeof(q->carrier_id), carrier_id);
    if (q->home == q->asker)
        come_home(q);
    else if (loop_post(q->home, come_home, q) != OK) {
        q->home = q->asker;
        answer_nobody(q);
    }
}

void host_questions_over(struct host_part *part)
{
    while (part->questions) {
        struct host_question *q = part->questions;
        part->questions = q->next;
        answer_nobody(q);
    }
}

/* Those who wait for this call. */
static void answer_waiting(struct host_part *part, struct str carrier_id)
{
    struct host_question **at = &part->questions;
    while (*at) {
        struct host_question *q = *at;
        struct channel_answer a;
        if (!str_eq(str_of(q->carrier_id), carrier_id)) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        if (answer_known(part, carrier_id, &a))
            answer_question(q, &a);
        else
            answer_nobody(q);
    }
}

/* -- calls of dead processes -- */

struct revival {
    struct host *host;
    struct loop *home;
    struct host_revival r;
    struct arena mem;
    struct call_config config;
    struct admission_caps caps;
    char carrier_id[64];
    enum channel_verdict verdict; /* of one that had ended */
    char number[32];
};

static void revival_free(struct revival *v)
{
    arena_fini(&v->mem);
    mem_free(v);
}

/* It was admitted once and is not refused now; it counts against those that come. */
static void count(struct host_entry *e, const struct revival *v)
{
    host_entry_count(e, str_of(v->config.business_id), str_of(v->config.from), &v->caps);
    admission_resume(e->part->host->admission, str_of(e->business_id), str_of(e->from),
                     call_cost_nanousd(v->r.call), clock_wall_ms());
}

/* The limits of its business; none of its own if that is gone. */
static void read_caps(struct revival *v)
{
    struct host *h = v->host;
    struct store_req *business = store_req_business_by_id(str_of(v->config.business_id));
    v->caps.business_day_nanousd = store_run(h->env.store, business) == OK
                                       ? host_day_nanousd(h, &business->config)
                                       : h->env.caps.business_day_nanousd;
    store_req_free(business);
}

static void revive(void *ctx)
{
    struct revival *v = ctx;
    struct host *h = v->host;
    struct host_part *part = h->parts[loop_index(v->home)];
    if (!part || part->closing) { /* the next process finds it where it was */
        call_free(v->r.call);
        past_hold_release(v->r.before, false);
        revival_free(v);
        return;
    }
    struct host_entry *e = mem_zalloc(sizeof(*e));
    *e = (struct host_entry){.part = part, .next = part->entries};
    memcpy(e->carrier_id, v->carrier_id, sizeof(e->carrier_id));
    count(e, v);
    host_count_live(part, 1);
    atomic_fetch_add(&h->calls_total, 1);
    LOG_INFO(v->config.call_id, "call.revived", "lost_ms=%lld",
             (long long)((loop_now_us(part->loop) - v->r.lost_us) / 1000));
    if (h->env.observer && h->env.observer->on_begin)
        h->env.observer->on_begin(h->env.observer_ctx, v->config.call_id, &v->config);
    e->session =
        session_revive(part, &v->config, v->r.call, v->r.before, v->r.sequence, v->r.lost_us);
    part->entries = e;
    session_process_died(e->session, v->r.lost_us);
    answer_waiting(part, str_of(v->carrier_id));
    revival_free(v);
}

void host_revive(struct host *h, const struct host_revival *r)
{
    struct revival *v = mem_zalloc(sizeof(*v));
    *v = (struct revival){.host = h, .home = home_of(h, r->carrier_id), .r = *r};
    arena_init(&v->mem, CALL_ARENA_BYTES_MAX);
    bool good = str_copy(v->carrier_id, sizeof(v->carrier_id), r->carrier_id) &&
                call_config_read(&v->config, &v->mem, r->config, NULL) == OK;
    if (good)
        read_caps(v);
    if (good && post_patiently(v->home, revive, v))
        return;
    LOG_ERROR(NULL, "call.not_revived", "next=\"it is closed at the next start\"");
    call_free(r->call);
    past_hold_release(r->before, false);
    revival_free(v);
}

static void remember_ended(void *ctx)
{
    struct revival *v = ctx;
    struct host_part *part = v->host->parts[loop_index(v->home)];
    if (part && !part->closing) {
        host_remember_ended(part, str_of(v->carrier_id), v->verdict, str_of(v->number));
        answer_waiting(part, str_of(v->carrier_id));
    }
    revival_free(v);
}

void host_remember(struct host *h, struct str carrier_id, enum channel_verdict verdict,
                   struct str number)
{
    struct revival *v = mem_zalloc(sizeof(*v));
    *v = (struct revival){.host = h, .home = home_of(h, carrier_id), .verdict = verdict};
    arena_init(&v->mem, CALL_ARENA_BYTES_MAX);
    (void)str_copy(v->number, sizeof(v->number), number);
    if (!str_copy(v->carrier_id, sizeof(v->carrier_id), carrier_id) ||
        !post_patiently(v->home, remember_ended, v))
        revival_free(v);
}

void host_recovery_begins(struct host *h)
{
    atomic_store(&h->recovering, true);
}

static void on_recovery_over(void *ctx)
{
    struct revival *v = ctx;
    struct host_part *part = v->host->parts[loop_index(v->home)];
    if (part)
        host_questions_over(part);
    revival_free(v);
}

void host_recovery_ends(struct host *h)
{
    atomic_store(&h->recovering, false);
    /* Behind all that was posted before: who waits has no call to wait for. */
    for (unsigned i = 0; i < LOOP_COUNT_MAX && h->loops[i]; i++) {
        struct revival *v = mem_zalloc(sizeof(*v));
        *v = (struct revival){.host = h, .home = h->loops[i]};
        arena_init(&v->mem, CALL_ARENA_BYTES_MAX);
        if (!post_patiently(v->home, on_recovery_over, v))
            revival_free(v);
    }
}
