/*
 * journal.h - the recorded inputs of every call: appended before they are acted on, kept through
 * kill -9, copied to one file per call when it ends.
 *
 * One shared series of segment files per loop (DATA/journals/segments/) behind buffers, written and
 * synced by a thread of the journal's own every JOURNAL_FLUSH_MS. A segment is deleted when every
 * call in it has its own file (DATA/journals/<call>.jrn). The same record format is used in both.
 *
 *   Record   32-byte little-endian header {u32 magic, u32 payload length, u32 CRC-32C of the rest
 *            of the header and the payload, u32 call number (of the loop), i64 time us, u16 type,
 *            u16 flags, u32 sequence number within the call} + payload.
 *   Units    times: monotonic microseconds; a JOURNAL_HEAD ties them to the wall clock.
 *   Memory   everything given is copied.
 *   Thread   the loop's; the writer thread sees only full buffers. journal_snapshot: any.
 *   Bounds   JOURNAL_BACKLOG_BYTES not yet on disk. When the disk is too slow, audio payloads are
 *            no longer kept beyond JOURNAL_AUDIO_BACKLOG_BYTES (length and checksum stay, so the
 *            call still replays), then whole records are lost, which their sequence numbers show.
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
                         those that are facts (all but forwarded caller audio). An input without one
                         had no effects. */
    JOURNAL_END,      /* JSON: reason and final figures; absent when the process died */
    JOURNAL_RESUMED,  /* JSON: callId. Another process goes on with the call; its number may be
                         another from here, the sequence goes on */
    JOURNAL_INPUT = 16,
};

enum journal_flag {
    JOURNAL_AUDIO_DROPPED = 1, /* the audio was to be kept, but the disk was too slow */
};

struct past_hold;
struct journal;      /* of one loop */
struct journal_call; /* one call's place in it */

/* `dir`: DATA/journals; created when missing. ERR_IO with a sentence. */
enum err journal_open(struct journal **out, struct loop *l, const char *dir,
                      struct err_detail *detail) MUST_CHECK;
/* Waits for the calls that have not ended yet, flushes, syncs, finishes copies; then calls
 * on_closed(ctx) from the loop. A disk that keeps failing is given up after JOURNAL_CLOSE_TRIES:
 * barriers and ends are then called back all the same and the segments stay for the next start
 * (past.h). */
void journal_close(struct journal *j, loop_fn *on_closed, void *ctx);

/* Begins a call; `head` is its JOURNAL_HEAD payload. The id names the call's file (bytes that do
 * not belong into a file name become '_'). */
struct journal_call *journal_call_begin(struct journal *j, const char *call_id, struct str head,
                                        int64_t at_us);
/* Goes on with a call of a process that died: `before` are its records, which go into its file in
 * front of those that follow; `sequence` is the next. Owns `before`. */
struct journal_call *journal_call_resume(struct journal *j, const char *call_id,
                                         struct past_hold *before, uint32_t sequence,
                                         int64_t at_us);
/* Appends one record of up to two parts. Never blocks and never fails the call. */
void journal_append(struct journal_call *jc, uint16_t type, int64_t at_us, struct str part1,
                    struct str part2);
/* Calls fn(ctx) exactly once from the loop, never from inside this function, when everything
 * appended to the call so far is on disk (synced). Barriers run in the order they were set. While
 * the disk fails they wait: see journal_health. */
void journal_barrier(struct journal_call *jc, loop_fn *fn, void *ctx);
/* Ends the call with a JOURNAL_END record and copies its records to <dir>/<call id>.jrn off the
 * loop, then calls done(ctx) (may be NULL), after the call's barriers. `jc` must not be used
 * afterwards. */
void journal_call_end(struct journal_call *jc, struct str end, int64_t at_us, loop_fn *done,
                      void *ctx);

struct journal_health {
    uint64_t records, bytes, syncs;
    int64_t sync_us_max;
    uint64_t audio_dropped; /* payloads not kept because the disk was too slow */
    uint64_t records_lost;  /* not even the record */
    uint64_t backlog_bytes; /* not on disk yet */
    bool failing;           /* the last write, sync or copy failed; see the log */
};
struct journal_health journal_health(const struct journal *j);

/* -- reading -- */
struct journal_record {
    uint16_t type;
    uint16_t flags; /* of enum journal_flag */
    uint32_t call;
    uint32_t sequence;
    int64_t at_us;
    struct str payload;
};
struct journal_reader;
/* Maps a .jrn or segment file. ERR_NOTFOUND, ERR_INVALID (not a journal), ERR_IO, with a sentence.
 */
enum err journal_reader_open(struct journal_reader **out, const char *path,
                             struct err_detail *detail) MUST_CHECK;
/* The same over bytes of the caller's, which must outlive the reader. Never fails on content. */
struct journal_reader *journal_reader_new(struct str bytes);
/* NULL-safe. */
void journal_reader_close(struct journal_reader *r);
/* Next whole record; the payload is valid until the reader is closed. ERR_NOTFOUND at the end;
 * ERR_INVALID where the file is damaged or torn (everything before is good), with the offset in
 * `detail`, again and again until journal_reader_skip. */
enum err journal_reader_next(struct journal_reader *r, struct journal_record *out,
                             struct err_detail *detail) MUST_CHECK;
/* Goes on behind damage: to the next record that is whole, looking at JOURNAL_RESYNC_BYTES at most.
 * False when there is none: the tail was torn. */
bool journal_reader_skip(struct journal_reader *r);
/* Back to the first record. */
void journal_reader_rewind(struct journal_reader *r);
/* Offset of the next record, in bytes. */
uint64_t journal_reader_offset(const struct journal_reader *r);

/* Writes what is on disk of a call that is not finished yet to `fd`, a file open for writing, as a
 * .jrn. ERR_NOTFOUND when no segment knows the call. Changes nothing else. */
enum err journal_snapshot(const char *dir, const char *call_id, int fd,
                          struct err_detail *detail) MUST_CHECK;

#endif
