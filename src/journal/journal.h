/*
 * journal.h - the recorded inputs of every call: appended before they are acted on, kept through
 * kill -9, copied to one file per call when it ends.
 *
 * One shared segment file per loop (DATA/journals/segments/) behind a buffer, written and synced by a
 * thread of the journal's own every JOURNAL_FLUSH_MS. A segment is deleted when every call in it has
 * its own file (DATA/journals/<call>.jrn). The same record format is used in both.
 *
 *   Record    32-byte little-endian header {u32 magic, u32 payload length, u32 CRC-32C of the rest of
 *             the header and the payload, u32 call number (of the segment), i64 time us, u16 type,
 *             u16 flags, u32 sequence number within the call} + payload.
 *   Thread    the loop's; the writer thread sees only full buffers. journal_recover: any, before
 *             journal_open.
 *   Bounds    JOURNAL_BUFFER_BYTES a buffer, JOURNAL_BUFFERS_MAX of them; when the disk is too slow for
 *             all of them audio payloads are dropped first (counted, replaced by length and hash), then
 *             the loop is told through journal_health.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/loop.h"

/* Record types. Inputs use JOURNAL_INPUT + enum call_in_type. */
enum journal_type {
    JOURNAL_HEAD = 1, /* JSON: format, build, behaviour, callId, number, wallMs, anchorUs, config */
    JOURNAL_EFFECTS,  /* u32 CRC-32C of all effects of the input before, then the canonical lines of
                         those that are facts (all but forwarded caller audio) */
    JOURNAL_END,      /* JSON: reason and final figures; absent when the process died */
    JOURNAL_INPUT = 16,
};

struct journal;      /* of one loop */
struct journal_call; /* one call's place in it */

/* `dir`: DATA/journals; created when missing. ERR_IO with a sentence. */
enum err journal_open(struct journal **out, struct loop *l, const char *dir,
                      struct err_detail *detail) MUST_CHECK;
/* Flushes, syncs, finishes copies; then on_closed from the loop. */
void journal_close(struct journal *j, loop_fn *on_closed, void *ctx);

/* Begins a call; `head` is its JOURNAL_HEAD payload. */
struct journal_call *journal_call_begin(struct journal *j, const char *call_id, struct str head,
                                        int64_t at_us);
/* Appends one record of up to two parts. Never blocks and never fails the call. */
void journal_append(struct journal_call *jc, uint16_t type, int64_t at_us, struct str part1,
                    struct str part2);
/* Calls fn(ctx) from the loop once everything appended to the call so far is on disk (synced). */
void journal_barrier(struct journal_call *jc, loop_fn *fn, void *ctx);
/* Ends the call with a JOURNAL_END record and copies its records to <dir>/<call id>.jrn off the loop,
 * then calls done(ctx) (may be NULL). `jc` must not be used afterwards. */
void journal_call_end(struct journal_call *jc, struct str end, int64_t at_us, loop_fn *done,
                      void *ctx);

struct journal_health {
    uint64_t records, bytes, syncs;
    int64_t sync_us_max;
    uint64_t audio_dropped; /* payloads not kept because the disk was too slow */
    bool failing;           /* the last write or sync failed; see the log */
};
struct journal_health journal_health(const struct journal *j);

/* -- reading -- */
struct journal_record {
    uint16_t type;
    uint16_t flags;
    uint32_t call;
    uint32_t sequence;
    int64_t at_us;
    struct str payload;
};
struct journal_reader;
/* Maps a .jrn or segment file. ERR_NOTFOUND, ERR_INVALID (not a journal), ERR_IO, with a sentence. */
enum err journal_reader_open(struct journal_reader **out, const char *path,
                             struct err_detail *detail) MUST_CHECK;
void journal_reader_close(struct journal_reader *r);
/* Next whole record. ERR_NOTFOUND at the end; ERR_INVALID where the file is damaged or torn (everything
 * before is good), with the offset in `detail`. */
enum err journal_reader_next(struct journal_reader *r, struct journal_record *out,
                             struct err_detail *detail) MUST_CHECK;

/* -- recovery: at start, before journal_open -- */
struct journal_recovered {
    const char *call_id;
    const char *path;      /* of the <call>.jrn just written */
    int64_t last_at_us;    /* time of the last good record */
    struct str head;       /* JSON */
};
/* Writes a .jrn for every call of a segment that has none, and removes the segments. Calls `fn` for
 * each call recovered. A torn tail is cut silently; damage in the middle is logged and what precedes it
 * is kept. */
enum err journal_recover(const char *dir,
                         void (*fn)(void *ctx, const struct journal_recovered *call), void *ctx,
                         struct err_detail *detail) MUST_CHECK;

#endif
