#include "journal/journal.h"

#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "call/call.h"
#include "journal/journal_private.h"
#include "journal/past.h"
#include "journal/record.h"

static uint64_t backlog(const struct journal *j)
{
    return j->position - j->synced + j->staged;
}

static void journal_check(const struct journal *j)
{
    loop_assert_thread(j->loop);
    ASSERT(j->synced <= j->position && !j->closed);
    ASSERT(!j->chunk || j->chunks.first);
}

/* -- stages -- */

static void dirty_unlink(struct journal_call *jc)
{
    if (!jc->dirty_prev)
        return;
    *jc->dirty_prev = jc->dirty_next;
    if (jc->dirty_next)
        jc->dirty_next->dirty_prev = jc->dirty_prev;
    else
        jc->journal->dirty_tail = jc->dirty_prev;
    jc->dirty_next = NULL;
    jc->dirty_prev = NULL;
}

static void dirty_link(struct journal_call *jc)
{
    struct journal *j = jc->journal;
    if (jc->dirty_prev)
        return;
    jc->dirty_next = NULL;
    jc->dirty_prev = j->dirty_tail;
    *j->dirty_tail = jc;
    j->dirty_tail = &jc->dirty_next;
}

/* The segment that takes `len` more bytes in one piece. */
static struct segment *segment_for(struct journal *j, size_t len)
{
    struct segment *s = j->segment;
    if (s && s->len > 0 && s->len + len > JOURNAL_SEGMENT_BYTES) {
        ASSERT(s->calls > 0); /* else it would be gone */
        j->segment = NULL;
    }
    if (!j->segment) {
        s = mem_zalloc(sizeof(*s));
        s->number = j->segment_number++;
        s->fd = -1;
        j->segment = s;
    }
    return j->segment;
}

/* Room for a piece of `len` bytes, noted as the call's. */
static void begin_piece(struct journal_call *jc, size_t len)
{
    struct segment *s = segment_for(jc->journal, len);
    if (extents_add(&jc->extents, s, s->len, len))
        s->calls++;
}

static struct stage *stage_lend(struct journal *j)
{
    struct stage *s = j->spare_stages;
    if (s) {
        j->spare_stages = s->next;
        j->spare_stages_count--;
    } else {
        s = mem_alloc(sizeof(*s));
    }
    s->len = 0;
    return s;
}

static void stage_give_back(struct journal *j, struct stage *s)
{
    if (j->spare_stages_count >= JOURNAL_STAGES_KEEP) {
        mem_free(s);
        return;
    }
    s->next = j->spare_stages;
    j->spare_stages = s;
    j->spare_stages_count++;
}

static void push(struct journal_call *jc)
{
    struct journal *j = jc->journal;
    struct stage *s = jc->stage;
    dirty_unlink(jc);
    if (!s)
        return;
    begin_piece(jc, s->len);
    journal_put(j, s->bytes, s->len);
    j->staged -= s->len;
    jc->stage = NULL;
    stage_give_back(j, s);
}

static void stage_add(struct stage *s, const void *p, size_t len)
{
    ASSERT(len <= sizeof(s->bytes) - s->len);
    if (len)
        memcpy(s->bytes + s->len, p, len);
    s->len += len;
}

void journal_push_all(struct journal *j)
{
    while (j->dirty)
        push(j->dirty);
}

static void arm(struct journal *j)
{
    if (!loop_timer_is_set(j->flush_timer))
        loop_timer_set(j->flush_timer, JOURNAL_FLUSH_MS);
}

static void on_flush(void *ctx)
{
    journal_kick(ctx);
}

static void on_copy_retry(void *ctx)
{
    journal_copy_kick(ctx);
}

/* -- appending -- */

static void lose(struct journal_call *jc, const char *why)
{
    jc->journal->health.records_lost++;
    if (!jc->lost)
        LOG_ERROR(jc->id, "journal.lost",
                  "why=\"%s\" next=\"the call goes on, its journal has a gap\"", why);
    jc->lost = true;
}

/* The same input without its audio, in `scratch`; false when it has none. */
static bool without_audio(struct journal *j, uint16_t type, int64_t at_us, struct str part1,
                          struct str part2)
{
    if (type != JOURNAL_INPUT + CALL_IN_AUDIO && type != JOURNAL_INPUT + CALL_IN_PROMPT &&
        type != JOURNAL_INPUT + CALL_IN_ENGINE_EVENT)
        return false;
    struct buf whole;
    buf_init(&whole, JOURNAL_PAYLOAD_BYTES_MAX);
    buf_put_str(&whole, part1);
    buf_put_str(&whole, part2);
    struct call_input in;
    struct rt_event event = {0};
    bool dropped = false;
    enum err err = call_input_read(&in, &event, (enum call_in_type)(type - JOURNAL_INPUT), at_us,
                                   buf_str(&whole));
    if (err == OK) {
        if (in.audio.len > 0 || event.audio.len > 0) {
            buf_reset(&j->scratch);
            call_input_write(&j->scratch, &in, false);
            dropped = buf_ok(&j->scratch) && j->scratch.len < whole.len;
        }
        rt_event_fini(&event);
    }
    buf_fini(&whole);
    return dropped;
}

void journal_append(struct journal_call *jc, uint16_t type, int64_t at_us, struct str part1,
                    struct str part2)
{
    struct journal *j = jc->journal;
    journal_check(j);
    struct journal_record r = {
        .type = type, .call = jc->number, .sequence = jc->sequence++, .at_us = at_us};
    uint64_t behind = backlog(j);
    if (behind > JOURNAL_AUDIO_BACKLOG_BYTES && without_audio(j, type, at_us, part1, part2)) {
        part1 = buf_str(&j->scratch);
        part2 = STR_NONE;
        r.flags = JOURNAL_AUDIO_DROPPED;
        j->health.audio_dropped++;
    }
    size_t payload = part1.len + part2.len;
    size_t size = RECORD_HEADER_BYTES + payload;
    if (payload > JOURNAL_PAYLOAD_BYTES_MAX) {
        lose(jc, "a record is too large");
        return;
    }
    if (jc->extents.count >= JOURNAL_EXTENTS_MAX) {
        lose(jc, "the call is too long");
        return;
    }
    /* Ends are small and as many as there are calls: they may pass the bound. */
    if (behind + size > JOURNAL_BACKLOG_BYTES && type != JOURNAL_END) {
        lose(jc, "the disk is too slow");
        return;
    }
    uint8_t header[RECORD_HEADER_BYTES];
    record_write_header(header, &r, part1, part2);
    j->health.records++;
    j->health.bytes += size;
    if (jc->stage && jc->stage->len + size > JOURNAL_STAGE_BYTES)
        push(jc);
    if (size > JOURNAL_STAGE_BYTES) {
        begin_piece(jc, size);
        journal_put(j, header, sizeof(header));
        journal_put(j, part1.p, part1.len);
        journal_put(j, part2.p, part2.len);
    } else {
        if (!jc->stage)
            jc->stage = stage_lend(j);
        stage_add(jc->stage, header, sizeof(header));
        stage_add(jc->stage, part1.p, part1.len);
        stage_add(jc->stage, part2.p, part2.len);
        j->staged += size;
        dirty_link(jc);
    }
    arm(j);
}

/* -- calls -- */

static struct journal_call *begin(struct journal *j, const char *call_id)
{
    journal_check(j);
    ASSERT(!j->closing);
    struct journal_call *jc = mem_zalloc(sizeof(*jc));
    jc->journal = j;
    jc->number = j->call_number++;
    record_clean_id(jc->id, str_of(call_id));
    j->live++;
    return jc;
}

struct journal_call *journal_call_begin(struct journal *j, const char *call_id, struct str head,
                                        int64_t at_us)
{
    struct journal_call *jc = begin(j, call_id);
    journal_append(jc, JOURNAL_HEAD, at_us, head, STR_NONE);
    return jc;
}

struct journal_call *journal_call_resume(struct journal *j, const char *call_id,
                                         struct past_hold *before, uint32_t sequence, int64_t at_us)
{
    struct journal_call *jc = begin(j, call_id);
    jc->before = before;
    jc->sequence = sequence;
    buf_reset(&j->scratch);
    buf_put_str(&j->scratch, STR("{\"callId\":"));
    buf_put_json(&j->scratch, str_of(call_id));
    buf_put_byte(&j->scratch, '}');
    journal_append(jc, JOURNAL_RESUMED, at_us, buf_str(&j->scratch), STR_NONE);
    return jc;
}

void journal_call_end(struct journal_call *jc, struct str end, int64_t at_us, loop_fn *done,
                      void *ctx)
{
    struct journal *j = jc->journal;
    journal_append(jc, JOURNAL_END, at_us, end, STR_NONE);
    push(jc);
    jc->position = j->position;
    jc->done = done;
    jc->done_ctx = ctx;
    jc->next = NULL;
    *j->ending_tail = jc;
    j->ending_tail = &jc->next;
    ASSERT(j->live > 0);
    j->live--;
    if (j->position == j->synced) /* its end was lost, and nothing else will wake the copier */
        journal_copy_kick(j);
    else if (j->closing)
        journal_kick(j);
    else
        arm(j);
}

void journal_call_free(struct journal_call *jc)
{
    dirty_unlink(jc);
    past_hold_release(jc->before, false);
    mem_free(jc->stage);
    extents_fini(&jc->extents);
    mem_free(jc);
}

void journal_segment_release(struct journal *j, struct segment *s)
{
    ASSERT(s->calls > 0);
    if (--s->calls > 0)
        return;
    if (s == j->segment) { /* every byte in it is in some call's own file now */
        ASSERT(!j->chunk || j->chunk->segment != s);
        j->segment = NULL;
    }
    s->next = j->dead;
    j->dead = s;
}

/* -- barriers -- */

static void free_and_run(void *ctx)
{
    struct barrier *b = ctx;
    loop_fn *fn = b->fn;
    void *fn_ctx = b->ctx;
    mem_free(b);
    fn(fn_ctx);
}

void journal_barrier(struct journal_call *jc, loop_fn *fn, void *ctx)
{
    struct journal *j = jc->journal;
    journal_check(j);
    push(jc);
    struct barrier *b = mem_zalloc(sizeof(*b));
    *b = (struct barrier){.position = j->position, .fn = fn, .ctx = ctx};
    if (j->position == j->synced) { /* then no barrier waits before this one either */
        ASSERT(!j->barriers);
        loop_defer(j->loop, free_and_run, b);
        return;
    }
    *j->barriers_tail = b;
    j->barriers_tail = &b->next;
    if (j->write_failures == 0) /* a failing disk is tried at its own pace */
        journal_kick(j);
}

void journal_run_barriers(struct journal *j, bool all)
{
    while (j->barriers && (all || j->barriers->position <= j->synced)) {
        struct barrier *b = j->barriers;
        j->barriers = b->next;
        if (!j->barriers)
            j->barriers_tail = &j->barriers;
        free_and_run(b);
    }
}

/* -- life -- */

enum err journal_open(struct journal **out, struct loop *l, const char *dir,
                      struct err_detail *detail)
{
    struct journal *j = mem_zalloc(sizeof(*j));
    j->loop = l;
    enum err err = series_open_dirs(&j->series, dir, true, detail);
    if (err != OK)
        goto free_memory;
    err = series_begin(&j->series, loop_index(l), detail);
    if (err != OK)
        goto close_dirs;
    err = worker_pool_open(&j->writer, "journal", 1, 1);
    if (err == OK)
        err = worker_pool_open(&j->copier, "journal-copy", 1, 1);
    if (err != OK) {
        err_explain(detail, err, "cannot start the threads of the journal");
        goto end_series;
    }
    journal_chunk_list_init(&j->chunks);
    journal_chunk_list_init(&j->batch.chunks);
    j->batch.journal = j;
    j->copying.journal = j;
    j->dirty_tail = &j->dirty;
    j->barriers_tail = &j->barriers;
    j->ending_tail = &j->ending;
    buf_init(&j->scratch, JOURNAL_PAYLOAD_BYTES_MAX);
    j->flush_timer = loop_timer_new(l, on_flush, j);
    j->copy_timer = loop_timer_new(l, on_copy_retry, j);
    *out = j;
    return OK;

end_series:
    worker_pool_close(j->writer);
    series_end(&j->series, true);
close_dirs:
    series_close_dirs(&j->series);
free_memory:
    mem_free(j);
    return err;
}

static void free_chunks(struct chunk **list)
{
    while (*list) {
        struct chunk *c = *list;
        *list = c->next;
        mem_free(c);
    }
}

static void free_stages(struct journal *j)
{
    while (j->spare_stages) {
        struct stage *s = j->spare_stages;
        j->spare_stages = s->next;
        mem_free(s);
    }
}

/* Deferred, so that whoever is on the stack may still use the journal. */
static void finish_closing(void *ctx)
{
    struct journal *j = ctx;
    worker_pool_close(j->writer);
    worker_pool_close(j->copier);
    series_end(&j->series, j->synced == j->position && j->copy_failures == 0);
    series_close_dirs(&j->series);
    free_chunks(&j->spare);
    free_stages(j);
    loop_timer_free(j->flush_timer);
    loop_timer_free(j->copy_timer);
    buf_fini(&j->scratch);
    loop_fn *on_closed = j->on_closed;
    void *closed_ctx = j->closed_ctx;
    mem_free(j);
    if (on_closed)
        on_closed(closed_ctx);
}

void journal_close_step(struct journal *j)
{
    if (!j->closing || j->closed || j->live > 0 || j->writing || j->copying_now)
        return;
    bool write_gave_up = j->write_failures >= JOURNAL_CLOSE_TRIES;
    bool copy_gave_up = j->copy_failures >= JOURNAL_CLOSE_TRIES;
    if (!write_gave_up && (j->position > j->synced || j->dirty))
        return; /* journal_kick was called and will come back here */
    if (!copy_gave_up && !write_gave_up && (j->ending || j->dead))
        return;
    if (write_gave_up || copy_gave_up)
        LOG_ERROR(NULL, "journal.gave-up",
                  "next=\"what is on disk is recovered at the next start\"");
    j->closed = true;
    free_chunks(&j->chunks.first);
    free_chunks(&j->batch.chunks.first);
    j->chunk = NULL;
    journal_run_barriers(j, true);
    journal_copy_abandon(j);
    loop_defer(j->loop, finish_closing, j);
}

void journal_close(struct journal *j, loop_fn *on_closed, void *ctx)
{
    if (j->closing)
        return;
    journal_check(j);
    j->closing = true;
    j->on_closed = on_closed;
    j->closed_ctx = ctx;
    j->write_failures = 0;
    j->copy_failures = 0;
    loop_timer_cancel(j->copy_timer);
    journal_kick(j);
    journal_copy_kick(j);
    journal_close_step(j);
}

struct journal_health journal_health(const struct journal *j)
{
    struct journal_health h = j->health;
    h.backlog_bytes = backlog(j);
    return h;
}
