/*
 * export.h - recordings and transcripts from a call's journal, by recorded facts alone: what was
 * sent, cleared and stored, never by running the call's code again.
 *
 * Works up to the last good record of a call that was killed or is still in progress.
 *
 *   Units    time 0 is the beginning of the stream; milliseconds. WAVE: 8 kHz, 16 bits, left the
 *            caller, right the agent.
 *   Thread   any; these take as long as the disk does.
 *   Bounds   JOURNAL_EXPORT_MS_MAX of sound, in memory that does not depend on its length;
 *            JOURNAL_EXPORT_ITEMS_MAX entries of each list.
 */
#ifndef JOURNAL_EXPORT_H
#define JOURNAL_EXPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "journal/journal.h"

struct export_sound {
    int64_t duration_ms;
    int64_t caller_ms, agent_ms; /* sound placed on each side, without pauses */
    int64_t missing_ms;          /* of it, sound whose payload the journal does not keep */
    bool cut;                    /* JOURNAL_EXPORT_MS_MAX was reached */
};

/*
 * Writes the conversation as the caller had it. The caller's audio lies where the stream's
 * timestamps put it; the agent's where it was played: from the moment it was sent, or behind what
 * was still playing, until a clear cut it. ERR_INVALID: no call in the journal, or
 * `path` is a device. ERR_IO: the disk failed; nothing is left of the file then. Both with a
 * sentence.
 */
enum err export_wav(struct journal_reader *r, const char *path, struct export_sound *out,
                    struct err_detail *detail) MUST_CHECK;

/*
 * The transcript as a JSON object; json_decref. Members: format, complete (the call's end was
 * recorded), callId, build, behaviour; businessId, businessName, channel, from, to, recording,
 * announcement; startedAt, durationMs, costNanousd, endReason, transferredTo, final (figures);
 * items [the turns, as call_fx_write gives them, by time; of a call that was cut off also what was
 * being said, final: false], tools [run, name, arguments, atMs, ok, ms, output], dtmf [key, atMs],
 * notes [name, text, atMs]; gap, damage when records are missing.
 * ERR_INVALID: no call in the file.
 */
enum err export_transcript(struct journal_reader *r, json_t **out,
                           struct err_detail *detail) MUST_CHECK;
/* The transcript as indented JSON, and as text for people. */
void export_write_json(struct buf *b, const json_t *transcript);
void export_write_text(struct buf *b, const json_t *transcript);

#endif
