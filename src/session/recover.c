#include "session/recover.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/js.h"
#include "base/limits.h"
#include "base/log.h"
#include "journal/past.h"
#include "journal/replay.h"
#include "session/turn_row.h"

enum { RECOVER_PATH_BYTES = 4352 };

/* Writes that wait to share a transaction, and the calls that are filed once they are stored. */
struct batch {
    struct store_req *reqs[STORE_GROUP_MAX];
    char ids[STORE_GROUP_MAX][JOURNAL_ID_BYTES_MAX]; /* of whose call */
    size_t count;
    struct past_call *calls[STORE_GROUP_MAX];
    size_t calls_count;
};

struct recovery {
    struct host *host;
    struct store *store;
    char journal_dir[RECOVER_PATH_BYTES];
    char boot[CLOCK_BOOT_ID_BYTES];
    int64_t start_us;      /* of the round */
    int64_t start_wall_ms; /* of the first: later calls are this process's */
    struct past *past;
    struct batch batch;
    size_t revived, closed;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    unsigned rounds; /* still to do; under the lock */
    _Atomic bool stop;
};

/* What the head of a call's record says. */
struct head {
    json_t *json;
    struct str carrier_id, transfer_number;
    int64_t window_us;
    bool this_boot;
};

static bool read_head(struct head *h, struct str text, const char *boot)
{
    *h = (struct head){0};
    if (js_parse(text, &h->json, NULL) != OK)
        return false;
    const json_t *config = js_get(h->json, "config");
    struct str at = js_get_str(h->json, "boot");
    h->carrier_id = js_get_str(config, "carrierId");
    h->transfer_number = js_get_str(config, "transferNumber");
    h->window_us = js_get_int(config, "resumeWindowMs", 0) * 1000;
    h->this_boot = boot[0] && str_eq(at, str_of(boot));
    return true;
}

static bool replay_call(struct replay *replay, const struct past_call *call)
{
    struct buf bytes;
    struct err_detail why = {""};
    buf_init(&bytes, JOURNAL_REPLAY_BYTES_MAX);
    *replay = (struct replay){0};
    enum err err = past_read(call, &bytes, &why);
    if (err == OK) {
        struct journal_reader *reader = journal_reader_new(buf_str(&bytes));
        err = replay_run(replay, reader, false, &why);
        journal_reader_close(reader);
    }
    buf_fini(&bytes);
    if (err != OK)
        LOG_ERROR(call->id, "recover.no_replay", "why=\"%s\"", why.text);
    return err == OK;
}

/* -- calls that go on -- */

static bool resumable(const struct past_call *call, const struct head *h)
{
    return !call->gap && call->end.p == NULL && h->this_boot && h->carrier_id.len &&
           clock_mono_us() - call->last_at_us < h->window_us;
}

static void revive(struct recovery *r, struct past_call *call, const struct head *h)
{
    struct replay replay;
    bool good = replay_call(&replay, call) && !replay.incomplete && !call_ended(replay.call);
    if (good) {
        struct buf config;
        buf_init(&config, CALL_EVENT_BYTES_MAX);
        js_write(&config, js_get(h->json, "config"));
        struct host_revival v = {.call = replay.call,
                                 .before = past_hold(call),
                                 .sequence = call->next_sequence,
                                 .lost_us = call->last_at_us,
                                 .config = buf_str(&config),
                                 .carrier_id = h->carrier_id};
        replay.call = NULL; /* the host's now */
        host_revive(r->host, &v);
        buf_fini(&config);
        r->revived++;
    }
    replay_fini(&replay);
}

/* One that had ended right before: its carrier may not have asked yet. */
static void remember(struct recovery *r, const struct past_call *call, const struct head *h)
{
    struct replay replay;
    bool recent = h->this_boot && h->carrier_id.len && call->end.p &&
                  clock_mono_us() - call->last_at_us < (int64_t)SESSION_AFTERMATH_MS * 1000;
    if (!recent)
        return;
    if (replay_call(&replay, call)) {
        bool moved = call_transfers(replay.call);
        host_remember(r->host, h->carrier_id, moved ? CHANNEL_TRANSFER : CHANNEL_HANGUP,
                      moved ? h->transfer_number : STR_NONE);
    }
    replay_fini(&replay);
}

/* Those that somebody waits for come first. */
static void find_waiting(struct recovery *r)
{
    for (size_t i = 0; i < past_count(r->past) && !atomic_load(&r->stop); i++) {
        struct past_call *call = past_at(r->past, i);
        struct head h;
        if (call->alive || !read_head(&h, call->head, r->boot))
            continue;
        if (!call->filed && resumable(call, &h))
            revive(r, call, &h);
        else
            remember(r, call, &h);
        json_decref(h.json);
    }
}

/* -- calls that are over -- */

static void flush(struct recovery *r)
{
    struct batch *b = &r->batch;
    store_run_all(r->store, b->reqs, b->count);
    for (size_t i = 0; i < b->count; i++) {
        if (b->reqs[i]->err != OK)
            LOG_ERROR(b->ids[i], "recover.not_stored", "err=%s detail=\"%s\"",
                      err_name(b->reqs[i]->err), b->reqs[i]->detail.text);
        store_req_free(b->reqs[i]);
    }
    for (size_t i = 0; i < b->calls_count; i++) {
        struct err_detail why;
        if (past_file(r->past, b->calls[i], &why) != OK)
            LOG_ERROR(b->calls[i]->id, "recover.not_filed",
                      "why=\"%s\" next=\"tried at the next start\"", why.text);
    }
    b->count = b->calls_count = 0;
}

static void store(struct recovery *r, struct store_req *req, const char *call_id)
{
    struct batch *b = &r->batch;
    if (b->count == STORE_GROUP_MAX)
        flush(r);
    snprintf(b->ids[b->count], sizeof(b->ids[0]), "%s", call_id);
    b->reqs[b->count++] = req;
}

/* When all of it is stored. */
static void file_then(struct recovery *r, struct past_call *call)
{
    struct batch *b = &r->batch;
    if (b->calls_count == STORE_GROUP_MAX)
        flush(r);
    b->calls[b->calls_count++] = call;
}

/* Ends the call where its record ends and stores every turn; those that are there already are
 * replaced by the same. */
static void finish(struct recovery *r, const char *call_id, struct str head, int64_t last_at_us,
                   struct replay *replay)
{
    struct call_input in = {
        .type = CALL_IN_HANGUP, .at_us = last_at_us, .text = STR("server restarted")};
    (void)call_step(replay->call, &in); /* no effect on a call whose end was recorded */
    for (const struct call_item *i = call_items(replay->call); i; i = i->next) {
        struct turn_row row = turn_row_of(replay->call, i, call_id);
        store(r, store_req_turn_put(&row), call_id);
    }
    json_t *json = NULL;
    int64_t ended_at_ms = 0;
    if (js_parse(head, &json, NULL) == OK) {
        ended_at_ms =
            js_get_int(json, "wallMs", 0) + (last_at_us - js_get_int(json, "anchorUs", 0)) / 1000;
        json_decref(json);
    }
    char file[JOURNAL_ID_BYTES_MAX + 8];
    snprintf(file, sizeof(file), "%s.jrn", call_id);
    struct call_stats stats = call_stats(replay->call);
    struct call_row row = end_row_of(replay->call, &stats, call_id, file, ended_at_ms);
    if (stats.end_reason.len == 0)
        row.end_reason = STR("server restarted");
    store(r, store_req_call_update(&row, CALL_SET_FINISH | CALL_SET_ENGINE), call_id);
    r->closed++;
}

static void close_calls(struct recovery *r)
{
    for (size_t i = 0; i < past_count(r->past) && !atomic_load(&r->stop); i++) {
        struct past_call *call = past_at(r->past, i);
        struct replay replay;
        if (call->alive || call->filed || call->done)
            continue;
        LOG_INFO(call->id, "recover.call", "complete=%d", call->end.p != NULL);
        if (replay_call(&replay, call))
            finish(r, call->id, call->head, call->last_at_us, &replay);
        replay_fini(&replay);
        file_then(r, call);
    }
    flush(r);
}

/* A call whose own journal was finished, but the crash came before the store knew. */
static bool close_filed(struct recovery *r, const char *call_id)
{
    char path[RECOVER_PATH_BYTES + JOURNAL_ID_BYTES_MAX + 8];
    struct journal_reader *reader;
    struct journal_record record;
    struct err_detail why;
    struct replay replay;
    struct str head = STR_NONE;
    int64_t last_at_us = 0;
    snprintf(path, sizeof(path), "%s/%s.jrn", r->journal_dir, call_id);
    if (journal_reader_open(&reader, path, &why) != OK)
        return false;
    while (journal_reader_next(reader, &record, &why) == OK) {
        last_at_us = record.at_us;
        if (record.type == JOURNAL_HEAD)
            head = record.payload;
    }
    if (replay_run(&replay, reader, false, &why) == OK)
        finish(r, call_id, head, last_at_us, &replay);
    else
        LOG_ERROR(call_id, "recover.no_replay", "why=\"%s\"", why.text);
    replay_fini(&replay);
    journal_reader_close(reader);
    return true;
}

/* Whether a process is at it, this one or another. */
static bool somebodys(struct recovery *r, const struct call_row *row, bool *others)
{
    bool found = false;
    *others = false;
    for (size_t i = 0; i < past_count(r->past); i++) {
        const struct past_call *call = past_at(r->past, i);
        *others |= call->alive;
        found |= (call->alive || call->done) && str_eq(str_of(call->id), row->id);
    }
    return found;
}

/* Rows without an end that no segment knows of. */
static void close_rest(struct recovery *r)
{
    struct store_req *open = store_req_calls_open();
    size_t count = store_run(r->store, open) == OK ? open->calls_count : 0;
    for (size_t i = 0; i < count && !atomic_load(&r->stop); i++) {
        const struct call_row *at = &open->calls[i];
        bool others;
        if (somebodys(r, at, &others))
            continue;
        /* A call of this process, or one so young that its process had not flushed it yet. */
        int64_t since_ms = r->start_wall_ms - (others ? SESSION_UNFLUSHED_MS : 0);
        if (at->started_at_ms >= since_ms || close_filed(r, at->id.p))
            continue;
        /* The crash came before the first flush: nothing was said yet. */
        struct call_row row = {.id = at->id,
                               .status = STR("failed"),
                               .end_reason = STR("server restarted"),
                               .ended_at_ms = at->started_at_ms};
        store(r,
              store_req_call_update(&row, CALL_SET_STATUS | CALL_SET_ENDED | CALL_SET_END_REASON),
              row.id.p);
        r->closed++;
    }
    flush(r);
    store_req_free(open);
}

static int64_t since_ms(const struct recovery *r)
{
    return (clock_mono_us() - r->start_us) / 1000;
}

static void recover(struct recovery *r)
{
    struct err_detail why;
    r->start_us = clock_mono_us();
    r->revived = r->closed = 0;
    if (past_open(&r->past, r->journal_dir, false, &why) != OK) {
        LOG_ERROR(NULL, "recover.unreadable", "why=\"%s\" next=\"tried at the next start\"",
                  why.text);
        r->past = NULL;
        host_recovery_ends(r->host);
        return;
    }
    find_waiting(r);
    host_recovery_ends(r->host);
    int64_t revived_ms = since_ms(r);
    close_calls(r);
    close_rest(r);
    past_close(r->past);
    if (r->revived || r->closed)
        LOG_INFO(NULL, "server.recovered", "calls=%zu resumable=%zu ms=%lld all_ms=%lld",
                 r->revived + r->closed, r->revived, (long long)revived_ms, (long long)since_ms(r));
}

static void *run(void *ctx)
{
    struct recovery *r = ctx;
    pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stop)) {
        if (r->rounds == 0) {
            pthread_cond_wait(&r->woken, &r->lock);
            continue;
        }
        r->rounds = 0;
        pthread_mutex_unlock(&r->lock);
        host_recovery_begins(r->host);
        recover(r);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum err recovery_start(struct recovery **out, struct host *h, struct store *store,
                        const char *journal_dir, struct err_detail *detail)
{
    struct recovery *r = mem_zalloc(sizeof(*r));
    *r =
        (struct recovery){.host = h, .store = store, .start_wall_ms = clock_wall_ms(), .rounds = 1};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->woken, NULL);
    clock_boot_id(r->boot);
    if (!r->boot[0])
        LOG_WARN(NULL, "recover.no_boot_id", "next=\"calls that a crash cuts off will not go on\"");
    snprintf(r->journal_dir, sizeof(r->journal_dir), "%s", journal_dir);
    host_recovery_begins(h);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        mem_free(r);
        return err_explain(detail, ERR_IO, "cannot start the thread of the recovery");
    }
    *out = r;
    return OK;
}

void recovery_again(struct recovery *r)
{
    pthread_mutex_lock(&r->lock);
    r->rounds++;
    host_recovery_begins(r->host); /* who asks from now on waits for it */
    pthread_cond_signal(&r->woken);
    pthread_mutex_unlock(&r->lock);
}

void recovery_stop(struct recovery *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->stop, true);
    pthread_cond_signal(&r->woken);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->woken);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
