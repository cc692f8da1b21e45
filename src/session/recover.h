/*
 * recover.h - the calls that a crash left open: resumed where their carrier may still ask, closed
 * otherwise.
 *
 * The journal has every input up to the last flush. Fed to the call core again they give the call
 * as it was. One that was cut off less than its resume window ago goes on in this process: it waits
 * for its carrier's question (host_revive). For all others the word that the server was restarted
 * gives every turn its final form, also of the sentence that was being said; the store is brought
 * up to it.
 *
 *   Lifetime  recovery_start before the loops run, recovery_stop before the store and the loops are
 *             closed.
 *   Thread    the main thread; the work is done on a thread of its own, behind the listeners.
 */
#ifndef SESSION_RECOVER_H
#define SESSION_RECOVER_H

#include <stddef.h>

#include "base/err.h"
#include "session/host.h"
#include "store/store.h"

struct recovery;

/* Calls end with end reason "server restarted"; so do rows the journal knows nothing of. What
 * cannot be read or written is logged and stays for the next start. */
enum err recovery_start(struct recovery **out, struct host *h, struct store *store,
                        const char *journal_dir, struct err_detail *detail) MUST_CHECK;
/* Another process has ended: what it left is recovered too. Returns at once. The main thread. */
void recovery_again(struct recovery *r);
/* Lets the call at hand be finished, leaves the rest for the next start. NULL-safe. */
void recovery_stop(struct recovery *r);

#endif
