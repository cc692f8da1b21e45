/*
 * recover.h - closing the calls that a crash left open.
 *
 * The journal has every input up to the last flush. Feeding them to the call core again, and then
 * the word that the server was restarted, gives every turn its final form, also of the sentence
 * that was being said; the store is brought up to it.
 *
 *   Thread   blocks on files and the store: before the loops run.
 */
#ifndef SESSION_RECOVER_H
#define SESSION_RECOVER_H

#include <stddef.h>

#include "base/err.h"
#include "store/store.h"

/* Recovers every call in `journal_dir`, closes it in the store with end reason "server restarted",
 * and closes rows the journal knows nothing of. *calls receives how many were closed. ERR_IO with a
 * sentence when journals or store cannot be written. */
enum err recover_calls(struct store *store, const char *journal_dir, size_t *calls,
                       struct err_detail *detail) MUST_CHECK;

#endif
