#include "session/recover.h"

#include <stdio.h>
#include <string.h>

#include "base/js.h"
#include "base/log.h"
#include "journal/journal.h"
#include "journal/replay.h"
#include "session/turn_row.h"

enum { RECOVER_PATH_BYTES = 4352 };

struct work {
    struct store *store;
    size_t calls;
    enum err err;
};

static void store(struct work *w, struct store_req *r, const char *call_id, const char *what)
{
    enum err err = store_run(w->store, r);
    if (err != OK) {
        LOG_ERROR(call_id, "recover.not_stored", "what=%s err=%s detail=\"%s\"", what,
                  err_name(err), r->detail.text);
        w->err = err;
    }
    store_req_free(r);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Ends the call where its journal ends and stores every turn; those that are there already are
 * replaced by the same. */
static void finish(struct work *w, const struct journal_recovered *rec, struct replay *replay)
{
    struct call_input in = {
        .type = CALL_IN_HANGUP, .at_us = rec->last_at_us, .text = STR("server restarted")};
    (void)call_step(replay->call, &in); /* no effect on a call whose end was recorded */
    for (const struct call_item *i = call_items(replay->call); i; i = i->next) {
        struct turn_row row = turn_row_of(replay->call, i, rec->call_id);
        store(w, store_req_turn_put(&row), rec->call_id, "turn");
    }
    json_t *head = NULL;
    int64_t ended_at_ms = 0;
    if (js_parse(rec->head, &head, NULL) == OK) {
        ended_at_ms = js_get_int(head, "wallMs", 0) +
                      (rec->last_at_us - js_get_int(head, "anchorUs", 0)) / 1000;
        json_decref(head);
    }
    struct call_stats stats = call_stats(replay->call);
    struct call_row row =
        end_row_of(replay->call, &stats, rec->call_id, base_name(rec->path), ended_at_ms);
    if (stats.end_reason.len == 0)
        row.end_reason = STR("server restarted");
    store(w, store_req_call_update(&row, CALL_SET_FINISH | CALL_SET_ENGINE), rec->call_id, "call");
}

static void on_recovered(void *ctx, const struct journal_recovered *rec)
{
    struct work *w = ctx;
    struct err_detail why = {""};
    struct journal_reader *reader;
    struct replay replay;
    w->calls++;
    LOG_INFO(rec->call_id, "recover.call", "complete=%d journal=%s", rec->end.p != NULL,
             base_name(rec->path));
    if (journal_reader_open(&reader, rec->path, &why) != OK) {
        LOG_ERROR(rec->call_id, "recover.unreadable", "why=\"%s\"", why.text);
        return;
    }
    if (replay_run(&replay, reader, false, &why) == OK)
        finish(w, rec, &replay);
    else
        LOG_ERROR(rec->call_id, "recover.no_replay", "why=\"%s\"", why.text);
    replay_fini(&replay);
    journal_reader_close(reader);
}

/* A call whose own journal was finished, but the crash came before the store knew. */
static bool recover_finished(struct work *w, const char *journal_dir, const char *call_id)
{
    char path[RECOVER_PATH_BYTES];
    struct journal_reader *reader;
    struct journal_record r;
    struct journal_recovered rec = {.call_id = call_id, .path = path};
    struct err_detail why;
    snprintf(path, sizeof(path), "%s/%s.jrn", journal_dir, call_id);
    if (journal_reader_open(&reader, path, &why) != OK)
        return false;
    while (journal_reader_next(reader, &r, &why) == OK) {
        rec.last_at_us = r.at_us;
        if (r.type == JOURNAL_HEAD)
            rec.head = r.payload;
    }
    on_recovered(w, &rec);
    journal_reader_close(reader);
    return true;
}

/* Rows without an end that no segment knows of. */
static void close_rest(struct work *w, const char *journal_dir)
{
    struct store_req *r = store_req_calls_open();
    size_t count = store_run(w->store, r) == OK ? r->calls_count : 0;
    for (size_t i = 0; i < count; i++) {
        if (recover_finished(w, journal_dir, r->calls[i].id.p))
            continue;
        /* The crash came before the first flush: nothing was said yet. */
        struct call_row row = {.id = r->calls[i].id,
                               .status = STR("failed"),
                               .end_reason = STR("server restarted"),
                               .ended_at_ms = r->calls[i].started_at_ms};
        store(w,
              store_req_call_update(&row, CALL_SET_STATUS | CALL_SET_ENDED | CALL_SET_END_REASON),
              row.id.p, "call");
        w->calls++;
    }
    store_req_free(r);
}

enum err recover_calls(struct store *store, const char *journal_dir, size_t *calls,
                       struct err_detail *detail)
{
    struct work w = {.store = store};
    enum err err = journal_recover(journal_dir, on_recovered, &w, detail);
    if (err != OK)
        return err;
    close_rest(&w, journal_dir);
    *calls = w.calls;
    if (w.err != OK)
        return err_explain(detail, ERR_IO, "recovered calls could not be stored; see the log");
    return OK;
}
